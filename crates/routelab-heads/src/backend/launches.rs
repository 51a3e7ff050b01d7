//! How many kernels a device is told to run.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use burn::cubecl::logging::{LaunchObservation, LaunchObserver};

#[derive(Default)]
struct Counter(Mutex<BTreeMap<&'static str, usize>>);

impl LaunchObserver for Counter {
    fn launched(&self, kernel: &'static str) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry(kernel).or_default() += 1;
    }
}

/// Counts the kernels that this process launches on devices of CubeCL's backends while `work` runs, by their names.
pub fn launches<T>(work: impl FnOnce() -> T) -> (T, BTreeMap<&'static str, usize>) {
    let counter = Arc::new(Counter::default());
    let observation = LaunchObservation::new(counter.clone());
    let result = work();
    drop(observation);
    let counts = counter.0.lock().unwrap_or_else(PoisonError::into_inner);
    (result, counts.clone())
}
