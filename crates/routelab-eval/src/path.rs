//! What every query chooses over a list of budgets.

use std::cmp::Ordering;

use rayon::prelude::*;

use crate::rule::{ByCost, Decision, RowPath, fallback};
use crate::{Rule, Scores, trade_off};

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
    pub fn last(&self) -> usize {
        self.changes.last().map_or(self.first, |&(_, model)| model)
    }
}

/// A [`Path`] that grows.
pub(crate) struct GrowingPath {
    first: usize,
    changes: Vec<Change>,
}

impl GrowingPath {
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
        if self.as_path().last() != model {
            self.changes.push((at, model));
        }
    }

    fn as_path(&self) -> Path<'_> {
        Path {
            first: self.first,
            changes: &self.changes,
        }
    }
}

/// Every query's choices, as changes; one list for all queries, since most change only a few times.
pub(crate) struct Paths {
    first: Vec<usize>,
    /// Where the changes of every query end; they start where those of the one before end.
    ends: Vec<usize>,
    changes: Vec<Change>,
    /// Per budget, the price `λ` of predicted cost in what the decision maximises, `q̂ - λ ĉ`: 0 where the budget limits
    /// every query, `None` where it limits the mean and even the cheapest models are above it.
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

    /// Adds the next query.
    pub fn push(&mut self, path: &GrowingPath) {
        self.first.push(path.first);
        self.changes.extend_from_slice(&path.changes);
        self.ends.push(self.changes.len());
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

    /// Every query's choice at the largest budget.
    pub fn last_choices(&self) -> Vec<usize> {
        self.rows().map(|path| path.last()).collect()
    }

    /// Every query by itself, since the budget limits every query.
    fn within(scores: &Scores, budgets: &[f64], rule: &Rule, margin: f64) -> Self {
        const BLOCK: usize = 512;
        let starts = (0..scores.queries()).into_par_iter().step_by(BLOCK);
        let blocks: Vec<Self> = starts
            .map(|start| {
                let (mut paths, mut by_cost) = (Self::with(Vec::new()), ByCost::default());
                let mut path = GrowingPath::starting_with(0);
                for row in start..scores.queries().min(start + BLOCK) {
                    let order = by_cost.of(scores, row);
                    path.first = fallback(rule, order);
                    path.changes.clear();
                    let mut from = 0;
                    for (threshold, model) in RowPath::new(rule, margin, order) {
                        if model == path.as_path().last() {
                            continue;
                        }
                        // Nothing is within a budget whose cost is not a number.
                        from += budgets[from..].partition_point(|b| {
                            (b.partial_cmp(&threshold)).is_none_or(Ordering::is_lt)
                        });
                        if from == budgets.len() {
                            break;
                        }
                        path.push(from, model);
                    }
                    paths.push(&path);
                }
                paths
            })
            .collect();
        let mut paths = Self::with(vec![Some(0.0); budgets.len()]);
        for block in blocks {
            let before = paths.changes.len();
            paths.first.extend(block.first);
            paths.ends.extend(block.ends.iter().map(|end| before + end));
            paths.changes.extend(block.changes);
        }
        paths
    }
}
