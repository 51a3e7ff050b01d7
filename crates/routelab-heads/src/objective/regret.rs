//! The expected regret of the softmax policy.

use burn::tensor::{Tensor, activation};
use serde::{Deserialize, Serialize};

use super::order::Lists;
use super::{Loss, Targets};

/// Expected regret beside the squared error, averaged over queries:
/// `error_weight · MSE(s, q) + weight · Σ_m softmax(s / T)_m · (max r - r_m)`, what a policy that draws the model from
/// `softmax(s / T)` is expected to lose (Tsiourvas, Sun & Perakis 2025, arXiv 2505.16037, at no price). `r` is the quality, see
/// [`Lists`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Regret(pub Lists);

impl Loss for Regret {
    fn validate(&self) -> Result<(), String> {
        self.0.validate()
    }

    fn loss(&self, scores: Tensor<2>, targets: &Targets) -> Tensor<1> {
        self.0.with_error(scores, targets, |scores| {
            let regrets = regrets(targets.others_last(self.0.relevance(targets)));
            let scores = targets.others_last(scores) / self.0.temperature;
            let losses = expected(scores, regrets);
            targets.mean_of_queries(targets.only_measured(losses))
        })
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
