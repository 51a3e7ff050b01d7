//! `scripts/check_device.sh`, the whole check of a machine, on the processor and tiny sizes.
#![cfg(unix)]

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use common::{arg, repository, says};
use serde_json::Value;

/// Runs the script with these, `folder` in front of the search path.
fn check(folder: &Path, args: &[&str]) -> Output {
    let path = std::env::var("PATH").unwrap_or_default();
    let mut command = Command::new("bash");
    command.env("PATH", format!("{}:{path}", folder.display()));
    command.arg(repository().join("scripts/check_device.sh"));
    command.args(args).output().unwrap()
}

fn program() -> String {
    arg(&assert_cmd::cargo::cargo_bin("routelab")).to_owned()
}

/// An executable script.
fn script(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    arg(&path).to_owned()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap()
}

/// `result.json`, and `summary.md`.
fn results(out: &Path) -> (Value, String) {
    let read = |name: &str| fs::read_to_string(out.join(name)).unwrap();
    (
        serde_json::from_str(&read("result.json")).unwrap(),
        read("summary.md"),
    )
}

#[test]
fn a_check_goes_on_after_what_fails_and_says_it_all() {
    let folder = tempfile::tempdir().unwrap();
    // The numbers of the references on `flex` are wrong, say; there is no PyTorch.
    let golden = script(
        folder.path(),
        "golden",
        "test $ROUTELAB_TEST_BACKENDS != flex || { echo 'error: \"3\" instead of 4'; exit 1; }; echo 'test result: ok. 1 passed'",
    );
    script(folder.path(), "python3", "exit 1");
    let (out, program) = (folder.path().join("out"), program());
    let args = [
        "--routelab",
        &program,
        "--golden",
        &golden,
        "--backends",
        "flex,flex@bf16,cuda9",
        "--quick",
        "--minutes",
        "60",
        "--out",
        arg(&out),
    ];
    let done = check(folder.path(), &args);
    assert_eq!(done.status.code(), Some(1), "{done:?}");
    let (result, summary) = results(&out);
    let steps: Vec<(&str, &str)> = (result["steps"].as_array().unwrap().iter())
        .map(|step| (text(step, "step"), text(step, "status")))
        .collect();
    assert_eq!(
        steps,
        [
            ("backends listed", "done"),
            ("golden numbers, cuda9", "done"),
            ("golden numbers, flex", "failed"),
            ("backends compared", "done"),
            ("comparison, cuda9", "failed"),
            ("PyTorch", "skipped"),
            ("300 queries, cuda9", "failed"),
            ("300 queries, flex", "done"),
            ("300 queries, flex@bf16", "done"),
            ("3000 queries, cuda9", "failed"),
            ("3000 queries, flex", "done"),
            ("3000 queries, flex@bf16", "done"),
        ]
    );
    assert_eq!(
        text(&result["steps"][2], "reason").trim(),
        "error: \"3\" instead of 4"
    );
    says(
        text(&result["steps"][4], "reason"),
        &["unknown backend `cuda9`"],
    );
    says(
        text(&result["steps"][6], "reason"),
        &["unknown backend `cuda9`"],
    );

    assert_eq!(result["quick"], true);
    assert_eq!(result["backends"][0]["name"], "flex");
    assert_eq!(result["compare"][1]["identity"], "flex@bf16");
    says(text(&result["compare"][2], "problem"), &["cuda9"]);
    let benches: Vec<(&Value, &Value, &Value)> = (result["bench"].as_array().unwrap().iter())
        .map(|bench| {
            (
                &bench["backend"],
                &bench["queries"],
                &bench["stages"][0]["rows"],
            )
        })
        .collect();
    let ran = |backend: &str, queries: u32| {
        (
            Value::from(backend),
            Value::from(queries),
            Value::from(queries / 5),
        )
    };
    let expected = [
        ran("flex", 300),
        ran("flex", 3000),
        ran("flex@bf16", 300),
        ran("flex@bf16", 3000),
    ];
    assert!(
        benches
            .into_iter()
            .eq(expected.iter().map(|(a, b, c)| (a, b, c))),
        "{:#}",
        result["bench"]
    );

    says(
        &summary,
        &[
            "| golden numbers, flex | failed |",
            "![comparison](backends-equirouter-ties-by-cost.png)",
            "| 3000 | equirouter fit | flex@bf16 |",
            "cuda9: left out",
        ],
    );
    let mut files: Vec<String> = (fs::read_dir(&out).unwrap())
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    files.sort();
    let figure = |ending: &str| format!("backends-equirouter-ties-by-cost.{ending}");
    let figures = ["csv", "pdf", "png", "svg"].map(figure);
    assert_eq!(files[..4], figures);
    assert_eq!(files[4..], ["raw.tar.gz", "result.json", "summary.md"]);
}

#[test]
fn what_does_not_fit_into_the_time_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let (out, program) = (folder.path().join("out"), program());
    let args = [
        "--routelab",
        &program,
        "--backends",
        "flex",
        "--minutes",
        "0.05",
        "--out",
        arg(&out),
    ];
    let done = check(folder.path(), &args);
    assert_eq!(done.status.code(), Some(0), "{done:?}");
    let (result, summary) = results(&out);
    for step in result["steps"].as_array().unwrap() {
        assert_eq!(step["status"], "skipped", "{step}");
    }
    says(
        &summary,
        &["| 364970 queries, flex | skipped | 0 | its share of the time that is left is"],
    );
    assert_eq!(
        (&result["compare"], &result["bench"]),
        (&Value::Null, &Value::Array(Vec::new()))
    );
}

#[test]
fn wrong_arguments_are_refused_before_any_work() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |args: &[&str]| {
        let done = check(folder.path(), args);
        assert_eq!(done.status.code(), Some(2), "{done:?}");
        String::from_utf8(done.stderr).unwrap()
    };
    says(&refused(&["--what"]), &["error: ", "--what"]);
    says(&refused(&["--minutes", "soon"]), &["--minutes soon"]);
    says(
        &refused(&["--routelab", "/nowhere/routelab"]),
        &["/nowhere/routelab", "no program"],
    );
    let broken = script(folder.path(), "routelab", "echo no such GLIBC; exit 1");
    says(
        &refused(&["--routelab", &broken]),
        &["does not run here", "no such GLIBC"],
    );
}
