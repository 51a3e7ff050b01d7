//! Where networks run: listing, choosing, comparing and serving backends.
//!
//! Tests of backends with devices are about those of the build, on what the machine has. Where one has no device they say that they were
//! skipped; with `ROUTELAB_GPU_TESTS=1` that is a failure, but for WebGPU, which no program outside a browser finds.
#![allow(clippy::print_stderr, reason = "a test prints as it likes")]

mod common;

use std::fs;
use std::path::Path;

use common::{arg, experiment, refused, says, success, table, workplace};
#[cfg(feature = "cubecl")]
use ndarray::Array2;
use serde_json::Value;

/// Every kind of network, small.
const NETWORKS: &str = r#"
[[router]]
kind = "mlp"
epochs = 4
hidden = [16]

[[router]]
kind = "equirouter"
trunk_hidden = [16]
width = 8
model_embedding = 4
head_hidden = [8]
epochs = 3

[[router]]
kind = "embedllm"
epochs = 2

[[router]]
kind = "mirt"
epochs = 2

[[router]]
kind = "nirt"
epochs = 2

[[router]]
kind = "routellm-mf"
epochs = 2

[[router]]
kind = "routerdc"
epochs = 2

[[router]]
kind = "graphrouter"
epochs = 2

[[router]]
kind = "rm-softmax"
epochs = 2

[[router]]
kind = "rm-interval"
epochs = 2
"#;

/// Why `ndarray` cannot predict in half precision: it does not offer that, or is not in this build.
const LACKS: &str = if cfg!(feature = "ndarray") {
    "offers f32"
} else {
    "not in this build"
};

/// The backends that are Cargo features, and whether this build has them.
const BUILT: [(&str, bool); 10] = [
    ("ndarray", cfg!(feature = "ndarray")),
    ("cpu", cfg!(feature = "cpu")),
    ("tch", cfg!(feature = "tch")),
    ("cuda", cfg!(feature = "cuda")),
    ("rocm", cfg!(feature = "rocm")),
    ("wgpu", cfg!(feature = "wgpu")),
    ("metal", cfg!(feature = "metal")),
    ("vulkan", cfg!(feature = "vulkan")),
    ("webgpu", cfg!(feature = "webgpu")),
    ("remote", cfg!(feature = "remote")),
];

/// What `routelab backends --json` says about one.
fn listed(name: &str) -> Value {
    let backends: Value = serde_json::from_str(&success(&["backends", "--json"])).unwrap();
    let found = backends
        .as_array()
        .unwrap()
        .iter()
        .find(|backend| backend["name"] == name);
    found
        .unwrap_or_else(|| panic!("{name} in {backends}"))
        .clone()
}

/// `compare` as JSON, one object per backend.
fn compare(experiment: &Path, out: &Path, more: &[&str]) -> Vec<Value> {
    let mut args = vec![
        "backends",
        "compare",
        arg(experiment),
        "--out",
        arg(out),
        "--json",
    ];
    args.extend(more);
    serde_json::from_str(&success(&args)).unwrap()
}

/// Asserts that every router has, on a backend, the results of the first one: predictions within `tolerance` of a standard
/// deviation, and nearly all decisions.
#[track_caller]
fn agrees(backend: &Value, tolerance: f64, decisions: f64) {
    assert!(backend["problem"].is_null(), "{backend:#}");
    for router in backend["routers"].as_array().unwrap() {
        let what = format!(
            "{} on {}: {:#}",
            router["router"], backend["identity"], router["agreement"]
        );
        let number = |name: &str| router["agreement"][name].as_f64().unwrap();
        assert!(number("quality_relative") <= tolerance, "{what}");
        assert!(number("loss") <= tolerance, "{what}");
        assert!(number("decisions") >= decisions, "{what}");
        let epochs = router["epochs"].as_array().unwrap();
        assert_eq!(
            epochs.len(),
            router["losses"].as_array().unwrap().len(),
            "{what}"
        );
        assert!(
            epochs.iter().all(|seconds| seconds.as_f64().unwrap() > 0.0),
            "{what}"
        );
        assert!(router["first_step"].as_f64().unwrap() > 0.0, "{what}");
    }
}

/// The batches whose throughput was measured, with the queries in all.
#[track_caller]
fn batches(router: &Value, what: &str) -> Vec<(u64, u64)> {
    let measured = router[what].as_array().unwrap().iter();
    let point = |at: &Value| {
        let number = |name: &str| at[name].as_f64().unwrap();
        assert!(number("seconds") > 0.0, "{at}");
        let rate = number("queries") / number("seconds");
        assert!(
            (number("queries_per_second") / rate - 1.0).abs() < 1e-9,
            "{at}"
        );
        (
            at["batch"].as_u64().unwrap(),
            at["queries"].as_u64().unwrap(),
        )
    };
    measured.map(point).collect()
}

#[test]
fn backends_are_compared_on_the_same_fits() {
    let place = workplace(&table(200), &experiment(NETWORKS));
    let out = place.path().join("runs");
    let found = compare(
        &place.path().join("small.toml"),
        &out,
        &["--backends", "flex,ndarray,cuda9,flex@f16,flex@bf16"],
    );
    let routers = found[0]["routers"].as_array().unwrap();
    assert_eq!(routers.len(), 10);
    assert_eq!(routers[0]["train"], 60);
    assert_eq!(routers[0]["test"], 140);
    for router in routers {
        assert_eq!(router["agreement"]["quality"], 0.0);
        assert_eq!(router["agreement"]["decisions"], 1.0);
        // Of 32, 128, 512 and 2048 those for which there are queries; whole batches, about a thousand queries at most.
        assert_eq!(batches(router, "training"), [(32, 32)], "{router:#}");
        assert_eq!(
            batches(router, "predicting"),
            [(32, 32), (128, 128)],
            "{router:#}"
        );
    }
    assert!(found[0]["device_memory"].is_null());
    if cfg!(target_os = "linux") {
        assert!(found[0]["peak_memory"].as_u64().unwrap() > 1 << 20);
    }
    if cfg!(feature = "ndarray") {
        agrees(&found[1], 1e-2, 0.98)
    } else {
        says(
            found[1]["problem"].as_str().unwrap(),
            &["not in this build", "--features ndarray"],
        )
    }
    says(found[2]["problem"].as_str().unwrap(), &["cuda9", "flex"]);
    // The same training, so the same losses; predictions in fewer digits, which move some decisions among close scores.
    for (half, digits) in [(&found[3], 2f64.powi(-11)), (&found[4], 2f64.powi(-8))] {
        for (router, full) in half["routers"].as_array().unwrap().iter().zip(routers) {
            assert_eq!(router["losses"], full["losses"]);
            let agreement = &router["agreement"];
            let difference = agreement["quality"].as_f64().unwrap();
            assert!(
                difference > digits / 100.0,
                "as if in single precision: {router:#}"
            );
            // Rank-based predictions move by a whole step of prices where favourites are close.
            if !router["router"].as_str().unwrap().starts_with("rm-") {
                assert!(difference < 30.0 * digits, "{router:#}");
            }
        }
    }

    let folder = out.join("backends/small");
    let text = fs::read_to_string(folder.join("backends.md")).unwrap();
    says(
        &text,
        &[
            "## equirouter",
            "flex@bf16",
            "equal decisions",
            "trained, 32",
            "predicted, 128",
            "cuda9: left out",
        ],
    );
    for router in routers {
        let label = router["router"].as_str().unwrap();
        let figure = |ending: &str| folder.join(format!("backends-{label}.{ending}"));
        let svg = fs::read_to_string(figure("svg")).unwrap();
        let panels = [
            "Seconds per epoch ↓",
            "Training queries per second ↑",
            "Peak memory (MiB) ↓",
            "Score difference (σ), equal decisions",
        ];
        says(&svg, &panels);
        says(&svg, &["flex@f16", label]);
        // Its numbers are those of the JSON.
        let csv = fs::read_to_string(figure("csv")).unwrap();
        let rate = &router["training"][0]["queries_per_second"];
        says(
            &csv,
            &[&format!("flex,training_queries_per_second,32,{rate},,")],
        );
        assert!(figure("pdf").exists() && figure("png").exists());
    }
}

#[test]
fn a_comparison_takes_the_routers_epochs_and_rows_that_are_asked_for() {
    let place = workplace(&table(120), &experiment(NETWORKS));
    let file = place.path().join("small.toml");
    let out = place.path().join("runs");
    let more = [
        "--router",
        "equirouter",
        "--epochs",
        "2",
        "--rows",
        "20",
        "--backends",
        "flex",
    ];
    let found = compare(&file, &out, &more);
    assert_eq!(found.len(), 1);
    let routers = found[0]["routers"].as_array().unwrap();
    assert_eq!(routers.len(), 1);
    assert_eq!(routers[0]["train"], 20);
    assert_eq!(routers[0]["test"], 20);
    assert_eq!(routers[0]["losses"].as_array().unwrap().len(), 2);
    // None of the sizes fits: all queries at once.
    assert_eq!(batches(&routers[0], "training"), [(20, 20)]);

    let sizes = ["--batch-sizes", "16,8,16,1000"];
    let found = compare(&file, &out, &[&more[..], &sizes].concat());
    let router = &found[0]["routers"][0];
    assert_eq!(batches(router, "training"), [(8, 16), (16, 16)]);
    assert_eq!(batches(router, "predicting"), [(8, 8), (16, 16)]);

    let refused_with = |more: &[&str]| {
        let mut args = vec!["backends", "compare", arg(&file), "--out", arg(&out)];
        args.extend(more);
        refused(2, &args)
    };
    says(
        &refused_with(&["--router", "none"]),
        &["\"none\"", "equirouter"],
    );
    says(&refused_with(&["--batch-sizes", "0"]), &["--batch-sizes"]);
    let none = refused_with(&["--backends", "cuda9,ndarray@f16", "--router", "mlp"]);
    says(&none, &["none of the backends", "cuda9", "ndarray", LACKS]);
}

#[test]
fn what_there_is_none_of_is_refused_and_says_what_there_is() {
    let run = |backend: &str| {
        refused(
            2,
            &[
                "run",
                "experiments/collapse.toml",
                "--check",
                "--backend",
                backend,
            ],
        )
    };
    says(&run("cuda9"), &["`cuda9`", "flex", "wgpu", "auto"]);
    says(&run("flex:1"), &["leave out `:1`"]);
    says(&run("flex@f64"), &["`f64`", "`bf16`"]);
    says(&run("ndarray@f16"), &["`ndarray`", LACKS]);
    for (backend, built) in BUILT {
        let listed = listed(backend);
        assert_eq!(listed["built"], built, "{listed:#}");
        if !built {
            let needed = format!("--features {backend}");
            says(
                &run(backend),
                &["not in this build", &needed, "--backend flex"],
            );
            assert_eq!(listed["ready"], false);
            // What building it takes is said, too.
            says(&run(backend), &[listed["build"].as_str().unwrap()]);
        }
    }
    if !cfg!(feature = "remote") {
        says(
            &refused(2, &["backends", "serve"]),
            &["not in this build", "--features remote"],
        );
    }
    if !cfg!(feature = "service") {
        for command in ["collect", "grade", "serve"] {
            says(
                &refused(2, &[command, "--port", "3000", "whatever"]),
                &["not in this build", "--features service", "backends serve"],
            );
        }
    }
    let embed = [
        "embed",
        "datasets/routerbench-slice",
        "--backend",
        "flex@f16",
    ];
    says(&refused(2, &embed), &["single precision"]);
}

#[test]
fn the_processor_is_described() {
    let flex = listed("flex");
    assert_eq!(
        flex["precisions"],
        serde_json::json!(["f32", "f16", "bf16", "mixed-f16", "mixed-bf16"])
    );
    assert!(flex["processor"]["threads"].as_u64().unwrap() >= 1);
    assert_eq!(flex["processor"]["architecture"], std::env::consts::ARCH);
    if cfg!(target_os = "linux") {
        assert!(flex["processor"]["memory"].as_u64().unwrap() > 1 << 28);
    }
    if cfg!(feature = "ndarray") {
        assert_eq!(listed("ndarray")["precisions"], serde_json::json!(["f32"]));
    }
    let said = success(&[
        "run",
        "experiments/collapse.toml",
        "--check",
        "--backend",
        "auto@bf16",
        "--json",
    ]);
    assert!(serde_json::from_str::<Value>(&said).is_ok(), "{said}");
}

/// The backends of this build that have devices here, each with the first of them, and how many there are.
fn with_devices() -> Vec<(&'static str, Value, usize)> {
    let mut found = Vec::new();
    for (backend, _) in BUILT.into_iter().filter(|(_, built)| *built) {
        let listed = listed(backend);
        let devices = listed["adapters"].as_array().unwrap();
        match devices.first() {
            Some(first) => found.push((backend, first.clone(), devices.len())),
            None if listed["place"] != "adapter" => {}
            None => {
                let problem = listed["problem"].as_str().unwrap();
                says(
                    problem,
                    &["found no device", listed["needs"].as_str().unwrap()],
                );
                let must = std::env::var_os("ROUTELAB_GPU_TESTS").is_some() && backend != "webgpu";
                assert!(!must, "{problem}");
                eprintln!("skipped on `{backend}`: {problem}");
            }
        }
    }
    found
}

#[test]
fn devices_are_listed_and_chosen_by_number_or_name() {
    for (backend, device, count) in with_devices() {
        is_listed_and_chosen(backend, &device, count);
    }
}

fn is_listed_and_chosen(backend: &str, device: &Value, count: usize) {
    assert!(device["problem"].is_null(), "{device:#}");
    let offered = device["precisions"].as_array().unwrap();
    assert!(offered.contains(&"f32".into()), "{device:#}");
    if let Some(largest) = device["largest_buffer"].as_u64() {
        assert!(largest >= 1 << 20, "{device:#}");
    }
    if device["kind"] == "software" || device["kind"] == "processor" {
        assert_eq!(device["memory"], listed("flex")["processor"]["memory"]);
    }
    let name = device["name"].as_str().unwrap();
    let first = format!("{backend}:0");
    says(&success(&["backends"]), &[name, &first, "memory"]);

    let arguments = |chosen: &str| {
        let args = [
            "run",
            "experiments/collapse.toml",
            "--check",
            "--quiet",
            "--backend",
        ];
        [&args[..], &[chosen]]
            .concat()
            .into_iter()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let check = |chosen: &str| {
        success(
            &arguments(chosen)
                .iter()
                .map(String::as_str)
                .collect::<Vec<_>>(),
        );
    };
    let run = |chosen: &str| {
        refused(
            2,
            &arguments(chosen)
                .iter()
                .map(String::as_str)
                .collect::<Vec<_>>(),
        )
    };
    check(backend);
    check(&first);
    check(&format!("{backend}:{}", name.to_uppercase()));
    for wrong in ["99", "", "no such device", "-1"] {
        says(
            &run(&format!("{backend}:{wrong}")),
            &["no device", &format!("`{wrong}`"), &first, name],
        );
    }
    for precision in ["f16", "bf16"] {
        let chosen = format!("{first}@{precision}");
        if offered.contains(&precision.into()) {
            check(&chosen);
        } else {
            says(&run(&chosen), &[precision, "offers f32"]);
        }
    }
    if count > 1 {
        // A letter that all names share.
        let listed = listed(backend);
        let names = listed["adapters"].as_array().unwrap().iter();
        let names: Vec<String> = names
            .map(|one| one["name"].to_string().to_lowercase())
            .collect();
        let common = ('a'..='z').find(|letter| names.iter().all(|name| name.contains(*letter)));
        if let Some(letter) = common {
            says(
                &run(&format!("{backend}:{letter}")),
                &["more than one device", &format!("{backend}:1")],
            );
        }
    }
}

#[cfg(feature = "wgpu")]
#[test]
fn without_an_adapter_there_is_a_message_and_no_panic() {
    let hidden = |args: &[&str]| {
        let mut command = assert_cmd::Command::cargo_bin("routelab").unwrap();
        command.current_dir(common::repository()).args(args);
        // No Vulkan driver, and no EGL vendor, through which OpenGL finds one.
        let nothing = [
            "VK_ICD_FILENAMES",
            "VK_DRIVER_FILES",
            "__EGL_VENDOR_LIBRARY_FILENAMES",
        ];
        command.envs(nothing.map(|name| (name, "/nonexistent.json")));
        let output = command.output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        assert!(!err.contains("panicked"), "{args:?}\n{err}");
        (output.status.code(), out, err)
    };
    let (code, listed, _) = hidden(&["backends", "--json"]);
    assert_eq!(code, Some(0));
    let listed: Value = serde_json::from_str(&listed).unwrap();
    let wgpu = listed
        .as_array()
        .unwrap()
        .iter()
        .find(|backend| backend["name"] == "wgpu")
        .unwrap();
    if !wgpu["adapters"].as_array().unwrap().is_empty() {
        // A driver that these variables do not hide, as on macOS and Windows.
        assert_ne!(std::env::consts::OS, "linux", "{wgpu:#}");
        return;
    }
    assert_eq!(wgpu["ready"], false);
    for backend in ["wgpu", "wgpu:0", "wgpu:llvmpipe"] {
        let (code, _, err) = hidden(&[
            "run",
            "experiments/collapse.toml",
            "--check",
            "--backend",
            backend,
        ]);
        assert_eq!(code, Some(2), "{err}");
        says(
            &err,
            &["found no device", "mesa-vulkan-drivers", "--backend flex"],
        );
    }
    let (code, _, err) = hidden(&[
        "run",
        "experiments/collapse.toml",
        "--check",
        "--backend",
        "auto",
    ]);
    assert_eq!(code, Some(0), "{err}");
    says(&err, &["backend auto: flex"]);
}

#[test]
fn a_device_has_the_results_of_the_processor() {
    // Two networks: software takes half a minute to compile the kernels of each. The golden numbers are of all.
    let end = NETWORKS.match_indices("[[router]]").nth(2).unwrap().0;
    let place = workplace(&table(200), &experiment(&NETWORKS[..end]));
    let file = place.path().join("small.toml");
    for (backend, device, _) in with_devices() {
        let half = device["precisions"]
            .as_array()
            .unwrap()
            .contains(&"f16".into());
        let backends = if half {
            format!("flex,{backend}:0,{backend}:0@f16")
        } else {
            format!("flex,{backend}:0")
        };
        let found = compare(
            &file,
            &place.path().join("runs"),
            &["--backends", &backends, "--batch-sizes", "32"],
        );
        agrees(&found[1], 1e-2, 0.98);
        // What Burn holds on it, where it tells: at least the training embeddings of 60 queries.
        let held = found[1]["device_memory"].as_u64();
        assert!(held.is_none_or(|held| held > 60 * 64 * 4), "{found:#?}");
        assert!(held.is_some() || backend == "tch", "{found:#?}");
        // Composed of Burn's operations a step of EquiRouter launches more than twice as many.
        let routers = found[1]["routers"].as_array().unwrap();
        let equirouter = routers.iter().find(|one| one["router"] == "equirouter");
        let kernels = equirouter.unwrap()["kernels"].as_f64();
        match kernels {
            Some(kernels) => assert!((50.0..110.0).contains(&kernels), "{kernels}"),
            None => assert_eq!(backend, "tch"),
        }
        if let Some(half) = found.get(2) {
            agrees_in_half(half);
        }
    }
}

/// Every tenth query of the RouterBench slice.
#[cfg(feature = "cubecl")]
fn slice() -> (routelab_data::RoutingTable, routelab_data::Embeddings) {
    let folder = common::repository().join("datasets/routerbench-slice");
    let spec = routelab_data::DataSpec {
        missing: routelab_data::Missing::DropQuery,
        ..routelab_data::DataSpec::new("routerbench", folder.join("routerbench_slice.csv"))
    };
    let table = routelab_data::load(&spec).unwrap().table;
    let table = table.select(&(0..table.len()).step_by(10).collect::<Vec<_>>());
    let file = folder.join("minilm-end.safetensors");
    let embeddings = routelab_data::Embeddings::read(&file, table.ids()).unwrap();
    (table, embeddings)
}

/// Searches on cards have the neighbours that the processor finds, and are made there: kNN where all and where not all was measured, Prudent,
/// which searches for held-out queries too, and clusters.
#[cfg(feature = "cubecl")]
#[test]
fn nearest_neighbours_of_a_card_are_those_of_the_processor() {
    use routelab_heads::Backend;
    use routelab_heads::backend::Launches;
    use routelab_routers::{Context, CostConfig, Registry, SharedCost, TrainingSet};

    let registry = Registry::default();
    let shared = SharedCost::new(CostConfig::default());
    for (backend, ..) in with_devices() {
        let card = Backend::from_name(&format!("{backend}:0")).unwrap();
        if !card.is_card() {
            continue;
        }
        for (kind, with_gaps) in [
            ("knn", false),
            ("knn", true),
            ("avengers-pro", false),
            ("prudent", false),
        ] {
            let (mut table, embeddings) = slice();
            if with_gaps {
                let measured = Array2::from_shape_fn(table.quality().dim(), |(row, model)| {
                    (row + model) % 3 > 0
                });
                table = table.with_measured(measured).unwrap();
            }
            let settings = match kind {
                "knn" => toml::toml! { k = 30 },
                _ => toml::Table::new(),
            };
            let router = registry.parse(kind, settings).unwrap().router;
            let (trained, new): (Vec<usize>, Vec<usize>) =
                (0..table.len()).partition(|row| row % 8 > 0);
            let (table, x) = (table.select(&trained), embeddings.select(&trained));
            let new = embeddings.select(&new);
            let predict = |backend: &Backend| {
                let context = Context {
                    seed: 1,
                    backend,
                    cost: &shared,
                    prices: false,
                    progress: &|_| {},
                };
                let train = TrainingSet::new(&x, &table).unwrap();
                let fitted = router.fit(&train, &context).unwrap();
                let launches = Launches::new();
                let scores = fitted.predict(&new).unwrap();
                let stored = registry.save(kind, &*fitted).unwrap();
                let loaded = registry.load(&stored, backend).unwrap();
                assert_eq!(loaded.predict(&new).unwrap(), scores, "{kind} on {backend}");
                (scores, launches.by_name())
            };
            let (expected, none) = predict(&Backend::default());
            let (found, launched) = predict(&card);
            assert!(none.is_empty(), "{none:?}");
            // Two predictions of one block each, of a router and of the same one loaded.
            let searches = (launched.iter()).filter(|(name, _)| name.contains("smallest_kernel"));
            assert_eq!(
                searches.map(|(_, times)| times).sum::<usize>(),
                2,
                "{launched:?}"
            );
            for (found, expected) in [
                (&found.quality, &expected.quality),
                (&found.cost, &expected.cost),
            ] {
                let largest = expected.iter().fold(0.0, |a: f64, b| a.max(*b));
                for (found, expected) in found.iter().zip(expected) {
                    let gap = (found - expected).abs() / largest;
                    assert!(
                        gap < 1e-3,
                        "{kind} on {card}: {found} instead of {expected}"
                    );
                }
            }
        }
    }
}

fn agrees_in_half(half: &Value) {
    assert!(half["problem"].is_null(), "{half:#}");
    for router in half["routers"].as_array().unwrap() {
        let difference = router["agreement"]["quality_relative"].as_f64().unwrap();
        assert!(difference > 1e-6, "as if in single precision: {router:#}");
        assert!(
            router["agreement"]["decisions"].as_f64().unwrap() > 0.8,
            "{router:#}"
        );
    }
}

/// A fresh folder is filled, the second process uses what the first has kept, two at once do one another no harm, and `clear` empties
/// it.
#[cfg(feature = "wgpu")]
#[test]
fn compiled_kernels_are_kept_and_cleared() {
    let Some((backend, ..)) = with_devices()
        .into_iter()
        .find(|(name, ..)| *name == "wgpu")
    else {
        return;
    };
    let end = NETWORKS.match_indices("[[router]]").nth(1).unwrap().0;
    let place = workplace(&table(80), &experiment(&NETWORKS[..end]));
    let (file, cache) = (place.path().join("small.toml"), place.path().join("cache"));
    let command = |args: &[&str]| {
        let mut command = std::process::Command::new(assert_cmd::cargo::cargo_bin("routelab"));
        command
            .current_dir(common::repository())
            .args(args)
            .env("ROUTELAB_CACHE", &cache);
        command
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped());
        command.spawn().unwrap()
    };
    let finished = |child: std::process::Child| -> Value {
        let output = child.wait_with_output().unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let measure = |out: &str| {
        let out = place.path().join(out);
        let args = [
            "backends",
            "compare",
            arg(&file),
            "--json",
            "--out",
            arg(&out),
        ];
        command(&[&args[..], &["--backends", backend]].concat())
    };
    let losses = |found: Value| found[0]["routers"][0]["losses"].clone();
    // Another run may choose other variants, which round differently.
    let close = |found: &Value, first: &Value| {
        let numbers = |losses: &Value| losses.as_array().unwrap().clone();
        let mut pairs = numbers(found).into_iter().zip(numbers(first));
        pairs.all(|(a, b)| (a.as_f64().unwrap() - b.as_f64().unwrap()).abs() < 1e-3)
    };
    let kept = || {
        let listed = finished(command(&["backends", "--json"]));
        let wgpu = listed
            .as_array()
            .unwrap()
            .iter()
            .find(|one| one["name"] == backend);
        let kernels = &wgpu.unwrap()["kernels"];
        assert_eq!(
            Path::new(kernels["folder"].as_str().unwrap()),
            cache.join("kernels")
        );
        kernels["bytes"].as_u64().unwrap()
    };

    let first = losses(finished(measure("first")));
    // What the listing itself keeps.
    kept();
    let filled = kept();
    assert!(filled > 10_000, "{filled}");
    assert_eq!(losses(finished(measure("second"))), first);
    // Nothing was chosen or compiled again.
    assert_eq!(kept(), filled);
    let cleared = finished(command(&["backends", "clear", "--json"]));
    assert_eq!(cleared["deleted"], filled);
    assert_eq!(fs::read_dir(cache.join("kernels")).unwrap().count(), 0);
    let both = ["third", "fourth"].map(measure).map(finished).map(losses);
    for found in both {
        assert!(close(&found, &first), "{found} {first}");
    }
    let last = losses(finished(measure("fifth")));
    assert!(close(&last, &first), "{last} {first}");
}

/// A `routelab backends serve` that ends with the test.
#[cfg(feature = "remote")]
struct Server(std::process::Child);

#[cfg(feature = "remote")]
impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself, which the test has noticed by then.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[cfg(feature = "remote")]
#[test]
fn a_remote_device_has_the_results_of_the_local_one() {
    use std::io::{BufRead, BufReader};

    let mut child = std::process::Command::new(assert_cmd::cargo::cargo_bin("routelab"))
        .args(["backends", "serve", "--backend", "flex", "--port", "0"])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let stdout = child.stdout.take().unwrap();
    let _server = Server(child);
    let mut line = String::new();
    let mut stdout = BufReader::new(stdout);
    stdout.read_line(&mut line).unwrap();
    let address = line.trim().rsplit(' ').next().unwrap();
    assert!(address.starts_with("ws://127.0.0.1:"), "{line}");
    // Its log goes on; nobody else empties the pipe.
    std::thread::spawn(move || std::io::copy(&mut stdout, &mut std::io::sink()));

    let place = workplace(&table(200), &experiment(NETWORKS));
    let file = place.path().join("small.toml");
    let backends = format!("flex,remote:{address}");
    let found = compare(
        &file,
        &place.path().join("runs"),
        &["--backends", &backends],
    );
    assert_eq!(found[1]["identity"], format!("remote:{address}"));
    agrees(&found[1], 1e-2, 0.98);
}

#[cfg(feature = "remote")]
#[test]
fn a_server_that_is_not_there_is_an_error() {
    let run = |backend: &str| {
        refused(
            2,
            &[
                "run",
                "experiments/collapse.toml",
                "--check",
                "--backend",
                backend,
            ],
        )
    };
    says(&run("remote"), &["needs the address", "remote:ws://"]);
    says(
        &run("remote:example.org"),
        &["needs the address", "`example.org`"],
    );
    let free = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    says(
        &run(&format!("remote:ws://{free}")),
        &["cannot use", "routelab backends serve"],
    );
}
