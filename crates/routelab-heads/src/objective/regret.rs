//! The expected regret of the softmax policy.

use burn::tensor::{Tensor, activation};
use serde::{Deserialize, Serialize};

use super::order::{TEMPERATURE, TieOrder, WEIGHT, check_list, relevance, with_error};
use super::{Loss, Targets};

/// Expected regret beside the squared error, averaged over queries:
/// `error_weight · MSE(s, q) + weight · Σ_m softmax(s / T)_m · (max r - r_m)`, what a policy that draws the model from
/// `softmax(s / T)` is expected to lose (Tsiourvas, Sun & Perakis 2025, arXiv 2505.16037, at no price). `r` is the quality, see
/// [`tie_order`](Self::tie_order).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Regret {
    /// The order of models of equal quality.
    pub tie_order: TieOrder,
    /// `T`, in units of quality, above 0.
    pub temperature: f64,
    /// Weight of the comparison, 0 or more.
    pub weight: f64,
    /// Weight of the mean squared error between scores and qualities, 0 or more.
    pub error_weight: f64,
}

impl Default for Regret {
    fn default() -> Self {
        Self {
            tie_order: TieOrder::default(),
            temperature: TEMPERATURE,
            weight: WEIGHT,
            error_weight: 1.0,
        }
    }
}

impl Loss for Regret {
    fn validate(&self) -> Result<(), String> {
        check_list(self.error_weight, self.weight, self.temperature)
    }

    fn loss(&self, scores: Tensor<2>, targets: &Targets) -> Tensor<1> {
        with_error(
            (self.error_weight, self.weight),
            scores,
            targets,
            |scores| {
                let regrets = regrets(targets.others_last(relevance(targets, self.tie_order)));
                let scores = targets.others_last(scores) / self.temperature;
                let losses = expected(scores, regrets);
                targets.mean_of_queries(targets.only_measured(losses))
            },
        )
    }
}

/// What every model gives away, `max u - u_m`: `[batch, models]`, as the utilities are.
pub(crate) fn regrets(utility: Tensor<2>) -> Tensor<2> {
    utility.clone().max_dim(1) - utility
}

/// `softmax(s)_m · regret_m`, whose sum over models is what drawing one from `softmax(s)` is expected to lose; all
/// `[batch, models]`.
pub(crate) fn expected(scores: Tensor<2>, regrets: Tensor<2>) -> Tensor<2> {
    activation::softmax(scores, 1) * regrets
}
