//! The metrics, in one table: files, tables, pages, figures, searches, the bootstrap and the documentation follow it.

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
    /// The routing collapse index at the budget of the sweep where the best single model's quality is reached at the least real cost;
    /// the smallest such budget. `None` where it is never reached.
    pub rci_at_qnc: Option<Rci>,
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

    /// Those of them that are always finite, so that they can be drawn and subtracted.
    pub fn drawn() -> impl Iterator<Item = &'static Self> {
        Self::everywhere().filter(|metric| metric.range != Range::Infinite)
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

/// What entries of the table have in common; they give the rest.
const NUMBER: Metric = Metric {
    name: "",
    heading: "",
    latex: None,
    meaning: "",
    digits: 4,
    percent: false,
    better: Better::Neither,
    range: Range::Finite,
    shown: Shown::Files,
    value: Value::Whole(|_| None),
};
const HIGHER: Metric = Metric {
    better: Better::Higher,
    ..NUMBER
};
const LOWER: Metric = Metric {
    better: Better::Lower,
    ..NUMBER
};
const HIGHER_SHARE: Metric = Metric {
    range: Range::Share,
    ..HIGHER
};
const LOWER_SHARE: Metric = Metric {
    range: Range::Share,
    ..LOWER
};

/// All metrics, in the order of files.
pub const METRICS: &[Metric] = &[
    Metric {
        name: "nauc_shared",
        heading: "nAUC (shared)",
        latex: Some(r"nAUC$_\text{shared}$"),
        meaning: "area under the front of quality over cost, on one interval of costs for all routers",
        shown: Shown::Everywhere,
        value: Value::Means(|means| curve::nauc_shared(&means.curve, &means.interval)),
        ..HIGHER_SHARE
    },
    Metric {
        name: "nauc_legacy",
        heading: "nAUC (legacy)",
        latex: Some(r"nAUC$_\text{legacy}$"),
        meaning: "the same by ORBIT's older convention",
        shown: Shown::Convention,
        value: Value::Means(|means| curve::nauc_legacy(&means.curve, means.best_single.cost)),
        ..HIGHER_SHARE
    },
    Metric {
        name: "nauc_own_range",
        heading: "nAUC (own range)",
        latex: Some(r"nAUC$_\text{own}$"),
        meaning: "the same over the router's own range of costs",
        shown: Shown::Convention,
        value: Value::Means(|means| curve::nauc_own_range(&means.front)),
        ..HIGHER_SHARE
    },
    Metric {
        name: "aiq",
        heading: "aiq",
        meaning: "mean height of the convex hull of quality over cost, on the shared interval (RouterBench)",
        value: Value::Means(|means| curve::aiq(&means.curve, &means.interval)),
        ..HIGHER_SHARE
    },
    Metric {
        name: "peak",
        heading: "P_s",
        latex: Some("$P_s$"),
        meaning: "peak score: the largest mean quality at any budget",
        shown: Shown::Everywhere,
        value: Value::Means(|means| curve::peak(&means.front)),
        ..HIGHER_SHARE
    },
    Metric {
        name: "qnc",
        heading: "QNC",
        meaning: "cost at which the best single model's quality is reached, as a share of that model's cost; ∞ if never",
        digits: 3,
        range: Range::Infinite,
        shown: Shown::Everywhere,
        value: Value::Means(|means| {
            curve::qnc(&means.front, means.best_single).unwrap_or(f64::INFINITY)
        }),
        ..LOWER
    },
    Metric {
        name: "quality",
        heading: "quality",
        meaning: "mean quality at the largest budget",
        value: Value::Means(|means| means.last().quality),
        ..HIGHER_SHARE
    },
    Metric {
        name: "cost",
        heading: "cost",
        meaning: "mean cost at the largest budget",
        value: Value::Means(|means| means.last().cost),
        ..LOWER
    },
    Metric {
        name: "rci",
        heading: "RCI",
        meaning: "routing collapse index at the largest budget: wasteful plus wrong choices",
        digits: 3,
        shown: Shown::Everywhere,
        value: Value::Means(|means| means.rci.rci),
        ..LOWER_SHARE
    },
    Metric {
        name: "rci_wasteful",
        heading: "wasteful",
        meaning: "share sent to the strongest model although another was as good",
        digits: 3,
        shown: Shown::Tables,
        value: Value::Means(|means| means.rci.wasteful),
        ..LOWER_SHARE
    },
    Metric {
        name: "rci_wrong",
        heading: "wrong",
        meaning: "share sent to a model that is not among the best",
        digits: 3,
        shown: Shown::Tables,
        value: Value::Means(|means| means.rci.wrong),
        ..LOWER_SHARE
    },
    Metric {
        name: "strongest_call_rate",
        heading: "strongest called",
        meaning: "share sent to the strongest model at the largest budget",
        digits: 1,
        percent: true,
        shown: Shown::Everywhere,
        value: Value::Means(|means| means.strongest),
        ..LOWER_SHARE
    },
    Metric {
        name: "regret",
        heading: "regret",
        meaning: "mean quality given away by the choice at the largest budget",
        shown: Shown::Tables,
        value: Value::Means(|means| means.regret),
        ..LOWER_SHARE
    },
    Metric {
        name: "perf_gain",
        heading: "PerfGain",
        meaning: "peak score over the best single model's quality, less 1 (LLMRouterBench)",
        value: Value::Whole(|whole| {
            let means = &whole.means;
            curve::perf_gain(curve::peak(&means.front), means.best_single.quality)
        }),
        ..HIGHER
    },
    Metric {
        name: "cost_save",
        heading: "CostSave",
        meaning: "1 less QNC, undefined if that is infinite (LLMRouterBench)",
        value: Value::Whole(|whole| {
            let means = &whole.means;
            curve::cost_save(curve::qnc(&means.front, means.best_single))
        }),
        ..HIGHER
    },
    Metric {
        name: "pareto_dist",
        heading: "ParetoDist",
        meaning: "mean distance of the sweep's points to the front of all routers, both axes scaled to [0, 1] (LLMRouterBench)",
        value: Value::Routers(curve::pareto_dist),
        ..LOWER
    },
    Metric {
        name: "entropy",
        heading: "entropy",
        meaning: "entropy of the call rates at the largest budget, in nats",
        value: Value::Whole(|whole| Some(collapse::entropy(&whole.call_rates))),
        ..NUMBER
    },
    Metric {
        name: "effective_models",
        heading: "models in use",
        meaning: "exponential of the entropy of the call rates at the largest budget",
        digits: 2,
        shown: Shown::Page,
        value: Value::Whole(|whole| Some(collapse::effective_models(&whole.call_rates))),
        ..NUMBER
    },
    Metric {
        name: "pair_accuracy",
        heading: "pair accuracy",
        meaning: "share of pairs of models of different quality that are predicted in the right order, at no budget",
        value: Value::Whole(|whole| {
            ranking::pair_accuracy(whole.truth.quality, whole.scores.quality.view())
        }),
        ..HIGHER_SHARE
    },
    Metric {
        name: "kendall_tau_b",
        heading: "Kendall τ-b",
        meaning: "mean rank correlation of predicted and real quality, at no budget",
        value: Value::Whole(|whole| {
            ranking::kendall(whole.truth.quality, whole.scores.quality.view())
        }),
        ..HIGHER
    },
    Metric {
        name: "ndcg",
        heading: "NDCG",
        meaning: "mean normalised discounted cumulative gain of the models in the order of predicted quality, at no budget",
        value: Value::Whole(|whole| {
            ranking::ndcg(whole.truth.quality, whole.scores.quality.view())
        }),
        ..HIGHER_SHARE
    },
    Metric {
        name: "flip_share",
        heading: "flips",
        meaning: "share of queries whose largest prediction is on a model that is not truly best, at no budget",
        value: Value::Whole(|whole| {
            let (predicted, cost) = (whole.scores.quality.view(), whole.scores.cost.view());
            Some(ranking::flip_share(whole.truth.quality, predicted, cost))
        }),
        ..LOWER_SHARE
    },
    Metric {
        name: "rmse",
        heading: "RMSE",
        meaning: "root mean squared error of predicted quality",
        value: Value::Whole(|whole| {
            Some(ranking::rmse(
                whole.truth.quality,
                whole.scores.quality.view(),
            ))
        }),
        ..LOWER
    },
    Metric {
        name: "real_margin_share",
        heading: "small real margins",
        meaning: "share of queries whose best model is at most the threshold above the second best, among affordable ones",
        range: Range::Share,
        value: Value::Whole(|whole| {
            margin::share_within(&whole.real_margins, whole.margin_threshold)
        }),
        ..NUMBER
    },
    Metric {
        name: "predicted_margin_share",
        heading: "small predicted margins",
        meaning: "the same of predicted qualities",
        range: Range::Share,
        value: Value::Whole(|whole| {
            margin::share_within(&whole.predicted_margins, whole.margin_threshold)
        }),
        ..NUMBER
    },
    Metric {
        name: "apgr",
        heading: "APGR",
        meaning: "mean share of the gap between two models that is recovered, over all shares of calls to the strong one (RouteLLM)",
        value: Value::TwoModels(|two| two.apgr),
        ..HIGHER
    },
    Metric {
        name: "cpt_50",
        heading: "CPT(50 %)",
        meaning: "smallest share of calls to the strong of two models that recovers half of the gap (RouteLLM)",
        value: Value::TwoModels(|two| two.cpt_50),
        ..LOWER
    },
    Metric {
        name: "cpt_80",
        heading: "CPT(80 %)",
        meaning: "the same for four fifths of the gap",
        value: Value::TwoModels(|two| two.cpt_80),
        ..LOWER
    },
    Metric {
        name: "rci_at_qnc",
        heading: "RCI at QNC",
        meaning: "routing collapse index at the budget where QNC is read: the cheapest that reaches the best single model's quality; undefined if none does",
        digits: 3,
        value: Value::Whole(|whole| whole.rci_at_qnc.map(|rci| rci.rci)),
        ..LOWER_SHARE
    },
];
