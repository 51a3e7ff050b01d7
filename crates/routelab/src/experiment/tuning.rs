//! `[tune]`: the search for better settings.

use routelab_eval::Metric;
use serde::{Deserialize, Serialize};

/// How settings are searched: at random, every router with the same number of trials.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tuning {
    /// Trials of every router and seed, at least 1. The first has the settings of the file.
    pub trials: usize,
    /// Share of the training rows that judge the trials, in (0, 1).
    pub validation: f64,
    /// What they are judged by: the name of a metric that is resampled, see `docs/metrics.md`.
    pub metric: String,
}

impl Default for Tuning {
    fn default() -> Self {
        Self {
            trials: 16,
            validation: 0.25,
            metric: Metric::known("nauc_shared").name.to_owned(),
        }
    }
}

impl Tuning {
    /// Checks the settings; the error names them.
    pub fn check(&self) -> Result<(), String> {
        if self.trials == 0 {
            return Err("`trials` must be at least 1".into());
        }
        if !(self.validation > 0.0 && self.validation < 1.0) {
            return Err(format!(
                "`validation` must be a share above 0 and below 1, not {}",
                self.validation
            ));
        }
        if self.found().is_none() {
            let known: Vec<&str> = Metric::resampled().map(|metric| metric.name).collect();
            return Err(format!(
                "unknown `metric` {:?}: expected one of {}",
                self.metric,
                known.join(", ")
            ));
        }
        Ok(())
    }

    /// The metric.
    pub fn metric(&self) -> &'static Metric {
        self.found().expect("a checked search has a metric")
    }

    /// Those that are resampled are always defined, and one value is better.
    fn found(&self) -> Option<&'static Metric> {
        Metric::resampled().find(|metric| metric.name == self.metric)
    }
}
