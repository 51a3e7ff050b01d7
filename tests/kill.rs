//! A run that is killed goes on with the same command and ends as if nothing had happened.
#![allow(clippy::print_stdout, reason = "a test prints as it likes")]

mod common;

use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use common::{arg, experiment, files, refused, repository, says, success, table, workplace};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Kills per experiment.
const KILLS: usize = 10;

/// What another run repeats to the byte.
const REPEATED: [&str; 4] = [".csv", ".json", ".svg", ".safetensors"];

/// Every router has a search, the networks two settings to choose from.
const ROUTERS: &str = "
[tune]
trials = 3

[[router]]
kind = \"oracle\"

[[router]]
kind = \"knn\"
k = 5

[[router]]
kind = \"linear\"

[[router]]
kind = \"mlp\"
epochs = 20
hidden = [32]
tune = { epochs = [10, 20] }

[[router]]
kind = \"equirouter\"
trunk_hidden = [16]
width = 8
model_embedding = 4
head_hidden = [8]
epochs = 12
tune = { epochs = [6, 12] }
";

fn start(file: &Path, out: &Path) -> Child {
    Command::new(env!("CARGO_BIN_EXE_routelab"))
        .current_dir(repository())
        .args(["run", arg(file), "--out", arg(out), "--quiet"])
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap()
}

/// Asserts that a finished folder has what an undisturbed run wrote, and nothing half-written.
#[track_caller]
fn is_as_undisturbed(folder: &Path, undisturbed: &Path) {
    let names = |folder: &Path| -> Vec<String> {
        let all = files(folder, &[""]);
        all.into_iter().map(|(name, _)| name).collect()
    };
    assert_eq!(names(folder), names(undisturbed));
    let (one, two) = (files(undisturbed, &REPEATED), files(folder, &REPEATED));
    for ((name, one), (_, two)) in one.iter().zip(&two) {
        assert!(one == two, "{name} differs after a kill");
    }
}

/// Kills a run at random moments until ten kills have hit; a run that ends before its kill is judged, and the next one starts
/// anew.
fn kill_and_resume(experiment: &str, seed: u64) {
    let place = workplace(&table(300), experiment);
    let file = place.path().join("small.toml");
    let (calm, rough) = (place.path().join("calm"), place.path().join("rough"));
    let clock = Instant::now();
    assert!(start(&file, &calm).wait().unwrap().success());
    let whole = clock.elapsed().as_secs_f64();

    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let (mut kills, mut finished) = (0, 0);
    while kills < KILLS {
        let mut child = start(&file, &rough);
        std::thread::sleep(Duration::from_secs_f64(whole * rng.random::<f64>()));
        child.kill().unwrap();
        let status = child.wait().unwrap();
        match status.code() {
            None => kills += 1,
            Some(code) => {
                assert_eq!(code, 0, "a run that was killed before does not go on");
                is_as_undisturbed(&rough, &calm);
                fs::remove_dir_all(&rough).unwrap();
                finished += 1;
            }
        }
    }
    assert!(start(&file, &rough).wait().unwrap().success());
    is_as_undisturbed(&rough, &calm);
    println!("{KILLS} kills of a run of {whole:.1} s; {finished} ended before their kill");
}

#[test]
fn a_killed_run_ends_as_if_nothing_had_happened() {
    kill_and_resume(&experiment(ROUTERS).replace("seeds = 2", "seeds = 3"), 2026);
}

#[test]
fn a_killed_study_ends_as_if_nothing_had_happened() {
    let vary = "\n[vary]\nkey = \"split.train\"\nvalues = [0.3, 0.5]\n";
    kill_and_resume(&format!("{}{vary}", experiment(ROUTERS)), 7);
}

#[test]
fn what_a_kill_leaves_half_written_is_removed_and_nothing_else() {
    let routers = "[[router]]\nkind = \"knn\"\nk = 3\n";
    let place = workplace(&table(60), &experiment(routers));
    let file = place.path().join("small.toml");
    let out = place.path().join("runs");
    let run = || success(&["run", arg(&file), "--out", arg(&out), "--quiet"]);
    let folder = out.join("small");
    // A kill before the first file was whole: still no other run's folder.
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join(".routelab-first.tmp"), "{").unwrap();
    run();
    let whole = files(&folder, &[".csv", ".json", ".tmp"]);
    let halves = [
        ".routelab-Ab1.tmp",
        "units/42/knn/.routelab-Cd2.tmp",
        "figures/.routelab-77-rci.svg.tmp",
    ];
    for half in halves {
        fs::write(folder.join(half), "half").unwrap();
    }
    fs::write(folder.join("notes.tmp"), "the user's own").unwrap();
    run();
    let kept = files(&folder, &[".tmp"]);
    assert_eq!(kept.len(), 1, "{kept:?}");
    assert_eq!(kept[0].0, "notes.tmp");
    fs::remove_file(folder.join("notes.tmp")).unwrap();
    assert!(whole == files(&folder, &[".csv", ".json", ".tmp"]));
}

#[test]
fn a_folder_is_left_to_the_process_that_works_in_it() {
    let routers = "[[router]]\nkind = \"knn\"\nk = 3\n";
    let place = workplace(&table(60), &experiment(routers));
    let file = place.path().join("small.toml");
    let out = place.path().join("runs");
    let call = ["run", arg(&file), "--out", arg(&out), "--quiet"];
    success(&call);
    let log = File::open(out.join("small/run.log")).unwrap();
    log.lock().unwrap();
    let half = out.join("small/.routelab-Ab1.tmp");
    fs::write(&half, "half").unwrap();
    says(&refused(2, &call), &["another process", "help:"]);
    assert!(half.exists(), "the other process is about to rename it");
    drop(log);
    success(&call);
    assert!(!half.exists());
}
