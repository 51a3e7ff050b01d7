//! `routelab tune` and `[tune]`: searches inside the training rows.

mod common;

use std::fs;

use common::{arg, experiment, files, refused, says, success, table, workplace};

const ROUTERS: &str = "
[[router]]
kind = \"oracle\"

[[router]]
kind = \"knn\"
k = 40
tune = { k = [1, 3, 40] }

[[router]]
kind = \"linear\"
decision = \"price\"

[[router]]
kind = \"linear\"
label = \"either\"
decision = \"cap\"
tune = { decision = [\"cap\", \"price\"] }

[[router]]
kind = \"cheapest\"
";

/// The rows of `trials.csv` of a router: seed, value, chosen, settings.
fn trials(csv: &str, router: &str) -> Vec<(String, f64, bool, String)> {
    csv::Reader::from_reader(csv.as_bytes())
        .records()
        .map(Result::unwrap)
        .filter(|row| &row[0] == router)
        .map(|row| {
            (
                row[1].to_owned(),
                row[3].parse().unwrap(),
                &row[4] == "true",
                row[6].to_owned(),
            )
        })
        .collect()
}

#[test]
fn a_search_takes_the_best_trial_on_validation_rows_and_repeats() {
    let place = workplace(&table(160), &experiment(ROUTERS));
    let file = place.path().join("small.toml");
    let run = |out: &str| {
        let out = place.path().join(out);
        success(&[
            "tune",
            arg(&file),
            "--trials",
            "5",
            "--out",
            arg(&out),
            "--quiet",
        ]);
        out.join("small-tuned")
    };
    let folder = run("one");
    let csv = fs::read_to_string(folder.join("trials.csv")).unwrap();
    let knn = trials(&csv, "knn");
    // Three values are to be tried: the space is exhausted before the five trials are.
    assert_eq!(knn.len(), 2 * 3, "{csv}");
    assert_eq!(trials(&csv, "linear").len(), 2 * 5);
    assert_eq!(trials(&csv, "either").len(), 2 * 2);
    assert!(trials(&csv, "cheapest").is_empty(), "nothing to search");
    for router in ["knn", "linear"] {
        for seed in ["42", "43"] {
            let of_seed: Vec<_> = trials(&csv, router)
                .into_iter()
                .filter(|trial| trial.0 == seed)
                .collect();
            let best = of_seed.iter().map(|trial| trial.1).fold(f64::MIN, f64::max);
            let chosen: Vec<_> = of_seed.iter().filter(|trial| trial.2).collect();
            assert_eq!(chosen.len(), 1);
            assert_eq!(chosen[0].1, best);
        }
    }
    let settings = |seed: &str| -> Vec<String> {
        let of_seed = knn.iter().filter(|trial| trial.0 == seed);
        of_seed.map(|trial| trial.3.clone()).collect()
    };
    assert_eq!(
        settings("42"),
        settings("43"),
        "every seed has the same trials"
    );
    assert_eq!(
        knn[0].3, "{\"k\":40}",
        "the first trial has the settings of the file"
    );

    let tuned = fs::read_to_string(folder.join("tuned.toml")).unwrap();
    fs::write(place.path().join("tuned.toml"), &tuned).unwrap();
    assert!(!tuned.contains("\n[tune]"));
    assert!(tuned.contains("decision = \"price\""), "{tuned}");
    success(&[
        "run",
        arg(&place.path().join("tuned.toml")),
        "--out",
        arg(&place.path().join("again")),
        "--quiet",
    ]);

    let endings = [".csv", ".json", ".svg", ".safetensors", ".toml"];
    let (one, two) = (files(&folder, &endings), files(&run("two"), &endings));
    assert_eq!(one.len(), two.len());
    for ((name, one), (_, two)) in one.iter().zip(&two) {
        assert!(one == two, "{name} differs between two runs");
    }
}

#[test]
fn the_search_never_sees_test_rows() {
    // The same table, but the test rows of the only seed have other qualities: the search must come to the same trials.
    let experiment = experiment(ROUTERS).replace("seeds = 2", "seeds = 1\n[tune]\ntrials = 4\n");
    let rows = table(160);
    let trials_of = |table: &str| {
        let place = workplace(table, &experiment);
        let out = place.path().join("runs");
        success(&[
            "run",
            arg(&place.path().join("small.toml")),
            "--out",
            arg(&out),
            "--quiet",
        ]);
        let folder = out.join("small");
        let manifest: serde_json::Value =
            serde_json::from_slice(&fs::read(folder.join("manifest.json")).unwrap()).unwrap();
        assert_eq!(manifest["splits"][0]["train"], 48);
        let units = files(&folder.join("units"), &["scores.safetensors"]);
        (
            fs::read_to_string(folder.join("trials.csv")).unwrap(),
            units,
        )
    };
    let (trials, units) = trials_of(&rows);
    // Which rows are test rows is found by changing one at a time: those that change no prediction of a fitted router.
    let lines: Vec<&str> = rows.lines().collect();
    let mut unseen = 0;
    for row in [3, 30, 60, 90, 120, 150] {
        let mut changed: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
        let cells: Vec<&str> = lines[row].split(',').collect();
        let flipped = |cell: &str| if cell == "1" { "0" } else { "1" }.to_owned();
        let mut cells: Vec<String> = cells.iter().map(|cell| (*cell).to_owned()).collect();
        for cell in &mut cells[3..6] {
            *cell = flipped(cell);
        }
        changed[row] = cells.join(",");
        let (other_trials, other_units) = trials_of(&(changed.join("\n") + "\n"));
        let fitted = |units: &[(String, Vec<u8>)]| -> Vec<Vec<u8>> {
            let routers = units.iter().filter(|(name, _)| name.contains("linear"));
            routers.map(|(_, bytes)| bytes.clone()).collect()
        };
        if fitted(&units) == fitted(&other_units) {
            unseen += 1;
            assert_eq!(trials, other_trials, "the search saw the test row {row}");
        }
    }
    assert!(unseen >= 2, "most rows are test rows");
}

#[test]
fn bad_searches_are_refused() {
    let good = experiment(ROUTERS);
    let refuse = |experiment: String, parts: &[&str]| {
        let place = workplace(&table(60), &experiment);
        let out = place.path().join("runs");
        let file = place.path().join("small.toml");
        says(&refused(2, &["run", arg(&file), "--out", arg(&out)]), parts);
        assert!(!out.exists());
    };
    let with = |tune: &str| good.replace("seeds = 2", &format!("seeds = 2\n[tune]\n{tune}\n"));
    refuse(with("trials = 0"), &["[tune]", "trials", "at least 1"]);
    refuse(
        with("validation = 1.0"),
        &["[tune]", "validation", "below 1"],
    );
    refuse(
        with("metric = \"luck\""),
        &["[tune]", "luck", "nauc_shared"],
    );
    refuse(
        good.replace("k = [1, 3, 40]", "kk = [1]"),
        &["number 2", "tune", "kk"],
    );
    refuse(
        good.replace("k = [1, 3, 40]", "k = []"),
        &["number 2", "tune", "`k`", "no values"],
    );
    refuse(
        good.replace("k = [1, 3, 40]", "k = { low = 5, high = 1 }"),
        &["tune", "`k`", "below `high`"],
    );
}

#[test]
fn a_search_tries_objectives_only_where_the_experiment_asks_for_it() {
    let routers = "
[[router]]
kind = \"oracle\"

[[router]]
kind = \"mlp\"
label = \"asked\"
hidden = [4]
epochs = 2
tune = { objective = [\"cross-entropy\", { kind = \"pairwise\", weight = 5 }] }

[[router]]
kind = \"mlp\"
label = \"plain\"
hidden = [4]
";
    let place = workplace(&table(60), &experiment(routers));
    let file = place.path().join("small.toml");
    let out = place.path().join("runs");
    let args = [
        "tune",
        arg(&file),
        "--trials",
        "3",
        "--out",
        arg(&out),
        "--quiet",
    ];
    success(&args);
    let csv = fs::read_to_string(out.join("small-tuned/trials.csv")).unwrap();
    let asked: Vec<String> = trials(&csv, "asked")
        .into_iter()
        .map(|trial| trial.3)
        .collect();
    assert_eq!(asked[0], "{}", "the first trial is the router as it is");
    assert!(
        asked
            .iter()
            .any(|settings| settings.contains("\"cross-entropy\"")),
        "{csv}"
    );
    assert!(
        asked
            .iter()
            .any(|settings| settings.contains("\"weight\":5")),
        "{csv}"
    );
    let plain = trials(&csv, "plain");
    assert!(
        plain.len() >= 3 && plain.iter().all(|trial| !trial.3.contains("objective")),
        "{csv}"
    );

    let unknown = routers.replace("tune = { objective", "tune = { objektive");
    fs::write(&file, experiment(&unknown)).unwrap();
    let error = refused(
        2,
        &["tune", arg(&file), "--trials", "3", "--out", arg(&out)],
    );
    says(&error, &["`tune`", "`objektive`"]);
}
