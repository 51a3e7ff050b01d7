//! ListNet.

use burn::tensor::{Tensor, activation};
use serde::{Deserialize, Serialize};

use super::order::{TEMPERATURE, TieOrder, WEIGHT, check_list, relevance, with_error};
use super::{Loss, Targets};

/// ListNet (Cao et al. 2007) beside the squared error, averaged over queries:
/// `error_weight · MSE(s, q) - weight · Σ_m softmax(r / T)_m ln softmax(s / T)_m`, the cross-entropy between the chances of
/// every model to come first. `r` is the quality, see [`tie_order`](Self::tie_order).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ListNet {
    /// The order of models of equal quality.
    pub tie_order: TieOrder,
    /// `T`, in units of quality, above 0. Scores and qualities are compared on the same scale, so that `s = r` is a minimum
    /// as `s = q` is of the squared error.
    pub temperature: f64,
    /// Weight of the comparison, 0 or more.
    pub weight: f64,
    /// Weight of the mean squared error between scores and qualities, 0 or more.
    pub error_weight: f64,
}

impl Default for ListNet {
    fn default() -> Self {
        Self {
            tie_order: TieOrder::default(),
            temperature: TEMPERATURE,
            weight: WEIGHT,
            error_weight: 1.0,
        }
    }
}

impl Loss for ListNet {
    fn validate(&self) -> Result<(), String> {
        check_list(self.error_weight, self.weight, self.temperature)
    }

    fn loss(&self, scores: Tensor<2>, targets: &Targets) -> Tensor<1> {
        with_error(
            (self.error_weight, self.weight),
            scores,
            targets,
            |scores| {
                let relevance = targets.others_last(relevance(targets, self.tie_order));
                let target = activation::softmax(relevance / self.temperature, 1);
                let scores = targets.others_last(scores) / self.temperature;
                let losses = -activation::log_softmax(scores, 1) * target;
                targets.mean_of_queries(targets.only_measured(losses))
            },
        )
    }
}
