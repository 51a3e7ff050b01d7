//! LambdaRank.

use burn::tensor::{Tensor, activation};
use serde::{Deserialize, Serialize};

use super::order::{
    TEMPERATURE, TieOrder, WEIGHT, check_list, column, measured_pairs, relevance, row, with_error,
};
use super::{Loss, Targets};

/// LambdaRank (Burges 2010) beside the squared error, averaged over queries:
/// `error_weight · MSE(s, q) + weight · Σ |ΔNDCG(i, j)| · softplus(-(s_i - s_j) / T)` over the pairs with `r_i > r_j`.
///
/// `ΔNDCG(i, j)` is what swapping the two in the present order would change. The gain is `r`, the discount
/// `1 / log2(1 + rank)`; the weights of the pairs are constants of the gradient. `r` is the quality, see
/// [`tie_order`](Self::tie_order).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LambdaRank {
    /// The order of models of equal quality.
    pub tie_order: TieOrder,
    /// `T`, in units of quality, above 0.
    pub temperature: f64,
    /// Weight of the comparison, 0 or more.
    pub weight: f64,
    /// Weight of the mean squared error between scores and qualities, 0 or more.
    pub error_weight: f64,
}

impl Default for LambdaRank {
    fn default() -> Self {
        Self {
            tie_order: TieOrder::default(),
            temperature: TEMPERATURE,
            weight: WEIGHT,
            error_weight: 1.0,
        }
    }
}

impl Loss for LambdaRank {
    fn validate(&self) -> Result<(), String> {
        check_list(self.error_weight, self.weight, self.temperature)
    }

    fn loss(&self, scores: Tensor<2>, targets: &Targets) -> Tensor<1> {
        with_error(
            (self.error_weight, self.weight),
            scores,
            targets,
            |scores| {
                let relevance = relevance(targets, self.tie_order);
                let gaps = (row(scores.clone()) - column(scores.clone())) / self.temperature;
                let weights = swap_weights(scores.detach(), relevance, targets); // [batch, models, models]
                let losses = -activation::log_sigmoid(gaps) * weights;
                targets.mean_of_queries(losses.sum_dim(2).squeeze_dim::<2>(2))
            },
        )
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
