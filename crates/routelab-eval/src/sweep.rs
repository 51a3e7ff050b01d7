//! What a router does as its budget grows: cost, quality and call rates at every budget.

use ndarray::Array2;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::budget::{check_grid, sorted_distinct};
use crate::exact::FixedPoint;
use crate::matrices::check_pair;
use crate::rule::{Decision, RowPath, ascending};
use crate::{EvalError, Rule, Scores, Truth, trade_off};

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
    let budgets = sorted_distinct(budgets.to_vec());
    let paths = Paths::new(scores, &budgets, rule);
    Ok(ExactTruth::new(truth).points(&paths, &budgets))
}

/// Every query's choices over a list of budgets, as changes.
pub(crate) struct Paths {
    /// Queries in order; see [`Path`].
    pub rows: Vec<Path>,
}

/// One query's choices: `first` at budget 0 of the list, then a new model from each change's budget on.
pub(crate) struct Path {
    pub first: usize,
    /// `(position in the list of budgets, model)`, strictly ascending in both budget and time; at most `M`.
    pub changes: Vec<(usize, usize)>,
}

impl Path {
    pub fn starting_with(first: usize) -> Self {
        Self {
            first,
            changes: Vec::new(),
        }
    }

    /// Adds a choice that holds from the budget at position `at` on, which is not before that of the last one.
    pub fn push(&mut self, at: usize, model: usize) {
        if at == 0 {
            self.first = model;
            return;
        }
        // Of several changes before the same budget only the last is ever seen.
        if self.changes.last().is_some_and(|&(when, _)| when == at) {
            self.changes.pop();
        }
        if self.last() != model {
            self.changes.push((at, model));
        }
    }

    /// The choice at the largest budget.
    pub fn last(&self) -> usize {
        self.changes.last().map_or(self.first, |&(_, model)| model)
    }
}

impl Paths {
    /// `budgets` ascending and not empty.
    pub fn new(scores: &Scores, budgets: &[f64], rule: &Rule) -> Self {
        match rule.decision {
            Decision::WithinBudget { margin } => Self::within(scores, budgets, rule, margin),
            Decision::TradeOff => trade_off::paths(scores, budgets, rule).0,
        }
    }

    /// Every query by itself, since the budget limits every query.
    fn within(scores: &Scores, budgets: &[f64], rule: &Rule, margin: f64) -> Self {
        let rows = (0..scores.queries())
            .into_par_iter()
            .with_min_len(256)
            .map_init(Vec::new, |order, row| {
                let mut choices = RowPath::new(scores, row, rule, margin, order);
                let mut path = Path::starting_with(choices.fallback());
                while let Some((threshold, model)) = choices.next() {
                    let at = budgets.partition_point(|&b| ascending(b, threshold).is_lt());
                    if at == budgets.len() {
                        break;
                    }
                    path.push(at, model);
                }
                path
            })
            .collect();
        Self { rows }
    }
}

/// Real costs and qualities in fixed point; see [`FixedPoint`].
pub(crate) struct ExactTruth {
    pub cost: Array2<i128>,
    pub quality: Array2<i128>,
    pub cost_scale: FixedPoint,
    pub quality_scale: FixedPoint,
}

impl ExactTruth {
    pub fn new(truth: &Truth) -> Self {
        let cost_scale = FixedPoint::for_sum_of(truth.queries(), truth.cost);
        let quality_scale = FixedPoint::for_sum_of(truth.queries(), truth.quality);
        Self {
            cost: cost_scale.encode_all(truth.cost),
            quality: quality_scale.encode_all(truth.quality),
            cost_scale,
            quality_scale,
        }
    }

    pub fn queries(&self) -> usize {
        self.cost.nrows()
    }

    pub fn models(&self) -> usize {
        self.cost.ncols()
    }

    /// Mean cost and mean quality of `choices`, one model per query.
    pub fn mean_of(&self, choices: impl Iterator<Item = usize>) -> (f64, f64) {
        let (mut cost, mut quality) = (0, 0);
        for (row, model) in choices.enumerate() {
            cost += self.cost[[row, model]];
            quality += self.quality[[row, model]];
        }
        (
            self.cost_scale.mean(cost, self.queries()),
            self.quality_scale.mean(quality, self.queries()),
        )
    }

    pub fn points(&self, paths: &Paths, budgets: &[f64]) -> Vec<Point> {
        let (queries, models) = (self.queries(), self.models());
        let mut cost = vec![0_i128; budgets.len()];
        let mut quality = vec![0_i128; budgets.len()];
        let mut calls = vec![0_i64; budgets.len() * models];
        for (row, path) in paths.rows.iter().enumerate() {
            cost[0] += self.cost[[row, path.first]];
            quality[0] += self.quality[[row, path.first]];
            calls[path.first] += 1;
            let mut before = path.first;
            for &(at, model) in &path.changes {
                cost[at] += self.cost[[row, model]] - self.cost[[row, before]];
                quality[at] += self.quality[[row, model]] - self.quality[[row, before]];
                calls[at * models + model] += 1;
                calls[at * models + before] -= 1;
                before = model;
            }
        }
        let (mut total_cost, mut total_quality) = (0, 0);
        let mut total_calls = vec![0_i64; models];
        (0..budgets.len())
            .map(|at| {
                total_cost += cost[at];
                total_quality += quality[at];
                for (total, change) in total_calls.iter_mut().zip(&calls[at * models..]) {
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
