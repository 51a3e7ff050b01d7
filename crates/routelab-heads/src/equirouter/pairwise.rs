//! The pairwise ranking loss, and the order of models that it teaches.

use burn::tensor::{Tensor, activation};
use serde::{Deserialize, Serialize};

/// Which pairs of models with equal quality have an order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TieOrder {
    /// Equally good models give no pair (the authors' code).
    #[default]
    None,
    /// Of two equally good models the cheaper one comes first (§4.3 of the paper).
    Cost,
}

/// How the losses of the pairs become one number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Normalisation {
    /// One mean over every pair of the batch: queries with many pairs weigh more (the authors' code).
    #[default]
    PerPair,
    /// The mean over the queries with a pair of the means over their pairs.
    PerQuery,
}

/// Pairwise ranking loss: `softplus(-(s_i - s_j))` for every pair of models of one query with `i ≻ j`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RankingLoss {
    /// The order of models of equal quality.
    pub tie_order: TieOrder,
    /// How pairs are averaged.
    pub normalisation: Normalisation,
}

impl RankingLoss {
    /// The loss of a batch; 0, with gradients 0, if it has no ordered pair.
    ///
    /// `scores`, `quality`, `cost`: `[batch, models]`; returns `[1]`.
    pub fn forward(&self, scores: Tensor<2>, quality: Tensor<2>, cost: Tensor<2>) -> Tensor<1> {
        let pairs = self.pairs(quality, cost); // [batch, models, models]
        let gaps = row(scores.clone()) - column(scores); // s_i - s_j
        // softplus(-x) = -log(sigmoid(x)), which stays finite for large gaps.
        let losses = -activation::log_sigmoid(gaps) * pairs.clone();
        match self.normalisation {
            Normalisation::PerPair => losses.sum() / pairs.sum().clamp_min(1.0),
            Normalisation::PerQuery => {
                let per_query = |values: Tensor<3>| values.sum_dim(2).sum_dim(1).reshape([-1]); // [batch]
                let counts: Tensor<1> = per_query(pairs);
                let queries = counts.clone().clamp_max(1.0).sum().clamp_min(1.0);
                let means: Tensor<1> = per_query(losses) / counts.clamp_min(1.0);
                means.sum() / queries
            }
        }
    }

    /// 1 where model `i` comes before model `j`, else 0: `[batch, models, models]`.
    fn pairs(&self, quality: Tensor<2>, cost: Tensor<2>) -> Tensor<3> {
        let (better, other) = (row(quality.clone()), column(quality));
        let pairs = better.clone().greater(other.clone()).float();
        match self.tie_order {
            TieOrder::None => pairs,
            TieOrder::Cost => {
                let equal = better.equal(other).float();
                let cheaper = row(cost.clone()).lower(column(cost)).float();
                pairs + equal * cheaper
            }
        }
    }
}

/// The value of model `i` at `[.., i, j]`.
pub(super) fn row(values: Tensor<2>) -> Tensor<3> {
    let [batch, models] = values.dims();
    values.unsqueeze_dim::<3>(2).expand([batch, models, models])
}

/// The value of model `j` at `[.., i, j]`.
pub(super) fn column(values: Tensor<2>) -> Tensor<3> {
    let [batch, models] = values.dims();
    values.unsqueeze_dim::<3>(1).expand([batch, models, models])
}
