//! Feeds one input and says what came of it.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use cap::Cap;
use peak_alloc::PeakAlloc;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::input::{Input, Place};
use crate::mutate::mutate;
use crate::targets::{Outcome, Target};

/// Counts the memory of this process; [`limit_memory`] bounds it.
#[global_allocator]
static MEMORY: Cap<PeakAlloc> = Cap::new(PeakAlloc, usize::MAX);

/// Where and with which words the last panic was.
static PANIC: Mutex<String> = Mutex::new(String::new());

/// An allocation beyond so many bytes fails, which ends the process.
pub fn limit_memory(bytes: usize) {
    // More than this is in use: then it stays without a limit, and the measured peak says so.
    let _ = MEMORY.set_limit(bytes);
}

/// Panics are kept for the finding in place of being printed.
pub fn listen_to_panics() {
    std::panic::set_hook(Box::new(|info| {
        *PANIC.lock().unwrap_or_else(PoisonError::into_inner) = info.to_string();
    }));
}

/// What came of an input.
pub struct Verdict {
    pub accepted: bool,
    /// What is wrong, and what equal findings have in common.
    pub finding: Option<(String, String)>,
    pub seconds: f64,
    /// Most memory that was in use, less what was in use before.
    pub peak: usize,
}

/// Input number `number` of a lane: the same for the same seed, target, lane and number.
pub fn input(target: &Target, seed: u64, lane: u64, number: u64) -> Input {
    let mut hasher = DefaultHasher::new();
    (seed, &target.name, lane, number).hash(&mut hasher);
    let mut rng = ChaCha8Rng::seed_from_u64(hasher.finish());
    let mut input = target
        .seeds
        .choose(&mut rng)
        .expect("every target has a seed")
        .clone();
    let other = target
        .seeds
        .choose(&mut rng)
        .expect("every target has a seed");
    let other = other.0.choose(&mut rng).map_or(&[][..], |(_, bytes)| bytes);
    let at = rng.random_range(0..input.0.len());
    input.0[at].1 = mutate(&input.0[at].1, other, &mut rng);
    input
}

/// Feeds `input`, laid out in `place`.
pub fn judge(target: &Target, input: &Input, place: &mut Place) -> Verdict {
    let folder: &Path = place
        .lay(input)
        .expect("the folder of the fuzzer can be written");
    PeakAlloc.reset_peak_usage();
    let before = PeakAlloc.current_usage();
    let start = Instant::now();
    let result = catch_unwind(AssertUnwindSafe(|| (target.feed)(folder)));
    let seconds = start.elapsed().as_secs_f64();
    let peak = PeakAlloc.peak_usage().saturating_sub(before);
    if target.process {
        place
            .clear()
            .expect("the folder of the fuzzer can be written");
    }
    let mut accepted = false;
    let mut finding = match result {
        Ok(Outcome::Accepted) => {
            accepted = true;
            None
        }
        Ok(Outcome::Refused) => None,
        Ok(Outcome::Wrong(detail)) => Some((kind_of(&detail), detail)),
        Err(_) => {
            let detail = PANIC.lock().unwrap_or_else(PoisonError::into_inner).clone();
            Some((kind_of(&detail), detail))
        }
    };
    let (times, plus) = target.bound;
    let bound = times.saturating_mul(input.len()).saturating_add(plus);
    if finding.is_none() && peak > bound {
        let detail = format!(
            "{peak} bytes of memory for {} bytes of input; the bound is {bound}",
            input.len()
        );
        finding = Some(("memory".to_owned(), detail));
    }
    Verdict {
        accepted,
        finding,
        seconds,
        peak,
    }
}

/// The place of a panic, or the beginning of the words.
fn kind_of(detail: &str) -> String {
    let place = detail
        .split("panicked at ")
        .nth(1)
        .and_then(|rest| rest.lines().next());
    place
        .unwrap_or(detail)
        .chars()
        .filter(|c| !c.is_control())
        .take(80)
        .collect()
}
