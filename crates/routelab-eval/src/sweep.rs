//! What a router does as its budget grows: cost, quality and call rates at every budget.

use ndarray::ArrayView2;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::budget::{check_grid, sorted_distinct};
use crate::exact::FixedPoint;
use crate::matrices::check_pair;
use crate::path::Paths;
use crate::{EvalError, Rule, Scores, Truth};

/// One operating point of a router.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// The budget per query, in the unit of `ĉ`; null in JSON if there is no limit.
    #[serde(with = "crate::unbounded")]
    pub budget: f64,
    /// Mean real cost of the chosen models.
    pub cost: f64,
    /// Mean real quality of the chosen models.
    pub quality: f64,
    /// Share of the queries sent to each of the `M` models; adds up to 1.
    pub call_rates: Vec<f64>,
}

/// The points of a router at `budgets`, in ascending order of budget, each budget once.
///
/// `O(N M (log M + log K) + K M)` for `K` budgets: a query's choice changes at most `M` times, and only the changes
/// are added up. The result does not depend on the number of threads.
///
/// # Errors
/// [`EvalError`] if shapes disagree, if there is no budget or one that is not a number, or for a bad rule.
pub fn sweep(
    truth: &Truth,
    scores: &Scores,
    budgets: &[f64],
    rule: &Rule,
) -> Result<Vec<Point>, EvalError> {
    check_pair(truth, scores)?;
    rule.validate()?;
    check_grid(budgets)?;
    let budgets = sorted_distinct(budgets);
    let paths = Paths::new(scores, &budgets, rule);
    Ok(ExactTruth::new(truth).points(&paths, &budgets))
}

/// Real costs and qualities in fixed point; see [`FixedPoint`].
pub(crate) struct ExactTruth<'a> {
    truth: Truth<'a>,
    pub cost_scale: FixedPoint,
    pub quality_scale: FixedPoint,
}

impl<'a> ExactTruth<'a> {
    pub fn new(truth: &Truth<'a>) -> Self {
        Self {
            truth: *truth,
            cost_scale: FixedPoint::for_sum_of(truth.queries(), truth.cost),
            quality_scale: FixedPoint::for_sum_of(truth.queries(), truth.quality),
        }
    }

    pub fn queries(&self) -> usize {
        self.truth.queries()
    }

    pub fn models(&self) -> usize {
        self.truth.models()
    }

    pub fn cost(&self, row: usize, model: usize) -> i128 {
        self.cost_scale.encode(self.truth.cost[[row, model]])
    }

    pub fn quality(&self, row: usize, model: usize) -> i128 {
        self.quality_scale.encode(self.truth.quality[[row, model]])
    }

    /// Of every model over all queries.
    pub fn total_costs(&self) -> Vec<i128> {
        totals(self.cost_scale, self.truth.cost)
    }

    /// Of every model over all queries.
    pub fn total_qualities(&self) -> Vec<i128> {
        totals(self.quality_scale, self.truth.quality)
    }

    /// Mean cost and mean quality of `choices`, one model per query.
    pub fn mean_of(&self, choices: impl Iterator<Item = usize>) -> (f64, f64) {
        let (mut cost, mut quality) = (0, 0);
        for (row, model) in choices.enumerate() {
            cost += self.cost(row, model);
            quality += self.quality(row, model);
        }
        (
            self.cost_scale.mean(cost, self.queries()),
            self.quality_scale.mean(quality, self.queries()),
        )
    }

    pub fn points(&self, paths: &Paths, budgets: &[f64]) -> Vec<Point> {
        let (queries, models) = (self.queries(), self.models());
        let changes = (0..queries)
            .into_par_iter()
            .with_min_len(1024)
            .fold(
                || Changes::none(budgets.len(), models),
                |mut changes, row| {
                    let path = paths.row(row);
                    let at = |model| (self.cost(row, model), self.quality(row, model));
                    let mut before = (path.first, at(path.first));
                    changes.add(0, before.0, before.1, 1);
                    for &(position, model) in path.changes {
                        changes.add(position, before.0, before.1, -1);
                        before = (model, at(model));
                        changes.add(position, before.0, before.1, 1);
                    }
                    changes
                },
            )
            .reduce(|| Changes::none(budgets.len(), models), Changes::and);
        let (mut total_cost, mut total_quality) = (0, 0);
        let mut total_calls = vec![0_i64; models];
        (0..budgets.len())
            .map(|at| {
                total_cost += changes.cost[at];
                total_quality += changes.quality[at];
                for (total, change) in total_calls.iter_mut().zip(&changes.calls[at * models..]) {
                    *total += change;
                }
                Point {
                    budget: budgets[at],
                    cost: self.cost_scale.mean(total_cost, queries),
                    quality: self.quality_scale.mean(total_quality, queries),
                    call_rates: total_calls
                        .iter()
                        .map(|&calls| calls as f64 / queries as f64)
                        .collect(),
                }
            })
            .collect()
    }
}

fn totals(scale: FixedPoint, values: ArrayView2<f64>) -> Vec<i128> {
    let mut totals = vec![0; values.ncols()];
    for row in values.rows() {
        for (total, &value) in totals.iter_mut().zip(row) {
            *total += scale.encode(value);
        }
    }
    totals
}

/// What changes at every budget: sums of real cost and quality, and `budgets x models` numbers of calls.
struct Changes {
    cost: Vec<i128>,
    quality: Vec<i128>,
    calls: Vec<i64>,
}

impl Changes {
    fn none(budgets: usize, models: usize) -> Self {
        Self {
            cost: vec![0; budgets],
            quality: vec![0; budgets],
            calls: vec![0; budgets * models],
        }
    }

    /// A query comes to (`sign` 1) or leaves (-1) a model.
    fn add(&mut self, at: usize, model: usize, (cost, quality): (i128, i128), sign: i64) {
        let models = self.calls.len() / self.cost.len();
        self.cost[at] += i128::from(sign) * cost;
        self.quality[at] += i128::from(sign) * quality;
        self.calls[at * models + model] += sign;
    }

    fn and(mut self, other: Self) -> Self {
        let sums = [
            (&mut self.cost, other.cost),
            (&mut self.quality, other.quality),
        ];
        for (sum, other) in sums {
            sum.iter_mut()
                .zip(other)
                .for_each(|(sum, other)| *sum += other);
        }
        (self.calls.iter_mut().zip(other.calls)).for_each(|(sum, other)| *sum += other);
        self
    }
}
