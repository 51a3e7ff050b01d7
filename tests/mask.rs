//! `missing = "mask"`: a model measured on some queries only joins a pool.

mod common;

use std::fs;
use std::path::Path;

use common::{
    QUICK_EQUIROUTER, arg, experiment, files, refused, repository, routelab, says, success, table,
    workplace,
};
use serde_json::Value;

/// Quick routers that take a mask, one of every kind but EquiRouter's.
const TAKERS: &str = r#"
[[router]]
kind = "oracle"

[[router]]
kind = "knn"
k = 5

[[router]]
kind = "avengers-pro"
clusters = 4

[[router]]
kind = "uniroute"
clusters = 4

[[router]]
kind = "linear"

[[router]]
kind = "calibrated"
folds = 2

[[router]]
kind = "best-single"
"#;

fn takers() -> String {
    format!("{TAKERS}{QUICK_EQUIROUTER}")
}

/// [`table`] in which `maths` was measured on every third query only; `cost` is what the other cells have.
fn partial(rows: usize) -> String {
    let lines = table(rows);
    let mut lines = lines.lines();
    let mut csv = format!("{}\n", lines.next().unwrap());
    for (row, line) in lines.enumerate() {
        let mut cells: Vec<&str> = line.split(',').collect();
        if row % 3 != 0 {
            (cells[4], cells[7]) = ("", "");
        }
        csv += &format!("{}\n", cells.join(","));
    }
    csv
}

fn with_mask(routers: &str) -> String {
    experiment(routers).replace("[data]\n", "[data]\nmissing = \"mask\"\n")
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

#[test]
fn the_commands_of_the_page_work() {
    let page = fs::read_to_string(repository().join("docs/add-a-model.md")).unwrap();
    let commands: Vec<&str> = (page.lines())
        .filter_map(|line| line.strip_prefix("routelab "))
        .collect();
    assert_eq!(commands.len(), 3);
    let out = tempfile::tempdir().unwrap();
    let run = |command: &str| {
        let mut args: Vec<&str> = command.split(' ').collect();
        args.extend(["--out", arg(out.path())]);
        let output = routelab(&args);
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8(said).unwrap();
        assert!(output.status.success(), "{command}: {said}");
        said
    };
    let inspected = run(commands[0]);
    says(
        &inspected,
        &["40 queries × 4 models", "8 of", "new-model on 8"],
    );
    let counts = ["seed 42 trains on 20 queries", "complete", "tests on the"];
    says(&run(commands[1]), &counts);
    let said = run(commands[2]);
    says(&said, &counts);
    let run = out.path().join("add-a-model");
    let manifest = json(&run.join("manifest.json"));
    let (data, splits) = (&manifest["data"], &manifest["splits"]);
    assert_eq!(data["queries"], 40);
    assert_eq!(data["complete_queries"], 8);
    assert_eq!(data["incomplete_queries"], 32);
    for split in splits.as_array().unwrap() {
        let number = |key: &str| split[key].as_u64().unwrap();
        assert_eq!(number("train"), 20);
        assert_eq!(number("test") + number("test_left_out"), 20);
        assert_eq!(number("test") + number("train_complete"), 8);
        says(
            &said,
            &[&format!("tests on the {} complete of 20", number("test"))],
        );
    }
    let report = fs::read_to_string(run.join("report.html")).unwrap();
    says(
        &report,
        &["8 queries were measured for every model, 32 for some"],
    );
    let log = fs::read_to_string(run.join("run.log")).unwrap();
    says(&log, &["trains on 20 queries"]);
    // Every row that is shown or stored is a complete one.
    let queries = json(&run.join("queries.json"));
    let tests = splits[0]["test"].as_u64();
    assert_eq!(queries["test_queries"].as_u64(), tests);
    for query in queries["queries"].as_array().unwrap() {
        let id = query["id"].as_str().unwrap();
        assert!(id[1..].parse::<usize>().unwrap() < 8, "{id}");
    }
    // What is kept of the truth are the complete queries.
    let truth = fs::read(run.join("truth.safetensors")).unwrap();
    let truth = safetensors::SafeTensors::deserialize(&truth).unwrap();
    assert_eq!(truth.tensor("quality").unwrap().shape(), [8, 4]);
    // A run can be compared with itself: its truth belongs to its predictions.
    success(&[
        "compare",
        arg(&run),
        arg(&run),
        "--out",
        arg(&out.path().join("compared")),
    ]);
}

#[test]
fn a_mask_over_nothing_gives_the_same_bytes() {
    let plain = workplace(&table(60), &experiment(&takers()));
    let masked = workplace(&table(60), &with_mask(&takers()));
    let results = [plain.path(), masked.path()].map(|place| {
        success(&["run", arg(&place.join("small.toml")), "--out", arg(place)]);
        files(
            &place.join("small"),
            &[".csv", "metrics.json", ".safetensors", "queries.json"],
        )
    });
    let timeless = |files: &[(String, Vec<u8>)]| -> Vec<(String, Vec<u8>)> {
        let timed = |name: &str| name.contains("time") || name.contains("seconds");
        files
            .iter()
            .filter(|(name, _)| !timed(name))
            .cloned()
            .collect()
    };
    let [plain, masked] = results.map(|files| timeless(&files));
    assert!(plain.len() > 20);
    let names = |files: &[(String, Vec<u8>)]| -> Vec<String> {
        files.iter().map(|(name, _)| name.clone()).collect()
    };
    assert_eq!(names(&plain), names(&masked));
    for ((name, plain), (_, masked)) in plain.iter().zip(&masked) {
        assert!(plain == masked, "{name}");
    }
}

#[test]
fn gaps_train_and_complete_queries_test() {
    let place = workplace(&partial(60), &with_mask(&takers()));
    let file = place.path().join("small.toml");
    success(&["run", arg(&file), "--out", arg(place.path())]);
    let run = place.path().join("small");
    let metrics = fs::read_to_string(run.join("metrics.csv")).unwrap();
    assert!(!metrics.contains("NaN"), "{metrics}");
    let labels = ["Oracle", "kNN", "oracle", "knn", "uniroute", "equirouter"];
    assert!(
        labels
            .iter()
            .filter(|label| metrics.contains(**label))
            .count()
            >= 4,
        "{metrics}"
    );
    // Eight rows of routers on two seeds: none failed.
    assert_eq!(metrics.lines().count(), 1 + 8 * 2, "{metrics}");
    // Tasks count complete queries: every third row, of which 30 % train.
    let manifest = json(&run.join("manifest.json"));
    let tests: u64 = (manifest["splits"].as_array().unwrap().iter())
        .map(|split| split["test"].as_u64().unwrap())
        .sum();
    let tasks = fs::read_to_string(run.join("tasks.csv")).unwrap();
    let of_oracle: u64 = (tasks.lines().skip(1))
        .filter(|line| line.to_lowercase().starts_with("oracle,"))
        .map(|line| line.split(',').nth(2).unwrap().parse::<u64>().unwrap())
        .sum();
    assert_eq!(of_oracle, tests, "{tasks}");
    // The whole run again: equal inputs, equal bytes, and a run that goes on where it was.
    success(&["run", arg(&file), "--out", arg(place.path()), "--resume"]);
}

#[test]
fn a_search_is_judged_on_complete_queries() {
    let routers = "\n[[router]]\nkind = \"knn\"\n\n[[router]]\nkind = \"linear\"\n";
    let place = workplace(&partial(80), &with_mask(routers));
    let file = place.path().join("small.toml");
    success(&[
        "tune",
        arg(&file),
        "--trials",
        "3",
        "--out",
        arg(place.path()),
    ]);
    let trials = fs::read_to_string(place.path().join("small-tuned/trials.csv")).unwrap();
    assert!(
        trials.lines().count() > 6 && !trials.contains("NaN"),
        "{trials}"
    );
}

#[test]
fn the_other_routers_are_refused_by_name_before_the_first_fit() {
    for (routers, parts) in [
        (
            "\n[[router]]\nkind = \"knn\"\n\n[[router]]\nkind = \"svr\"\n",
            ["router `svr`", "uniroute"],
        ),
        ("\n[[router]]\nkind = \"gbt\"\n", ["router `gbt`", "knn"]),
        (
            "\n[[router]]\nkind = \"graphrouter\"\nobjective = \"listnet\"\n",
            ["router `graphrouter`", "equirouter"],
        ),
        (
            "\n[[router]]\nkind = \"margin-rule\"\nbase = { kind = \"carrot\" }\n",
            ["router `margin-rule`", "with these settings"],
        ),
    ] {
        let place = workplace(&partial(40), &with_mask(routers));
        let file = place.path().join("small.toml");
        let runs = place.path().join("runs");
        for check in [&["--check"][..], &[]] {
            let args = [&["run", arg(&file), "--out", arg(&runs)], check].concat();
            let error = refused(2, &args);
            says(&error, &parts);
            says(&error, &["drop-query", "docs/add-a-model.md"]);
        }
        assert!(!runs.exists());
    }
}

#[test]
fn a_split_without_anything_to_test_or_to_train_on_is_refused() {
    let blank = |keep: &[usize]| -> String {
        let whole = table(40);
        let mut lines = whole.lines();
        let mut csv = format!("{}\n", lines.next().unwrap());
        for (row, line) in lines.enumerate() {
            let mut cells: Vec<&str> = line.split(',').collect();
            if !keep.contains(&row) {
                (cells[4], cells[7]) = ("", "");
            }
            csv += &format!("{}\n", cells.join(","));
        }
        csv
    };
    // One measurement is either in the training rows or in the test rows.
    let place = workplace(&blank(&[7]), &with_mask("\n[[router]]\nkind = \"knn\"\n"));
    let file = place.path().join("small.toml");
    let error = refused(
        2,
        &["run", arg(&file), "--out", arg(place.path()), "--check"],
    );
    says(&error, &["seed 4", "help: "]);
    assert!(
        error.contains("is complete") || error.contains("was measured on none"),
        "{error}"
    );
    let words = experiment("\n[[router]]\nkind = \"knn\"\n").replace("train = 0.3", "train = 0.95");
    let words = words.replace("[data]\n", "[data]\nmissing = \"mask\"\n");
    let place = workplace(&blank(&[7]), &words);
    let file = place.path().join("small.toml");
    let error = refused(2, &["run", arg(&file), "--out", arg(place.path())]);
    says(&error, &["seed 4", "help: "]);
    assert!(!place.path().join("small").exists());
}
