//! What a router does as its budget grows: cost, quality and call rates at every budget.

use std::iter;

use rayon::prelude::*;

use crate::budget::sorted_distinct;
use crate::choices::{Choices, Decider};
use crate::curve::{Point, SharedInterval};
use crate::exact::{ExactTruth, Extremes};
use crate::matrices::check_pair;
use crate::options::EvaluationOptions;
use crate::path::Path;
use crate::{Budgets, EvalError, Rule, Scores, Truth};

/// The points of a router at `budgets`, in ascending order of budget, each budget once; see [`sweep_over`].
///
/// # Errors
/// [`EvalError`] if shapes disagree, if there is no budget or one that is not a number, or for a bad rule.
pub fn sweep(
    truth: &Truth,
    scores: &Scores,
    budgets: &[f64],
    rule: &Rule,
) -> Result<Vec<Point>, EvalError> {
    sweep_over(truth, scores, &Budgets::Grid(budgets.to_vec()), rule)
}

/// The points of a router at the budgets of its sweep, in ascending order of budget.
///
/// `O(N S (M + log K) + K M)` for `K` budgets and queries whose choice changes `S` times: about `ln M` times if predicted
/// quality and cost have nothing to do with each other, `M - 1` times if every dearer model is predicted to be better. Only the
/// changes are added up. Where a budget limits the mean, `O(N M log N M)` for the prices. The result does not depend on the number of
/// threads.
///
/// # Errors
/// [`EvalError`] if shapes disagree, or for bad budgets or a bad rule.
pub fn sweep_over(
    truth: &Truth,
    scores: &Scores,
    budgets: &Budgets,
    rule: &Rule,
) -> Result<Vec<Point>, EvalError> {
    let largest = check_pair(truth, scores)?;
    rule.validate()?;
    budgets.validate()?;
    let exact = ExactTruth::with(truth, largest);
    let decider = Decider::new(scores, rule);
    let budgets = decider.budgets(budgets);
    let none = || Changes::none(budgets.len(), truth.models());
    let changes = (decider.blocks(&budgets).1)
        .fold(none, |mut changes, (start, paths)| {
            (paths.rows().zip(start..)).for_each(|(path, row)| changes.add(&exact, row, path));
            changes
        })
        .reduce(none, Changes::and);
    Ok(changes.points(&exact, &budgets))
}

/// A router's choices on some queries at every budget, with what is known of the queries: made once, it answers everything that is
/// asked about the router. [`Sweep::evaluate`] has the metrics, [`Sweep::replicates`] their intervals, [`Sweep::decompose`] the
/// causes of wrong choices, [`Sweep::into_choices`] the choices themselves.
pub struct Sweep<'a> {
    pub(crate) truth: Truth<'a>,
    pub(crate) scores: &'a Scores,
    pub(crate) options: &'a EvaluationOptions,
    pub(crate) exact: ExactTruth<'a>,
    pub(crate) extremes: Extremes,
    pub(crate) interval: SharedInterval,
    /// The models that count as strongest.
    pub(crate) strongest: Vec<usize>,
    own: Choices,
    grid: Option<Choices>,
}

impl<'a> Sweep<'a> {
    /// Decides on all queries at all budgets of `options`. `O(N M + N S (M + log K))` for `K` budgets and `S` changes per query; it
    /// holds the changes.
    ///
    /// # Errors
    /// [`EvalError`] if shapes disagree or an option is out of range.
    pub fn new<'t: 'a>(
        truth: &Truth<'t>,
        scores: &'a Scores,
        options: &'a EvaluationOptions,
    ) -> Result<Self, EvalError> {
        let largest = check_pair(truth, scores)?;
        options.validate()?;
        let truth = truth.reborrow();
        let exact = ExactTruth::with(&truth, largest);
        let extremes = Extremes::of(&truth);
        let decider = Decider::new(scores, &options.rule);
        let grid = options.shared_grid.as_ref();
        Ok(Self {
            truth,
            scores,
            options,
            strongest: options.strongest.of(&exact),
            interval: exact.interval(&extremes),
            exact,
            extremes,
            own: decider.choices(decider.budgets(&options.budgets)),
            grid: grid.map(|grid| decider.choices(sorted_distinct(grid))),
        })
    }

    /// The choices at the router's own budgets.
    pub(crate) fn own(&self) -> &Choices {
        &self.own
    }

    /// The points at the router's own budgets.
    pub fn points(&self) -> Vec<Point> {
        points(&self.exact, &self.own)
    }

    /// The points on the shared grid; none if there is no grid.
    pub(crate) fn grid_points(&self) -> Vec<Point> {
        let grid = self.grid.as_ref();
        grid.map_or_else(Vec::new, |grid| points(&self.exact, grid))
    }

    /// The choices on the shared grid, or at the router's own budgets if there is none.
    pub fn into_choices(self) -> Choices {
        self.grid.unwrap_or(self.own)
    }
}

fn points(exact: &ExactTruth, choices: &Choices) -> Vec<Point> {
    let budgets = choices.budgets();
    let none = || Changes::none(budgets.len(), exact.models());
    let changes = (0..exact.queries())
        .into_par_iter()
        .with_min_len(1024)
        .fold(none, |mut changes, row| {
            changes.add(exact, row, choices.paths().row(row));
            changes
        })
        .reduce(none, Changes::and);
    changes.points(exact, budgets)
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
