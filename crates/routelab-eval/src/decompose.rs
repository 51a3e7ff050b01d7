//! Why a router's choices are not right, and what better tie-breaking, ordering and prediction would each recover.
//!
//! The right models of a query, as in the routing collapse index (SPEC 4): `R = ` the truly best models that are not
//! strongest or, if all truly best models are strongest, the truly best ones. A choice in `R` is right, and
//! `RCI = ` share of choices not in `R`. Every choice that is not right has exactly one [`Cause`]. With `A` the models
//! that the decision could take under the budget, `v̂ = q̂ - λ ĉ` what it maximises (`λ = 0` unless it is a trade-off)
//! and `gap = max(0, v̂[chosen] - max over R ∩ A of v̂)`, the first that holds:
//!
//! | cause | condition | what would mend it |
//! | --- | --- | --- |
//! | `budget` | `R ∩ A` is empty | a larger budget or better `ĉ`; never happens when all models are affordable |
//! | `ties` | the choice is truly best | breaking the true tie towards a cheaper model |
//! | `ordering` | `gap <= δ` | another order of models that the predictor cannot tell apart |
//! | `prediction` | `gap > δ` | only better predictions |
//!
//! So `RCI = ties + ordering + prediction + budget`. With a margin in the rule, or with a price, the choice need not have
//! the largest `q̂`: models that are predicted to be better than the choice have a gap of 0.
//!
//! `A` is `{m : ĉ[m] <= B}`, or only the choice if that is empty. For a trade-off the budget limits a mean and no query by
//! itself: `A` is every model, with a cap those within it (and mended choices may cost more than `B` on average), or only the choice if even the
//! cheapest models are above `B`.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::bootstrap::{self, Interval};
use crate::budget::check_grid;
use crate::choices::Choices;
use crate::collapse::{self, Rci};
use crate::{CurvePoint, EvalError, EvaluationOptions, Scores, Sweep, Truth, curve, ranking};

mod judge;

use judge::{Judge, Judgement};

/// Where and how to decompose. The default is the largest budget, with the predictor's RMSE as `δ`.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DecompositionOptions {
    /// The operating point, a budget in the unit of `ĉ`; `None` for the largest budget of the sweep.
    pub budget: Option<f64>,
    /// `δ >= 0` in the unit of `q̂`: predictions this close count as not told apart. `None` for the root mean squared error of
    /// all `N x M` predictions, which says something only if `q̂` is on the scale of quality. Where quality is 0 or 1 it
    /// holds the chance of every single outcome too and is wide (0.45 is usual): give a small `δ` as well, or draw
    /// [`Decomposition::gaps`].
    pub band: Option<f64>,
}

/// What one choice is put down to; see the [module](self).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Cause {
    /// The choice is right.
    Right,
    /// A strongest model was chosen and is truly best, but an affordable model that is not strongest was as good.
    Ties,
    /// The choice is not truly best, and a right model is predicted within `δ` of it.
    Ordering,
    /// The choice is not truly best, and every affordable right model is predicted to be worse by more than `δ`.
    Prediction,
    /// The choice is not right, and no right model is affordable.
    Budget,
}

impl Cause {
    /// All causes, in the order of tables.
    pub const ALL: [Cause; 5] = [
        Cause::Right,
        Cause::Ties,
        Cause::Ordering,
        Cause::Prediction,
        Cause::Budget,
    ];
}

/// Who chooses: the router, or the router with the help of an oracle. Each stage includes the ones before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// The router alone.
    Router,
    /// Where the choice is truly best, the really cheapest of `R ∩ A`.
    Ties,
    /// Where a right model is within `δ`, the really cheapest one of these.
    Ordering,
    /// The really cheapest of `R ∩ A` wherever there is one: the oracle within the budget.
    Prediction,
}

impl Stage {
    /// All stages, in order.
    pub const ALL: [Stage; 4] = [
        Stage::Router,
        Stage::Ties,
        Stage::Ordering,
        Stage::Prediction,
    ];
}

/// What is reached at one stage. Equal real costs of right models go to the smaller index.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StagePoint {
    /// The stage.
    pub stage: Stage,
    /// Mean real quality at the operating point.
    pub quality: f64,
    /// Mean real cost at the operating point.
    pub cost: f64,
    /// Routing collapse index at the operating point.
    pub rci: f64,
    /// nAUC, convention `shared`, with the oracle's help at every budget of the sweep.
    pub nauc_shared: f64,
    /// The sweep behind it, in the order of budgets.
    pub curve: Vec<CurvePoint>,
}

/// RCI by cause at one operating point, and what mending them would reach.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Decomposition {
    /// The operating point, in the unit of `ĉ`; null in JSON if there is no limit.
    #[serde(with = "crate::unbounded")]
    pub budget: f64,
    /// `δ`, in the unit of `q̂`.
    pub band: f64,
    /// Routing collapse index of the router.
    pub rci: f64,
    /// [`Stage::ALL`] in order. From one to the next RCI falls by the share of the cause with the same name, so that
    /// the last one's is that of `budget`.
    pub stages: Vec<StagePoint>,
    /// The cause of each of the `N` queries.
    pub queries: Vec<Cause>,
    /// The gap of every query with cause `ordering` or `prediction`, in the order of the queries, in the unit of `q̂`: the smallest
    /// `δ` that would make it `ordering`. Their distribution is the split at every `δ`.
    pub gaps: Vec<f64>,
}

impl Decomposition {
    /// Share of the queries with a cause; the five shares add up to 1.
    pub fn share(&self, cause: Cause) -> f64 {
        let queries = self.queries.iter().filter(|&&query| query == cause).count();
        queries as f64 / self.queries.len() as f64
    }

    /// A cause's share with its interval by the bootstrap over queries. `δ` and which models are strongest are held fixed.
    ///
    /// # Errors
    /// [`EvalError::Option`] without replicates.
    pub fn interval(
        &self,
        cause: Cause,
        replicates: usize,
        seed: u64,
    ) -> Result<Interval, EvalError> {
        let has = |&query: &Cause| f64::from(query == cause);
        let values: Vec<f64> = self.queries.iter().map(has).collect();
        bootstrap::mean(&values, replicates, seed)
    }
}

/// Decomposes RCI at one operating point. `options` gives the decision and the sweep as for [`crate::evaluate()`].
/// `O(K N M)` for a sweep of `K` budgets.
///
/// # Errors
/// [`EvalError`] if shapes disagree or an option is out of range.
pub fn decompose(
    truth: &Truth,
    scores: &Scores,
    options: &EvaluationOptions,
    decomposition: &DecompositionOptions,
) -> Result<Decomposition, EvalError> {
    Sweep::new(truth, scores, options)?.decompose(decomposition)
}

impl Sweep<'_> {
    /// Decomposes RCI at one operating point. `O(K N M)` for a sweep of `K` budgets.
    ///
    /// # Errors
    /// [`EvalError::Option`] if the budget or the band is out of range.
    pub fn decompose(&self, options: &DecompositionOptions) -> Result<Decomposition, EvalError> {
        let (truth, scores, exact, strongest) =
            (&self.truth, self.scores, &self.exact, &self.strongest);
        let own = self.own();
        let budget = options
            .budget
            .unwrap_or(own.budgets()[own.budgets().len() - 1]);
        check_grid(&[budget])?;
        let rmse = || ranking::rmse(truth.quality, scores.quality.view());
        let band = options.band.unwrap_or_else(rmse);
        if !(band.is_finite() && band >= 0.0) {
            return Err(EvalError::Option {
                option: "band",
                value: band.to_string(),
                expected: "a finite number, 0 or more",
            });
        }

        let rule = &self.options.rule;
        let judge = Judge::new(truth, scores, rule.decision, strongest, band);
        let judge_all = |choices: &Choices, position: usize| -> Vec<Judgement> {
            let (budget, price) = (choices.budgets()[position], choices.prices()[position]);
            (choices.paths().rows().enumerate())
                .map(|(row, path)| judge.judge(row, path.at(position), budget, price))
                .collect()
        };
        let point = |judged: &[Judgement], stage: usize| {
            let (cost, quality) = exact.mean_of(judged.iter().map(|j| j.choices[stage]));
            CurvePoint { cost, quality }
        };

        let curves: Vec<[CurvePoint; 4]> = (0..own.budgets().len())
            .into_par_iter()
            .map(|position| {
                let judged = judge_all(own, position);
                std::array::from_fn(|stage| point(&judged, stage))
            })
            .collect();
        let judged = match own.budgets().iter().position(|&other| other == budget) {
            Some(position) => judge_all(own, position),
            None => judge_all(&Choices::new(scores, &[budget], rule), 0),
        };
        let stages: Vec<StagePoint> = (Stage::ALL.into_iter().enumerate())
            .map(|(at, stage)| {
                let choices: Vec<usize> = judged.iter().map(|j| j.choices[at]).collect();
                let CurvePoint { cost, quality } = point(&judged, at);
                let curve: Vec<CurvePoint> = curves.iter().map(|stages| stages[at]).collect();
                StagePoint {
                    stage,
                    quality,
                    cost,
                    rci: Rci::of(&collapse::verdicts(truth, &choices, strongest)).rci,
                    nauc_shared: curve::nauc_shared(&curve, &self.interval),
                    curve,
                }
            })
            .collect();
        Ok(Decomposition {
            budget,
            band,
            rci: stages[0].rci,
            stages,
            gaps: judged.iter().filter_map(|j| j.gap).collect(),
            queries: judged.iter().map(|j| j.cause).collect(),
        })
    }
}
