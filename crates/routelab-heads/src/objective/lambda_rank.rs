//! LambdaRank.

use burn::tensor::{Tensor, activation};
use serde::{Deserialize, Serialize};

use super::order::{Lists, column, measured_pairs, row};
use super::{Loss, Targets};

/// LambdaRank (Burges 2010) beside the squared error, averaged over queries:
/// `error_weight · MSE(s, q) + weight · Σ |ΔNDCG(i, j)| · softplus(-(s_i - s_j) / T)` over the pairs with `r_i > r_j`.
///
/// `ΔNDCG(i, j)` is what swapping the two in the present order would change. The gain is `r`, the discount
/// `1 / log2(1 + rank)`; the weights of the pairs are constants of the gradient. `r` is the quality, see
/// [`Lists`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LambdaRank(pub Lists);

impl Loss for LambdaRank {
    fn validate(&self) -> Result<(), String> {
        self.0.validate()
    }

    fn loss(&self, scores: Tensor<2>, targets: &Targets) -> Tensor<1> {
        self.0.with_error(scores, targets, |scores| {
            let relevance = self.0.relevance(targets);
            let gaps = (row(scores.clone()) - column(scores.clone())) / self.0.temperature;
            let weights = swap_weights(scores.detach(), relevance, targets); // [batch, models, models]
            let losses = -activation::log_sigmoid(gaps) * weights;
            targets.mean_of_queries(losses.sum_dim(2).squeeze_dim::<2>(2))
        })
    }
}

/// `|ΔNDCG(i, j)|` where `r_i > r_j` and both were measured, else 0: `[batch, models, models]`.
fn swap_weights(scores: Tensor<2>, relevance: Tensor<2>, targets: &Targets) -> Tensor<3> {
    let [batch, _] = scores.dims();
    let best_first = discounts(targets.others_last(relevance.clone()));
    let ideal = targets
        .only_measured(relevance.clone() * best_first)
        .sum_dim(1); // [batch, 1]
    let discounts = discounts(targets.others_last(scores));
    let gains = row(relevance.clone()) - column(relevance); // r_i - r_j
    let change = (row(discounts.clone()) - column(discounts)).abs();
    // Without any gain there is no pair either.
    let ideal = ideal.clamp_min(f32::MIN_POSITIVE).reshape([batch, 1, 1]);
    measured_pairs(gains.clamp_min(0.0) * change, targets) / ideal
}

/// `1 / log2(1 + rank)` of every model, where the largest value has rank 1; equal values keep the order of the columns.
fn discounts(values: Tensor<2>) -> Tensor<2> {
    let [batch, models] = values.dims();
    let (own, other) = (row(values.clone()), column(values));
    let earlier = Tensor::<2>::ones([models, models], &own.device()).tril(-1); // 1 where j < i
    let before = other.clone().greater(own.clone()).float()
        + other.equal(own).float() * earlier.unsqueeze::<3>();
    let rank = before.sum_dim(2).reshape([batch, models]) + 1.0;
    // log2(1 + rank) = ln(1 + rank) / ln 2
    (rank.log1p() / std::f32::consts::LN_2).recip()
}
