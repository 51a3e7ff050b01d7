//! What every query chooses over a list of budgets.

use ndarray::s;
use rayon::prelude::*;
use routelab_kernels::vectorised;

use crate::descent::{Descent, LANES, Ladder};
use crate::rule::Decision;
use crate::{Rule, Scores, trade_off};

/// The model that every query takes, at every one of some budgets. Only changes are held: a few per query.
pub struct Choices {
    budgets: Vec<f64>,
    paths: Paths,
}

impl Choices {
    /// Decides on all queries of `scores` at `budgets`: in the unit of `ĉ`, ascending, each once, at least one. Infinity means no
    /// limit.
    ///
    /// With [`Decision::TradeOff`] the choices of the queries depend on each other; a single query takes the best of its
    /// trade-offs that it can afford.
    pub fn new(scores: &Scores, budgets: &[f64], rule: &Rule) -> Self {
        Self {
            budgets: budgets.to_vec(),
            paths: Paths::new(scores, budgets, rule),
        }
    }

    /// The `K` budgets.
    pub fn budgets(&self) -> &[f64] {
        &self.budgets
    }

    /// The choices at the budget at `position`: `N` indices below `M`.
    pub fn at(&self, position: usize) -> Vec<usize> {
        self.paths.rows().map(|path| path.at(position)).collect()
    }

    /// The choices at the largest budget.
    pub fn last(&self) -> Vec<usize> {
        self.paths.rows().map(|path| path.last()).collect()
    }

    /// The price `λ` of predicted cost at every budget, in units of `q̂` per unit of `ĉ`, in what the decision maximises, `q̂ - λ ĉ`:
    /// 0 where a budget limits every query. With [`Decision::TradeOff`] a query takes the steps along its hull of `(ĉ, q̂)` whose
    /// slope is above `λ`, and there is none where even the cheapest models are above the budget on average.
    pub fn prices(&self) -> &[Option<f64>] {
        &self.paths.prices
    }

    pub(crate) fn paths(&self) -> &Paths {
        &self.paths
    }
}

/// The model chosen for every query at one budget: `N` indices below `M`. See [`Choices`].
pub fn choose(scores: &Scores, budget: f64, rule: &Rule) -> Vec<usize> {
    Choices::new(scores, &[budget], rule).last()
}

/// The prices of [`Decision::TradeOff`] at ascending budgets; see [`Choices::prices`].
pub fn prices(scores: &Scores, budgets: &[f64]) -> Vec<Option<f64>> {
    let rule = Rule {
        decision: Decision::TradeOff,
        ..Rule::default()
    };
    Paths::new(scores, budgets, &rule).prices
}

/// `(position in the list of budgets, model)`
type Change = (usize, usize);

/// One query's choices: `first` at budget 0 of the list, then a new model from each change's budget on.
#[derive(Clone, Copy)]
pub(crate) struct Path<'a> {
    pub first: usize,
    /// Strictly ascending in both budget and time; at most `M`.
    pub changes: &'a [Change],
}

impl Path<'_> {
    /// The choice at the budget at `position` of the list.
    pub fn at(&self, position: usize) -> usize {
        let changed = self.changes.partition_point(|&(at, _)| at <= position);
        changed
            .checked_sub(1)
            .map_or(self.first, |last| self.changes[last].1)
    }

    /// The choice at the largest budget.
    pub(crate) fn last(&self) -> usize {
        self.changes.last().map_or(self.first, |&(_, model)| model)
    }
}

/// Every query's choices, as changes; one list for all queries, since most change only a few times.
pub(crate) struct Paths {
    first: Vec<usize>,
    /// Where the changes of every query end; they start where those of the one before end.
    ends: Vec<usize>,
    changes: Vec<Change>,
    /// Per budget, as [`Choices::prices`].
    pub prices: Vec<Option<f64>>,
}

impl Paths {
    /// `budgets` ascending and not empty.
    pub fn new(scores: &Scores, budgets: &[f64], rule: &Rule) -> Self {
        match rule.decision {
            Decision::WithinBudget { margin } => Self::within(scores, budgets, rule, margin),
            Decision::TradeOff => trade_off::paths(scores, budgets, rule),
        }
    }

    pub fn with(prices: Vec<Option<f64>>) -> Self {
        Self {
            first: Vec::new(),
            ends: Vec::new(),
            changes: Vec::new(),
            prices,
        }
    }

    pub fn row(&self, row: usize) -> Path<'_> {
        let start = row.checked_sub(1).map_or(0, |before| self.ends[before]);
        Path {
            first: self.first[row],
            changes: &self.changes[start..self.ends[row]],
        }
    }

    /// Queries in order.
    pub fn rows(&self) -> impl Iterator<Item = Path<'_>> {
        (0..self.first.len()).map(|row| self.row(row))
    }

    /// Every query by itself, since the budget limits every query.
    fn within(scores: &Scores, budgets: &[f64], rule: &Rule, margin: f64) -> Self {
        let blocks: Vec<(usize, Self)> = blocks_within(scores, budgets, rule, margin).collect();
        let mut paths = Self::with(vec![Some(0.0); budgets.len()]);
        for (_, block) in blocks {
            let before = paths.changes.len();
            paths.first.extend(block.first);
            paths.ends.extend(block.ends.iter().map(|end| before + end));
            paths.changes.extend(block.changes);
        }
        paths
    }

    /// Adds the next query: its choice below all steps, and steps `(position of a budget, choice from there on)` from the
    /// last of `budgets` positions down.
    #[inline(always)]
    pub fn push(
        &mut self,
        unaffordable: usize,
        steps: impl Iterator<Item = (usize, usize)>,
        budgets: usize,
    ) {
        let start = self.changes.len();
        let mut to = budgets;
        for (at, model) in steps {
            // What is taken between two budgets only is never seen.
            if at >= to {
                continue;
            }
            to = at;
            match self.changes[start..].last_mut() {
                Some(above) if above.1 == model => above.0 = at,
                _ => self.changes.push((at, model)),
            }
        }
        let mut first = unaffordable;
        if to == 0
            && let Some((_, model)) = self.changes.pop()
        {
            first = model;
        } else if self.changes[start..]
            .last()
            .is_some_and(|lowest| lowest.1 == first)
        {
            self.changes.pop();
        }
        self.first.push(first);
        self.changes[start..].reverse();
        self.ends.push(self.changes.len());
    }
}

/// Queries block by block, each with its first row; no prices. `budgets` ascending and not empty.
pub(crate) fn blocks_within<'a>(
    scores: &'a Scores,
    budgets: &'a [f64],
    rule: &'a Rule,
    margin: f64,
) -> impl ParallelIterator<Item = (usize, Paths)> + 'a {
    const BLOCK: usize = 64 * LANES;
    let ladder = Ladder::new(budgets);
    let starts = (0..scores.queries()).into_par_iter().step_by(BLOCK);
    starts.map(move |start| {
        let rows = s![start..scores.queries().min(start + BLOCK), ..];
        let [quality, cost] = [&scores.quality, &scores.cost].map(|all| all.slice(rows));
        let [quality, cost] = [quality.as_standard_layout(), cost.as_standard_layout()];
        let predicted = [&quality, &cost].map(|all| all.as_slice().unwrap_or_default());
        let mut descent = Descent::new(predicted, scores.models(), rule, margin, budgets);
        let mut paths = Paths::with(Vec::new());
        vectorised(
            #[inline(always)]
            || {
                for row in (0..quality.nrows()).step_by(LANES) {
                    descent.at(row);
                    for lane in 0..LANES.min(quality.nrows() - row) {
                        let steps = descent.steps(lane);
                        let steps = steps.map(|(from, model)| (ladder.first_at_least(from), model));
                        paths.push(descent.unaffordable[lane], steps, budgets.len());
                    }
                }
            },
        );
        (start, paths)
    })
}
