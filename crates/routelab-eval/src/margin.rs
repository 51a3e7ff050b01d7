//! Margins: how far the best model is ahead of the second best.

use ndarray::ArrayView2;

/// Best minus second-best value of every row among the models with `cost <= budget`.
///
/// `values` and `cost` are `N x M`. Pass real qualities for real margins and predictions for predicted ones;
/// the feasible set is by predicted cost, as in a decision. A query with fewer than two feasible models has no margin and is left
/// out, so the result may be shorter than `N`.
pub fn margins(values: ArrayView2<f64>, cost: ArrayView2<f64>, budget: f64) -> Vec<f64> {
    values
        .rows()
        .into_iter()
        .zip(cost.rows())
        .filter_map(|(values, cost)| {
            let (mut best, mut second) = (f64::NEG_INFINITY, f64::NEG_INFINITY);
            for (&value, _) in values.iter().zip(cost).filter(|&(_, &c)| c <= budget) {
                if value > best {
                    (best, second) = (value, best);
                } else {
                    second = second.max(value);
                }
            }
            second.is_finite().then_some(best - second)
        })
        .collect()
}

/// Share of margins at or below `threshold`; `None` without any margin.
///
/// A difference such as `0.8 - 0.75` is a little more than 0.05 in floating point, so the comparison allows 1e-9.
pub fn share_within(margins: &[f64], threshold: f64) -> Option<f64> {
    let small = margins.iter().filter(|&&m| m <= threshold + 1e-9).count();
    (!margins.is_empty()).then(|| small as f64 / margins.len() as f64)
}
