//! `routelab run` from the experiment file to the report.

mod common;

use std::fs;

use common::{
    QUICK_ROUTERS, arg, experiment, files, refused, repository, says, success, table, workplace,
};
use ndarray::Array2;
use routelab_data::{DataSpec, Embeddings, Precision, load};
use serde_json::Value;

/// What another run repeats to the byte.
const REPEATED: [&str; 4] = [".csv", ".json", ".svg", ".safetensors"];

fn read(path: &std::path::Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

#[test]
fn a_run_writes_everything_and_another_one_repeats_it() {
    let place = workplace(&table(120), &experiment(QUICK_ROUTERS));
    let file = place.path().join("small.toml");
    let run = |out: &str| {
        let out = place.path().join(out);
        success(&["run", arg(&file), "--out", arg(&out), "--quiet"]);
        out.join("small")
    };
    let (first, second) = (run("one"), run("two"));
    let names: Vec<String> = files(&first, &[""])
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    for expected in [
        "manifest.json",
        "experiment.toml",
        "run.log",
        "timings.tsv",
        "metrics.csv",
        "metrics.json",
        "points.csv",
        "grid_points.csv",
        "comparisons.csv",
        "tasks.csv",
        "decomposition.csv",
        "queries.json",
        "table.csv",
        "table.md",
        "table.tex",
        "report.html",
        "encoder.safetensors",
        "models/equirouter/router.json",
        "units/42/knn/scores.safetensors",
        "units/43/mlp/unit.json",
    ] {
        assert!(
            names.iter().any(|name| name == expected),
            "{expected} is missing in {names:?}"
        );
    }
    for figure in ["call_rate", "cost_quality", "call_mix", "margins", "rci"] {
        for ending in ["svg", "png", "csv"] {
            let name = format!("figures/{figure}.{ending}");
            assert!(names.contains(&name), "{name} is missing");
        }
    }
    let (one, two) = (files(&first, &REPEATED), files(&second, &REPEATED));
    assert_eq!(one.len(), two.len());
    for ((name, one), (_, two)) in one.iter().zip(&two) {
        assert!(one == two, "{name} differs between two runs");
    }
    assert!(
        names.iter().all(|name| !name.contains(".tmp")),
        "a temporary file stayed: {names:?}"
    );

    let metrics = read(&first.join("metrics.json"));
    let routers = metrics["routers"].as_array().unwrap();
    let summary =
        |index: usize, metric: &str| routers[index]["summary"][metric]["mean"].as_f64().unwrap();
    assert_eq!(routers[0]["router"], "oracle");
    assert_eq!(summary(0, "regret"), 0.0);
    for router in 1..routers.len() {
        assert!(summary(router, "nauc_shared") <= summary(0, "nauc_shared") + 1e-12);
        let parts = summary(router, "rci_wasteful") + summary(router, "rci_wrong");
        assert!((summary(router, "rci") - parts).abs() < 1e-12);
    }

    let report = fs::read_to_string(first.join("report.html")).unwrap();
    says(
        &report,
        &[
            "Strongest model: strong (the dearest on the training queries)",
            "<svg",
            "Routing collapse index",
            "equirouter",
            "hashed-ngrams",
            "All routers",
        ],
    );
    for outside in ["src=\"http", "href=\"http", "<link", "@import", "url(http"] {
        assert!(
            !report.contains(outside),
            "the report asks the network: {outside}"
        );
    }
    says(&report, &["default-src 'none'"]);
    success(&["report", arg(&first)]);
    let again = fs::read_to_string(first.join("report.html")).unwrap();
    assert!(report == again);
}

/// `tasks.csv` divides what `metrics.json` has: weighted by their queries, the tasks' call rates make those of the whole.
/// The rows of `metrics.csv` of a router, without its names.
fn numbers_of(csv: &str, label: &str) -> Vec<String> {
    let rows = csv
        .lines()
        .map(|row| row.splitn(3, ',').collect::<Vec<_>>());
    rows.filter(|row| row[0] == label)
        .map(|row| row[2].to_owned())
        .collect()
}

#[test]
fn a_decision_is_a_setting_of_every_router() {
    let routers = r#"
[[router]]
kind = "margin-rule"
base = { kind = "knn", k = 5 }

[[router]]
kind = "knn"
label = "within a margin"
k = 5
decision = { kind = "margin", delta = 0.05 }

[[router]]
kind = "carrot"
k = 5

[[router]]
kind = "knn"
label = "by price"
k = 5
decision = { kind = "price", budgets = "costs" }

[[router]]
kind = "knn"
label = "capped"
k = 5
decision = "cap+price"

[[router]]
kind = "oracle"
decision = "price"
"#;
    let text =
        experiment(routers).replace("[evaluation]\n", "[evaluation]\nrci_prices = [0, 10]\n");
    let place = workplace(&table(120), &text);
    let (file, out) = (place.path().join("small.toml"), place.path().join("runs"));
    success(&["run", arg(&file), "--out", arg(&out), "--quiet"]);
    let folder = out.join("small");
    let metrics = fs::read_to_string(folder.join("metrics.csv")).unwrap();
    for (own, by_setting) in [("margin-rule", "within a margin"), ("carrot", "by price")] {
        let expected = numbers_of(&metrics, own);
        assert_eq!(expected.len(), 2, "{own}");
        assert_eq!(numbers_of(&metrics, by_setting), expected, "{own}");
    }
    assert_ne!(
        numbers_of(&metrics, "capped"),
        numbers_of(&metrics, "by price")
    );
    // The experiment is written out with its decisions, and read back.
    let resolved = fs::read_to_string(folder.join("experiment.toml")).unwrap();
    let resolved: toml::Table = toml::from_str(&resolved).unwrap();
    let routers = resolved["router"].as_array().unwrap();
    assert_eq!(routers[4]["decision"]["cap"].as_float(), Some(2.0));
    assert_eq!(routers[5]["decision"].as_str(), Some("price"));
    assert!(routers[0].get("decision").is_none());
    let unit = read(&folder.join("units/42/capped/unit.json"));
    assert_eq!(unit["decision"]["kind"], "trade-off");
    assert_eq!(unit["decision"]["cap"], 2.0);

    let prices = fs::read_to_string(folder.join("rci_prices.csv")).unwrap();
    let rows: Vec<&str> = prices.lines().collect();
    assert!(rows[0].starts_with("router,seed,price,budget,cost,quality,rci,"));
    assert_eq!(rows.len(), 1 + 6 * 2 * 2);

    let bad = text.replace("decision = \"cap+price\"", "decision = \"dear\"");
    fs::write(&file, bad).unwrap();
    let error = refused(2, &["run", arg(&file), "--out", arg(&out), "--quiet"]);
    says(&error, &["number 5", "decision", "`cap+price=2`"]);
}

#[test]
fn tasks_add_up() {
    let place = workplace(&table(120), &experiment(QUICK_ROUTERS));
    let file = place.path().join("small.toml");
    success(&[
        "run",
        arg(&file),
        "--out",
        arg(place.path()),
        "--seeds",
        "1",
        "--quiet",
    ]);
    let run = place.path().join("small");
    let metrics = read(&run.join("metrics.json"));
    let mut file = csv::Reader::from_path(run.join("tasks.csv")).unwrap();
    let header: Vec<String> = file.headers().unwrap().iter().map(String::from).collect();
    let rows: Vec<Vec<String>> = file
        .records()
        .map(|row| row.unwrap().iter().map(String::from).collect())
        .collect();
    let at = |name: &str| header.iter().position(|column| column == name).unwrap();
    for router in metrics["routers"].as_array().unwrap() {
        let rows: Vec<&Vec<String>> = rows
            .iter()
            .filter(|row| row[0] == router["router"])
            .collect();
        assert!(!rows.is_empty(), "{router}");
        let number = |row: &Vec<String>, name: &str| row[at(name)].parse::<f64>().unwrap();
        let queries: f64 = rows.iter().map(|row| number(row, "queries")).sum();
        for name in ["quality", "cost"] {
            let whole = rows
                .iter()
                .map(|row| number(row, "queries") * number(row, name))
                .sum::<f64>()
                / queries;
            let expected = router["summary"][name]["mean"].as_f64().unwrap();
            assert!(
                (whole - expected).abs() < 1e-6 * expected.max(1.0),
                "{name} of {}: {whole}, not {expected}",
                router["router"]
            );
        }
        for row in rows {
            let rates: f64 = ["words", "maths", "strong"]
                .iter()
                .map(|model| number(row, &format!("call_rate|{model}")))
                .sum();
            assert!((rates - 1.0).abs() < 1e-9);
        }
    }
}

#[test]
fn the_strongest_model_is_a_choice() {
    let base = experiment("[[router]]\nkind = \"best-single\"\n[[router]]\nkind = \"cheapest\"\n");
    for (choice, model, meaning) in [
        ("dearest", "strong", "the dearest on the training queries"),
        (
            "best-single",
            "strong",
            "the best single model on the training queries",
        ),
        ("maths", "maths", "as the experiment says"),
    ] {
        let text = base.replace(
            "[evaluation]\n",
            &format!("[evaluation]\nstrongest = \"{choice}\"\n"),
        );
        let place = workplace(&table(60), &text);
        let file = place.path().join("small.toml");
        success(&["run", arg(&file), "--out", arg(place.path()), "--quiet"]);
        let metrics = read(&place.path().join("small/metrics.json"));
        assert_eq!(metrics["strongest_named"], format!("{model} ({meaning})"));
        for router in metrics["routers"].as_array().unwrap() {
            let summary = &router["summary"];
            assert_eq!(
                summary["strongest_call_rate"]["mean"], summary["call_rates"][model],
                "{choice}"
            );
        }
    }
    let text = base.replace("[evaluation]\n", "[evaluation]\nstrongest = \"nobody\"\n");
    let place = workplace(&table(60), &text);
    let error = refused(
        2,
        &["run", arg(&place.path().join("small.toml")), "--check"],
    );
    says(
        &error,
        &[
            "[evaluation]",
            "\"nobody\"",
            "best-single",
            "words, maths, strong",
        ],
    );
}

#[test]
fn an_interrupted_run_goes_on_and_ends_with_the_same_numbers() {
    let place = workplace(&table(80), &experiment(QUICK_ROUTERS));
    let file = place.path().join("small.toml");
    let out = place.path().join("runs");
    success(&["run", arg(&file), "--out", arg(&out), "--quiet"]);
    let folder = out.join("small");
    let whole = files(&folder, &REPEATED);

    // What a kill leaves: the second seed is missing, one unit is half there, nothing is evaluated.
    fs::remove_dir_all(folder.join("units/43")).unwrap();
    fs::remove_file(folder.join("units/42/mlp/unit.json")).unwrap();
    fs::remove_dir_all(folder.join("figures")).unwrap();
    for name in ["metrics.csv", "metrics.json", "report.html", "table.csv"] {
        fs::remove_file(folder.join(name)).unwrap();
    }
    let kept = folder.join("units/42/knn/unit.json");
    let before = fs::metadata(&kept).unwrap().modified().unwrap();
    success(&["run", arg(&file), "--out", arg(&out), "--resume", "--quiet"]);
    assert_eq!(
        before,
        fs::metadata(&kept).unwrap().modified().unwrap(),
        "a finished unit was fitted again"
    );
    let resumed = files(&folder, &REPEATED);
    assert_eq!(whole.len(), resumed.len());
    for ((name, whole), (_, resumed)) in whole.iter().zip(&resumed) {
        assert!(whole == resumed, "{name} differs after the interruption");
    }
}

#[test]
fn a_folder_of_another_run_is_kept_until_told_otherwise() {
    let place = workplace(
        &table(60),
        &experiment("[[router]]\nkind = \"knn\"\nk = 3\n"),
    );
    let file = place.path().join("small.toml");
    let out = place.path().join("runs");
    let error = refused(2, &["run", arg(&file), "--out", arg(&out), "--resume"]);
    says(&error, &["no run to resume", "help:"]);
    success(&["run", arg(&file), "--out", arg(&out), "--quiet"]);
    fs::write(&file, experiment("[[router]]\nkind = \"knn\"\nk = 4\n")).unwrap();
    let before = files(&out, &[""]);
    let error = refused(2, &["run", arg(&file), "--out", arg(&out)]);
    says(&error, &["other settings", "router", "--overwrite"]);
    assert!(
        before == files(&out, &[""]),
        "the refused run changed the folder"
    );
    success(&[
        "run",
        arg(&file),
        "--out",
        arg(&out),
        "--overwrite",
        "--quiet",
    ]);
}

#[test]
fn a_router_that_fails_is_reported_and_the_others_finish() {
    let routers = "[[router]]\nkind = \"knn\"\nk = 3\n[[router]]\nkind = \"mlp\"\nlearning_rate = 1e38\nepochs = 3\n";
    let place = workplace(&table(60), &experiment(routers));
    let file = place.path().join("small.toml");
    let out = place.path().join("runs");
    let shown = success(&["run", arg(&file), "--out", arg(&out)]);
    says(&shown, &["mlp failed on seed 42", "diverged"]);
    let metrics = read(&out.join("small/metrics.json"));
    assert_eq!(metrics["routers"][0]["seeds"].as_array().unwrap().len(), 2);
    assert_eq!(
        metrics["routers"][1]["failures"].as_array().unwrap().len(),
        2
    );
    says(
        &fs::read_to_string(out.join("small/report.html")).unwrap(),
        &["mlp failed on seed 43"],
    );
}

#[test]
fn the_shipped_experiment_shows_collapse_and_saving_on_real_data() {
    // The quick routers of the shipped experiment on one seed; the networks are tested on small data.
    let text = fs::read_to_string(repository().join("experiments/collapse.toml")).unwrap();
    let start = text.find("[[router]]").unwrap();
    let datasets = format!("{}/", repository().join("datasets").display());
    let head: String = text[..start]
        .replace("../datasets/", &datasets)
        .lines()
        .filter(|line| !line.starts_with("router.") && !line.starts_with("reference"))
        .map(|line| format!("{line}\n"))
        .collect();
    let routers = "[[router]]\nkind = \"oracle\"\n[[router]]\nkind = \"knn\"\nk = 30\n[[router]]\nkind = \"linear\"\n";
    let place = workplace("", &format!("{head}{routers}"));
    let out = place.path().join("runs");
    let printed = success(&[
        "run",
        arg(&place.path().join("small.toml")),
        "--seeds",
        "1",
        "--out",
        arg(&out),
        "--json",
        "--quiet",
    ]);
    let result: Value = serde_json::from_str(&printed).unwrap();
    let summary = |variant: usize, router: usize| {
        result["variants"][variant]["metrics"][router]["summary"].clone()
    };
    // RouterBench's slice: the oracle hardly needs gpt-4, routers do, and none of them is cheaper at its quality.
    let called = |router: usize| {
        let rates = summary(0, router)["call_rates"].clone();
        rates["gpt-4-1106-preview"].as_f64().unwrap()
    };
    assert!(called(0) < 0.02, "the oracle calls gpt-4 on {}", called(0));
    assert!(
        called(1) > 0.5 && called(2) > 0.5,
        "kNN {} and ridge {} do not collapse",
        called(1),
        called(2)
    );
    for router in 1..3 {
        let qnc = summary(0, router)["qnc"]["mean"].as_f64();
        assert!(qnc.is_none_or(|qnc| qnc > 0.95), "{qnc:?}");
        // Reasoning Gym: both save a third or more at the best single model's quality.
        let qnc = summary(1, router)["qnc"]["mean"].as_f64().unwrap();
        assert!(qnc < 0.67, "{qnc}");
    }
}

#[test]
fn every_shipped_experiment_is_valid() {
    let mut seen = 0;
    for entry in fs::read_dir(repository().join("experiments")).unwrap() {
        let path = entry.unwrap().path();
        if path
            .extension()
            .is_some_and(|extension| extension == "toml")
        {
            seen += 1;
            // A file as the output folder: the experiment is read and checked in full, and nothing is run.
            let file = tempfile::NamedTempFile::new().unwrap();
            let error = refused(2, &["run", arg(&path), "--out", arg(file.path())]);
            says(&error, &["cannot use"]);
        }
    }
    assert!(seen > 0);
}

#[test]
fn a_folder_of_experiments_gets_a_page_that_leads_to_every_report() {
    let place = workplace(&table(60), &experiment("[[router]]\nkind = \"oracle\"\n"));
    let folder = place.path().join("chapter");
    fs::create_dir(&folder).unwrap();
    let single = fs::read_to_string(place.path().join("small.toml"))
        .unwrap()
        .replace("\"table.csv\"", "\"../table.csv\"");
    let named = |name: &str| single.replace("\"small\"", &format!("\"{name}\""));
    fs::write(folder.join("b.toml"), named("second")).unwrap();
    let vary = "[vary]\nname = \"queries\"\nkey = \"data.limit\"\nvalues = [40, 60]\n";
    let study = named("first").replace("[[router]]", &format!("{vary}[[router]]"));
    fs::write(folder.join("a.toml"), study).unwrap();
    let out = place.path().join("runs");
    success(&["run", arg(&folder), "--out", arg(&out), "--quiet"]);

    let page = fs::read_to_string(out.join("chapter/report.html")).unwrap();
    let place_of = |name: &str| {
        let link = format!("{name}/report.html");
        assert!(out.join("chapter").join(&link).exists(), "{link}");
        page.find(&format!("href=\"{link}\"")).unwrap()
    };
    assert!(place_of("first") < place_of("second"));
    assert_eq!(page.matches("<svg").count(), 2);
}

#[test]
fn a_fit_that_runs_of_a_folder_have_in_common_is_made_once_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let csv = folder.path().join("table.csv");
    fs::write(&csv, table(120)).unwrap();
    // Embeddings that all splits share.
    let rows = load(&DataSpec::new("routerbench", &csv)).unwrap().table;
    let values = Array2::from_shape_fn((rows.len(), 2), |(i, j)| ((i * 7 + j * 3) % 11) as f32);
    let embeddings = Embeddings::new(values, "constructed").unwrap();
    let path = folder.path().join("embeddings.safetensors");
    embeddings.write(&path, rows.ids(), Precision::F32).unwrap();
    let mlp = |label: &str, epochs: usize| {
        format!(
            "\n[[router]]\nkind = \"mlp\"\nlabel = {label:?}\nhidden = [8]\nepochs = {epochs}\n"
        )
    };
    let write = |name: &str, routers: &str| {
        let encoder = "encoder = \"hashed-ngrams\"\nsettings = { dim = 64 }";
        let text = experiment(routers)
            .replace(encoder, "file = \"embeddings.safetensors\"")
            .replace("\"small\"", &format!("{name:?}"));
        let file = folder.path().join(format!("{name}.toml"));
        fs::write(&file, text).unwrap();
        file
    };
    write("first", &(mlp("a", 3) + &mlp("b", 4)));
    let second = write("second", &(mlp("c", 4) + &mlp("d", 5)));
    let out = tempfile::tempdir().unwrap();
    success(&[
        "run",
        arg(folder.path()),
        "--out",
        arg(out.path()),
        "--quiet",
    ]);
    let name = folder.path().file_name().unwrap();
    let with = out.path().join(name).join("second");
    let log = fs::read_to_string(with.join("run.log")).unwrap();
    assert_eq!(log.matches(": c: as fitted in").count(), 2, "{log}");
    assert_eq!(log.matches(": d: fit").count(), 2, "{log}");

    success(&["run", arg(&second), "--out", arg(out.path()), "--quiet"]);
    let without = out.path().join("second");
    assert!(files(&with, &REPEATED) == files(&without, &REPEATED));
}

#[test]
fn a_study_divides_variance_among_settings() {
    let router = |kind: &str, epochs: usize| {
        format!("[[router]]\nkind = \"{kind}\"\nlabel = \"{kind} {epochs}\"\nepochs = {epochs}\n")
    };
    let mut routers = "[[router]]\nkind = \"knn\"\n".to_owned();
    for kind in ["mlp", "embedllm"] {
        routers += &(router(kind, 1) + &router(kind, 4));
    }
    let study = |factors: &str, routers: &str| {
        let vary = "[vary]\nkey = \"split.train\"\nvalues = [0.3, 0.5]\n";
        format!("factors = {factors}\n{}\n{vary}", experiment(routers))
    };
    let place = workplace(&table(60), &study("[\"kind\", \"epochs\"]", &routers));
    let file = place.path().join("small.toml");
    let out = place.path().join("runs");
    success(&["run", arg(&file), "--out", arg(&out), "--quiet"]);
    let csv = fs::read_to_string(out.join("small/variance.csv")).unwrap();
    for measure in ["nAUC (shared)", "RCI"] {
        for variant in ["0.3", "0.5", "all"] {
            let start = format!("{measure},{variant},");
            let rows = csv.lines().filter_map(|line| line.strip_prefix(&start));
            let shares: Vec<f64> = rows
                .map(|row| row.split(',').nth(1).unwrap().parse().unwrap())
                .collect();
            // Kind, epochs, and what both do together; kNN has no epochs and is no part of it.
            assert_eq!(shares.len(), 3, "{csv}");
            let sum: f64 = shares.iter().sum();
            assert!(sum < 1e-9 || (sum - 1.0).abs() < 1e-9, "{start}{sum}");
        }
    }
    let page = fs::read_to_string(out.join("small/report.html")).unwrap();
    says(
        &page,
        &["Variance of RCI between the routers", "kind", "epochs"],
    );
    assert!(out.join("small/figures/variance.svg").is_file());

    let three = &routers[..routers.rfind("[[router]]").unwrap()];
    for (factors, routers) in [
        ("[\"kind\", \"epochs\"]", three),
        ("[\"kind\", \"nothing\"]", &routers),
    ] {
        fs::write(&file, study(factors, routers)).unwrap();
        let error = refused(2, &["run", arg(&file), "--out", arg(&out), "--quiet"]);
        says(&error, &["small.toml", "`factors`", "every combination"]);
    }
}

#[test]
fn routers_that_differ_in_their_decision_are_fitted_once_where_none_is_kept() {
    let mlp = |decision: &str| {
        format!(
            "[[router]]\nkind = \"mlp\"\nlabel = \"{decision}\"\nepochs = 3\ndecision = \"{decision}\"\n"
        )
    };
    let routers = mlp("price") + &mlp("cap") + "[[router]]\nkind = \"mlp\"\nepochs = 3\n";
    let place = workplace(&table(60), &experiment(&routers));
    let file = place.path().join("small.toml");
    let run = |out: &str| {
        let out = place.path().join(out);
        success(&["run", arg(&file), "--out", arg(&out), "--quiet"]);
        out.join("small")
    };
    let kept = run("kept");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, format!("models = false\n{text}")).unwrap();
    let none = run("none");
    assert!(kept.join("models/price").is_dir() && !none.join("models").exists());
    for name in ["metrics.csv", "grid_points.csv", "comparisons.csv"] {
        assert_eq!(
            fs::read(kept.join(name)).unwrap(),
            fs::read(none.join(name)).unwrap(),
            "{name}"
        );
    }
    let unit = |name: &str, file: &str| {
        fs::read_to_string(none.join(format!("units/43/{name}/{file}"))).unwrap()
    };
    assert_eq!(unit("cap", "seconds.txt"), unit("price", "seconds.txt"));
    assert_ne!(unit("cap", "unit.json"), unit("price", "unit.json"));
    // One that names none has its own, which only its fit tells.
    let rows = fs::read_to_string(none.join("metrics.csv")).unwrap();
    let row = |label: &str| {
        let row = rows
            .lines()
            .find(|row| row.starts_with(&format!("{label},mlp,43")));
        row.unwrap().split_once(',').unwrap().1.to_owned()
    };
    assert_eq!(row("cap"), row("mlp"));
    assert_ne!(row("cap"), row("price"));
}
