//! Losses on the whole list of a query's models: ListNet, LambdaRank and the regret of the softmax policy.

use burn::tensor::{Tensor, activation};
use serde::{Deserialize, Serialize};

use super::TieOrder;
use super::pairwise::{column, row};

/// What a tie that is broken by cost is worth at most, in units of quality.
const TIE_STEP: f32 = 0.1;

/// Which listwise loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ListwiseKind {
    /// Cross-entropy between `softmax(r / T)` and `softmax(s / T)`: the chance of every model to come first
    /// (Cao et al. 2007).
    ListNet,
    /// `Σ |ΔNDCG(i, j)| · softplus(-(s_i - s_j) / T)` over the pairs with `r_i > r_j`, where `ΔNDCG(i, j)` is what
    /// swapping the two in the present order would change (Burges 2010). The gain is `r`, the discount
    /// `1 / log2(1 + rank)`; the weights are constants of the gradient.
    LambdaRank,
    /// `Σ softmax(s / T)_m · (max r - r_m)`: what a policy that draws the model from `softmax(s / T)` is expected to
    /// lose.
    Regret,
}

/// A listwise loss, averaged over the queries of a batch.
///
/// `r` is the quality; with [`TieOrder::Cost`] it also orders models of equal quality:
/// `r_m = q_m + step · |{j : q_j = q_m, c_j > c_m}| / M`, with a `step` of at most 0.1 and never more than the smallest
/// difference between two qualities of the query, so that no order of qualities changes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListwiseLoss {
    /// Which loss.
    pub kind: ListwiseKind,
    /// The order of models of equal quality.
    pub tie_order: TieOrder,
    /// `T`, in units of quality, above 0. Scores and qualities are compared on the same scale, so that `s = r` is a
    /// minimum of ListNet as `s = q` is of the squared error.
    pub temperature: f64,
}

impl ListwiseLoss {
    /// The loss of a batch.
    ///
    /// `scores`, `quality`, `cost`: `[batch, models]`; returns `[1]`.
    pub fn forward(&self, scores: Tensor<2>, quality: Tensor<2>, cost: Tensor<2>) -> Tensor<1> {
        let relevance = relevance(quality, cost, self.tie_order);
        let losses = match self.kind {
            ListwiseKind::ListNet => {
                let target = activation::softmax(relevance / self.temperature, 1);
                -activation::log_softmax(scores / self.temperature, 1) * target
            }
            ListwiseKind::LambdaRank => {
                let gaps = (row(scores.clone()) - column(scores.clone())) / self.temperature;
                let weights = swap_weights(scores.detach(), relevance); // [batch, models, models]
                let losses = -activation::log_sigmoid(gaps) * weights;
                losses.sum_dim(2).squeeze_dim::<2>(2)
            }
            ListwiseKind::Regret => {
                let regret = relevance.clone().max_dim(1) - relevance;
                activation::softmax(scores / self.temperature, 1) * regret
            }
        };
        losses.sum_dim(1).mean()
    }
}

/// `r`, see [`ListwiseLoss`]: `[batch, models]`.
fn relevance(quality: Tensor<2>, cost: Tensor<2>, tie_order: TieOrder) -> Tensor<2> {
    if tie_order == TieOrder::None {
        return quality;
    }
    let [batch, models] = quality.dims();
    let (first, second) = (row(quality.clone()), column(quality.clone())); // [batch, models, models]
    let tied = first.clone().equal(second.clone()).float();
    let cheaper = row(cost.clone()).lower(column(cost)).float();
    let dearer_equals = (tied * cheaper).sum_dim(2).reshape([batch, models]) / models as f32;

    let gaps = first - second;
    let step = gaps
        .clone()
        .mask_fill(gaps.lower_equal_elem(0.0), TIE_STEP)
        .min_dim(2)
        .min_dim(1)
        .clamp_max(TIE_STEP)
        .reshape([batch, 1]);
    quality + dearer_equals * step
}

/// `|ΔNDCG(i, j)|` where `r_i > r_j`, else 0: `[batch, models, models]`.
fn swap_weights(scores: Tensor<2>, relevance: Tensor<2>) -> Tensor<3> {
    let [batch, _] = scores.dims();
    let ideal = (relevance.clone() * discounts(relevance.clone())).sum_dim(1); // [batch, 1]
    let discounts = discounts(scores);
    let gains = row(relevance.clone()) - column(relevance); // r_i - r_j
    let change = (row(discounts.clone()) - column(discounts)).abs();
    // Without any gain there is no pair either.
    let ideal = ideal.clamp_min(f32::MIN_POSITIVE).reshape([batch, 1, 1]);
    gains.clamp_min(0.0) * change / ideal
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

#[cfg(test)]
mod tests {
    use burn::tensor::Device;
    use serde::Deserialize;

    use super::*;
    use crate::reference::{Matrix, backends, check_loss, reference, tensor, values};

    #[derive(Deserialize)]
    struct Listwise {
        scores: Matrix,
        quality: Matrix,
        cost: Matrix,
        cases: Vec<ListwiseCase>,
    }

    #[derive(Deserialize)]
    struct ListwiseCase {
        #[serde(flatten)]
        objective: ListwiseLoss,
        loss: f32,
        gradient: Matrix,
    }

    fn cases() -> Listwise {
        serde_json::from_value(reference().listwise).unwrap()
    }

    #[test]
    fn losses_and_gradients_match_the_reference() {
        let reference = cases();
        assert_eq!(reference.cases.len(), 6);
        for backend in backends() {
            let device = backend.device().clone().autodiff();
            let quality = tensor(&reference.quality, &device);
            let cost = tensor(&reference.cost, &device);
            for case in &reference.cases {
                let what = format!("{:?} on {}", case.objective, backend.name());
                let expected = (case.loss, &case.gradient);
                check_loss(&what, &reference.scores, &device, expected, |scores| {
                    case.objective
                        .forward(scores, quality.clone(), cost.clone())
                });
            }
        }
    }

    /// Two models: `s = (0, T ln 3)` draws the second with probability 3/4.
    #[test]
    fn small_cases_are_as_computed_by_hand() {
        let device = Device::flex();
        let loss = |kind, tie_order, quality: [f32; 2], cost: [f32; 2]| {
            let temperature = 0.5;
            let scores = Tensor::<2>::from_floats([[0.0, 0.5 * 3.0_f32.ln()]], &device);
            let objective = ListwiseLoss {
                kind,
                tie_order,
                temperature,
            };
            let [quality, cost] = [quality, cost].map(|row| Tensor::from_floats([row], &device));
            values(objective.forward(scores, quality, cost))[0]
        };
        let close = |found: f32, expected: f32| {
            assert!(
                (found - expected).abs() < 1e-6,
                "{found} instead of {expected}"
            );
        };
        // The right model is drawn with probability 1/4, the other loses 1.
        let none = TieOrder::None;
        close(
            loss(ListwiseKind::Regret, none, [1.0, 0.0], [1.0, 1.0]),
            0.75,
        );
        // A pair of neighbours in rank: |1 - 0| · |1 - 1 / log2 3|, over an ideal of 1.
        let change = 1.0 - 1.0 / 3.0_f32.log2();
        let expected = change * (1.0 + 3.0_f32).ln();
        close(
            loss(ListwiseKind::LambdaRank, none, [1.0, 0.0], [1.0, 1.0]),
            expected,
        );
        // Equal models: the target is one half each.
        let expected = -0.5 * (0.25_f32.ln() + 0.75_f32.ln());
        close(
            loss(ListwiseKind::ListNet, none, [1.0, 1.0], [1.0, 2.0]),
            expected,
        );
        // The cheaper of two equal models is worth 0.1 · 1/2 more.
        let cost = TieOrder::Cost;
        close(
            loss(ListwiseKind::Regret, cost, [1.0, 1.0], [1.0, 2.0]),
            0.75 * 0.05,
        );
        close(
            loss(ListwiseKind::Regret, cost, [1.0, 1.0], [2.0, 2.0]),
            0.0,
        );
    }

    #[test]
    fn permuting_the_models_changes_no_loss() {
        let reference = cases();
        let device = Device::flex();
        let permuted = |rows: &Vec<Vec<f32>>| {
            let order = [2, 0, 3, 1];
            let rows: Vec<Vec<f32>> = rows
                .iter()
                .map(|row| order.iter().map(|&model| row[model]).collect())
                .collect();
            tensor(&rows, &device)
        };
        for case in &reference.cases {
            // Without its tie of scores, which the order of the columns decides.
            let mut scores = reference.scores.clone();
            scores[0][1] += 0.01;
            let [q, c] = [&reference.quality, &reference.cost].map(|rows| tensor(rows, &device));
            let loss = values(case.objective.forward(tensor(&scores, &device), q, c))[0];
            let [s, q, c] = [&scores, &reference.quality, &reference.cost].map(permuted);
            let other = values(case.objective.forward(s, q, c))[0];
            assert!(
                (loss - other).abs() < 1e-6,
                "{:?}: {loss} and {other}",
                case.objective
            );
        }
    }
}
