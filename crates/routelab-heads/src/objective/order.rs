//! What objectives that compare the models of a query have in common.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use super::targets::Targets;
use crate::loss::squared_error;
use crate::ranges::{above_zero, not_negative};

/// What a tie that is broken by cost is worth at most, in units of quality.
const TIE_STEP: f32 = 0.1;

/// EquiRouter's weight of the comparison beside the squared error.
pub(super) const WEIGHT: f64 = 50.0;

/// The scale on which lists are compared, in units of quality.
const TEMPERATURE: f64 = 0.1;

/// Which models of equal quality have an order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TieOrder {
    /// Equally good models have none (EquiRouter's authors' code).
    #[default]
    None,
    /// Of two equally good models the cheaper one comes first (§4.3 of the paper).
    Cost,
}

/// `error_weight · MSE(s, q) + weight · comparison(s)`.
///
/// `scores`: `[batch, models]`; `comparison` gives `[1]`, and is left out where it has no weight.
pub(super) fn with_error(
    (error_weight, weight): (f64, f64),
    scores: Tensor<2>,
    targets: &Targets,
    comparison: impl FnOnce(Tensor<2>) -> Tensor<1>,
) -> Tensor<1> {
    let measured = targets.measured.clone();
    let error = squared_error(scores.clone(), targets.quality.clone(), measured) * error_weight;
    if weight == 0.0 {
        return error;
    }
    error + comparison(scores) * weight
}

/// Checks the weights of [`with_error`].
pub(super) fn check_weights(error_weight: f64, weight: f64) -> Result<(), String> {
    not_negative("error_weight", error_weight)?;
    not_negative("weight", weight)?;
    if error_weight + weight > 0.0 {
        return Ok(());
    }
    Err("`error_weight` and `weight` must not both be 0".into())
}

/// The settings of an objective on lists. `r`, by which they are ordered, is the quality, see [`tie_order`](Self::tie_order).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Lists {
    /// The order of models of equal quality.
    pub tie_order: TieOrder,
    /// `T`, in units of quality, above 0. Scores and qualities are compared on the same scale, so that `s = r` is a minimum
    /// of ListNet as `s = q` is of the squared error.
    pub temperature: f64,
    /// Weight of the comparison, 0 or more.
    pub weight: f64,
    /// Weight of the mean squared error between scores and qualities, 0 or more.
    pub error_weight: f64,
}

impl Default for Lists {
    fn default() -> Self {
        Self {
            tie_order: TieOrder::default(),
            temperature: TEMPERATURE,
            weight: WEIGHT,
            error_weight: 1.0,
        }
    }
}

impl Lists {
    pub(super) fn validate(&self) -> Result<(), String> {
        check_weights(self.error_weight, self.weight)?;
        above_zero("temperature", self.temperature)
    }

    /// See [`with_error`].
    pub(super) fn with_error(
        &self,
        scores: Tensor<2>,
        targets: &Targets,
        comparison: impl FnOnce(Tensor<2>) -> Tensor<1>,
    ) -> Tensor<1> {
        with_error(
            (self.error_weight, self.weight),
            scores,
            targets,
            comparison,
        )
    }

    /// `r`, see [`relevance`].
    pub(super) fn relevance(&self, targets: &Targets) -> Tensor<2> {
        relevance(targets, self.tie_order)
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

/// `pairs`, `[batch, models, models]`, with 0 where one of the two models was not measured.
pub(super) fn measured_pairs(pairs: Tensor<3>, targets: &Targets) -> Tensor<3> {
    match &targets.measured {
        Some(measured) => pairs * row(measured.clone()) * column(measured.clone()),
        None => pairs,
    }
}

/// `r`, by which lists are ordered: the quality; with [`TieOrder::Cost`] it also orders models of equal quality:
/// `r_m = q_m + step · |{j : q_j = q_m, c_j > c_m}| / M`, with a `step` of at most 0.1 and never more than the smallest
/// difference between two qualities of the query, so that no order of qualities changes. Counted among the models that were
/// measured.
///
/// Returns `[batch, models]`.
fn relevance(targets: &Targets, tie_order: TieOrder) -> Tensor<2> {
    let (quality, cost) = (targets.quality.clone(), targets.cost.clone());
    if tie_order == TieOrder::None {
        return quality;
    }
    let [batch, models] = quality.dims();
    let (first, second) = (row(quality.clone()), column(quality.clone())); // [batch, models, models]
    let tied = first.clone().equal(second.clone()).float();
    let cheaper = row(cost.clone()).lower(column(cost)).float();
    let ties = measured_pairs(tied * cheaper, targets);
    let dearer_equals = ties.sum_dim(2).reshape([batch, models]);
    let dearer_equals = match &targets.measured {
        Some(measured) => dearer_equals / measured.clone().sum_dim(1).clamp_min(1.0),
        None => dearer_equals / models as f32,
    };

    // Where there is no difference, or no pair, stands 0.
    let gaps = measured_pairs(first - second, targets);
    let step = gaps
        .clone()
        .mask_fill(gaps.lower_equal_elem(0.0), TIE_STEP)
        .min_dim(2)
        .min_dim(1)
        .clamp_max(TIE_STEP)
        .reshape([batch, 1]);
    quality + dearer_equals * step
}
