//! A short run of the fuzzer with a fixed seed, and every finding of a longer one once more.

#[path = "../crates/routelab/examples/fuzz/input.rs"]
mod input;
#[allow(dead_code, reason = "the example uses all of it")]
#[path = "../crates/routelab/examples/fuzz/judge.rs"]
mod judge;
#[path = "../crates/routelab/examples/fuzz/mutate.rs"]
mod mutate;
#[path = "../crates/routelab/examples/fuzz/programs.rs"]
mod programs;
#[path = "../crates/routelab/examples/fuzz/routers.rs"]
mod routers;
#[allow(dead_code, reason = "the example uses all of it")]
#[path = "../crates/routelab/examples/fuzz/targets.rs"]
mod targets;

use std::fs;
use std::path::Path;

use input::{Input, Place};
use judge::judge;

/// Inputs of every target within the process.
const INPUTS: u64 = 100;
/// Calls of the program.
const CALLS: u64 = 4;

/// One test, so that the memory that is measured is that of one input.
#[test]
fn spoilt_files_are_read_or_refused() {
    let program = Path::new(env!("CARGO_BIN_EXE_routelab"));
    let prepared = tempfile::tempdir().unwrap();
    targets::prepare(prepared.path(), Some(program));
    let targets = targets::all(prepared.path(), Some(program), "");
    judge::listen_to_panics();
    judge::limit_memory(3 << 30);
    let folder = prepared.path().join("input");
    let mut found = Vec::new();
    for target in &targets {
        let mut place = Place::new(&folder).unwrap();
        // A sound input is accepted: otherwise the spoilt ones would show nothing.
        let sound = (target.seeds.iter()).any(|seed| judge(target, seed, &mut place).accepted);
        if !sound {
            found.push(format!("{}: no seed is accepted", target.name));
        }
        let count = if target.process { CALLS } else { INPUTS };
        for number in 0..count {
            let input = judge::input(target, 7, 0, number);
            assert_eq!(input, judge::input(target, 7, 0, number), "{}", target.name);
            if let Some((_, detail)) = judge(target, &input, &mut place).finding {
                found.push(format!("{} {number}: {detail}", target.name));
            }
        }
    }
    let kept = targets::repository().join("tests/fixtures/fuzz");
    for entry in fs::read_dir(kept).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "fuzz") {
            continue;
        }
        let (name, input) = Input::from_bytes(&fs::read(&path).unwrap()).unwrap();
        assert_eq!(
            Input::from_bytes(&input.to_bytes(&name)).unwrap(),
            (name.clone(), input.clone())
        );
        let target = targets.iter().find(|target| target.name == name).unwrap();
        let verdict = judge(target, &input, &mut Place::new(&folder).unwrap());
        if let Some((_, detail)) = verdict.finding {
            found.push(format!("{}: {detail}", path.display()));
        }
    }
    let _ = std::panic::take_hook();
    assert!(found.is_empty(), "{}", found.join("\n"));
}
