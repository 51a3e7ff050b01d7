//! ListNet.

use burn::tensor::{Tensor, activation};
use serde::{Deserialize, Serialize};

use super::order::Lists;
use super::{Loss, Targets};

/// ListNet (Cao et al. 2007) beside the squared error, averaged over queries:
/// `error_weight · MSE(s, q) - weight · Σ_m softmax(r / T)_m ln softmax(s / T)_m`, the cross-entropy between the chances of
/// every model to come first. `r` is the quality, see [`Lists`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ListNet(pub Lists);

impl Loss for ListNet {
    fn validate(&self) -> Result<(), String> {
        self.0.validate()
    }

    fn loss(&self, scores: Tensor<2>, targets: &Targets) -> Tensor<1> {
        self.0.with_error(scores, targets, |scores| {
            let relevance = targets.others_last(self.0.relevance(targets));
            let target = activation::softmax(relevance / self.0.temperature, 1);
            let scores = targets.others_last(scores) / self.0.temperature;
            let losses = -activation::log_softmax(scores, 1) * target;
            targets.mean_of_queries(targets.only_measured(losses))
        })
    }
}
