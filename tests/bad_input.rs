//! Bad input: one clear error with place and remedy, exit code 2, and nothing half-written.

mod common;

use std::fs;
use std::path::Path;

use common::{QUICK_ROUTERS, arg, experiment, refused, says, success, table, workplace};

/// Runs an experiment that must be refused; nothing may appear where the run would have been.
#[track_caller]
fn refuse(table: &str, experiment: &str, parts: &[&str]) {
    let place = workplace(table, experiment);
    let out = place.path().join("runs");
    let error = refused(
        2,
        &[
            "run",
            arg(&place.path().join("small.toml")),
            "--out",
            arg(&out),
        ],
    );
    says(&error, parts);
    assert!(!out.exists(), "the refused run left {}", out.display());
}

/// The good table with one cell of the line of query `q7` replaced.
fn with_cell(column: usize, value: &str) -> String {
    let table = table(40);
    let lines = table.lines().map(|line| {
        let mut cells: Vec<&str> = line.split(',').collect();
        if cells[0] == "q7" {
            cells[column] = value;
        }
        cells.join(",")
    });
    lines.collect::<Vec<_>>().join("\n") + "\n"
}

#[test]
fn bad_tables() {
    let good = experiment(QUICK_ROUTERS);
    refuse(
        &table(40).replace("maths,strong,", "maths,other,"),
        &good,
        &["table.csv", "strong"],
    );
    refuse(
        &table(40).replace("sample_id", "number"),
        &good,
        &["table.csv", "sample_id"],
    );
    refuse(
        &with_cell(3, "yes"),
        &good,
        &["table.csv", "9", "words", "yes"],
    );
    refuse(
        &with_cell(4, "1.7"),
        &good,
        &["table.csv", "maths", "1.7", "[0, 1]"],
    );
    refuse(
        &with_cell(7, "-0.5"),
        &good,
        &["table.csv", "maths", "-0.5"],
    );
    refuse(
        &with_cell(8, "NaN"),
        &good,
        &["table.csv", "strong|total_cost", "drop-query"],
    );
    refuse(
        &with_cell(5, ""),
        &good,
        &["table.csv", "strong", "drop-query"],
    );
    refuse(&with_cell(0, "q6"), &good, &["table.csv", "q6"]);
    refuse("", &good, &["table.csv", "empty"]);
    refuse(&table(0), &good, &["table.csv"]);
}

#[test]
fn bad_experiment_files() {
    let good = experiment(QUICK_ROUTERS);
    let refuse = |experiment: &str, parts: &[&str]| refuse(&table(40), experiment, parts);
    refuse(
        &good.replace("seeds = 2", "sedes = 2"),
        &["small.toml", "sedes", "seeds"],
    );
    refuse(
        &good.replace("train = 0.3", "trian = 0.3"),
        &["small.toml", "trian"],
    );
    refuse(&good.replace("train = 0.3", "train = 1.3"), &["1.3"]);
    refuse(&good.replace("seeds = 2", "seeds = 0"), &["seeds"]);
    refuse(
        &good.replace("k = 5", "kk = 5"),
        &["[[router]] number 2", "knn", "kk", "`k`"],
    );
    refuse(
        &good.replace("k = 5", "k = 0"),
        &["knn", "`k`", "at least 1"],
    );
    refuse(&good.replace("k = 5", "k = \"five\""), &["knn", "five"]);
    refuse(
        &good.replace("\"linear\"", "\"linaer\""),
        &["linaer", "linear", "equirouter"],
    );
    refuse(
        &good.replace("kind = \"linear\"", "kind = \"knn\""),
        &["two routers", "knn", "label"],
    );
    refuse(&experiment(""), &["no [[router]]"]);
    refuse(
        &good.replace("hashed-ngrams", "bert"),
        &["bert", "minilm", "hashed-ngrams"],
    );
    refuse(&good.replace("dim = 64", "dim = 0"), &["dim"]);
    refuse(
        &good.replace("\"routerbench\"", "\"routerbunch\""),
        &["routerbunch", "routerbench"],
    );
    refuse(&good.replace("table.csv", "nowhere.csv"), &["nowhere.csv"]);
    refuse(&good.replace("grid = 12", "grid = 1"), &["grid"]);
    refuse(
        &good.replace("name = \"small\"", "name = \"../small\""),
        &["name"],
    );
    refuse("name = ", &["small.toml", "line 1"]);
}

#[test]
fn bad_arguments() {
    let place = workplace(&table(40), &experiment(QUICK_ROUTERS));
    let file = place.path().join("small.toml");
    let out = place.path().join("runs");
    let error = refused(
        2,
        &["run", arg(&file), "--out", arg(&out), "--backend", "abacus"],
    );
    says(&error, &["abacus", "flex"]);
    let error = refused(2, &["run", arg(&place.path().join("none.toml"))]);
    says(&error, &["none.toml", "help:"]);
    assert!(!out.exists());
    let error = refused(2, &["report", arg(place.path())]);
    says(&error, &["manifest.json", "help:"]);
    let error = refused(2, &["route", "--model", arg(place.path()), "hello"]);
    says(&error, &["router.json", "help:"]);
}

#[test]
fn an_output_folder_that_cannot_be_written() {
    let place = workplace(&table(40), &experiment(QUICK_ROUTERS));
    let out = place.path().join("table.csv");
    let before = fs::read(&out).unwrap();
    let error = refused(
        2,
        &[
            "run",
            arg(&place.path().join("small.toml")),
            "--out",
            arg(&out),
        ],
    );
    says(&error, &["table.csv", "--out"]);
    assert_eq!(before, fs::read(&out).unwrap());
    let foreign = place.path().join("mine");
    fs::create_dir_all(foreign.join("small")).unwrap();
    fs::write(foreign.join("small/precious.txt"), "mine").unwrap();
    let error = refused(
        2,
        &[
            "run",
            arg(&place.path().join("small.toml")),
            "--out",
            arg(&foreign),
        ],
    );
    says(&error, &["not the folder of a run"]);
    assert_eq!(fs::read_dir(foreign.join("small")).unwrap().count(), 1);
}

#[test]
fn truncated_files() {
    let place = workplace(&table(40), &experiment(QUICK_ROUTERS));
    let data = place.path().join("dataset.toml");
    fs::write(&data, "format = \"routerbench\"\npath = \"table.csv\"\n").unwrap();
    let parquet = place.path().join("table.parquet");
    common::success(&["data", "convert", arg(&data), arg(&parquet)]);
    let bytes = fs::read(&parquet).unwrap();
    fs::write(&parquet, &bytes[..bytes.len() / 2]).unwrap();
    let experiment = experiment(QUICK_ROUTERS)
        .replace("routerbench", "routelab")
        .replace("table.csv", "table.parquet");
    let file = place.path().join("small.toml");
    fs::write(&file, experiment).unwrap();
    let error = refused(
        2,
        &["run", arg(&file), "--out", arg(&place.path().join("runs"))],
    );
    says(&error, &["table.parquet"]);
    assert!(!Path::new(&place.path().join("runs")).exists());
}

#[test]
fn embeddings_that_do_not_fit() {
    let place = workplace(&table(40), &experiment(QUICK_ROUTERS));
    let file = place.path().join("small.toml");
    let with_file = |name: &str| {
        let source = format!("file = \"{name}\"");
        experiment(QUICK_ROUTERS)
            .replace("encoder = \"hashed-ngrams\"", &source)
            .replace("settings = { dim = 64 }\n", "")
    };
    fs::write(&file, with_file("none.safetensors")).unwrap();
    let out = place.path().join("runs");
    says(
        &refused(2, &["run", arg(&file), "--out", arg(&out)]),
        &["none.safetensors"],
    );
    fs::write(place.path().join("broken.safetensors"), b"nothing").unwrap();
    fs::write(&file, with_file("broken.safetensors")).unwrap();
    says(
        &refused(2, &["run", arg(&file), "--out", arg(&out)]),
        &["broken.safetensors"],
    );
    let shipped = common::repository().join("datasets/routerbench-slice/minilm.safetensors");
    fs::copy(shipped, place.path().join("others.safetensors")).unwrap();
    fs::write(&file, with_file("others.safetensors")).unwrap();
    says(
        &refused(2, &["run", arg(&file), "--out", arg(&out)]),
        &["others.safetensors", "q0"],
    );
    assert!(!out.exists());
}

#[test]
fn a_byte_order_mark_of_an_experiment_is_left_out() {
    let marked = format!("\u{feff}{}", experiment(QUICK_ROUTERS));
    let place = workplace(&format!("\u{feff}{}", table(40)), &marked);
    success(&["run", arg(&place.path().join("small.toml")), "--check"]);
    let wide: Vec<u8> = experiment(QUICK_ROUTERS)
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    fs::write(place.path().join("small.toml"), wide).unwrap();
    let error = refused(2, &["run", arg(&place.path().join("small.toml"))]);
    says(
        &error,
        &["small.toml", "UTF-16LE", "iconv -f UTF-16LE -t UTF-8"],
    );
}

#[test]
fn paths_of_windows_in_an_experiment() {
    let good = experiment(QUICK_ROUTERS);
    let place = workplace("", &good.replace("\"table.csv\"", "'data\\table.csv'"));
    fs::create_dir(place.path().join("data")).unwrap();
    fs::write(place.path().join("data/table.csv"), table(40)).unwrap();
    success(&["run", arg(&place.path().join("small.toml")), "--check"]);
    refuse(
        &table(40),
        &good.replace("\"table.csv\"", "\"scores\\scores.csv\""),
        &["small.toml", "backslash", "single quotes"],
    );
    // Some letters make another character of it.
    refuse(
        &table(40),
        &good.replace("\"table.csv\"", "\"data\\table.csv\""),
        &["a backslash in double quotes", "write it with `/`"],
    );
}

#[test]
fn a_table_with_gaps_is_neither_trained_on_nor_evaluated() {
    refuse(
        &with_cell(5, ""),
        &experiment(QUICK_ROUTERS).replace("[data]\n", "[data]\nmissing = \"mask\"\n"),
        &["small.toml", "mask", "drop-query"],
    );
}
