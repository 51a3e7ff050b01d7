//! Evaluation of LLM routers: plain arithmetic on matrices, without files and without networks.
//!
//! A router predicts quality and cost ([`Scores`]) for queries whose real quality and cost ([`Truth`]) are known.
//! [`evaluate()`] turns the two into one [`Evaluation`]: the points of a budget sweep, metrics of the cost-quality
//! curve, and metrics of collapse and of ranking at the largest budget. [`bootstrap`] adds intervals and comparisons.
//!
//! | module | what it holds |
//! | --- | --- |
//! | [`rule`] | the decision: feasible models, ties, the margin rule, one price for all queries |
//! | [`budget`] | quantiles of predicted costs, or a fixed grid |
//! | [`sweep`](mod@sweep) | points and call rates at every budget |
//! | [`curve`] | Pareto front, nAUC in three conventions, AIQ, peak, QNC, PerfGain, CostSave, ParetoDist |
//! | [`collapse`] | strongest model, RCI and its parts, entropy, regret |
//! | [`decompose`](mod@decompose) | RCI by what would mend it: ties, ordering, prediction, budget |
//! | [`neighbours`], [`predictability`](mod@predictability) | what embeddings can say at all: nearest queries, Bayes error |
//! | [`margin`] | real and predicted margins |
//! | [`ranking`] | pair accuracy, Kendall's τ-b, NDCG, flips, RMSE |
//! | [`two_model`] | PGR, APGR and CPT of two-model pools |
//! | [`bootstrap`] | paired bootstrap over queries, Student's t over seeds |
//!
//! Throughout, `N` is the number of queries, `M` of models, `K` of budgets; matrices are `N x M`; model indices follow
//! the columns. "Best single" is the model with the largest mean quality, "strongest" the one with the largest
//! mean cost unless [`Strongest`] says otherwise.

pub mod bootstrap;
pub mod budget;
pub mod collapse;
pub mod curve;
pub mod decompose;
mod descent;
mod error;
pub mod evaluate;
mod exact;
pub mod margin;
mod matrices;
mod metric;
pub mod neighbours;
mod path;
pub mod predictability;
pub mod ranking;
pub mod rule;
pub mod sweep;
mod trade_off;
pub mod two_model;
mod unbounded;

pub use budget::{Budgets, spaced_grid};
pub use collapse::Strongest;
pub use curve::{CurvePoint, SharedInterval, pareto_dist};
pub use decompose::{Decomposition, DecompositionOptions, Part, Stage, decompose};
pub use error::EvalError;
pub use evaluate::{Evaluation, EvaluationOptions, evaluate, shared_interval};
pub use matrices::{Scores, Truth, oracle};
pub use metric::Metric;
pub use neighbours::Neighbours;
pub use predictability::{Predictability, PredictabilityOptions, predictability};
pub use rule::{Decision, Infeasible, Rule, Ties, choose, prices};
pub use sweep::{Point, sweep};
pub use trade_off::{PriceCurve, choose_at};
