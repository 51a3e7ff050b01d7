//! A reader that closes the pipe, such as `head`, ends no command with a panic.
#![cfg(unix)]

mod common;

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};

use common::{QUICK_ROUTERS, arg, experiment, repository, success, table, workplace};

/// Runs the program with a standard output that is closed after `lines` lines. Returns the exit code and standard error.
fn cut(args: &[&str], lines: usize) -> (Option<i32>, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_routelab"))
        .current_dir(repository())
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    for _ in 0..lines {
        out.read_line(&mut line).unwrap();
    }
    drop(out);
    let mut said = String::new();
    let mut err = child.stderr.take().unwrap();
    err.read_to_string(&mut said).unwrap();
    (child.wait().unwrap().code(), said)
}

#[test]
fn every_command_ends_quietly_when_its_reader_has_seen_enough() {
    let place = workplace(&table(60), &experiment(QUICK_ROUTERS));
    let at = |name: &str| place.path().join(name);
    let (file, out, pictures) = (at("small.toml"), at("runs"), at("pictures"));
    success(&["run", arg(&file), "--out", arg(&out), "--quiet"]);
    std::fs::write(at("prompts.txt"), "Compute 1 + 1.\n".repeat(2000)).unwrap();
    let (run, prompts) = (out.join("small"), at("prompts.txt"));
    let router = run.join("models/linear");
    let commands: &[&[&str]] = &[
        &["--help"],
        &["run", "--help"],
        &["data", "list"],
        &[
            "data",
            "inspect",
            "docs/../datasets/routerbench-slice",
            "--out",
            arg(&pictures),
        ],
        &[
            "evaluate",
            "--table",
            "docs/examples/table.csv",
            "--predictions",
            "docs/examples/predictions.csv",
        ],
        &["run", arg(&file), "--out", arg(&out)],
        &["run", arg(&file), "--out", arg(&out), "--check"],
        &["report", arg(&run)],
        &["compare", arg(&run), arg(&run)],
        &["backends"],
        &["route", "--model", arg(&router), "Compute 3 * 4."],
        &["route", "--model", arg(&router), "--prompts", arg(&prompts)],
        &["route", "--model", arg(&router)],
    ];
    for command in commands {
        for json in [false, true] {
            let mut args = command.to_vec();
            if json {
                args.push("--json");
            }
            for lines in [0, 1] {
                let (code, said) = cut(&args, lines);
                assert!(!said.contains("panicked"), "{args:?}\n{said}");
                // The last command lacks its prompt.
                let expected = if command.len() == 3 && command[0] == "route" {
                    2
                } else {
                    0
                };
                assert_eq!(code, Some(expected), "{args:?}\n{said}");
            }
        }
    }
}

#[test]
fn nobody_to_tell_of_progress_is_no_error_either() {
    let place = workplace(&table(40), &experiment(QUICK_ROUTERS));
    let (file, out) = (place.path().join("small.toml"), place.path().join("runs"));
    let mut child = Command::new(env!("CARGO_BIN_EXE_routelab"))
        .current_dir(repository())
        .args(["run", arg(&file), "--out", arg(&out)])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop((child.stdout.take(), child.stderr.take()));
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(out.join("small/report.html").is_file());
}

/// Other errors of standard output are errors.
#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_is_said() {
    let full = std::fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_routelab"))
        .current_dir(repository())
        .args(["data", "list"])
        .stdout(full)
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains("cannot write to standard output") && said.contains("help: "),
        "{said}"
    );
}
