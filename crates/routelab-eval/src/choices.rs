//! What every query chooses over a list of budgets.

use ndarray::s;
use rayon::iter::Either;
use rayon::prelude::*;
use routelab_kernels::vectorised;

use crate::descent::{Descent, LANES, Ladder};
use crate::path::Paths;
use crate::rule::Decision;
use crate::trade_off::TradeOff;
use crate::{Budgets, Rule, Scores};

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
        Decider::new(scores, rule).choices(budgets.to_vec())
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

/// The prices of [`Decision::PRICE`] at ascending budgets; see [`Choices::prices`].
pub fn prices(scores: &Scores, budgets: &[f64]) -> Vec<Option<f64>> {
    TradeOff::new(scores, &Rule::default()).prices(budgets)
}

/// A decision on some queries, before budgets are known: what all budgets have in common is worked out once.
pub(crate) struct Decider<'a> {
    scores: &'a Scores,
    rule: &'a Rule,
    way: Way<'a>,
}

enum Way<'a> {
    /// A budget limits every query.
    Within { margin: f64 },
    /// A budget limits the mean.
    TradeOff(TradeOff<'a>),
}

impl<'a> Decider<'a> {
    pub fn new(scores: &'a Scores, rule: &'a Rule) -> Self {
        let way = match rule.decision {
            Decision::WithinBudget { margin } => Way::Within { margin },
            Decision::TradeOff { .. } => Way::TradeOff(TradeOff::new(scores, rule)),
        };
        Self { scores, rule, way }
    }

    /// The budgets of a sweep, ascending, each once.
    pub fn budgets(&self, budgets: &Budgets) -> Vec<f64> {
        match (&self.way, budgets) {
            (Way::TradeOff(trade_off), &Budgets::Quantiles(levels)) => trade_off.budgets(levels),
            _ => budgets.resolve(self.scores.cost.view()),
        }
    }

    /// The choices at `budgets`, ascending and not empty.
    pub fn choices(&self, budgets: Vec<f64>) -> Choices {
        let (prices, blocks) = self.blocks(&budgets);
        let blocks: Vec<(usize, Paths)> = blocks.collect();
        let mut paths = Paths::with(prices);
        for (_, block) in blocks {
            paths.append(block);
        }
        Choices { budgets, paths }
    }

    /// The price of every budget, and the choices block by block, each with its first row and without prices. `budgets` ascending and
    /// not empty.
    pub fn blocks<'b>(
        &'b self,
        budgets: &'b [f64],
    ) -> (
        Vec<Option<f64>>,
        impl ParallelIterator<Item = (usize, Paths)> + 'b,
    ) {
        match &self.way {
            Way::TradeOff(trade_off) => {
                let prices = trade_off.prices(budgets);
                let blocks = trade_off.blocks(budgets, prices.clone());
                (prices, Either::Left(blocks))
            }
            &Way::Within { margin } => {
                let blocks = blocks_within(self.scores, budgets, self.rule, margin);
                (vec![Some(0.0); budgets.len()], Either::Right(blocks))
            }
        }
    }
}

/// Queries block by block, each with its first row; no prices. `budgets` ascending and not empty.
fn blocks_within<'a>(
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
