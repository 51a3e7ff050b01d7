//! `routelab bench` on tiny sizes.

mod common;

use common::{arg, refused, says, success};
use serde_json::Value;

const SMALL: [&str; 9] = [
    "bench",
    "--queries",
    "300",
    "--models",
    "3",
    "--dimension",
    "16",
    "--epochs",
    "2",
];

fn number(value: &Value) -> f64 {
    value
        .as_f64()
        .unwrap_or_else(|| panic!("{value} is not a number"))
}

#[test]
fn every_stage_is_measured_once_and_missing_weights_are_named() {
    let place = tempfile::tempdir().unwrap();
    let out = place.path().join("bench.json");
    let absent = place.path().join("absent");
    let rest = [
        "--threads",
        "1",
        "--weights",
        arg(&absent),
        "--clip",
        arg(&absent),
        "--out",
        arg(&out),
        "--json",
    ];
    let printed = success(&[&SMALL[..], &rest].concat());
    let result: Value = serde_json::from_str(&printed).unwrap();
    let written: Value = serde_json::from_slice(&std::fs::read(&out).unwrap()).unwrap();
    assert_eq!(result, written);
    assert_eq!(
        (&result["train"], &result["threads"]),
        (&60.into(), &1.into())
    );
    assert!(number(&result["peak_gflops"]) > 0.0);

    let stages = result["stages"].as_array().unwrap();
    let names: Vec<&str> = stages
        .iter()
        .map(|s| s["stage"].as_str().unwrap())
        .collect();
    let expected = [
        "equirouter fit",
        "equirouter predict",
        "cost network fit",
        "knn fit",
        "knn predict",
        "prudent fit",
        "prudent predict",
        "sweep",
        "sweep, price",
        "sweep, cap+price",
        "metrics",
        "table write",
        "table load",
    ];
    assert_eq!(names, expected);
    for stage in stages {
        let network = ["equirouter", "cost"]
            .iter()
            .any(|name| stage["stage"].as_str().unwrap().starts_with(name));
        let on = if network { "flex" } else { "processor" };
        assert_eq!(
            (&stage["on"], &stage["warm_up"]),
            (&on.into(), &Value::Null)
        );
        assert!(number(&stage["seconds"]) > 0.0, "{stage}");
        assert!(number(&stage["rows_per_second"]) > 0.0, "{stage}");
        if !stage["gflops"].is_null() {
            let share = number(&stage["gflops"]) / number(&result["peak_gflops"]);
            assert!(
                (share - number(&stage["share_of_peak"])).abs() < 1e-9,
                "{stage}"
            );
        }
        if cfg!(target_os = "linux") && !stage["peak_mib"].is_null() {
            assert!(number(&stage["peak_mib"]) > 0.0, "{stage}");
        }
    }
    // Two epochs of 60 queries in batches of 128; the other 240 queries are predicted.
    assert_eq!(
        (&stages[0]["rows"], &stages[0]["steps"]),
        (&120.into(), &2.into())
    );
    assert_eq!(stages[1]["rows"], 240);
    let skipped = result["skipped"].as_array().unwrap();
    assert_eq!(skipped.len(), 2);
    for (skipped, stage) in skipped.iter().zip(["minilm encode", "clip encode"]) {
        assert_eq!(skipped["stage"], stage);
        says(skipped["reason"].as_str().unwrap(), &["absent"]);
    }
}

#[test]
fn networks_run_on_the_backend_that_is_asked_for_and_nearest_neighbours_on_a_card() {
    let on = |backend: &str, stages: &str| {
        let more = ["--backend", backend, "--stages", stages, "--json"];
        let printed = success(&[&SMALL[..], &more].concat());
        serde_json::from_str::<Value>(&printed).unwrap()
    };
    let result = on("flex@bf16", "equirouter,cost,knn,minilm,clip");
    assert_eq!(result["backend"], "flex@bf16");
    let places: Vec<(&str, &str)> = (result["stages"].as_array().unwrap().iter())
        .map(|stage| {
            (
                stage["stage"].as_str().unwrap(),
                stage["on"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        places,
        [
            ("equirouter fit", "flex@bf16"),
            ("equirouter predict", "flex@bf16"),
            ("cost network fit", "flex@bf16"),
            ("knn fit", "processor"),
            ("knn predict", "processor"),
        ]
    );
    for skipped in result["skipped"].as_array().unwrap() {
        says(
            skipped["reason"].as_str().unwrap(),
            &["single precision", "bf16"],
        );
    }
    says(
        &refused(2, &["bench", "--backend", "cuda9"]),
        &["cuda9", "flex"],
    );

    // Kernels are compiled before, and the processor's peak says nothing about another device.
    #[cfg(feature = "ndarray")]
    for stage in on("ndarray", "equirouter,cost")["stages"]
        .as_array()
        .unwrap()
    {
        assert!(number(&stage["warm_up"]) > 0.0, "{stage}");
    }
    #[cfg(feature = "wgpu")]
    if std::env::var_os("ROUTELAB_GPU_TESTS").is_some() {
        let result = on("wgpu", "cost,knn");
        let stages = result["stages"].as_array().unwrap();
        assert_eq!(stages.len(), 3);
        for stage in stages {
            assert_eq!(stage["on"], result["backend"]);
            assert!(number(&stage["warm_up"]) > 0.0, "{stage}");
            assert!(stage["share_of_peak"].is_null(), "{stage}");
        }
        // Its first run compiles.
        for stage in [&stages[0], &stages[2]] {
            assert!(
                number(&stage["warm_up"]) > number(&stage["seconds"]),
                "{stage}"
            );
        }
    }
}

#[test]
fn the_table_of_some_stages_has_no_others() {
    let text = success(&[&SMALL[..], &["--stages", "knn,evaluation"]].concat());
    says(
        &text,
        &[
            "300 queries, 60 of them trained on",
            "knn predict",
            "metrics",
            "peak MiB",
            "processor",
        ],
    );
    assert!(!text.contains("equirouter"), "{text}");
}

#[test]
fn curves_are_drawn_with_one_point_per_size() {
    let place = tempfile::tempdir().unwrap();
    let curves = [
        "--scaling",
        arg(place.path()),
        "--scaling-queries",
        "50,100",
        "--scaling-models",
        "2,4",
        "--json",
    ];
    let result: Value = serde_json::from_str(&success(&[&SMALL[..], &curves].concat())).unwrap();
    assert_eq!(result["by_queries"][1]["queries"], 100);
    assert_eq!(result["by_models"][1]["models"], 4);
    for stem in ["scaling-queries", "scaling-models"] {
        assert!(place.path().join(format!("{stem}.svg")).exists());
    }
    let csv = std::fs::read_to_string(place.path().join("scaling-queries.csv")).unwrap();
    assert_eq!(
        csv.lines()
            .filter(|line| line.contains("knn predict"))
            .count(),
        2,
        "{csv}"
    );
}

#[test]
fn impossible_sizes_are_refused() {
    says(&refused(2, &["bench", "--train", "1.5"]), &["--train 1.5"]);
    says(&refused(2, &["bench", "--models", "0"]), &["at least 1"]);
    says(&refused(2, &["bench", "--threads", "0"]), &["--threads"]);
}
