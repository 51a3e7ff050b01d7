//! What a router does as its budget grows: cost, quality and call rates at every budget.

use std::iter;

use ndarray::ArrayView2;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::budget::{check_grid, sorted_distinct};
use crate::exact::FixedPoint;
use crate::matrices::{Largest, check_pair};
use crate::path::{Path, Paths, blocks_within};
use crate::rule::Decision;
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
/// `O(N S (M + log K) + K M)` for `K` budgets and queries whose choice changes `S` times: about `ln M` times if predicted
/// quality and cost have nothing to do with each other, `M - 1` times if every dearer model is predicted to be better. Only the
/// changes are added up. The result does not depend on the number of threads.
///
/// # Errors
/// [`EvalError`] if shapes disagree, if there is no budget or one that is not a number, or for a bad rule.
pub fn sweep(
    truth: &Truth,
    scores: &Scores,
    budgets: &[f64],
    rule: &Rule,
) -> Result<Vec<Point>, EvalError> {
    let largest = check_pair(truth, scores)?;
    rule.validate()?;
    check_grid(budgets)?;
    let budgets = sorted_distinct(budgets);
    let exact = ExactTruth::with(truth, largest);
    let Decision::WithinBudget { margin } = rule.decision else {
        return Ok(exact.points(&Paths::new(scores, &budgets, rule), &budgets));
    };
    let none = || Changes::none(budgets.len(), truth.models());
    let changes = blocks_within(scores, &budgets, rule, margin)
        .fold(none, |mut changes, (start, paths)| {
            (paths.rows().zip(start..)).for_each(|(path, row)| changes.add(&exact, row, path));
            changes
        })
        .reduce(none, Changes::and);
    Ok(changes.points(&exact, &budgets))
}

/// Real costs and qualities in fixed point; see [`FixedPoint`].
pub(crate) struct ExactTruth<'a> {
    truth: Truth<'a>,
    pub cost_scale: FixedPoint,
    pub quality_scale: FixedPoint,
}

impl<'a> ExactTruth<'a> {
    pub fn new(truth: &Truth<'a>) -> Self {
        Self::with(truth, Largest::of(truth))
    }

    /// `largest` magnitudes in `truth`.
    pub fn with(truth: &Truth<'a>, largest: Largest) -> Self {
        Self {
            truth: *truth,
            cost_scale: FixedPoint::for_sum_of(truth.queries(), largest.cost),
            quality_scale: FixedPoint::for_sum_of(truth.queries(), largest.quality),
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
        let none = || Changes::none(budgets.len(), self.models());
        let changes = (0..self.queries())
            .into_par_iter()
            .with_min_len(1024)
            .fold(none, |mut changes, row| {
                changes.add(self, row, paths.row(row));
                changes
            })
            .reduce(none, Changes::and);
        changes.points(self, budgets)
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

    /// Adds a query.
    fn add(&mut self, truth: &ExactTruth, row: usize, path: Path) {
        let models = truth.models();
        let (mut left, mut before) = (None, (0, 0));
        for (at, model) in iter::once((0, path.first)).chain(path.changes.iter().copied()) {
            let outcome = (truth.cost(row, model), truth.quality(row, model));
            self.cost[at] += outcome.0 - before.0;
            self.quality[at] += outcome.1 - before.1;
            self.calls[at * models + model] += 1;
            if let Some(left) = left {
                self.calls[at * models + left] -= 1;
            }
            (left, before) = (Some(model), outcome);
        }
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

    /// What all changes up to every budget add up to.
    fn points(&self, truth: &ExactTruth, budgets: &[f64]) -> Vec<Point> {
        let (queries, models) = (truth.queries(), truth.models());
        let (mut total_cost, mut total_quality) = (0, 0);
        let mut total_calls = vec![0_i64; models];
        (0..budgets.len())
            .map(|at| {
                total_cost += self.cost[at];
                total_quality += self.quality[at];
                for (total, change) in total_calls.iter_mut().zip(&self.calls[at * models..]) {
                    *total += change;
                }
                Point {
                    budget: budgets[at],
                    cost: truth.cost_scale.mean(total_cost, queries),
                    quality: truth.quality_scale.mean(total_quality, queries),
                    call_rates: total_calls
                        .iter()
                        .map(|&calls| calls as f64 / queries as f64)
                        .collect(),
                }
            })
            .collect()
    }
}
