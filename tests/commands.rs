//! The other commands.
#![allow(clippy::print_stderr, reason = "a test prints as it likes")]

mod common;

use std::fs;

use common::{QUICK_ROUTERS, arg, experiment, repository, says, success, table, workplace};
use serde_json::Value;

#[test]
fn help_of_every_command_has_an_example() {
    for command in [
        "run", "tune", "report", "evaluate", "route", "embed", "data", "bench", "backends",
        "collect", "grade", "serve",
    ] {
        let help = success(&[command, "--help"]);
        assert!(
            help.contains(&format!("routelab {command}")),
            "{command}:\n{help}"
        );
    }
}

#[test]
fn backends_are_listed_and_the_default_is_ready() {
    let backends: Value = serde_json::from_str(&success(&["backends", "--json"])).unwrap();
    let default = backends
        .as_array()
        .unwrap()
        .iter()
        .find(|backend| backend["default"] == true)
        .unwrap();
    assert_eq!(default["name"], "flex");
    assert_eq!(default["ready"], true);
    says(
        &success(&["backends"]),
        &["flex", "ndarray", "wgpu", "vulkan"],
    );
}

#[test]
fn a_fitted_router_routes_a_prompt_within_its_budget() {
    let place = workplace(&table(120), &experiment(QUICK_ROUTERS));
    let out = place.path().join("runs");
    success(&[
        "run",
        arg(&place.path().join("small.toml")),
        "--out",
        arg(&out),
        "--quiet",
    ]);
    let model = out.join("small/models/linear");
    let route = |prompt: &str, budget: &[&str]| -> Value {
        let mut args = vec!["route", "--model", arg(&model), prompt, "--json"];
        args.extend(budget);
        serde_json::from_str(&success(&args)).unwrap()
    };
    let maths = route(
        "Compute 12 * 15 + 7 and give the digits.",
        &["--budget", "0.001"],
    );
    assert_eq!(maths["model"], "maths", "{maths}");
    let words = route(
        "Spell the word number 5 backwards and find a rhyme for it.",
        &["--budget", "0.001"],
    );
    assert_eq!(words["model"], "words", "{words}");
    assert_eq!(words["within_budget"], true);
    let nothing = route("Compute 1 + 1.", &["--budget", "0"]);
    assert_eq!(nothing["within_budget"], false);
}

#[test]
fn data_are_listed_inspected_and_converted() {
    let list = success(&["data", "list"]);
    says(&list, &["routerbench", "datasets/routerbench-slice"]);
    let place = workplace(&table(40), "");
    let pictures = place.path().join("pictures");
    let inspect = |path: &str| -> Value {
        let args = ["data", "inspect", path, "--out", arg(&pictures), "--json"];
        serde_json::from_str(&success(&args)).unwrap()
    };
    let found = inspect("datasets/routerbench-slice");
    for ending in ["svg", "pdf", "png", "csv"] {
        let picture = pictures.join(format!("routerbench-slice/pool.{ending}"));
        assert!(
            picture.metadata().unwrap().len() > 500,
            "{}",
            picture.display()
        );
    }
    let csv = fs::read_to_string(pictures.join("routerbench-slice/pool.csv")).unwrap();
    says(&csv, &["gpt-4-1106-preview", "only_best"]);
    assert_eq!(found["queries"], 3150);
    assert_eq!(found["best_single"], "gpt-4-1106-preview");
    assert_eq!(found["strongest"][0], "gpt-4-1106-preview");
    assert!((found["oracle_quality"].as_f64().unwrap() - 0.9756).abs() < 5e-5);

    let source = place.path().join("dataset.toml");
    fs::write(&source, "format = \"routerbench\"\npath = \"table.csv\"\n").unwrap();
    let parquet = place.path().join("table.parquet");
    success(&["data", "convert", arg(&source), arg(&parquet)]);
    let converted = place.path().join("converted.toml");
    fs::write(
        &converted,
        "format = \"routelab\"\npath = \"table.parquet\"\n",
    )
    .unwrap();
    let (mut one, mut two) = (inspect(arg(&source)), inspect(arg(&converted)));
    for found in [&mut one, &mut two] {
        found.as_object_mut().unwrap().remove("pictures");
    }
    assert_eq!(one, two);
}

#[test]
fn the_example_of_evaluate_works_as_it_stands() {
    let example = [
        "evaluate",
        "--table",
        "docs/examples/table.csv",
        "--predictions",
        "docs/examples/predictions.csv",
    ];
    let found: Value =
        serde_json::from_str(&success(&[&example[..], &["--json"]].concat())).unwrap();
    assert_eq!(found["best_single_model"], "large");
    assert_eq!(found["call_rates"]["large"], 1.0);
    says(&success(&example), &["nAUC (shared)", "RCI", "large"]);
}

#[test]
fn every_experiment_that_is_shipped_can_be_read() {
    for folder in ["experiments", "experiments/paper"] {
        let found: Value =
            serde_json::from_str(&success(&["run", folder, "--check", "--json"])).unwrap();
        let experiments = found.as_array().unwrap();
        assert!(experiments.len() >= 4, "{folder}: {found}");
        for experiment in experiments {
            assert!(experiment["fits"].as_u64().unwrap() > 0, "{experiment}");
        }
    }
}

#[test]
fn the_experiments_on_data_that_are_not_shipped_can_be_read_where_the_data_are() {
    let weights = repository().join("models");
    if !weights.join("all-MiniLM-L6-v2/model.safetensors").exists() {
        eprintln!(
            "SKIPPED: no MiniLM in {}: python3 scripts/get-minilm.py",
            weights.display()
        );
        return;
    }
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("experiments/full");
    fs::create_dir_all(&folder).unwrap();
    for (name, format, path) in [
        (
            "routerbench",
            "routerbench",
            "datasets/routerbench-slice/routerbench_slice.csv",
        ),
        (
            "mmr-bench",
            "mmr-bench",
            "crates/routelab-data/tests/fixtures/mmr-bench",
        ),
    ] {
        let file = repository().join(format!("experiments/full/{name}.toml"));
        let text = fs::read_to_string(file).unwrap();
        // The fixture has three queries.
        let text = text
            .replace("../../models", weights.to_str().unwrap())
            .replace("train = 0.2", "train = 0.5");
        fs::write(folder.join(format!("{name}.toml")), text).unwrap();
        let data = place.path().join("data").join(name);
        fs::create_dir_all(&data).unwrap();
        let path = repository().join(path);
        let spec =
            format!("format = {format:?}\npath = {path:?}\nlimit = 30\nmissing = \"drop-query\"\n");
        fs::write(data.join("dataset.toml"), spec).unwrap();
    }
    let found: Value =
        serde_json::from_str(&success(&["run", arg(&folder), "--check", "--json"])).unwrap();
    assert_eq!(found.as_array().unwrap().len(), 2, "{found}");
    assert_eq!(found[0]["models"].as_array().unwrap().len(), 10, "{found}");
    assert_eq!(found[1]["models"].as_array().unwrap().len(), 11, "{found}");
}
