//! The objective that docs/add-an-objective.md adds, in tests only.

use burn::tensor::{Tensor, activation};
use serde::{Deserialize, Serialize};

use super::{Loss, Targets};
use crate::ranges::above_zero;

/// The mean over queries of `Σ_m max(0, margin - (s_b - s_m))` over the models `m` that are worse than the best one, `b`:
/// every one of them is to score less than the best by a margin.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Hinge {
    /// The margin, in units of the score, above 0.
    pub margin: f64,
}

impl Default for Hinge {
    fn default() -> Self {
        Self { margin: 0.1 }
    }
}

impl Loss for Hinge {
    fn validate(&self) -> Result<(), String> {
        above_zero("margin", self.margin)
    }

    fn loss(&self, scores: Tensor<2>, targets: &Targets) -> Tensor<1> {
        let quality = targets.others_last(targets.quality.clone());
        let best = quality.clone().max_dim(1).expand(quality.dims());
        let worse = quality.clone().lower(best.clone()).float();
        // Of several best models the one with the highest score.
        let of_best = scores.clone().mask_fill(quality.lower(best), f32::MIN);
        let gaps = of_best.max_dim(1) - scores;
        let losses = activation::relu(-gaps + self.margin) * worse;
        targets.mean_of_queries(targets.only_measured(losses))
    }
}
