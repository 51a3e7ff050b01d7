//! What only the built program reads: experiment files, predictions, run folders.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::input::Input;
use crate::targets::{Outcome, Target, repository};

const EXPERIMENT: &str = "name = \"small\"\nseeds = 2\n\n[data]\nformat = \"routerbench\"\npath = \"table.csv\"\n\n[embeddings]\n\
    encoder = \"hashed-ngrams\"\nsettings = { dim = 16 }\n\n[split]\nkind = \"in-domain\"\ntrain = 0.3\n\n[evaluation]\n\
    bootstrap = 20\ngrid = 6\n\n[cost]\nepochs = 2\nrank = 4\nhidden = [8]\n\n[[router]]\nkind = \"oracle\"\n\n[[router]]\n\
    kind = \"knn\"\nk = 5\n\n[[router]]\nkind = \"linear\"\n\n[[router]]\nkind = \"mlp\"\nepochs = 2\nhidden = [4]\n";

fn table() -> String {
    let mut csv =
        "sample_id,prompt,eval_name,small,large,small|total_cost,large|total_cost\n".to_owned();
    for row in 0..20 {
        csv += &format!(
            "q{row},Compute {row} + 7.,t{},{},{},0.001,0.01\n",
            row % 2,
            row % 2,
            u8::from(row % 5 != 4)
        );
    }
    csv
}

/// Runs the experiment whose folder is the seed of `report` and `compare`.
pub fn prepare(program: &Path, prepared: &Path) {
    fs::write(prepared.join("table.csv"), table()).expect("a temporary folder");
    fs::write(prepared.join("small.toml"), EXPERIMENT).expect("a temporary folder");
    let done = Command::new(program)
        .current_dir(prepared)
        .args(["run", "small.toml", "--out", "runs", "--quiet"])
        .stdout(Stdio::null())
        .status();
    assert!(
        done.is_ok_and(|status| status.success()),
        "the experiment does not run"
    );
}

/// Runs the program: it may succeed, or refuse with an error in words.
fn call(program: &Path, folder: &Path, args: &[&str]) -> Outcome {
    let output = match Command::new(program)
        .current_dir(folder)
        .args(args)
        .stdin(Stdio::null())
        .output()
    {
        Ok(output) => output,
        Err(error) => {
            return Outcome::Wrong(format!("cannot start {}: {error}", program.display()));
        }
    };
    let said = String::from_utf8_lossy(&output.stderr);
    match output.status.code() {
        _ if said.contains("panicked") => Outcome::Wrong(format!("panic: {said}")),
        Some(0) => Outcome::Accepted,
        Some(1 | 2) if said.contains("error: ") => Outcome::Refused,
        code => Outcome::Wrong(format!("exit code {code:?}: {said}")),
    }
}

type Calls = &'static [&'static [&'static str]];

/// A target that calls the program with each of `calls` in the folder of the input.
fn target(name: &str, program: &Path, seeds: Vec<Input>, calls: Calls) -> Target {
    let program: PathBuf = program.to_owned();
    let feed = move |folder: &Path| {
        let mut outcome = Outcome::Accepted;
        for args in calls {
            match call(&program, folder, args) {
                Outcome::Accepted => {}
                other => outcome = other,
            }
            if matches!(outcome, Outcome::Wrong(_)) {
                break;
            }
        }
        outcome
    };
    Target {
        name: format!("program-{name}"),
        seeds,
        share: 0,
        bound: (0, usize::MAX),
        process: true,
        feed: Box::new(feed),
    }
}

pub fn targets(program: &Path, prepared: &Path) -> Vec<Target> {
    let example = |name: &str| {
        fs::read(repository().join("docs/examples").join(name)).expect("the examples are there")
    };
    let experiment = Input(vec![
        ("small.toml".to_owned(), EXPERIMENT.into()),
        ("table.csv".to_owned(), table().into_bytes()),
    ]);
    let predictions = Input(
        ["table.csv", "predictions.csv"]
            .map(|name| (name.to_owned(), example(name)))
            .to_vec(),
    );
    let mut run = Input::folder(&prepared.join("runs")).expect("the experiment was run");
    // What is only written, and large.
    run.0.retain(|(name, _)| {
        ![".pdf", ".png", ".html"]
            .iter()
            .any(|end| name.ends_with(end))
    });
    vec![
        target(
            "experiment",
            program,
            vec![experiment],
            &[&["run", "small.toml", "--check"]],
        ),
        target(
            "predictions",
            program,
            vec![predictions],
            &[&[
                "evaluate",
                "--table",
                "table.csv",
                "--predictions",
                "predictions.csv",
            ]],
        ),
        target(
            "report",
            program,
            vec![run.clone()],
            &[&["report", "small"]],
        ),
        target(
            "compare",
            program,
            vec![run],
            &[&["compare", "small", "small"]],
        ),
    ]
}
