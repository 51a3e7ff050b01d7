//! How much of the gap between the oracle and the best single model the prompt can explain at all: if queries with nearly
//! the same embedding need different models, no router on these embeddings can serve both.
//!
//! A query's *label* is its really cheapest truly best model (equal costs: the smaller index): the model that should be
//! called. The label of the nearest other query predicts it with an error `d`, the 1-NN disagreement. With `M'` labels in
//! use and many queries, the Bayes error `e*`, which no router on these embeddings can beat at naming the label, obeys
//! (Cover & Hart, *Nearest neighbor pattern classification*, IEEE Transactions on Information Theory 13, 1967)
//!
//! `(M' - 1) / M' · (1 - √(1 - M' / (M' - 1) · d)) <= e* <= d`.
//!
//! With few queries the neighbours are far away and `d` is larger than in the limit, so that both ends are too high;
//! [`Predictability::by_distance`] shows whether closer neighbours would agree more. Labels are also stricter than quality:
//! several models may be truly best. Hence the second measure, `disjoint`: no truly best model in common. The third
//! is what following the neighbours earns ([`AtCount::recovered`]); a real router may earn more.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::bootstrap::{self, Interval, REPLICATES};
use crate::exact::{ExactTruth, first_largest};
use crate::{EvalError, Neighbours, Truth};

mod answers;
mod bins;
mod votes;

pub use answers::{AnswerNoise, answer_noise};
pub use bins::DistanceBin;
use votes::{Vote, labels, share_a_best, votes};

/// What to measure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PredictabilityOptions {
    /// Numbers `k >= 1` of neighbours, in any order.
    pub counts: Vec<usize>,
    /// Bins of equal size by distance to the nearest neighbour, 1 or more.
    pub bins: usize,
    /// Replicates of the bootstrap over queries, 1 or more.
    pub replicates: usize,
    /// Seed of the bootstrap.
    pub seed: u64,
}

impl Default for PredictabilityOptions {
    fn default() -> Self {
        Self {
            counts: vec![1, 5, 10],
            bins: 10,
            replicates: REPLICATES,
            seed: 0,
        }
    }
}

impl PredictabilityOptions {
    /// The largest number of neighbours, for [`Neighbours::find`]; 0 without any.
    pub fn largest_count(&self) -> usize {
        self.counts.iter().copied().max().unwrap_or(0)
    }
}

/// What neighbours say about `N` queries. Intervals hold the neighbours, the number of labels and the best single model fixed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Predictability {
    /// The label of each of the `N` queries, a model index.
    pub labels: Vec<usize>,
    /// `M'`, how many models are the label of some query.
    pub classes: usize,
    /// Probability that two different queries at random have different labels: `d` if embeddings said nothing.
    pub chance: f64,
    /// Error of always naming the commonest label.
    pub majority_error: f64,
    /// Cover and Hart's lower bound on the Bayes error of naming the label.
    pub bayes_lower: Interval,
    /// Their upper bound, `d`.
    pub bayes_upper: Interval,
    /// Mean real quality of the labels, the largest that is possible.
    pub oracle_quality: f64,
    /// Their mean real cost.
    pub oracle_cost: f64,
    /// The model with the largest mean real quality; the first of several.
    pub best_single_model: usize,
    /// Its mean real quality.
    pub best_single_quality: f64,
    /// Its mean real cost.
    pub best_single_cost: f64,
    /// One entry per number of neighbours, ascending.
    pub counts: Vec<AtCount>,
    /// The `k` whose policy has the largest mean quality, the smallest of several. Chosen with hindsight on the same queries.
    pub best_count: usize,
    /// By distance to the nearest neighbour, nearest first.
    pub by_distance: Vec<DistanceBin>,
}

/// What the `k` nearest other queries say. Shares are in [0, 1].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AtCount {
    /// `k`.
    pub k: usize,
    /// Share of the `k` neighbours with another label, averaged over queries; `d` for `k = 1`.
    pub disagreement: Interval,
    /// Share of the `k` neighbours that have no truly best model in common with the query, averaged over queries.
    pub disjoint: Interval,
    /// Share of queries whose label is not the commonest among the neighbours (ties: the one of the nearest neighbour).
    pub vote_error: Interval,
    /// Mean real quality of the policy that takes the model with the largest mean quality on the `k` neighbours. Ties go to
    /// the larger mean quality on all other queries, then to the smaller mean cost on the neighbours, then to the smaller
    /// index. The query's own results are left out, so this is an honest estimate.
    pub quality: Interval,
    /// Its mean real cost.
    pub cost: f64,
    /// `(quality - best single) / (oracle - best single)`, at most 1 and negative if the policy is worse than the best
    /// single model; `None` without a gap. A resample without a gap counts as 0.
    pub recovered: Option<Interval>,
}

/// Cover and Hart's lower bound on the Bayes error, in [0, 1], from the 1-NN error `disagreement` in [0, 1] among
/// `classes >= 1` labels; 0 for a single label. An error above `(classes - 1) / classes`, worse than any in the limit, counts as
/// that.
pub fn cover_hart(disagreement: f64, classes: usize) -> f64 {
    if classes < 2 {
        return 0.0;
    }
    let most = (classes - 1) as f64 / classes as f64;
    most * (1.0 - (1.0 - disagreement / most).max(0.0).sqrt())
}

/// Measures what the neighbours of `N` queries say about which of `M` models should be called.
///
/// # Errors
/// [`EvalError`] if `truth` is not sound; [`EvalError::Option`] if `neighbours` are of another number of queries, or fewer
/// than the largest count, or an option is out of range.
pub fn predictability(
    neighbours: &Neighbours,
    truth: &Truth,
    options: &PredictabilityOptions,
) -> Result<Predictability, EvalError> {
    Truth::new(truth.quality, truth.cost)?;
    let mut counts = options.counts.clone();
    counts.sort_unstable();
    counts.dedup();
    check(neighbours, truth, &counts, options.bins)?;
    let queries = truth.queries();
    let exact = ExactTruth::new(truth);
    let labels = labels(truth);
    let totals = exact.total_qualities();
    let best_single_model = first_largest(&totals);
    let (oracle_cost, oracle_quality) = exact.mean_of(labels.iter().copied());
    let (best_single_cost, best_single_quality) =
        exact.mean_of(std::iter::repeat_n(best_single_model, queries));

    let votes: Vec<Vec<Vote>> = (0..queries)
        .into_par_iter()
        .map(|row| {
            let nearest = neighbours.index();
            votes(
                row,
                nearest.row(row),
                truth,
                &exact,
                &totals,
                &labels,
                &counts,
            )
        })
        .collect();
    let mean = |values: &[f64]| bootstrap::mean(values, options.replicates, options.seed);
    let at_count = |at: usize, k: usize| -> Result<AtCount, EvalError> {
        let each = |value: &dyn Fn(&Vote) -> f64| -> Vec<f64> {
            votes.iter().map(|votes| value(&votes[at])).collect()
        };
        let policy = || votes.iter().map(|votes| votes[at].policy);
        let earned: Vec<f64> = (policy().enumerate())
            .map(|(row, model)| truth.quality[[row, model]])
            .collect();
        let recovered = |rows: &[usize]| {
            let (mut gain, mut gap) = (0.0, 0.0);
            for &row in rows {
                let single = truth.quality[[row, best_single_model]];
                gain += earned[row] - single;
                gap += truth.quality[[row, labels[row]]] - single;
            }
            if gap > 0.0 { gain / gap } else { 0.0 }
        };
        let has_gap = oracle_quality > best_single_quality;
        Ok(AtCount {
            k,
            disagreement: mean(&each(&|vote| vote.disagreeing as f64 / k as f64))?,
            disjoint: mean(&each(&|vote| vote.disjoint as f64 / k as f64))?,
            vote_error: mean(&each(&|vote| f64::from(vote.is_wrong)))?,
            quality: mean(&earned)?,
            cost: exact.mean_of(policy()).0,
            recovered: has_gap
                .then(|| bootstrap::metric(queries, options.replicates, options.seed, recovered))
                .transpose()?,
        })
    };
    let counts: Vec<AtCount> = (counts.iter().enumerate())
        .map(|(at, &k)| at_count(at, k))
        .collect::<Result<_, EvalError>>()?;
    // The last of several largest is taken, which is the smallest k.
    let best = (counts.iter().rev()).max_by(|a, b| a.quality.mean.total_cmp(&b.quality.mean));

    let nearest = neighbours.index().column(0).to_vec();
    let of_nearest = |value: &dyn Fn(usize, usize) -> f64| -> Vec<f64> {
        (nearest.iter().enumerate())
            .map(|(row, &other)| value(row, other))
            .collect()
    };
    let differs = of_nearest(&|row, other| f64::from(labels[row] != labels[other]));
    let disjoint = of_nearest(&|row, other| f64::from(!share_a_best(truth, &labels, row, other)));
    let regret = of_nearest(&|row, other| {
        truth.quality[[row, labels[row]]] - truth.quality[[row, labels[other]]]
    });
    let bayes_upper = mean(&differs)?;

    let mut sizes = vec![0_usize; truth.models()];
    for &label in &labels {
        sizes[label] += 1;
    }
    let classes = sizes.iter().filter(|&&size| size > 0).count();
    let commonest = sizes.iter().copied().max().unwrap_or(0);
    let alike: usize = (sizes.iter())
        .map(|&size| size * size.saturating_sub(1))
        .sum();
    Ok(Predictability {
        classes,
        // Neighbours are other queries, so there are at least two.
        chance: 1.0 - alike as f64 / (queries * (queries - 1)) as f64,
        majority_error: (queries - commonest) as f64 / queries as f64,
        bayes_lower: Interval {
            mean: cover_hart(bayes_upper.mean, classes),
            low: cover_hart(bayes_upper.low, classes),
            high: cover_hart(bayes_upper.high, classes),
        },
        bayes_upper,
        oracle_quality,
        oracle_cost,
        best_single_model,
        best_single_quality,
        best_single_cost,
        best_count: best.map_or(0, |best| best.k),
        counts,
        by_distance: bins::by_distance(neighbours, options.bins, |rows, low, high| {
            let of =
                |values: &[f64]| mean(&rows.iter().map(|&row| values[row]).collect::<Vec<_>>());
            let unlike = rows.iter().map(|&row| queries - sizes[labels[row]]);
            Ok(DistanceBin {
                low,
                high,
                queries: rows.len(),
                disagreement: of(&differs)?,
                chance: unlike.sum::<usize>() as f64 / (rows.len() * (queries - 1)) as f64,
                disjoint: of(&disjoint)?,
                regret: of(&regret)?,
            })
        })?,
        labels,
    })
}

fn check(
    neighbours: &Neighbours,
    truth: &Truth,
    counts: &[usize],
    bins: usize,
) -> Result<(), EvalError> {
    let bad = |option, value: String, expected| {
        Err(EvalError::Option {
            option,
            value,
            expected,
        })
    };
    if neighbours.queries() != truth.queries() {
        let (found, expected) = (neighbours.queries(), truth.queries());
        let value = format!("those of {found} queries, with qualities of {expected}");
        return bad("neighbours", value, "the neighbours of the same queries");
    }
    let in_range = |k: &usize| (1..=neighbours.count()).contains(k);
    if counts.is_empty() || !counts.iter().all(in_range) {
        return bad(
            "counts",
            format!("{counts:?} of {} neighbours", neighbours.count()),
            "at least one number, each 1 or more and no larger than the number of neighbours found",
        );
    }
    if bins == 0 {
        return bad("bins", "0".into(), "1 or more");
    }
    Ok(())
}
