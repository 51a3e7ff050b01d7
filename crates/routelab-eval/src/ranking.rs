//! How well predictions order the models of a query.

use ndarray::{ArrayView1, ArrayView2};

use crate::rule::ascending;

/// Share of ordered pairs: over all queries and all pairs of models whose real qualities differ, how often the
/// predictions put the better first. A tie in the predictions counts half. `None` if no two qualities ever differ.
pub fn pair_accuracy(quality: ArrayView2<f64>, predicted: ArrayView2<f64>) -> Option<f64> {
    let (mut right, mut pairs) = (0.0, 0_usize);
    for (quality, predicted) in quality.rows().into_iter().zip(predicted.rows()) {
        let counts = PairCounts::of(quality, predicted);
        right += counts.concordant as f64 + counts.tied_in_predictions as f64 / 2.0;
        pairs += counts.concordant + counts.discordant + counts.tied_in_predictions;
    }
    (pairs > 0).then(|| right / pairs as f64)
}

/// Kendall's τ-b between real and predicted qualities of a query, in [-1, 1], averaged over the queries where it is
/// defined: neither side may be all ties. `None` if it is defined on no query.
pub fn kendall(quality: ArrayView2<f64>, predicted: ArrayView2<f64>) -> Option<f64> {
    mean_of(
        quality
            .rows()
            .into_iter()
            .zip(predicted.rows())
            .filter_map(|(quality, predicted)| PairCounts::of(quality, predicted).tau_b()),
    )
}

/// NDCG over the models of a query, with the real quality as gain and a discount of `log2(1 + rank)`, averaged over
/// queries. Models with equal predictions share the mean gain of their ranks, so the order of columns does not
/// matter. Queries on which every model fails have no ideal gain and are left out; `None` if that is all of them.
/// Expects qualities that are not negative.
pub fn ndcg(quality: ArrayView2<f64>, predicted: ArrayView2<f64>) -> Option<f64> {
    let discounts: Vec<f64> = (0..quality.ncols())
        .map(|rank| 1.0 / (rank as f64 + 2.0).log2())
        .collect();
    mean_of(
        quality
            .rows()
            .into_iter()
            .zip(predicted.rows())
            .filter_map(|(quality, predicted)| {
                let ideal = discounted_gain(quality, quality, &discounts);
                (ideal > 0.0).then(|| discounted_gain(quality, predicted, &discounts) / ideal)
            }),
    )
}

/// Flip share: how often the model with the largest prediction is not among the truly best. Equal predictions go to
/// the smaller predicted cost, then to the smaller index. All matrices `N x M`; 0 without queries.
pub fn flip_share(
    quality: ArrayView2<f64>,
    predicted: ArrayView2<f64>,
    predicted_cost: ArrayView2<f64>,
) -> f64 {
    let flips = (quality.rows().into_iter())
        .zip(predicted.rows())
        .zip(predicted_cost.rows())
        .filter(|((quality, predicted), cost)| {
            let top = (0..predicted.len()).min_by(|&a, &b| {
                ascending(predicted[b], predicted[a]).then(ascending(cost[a], cost[b]))
            });
            let best = quality.fold(f64::NEG_INFINITY, |best, &q| best.max(q));
            top.is_some_and(|top| quality[top] < best)
        })
        .count();
    flips as f64 / quality.nrows().max(1) as f64
}

/// Root of the mean squared error of all `N x M` predictions; 0 for empty matrices.
pub fn rmse(real: ArrayView2<f64>, predicted: ArrayView2<f64>) -> f64 {
    let squares: f64 = real
        .iter()
        .zip(predicted.iter())
        .map(|(real, predicted)| (real - predicted).powi(2))
        .sum();
    (squares / real.len().max(1) as f64).sqrt()
}

/// Pairs of models of one query by how reality and predictions order them.
#[derive(Default)]
struct PairCounts {
    concordant: usize,
    discordant: usize,
    tied_in_quality: usize,
    /// Tied in the predictions, but not in reality.
    tied_in_predictions: usize,
}

impl PairCounts {
    fn of(quality: ArrayView1<f64>, predicted: ArrayView1<f64>) -> Self {
        let mut counts = Self::default();
        for i in 0..quality.len() {
            for j in 0..i {
                let real = quality[i] - quality[j];
                let guess = predicted[i] - predicted[j];
                let bin = match (real == 0.0, guess == 0.0) {
                    (true, true) => continue,
                    (true, false) => &mut counts.tied_in_quality,
                    (false, true) => &mut counts.tied_in_predictions,
                    (false, false) if (real > 0.0) == (guess > 0.0) => &mut counts.concordant,
                    (false, false) => &mut counts.discordant,
                };
                *bin += 1;
            }
        }
        counts
    }

    fn tau_b(&self) -> Option<f64> {
        let strict = self.concordant + self.discordant;
        let untied_quality = (strict + self.tied_in_predictions) as f64;
        let untied_predictions = (strict + self.tied_in_quality) as f64;
        let scale = (untied_quality * untied_predictions).sqrt();
        (scale > 0.0).then(|| (self.concordant as f64 - self.discordant as f64) / scale)
    }
}

/// Gain of models ranked by descending `key`; tied models share their ranks' discounts.
fn discounted_gain(gains: ArrayView1<f64>, key: ArrayView1<f64>, discounts: &[f64]) -> f64 {
    let mut order: Vec<usize> = (0..key.len()).collect();
    order.sort_by(|&a, &b| ascending(key[b], key[a]));
    let mut rank = 0;
    order
        .chunk_by(|&a, &b| key[a] == key[b])
        .map(|tied| {
            let gain: f64 = tied.iter().map(|&model| gains[model]).sum();
            let discount: f64 = discounts[rank..rank + tied.len()].iter().sum();
            rank += tied.len();
            gain * discount / tied.len() as f64
        })
        .sum()
}

fn mean_of(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, count) = values.fold((0.0, 0_usize), |(sum, count), v| (sum + v, count + 1));
    (count > 0).then(|| sum / count as f64)
}
