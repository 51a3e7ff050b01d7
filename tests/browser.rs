//! The report in a real browser: Chromium, driven by `tests/browser/report.mjs`.
//!
//! Without Node, Chromium or playwright-core nothing is tested, and that is said; with `ROUTELAB_BROWSER_TESTS=1` it is a
//! failure.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test prints as it likes"
)]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::{QUICK_ROUTERS, arg, experiment, repository, says, success, table, workplace};

/// Whether a program can be started.
fn starts(program: &str) -> bool {
    Command::new(program).arg("--version").output().is_ok()
}

/// Whether a browser can be driven here; says what is missing if not.
fn browser() -> bool {
    let chromium = std::env::var("CHROMIUM").unwrap_or_else(|_| "chromium".to_owned());
    let driver = repository().join("tests/browser/node_modules/playwright-core");
    let mut missing = Vec::new();
    for (there, name) in [
        (starts("node"), "Node (apt install nodejs npm)"),
        (
            starts(&chromium),
            "Chromium (apt install chromium, or its path in CHROMIUM)",
        ),
        (
            driver.is_dir(),
            "playwright-core (npm ci --prefix tests/browser)",
        ),
    ] {
        if !there {
            missing.push(name);
        }
    }
    if missing.is_empty() {
        return true;
    }
    let missing = missing.join(", ");
    assert!(
        std::env::var("ROUTELAB_BROWSER_TESTS").as_deref() != Ok("1"),
        "the report cannot be tested in a browser: {missing} is missing"
    );
    eprintln!("SKIPPED: the report was not tested in a browser. Missing: {missing}.");
    false
}

/// Runs the script and asserts that all its checks passed.
#[track_caller]
fn drive(arguments: &[&str]) {
    let output = Command::new("node")
        .arg(repository().join("tests/browser/report.mjs"))
        .args(arguments)
        .output()
        .unwrap();
    let out = String::from_utf8_lossy(&output.stdout);
    println!("{out}");
    assert!(
        output.status.success() && !out.contains("FAIL"),
        "{out}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Runs an experiment in a place of its own; the run's folder is below it.
fn run(table: &str, experiment: &str) -> (tempfile::TempDir, PathBuf) {
    let place = workplace(table, experiment);
    let out = place.path().join("runs");
    success(&[
        "run",
        arg(&place.path().join("small.toml")),
        "--out",
        arg(&out),
        "--quiet",
    ]);
    let folder = out.join("small");
    (place, folder)
}

fn report(folder: &Path) -> String {
    arg(&folder.join("report.html")).to_owned()
}

const DECIDERS: &str = r#"
[[router]]
kind = "random"

[[router]]
kind = "cheapest"

[[router]]
kind = "margin-rule"
delta = 0.2
base = { kind = "knn", k = 5 }

[[router]]
kind = "carrot"
k = 7

[[router]]
kind = "knn"
label = "kNN by price"
k = 7
decision = "price"

[[router]]
kind = "knn"
label = "kNN by price, capped"
k = 7
decision = { kind = "cap+price", cap = 1.25 }

[[router]]
kind = "oracle"
label = "Oracle by price"
decision = "price"
"#;

#[test]
fn a_reader_can_work_with_the_report() {
    if !browser() {
        return;
    }
    // A prompt that a careless page would run, and one that is too long for it.
    let hostile = "</script><script>alert(1)</script><img src=x onerror=alert(2)><!--";
    let table = table(160)
        .replace("and find a rhyme for it.", hostile)
        .replace("Compute 1", &format!("{}1", "Compute ".repeat(300)));
    let (_place, folder) = run(&table, &experiment(&format!("{QUICK_ROUTERS}{DECIDERS}")));
    says(
        &fs::read_to_string(folder.join("queries.json")).unwrap(),
        &[hostile, "left_out"],
    );
    drive(&["full", &report(&folder)]);
}

#[test]
fn the_report_follows_the_rule_of_the_experiment_and_misses_nothing_it_needs() {
    if !browser() {
        return;
    }
    let first = experiment(&format!("{QUICK_ROUTERS}{DECIDERS}")).replace(
        "[evaluation]\n",
        "[evaluation]\nties = \"first\"\ninfeasible = \"first\"\n",
    );
    let (_one, other_rule) = run(&table(80), &first);
    let failing = "[[router]]\nkind = \"mlp\"\nlearning_rate = 1e38\nepochs = 3\n";
    let (_two, none_worked) = run(&table(60), &experiment(failing));
    // A run from before queries were kept.
    let (_three, old) = run(&table(60), &experiment(QUICK_ROUTERS));
    fs::remove_file(old.join("queries.json")).unwrap();
    success(&["report", arg(&old)]);
    says(
        &fs::read_to_string(old.join("report.html")).unwrap(),
        &["no <code>queries.json</code>", "Run the experiment again"],
    );
    drive(&[
        "opens",
        &report(&other_rule),
        &report(&none_worked),
        &report(&old),
    ]);
}

#[test]
fn the_report_shows_images() {
    if !browser() {
        return;
    }
    let routers = "[[router]]\nkind = \"oracle\"\n[[router]]\nkind = \"linear\"\n";
    let dataset = repository().join("datasets/dynamath");
    let with_images = experiment(routers)
        .replace(
            "format = \"routerbench\"\npath = \"table.csv\"",
            &format!("dataset = {:?}", arg(&dataset)),
        )
        .replace("seeds = 2", "seeds = 1");
    let (_place, folder) = run("", &with_images);
    let bytes = fs::metadata(folder.join("report.html")).unwrap().len();
    assert!(bytes < 15_000_000, "the report has {bytes} bytes");
    drive(&["opens", &report(&folder)]);
    drive(&["images", &report(&folder)]);
}
