//! Everything about one router on one test set.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::collapse::{self, Rci};
use crate::curve::{self, SharedInterval};
use crate::exact::{ExactTruth, first_largest};
use crate::margin;
use crate::metric::{Means, Range, Whole};
use crate::two_model::TwoModel;
use crate::{
    CurvePoint, EvalError, EvaluationOptions, METRICS, Metric, Point, Scores, Sweep, Truth, Value,
};

/// The budget of a sweep that is worth most at a price of real cost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AtPrice {
    /// `λ`, in units of quality per unit of cost.
    pub price: f64,
    /// The point with the largest mean of `q - λ c`, real quality less priced real cost; of equal ones the cheapest.
    pub point: Point,
    /// The routing collapse index there.
    pub rci: Rci,
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
    /// The model with the largest mean real quality; the first of several.
    pub best_single_model: usize,
    /// Its mean real quality.
    pub best_single_quality: f64,
    /// Its mean real cost.
    pub best_single_cost: f64,
    /// The models that count as strongest.
    pub strongest: Vec<usize>,
    /// Share of the queries sent to each of the `M` models.
    pub call_rates: Vec<f64>,
    /// Real margins of the queries with at least two feasible models, in the order of the queries.
    pub real_margins: Vec<f64>,
    /// Predicted margins of the same queries.
    pub predicted_margins: Vec<f64>,
    /// RouteLLM's metrics, for pools of two models of different mean quality.
    pub two_model: Option<TwoModel>,
    /// One per price of [`EvaluationOptions::rci_prices`], in their order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub at_prices: Vec<AtPrice>,
    /// The metrics of [`METRICS`] by name; `None` where one is undefined or infinite. [`Evaluation::get`] tells the two apart.
    pub metrics: BTreeMap<String, Option<f64>>,
}

impl Evaluation {
    /// The value of a metric; an unreachable QNC is infinite. `None` where the metric is undefined or is none of [`METRICS`].
    pub fn get(&self, metric: &Metric) -> Option<f64> {
        let unreachable = (metric.range == Range::Infinite).then_some(f64::INFINITY);
        self.metrics.get(metric.name)?.or(unreachable)
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
    Ok(Sweep::new(truth, scores, options)?.evaluate())
}

/// Fills in the metrics that look at all routers of a test set, such as ParetoDist.
pub fn among(routers: &mut [&mut Evaluation]) {
    let curves: Vec<Vec<CurvePoint>> = routers.iter().map(|router| router.curve()).collect();
    for metric in METRICS {
        if let Value::Routers(values) = metric.value {
            for (router, value) in routers.iter_mut().zip(values(&curves)) {
                router.metrics.insert(metric.name.to_owned(), value);
            }
        }
    }
}

impl<'a> Sweep<'a> {
    /// Everything that metrics are computed from, those of [`METRICS`] and others.
    pub fn whole(&self) -> Whole<'a> {
        self.whole_of(&self.points(), best_single(&self.exact).1)
    }

    fn whole_of(&self, points: &[Point], best_single: CurvePoint) -> Whole<'a> {
        let (truth, scores) = (self.truth, self.scores);
        let choices = self.own().last();
        let budgets = self.own().budgets();
        let limit = (self.options.rule.decision).limit(budgets[budgets.len() - 1]);
        let called = choices
            .iter()
            .filter(|m| self.strongest.contains(m))
            .count();
        let queries = truth.queries() as f64;
        let curve: Vec<CurvePoint> = points.iter().map(CurvePoint::from).collect();
        let predicted_cost = scores.cost.view();
        let reaches = |&at: &usize| curve[at].quality >= best_single.quality;
        let cheapest = |a: &usize, b: &usize| curve[*a].cost.total_cmp(&curve[*b].cost);
        let qnc = (0..curve.len()).filter(reaches).min_by(cheapest);
        Whole {
            rci_at_qnc: qnc.map(|at| self.rci_at(at)),
            truth,
            scores,
            means: Means {
                front: curve::pareto_front(&curve),
                curve,
                interval: self.interval,
                best_single,
                rci: Rci::of(&collapse::verdicts(&truth, &choices, &self.strongest)),
                strongest: called as f64 / queries,
                regret: collapse::regrets(&truth, &choices).iter().sum::<f64>() / queries,
            },
            call_rates: collapse::call_rates(&choices, truth.models()),
            real_margins: margin::margins(truth.quality, predicted_cost, limit),
            predicted_margins: margin::margins(scores.quality.view(), predicted_cost, limit),
            margin_threshold: self.options.margin_threshold,
            two_model: TwoModel::of(&truth, scores),
            choices,
        }
    }

    /// The routing collapse index at the budget at `position` of the router's own.
    fn rci_at(&self, position: usize) -> Rci {
        let choices = self.own().at(position);
        Rci::of(&collapse::verdicts(&self.truth, &choices, &self.strongest))
    }

    /// The point that is worth most at a price.
    fn at_price(&self, points: &[Point], price: f64) -> AtPrice {
        let worth = |at: usize| points[at].quality - price * points[at].cost;
        let order = |&a: &usize, &b: &usize| {
            (worth(a).total_cmp(&worth(b)))
                .then_with(|| points[b].cost.total_cmp(&points[a].cost))
                .then(b.cmp(&a))
        };
        let best = (0..points.len()).max_by(order).unwrap_or_default();
        AtPrice {
            price,
            point: points[best].clone(),
            rci: self.rci_at(best),
        }
    }

    /// All results. `O(N M² + N M log K + K M)`, with the sweep.
    pub fn evaluate(&self) -> Evaluation {
        let points = self.points();
        let (best_single_model, best_single) = best_single(&self.exact);
        let whole = self.whole_of(&points, best_single);
        let value = |metric: &Metric| {
            let value = metric.of(&whole).filter(|value| value.is_finite());
            (metric.name.to_owned(), value)
        };
        let prices = self.options.rci_prices.iter();
        Evaluation {
            at_prices: prices.map(|&price| self.at_price(&points, price)).collect(),
            points,
            grid_points: self.grid_points(),
            shared_interval: self.interval,
            best_single_model,
            best_single_quality: best_single.quality,
            best_single_cost: best_single.cost,
            strongest: self.strongest.clone(),
            metrics: METRICS.iter().map(value).collect(),
            pareto: whole.means.front,
            choices: whole.choices,
            call_rates: whole.call_rates,
            real_margins: whole.real_margins,
            predicted_margins: whole.predicted_margins,
            two_model: whole.two_model,
        }
    }
}

fn best_single(exact: &ExactTruth) -> (usize, CurvePoint) {
    let model = first_largest(&exact.total_qualities());
    let (cost, quality) = exact.mean_of(std::iter::repeat_n(model, exact.queries()));
    (model, CurvePoint { cost, quality })
}
