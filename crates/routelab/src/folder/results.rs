//! `results.json`: the numbers of a finished run, for whoever reads the run's folder.

use routelab_plot::Role;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

/// The version of the file. Another one is refused, with the version of the program that wrote it.
pub const SCHEMA: u32 = 1;

/// What of the file can be read whatever its version.
#[derive(Deserialize)]
pub(super) struct Written {
    /// The version of the file.
    #[serde(default)]
    pub schema: Value,
    /// The version of the program.
    pub routelab: Option<String>,
}

/// A number that may be infinite, which JSON has no word for: then it is a text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Number(pub f64);

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            f64::INFINITY => serializer.serialize_str("infinity"),
            f64::NEG_INFINITY => serializer.serialize_str("-infinity"),
            value => serializer.serialize_f64(value),
        }
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Either {
            Number(f64),
            Text(String),
        }
        match Either::deserialize(deserializer)? {
            Either::Number(value) => Ok(Self(value)),
            Either::Text(text) => text.parse().map(Self).map_err(serde::de::Error::custom),
        }
    }
}

/// The numbers of a run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RunResults {
    /// The version of the file.
    pub schema: u32,
    /// The version of the program that wrote it.
    pub routelab: String,
    /// Heading of the report.
    pub title: String,
    /// The models' names.
    pub models: Vec<String>,
    /// Their names in figures.
    pub names: Vec<String>,
    /// Mean cost and quality of every model over the test rows of all seeds.
    pub single_models: Vec<(Number, f64)>,
    /// Unit of costs and budgets.
    pub cost_unit: String,
    /// The assumption behind the costs, if they were not recorded.
    pub cost_assumption: Option<String>,
    /// Which models count as strongest, in words.
    pub strongest: String,
    /// The router that the others are compared with.
    pub reference: Option<String>,
    /// The budgets shared by all routers, ascending.
    pub budgets: Vec<f64>,
    /// Margins up to this are called small.
    pub margin_threshold: f64,
    /// Real margins, and the share of queries with at most that margin.
    pub real_margins: Vec<(f64, f64)>,
    /// The names of the metrics, in the order of every list of them.
    pub metrics: Vec<String>,
    /// In the order of the experiment.
    pub routers: Vec<RouterRecord>,
    /// The reference against every other router.
    pub comparisons: Vec<ComparisonRecord>,
    /// Every router on every task, at the largest budget.
    pub tasks: Vec<TaskRecord>,
    /// The figures that were drawn, in the order of the page.
    pub figures: Vec<FigureRecord>,
}

/// One router.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RouterRecord {
    /// Its name.
    pub label: String,
    /// Its kind in the experiment file.
    pub kind: String,
    /// How it is drawn.
    pub role: Role,
    /// The metrics over the seeds; null where one is undefined on a seed.
    pub summary: Vec<Option<SummaryRecord>>,
    /// Seeds on which it worked.
    pub seeds: Vec<SeedRecord>,
    /// Seeds on which it failed, and why.
    pub failures: Vec<(u64, String)>,
    /// As [`RunResults::real_margins`], predicted; empty for those whose margins are not drawn.
    pub margins: Vec<(f64, f64)>,
}

/// A metric over the seeds.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct SummaryRecord {
    /// Mean; infinite if it is on any seed.
    pub mean: Number,
    /// The 95 % interval; null with one seed or without a finite mean.
    pub interval: Option<(Number, Number)>,
}

/// A router on one seed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SeedRecord {
    /// The seed.
    pub seed: u64,
    /// The metrics; null where one is undefined.
    pub metrics: Vec<Option<Number>>,
    /// The columns of the strongest models.
    pub strongest: Vec<usize>,
    /// Mean cost at every shared budget.
    pub cost: Vec<Number>,
    /// Mean quality at every shared budget.
    pub quality: Vec<f64>,
    /// Call rates `[budgets][models]`.
    pub call_rates: Vec<Vec<f64>>,
}

/// The reference less another router on one metric.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ComparisonRecord {
    /// The other router.
    pub router: String,
    /// The metric's name.
    pub metric: String,
    /// The difference.
    pub difference: Number,
    /// Its 95 % interval: paired bootstrap over queries.
    pub interval: (Number, Number),
    /// Two-sided p of "no difference".
    pub p: f64,
    /// The same, corrected by Holm for the routers.
    pub p_holm: f64,
}

/// A router on one task, over the splits that test it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TaskRecord {
    /// The router.
    pub router: String,
    /// The task.
    pub task: String,
    /// Test queries, over all splits.
    pub queries: usize,
    /// Mean quality.
    pub quality: f64,
    /// Its 95 % interval over the splits.
    pub interval: Option<(f64, f64)>,
    /// Mean cost.
    pub cost: Number,
    /// Call rate of every model.
    pub call_rates: Vec<f64>,
}

/// A figure that lies in `figures/`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FigureRecord {
    /// The name of its files.
    pub stem: String,
    /// Heading.
    pub title: String,
    /// A short heading.
    pub short: String,
    /// What it shows.
    pub explanation: String,
    /// Whether the report's scripts draw it themselves.
    pub interactive: bool,
}

impl RunResults {
    /// The routers that worked on at least one seed.
    pub fn working(&self) -> impl Iterator<Item = &RouterRecord> {
        self.routers
            .iter()
            .filter(|router| !router.seeds.is_empty())
    }

    /// A metric of a router over the seeds; `None` if it is undefined.
    pub fn summary(&self, router: &RouterRecord, metric: &str) -> Option<SummaryRecord> {
        let at = self.metrics.iter().position(|name| name == metric)?;
        *router.summary.get(at)?
    }

    /// The strongest models by name: those of the first seed of a router that worked.
    pub fn strongest_models(&self) -> Vec<&str> {
        let seed = self.working().find_map(|router| router.seeds.first());
        seed.map_or(Vec::new(), |seed| {
            let names = seed.strongest.iter();
            names.map(|&model| self.models[model].as_str()).collect()
        })
    }
}

impl RouterRecord {
    /// Whether it was fitted to choose well, in contrast to oracles and baselines.
    pub fn is_learned(&self) -> bool {
        !self.seeds.is_empty() && matches!(self.role, Role::Router | Role::Highlight)
    }
}
