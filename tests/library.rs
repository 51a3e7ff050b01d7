//! RouteLab as a library: a program with a router of its own, and what is read of its runs.

mod common;

use std::path::{Path, PathBuf};
use std::process::Command;

use common::{experiment, says, table, workplace};
use routelab::{Deployed, RunFolder};

/// The example beside the tests of this build.
fn own_router() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let profile = test.parent().and_then(Path::parent).unwrap();
    profile.join(format!(
        "examples/own_router{}",
        std::env::consts::EXE_SUFFIX
    ))
}

fn call(args: &[&str]) -> (bool, String) {
    let output = Command::new(own_router()).args(args).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(text).unwrap())
}

#[test]
fn a_router_of_ones_own_is_in_every_table_and_figure() {
    let routers = "reference = \"Mine\"\n[[router]]\nkind = \"knn\"\nk = 3\n[[router]]\nkind = \"centroids\"\nlabel = \"Mine\"\nweight = 2\n";
    let place = workplace(&table(60), "");
    let (start, end) = routers.split_once('\n').unwrap();
    let file = place.path().join("small.toml");
    std::fs::write(&file, format!("{start}\n{}", experiment(end))).unwrap();
    let out = place.path().join("runs");
    let run = |more: &[&str]| {
        let args = [
            "run",
            file.to_str().unwrap(),
            "--out",
            out.to_str().unwrap(),
        ];
        call(&[&args, more].concat())
    };
    let (good, said) = run(&[]);
    assert!(good, "{said}");
    says(&said, &["Mine", "report:"]);

    let run_folder = RunFolder::open(&out.join("small")).unwrap();
    let results = run_folder.results().unwrap();
    let mine = results.routers.iter().find(|router| router.label == "Mine");
    let mine = mine.unwrap();
    assert_eq!((mine.kind.as_str(), mine.seeds.len()), ("centroids", 2));
    assert!(results.summary(mine, "nauc_shared").unwrap().mean.0 > 0.0);
    assert_eq!(results.reference.as_deref(), Some("Mine"));
    for file in [
        "metrics.csv",
        "table.md",
        "table.tex",
        "tasks.csv",
        "decomposition.csv",
        "report.html",
        "figures/call_rate.svg",
        "figures/rci.csv",
    ] {
        assert!(run_folder.text(file).unwrap().contains("Mine"), "{file}");
    }
    // It is routed with by its own program, and unknown to the plain one.
    let model = run_folder.file("models/mine");
    let (good, said) = call(&[
        "route",
        "--model",
        model.to_str().unwrap(),
        "What is 7 + 7?",
    ]);
    assert!(good, "{said}");
    says(&said, &["← chosen"]);
    let refused = Deployed::open(&model).err().unwrap().to_string();
    says(&refused, &["unknown router `centroids`", "knn"]);
    // An error of the library says what happened; what to do with the program is apart from it.
    let error = Deployed::open(run_folder.path()).err().unwrap();
    assert!(!error.to_string().contains("--"), "{error}");
    says(&error.remedy().unwrap(), &["`--model` takes a folder"]);
    // Its settings are checked like all others.
    let text = std::fs::read_to_string(&file).unwrap();
    for (wrong, said) in [
        ("weight = -1", "`weight` must be at least 0, not -1"),
        ("weigth = 1", "weigth"),
    ] {
        std::fs::write(&file, text.replace("weight = 2", wrong)).unwrap();
        let (good, error) = run(&[]);
        assert!(!good);
        says(&error, &["small.toml", "number 2", "centroids", said]);
    }
}
