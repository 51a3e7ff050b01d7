//! The metrics, in one table: files, tables, pages, figures, searches, the bootstrap and the documentation follow it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::collapse::{self, Rci};
use crate::two_model::TwoModel;
use crate::{CurvePoint, Scores, SharedInterval, Truth, curve, margin, ranking};

/// A number per router and test set.
#[derive(Debug, Clone, Copy)]
pub struct Metric {
    /// Its name in files and settings; no other metric has it.
    pub name: &'static str,
    /// Heading of its column, without an arrow.
    pub heading: &'static str,
    /// The same in LaTeX, where it is written in another way.
    pub latex: Option<&'static str>,
    /// What it says, for a reader who sees it for the first time.
    pub meaning: &'static str,
    /// Digits after the point on a page.
    pub digits: usize,
    /// Whether it is a share that is written as per cent.
    pub percent: bool,
    /// Which of two values is the better one.
    pub better: Better,
    /// What values it can have.
    pub range: Range,
    /// Where it is shown.
    pub shown: Shown,
    /// How it is computed.
    pub value: Value,
}

/// Which of two values of a metric is the better one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Better {
    /// The higher one.
    Higher,
    /// The lower one. Costs and shares of calls to the strongest model count as better when lower.
    Lower,
    /// Neither.
    Neither,
}

/// What values a metric can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Range {
    /// In [0, 1], so that no interval leaves it.
    Share,
    /// Any finite number.
    Finite,
    /// Infinite where something is never reached, which is null in JSON.
    Infinite,
}

/// Where a metric is shown, in the order of the columns of a run's page. Every metric is in the files for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Shown {
    /// Wherever metrics are.
    Everywhere,
    /// In the tables and on the page of a run.
    Tables,
    /// On the page of a run.
    Page,
    /// In the tables and on the page of a run: another convention of what is shown everywhere.
    Convention,
    /// In the files only.
    Files,
}

/// How a metric is computed.
#[derive(Debug, Clone, Copy)]
pub enum Value {
    /// From means over the queries, which may count several times: it has bootstrap intervals and paired comparisons.
    Means(fn(&Means) -> f64),
    /// From everything about one router; `None` where it is undefined.
    Whole(fn(&Whole) -> Option<f64>),
    /// From the curves of all routers of a test set, for each of them; see [`crate::among`].
    Routers(fn(&[Vec<CurvePoint>]) -> Vec<Option<f64>>),
    /// From a pool of two models.
    TwoModels(fn(&TwoModel) -> f64),
}

/// What a router comes to on queries of which each counts a number of times.
#[derive(Debug, Clone)]
pub struct Means {
    /// The sweep: mean real cost and quality at every budget, in the order of budgets; not empty.
    pub curve: Vec<CurvePoint>,
    /// Its Pareto front.
    pub front: Vec<CurvePoint>,
    /// The interval of costs that all routers share.
    pub interval: SharedInterval,
    /// The model with the largest mean real quality.
    pub best_single: CurvePoint,
    /// The routing collapse index at the largest budget.
    pub rci: Rci,
    /// Share of calls to the strongest models at the largest budget.
    pub strongest: f64,
    /// Mean top-1 regret at the largest budget.
    pub regret: f64,
}

impl Means {
    /// The largest budget.
    fn last(&self) -> CurvePoint {
        self.curve[self.curve.len() - 1]
    }
}

/// Everything about one router on `N` queries and `M` models.
pub struct Whole<'a> {
    /// What really happened.
    pub truth: Truth<'a>,
    /// What the router predicted.
    pub scores: &'a Scores,
    /// Means over all queries, each counted once.
    pub means: Means,
    /// `N` chosen models at the largest budget.
    pub choices: Vec<usize>,
    /// Share of the queries sent to each of the `M` models at the largest budget.
    pub call_rates: Vec<f64>,
    /// Real margins of the queries with at least two feasible models, in the order of the queries.
    pub real_margins: Vec<f64>,
    /// Predicted margins of the same queries.
    pub predicted_margins: Vec<f64>,
    /// Margins up to this count as small.
    pub margin_threshold: f64,
    /// RouteLLM's metrics, for pools of two models of different mean quality.
    pub two_model: Option<TwoModel>,
}

impl Metric {
    /// A finite number with four digits that is in the files only and has no better end.
    pub const fn new(
        name: &'static str,
        heading: &'static str,
        meaning: &'static str,
        value: Value,
    ) -> Self {
        Self {
            name,
            heading,
            latex: None,
            meaning,
            digits: 4,
            percent: false,
            better: Better::Neither,
            range: Range::Finite,
            shown: Shown::Files,
            value,
        }
    }

    /// The metric with this name.
    pub fn named(name: &str) -> Option<&'static Self> {
        METRICS.iter().find(|metric| metric.name == name)
    }

    /// The metric with a name that stands in the program.
    ///
    /// # Panics
    /// If there is none: when a constant is compiled, so that no run meets it.
    pub const fn known(name: &str) -> &'static Self {
        let mut at = 0;
        while at < METRICS.len() {
            if same(METRICS[at].name, name) {
                return &METRICS[at];
            }
            at += 1;
        }
        panic!("no metric has this name")
    }

    /// Those that are shown everywhere, in order.
    pub fn everywhere() -> impl Iterator<Item = &'static Self> {
        (METRICS.iter()).filter(|metric| metric.shown == Shown::Everywhere)
    }

    /// Those with bootstrap intervals and paired comparisons, in order. They are always defined, and one value is better.
    pub fn resampled() -> impl Iterator<Item = &'static Self> {
        METRICS.iter().filter(|metric| metric.is_resampled())
    }

    /// Whether it has bootstrap intervals and paired comparisons.
    pub const fn is_resampled(&self) -> bool {
        matches!(self.value, Value::Means(_))
    }

    /// Whether it is about one router and a pool of any size.
    pub const fn is_of_router(&self) -> bool {
        matches!(self.value, Value::Means(_) | Value::Whole(_))
    }

    /// Whether it is about pools of two models only.
    pub const fn is_of_two_models(&self) -> bool {
        matches!(self.value, Value::TwoModels(_))
    }

    /// The metric of a router; `None` where it is undefined or says something about several routers.
    pub fn of(&self, whole: &Whole) -> Option<f64> {
        match self.value {
            Value::Means(value) => Some(value(&whole.means)),
            Value::Whole(value) => value(whole),
            Value::Routers(_) => None,
            Value::TwoModels(value) => whole.two_model.as_ref().map(value),
        }
    }

    /// The heading with an arrow towards better values.
    pub fn titled(&self) -> String {
        format!("{}{}", self.heading, self.arrow([" ↑", " ↓"]))
    }

    /// The same in LaTeX.
    pub fn latex(&self) -> String {
        let arrow = self.arrow([r" $\uparrow$", r" $\downarrow$"]);
        format!("{}{arrow}", self.latex.unwrap_or(self.heading))
    }

    fn arrow(&self, [up, down]: [&'static str; 2]) -> &'static str {
        match self.better {
            Better::Higher => up,
            Better::Lower => down,
            Better::Neither => "",
        }
    }
}

/// Names tell metrics apart.
impl PartialEq for Metric {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

const fn same(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let mut at = 0;
    while at < a.len() && at < b.len() && a[at] == b[at] {
        at += 1;
    }
    at == a.len() && at == b.len()
}

/// All metrics, in the order of files.
pub const METRICS: &[Metric] = &[
    Metric {
        latex: Some(r"nAUC$_\text{shared}$"),
        better: Better::Higher,
        range: Range::Share,
        shown: Shown::Everywhere,
        ..Metric::new(
            "nauc_shared",
            "nAUC (shared)",
            "area under the front of quality over cost, on one interval of costs for all routers",
            Value::Means(|means| curve::nauc_shared(&means.curve, &means.interval)),
        )
    },
    Metric {
        latex: Some(r"nAUC$_\text{legacy}$"),
        better: Better::Higher,
        range: Range::Share,
        shown: Shown::Convention,
        ..Metric::new(
            "nauc_legacy",
            "nAUC (legacy)",
            "the same by ORBIT's older convention",
            Value::Means(|means| curve::nauc_legacy(&means.curve, means.best_single.cost)),
        )
    },
    Metric {
        latex: Some(r"nAUC$_\text{own}$"),
        better: Better::Higher,
        range: Range::Share,
        shown: Shown::Convention,
        ..Metric::new(
            "nauc_own_range",
            "nAUC (own range)",
            "the same over the router's own range of costs",
            Value::Means(|means| curve::nauc_own_range(&means.front)),
        )
    },
    Metric {
        better: Better::Higher,
        range: Range::Share,
        ..Metric::new(
            "aiq",
            "aiq",
            "mean height of the convex hull of quality over cost, on the shared interval (RouterBench)",
            Value::Means(|means| curve::aiq(&means.curve, &means.interval)),
        )
    },
    Metric {
        latex: Some("$P_s$"),
        better: Better::Higher,
        range: Range::Share,
        shown: Shown::Everywhere,
        ..Metric::new(
            "peak",
            "P_s",
            "peak score: the largest mean quality at any budget",
            Value::Means(|means| curve::peak(&means.front)),
        )
    },
    Metric {
        digits: 3,
        better: Better::Lower,
        range: Range::Infinite,
        shown: Shown::Everywhere,
        ..Metric::new(
            "qnc",
            "QNC",
            "cost at which the best single model's quality is reached, as a share of that model's cost; ∞ if never",
            Value::Means(|means| {
                curve::qnc(&means.front, means.best_single).unwrap_or(f64::INFINITY)
            }),
        )
    },
    Metric {
        better: Better::Higher,
        range: Range::Share,
        ..Metric::new(
            "quality",
            "quality",
            "mean quality at the largest budget",
            Value::Means(|means| means.last().quality),
        )
    },
    Metric {
        better: Better::Lower,
        ..Metric::new(
            "cost",
            "cost",
            "mean cost at the largest budget",
            Value::Means(|means| means.last().cost),
        )
    },
    Metric {
        digits: 3,
        better: Better::Lower,
        range: Range::Share,
        shown: Shown::Everywhere,
        ..Metric::new(
            "rci",
            "RCI",
            "routing collapse index at the largest budget: wasteful plus wrong choices",
            Value::Means(|means| means.rci.rci),
        )
    },
    Metric {
        digits: 3,
        better: Better::Lower,
        range: Range::Share,
        shown: Shown::Tables,
        ..Metric::new(
            "rci_wasteful",
            "wasteful",
            "share sent to the strongest model although another was as good",
            Value::Means(|means| means.rci.wasteful),
        )
    },
    Metric {
        digits: 3,
        better: Better::Lower,
        range: Range::Share,
        shown: Shown::Tables,
        ..Metric::new(
            "rci_wrong",
            "wrong",
            "share sent to a model that is not among the best",
            Value::Means(|means| means.rci.wrong),
        )
    },
    Metric {
        digits: 1,
        percent: true,
        better: Better::Lower,
        range: Range::Share,
        shown: Shown::Everywhere,
        ..Metric::new(
            "strongest_call_rate",
            "strongest called",
            "share sent to the strongest model at the largest budget",
            Value::Means(|means| means.strongest),
        )
    },
    Metric {
        better: Better::Lower,
        range: Range::Share,
        shown: Shown::Tables,
        ..Metric::new(
            "regret",
            "regret",
            "mean quality given away by the choice at the largest budget",
            Value::Means(|means| means.regret),
        )
    },
    Metric {
        better: Better::Higher,
        ..Metric::new(
            "perf_gain",
            "PerfGain",
            "peak score over the best single model's quality, less 1 (LLMRouterBench)",
            Value::Whole(|whole| {
                let means = &whole.means;
                curve::perf_gain(curve::peak(&means.front), means.best_single.quality)
            }),
        )
    },
    Metric {
        better: Better::Higher,
        ..Metric::new(
            "cost_save",
            "CostSave",
            "1 less QNC, undefined if that is infinite (LLMRouterBench)",
            Value::Whole(|whole| {
                let means = &whole.means;
                curve::cost_save(curve::qnc(&means.front, means.best_single))
            }),
        )
    },
    Metric {
        better: Better::Lower,
        ..Metric::new(
            "pareto_dist",
            "ParetoDist",
            "mean distance of the sweep's points to the front of all routers, both axes scaled to [0, 1] (LLMRouterBench)",
            Value::Routers(curve::pareto_dist),
        )
    },
    Metric::new(
        "entropy",
        "entropy",
        "entropy of the call rates at the largest budget, in nats",
        Value::Whole(|whole| Some(collapse::entropy(&whole.call_rates))),
    ),
    Metric {
        digits: 2,
        shown: Shown::Page,
        ..Metric::new(
            "effective_models",
            "models in use",
            "exponential of the entropy of the call rates at the largest budget",
            Value::Whole(|whole| Some(collapse::effective_models(&whole.call_rates))),
        )
    },
    Metric {
        better: Better::Higher,
        range: Range::Share,
        ..Metric::new(
            "pair_accuracy",
            "pair accuracy",
            "share of pairs of models of different quality that are predicted in the right order, at no budget",
            Value::Whole(|whole| {
                ranking::pair_accuracy(whole.truth.quality, whole.scores.quality.view())
            }),
        )
    },
    Metric {
        better: Better::Higher,
        ..Metric::new(
            "kendall_tau_b",
            "Kendall τ-b",
            "mean rank correlation of predicted and real quality, at no budget",
            Value::Whole(|whole| {
                ranking::kendall(whole.truth.quality, whole.scores.quality.view())
            }),
        )
    },
    Metric {
        better: Better::Higher,
        range: Range::Share,
        ..Metric::new(
            "ndcg",
            "NDCG",
            "mean normalised discounted cumulative gain of the models in the order of predicted quality, at no budget",
            Value::Whole(|whole| ranking::ndcg(whole.truth.quality, whole.scores.quality.view())),
        )
    },
    Metric {
        better: Better::Lower,
        range: Range::Share,
        ..Metric::new(
            "flip_share",
            "flips",
            "share of queries whose largest prediction is on a model that is not truly best, at no budget",
            Value::Whole(|whole| {
                let (predicted, cost) = (whole.scores.quality.view(), whole.scores.cost.view());
                Some(ranking::flip_share(whole.truth.quality, predicted, cost))
            }),
        )
    },
    Metric {
        better: Better::Lower,
        ..Metric::new(
            "rmse",
            "RMSE",
            "root mean squared error of predicted quality",
            Value::Whole(|whole| {
                Some(ranking::rmse(
                    whole.truth.quality,
                    whole.scores.quality.view(),
                ))
            }),
        )
    },
    Metric {
        range: Range::Share,
        ..Metric::new(
            "real_margin_share",
            "small real margins",
            "share of queries whose best model is at most the threshold above the second best, among affordable ones",
            Value::Whole(|whole| margin::share_within(&whole.real_margins, whole.margin_threshold)),
        )
    },
    Metric {
        range: Range::Share,
        ..Metric::new(
            "predicted_margin_share",
            "small predicted margins",
            "the same of predicted qualities",
            Value::Whole(|whole| {
                margin::share_within(&whole.predicted_margins, whole.margin_threshold)
            }),
        )
    },
    Metric {
        better: Better::Higher,
        ..Metric::new(
            "apgr",
            "APGR",
            "mean share of the gap between two models that is recovered, over all shares of calls to the strong one (RouteLLM)",
            Value::TwoModels(|two| two.apgr),
        )
    },
    Metric {
        better: Better::Lower,
        ..Metric::new(
            "cpt_50",
            "CPT(50 %)",
            "smallest share of calls to the strong of two models that recovers half of the gap (RouteLLM)",
            Value::TwoModels(|two| two.cpt_50),
        )
    },
    Metric {
        better: Better::Lower,
        ..Metric::new(
            "cpt_80",
            "CPT(80 %)",
            "the same for four fifths of the gap",
            Value::TwoModels(|two| two.cpt_80),
        )
    },
];

/// A value for each of [`METRICS`]; `None` where it is undefined.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(
    from = "BTreeMap<String, Option<f64>>",
    into = "BTreeMap<String, Option<f64>>"
)]
pub(crate) struct Values(Vec<Option<f64>>);

impl Values {
    pub fn of(whole: &Whole) -> Self {
        Self(METRICS.iter().map(|metric| metric.of(whole)).collect())
    }

    /// The value of a metric; `None` as well if it is none of [`METRICS`].
    pub fn get(&self, metric: &Metric) -> Option<f64> {
        self.0[METRICS.iter().position(|other| other == metric)?]
    }

    /// Replaces the value of the metric at a position in [`METRICS`].
    pub fn set(&mut self, at: usize, value: Option<f64>) {
        self.0[at] = value;
    }
}

impl From<BTreeMap<String, Option<f64>>> for Values {
    fn from(named: BTreeMap<String, Option<f64>>) -> Self {
        let value = |metric: &Metric| {
            let unreachable = (metric.range == Range::Infinite).then_some(f64::INFINITY);
            named.get(metric.name).copied().flatten().or(unreachable)
        };
        Self(METRICS.iter().map(value).collect())
    }
}

impl From<Values> for BTreeMap<String, Option<f64>> {
    fn from(values: Values) -> Self {
        let names = METRICS.iter().map(|metric| metric.name.to_owned());
        names.zip(values.0).collect()
    }
}
