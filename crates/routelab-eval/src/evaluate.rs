//! Everything about one router on one test set.

use serde::{Deserialize, Serialize};

use crate::budget::{check_grid, sorted_distinct};
use crate::collapse::{self, Rci, Strongest};
use crate::curve::{self, SharedInterval};
use crate::margin;
use crate::matrices::check_pair;
use crate::path::Paths;
use crate::ranking;
use crate::sweep::ExactTruth;
use crate::two_model::TwoModel;
use crate::{Budgets, CurvePoint, EvalError, Metric, Point, Rule, Scores, Truth};

/// How to evaluate. The default is SPEC's: ties and infeasible queries to the cheapest, 100 quantiles, threshold 0.05.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EvaluationOptions {
    /// The decision.
    pub rule: Rule,
    /// The budgets behind every metric.
    pub budgets: Budgets,
    /// Budgets common to all routers, for charts that share an axis; metrics do not use them.
    pub shared_grid: Option<Vec<f64>>,
    /// Margins up to this count as small; finite, 0 or more.
    pub margin_threshold: f64,
    /// Which models count as strongest, in RCI and in the share of calls to them.
    pub strongest: Strongest,
}

impl Default for EvaluationOptions {
    fn default() -> Self {
        Self {
            rule: Rule::default(),
            budgets: Budgets::default(),
            shared_grid: None,
            margin_threshold: 0.05,
            strongest: Strongest::default(),
        }
    }
}

impl EvaluationOptions {
    /// # Errors
    /// [`EvalError::Option`] naming the option that is out of range.
    pub fn validate(&self) -> Result<(), EvalError> {
        self.rule.validate()?;
        self.budgets.validate()?;
        if let Some(grid) = &self.shared_grid {
            check_grid(grid)?;
        }
        if !(self.margin_threshold.is_finite() && self.margin_threshold >= 0.0) {
            return Err(EvalError::Option {
                option: "margin_threshold",
                value: self.margin_threshold.to_string(),
                expected: "a finite number, 0 or more",
            });
        }
        Ok(())
    }
}

/// Results of one router on `N` queries and `M` models. Unless said otherwise, metrics that need one choice per query
/// are taken at the largest budget.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// The sweep, ascending in budget.
    pub points: Vec<Point>,
    /// The sweep on the shared grid; empty if none was asked for.
    pub grid_points: Vec<Point>,
    /// Pareto front of `points` (without the anchor of the shared interval).
    pub pareto: Vec<CurvePoint>,
    /// The interval behind `nauc_shared` and `aiq`, the same for every router on these queries.
    pub shared_interval: SharedInterval,
    /// `N` chosen models at the largest budget.
    pub choices: Vec<usize>,
    /// nAUC, convention `shared`.
    pub nauc_shared: f64,
    /// nAUC, convention `legacy`.
    pub nauc_legacy: f64,
    /// nAUC, convention `own-range`.
    pub nauc_own_range: f64,
    /// Average improvement in quality (RouterBench).
    pub aiq: f64,
    /// Peak score.
    pub peak: f64,
    /// Cost at the best single model's quality over that model's cost; `None` (infinite) when unreachable.
    pub qnc: Option<f64>,
    /// `peak / best_single_quality - 1`; `None` if the best single model never succeeds.
    pub perf_gain: Option<f64>,
    /// `1 - qnc`.
    pub cost_save: Option<f64>,
    /// The model with the largest mean real quality; the first of several.
    pub best_single_model: usize,
    /// Its mean real quality.
    pub best_single_quality: f64,
    /// Its mean real cost.
    pub best_single_cost: f64,
    /// The models that count as strongest.
    pub strongest: Vec<usize>,
    /// Mean real quality at the largest budget.
    pub quality: f64,
    /// Mean real cost at the largest budget.
    pub cost: f64,
    /// Routing collapse index, `rci_wasteful + rci_wrong`.
    pub rci: f64,
    /// Share sent to a strongest model although another was as good.
    pub rci_wasteful: f64,
    /// Share sent to a model that is not truly best.
    pub rci_wrong: f64,
    /// Share of the queries sent to each of the `M` models.
    pub call_rates: Vec<f64>,
    /// Share of the queries sent to the strongest models.
    pub strongest_call_rate: f64,
    /// Entropy of the call rates, in nats.
    pub entropy: f64,
    /// `exp(entropy)`, in [1, M].
    pub effective_models: f64,
    /// Real margins of the queries with at least two feasible models, in the order of the queries.
    pub real_margins: Vec<f64>,
    /// Predicted margins of the same queries.
    pub predicted_margins: Vec<f64>,
    /// Share of real margins up to the threshold; `None` without margins.
    pub real_margin_share: Option<f64>,
    /// Share of predicted margins up to the threshold; `None` without margins.
    pub predicted_margin_share: Option<f64>,
    /// Share of model pairs put in the right order; `None` if all qualities are tied. Not tied to a budget.
    pub pair_accuracy: Option<f64>,
    /// Mean Kendall τ-b; `None` if defined on no query. Not tied to a budget.
    pub kendall: Option<f64>,
    /// Mean top-1 regret.
    pub regret: f64,
    /// Mean NDCG; `None` if every model fails every query. Not tied to a budget.
    pub ndcg: Option<f64>,
    /// Share of queries whose largest prediction is on a model that is not truly best. Not tied to a budget.
    pub flip_share: f64,
    /// Root mean squared error of predicted quality.
    pub rmse: f64,
    /// RouteLLM's metrics, for pools of two models of different mean quality.
    pub two_model: Option<TwoModel>,
}

impl Evaluation {
    /// One metric by name; an unreachable QNC is infinite.
    pub fn get(&self, metric: Metric) -> f64 {
        match metric {
            Metric::NaucShared => self.nauc_shared,
            Metric::NaucLegacy => self.nauc_legacy,
            Metric::NaucOwnRange => self.nauc_own_range,
            Metric::Aiq => self.aiq,
            Metric::Peak => self.peak,
            Metric::Qnc => self.qnc.unwrap_or(f64::INFINITY),
            Metric::Quality => self.quality,
            Metric::Cost => self.cost,
            Metric::Rci => self.rci,
            Metric::RciWasteful => self.rci_wasteful,
            Metric::RciWrong => self.rci_wrong,
            Metric::StrongestCallRate => self.strongest_call_rate,
            Metric::Regret => self.regret,
        }
    }

    /// The sweep without budgets and call rates.
    pub fn curve(&self) -> Vec<CurvePoint> {
        self.points.iter().map(CurvePoint::from).collect()
    }
}

/// Evaluates a router. `O(N M² + N M log K + K M)`.
///
/// # Errors
/// [`EvalError`] if shapes disagree or an option is out of range.
pub fn evaluate(
    truth: &Truth,
    scores: &Scores,
    options: &EvaluationOptions,
) -> Result<Evaluation, EvalError> {
    let largest = check_pair(truth, scores)?;
    options.validate()?;
    let budgets = options.budgets.resolve(scores.cost.view());
    let largest_budget = budgets.last().copied().unwrap_or(f64::INFINITY);
    let exact = ExactTruth::with(truth, largest);
    let paths = Paths::new(scores, &budgets, &options.rule);
    let points = exact.points(&paths, &budgets);
    let grid_points = match &options.shared_grid {
        None => Vec::new(),
        Some(grid) => {
            let grid = sorted_distinct(grid);
            exact.points(&Paths::new(scores, &grid, &options.rule), &grid)
        }
    };

    let choices = paths.last_choices();
    let strongest = options.strongest.of(&exact);
    let rci = Rci::of(&collapse::verdicts(truth, &choices, &strongest));
    let call_rates = collapse::call_rates(&choices, truth.models());
    let to_strongest = choices.iter().filter(|m| strongest.contains(m)).count();
    let (cost, quality) = exact.mean_of(choices.iter().copied());

    let (best_single_model, best_single) = best_single_of(&exact);
    let interval = shared_interval_of(truth, &exact);
    let curve: Vec<CurvePoint> = points.iter().map(CurvePoint::from).collect();
    let metrics = CurveMetrics::of(&curve, &interval, best_single);

    let real_margins = margin::margins(truth.quality, scores.cost.view(), largest_budget);
    let predicted_margins =
        margin::margins(scores.quality.view(), scores.cost.view(), largest_budget);
    let predicted = scores.quality.view();

    Ok(Evaluation {
        pareto: curve::pareto_front(&curve),
        points,
        grid_points,
        shared_interval: interval,
        nauc_shared: metrics.nauc_shared,
        nauc_legacy: metrics.nauc_legacy,
        nauc_own_range: metrics.nauc_own_range,
        aiq: metrics.aiq,
        peak: metrics.peak,
        qnc: metrics.qnc,
        perf_gain: curve::perf_gain(metrics.peak, best_single.quality),
        cost_save: curve::cost_save(metrics.qnc),
        best_single_model,
        best_single_quality: best_single.quality,
        best_single_cost: best_single.cost,
        strongest,
        quality,
        cost,
        rci: rci.rci,
        rci_wasteful: rci.wasteful,
        rci_wrong: rci.wrong,
        entropy: collapse::entropy(&call_rates),
        effective_models: collapse::effective_models(&call_rates),
        call_rates,
        strongest_call_rate: to_strongest as f64 / truth.queries() as f64,
        real_margin_share: margin::share_within(&real_margins, options.margin_threshold),
        predicted_margin_share: margin::share_within(&predicted_margins, options.margin_threshold),
        real_margins,
        predicted_margins,
        pair_accuracy: ranking::pair_accuracy(truth.quality, predicted),
        kendall: ranking::kendall(truth.quality, predicted),
        regret: collapse::regrets(truth, &choices).iter().sum::<f64>() / truth.queries() as f64,
        ndcg: ranking::ndcg(truth.quality, predicted),
        flip_share: ranking::flip_share(truth.quality, predicted, scores.cost.view()),
        rmse: ranking::rmse(truth.quality, predicted),
        two_model: TwoModel::of(truth, scores),
        choices,
    })
}

/// The interval of costs that all routers on these queries share, for [`curve::nauc_shared`] and [`curve::aiq`].
///
/// # Errors
/// [`EvalError`] if the two matrices of `truth` disagree in shape or are empty.
pub fn shared_interval(truth: &Truth) -> Result<SharedInterval, EvalError> {
    Truth::new(truth.quality, truth.cost)?;
    Ok(shared_interval_of(truth, &ExactTruth::new(truth)))
}

fn shared_interval_of(truth: &Truth, exact: &ExactTruth) -> SharedInterval {
    let extremes = Extremes::of(truth);
    let (low, quality) = exact.mean_of(extremes.cheapest.iter().copied());
    let (high, _) = exact.mean_of(extremes.dearest.iter().copied());
    SharedInterval {
        low,
        high,
        anchor: CurvePoint { cost: low, quality },
    }
}

/// Every query's really cheapest and really dearest model; the first of several.
pub(crate) struct Extremes {
    pub cheapest: Vec<usize>,
    pub dearest: Vec<usize>,
}

impl Extremes {
    pub fn of(truth: &Truth) -> Self {
        let rows = || truth.cost.rows().into_iter();
        let first = |better: fn(f64, f64) -> bool| {
            rows()
                .map(|row| {
                    (1..row.len()).fold(
                        0,
                        |m, next| if better(row[next], row[m]) { next } else { m },
                    )
                })
                .collect()
        };
        Self {
            cheapest: first(|a, b| a < b),
            dearest: first(|a, b| a > b),
        }
    }
}

fn best_single_of(exact: &ExactTruth) -> (usize, CurvePoint) {
    let model = first_largest(&exact.total_qualities());
    let (cost, quality) = exact.mean_of(std::iter::repeat_n(model, exact.queries()));
    (model, CurvePoint { cost, quality })
}

pub(crate) fn first_largest(totals: &[i128]) -> usize {
    (1..totals.len()).fold(0, |best, m| if totals[m] > totals[best] { m } else { best })
}

/// The metrics of a curve, in one place for evaluations and their bootstrap replicates.
pub(crate) struct CurveMetrics {
    pub nauc_shared: f64,
    pub nauc_legacy: f64,
    pub nauc_own_range: f64,
    pub aiq: f64,
    pub peak: f64,
    pub qnc: Option<f64>,
}

impl CurveMetrics {
    /// `points` in the order of budgets.
    pub fn of(points: &[CurvePoint], interval: &SharedInterval, best_single: CurvePoint) -> Self {
        let front = curve::pareto_front(points);
        Self {
            nauc_shared: curve::nauc_shared(points, interval),
            nauc_legacy: curve::nauc_legacy(points, best_single.cost),
            nauc_own_range: curve::nauc_own_range(&front),
            aiq: curve::aiq(points, interval),
            peak: curve::peak(&front),
            qnc: curve::qnc(&front, best_single),
        }
    }
}
