//! How far predictions are trusted: shrinkage towards the models' means, a guard of the best single model, and how sure a choice is.

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis, s};
use routelab_eval::{Decision, EvaluationOptions, Metric, Rule, Scores, Sweep, Truth};
use serde::{Deserialize, Serialize};

use crate::{RouterError, TrainingSet};

/// Shares of what tells models apart that are tried. With a small one, a price still finds its way by the order of the queries.
const SHARES: [f64; 5] = [0.1, 0.25, 0.5, 0.75, 1.0];
/// Replicates of the bootstrap that says whether a share is better than another.
const REPLICATES: usize = 100;
/// Thresholds of the guard that are tried: quantiles of the predicted gains.
const THRESHOLDS: usize = 20;
/// Uncertain gains become losses below this, in their order.
const TINY: f64 = 1e-6;
/// The share of training queries that are nearer to the others than where trust begins to fall.
const KNOWN: f64 = 0.9;
/// Trust is gone where a query is farther away by this share.
const UNKNOWN: f64 = 1.0 / 3.0;

/// What keeps the router from trusting its predictions more than held-out queries do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Caution {
    /// The model with the largest mean quality, the cheapest of several.
    pub(super) default: usize,
    /// The part of what tells the models apart that is kept, in [0, 1].
    pub(super) share: f64,
    /// Predicted gains over the default up to this do not count; none for no gain that counts.
    pub(super) threshold: Option<f64>,
    /// The distance up to which queries are known; none for all.
    pub(super) known: Option<f64>,
    /// The logarithm of the odds that the better of two predictions is the better one, per difference.
    pub(super) slope: f64,
}

/// Held-out predictions of the training queries, before caution.
pub(super) struct Held {
    /// Deviations of quality from the means `[queries, models]`.
    pub(super) deviations: Array2<f64>,
    /// Costs `[queries, models]`.
    pub(super) cost: Array2<f64>,
    /// Distances to the nearest queries that were learned from.
    pub(super) distances: Array1<f64>,
}

/// Which parts of caution there are.
#[derive(Clone, Copy)]
pub(super) struct Wanted {
    pub(super) shrink: bool,
    pub(super) trust: bool,
    pub(super) guard: bool,
    /// Standard errors above which a gain is certain.
    pub(super) certainty: f64,
}

impl Caution {
    /// Knows nothing of queries: the means of the models.
    pub(super) fn of_means(means: ArrayView1<f64>, costs: ArrayView1<f64>) -> Self {
        Self {
            default: best(means, costs),
            share: 0.0,
            threshold: None,
            known: Some(-1.0),
            slope: 0.0,
        }
    }

    /// `means`: of quality, cost and its logarithm, `[3 models]`.
    pub(super) fn learn(
        train: &TrainingSet,
        means: &Array1<f64>,
        held: &Held,
        wanted: Wanted,
    ) -> Result<Self, RouterError> {
        let models = train.models();
        let (means, costs) = (
            means.slice(s![..models]),
            means.slice(s![models..2 * models]),
        );
        let mut caution = Self {
            default: best(means, costs),
            share: 1.0,
            threshold: Some(0.0),
            known: (wanted.trust).then(|| quantile(held.distances.view(), KNOWN)),
            slope: 0.0,
        };
        if wanted.shrink {
            caution.share = caution.best_share(train, means, costs, held, wanted.certainty)?;
        }
        let quality = caution.quality(means, held.deviations.view(), held.distances.view());
        if wanted.guard {
            caution.threshold = threshold(&quality, train, caution.default, wanted.certainty);
        }
        caution.slope = slope(&quality, train);
        Ok(caution)
    }

    /// The smallest share whose curve of quality against cost, on held-out queries, is not certainly worse than the best share's.
    fn best_share(
        &self,
        train: &TrainingSet,
        means: ArrayView1<f64>,
        costs: ArrayView1<f64>,
        held: &Held,
        certainty: f64,
    ) -> Result<f64, RouterError> {
        let options = EvaluationOptions {
            rule: Rule {
                decision: Decision::PRICE,
                ..Rule::default()
            },
            ..EvaluationOptions::default()
        };
        let metric = Metric::known("nauc_shared");
        // Where a model was not measured, what is predicted of it has to do.
        let filled = |values: ArrayView2<f64>, predicted: Array2<f64>| match train.measured() {
            None => values.to_owned(),
            Some(measured) => Array2::from_shape_fn(values.dim(), |at| {
                if measured[at] {
                    values[at]
                } else {
                    predicted[at]
                }
            }),
        };
        let plain = (&held.deviations + &means).mapv(|value| value.clamp(0.0, 1.0));
        let quality = filled(train.quality(), plain);
        let real_cost = filled(train.cost(), held.cost.clone());
        let truth = Truth::new(quality.view(), real_cost.view())?;

        let distances = held.distances.view();
        let trust = self.trust(distances);
        let predicted_cost = cost(held.cost.view(), costs, trust.view());
        // By share: the area on bootstrap samples of the queries, the same for all, and on the queries themselves.
        let mut areas = Vec::new();
        for share in SHARES {
            let tried = Self {
                share,
                ..self.clone()
            };
            let quality = tried.quality(means, held.deviations.view(), distances);
            let scores = Scores::new(quality, predicted_cost.clone())?;
            let replicates =
                Sweep::new(&truth, &scores, &options)?.replicates(REPLICATES, 0, None)?;
            let draws = Array1::from(replicates.draws(metric)?);
            areas.push((replicates.interval(metric)?.mean, draws));
        }
        let (most, of_most) = (areas.iter())
            .max_by(|(a, _), (b, _)| a.total_cmp(b))
            .expect("there are shares");
        let not_worse = |(area, draws): &(f64, Array1<f64>)| {
            most - area <= certainty * (of_most - draws).std(0.0)
        };
        let smallest = areas.iter().position(not_worse);
        Ok(SHARES[smallest.expect("the best share is not worse than itself")])
    }

    /// How well each query is known, from 0 to 1.
    pub(super) fn trust(&self, distances: ArrayView1<f64>) -> Array1<f64> {
        distances.mapv(|distance| match self.known {
            None => 1.0,
            Some(known) if distance <= known => 1.0,
            Some(known) if known <= 0.0 => 0.0,
            Some(known) => (1.0 - (distance / known - 1.0) / UNKNOWN).max(0.0),
        })
    }

    /// Predicted quality `[queries, models]`: the means, what all models have in common, and the share of what tells them apart.
    pub(super) fn quality(
        &self,
        means: ArrayView1<f64>,
        deviations: ArrayView2<f64>,
        distances: ArrayView1<f64>,
    ) -> Array2<f64> {
        let trust = self.trust(distances);
        let mut quality = deviations.to_owned();
        for (mut row, trust) in quality.outer_iter_mut().zip(trust) {
            let common = row.mean().expect("there are models");
            row.mapv_inplace(|deviation| trust * (common + self.share * (deviation - common)));
            row += &means;
        }
        quality
    }

    /// Takes from every model what it is predicted to be better than the default, unless that is certain. The order of the differences
    /// stays, so that a price still leaves the default first where least is lost.
    pub(super) fn guard(&self, quality: &mut Array2<f64>) {
        let threshold = match self.threshold {
            Some(0.0) => return,
            Some(threshold) => threshold,
            None => f64::INFINITY,
        };
        for mut row in quality.outer_iter_mut() {
            let default = row[self.default];
            let most = (row.iter()).fold(TINY, |most, quality| most.max(quality - default));
            for (model, quality) in row.iter_mut().enumerate() {
                let gain = *quality - default;
                if model == self.default || gain >= threshold {
                    continue;
                }
                *quality = if gain > 0.0 {
                    default - TINY * (1.0 - gain / threshold.min(2.0 * most))
                } else {
                    *quality - TINY
                };
            }
        }
    }
}

/// The largest mean quality; the cheapest of several.
fn best(means: ArrayView1<f64>, costs: ArrayView1<f64>) -> usize {
    (0..means.len())
        .min_by(|&a, &b| (means[b].total_cmp(&means[a])).then(costs[a].total_cmp(&costs[b])))
        .expect("there are models")
}

/// The value below which this share of others lies.
fn quantile(values: ArrayView1<f64>, share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[(share * (sorted.len() - 1) as f64).round() as usize]
}

/// The smallest predicted gain over the default from which on the real gains, on held-out queries, are certain: their mean is this
/// many standard errors above zero.
fn threshold(
    quality: &Array2<f64>,
    train: &TrainingSet,
    default: usize,
    certainty: f64,
) -> Option<f64> {
    let is_measured = |row, model| (train.measured()).is_none_or(|measured| measured[[row, model]]);
    let real = train.quality();
    let mut queries = 0.0;
    let mut gains = Vec::new();
    for (row, predicted) in quality.outer_iter().enumerate() {
        let chosen = (0..predicted.len())
            .max_by(|&a, &b| predicted[a].total_cmp(&predicted[b]))
            .expect("there are models");
        if !is_measured(row, default) || !is_measured(row, chosen) {
            continue;
        }
        queries += 1.0;
        let gain = predicted[chosen] - predicted[default];
        if gain > 0.0 {
            gains.push((gain, real[[row, chosen]] - real[[row, default]]));
        }
    }
    gains.sort_by(|a, b| a.0.total_cmp(&b.0));
    let steps = THRESHOLDS.min(gains.len());
    (0..steps)
        .map(|step| step * gains.len() / steps)
        .find_map(|first| {
            let left = &gains[first..];
            let mean = left.iter().map(|(_, real)| real).sum::<f64>() / queries;
            let square = left.iter().map(|(_, real)| real * real).sum::<f64>() / queries;
            let error = ((square - mean * mean).max(0.0) / queries).sqrt();
            (mean > certainty * error).then_some(left[0].0)
        })
}

/// The slope of a logistic regression through the origin: of which of the two best predictions is the better one, on their difference.
fn slope(quality: &Array2<f64>, train: &TrainingSet) -> f64 {
    let real = train.quality();
    let mut pairs = Vec::new();
    for (row, predicted) in quality.outer_iter().enumerate() {
        let mut order: Vec<usize> = (0..predicted.len()).collect();
        order.sort_by(|&a, &b| predicted[b].total_cmp(&predicted[a]));
        let [first, second, ..] = order[..] else {
            return 0.0;
        };
        let measured = |model| {
            train
                .measured()
                .is_none_or(|measured| measured[[row, model]])
        };
        let difference = real[[row, first]] - real[[row, second]];
        if measured(first) && measured(second) && difference != 0.0 {
            let better = f64::from(u8::from(difference > 0.0));
            pairs.push((predicted[first] - predicted[second], better));
        }
    }
    let largest = pairs.iter().map(|(x, _)| *x).fold(0.0, f64::max);
    if largest == 0.0 {
        return 0.0;
    }
    // The gradient falls with the slope; where all pairs are in order the slope has no bound but this.
    let gradient = |slope: f64| -> f64 {
        (pairs.iter())
            .map(|(x, better)| x * (better - 1.0 / (1.0 + (-slope * x).exp())))
            .sum()
    };
    let (mut low, mut high) = (0.0, 50.0 / largest);
    if gradient(low) <= 0.0 {
        return 0.0;
    }
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if gradient(middle) > 0.0 {
            low = middle;
        } else {
            high = middle;
        }
    }
    low
}

/// Predicted cost `[queries, models]`: where a query is not known, the mean of the model.
pub(super) fn cost(
    predicted: ArrayView2<f64>,
    means: ArrayView1<f64>,
    trust: ArrayView1<f64>,
) -> Array2<f64> {
    let trust = trust.insert_axis(Axis(1));
    &predicted * &trust + &means * &(1.0 - &trust)
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn the_guard_keeps_the_order_of_differences() {
        let caution = Caution {
            default: 0,
            share: 1.0,
            threshold: Some(0.2),
            known: None,
            slope: 0.0,
        };
        let before = array![[0.5, 0.75, 0.65, 0.55, 0.5, 0.4, 0.1]];
        let mut quality = before.clone();
        caution.guard(&mut quality);
        let row = quality.row(0);
        // A certain gain stays, uncertain ones are just below the default, and what was below is lower still.
        assert_eq!((row[0], row[1]), (0.5, 0.75));
        assert!(row[2] < 0.5 && row[3] < row[2] && row[4] < row[3] && row[5] < row[4]);
        assert!(
            row.iter()
                .skip(2)
                .zip(before.row(0).iter().skip(2))
                .all(|(after, before)| {
                    *before > 0.5 && (after - 0.5).abs() < 1e-5 || (after - before).abs() < 1e-5
                })
        );
        assert!(row[6] < row[5]);
    }

    #[test]
    fn no_gain_counts_without_a_threshold() {
        let caution = Caution::of_means(array![0.2, 0.9].view(), array![1.0, 2.0].view());
        let mut quality = array![[5.0, 0.9], [0.1, 0.9]];
        caution.guard(&mut quality);
        assert!(quality.outer_iter().all(|row| row[0] < row[1]));
    }
}
