//! The routers that the field compares, behind one trait.
//!
//! A [`Router`] is a description with its settings; [`Router::fit`] sees training rows only and gives a
//! [`FittedRouter`], which predicts the quality and the cost of every candidate model on unseen queries. What is chosen
//! under a budget follows from the predictions alone (`routelab_eval::choose`), by the [`FittedRouter::decision`] that nearly
//! all routers share.
//!
//! One file per router. A [`Registry`] has them by their names in experiment files, and takes others.
//!
//! ```
//! use ndarray::array;
//! use routelab_data::{CostUnit, Embeddings, RoutingTable, RoutingTableParts};
//! use routelab_eval::Rule;
//! use routelab_heads::Backend;
//! use routelab_routers::{Context, CostConfig, Registry, SharedCost, TrainingSet};
//!
//! // Two models on three queries: the small one is right on the first two.
//! let names = |names: &[&str]| names.iter().map(|name| name.to_string()).collect::<Vec<_>>();
//! let table = RoutingTable::new(RoutingTableParts {
//!     name: "example".into(),
//!     models: names(&["small", "large"]),
//!     ids: names(&["a", "b", "c"]),
//!     prompts: names(&["1 + 1", "2 + 2", "prove it"]),
//!     tasks: names(&["sums", "sums", "proofs"]),
//!     images: Vec::new(),
//!     groups: None,
//!     quality: array![[1.0, 1.0], [1.0, 1.0], [0.0, 1.0]],
//!     cost: array![[0.1, 2.0], [0.1, 2.0], [0.1, 3.0]],
//!     cost_unit: CostUnit::recorded("US dollars"),
//! })?;
//! let embeddings = Embeddings::new(array![[1.0, 0.0], [0.9, 0.1], [0.0, 1.0]], "by hand")?;
//!
//! let registry = Registry::default();
//! let knn = registry.parse("knn", toml::toml! { k = 1 })?.router;
//! let (backend, cost) = (Backend::default(), SharedCost::new(CostConfig::default()));
//! let context = Context { seed: 1, backend: &backend, cost: &cost, prices: true, progress: &|_| {} };
//! let fitted = knn.fit(&TrainingSet::new(&embeddings, &table)?, &context)?;
//!
//! let queries = Embeddings::new(array![[0.95, 0.05], [0.1, 0.9]], "by hand")?;
//! let scores = fitted.predict(&queries)?;
//! assert_eq!(scores.quality, array![[1.0, 1.0], [0.0, 1.0]]);
//! assert_eq!(fitted.choose(&scores, f64::INFINITY, &Rule::default())?, [0, 1]);
//! assert_eq!(fitted.choose(&scores, 1.0, &Rule::default())?, [0, 0]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod archive;
pub mod avengers;
mod base;
mod built_in;
pub mod calibrated;
pub mod carrot;
pub mod cost;

pub mod decision;
pub mod eagle;
pub mod embedllm;
pub mod equirouter;
pub mod fixed;
pub mod gbt;
pub mod graphrouter;
mod held_out;
pub mod hybridllm;
pub mod irt;
mod kmeans;
pub mod knn;
pub mod linear;
pub mod linear_mf;
pub mod margin;
pub mod mlp;
mod nearest;
mod neural;
pub mod omnirouter;
pub mod prudent;
mod registry;
pub mod regret;
pub mod routellm_mf;
pub mod routellm_sw;
pub mod routerdc;
mod smo;
pub mod space;
pub mod svr;
pub mod uniroute;

use std::path::{Path, PathBuf};

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis};
use routelab_data::{Embeddings, RoutingTable};
use routelab_eval::{Decision, Prices, Rule, Scores};
use routelab_heads::{Backend, Examples, Fit, HeadError, History, Objective};

pub use archive::Archive;
pub use base::Base;
pub use cost::{CostConfig, SharedCost};
pub use registry::{Loader, ParsedRouter, Registry, RouterInfo};
pub use space::{SearchSpace, Values};

/// What a router may learn from: training rows only.
#[derive(Clone, Copy)]
pub struct TrainingSet<'a> {
    embeddings: &'a Embeddings,
    table: &'a RoutingTable,
}

impl<'a> TrainingSet<'a> {
    /// Joins embeddings and table, row by row.
    ///
    /// # Errors
    ///
    /// [`RouterError::Rows`] if the two have different numbers of rows.
    pub fn new(embeddings: &'a Embeddings, table: &'a RoutingTable) -> Result<Self, RouterError> {
        if embeddings.len() != table.len() {
            return Err(RouterError::Rows {
                embeddings: embeddings.len(),
                table: table.len(),
            });
        }
        Ok(Self { embeddings, table })
    }

    /// Embeddings `[queries, dimension]`.
    pub fn x(&self) -> ArrayView2<'a, f32> {
        self.embeddings.values()
    }

    /// Real quality `[queries, models]`, in [0, 1].
    pub fn quality(&self) -> ArrayView2<'a, f64> {
        self.table.quality()
    }

    /// Real cost `[queries, models]`, not negative.
    pub fn cost(&self) -> ArrayView2<'a, f64> {
        self.table.cost()
    }

    /// What was measured, `[queries, models]`; `None` where everything was. Quality and cost of the other cells are placeholders
    /// that nothing may depend on. Only routers that [take a mask](Router::takes_mask) are given one.
    pub fn measured(&self) -> Option<ArrayView2<'a, bool>> {
        self.table.measured()
    }

    /// The mask in single precision, 1 where a cell was measured.
    fn measured_f32(&self) -> Option<Array2<f32>> {
        (self.measured()).map(|measured| measured.mapv(|measured| f32::from(u8::from(measured))))
    }

    /// The outcomes in single precision.
    fn outcomes(&self) -> Outcomes {
        Outcomes {
            quality: to_f32(self.quality()),
            cost: to_f32(self.cost()),
            measured: self.measured_f32(),
        }
    }

    /// The number of candidate models.
    pub fn models(&self) -> usize {
        self.table.models().len()
    }

    /// The table itself, for routers that read prompts, tasks or model names.
    pub fn table(&self) -> &'a RoutingTable {
        self.table
    }
}

/// What the models scored and cost on the training queries, `[queries, models]` each, as networks read it.
struct Outcomes {
    quality: Array2<f32>,
    cost: Array2<f32>,
    /// 1 where a cell was measured, else 0.
    measured: Option<Array2<f32>>,
}

impl Outcomes {
    /// The examples with these embeddings, `[queries, dimension]`.
    fn examples<'a>(&'a self, x: ArrayView2<'a, f32>) -> Examples<'a> {
        Examples {
            x,
            quality: self.quality.view(),
            cost: self.cost.view(),
            measured: self.measured.as_ref().map(|measured| measured.view()),
        }
    }
}

/// Checks the objective of a router that asks for one; the error names both.
fn validate_objective(objective: Option<&Objective>) -> Result<(), String> {
    objective.map_or(Ok(()), |objective| {
        let named = |reason| format!("`objective`: {reason}");
        objective.validate().map_err(named)
    })
}

/// Where and how a fit runs.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// Seed of everything random in the fit.
    pub seed: u64,
    /// Where networks run and, if that is a graphics card, nearest neighbours are searched.
    pub backend: &'a Backend,
    /// The cost network that all routers without costs of their own share.
    pub cost: &'a SharedCost,
    /// Whether the router will decide on single queries. Prices of cost, which only that takes, are left out otherwise: they need
    /// fits of their own (see [`FittedRouter::prices`]). Predictions and evaluations are the same.
    pub prices: bool,
    /// Told the share of the fit that is done, in (0, 1].
    pub progress: &'a (dyn Fn(f64) + Sync),
}

impl<'a> Context<'a> {
    /// The settings of a network's fit.
    pub fn fit(&self) -> Fit<'a> {
        Fit {
            backend: self.backend,
            seed: self.seed,
            progress: self.progress,
        }
    }
}

/// A router with its settings, before it has seen data.
///
/// A [`Registry`] makes it from an experiment file: its fields are the settings there, through serde's `Serialize` and
/// `Deserialize`, with the values of its `Default` where they are left out.
pub trait Router: Send + Sync {
    /// The name in an experiment file, the same for all settings.
    fn kind(&self) -> &'static str;

    /// How it predicts, in a few words.
    fn description(&self) -> &'static str;

    /// Checks the ranges of the settings; the error names the setting and what was expected.
    fn validate(&self) -> Result<(), String> {
        Ok(())
    }

    /// The settings that are not written where they are not set.
    fn optional_settings(&self) -> &'static [&'static str] {
        &[]
    }

    /// Tells a router that is made of others where their kinds are looked up, before anything else is asked of it.
    fn resolve(&mut self, _: &Registry) {}

    /// Whether it can be fitted, with these settings, where some models were measured on some of the training queries only.
    fn takes_mask(&self) -> bool {
        false
    }

    /// The settings that a search may change. Empty: there is nothing to search.
    fn search_space(&self) -> SearchSpace {
        SearchSpace::new()
    }

    /// Fits the router. The same training set, settings, seed and backend give the same fitted router. One that takes no mask sees
    /// none, and none sees a model of which nothing was measured.
    ///
    /// # Errors
    ///
    /// [`RouterError::Settings`] for settings that [`validate`](Self::validate) refuses, those of
    /// [`Registry::check_mask`], a training that diverges, or data that this router cannot use.
    fn fit(&self, train: &TrainingSet, context: &Context) -> FitResult {
        let kind = self.kind();
        self.validate().map_err(|reason| RouterError::Settings {
            kind: kind.to_owned(),
            reason,
        })?;
        Registry::default().check_gaps(kind, self.takes_mask(), train.table())?;
        self.fit_checked(train, context)
    }

    /// Fits the router, given that its settings have been checked and that the training set is one it takes: the part of
    /// [`fit`](Self::fit) that each router writes.
    ///
    /// # Errors
    ///
    /// A training that diverges, or data that this router cannot use.
    fn fit_checked(&self, train: &TrainingSet, context: &Context) -> FitResult;

    /// The fitted router that [`FittedRouter::save`] put into an archive.
    ///
    /// # Errors
    ///
    /// An archive that is damaged.
    fn load(archive: &Archive, loader: &Loader) -> FitResult
    where
        Self: Sized;
}

/// A fitted router, or why there is none.
pub type FitResult = Result<Box<dyn FittedRouter>, RouterError>;

/// A router that can predict.
pub trait FittedRouter: Send + Sync {
    /// Predicts quality and cost `[queries, models]` of embeddings `[queries, dimension]`.
    ///
    /// # Errors
    ///
    /// Embeddings of another dimension than those it was fitted on.
    fn predict(&self, queries: &Embeddings) -> Result<Scores, RouterError>;

    /// What is chosen under a budget, given the predictions; the common decision for all but a few routers. The setting
    /// [`decision`](decision::KEY) of an experiment file takes its place.
    fn decision(&self) -> Decision {
        match self.prices() {
            Some(Prices::Curve(_)) => Decision::PRICE,
            Some(Prices::Capped { cap, .. }) => Decision::capped_price(*cap),
            None => Decision::default(),
        }
    }

    /// For [`Decision::TradeOff`], the price of every budget, found on the training queries; none if the fit was not asked for them.
    fn prices(&self) -> Option<&Prices> {
        None
    }

    /// The model for every query, each by itself, under a budget in the unit of the costs: what an evaluation chooses, where the
    /// budget limits every query, and what it chooses at the same price, where it limits their mean. The budget then is the mean
    /// over queries like those of the training, and its price comes from these.
    ///
    /// `scores`: what [`predict`](Self::predict) gave for the queries; of `rule` only the conventions count, the decision is the
    /// router's own.
    ///
    /// # Errors
    ///
    /// [`RouterError::Unpriced`].
    fn choose(&self, scores: &Scores, budget: f64, rule: &Rule) -> Result<Vec<usize>, RouterError> {
        let rule = Rule {
            decision: self.decision(),
            ..*rule
        };
        match rule.decision {
            Decision::WithinBudget { .. } => Ok(routelab_eval::choose(scores, budget, &rule)),
            Decision::TradeOff { .. } => {
                let prices = self.prices().ok_or(RouterError::Unpriced)?;
                let price = prices.price(budget);
                Ok(routelab_eval::choose_at(scores, budget, price, &rule))
            }
        }
    }

    /// How sure the router is of what it predicts of these queries; none for a router that cannot say.
    ///
    /// # Errors
    ///
    /// As [`predict`](Self::predict).
    fn outlook(&self, _: &Embeddings) -> Result<Option<Outlook>, RouterError> {
        Ok(None)
    }

    /// The training losses of the router's network, if it has one.
    fn history(&self) -> Option<&History> {
        None
    }

    /// Puts everything that [`Router::load`] needs into `archive`.
    ///
    /// # Errors
    ///
    /// Weights that cannot be encoded.
    fn save(&self, archive: &mut Archive) -> Result<(), RouterError>;
}

/// How sure a router is of what it predicts of `N` queries and `M` models.
#[derive(Clone, Debug, PartialEq)]
pub struct Outlook {
    /// How far apart the router's predictors of quality are, `[N, M]`: their standard deviation.
    pub spread: Array2<f64>,
    /// How near a query is to those of the training, `[N]`: 1 for one like them, 0 for one that is predicted by the models' means.
    pub trust: Array1<f64>,
    /// The logarithm of the odds that the better of two predictions of quality belongs to the better answer, per difference of the two,
    /// where one answer is better; found on held-out queries.
    pub slope: f64,
}

impl Outlook {
    /// The chance that one answer is better than another, if one is; from 0 to 1. `difference`: its predicted quality less the other's.
    pub fn chance(&self, difference: f64) -> f64 {
        1.0 / (1.0 + (-self.slope * difference).exp())
    }
}

/// What can go wrong with a router.
#[derive(Debug, thiserror::Error)]
pub enum RouterError {
    /// No router has this name.
    #[error("unknown router `{kind}`: expected one of {known}")]
    UnknownKind {
        /// The name that was given.
        kind: String,
        /// The names that exist.
        known: String,
    },
    /// A setting that the router does not have, of the wrong type, or out of range.
    #[error("router `{kind}`: {reason}")]
    Settings {
        /// The router.
        kind: String,
        /// What is wrong and what was expected.
        reason: String,
    },
    /// A table with gaps for a router that takes none.
    #[error(
        "router `{kind}` needs every model measured on every training query{reason}; routers that do not: {takers}"
    )]
    Gaps {
        /// The router.
        kind: String,
        /// More about this router, after a blank; or empty.
        reason: &'static str,
        /// The routers that take a table with gaps.
        takers: String,
    },
    /// A model without any training query.
    #[error("model {model:?} was measured on none of the training queries")]
    Unmeasured {
        /// Its name.
        model: String,
    },
    /// Embeddings and table of different lengths.
    #[error("{embeddings} embeddings for a table of {table} queries: expected one per query")]
    Rows {
        /// Rows of embeddings.
        embeddings: usize,
        /// Rows of the table.
        table: usize,
    },
    /// Embeddings of another dimension than in training.
    #[error(
        "embeddings have dimension {found}, but the router was fitted on dimension {expected}: use the same encoder"
    )]
    Dimension {
        /// The dimension in training.
        expected: usize,
        /// The dimension that was given.
        found: usize,
    },
    /// A least-squares problem without a unique solution.
    #[error("{what} is not positive definite: raise `alpha`")]
    Singular {
        /// The matrix.
        what: &'static str,
    },
    /// A solver that did not reach its tolerance.
    #[error("the optimum is further than {tolerance} away after {steps} steps: raise `tolerance`")]
    Unconverged {
        /// Steps that were made.
        steps: usize,
        /// The tolerance that was asked for.
        tolerance: f64,
    },
    /// A router of the calling program that failed in its own way.
    #[error("router `{kind}`: {reason}")]
    Own {
        /// The router.
        kind: String,
        /// What it said.
        reason: String,
    },
    /// Trees that could not be grown.
    #[error("no trees could be grown: {0}")]
    Trees(String),
    /// Parts of a router that are about different models.
    #[error("the parts of the router predict {one} and {other} models: fit it again")]
    Pools {
        /// Models of one part.
        one: usize,
        /// Models of the other.
        other: usize,
    },
    /// A router that decides by one price of cost and has no prices.
    #[error(
        "the router decides by one price of cost, and was stored without its prices: fit it again"
    )]
    Unpriced,
    /// A prediction that is not a number.
    #[error(transparent)]
    Scores(#[from] routelab_eval::EvalError),
    /// A network that cannot be fitted or used.
    #[error(transparent)]
    Head(#[from] HeadError),
    /// A stored router that cannot be read.
    #[error("{path}: {reason}; expected a router that this version stored", path = path.display())]
    Archive {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A file that cannot be read or written.
    #[error("{path}: {source}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

impl RouterError {
    fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| RouterError::Io { path, source }
    }
}

/// Checks that queries have the dimension that a router was fitted on.
fn check_dimension(expected: usize, queries: &Embeddings) -> Result<(), RouterError> {
    let found = queries.dim();
    if found == expected {
        Ok(())
    } else {
        Err(RouterError::Dimension { expected, found })
    }
}

/// Single precision, for networks.
fn to_f32(matrix: ArrayView2<f64>) -> Array2<f32> {
    matrix.mapv(|value| value as f32)
}

/// Double precision, for decisions and metrics.
fn to_f64(matrix: ArrayView2<f32>) -> Array2<f64> {
    matrix.mapv(f64::from)
}

/// Rows of equal length as a matrix.
fn stack(rows: &[Array1<f64>], columns: usize) -> Array2<f64> {
    let mut matrix = Array2::zeros((rows.len(), columns));
    for (mut row, values) in matrix.outer_iter_mut().zip(rows) {
        row.assign(values);
    }
    matrix
}

/// Mean of every column over the rows where it was measured; every column was on one.
fn column_means(values: ArrayView2<f64>, measured: Option<ArrayView2<bool>>) -> Array1<f64> {
    match measured {
        None => (values.mean_axis(Axis(0))).expect("a training set has at least one query"),
        Some(measured) => (values.axis_iter(Axis(1)).zip(measured.axis_iter(Axis(1))))
            .map(|(values, measured)| {
                let values = measured_only(values, measured);
                values.iter().sum::<f64>() / values.len() as f64
            })
            .collect(),
    }
}

/// The values of the rows that were measured.
fn measured_only(values: ArrayView1<f64>, measured: ArrayView1<bool>) -> Vec<f64> {
    (values.iter().zip(measured))
        .filter(|(_, measured)| **measured)
        .map(|(&value, _)| value)
        .collect()
}

/// [`column_scales`] over the rows where every column was measured.
fn measured_scales(
    values: ArrayView2<f64>,
    measured: Option<ArrayView2<bool>>,
) -> (Array1<f64>, Array1<f64>) {
    let Some(mask) = measured else {
        return column_scales(values);
    };
    let mut deviation = Array1::ones(values.ncols());
    for ((values, mask), deviation) in
        (values.axis_iter(Axis(1)).zip(mask.axis_iter(Axis(1)))).zip(&mut deviation)
    {
        let found = Array1::from(measured_only(values, mask)).std(0.0);
        if found > 0.0 {
            *deviation = found;
        }
    }
    (column_means(values, measured), deviation)
}

/// Mean and deviation of every column; the deviation of a constant column is 1, so that dividing by it is harmless.
fn column_scales(values: ArrayView2<f64>) -> (Array1<f64>, Array1<f64>) {
    let mean = values
        .mean_axis(Axis(0))
        .expect("a training set has at least one query");
    let deviation = values.std_axis(Axis(0), 0.0);
    (
        mean,
        deviation.mapv(|value| if value > 0.0 { value } else { 1.0 }),
    )
}
