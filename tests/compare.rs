//! `routelab compare`: what changed between two runs.

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::{arg, experiment, files, refused, says, success, table, workplace};
use serde_json::Value;

const ROUTERS: &str = "
[[router]]
kind = \"strongest\"
label = \"Fixed\"

[[router]]
kind = \"knn\"
k = 5
";

/// Runs an experiment on the table of a workplace, in a folder `out` of its own.
fn run(place: &Path, out: &str, experiment: &str) -> PathBuf {
    let file = place.join("small.toml");
    fs::write(&file, experiment).unwrap();
    let out = place.join(out);
    success(&["run", arg(&file), "--out", arg(&out), "--quiet"]);
    out.join("small")
}

fn compare(a: &Path, b: &Path) -> Value {
    let printed = success(&["compare", arg(a), arg(b), "--json", "--quiet"]);
    serde_json::from_str(&printed).unwrap()
}

fn router<'a>(comparison: &'a Value, label: &str) -> &'a Value {
    let routers = comparison["routers"].as_array().unwrap();
    routers
        .iter()
        .find(|router| router["router"] == label)
        .unwrap()
}

fn metric<'a>(router: &'a Value, name: &str) -> &'a Value {
    let metrics = router["metrics"].as_array().unwrap();
    metrics.iter().find(|one| one["metric"] == name).unwrap()
}

fn change<'a>(changes: &'a Value, key: &str) -> &'a Value {
    let changes = changes.as_array().unwrap();
    let found = changes.iter().find(|change| change["key"] == key);
    found.unwrap_or_else(|| panic!("{key} is not among {changes:#?}"))
}

#[test]
fn nothing_changes_between_two_equal_runs() {
    let place = workplace(&table(120), "");
    let good = experiment(ROUTERS);
    let a = run(place.path(), "a", &good);
    let b = run(place.path(), "b", &good);
    let comparison = compare(&a, &b);
    for part in ["settings", "inputs", "only_in_a", "only_in_b"] {
        assert!(comparison[part].as_array().unwrap().is_empty(), "{part}");
    }
    assert_eq!(comparison["routers"].as_array().unwrap().len(), 2);
    for router in comparison["routers"].as_array().unwrap() {
        assert_eq!(router["paired"], true);
        for one in router["metrics"].as_array().unwrap() {
            assert_eq!(one["difference"], 0.0, "{one}");
            assert_eq!(one["a"], one["b"]);
        }
        assert_eq!(router["flips"].as_array().unwrap().len(), 2);
        for flips in router["flips"].as_array().unwrap() {
            assert_eq!(flips["share"], 0.0);
            assert_eq!(flips["queries"], 2 * 84);
        }
    }
    let text = success(&["compare", arg(&a), arg(&b)]);
    says(
        &text,
        &["No setting changed", "are the same", "paired bootstrap"],
    );
}

#[test]
fn a_changed_router_shows_its_setting_its_metrics_and_its_flips() {
    let place = workplace(&table(120), "");
    let good = experiment(ROUTERS);
    let a = run(place.path(), "a", &good);
    let other = good
        .replace("\"strongest\"", "\"cheapest\"")
        .replace("k = 5\n", "k = 5\n[[router]]\nkind = \"oracle\"\n");
    let b = run(place.path(), "b", &other);
    let out = place.path().join("compared");
    let compared = || {
        let printed = success(&["compare", arg(&a), arg(&b), "--json", "--out", arg(&out)]);
        (
            serde_json::from_str::<Value>(&printed).unwrap(),
            files(&out, &[""]),
        )
    };
    let (comparison, written) = compared();
    assert!(
        (comparison.clone(), written) == compared(),
        "another comparison differs"
    );

    assert_eq!(comparison["settings"].as_array().unwrap().len(), 2);
    let kind = change(&comparison["settings"], "router.Fixed.kind");
    assert_eq!(
        (kind["a"].as_str(), kind["b"].as_str()),
        (Some("strongest"), Some("cheapest"))
    );
    assert!(change(&comparison["settings"], "router.oracle")["a"].is_null());
    assert!(comparison["inputs"].as_array().unwrap().is_empty());
    assert_eq!(comparison["only_in_b"][0], "oracle");
    for flips in router(&comparison, "knn")["flips"].as_array().unwrap() {
        assert_eq!(flips["share"], 0.0);
    }

    // On every test query `strong` gives way to `words`. `strong` is wrong on queries 9, 19, …, `words` on all odd ones: the
    // choice is worse on the odd queries that do not end in 9 and never better.
    let fixed = router(&comparison, "Fixed");
    let flips = &fixed["flips"][0];
    assert_eq!(flips["point"], "largest");
    assert_eq!(
        (&flips["queries"], &flips["share"]),
        (&168.into(), &1.0.into())
    );
    let moves = flips["moves"].as_array().unwrap();
    assert_eq!(moves.len(), 1);
    assert_eq!(
        (&moves[0]["from"], &moves[0]["to"], &moves[0]["flips"]),
        (&"strong".into(), &"words".into(), &168.into())
    );
    let mut rows = csv::Reader::from_path(out.join("flips.csv")).unwrap();
    let rows: Vec<csv::StringRecord> = rows.records().map(Result::unwrap).collect();
    let largest = rows.iter().filter(|row| &row[1] == "largest");
    let (mut queries, mut worse) = (0, 0);
    for row in largest {
        let number: usize = row[4].strip_prefix('q').unwrap().parse().unwrap();
        let quality = |right: bool| if right { "1" } else { "0" };
        assert_eq!(&row[7], quality(number % 10 != 9));
        assert_eq!(&row[8], quality(number.is_multiple_of(2)));
        assert_eq!((&row[9], &row[10]), ("0.01", "0.0001"));
        queries += 1;
        worse += u32::from(number % 2 == 1 && number % 10 != 9);
    }
    assert_eq!(queries, 168);
    let near = |value: &Value, expected: f64| {
        let value = value.as_f64().unwrap();
        assert!(
            (value - expected).abs() < 1e-12,
            "{value} is not {expected}"
        );
    };
    let lost = f64::from(worse) / 168.0;
    assert!(lost > 0.2);
    near(&flips["worse"], lost);
    near(&flips["better"], 0.0);
    near(&flips["quality"], -lost);
    near(&flips["cost"], -0.0099);
    let largest = &flips["largest"][0];
    near(&largest["quality_sum"], -2.0);
    assert_eq!(largest["seeds"], 2);

    near(&metric(fixed, "quality")["difference"], -lost);
    near(&metric(fixed, "strongest_call_rate")["difference"], -1.0);
    near(&metric(fixed, "cost")["difference"], -0.0099);
    for name in ["quality", "strongest_call_rate", "cost"] {
        let one = metric(fixed, name);
        assert_eq!(one["interval"], "paired-queries");
        assert!(one["low"].as_f64() <= one["difference"].as_f64());
        assert!(one["high"].as_f64().unwrap() < 0.0, "{one}");
        near(&one["p"], 2.0 / 51.0);
    }
    assert_eq!(metric(fixed, "entropy")["interval"], "paired-seeds");

    // The other way round every sign changes.
    let back = compare(&b, &a);
    near(
        &metric(router(&back, "Fixed"), "quality")["difference"],
        lost,
    );
    near(&router(&back, "Fixed")["flips"][0]["quality"], lost);

    let text = fs::read_to_string(out.join("compare.md")).unwrap();
    says(
        &text,
        &[
            "router.Fixed.kind",
            "| strong | words | 168   |",
            "Only in B: oracle",
            "(-1.000 × 2)",
        ],
    );
    let metrics = fs::read_to_string(out.join("compare.csv")).unwrap();
    says(
        &metrics,
        &["router,metric,a,b,difference", "Fixed,rci_wrong,"],
    );
}

#[test]
fn other_splits_and_other_rows_are_compared_unpaired() {
    let place = workplace(&table(120), "");
    let good = experiment(ROUTERS);
    let a = run(place.path(), "a", &good);
    let b = run(
        place.path(),
        "b",
        &good.replace("train = 0.3", "train = 0.5"),
    );
    let comparison = compare(&a, &b);
    let train = change(&comparison["settings"], "split.train");
    assert_eq!((&train["a"], &train["b"]), (&0.3.into(), &0.5.into()));
    assert_eq!(change(&comparison["inputs"], "splits.42.test")["b"], 60);
    let knn = router(&comparison, "knn");
    assert_eq!(knn["paired"], false);
    assert_eq!(metric(knn, "quality")["interval"], "unpaired-seeds");
    assert!(metric(knn, "quality")["p"].is_null());
    // The seed shuffles the rows, and the larger training set has all of the smaller one.
    assert_eq!(knn["flips"][0]["queries"], 2 * 60);

    let limited = good.replace("path = \"table.csv\"", "path = \"table.csv\"\nlimit = 100");
    let c = run(place.path(), "c", &limited);
    let comparison = compare(&a, &c);
    assert_eq!(comparison["same_table"], false);
    change(&comparison["inputs"], "data.table_sha256");
    let knn = router(&comparison, "knn");
    assert_eq!(metric(knn, "quality")["interval"], "unpaired-seeds");
    assert!(knn["flips"].as_array().unwrap().is_empty());
    let text = success(&["compare", arg(&a), arg(&c)]);
    says(&text, &["Welch", "the runs read different tables"]);
}

#[test]
fn what_cannot_be_compared_is_refused() {
    let place = workplace(&table(60), "");
    let good = experiment(ROUTERS);
    let a = run(place.path(), "a", &good);
    let refuse = |b: &Path, parts: &[&str]| {
        let out = place.path().join("compared");
        let error = refused(2, &["compare", arg(&a), arg(b), "--out", arg(&out)]);
        says(&error, parts);
        assert!(error.contains("help:"), "{error}");
        assert!(!out.exists());
    };
    refuse(place.path(), &["not the folder of a run", "manifest.json"]);
    refuse(&place.path().join("nowhere"), &["not the folder of a run"]);

    let unlike = good
        .replace("\"Fixed\"", "\"Other\"")
        .replace("k = 5", "k = 5\nlabel = \"kNN\"");
    let b = run(place.path(), "b", &unlike);
    refuse(&b, &["no router", "\"knn\"", "\"kNN\"", "`label`"]);

    // A run of another version: which one wrote it, and what to do.
    let results = fs::read_to_string(b.join("results.json")).unwrap();
    fs::write(
        b.join("results.json"),
        results.replace("\"schema\":1", "\"schema\":7"),
    )
    .unwrap();
    refuse(&b, &["schema 7", "RouteLab 0.1.0", "fits nothing again"]);
    fs::write(b.join("results.json"), &results[..results.len() / 2]).unwrap();
    refuse(&b, &["results.json is damaged"]);
    fs::remove_file(b.join("results.json")).unwrap();
    refuse(
        &b,
        &[
            "RouteLab 0.1.0",
            "had no results.json",
            "fits nothing again",
        ],
    );
    fs::remove_file(b.join("metrics.json")).unwrap();
    refuse(&b, &["not finished", "results.json", "goes on"]);

    let study = format!("{good}\n[vary]\nkey = \"split.train\"\nvalues = [0.3, 0.5]\n");
    let study = run(place.path(), "study", &study);
    refuse(
        &study,
        &["a study", arg(&study.join("0-3")), arg(&study.join("0-5"))],
    );
    // Its variants are runs like any other.
    let variants = compare(&study.join("0-3"), &study.join("0-5"));
    change(&variants["settings"], "split.train");

    fs::write(
        place.path().join("table.csv"),
        table(60).replace("strong", "mighty"),
    )
    .unwrap();
    let c = run(place.path(), "c", &good);
    refuse(&c, &["other data", "models", "strong", "mighty"]);

    // A run of the time before the file was kept, and how to mend it.
    let d = run(place.path(), "d", &good);
    fs::remove_file(d.join("truth.safetensors")).unwrap();
    refuse(&d, &["truth.safetensors", "adds the file"]);
    run(place.path(), "d", &good);
    assert_eq!(compare(&c, &d)["settings"].as_array().unwrap().len(), 0);
}

#[test]
fn the_folder_of_a_study_is_told_from_that_of_a_run() {
    let place = workplace(
        &table(60),
        &experiment("[[router]]\nkind = \"oracle\"\n").replace(
            "[data]",
            "[vary]\nkey = \"split.train\"\nvalues = [0.3, 0.5]\nlabels = [\"few\", \"many\"]\n\n[data]",
        ),
    );
    let file = place.path().join("small.toml");
    success(&["run", arg(&file), "--out", arg(place.path()), "--quiet"]);
    let folder = place.path().join("small");
    for args in [
        vec!["report", arg(&folder)],
        vec!["compare", arg(&folder), arg(&folder)],
    ] {
        let error = refused(2, &args);
        says(
            &error,
            &["the folder of a study", "small/few", "small/many"],
        );
    }
}
