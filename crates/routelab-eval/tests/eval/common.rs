//! What several modules need.

use ndarray::{Array2, Axis};
use proptest::prelude::*;
use routelab_eval::{Evaluation, Metric, Scores, Truth};

#[track_caller]
pub fn near(found: f64, expected: f64) {
    assert!(
        (found - expected).abs() < 1e-9,
        "{found}, expected {expected}"
    );
}

/// A metric that is always defined.
pub fn value(evaluation: &Evaluation, metric: &str) -> f64 {
    evaluation.get(Metric::known(metric)).unwrap()
}

/// Real and predicted quality and cost of the same queries and models.
#[derive(Debug, Clone)]
pub struct Case {
    pub quality: Array2<f64>,
    pub cost: Array2<f64>,
    pub scores: Scores,
}

impl Case {
    pub fn truth(&self) -> Truth<'_> {
        Truth::new(self.quality.view(), self.cost.view()).unwrap()
    }

    pub fn select(&self, axis: Axis, indices: &[usize]) -> Case {
        Case {
            quality: self.quality.select(axis, indices),
            cost: self.cost.select(axis, indices),
            scores: Scores {
                quality: self.scores.quality.select(axis, indices),
                cost: self.scores.cost.select(axis, indices),
            },
        }
    }
}

/// Values on a coarse grid, so that ties of every kind are common.
pub fn coarse(rows: usize, columns: usize, steps: i32) -> impl Strategy<Value = Array2<f64>> {
    prop::collection::vec(0..=steps, rows * columns).prop_map(move |values| {
        let values = values
            .iter()
            .map(|&v| f64::from(v) / f64::from(steps))
            .collect();
        Array2::from_shape_vec((rows, columns), values).unwrap()
    })
}

/// Small, with ties of every kind.
pub fn tied_case() -> impl Strategy<Value = Case> {
    (1_usize..20, 1_usize..6).prop_flat_map(|(n, m)| {
        (
            coarse(n, m, 3),
            coarse(n, m, 7),
            coarse(n, m, 5),
            coarse(n, m, 7),
        )
            .prop_map(|(quality, cost, predicted, predicted_cost)| Case {
                quality,
                cost,
                scores: Scores::new(predicted, predicted_cost).unwrap(),
            })
    })
}
