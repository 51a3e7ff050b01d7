//! How many kernels devices are told to run.

use std::collections::BTreeMap;
#[cfg(feature = "cubecl")]
use std::sync::{Arc, Mutex, PoisonError};

#[cfg(feature = "cubecl")]
use burn::cubecl::logging::{LaunchObservation, LaunchObserver};

/// Counts the kernels that this process launches on devices of CubeCL's backends, from all threads, while it lives. One at a time: a second
/// takes over until it is dropped. Counts nothing in a build without such a backend.
pub struct Launches {
    #[cfg(feature = "cubecl")]
    counter: Arc<Counter>,
    #[cfg(feature = "cubecl")]
    _observation: LaunchObservation,
}

#[cfg(feature = "cubecl")]
#[derive(Default)]
struct Counter(Mutex<BTreeMap<&'static str, usize>>);

#[cfg(feature = "cubecl")]
impl LaunchObserver for Counter {
    fn launched(&self, kernel: &'static str) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry(kernel).or_default() += 1;
    }
}

impl Launches {
    /// Begins to count.
    #[expect(clippy::new_without_default, reason = "to begin is not a value")]
    pub fn new() -> Self {
        #[cfg(feature = "cubecl")]
        {
            let counter = Arc::new(Counter::default());
            let _observation = LaunchObservation::new(counter.clone());
            Self {
                counter,
                _observation,
            }
        }
        #[cfg(not(feature = "cubecl"))]
        Self {}
    }

    /// The kernels so far, by their names.
    pub fn by_name(&self) -> BTreeMap<&'static str, usize> {
        #[cfg(feature = "cubecl")]
        {
            let counts = self.counter.0.lock();
            counts.unwrap_or_else(PoisonError::into_inner).clone()
        }
        #[cfg(not(feature = "cubecl"))]
        BTreeMap::new()
    }

    /// The kernels so far.
    pub fn count(&self) -> usize {
        #[cfg(feature = "cubecl")]
        {
            let counts = self.counter.0.lock();
            let counts = counts.unwrap_or_else(PoisonError::into_inner);
            counts.values().sum()
        }
        #[cfg(not(feature = "cubecl"))]
        0
    }
}
