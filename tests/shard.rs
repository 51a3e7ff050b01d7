//! `routelab run --shard` on several machines and `routelab merge`: the same files as one run, to the byte.
#![allow(clippy::print_stdout, reason = "a test prints as it likes")]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use common::{
    QUICK_ROUTERS, arg, experiment, files, refused, repository, says, success, table, workplace,
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const PROGRAM: &str = env!("CARGO_BIN_EXE_routelab");

/// What holds times, and so differs between two runs.
const TIMES: [&str; 4] = ["run.log", "timings.tsv", "seconds.txt", "overview.md"];

/// A router that fails on every seed: that is a result, too.
const FAILING: &str =
    "[[router]]\nkind = \"mlp\"\nlabel = \"Diverges\"\nlearning_rate = 1e38\nepochs = 3\n";

/// Starts the program; what it says is of no interest.
fn start(args: &[&str]) -> Child {
    Command::new(PROGRAM)
        .current_dir(repository())
        .args(args)
        .arg("--quiet")
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap()
}

/// Fits all shards at the same time, one process each. `call` is a call of the program without `--shard`.
fn fit_shards(call: &[&str], of: usize) {
    let children: Vec<Child> = (1..=of)
        .map(|number| start(&[call, &["--shard", &format!("{number}/{of}")]].concat()))
        .collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
}

/// The files of a run, of a study or of a folder of both; without those that hold times, as the page of a study does.
fn results(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut all = files(folder, &[""]);
    all.retain(|(name, _)| {
        let page = name.ends_with("report.html");
        let of_study = page && folder.join(name).with_file_name("study.json").exists();
        !of_study && !TIMES.iter().any(|times| name.ends_with(times))
    });
    all
}

/// Asserts that two folders have the same files, to the byte.
#[track_caller]
fn equal(merged: &Path, whole: &Path) {
    let (merged, whole) = (results(merged), results(whole));
    let names = |files: &[(String, Vec<u8>)]| -> Vec<String> {
        files.iter().map(|(name, _)| name.clone()).collect()
    };
    assert_eq!(names(&merged), names(&whole));
    assert!(whole.len() > 30, "{:?}", names(&whole));
    for ((name, merged), (_, whole)) in merged.iter().zip(&whole) {
        assert!(merged == whole, "{name} of the merged run differs");
    }
}

/// Runs `input` whole and in shards, and asserts that both come to the same. `name` is the folder of the run.
fn merged_is_whole(place: &Path, input: &Path, name: &str, of: usize) {
    let (whole, parts) = (place.join("whole"), place.join("parts"));
    success(&["run", arg(input), "--out", arg(&whole), "--quiet"]);
    fit_shards(&["run", arg(input), "--out", arg(&parts)], of);
    assert!(!parts.join(name).exists(), "a shard evaluates nothing");
    success(&["merge", arg(input), "--out", arg(&parts), "--quiet"]);
    equal(&parts.join(name), &whole.join(name));
}

/// The units in the folder of a shard: seeds (or variants and seeds) by router.
fn units(shard: &Path) -> BTreeMap<String, usize> {
    let mut routers = BTreeMap::new();
    for (name, _) in files(shard, &["unit.json"]) {
        let router = name.rsplit('/').nth(1).unwrap().to_owned();
        *routers.entry(router).or_default() += 1;
    }
    routers
}

#[test]
fn shards_side_by_side_in_one_folder_merge_to_the_whole_run() {
    let text = experiment(&format!("{QUICK_ROUTERS}{FAILING}")).replace("seeds = 2", "seeds = 4");
    let place = workplace(&table(100), &text);
    let file = place.path().join("small.toml");
    merged_is_whole(place.path(), &file, "small", 3);

    // 4 seeds of 6 routers: 8 units for each shard, 1 or 2 of every router.
    for number in 1..=3 {
        let shard = place
            .path()
            .join(format!("parts/small.shard-{number}-of-3"));
        let units = units(&shard);
        assert_eq!(units.values().sum::<usize>(), 8, "{units:?}");
        assert_eq!(units.len(), 6, "{units:?}");
        assert!(units.values().all(|count| (1..=2).contains(count)));
        assert!(files(&shard, &[".svg", ".csv", ".html", ".tmp"]).is_empty());
    }
    // It is a run like any other.
    let (whole, merged) = (
        place.path().join("whole/small"),
        place.path().join("parts/small"),
    );
    says(
        &success(&["compare", arg(&whole), arg(&merged)]),
        &["the same"],
    );
    let model = merged.join("models/equirouter");
    success(&["route", "--model", arg(&model), "Compute 3 * 4."]);
    success(&["report", arg(&merged)]);
    equal(&merged, &whole);
}

#[test]
fn shards_of_a_study_and_of_a_search_merge_to_the_whole() {
    let vary = "\n[vary]\nkey = \"split.train\"\nvalues = [0.3, 0.5]\n[tune]\ntrials = 3\n";
    let text = format!("{}{vary}", experiment(QUICK_ROUTERS)).replace("seeds = 2", "seeds = 1");
    let place = workplace(&table(100), &text);
    // More shards than units of a router: some shards have no unit of a variant.
    merged_is_whole(place.path(), &place.path().join("small.toml"), "small", 7);
}

#[test]
fn shards_of_a_folder_merge_to_the_whole() {
    let place = workplace(&table(60), "");
    let all = place.path().join("all");
    fs::create_dir(&all).unwrap();
    let quick = "[[router]]\nkind = \"oracle\"\n[[router]]\nkind = \"knn\"\nk = 3\n";
    let text = experiment(quick).replace("table.csv", "../table.csv");
    fs::write(all.join("one.toml"), &text).unwrap();
    let vary = "\n[vary]\nkey = \"router.knn.k\"\nvalues = [2, 4]\n";
    let study = text.replace("\"small\"", "\"study\"") + vary;
    fs::write(all.join("two.toml"), study).unwrap();
    merged_is_whole(place.path(), &all, "all", 2);
}

#[test]
fn shards_of_tune_are_merged_on_another_machine_from_copied_folders() {
    let place = workplace(&table(80), &experiment(QUICK_ROUTERS));
    let file = place.path().join("small.toml");
    let (whole, parts) = (place.path().join("whole"), place.path().join("parts"));
    let tune = ["tune", arg(&file), "--trials", "2", "--seeds", "3"];
    success(&[&tune[..], &["--out", arg(&whole), "--quiet"]].concat());
    fit_shards(&[&tune[..], &["--out", arg(&parts)]].concat(), 2);

    let other = workplace(&table(80), &experiment(QUICK_ROUTERS));
    let file = other.path().join("small.toml");
    let folders = ["b", "a"].map(|name| other.path().join(name));
    for (number, folder) in folders.iter().enumerate() {
        let shard = parts.join(format!("small-tuned.shard-{}-of-2", number + 1));
        fs::rename(shard, folder).unwrap();
    }
    let out = other.path().join("runs");
    let merge = |file: &Path| {
        let file = arg(file).to_owned();
        let folders = folders.each_ref().map(|folder| arg(folder).to_owned());
        [vec!["merge".to_owned(), file], folders.to_vec()].concat()
    };
    let merge = merge(&file);
    let mut merge: Vec<&str> = merge.iter().map(String::as_str).collect();
    merge.extend(["--out", arg(&out), "--quiet"]);
    // Other data than where the shards were fitted.
    fs::write(other.path().join("table.csv"), table(90)).unwrap();
    let error = refused(2, &merge);
    says(&error, &["b was fitted with other", "(data", "help:"]);
    assert!(!out.exists());
    fs::write(other.path().join("table.csv"), table(80)).unwrap();
    success(&merge);
    equal(&out.join("small-tuned"), &whole.join("small-tuned"));
}

#[test]
fn a_shard_is_written_as_one_of_several() {
    let place = workplace(&table(60), &experiment(QUICK_ROUTERS));
    let file = place.path().join("small.toml");
    let out = place.path().join("runs");
    for wrong in ["0/3", "3/2", "x", "2", "1/0", "-1/2", "1/2/3", ""] {
        let shard = format!("--shard={wrong}");
        let error = refused(2, &["run", arg(&file), "--out", arg(&out), &shard]);
        says(&error, &["--shard <I/N>", "I from 1 to N", "2/4"]);
    }
    // 2 seeds of 5 routers.
    let call = ["run", arg(&file), "--out", arg(&out), "--shard", "1/11"];
    says(&refused(2, &call), &["10 fits", "at most 10", "help:"]);
    let call = [
        "run",
        arg(&file),
        "--out",
        arg(&out),
        "--resume",
        "--shard",
        "1/2",
    ];
    says(&refused(2, &call), &["no shard to resume", "help:"]);
    assert!(!out.exists());
}

#[test]
fn shards_that_do_not_belong_together_are_named() {
    let place = workplace(&table(60), &experiment(QUICK_ROUTERS));
    let file = place.path().join("small.toml");
    let out = place.path().join("runs");
    let merge = ["merge", arg(&file), "--out", arg(&out)];
    let error = refused(2, &merge);
    says(&error, &["no shards of small", "--shard 1/2", "help:"]);

    let fit = |shard: &str, more: &[&str]| {
        let call = ["run", arg(&file), "--out", arg(&out), "--shard", shard];
        success(&[&call, more].concat())
    };
    let said = fit("1/3", &[]);
    says(&said, &["fitted 4 of 10 units", "routelab merge"]);
    says(&fit("1/3", &[]), &["fitted 0 of 10 units", "found 4"]);
    says(&fit("3/3", &[]), &["fitted 3 of 10 units"]);
    let error = refused(2, &merge);
    let command = format!("run {} --out {} --shard 2/3", arg(&file), arg(&out));
    says(&error, &["missing: shard 2/3", &command, "help:"]);

    // One shard with other seeds: refused where it lies, and named where it was forced.
    fit("2/3", &[]);
    let call = ["run", arg(&file), "--out", arg(&out), "--shard", "2/3"];
    let other = [&call[..], &["--seeds", "3"]].concat();
    let before = files(&out, &[""]);
    says(&refused(2, &other), &["settings (seeds)", "--overwrite"]);
    assert!(before == files(&out, &[""]));
    fit("2/3", &["--seeds", "3", "--overwrite"]);
    let error = refused(2, &merge);
    says(
        &error,
        &[
            "shard-2-of-3 was fitted",
            "(seeds)",
            "shard-1-of-3",
            "--shard 2/3 --overwrite",
        ],
    );
    fit("2/3", &["--overwrite"]);

    // One shard of an earlier version of the file.
    let good = fs::read_to_string(&file).unwrap();
    fs::write(&file, good.replace("k = 5", "k = 4")).unwrap();
    fit("2/3", &["--overwrite"]);
    fs::write(&file, good).unwrap();
    let error = refused(2, &merge);
    says(
        &error,
        &[
            "shard-2-of-3 was fitted",
            "(`router`)",
            "small.toml",
            "--overwrite",
        ],
    );

    // One shard of other data, the shards beside it of these.
    fs::write(place.path().join("table.csv"), table(70)).unwrap();
    fit("2/3", &["--overwrite"]);
    fs::write(place.path().join("table.csv"), table(60)).unwrap();
    let error = refused(2, &merge);
    says(
        &error,
        &["shard-2-of-3 was fitted", "(data", "shard-1-of-3"],
    );
    fit("2/3", &["--overwrite"]);

    // A unit that was not copied, and a model that was copied in part.
    let unit = out.join("small.shard-2-of-3/small/units");
    let (name, bytes) = files(&unit, &["unit.json"]).remove(0);
    fs::remove_file(unit.join(&name)).unwrap();
    let error = refused(2, &merge);
    let router = name.split('/').nth(1).unwrap();
    says(
        &error,
        &[
            "shard-2-of-3 is not complete",
            "1 of its 3 fits",
            router,
            "--shard 2/3",
        ],
    );
    fs::write(unit.join(&name), bytes).unwrap();
    let models: Vec<PathBuf> = (1..=3)
        .map(|number| out.join(format!("small.shard-{number}-of-3/small/models")))
        .filter(|models| models.exists())
        .collect();
    let (name, bytes) = files(&models[0], &[".safetensors"]).remove(0);
    fs::write(models[0].join(&name), &bytes[..bytes.len() / 2]).unwrap();
    says(&refused(2, &merge), &["is damaged", "copy it again"]);
    fs::write(models[0].join(&name), bytes).unwrap();

    // Shards of two divisions, the same shard twice, and a folder that is none.
    fit("1/2", &[]);
    let error = refused(2, &merge);
    says(&error, &["one of 2", "one of 3", "help:"]);
    let first = out.join("small.shard-1-of-3");
    let error = refused(2, &["merge", arg(&file), arg(&first), arg(&first)]);
    says(&error, &["both shard 1/3", "help:"]);
    let error = refused(2, &["merge", arg(&file), arg(place.path())]);
    says(&error, &["not the folder of a shard", "help:"]);
    assert!(!out.join("small").exists(), "a refused merge left a run");
}

/// Kills a call at random moments of the time that it takes until three kills have hit. When it ends before its kill, `made` is
/// removed, and the next call starts anew.
fn kill(call: &[&str], made: &Path, seconds: f64, rng: &mut ChaCha8Rng) {
    let mut kills = 0;
    while kills < 3 {
        let mut child = start(call);
        std::thread::sleep(Duration::from_secs_f64(seconds * rng.random::<f64>()));
        child.kill().unwrap();
        match child.wait().unwrap().code() {
            None => kills += 1,
            Some(code) => {
                assert_eq!(code, 0, "{call:?} does not go on after a kill");
                fs::remove_dir_all(made).unwrap();
            }
        }
    }
}

#[test]
fn a_killed_shard_and_a_killed_merge_end_as_if_nothing_had_happened() {
    let text = experiment(&format!("{QUICK_ROUTERS}{FAILING}"));
    let place = workplace(&table(200), &text);
    let file = place.path().join("small.toml");
    let folder = |name: &str| place.path().join(name);
    let (whole, calm, rough) = (folder("whole"), folder("calm"), folder("rough"));
    success(&["run", arg(&file), "--out", arg(&whole), "--quiet"]);
    let timed = |call: &[&str]| {
        let clock = Instant::now();
        success(call);
        clock.elapsed().as_secs_f64()
    };
    let mut rng = ChaCha8Rng::seed_from_u64(11);

    let first = ["run", arg(&file), "--shard", "1/2", "--out"];
    let seconds = timed(&[&first[..], &[arg(&calm)]].concat());
    let first = [&first[..], &[arg(&rough)]].concat();
    kill(&first, &rough.join("small.shard-1-of-2"), seconds, &mut rng);
    success(&first);
    success(&["run", arg(&file), "--shard", "2/2", "--out", arg(&rough)]);

    let shards = [1, 2].map(|number| rough.join(format!("small.shard-{number}-of-2")));
    // As many shards as seeds: every split belongs to one.
    for (shard, seed) in shards.iter().zip(["42", "43"]) {
        let seeds = fs::read_dir(shard.join("small/units")).unwrap();
        let seeds: Vec<_> = seeds.map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(seeds, [seed]);
    }
    let (one, two) = (arg(&shards[0]), arg(&shards[1]));
    let seconds = timed(&["merge", arg(&file), two, one, "--out", arg(&calm)]);
    let merge = ["merge", arg(&file), "--out", arg(&rough)];
    kill(&merge, &rough.join("small"), seconds, &mut rng);
    success(&merge);
    equal(&rough.join("small"), &whole.join("small"));
    equal(&calm.join("small"), &whole.join("small"));
}

#[cfg(unix)]
#[test]
fn the_examples_for_clusters_fit_every_shard() {
    let place = workplace(&table(60), &experiment(QUICK_ROUTERS));
    let file = place.path().join("small.toml");
    let (whole, out) = (place.path().join("whole"), place.path().join("runs"));
    success(&["run", arg(&file), "--out", arg(&whole), "--quiet"]);
    // `routelab` on the PATH, as the scripts expect it.
    let programs = Path::new(PROGRAM).parent().unwrap();
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
    let clusters = repository().join("docs/examples/clusters");
    let run = |command: &mut Command| {
        let output = command
            .current_dir(place.path())
            .env("PATH", &path)
            .output()
            .unwrap();
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{error}");
    };
    let slurm = |task: usize| {
        let mut command = Command::new("bash");
        command
            .arg(clusters.join("slurm.sh"))
            .args([arg(&file), "4", "--out", arg(&out)])
            .env("SLURM_ARRAY_TASK_ID", task.to_string());
        command
    };
    // Two shards as tasks of Slurm, two as pods of Kubernetes: both count in the same way.
    run(&mut slurm(1));
    run(&mut slurm(2));
    let yaml = fs::read_to_string(clusters.join("kubernetes.yaml")).unwrap();
    let pod = yaml
        .lines()
        .find_map(|line| line.trim().strip_prefix("- exec bin/routelab run "))
        .unwrap();
    let pod = pod.replace("experiments/collapse.toml", "small.toml");
    for index in [2, 3] {
        let mut command = Command::new("sh");
        command
            .args(["-c", &format!("exec routelab run {pod}")])
            .env("JOB_COMPLETION_INDEX", index.to_string())
            .env("SHARDS", "4");
        run(&mut command);
    }
    success(&["merge", arg(&file), "--out", arg(&out), "--quiet"]);
    equal(&out.join("small"), &whole.join("small"));

    let parallel = Command::new("parallel").arg("--version").output();
    if !parallel.is_ok_and(|output| output.stdout.starts_with(b"GNU parallel")) {
        println!("skipped: there is no GNU parallel (apt install parallel)");
        return;
    }
    let out = place.path().join("parallel");
    let mut command = Command::new("bash");
    command
        .arg(clusters.join("parallel.sh"))
        .args([arg(&file), "3", arg(&out)])
        .env("JOBS", "3");
    run(&mut command);
    equal(&out.join("small"), &whole.join("small"));
}
