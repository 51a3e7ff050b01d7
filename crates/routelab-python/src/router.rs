//! Routers, by themselves and as a run left them.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ndarray::Array2;
use numpy::PyArray2;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use routelab::{DeployOptions, Error as Failure, Registry, RunFolder, Weights};
use routelab_data::write_atomically;
use routelab_encode::Query;
use routelab_eval::{Rule, Scores};
use routelab_routers::{
    Archive, Context, CostConfig, FittedRouter, SharedCost, TrainingSet, decision,
};
use serde_json::json;

use crate::arrays;
use crate::encode::{embeddings, unreadable};
use crate::errors::{raised, refused, wrong};
use crate::own::registry;
use crate::table::Table;
use crate::values::{dictionary, settings};
use crate::work::{backend, detached};

/// Which models a stored router predicts, beside its archive.
const POOL: &str = "pool.json";

/// Predictions as two arrays, `[queries, models]` each.
type Predictions<'py> = (Bound<'py, PyArray2<f64>>, Bound<'py, PyArray2<f64>>);

fn arrays_of(py: Python<'_>, scores: Scores) -> Predictions<'_> {
    let array = |matrix: Array2<f64>| PyArray2::from_owned_array(py, matrix);
    (array(scores.quality), array(scores.cost))
}

/// A fitted router, and the models it predicts.
struct Fitted {
    router: Box<dyn FittedRouter>,
    models: Vec<String>,
    cost_unit: String,
}

/// One of RouteLab's routers (`routelab.routers()` names them), with its settings as keywords: the keys of `[[router]]` in an
/// experiment file.
///
/// >>> router = routelab.Router("knn", k=30).fit(table, embeddings, rows=train)
/// >>> quality, cost = router.predict(embeddings)
///
/// Raises `ValueError` for an unknown router or setting, and for a setting out of range.
#[pyclass(frozen, module = "routelab")]
pub struct Router {
    kind: String,
    settings: toml::Table,
    registry: Registry,
    fitted: Mutex<Option<Arc<Fitted>>>,
}

impl Router {
    fn lock(&self) -> MutexGuard<'_, Option<Arc<Fitted>>> {
        self.fitted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fitted(&self) -> PyResult<Arc<Fitted>> {
        self.lock().clone().ok_or_else(|| {
            PyRuntimeError::new_err(format!(
                "the router `{}` is not fitted: call fit first",
                self.kind
            ))
        })
    }
}

#[pymethods]
impl Router {
    #[new]
    #[pyo3(signature = (kind, *, routers=None, **settings))]
    fn new(
        kind: &str,
        routers: Option<&Bound<'_, PyDict>>,
        settings: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Self> {
        let (registry, _) = registry(routers)?;
        let given = self::settings(settings)?;
        let parsed = registry.parse(kind, given).map_err(refused)?;
        Ok(Self {
            kind: kind.to_owned(),
            settings: parsed.settings,
            registry,
            fitted: Mutex::new(None),
        })
    }

    /// Fits the router on the queries of a table, or on these `rows` of it, and gives it back.
    ///
    /// `embeddings`: `[queries, dimension]`, for every query of the table, or for the rows in their order. `seed`: of everything random.
    /// `cost`: settings of the cost network of routers without costs of their own, as in `[cost]` of an experiment file. `progress`:
    /// `True` shows a bar, a function is told `(done, of, what)`; by default there is a bar on a terminal and in a notebook.
    ///
    /// Raises `ValueError` for data that the router cannot use.
    #[pyo3(signature = (table, embeddings, *, rows=None, seed=42, backend="flex", cost=None, progress=None))]
    #[expect(clippy::too_many_arguments, reason = "they are keywords in Python")]
    fn fit<'py>(
        slf: Bound<'py, Self>,
        table: &Table,
        embeddings: &Bound<'py, PyAny>,
        rows: Option<&Bound<'py, PyAny>>,
        seed: u64,
        backend: &str,
        cost: Option<&Bound<'py, PyDict>>,
        progress: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, Self>> {
        let py = slf.py();
        let this = slf.get();
        let backend = self::backend(backend)?;
        let cost: CostConfig = settings(cost)?
            .try_into()
            .map_err(|error: toml::de::Error| wrong(format!("`cost`: {}", error.message())))?;
        cost.validate()
            .map_err(|reason| wrong(format!("`cost`: {reason}")))?;
        let x = crate::encode::embeddings(embeddings)?;
        let table = Arc::clone(&table.table);
        let rows = rows
            .map(|rows| arrays::rows(rows, table.len()))
            .transpose()?;
        let parsed = this
            .registry
            .parse(&this.kind, this.settings.clone())
            .map_err(refused)?;
        let fitted = detached(py, progress, |watch| {
            let (table, x) = match rows {
                None => (table, x),
                Some(rows) => {
                    let x = if x.len() == table.len() {
                        Arc::new(x.select(&rows))
                    } else {
                        x
                    };
                    (Arc::new(table.select(&rows)), x)
                }
            };
            let train = TrainingSet::new(&x, &table).map_err(Failure::request)?;
            let kind = this.kind.as_str();
            let told = |share: f64| {
                watch.leave_if_stopped();
                watch.step((1000.0 * share) as u64, 1000, kind);
            };
            let context = Context {
                seed,
                backend: &backend,
                cost: &SharedCost::new(cost),
                prices: true,
                progress: &told,
            };
            let router = parsed.router.fit(&train, &context);
            Ok(Fitted {
                router: router.map_err(Failure::request)?,
                models: table.models().to_vec(),
                cost_unit: table.cost_unit().label(),
            })
        })?;
        *this.lock() = Some(Arc::new(fitted));
        Ok(slf)
    }

    /// Predicted quality and cost, `[queries, models]` each, of embeddings `[queries, dimension]`. Higher quality is better, only the
    /// order matters; costs are in the unit of the table.
    fn predict<'py>(
        &self,
        py: Python<'py>,
        embeddings: &Bound<'py, PyAny>,
    ) -> PyResult<Predictions<'py>> {
        let fitted = self.fitted()?;
        let x = self::embeddings(embeddings)?;
        let scores = detached(py, None, |_| {
            fitted.router.predict(&x).map_err(Failure::request)
        })?;
        Ok(arrays_of(py, scores))
    }

    /// The name of the model for every embedded query, under a budget per query in the unit of the costs; without one, whatever it
    /// costs.
    #[pyo3(signature = (embeddings, budget=f64::INFINITY))]
    fn route(
        &self,
        py: Python<'_>,
        embeddings: &Bound<'_, PyAny>,
        budget: f64,
    ) -> PyResult<Vec<String>> {
        let fitted = self.fitted()?;
        let x = self::embeddings(embeddings)?;
        let chosen = detached(py, None, |_| {
            let scores = fitted.router.predict(&x).map_err(Failure::request)?;
            let chosen = fitted.router.choose(&scores, budget, &Rule::default());
            chosen.map_err(Failure::request)
        })?;
        let names = chosen.into_iter();
        Ok(names.map(|model| fitted.models[model].clone()).collect())
    }

    /// Stores the fitted router in a folder, as a run does.
    fn save(&self, py: Python<'_>, folder: PathBuf) -> PyResult<()> {
        let fitted = self.fitted()?;
        detached(py, None, |_| {
            let archive = (self.registry)
                .save(&self.kind, &*fitted.router)
                .map_err(Failure::request)?;
            archive.write(&folder).map_err(Failure::failed)?;
            let pool = json!({"models": fitted.models, "cost_unit": fitted.cost_unit});
            let path = folder.join(POOL);
            write_atomically(&path, format!("{pool:#}\n").as_bytes())
                .map_err(|error| Failure::write(&path, error))
        })
    }

    /// A router that `save` or a run (`models/ROUTER` in its folder) stored. Routers that are written in Python are given in `routers`
    /// by their kind: their code is run by Python's pickle, so load none from people whom you do not trust.
    ///
    /// Raises `FileNotFoundError`, and `ValueError` for a folder that has no router of this version.
    #[staticmethod]
    #[pyo3(signature = (folder, *, routers=None, backend="flex"))]
    fn load(
        py: Python<'_>,
        folder: PathBuf,
        routers: Option<&Bound<'_, PyDict>>,
        backend: &str,
    ) -> PyResult<Self> {
        let backend = self::backend(backend)?;
        let (registry, _) = registry(routers)?;
        let (kind, fitted) = detached(py, None, |_| {
            let archive = Archive::read(&folder).map_err(Failure::request)?;
            let router = registry
                .load(&archive, &backend)
                .map_err(Failure::request)?;
            let (models, cost_unit) = pool(&folder)?;
            let fitted = Fitted {
                router,
                models,
                cost_unit,
            };
            Ok((archive.kind().to_owned(), fitted))
        })?;
        Ok(Self {
            kind,
            settings: toml::Table::new(),
            registry,
            fitted: Mutex::new(Some(Arc::new(fitted))),
        })
    }

    /// The name in experiment files.
    #[getter]
    fn kind(&self) -> &str {
        &self.kind
    }

    /// All its settings, the defaults included; empty for one that was loaded.
    #[getter]
    fn settings<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        dictionary(py, &self.settings)
    }

    /// How it decides, for `evaluate`: "cap" for nearly all.
    #[getter]
    fn decision(&self) -> PyResult<String> {
        Ok(self.fitted()?.router.decision().to_string())
    }

    /// The models that it predicts, in the order of the columns.
    #[getter]
    fn models(&self) -> PyResult<Vec<String>> {
        Ok(self.fitted()?.models.clone())
    }

    /// The unit of its costs.
    #[getter]
    fn cost_unit(&self) -> PyResult<String> {
        Ok(self.fitted()?.cost_unit.clone())
    }

    /// The mean training loss of every epoch; empty for routers without a network.
    #[getter]
    fn losses(&self) -> PyResult<Vec<f32>> {
        let fitted = self.fitted()?;
        let history = fitted.router.history();
        Ok(history.map_or_else(Vec::new, |history| history.losses.clone()))
    }

    fn __repr__(&self) -> String {
        let mut settings = self.settings.clone();
        settings.remove(decision::KEY);
        let settings: String = settings
            .iter()
            .map(|(name, value)| format!(", {name}={value}"))
            .collect();
        let fitted = match &*self.lock() {
            Some(fitted) => format!(" fitted on {} models", fitted.models.len()),
            None => String::new(),
        };
        format!("<routelab.Router({:?}{settings}){fitted}>", self.kind)
    }
}

/// The models of a stored router, and the unit of its costs.
fn pool(folder: &Path) -> Result<(Vec<String>, String), Failure> {
    let path = folder.join(POOL);
    if let Ok(text) = std::fs::read_to_string(&path) {
        let broken = || {
            Failure::request(std::io::Error::other(format!(
                "{} is damaged: store the router again",
                path.display()
            )))
        };
        let pool: serde_json::Value = serde_json::from_str(&text).map_err(|_| broken())?;
        let models = serde_json::from_value(pool["models"].clone()).map_err(|_| broken())?;
        let unit = pool["cost_unit"].as_str().ok_or_else(broken)?.to_owned();
        return Ok((models, unit));
    }
    let run = folder.parent().and_then(Path::parent);
    let run = RunFolder::open(run.unwrap_or(Path::new("")))?;
    let manifest = run.manifest()?;
    let models = run.part(&manifest, "/data/models")?;
    Ok((models, run.part(&manifest, "/data/cost_unit")?))
}

/// What a router chose for one query.
#[pyclass(frozen, get_all, module = "routelab")]
pub struct Choice {
    /// The name of the model.
    model: String,
    /// Its predicted quality, on the router's own scale.
    quality: f64,
    /// Its predicted cost.
    cost: f64,
    /// Whether that is within the budget.
    within_budget: bool,
}

#[pymethods]
impl Choice {
    fn __repr__(&self) -> String {
        format!(
            "<routelab.Choice {:?}: quality {}, cost {}, {} the budget>",
            self.model,
            self.quality,
            self.cost,
            if self.within_budget {
                "within"
            } else {
                "above"
            }
        )
    }
}

/// A router of a run at work: prompts in, models out. `model`: a folder `models/ROUTER` of a run.
///
/// Its encoder comes with it; `minilm` and `clip` are the folders of published weights. `routers`: as for `Router.load`.
#[pyclass(frozen, module = "routelab")]
pub struct Deployed {
    deployed: routelab::Deployed,
}

#[pymethods]
impl Deployed {
    #[new]
    #[pyo3(signature = (model, *, routers=None, backend="flex", minilm=None, clip=None))]
    fn new(
        py: Python<'_>,
        model: PathBuf,
        routers: Option<&Bound<'_, PyDict>>,
        backend: &str,
        minilm: Option<PathBuf>,
        clip: Option<PathBuf>,
    ) -> PyResult<Self> {
        let usual = Weights::default();
        let options = DeployOptions {
            backend: self::backend(backend)?,
            registry: registry(routers)?.0,
            weights: Weights {
                minilm: minilm.unwrap_or(usual.minilm),
                clip: clip.unwrap_or(usual.clip),
            },
        };
        let deployed = detached(py, None, |_| {
            routelab::Deployed::open_with(&model, &options)
        })?;
        Ok(Self { deployed })
    }

    /// The choice for every prompt, under a budget per query in the unit of the costs; without one, whatever it costs. `images`: a file
    /// or `None` per prompt, for routers that look at images.
    #[pyo3(signature = (prompts, budget=f64::INFINITY, *, images=None, progress=None))]
    fn route(
        &self,
        py: Python<'_>,
        prompts: Vec<String>,
        budget: f64,
        images: Option<Vec<Option<PathBuf>>>,
        progress: Option<Bound<'_, PyAny>>,
    ) -> PyResult<Vec<Choice>> {
        if let Some(images) = &images
            && images.len() != prompts.len()
        {
            return Err(wrong(format!(
                "there are {} images for {} prompts: give a file or None for every prompt",
                images.len(),
                prompts.len()
            )));
        }
        let image = |at: usize| images.as_ref().and_then(|images| images[at].as_deref());
        let queries: Vec<Query> = prompts
            .iter()
            .enumerate()
            .map(|(at, text)| Query {
                text,
                image: image(at),
            })
            .collect();
        let embedded = detached(py, progress, |watch| {
            Ok(self.deployed.embed(&queries, &|done| {
                watch.leave_if_stopped();
                watch.step(done as u64, queries.len() as u64, "embedding");
            }))
        })?;
        let embedded = embedded.map_err(unreadable)?;
        let choices = py
            .detach(|| self.deployed.choose(&embedded, budget))
            .map_err(raised)?;
        let choice = |row: usize| {
            let choice = choices.choice(row);
            Choice {
                model: choice.model,
                quality: choice.quality,
                cost: choice.cost,
                within_budget: choice.within_budget,
            }
        };
        Ok((0..prompts.len()).map(choice).collect())
    }

    /// The models, in the order of all predictions.
    #[getter]
    fn models(&self) -> Vec<String> {
        self.deployed.models().to_vec()
    }

    /// The unit of costs and budgets.
    #[getter]
    fn cost_unit(&self) -> &str {
        self.deployed.cost_unit()
    }

    /// What a budget limits.
    #[getter]
    fn decision(&self) -> String {
        self.deployed.decision().to_string()
    }
}
