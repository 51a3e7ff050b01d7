//! What the network is trained on.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use super::{ListwiseLoss, RankingLoss};
use crate::loss::mean_squared_error;

/// `error_weight · MSE(s, q) + rank_weight · ranking(s)`.
///
/// EquiRouter is `MSE + 50 · pairwise`. With `rank_weight = 0` every score is learned by itself (pointwise); with
/// `error_weight = 0` only their comparison is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Objective {
    /// Weight of the mean squared error between scores and qualities, 0 or more.
    pub error_weight: f64,
    /// Weight of the ranking loss, 0 or more.
    pub rank_weight: f64,
    /// The ranking loss.
    pub ranking: Ranking,
}

/// How the scores of the models of one query are compared with each other.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ranking {
    /// Two at a time (EquiRouter).
    Pairwise(RankingLoss),
    /// All at once.
    Listwise(ListwiseLoss),
}

impl Objective {
    /// The loss of a batch.
    ///
    /// `scores`, `quality`, `cost`: `[batch, models]`; returns `[1]`.
    pub(crate) fn loss(&self, scores: Tensor<2>, quality: Tensor<2>, cost: Tensor<2>) -> Tensor<1> {
        let error = mean_squared_error(scores.clone(), quality.clone()) * self.error_weight;
        if self.rank_weight == 0.0 {
            return error;
        }
        let ranking = match self.ranking {
            Ranking::Pairwise(loss) => loss.forward(scores, quality, cost),
            Ranking::Listwise(loss) => loss.forward(scores, quality, cost),
        };
        error + ranking * self.rank_weight
    }
}
