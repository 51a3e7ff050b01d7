//! What the end-to-end tests share: the program, a small table, a small experiment.
#![allow(dead_code, reason = "every test file uses a part of this")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use assert_cmd::Command;

/// The repository.
pub fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .unwrap()
}

/// The program, run in the repository.
pub fn routelab(args: &[&str]) -> Output {
    Command::cargo_bin("routelab")
        .unwrap()
        .current_dir(repository())
        // Without it the library of Wayland, which OpenGL's driver asks, writes an error of its own.
        .env("XDG_RUNTIME_DIR", std::env::temp_dir())
        .args(args)
        .output()
        .unwrap()
}

/// Standard output of a call that succeeds.
#[track_caller]
pub fn success(args: &[&str]) -> String {
    let output = routelab(args);
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{args:?} failed\n{out}\n{err}");
    out
}

/// Standard error of a call that is refused with this exit code: one error, and what to do about it.
#[track_caller]
pub fn refused(code: i32, args: &[&str]) -> String {
    let output = routelab(args);
    let err = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{args:?}\n{err}");
    assert!(!err.contains("panicked"), "{args:?}\n{err}");
    let errors = err
        .lines()
        .filter(|line| line.starts_with("error: "))
        .count();
    assert_eq!(errors, 1, "{args:?}\n{err}");
    err
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Asserts that a message has every one of these parts.
#[track_caller]
pub fn says(message: &str, parts: &[&str]) {
    for part in parts {
        assert!(message.contains(part), "{part:?} is missing in:\n{message}");
    }
}

/// A path as an argument.
pub fn arg(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A table in RouterBench's wide layout: `rows` queries of two kinds; model `strong` is right on all but every tenth query
/// at 100 times the price, `maths` and `words` are right on one kind each.
pub fn table(rows: usize) -> String {
    let mut csv = "sample_id,prompt,eval_name,words,maths,strong,words|total_cost,maths|total_cost,strong|total_cost\n".to_owned();
    for row in 0..rows {
        let kind = row % 2;
        let prompt = match kind {
            0 => format!("Spell the word number {row} backwards and find a rhyme for it."),
            _ => format!("Compute {row} * {} + 7 and give the digits.", row + 3),
        };
        let strong = u8::from(row % 10 != 9);
        csv += &format!(
            "q{row},{prompt},{},{},{},{strong},0.0001,0.0001,0.01\n",
            ["words", "maths"][kind],
            u8::from(kind == 0),
            u8::from(kind == 1),
        );
    }
    csv
}

macro_rules! quick_equirouter {
    () => {
        r#"
[[router]]
kind = "equirouter"
trunk_hidden = [16]
width = 8
model_embedding = 4
head_hidden = [8]
epochs = 3
"#
    };
}

/// A small EquiRouter.
pub const QUICK_EQUIROUTER: &str = quick_equirouter!();

/// Routers that are fitted in a moment.
pub const QUICK_ROUTERS: &str = concat!(
    r#"
[[router]]
kind = "oracle"

[[router]]
kind = "knn"
k = 5

[[router]]
kind = "linear"

[[router]]
kind = "mlp"
epochs = 4
hidden = [16]
"#,
    quick_equirouter!()
);

/// An experiment file on a table, with these routers.
pub fn experiment(routers: &str) -> String {
    format!(
        "name = \"small\"\nseeds = 2\n\n[data]\nformat = \"routerbench\"\npath = \"table.csv\"\n\n[embeddings]\n\
         encoder = \"hashed-ngrams\"\nsettings = {{ dim = 64 }}\n\n[split]\nkind = \"in-domain\"\ntrain = 0.3\n\n\
         [evaluation]\nbootstrap = 50\ngrid = 12\n\n[cost]\nepochs = 4\nrank = 4\nhidden = [8]\n{routers}"
    )
}

/// A folder with a table and an experiment.
pub fn workplace(table: &str, experiment: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("table.csv"), table).unwrap();
    fs::write(folder.path().join("small.toml"), experiment).unwrap();
    folder
}

/// Every file below a folder whose name ends with one of `endings`, relative, sorted, with its bytes.
pub fn files(folder: &Path, endings: &[&str]) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(&next).unwrap() {
            let path = entry.unwrap().path();
            let name = path
                .strip_prefix(folder)
                .unwrap()
                .to_string_lossy()
                .into_owned();
            if path.is_dir() {
                open.push(path);
            } else if endings.iter().any(|ending| name.ends_with(ending)) {
                found.push((name, fs::read(path).unwrap()));
            }
        }
    }
    found.sort();
    found
}
