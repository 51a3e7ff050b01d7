//! Evaluation of LLM routers: plain arithmetic on matrices, without files and without networks.
//!
//! A router predicts quality and cost ([`Scores`]) for queries whose real quality and cost ([`Truth`]) are known. A [`Sweep`] holds
//! what it chooses at every budget, and answers everything else: all metrics ([`Sweep::evaluate`]), their intervals and paired
//! comparisons ([`Sweep::replicates`]), the causes of wrong choices ([`Sweep::decompose`]). What metrics there are is one table, [`METRICS`].
//!
//! ```
//! use ndarray::array;
//! use routelab_eval::{EvaluationOptions, Metric, Scores, Sweep, Truth};
//!
//! // Three queries and two models: the second costs four times as much, and only the second query needs it.
//! let quality = array![[1.0, 1.0], [0.0, 1.0], [1.0, 1.0]];
//! let cost = array![[1.0, 4.0], [1.0, 4.0], [1.0, 4.0]];
//! let truth = Truth::new(quality.view(), cost.view())?;
//! // The router is right about the second query, and takes the dear model for the third as well.
//! let scores = Scores::new(array![[0.9, 0.8], [0.1, 0.9], [0.7, 0.8]], cost.clone())?;
//!
//! let options = EvaluationOptions::default();
//! let evaluation = Sweep::new(&truth, &scores, &options)?.evaluate();
//!
//! // Budgets of 1 and 4: everything goes to the first model, or two of three queries to the second.
//! let curve: Vec<_> = evaluation.points.iter().map(|point| (point.cost, point.quality)).collect();
//! assert_eq!(curve, [(1.0, 2.0 / 3.0), (3.0, 1.0)]);
//! assert_eq!(evaluation.choices, [0, 1, 1]);
//! // A third of the queries went to the strongest model although another was as good.
//! assert_eq!(evaluation.get(Metric::known("rci_wasteful")), Some(1.0 / 3.0));
//! // The best single model's quality is reached at three quarters of its cost.
//! assert_eq!(evaluation.get(Metric::known("qnc")), Some(0.75));
//! # Ok::<(), routelab_eval::EvalError>(())
//! ```
//!
//! | module | what it holds |
//! | --- | --- |
//! | [`metric`] | the table of metrics |
//! | [`rule`] | the decision: feasible models, ties, the margin rule, one price for all queries |
//! | [`budget`] | quantiles of predicted costs, or a fixed grid |
//! | [`sweep`](mod@sweep) | choices, points and call rates at every budget |
//! | [`curve`] | Pareto front, nAUC in three conventions, AIQ, peak, QNC, PerfGain, CostSave, ParetoDist |
//! | [`collapse`] | strongest model, RCI and its parts, entropy, regret |
//! | [`decompose`](mod@decompose) | RCI by what would mend it: ties, ordering, prediction, budget |
//! | [`neighbours`], [`predictability`](mod@predictability) | what embeddings can say at all: nearest queries, Bayes error |
//! | [`margin`] | real and predicted margins |
//! | [`ranking`] | pair accuracy, Kendall's τ-b, NDCG, flips, RMSE |
//! | [`variance`] | shares of a metric's variance that settings explain |
//! | [`two_model`] | PGR, APGR and CPT of two-model pools |
//! | [`bootstrap`] | paired bootstrap over queries, Student's t over seeds |
//!
//! Throughout, `N` is the number of queries, `M` of models, `K` of budgets; matrices are `N x M`; model indices follow
//! the columns. "Best single" is the model with the largest mean quality, "strongest" the one with the largest
//! mean cost unless [`Strongest`] says otherwise.

pub mod bootstrap;
mod buckets;
pub mod budget;
mod choices;
pub mod collapse;
pub mod curve;
pub mod decompose;
mod descent;
mod error;
pub mod evaluate;
mod exact;
pub mod margin;
mod matrices;
pub mod metric;
pub mod neighbours;
mod options;
mod path;
pub mod predictability;
pub mod ranking;
pub mod rule;
pub mod sweep;
mod trade_off;
pub mod two_model;
mod unbounded;
pub mod variance;

pub use budget::{Budgets, spaced_grid};
pub use choices::{Choices, choose, prices};
pub use collapse::Strongest;
pub use curve::{CurvePoint, Point, SharedInterval};
pub use decompose::{Cause, Decomposition, DecompositionOptions, Stage, decompose};
pub use error::EvalError;
pub use evaluate::{AtPrice, Evaluation, among, evaluate};
pub use matrices::{Scores, Truth, oracle};
pub use metric::{Better, METRICS, Metric, Value};
pub use neighbours::Neighbours;
pub use options::EvaluationOptions;
pub use predictability::{
    AnswerNoise, Predictability, PredictabilityOptions, answer_noise, predictability,
};
pub use rule::{Decision, Infeasible, Rule, Swept, Ties};
pub use sweep::{Sweep, sweep, sweep_over};
pub use trade_off::{PriceCurve, Prices, choose_at};
pub use variance::{VarianceShares, check_full_design, variance_shares};
