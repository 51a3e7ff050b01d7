//! How far the results of two backends agree.

use ndarray::Array2;
use serde::Serialize;

use super::measure::MeasuredRouter;

/// One router on one backend, beside the same on the first one.
#[derive(Serialize)]
pub struct Agreement {
    /// Largest difference of a predicted quality.
    pub quality: f64,
    /// The same as a share of the standard deviation of the first backend's.
    pub quality_relative: f64,
    /// Largest difference of a predicted cost, in the data's unit.
    pub cost: f64,
    /// Largest difference of an epoch's training loss, as a share of the first backend's.
    pub loss: f64,
    /// Share of equal decisions, over all budgets and test queries.
    pub decisions: f64,
}

impl Agreement {
    /// Compares a router with the same one on the first backend.
    pub fn of(first: &MeasuredRouter, other: &MeasuredRouter) -> Self {
        let largest = |a: &Array2<f64>, b: &Array2<f64>| {
            let differences = a.iter().zip(b).map(|(a, b)| (a - b).abs());
            differences.fold(0.0, f64::max)
        };
        let quality = largest(&first.scores.quality, &other.scores.quality);
        let losses = first.losses.iter().zip(&other.losses);
        let both = || {
            first
                .choices
                .iter()
                .flatten()
                .zip(other.choices.iter().flatten())
        };
        Self {
            quality,
            quality_relative: quality / first.scores.quality.std(0.0).max(f64::MIN_POSITIVE),
            cost: largest(&first.scores.cost, &other.scores.cost),
            loss: losses
                .map(|(a, b)| f64::from((a - b).abs() / a.abs().max(f32::MIN_POSITIVE)))
                .fold(0.0, f64::max),
            decisions: both().filter(|(a, b)| a == b).count() as f64 / both().count() as f64,
        }
    }
}
