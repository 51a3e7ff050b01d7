//! Routers that are written in Python: for the library they are routers like all others.
//!
//! What a Python object has to have, and how estimators of scikit-learn are used, is in `python/routelab/_own.py`; here its fits and
//! predictions become those of a [`Router`]. The interpreter's lock is held only while Python runs.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use ndarray::Array2;
use numpy::PyArray2;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use routelab::Registry;
use routelab_data::Embeddings;
use routelab_eval::Scores;
use routelab_routers::cost::CostNetwork;
use routelab_routers::{
    Archive, Context, FitResult, FittedRouter, Loader, ParsedRouter, Router, RouterError,
    RouterInfo, TrainingSet,
};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use crate::arrays::owned;
use crate::errors::wrong;
use crate::values::{dictionary, settings};

/// The file of the pickle in an archive, and its tensor of bytes.
const PICKLE: &str = "pickle";

/// The key of settings under which a router's code is known by its hash, so that a run with other code is another run.
const CODE: &str = "code";

/// RouteLab's routers and those of `routers`, by kind; and the kinds of the latter.
pub fn registry(routers: Option<&Bound<'_, PyDict>>) -> PyResult<(Registry, Vec<&'static str>)> {
    let mut registry = Registry::default();
    let mut kinds = Vec::new();
    for (kind, object) in routers.into_iter().flatten() {
        let kind = kept(kind.extract()?);
        if registry.routers().iter().any(|info| info.kind == kind) || kind == "oracle" {
            return Err(wrong(format!(
                "RouteLab has a router {kind:?} already: give yours another name"
            )));
        }
        registry = registry.with_info(info(kind, &object)?);
        kinds.push(kind);
    }
    Ok((registry, kinds))
}

/// The name for the rest of the process: registries have names of routers that stand in a program.
fn kept(kind: String) -> &'static str {
    static KEPT: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    let mut all = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = all.get(kind.as_str()) {
        return known;
    }
    let kind: &'static str = kind.leak();
    all.insert(kind);
    kind
}

fn info(kind: &'static str, object: &Bound<'_, PyAny>) -> PyResult<RouterInfo> {
    let own = object
        .py()
        .import("routelab._own")?
        .call_method1("Own", (kind, object))?
        .unbind();
    let own = Arc::new(own);
    let parse = move |given: toml::Table| parse(kind, &own, given);
    let load = move |archive: &Archive, loader: &Loader| load(kind, archive, loader);
    Ok(RouterInfo::new(
        kind,
        "a router written in Python",
        parse,
        load,
    ))
}

/// The router with these settings.
fn parse(
    kind: &'static str,
    own: &Py<PyAny>,
    mut given: toml::Table,
) -> Result<ParsedRouter, String> {
    Python::attach(|py| {
        let own = own.bind(py);
        let told = |error: PyErr| said(py, &error);
        let code: String = own
            .getattr("code")
            .and_then(|code| code.extract())
            .map_err(told)?;
        if let Some(other) = given.remove(CODE)
            && other.as_str() != Some(&code)
        {
            return Err(format!(
                "`{CODE}` is {other}, but the router's code has changed since: leave the key out"
            ));
        }
        let made = dictionary(py, &given)
            .and_then(|given| own.call_method1("with_settings", (given,)))
            .map_err(told)?;
        let complete = made.getattr("settings").map_err(told)?;
        let complete = complete
            .cast::<PyDict>()
            .map_err(|error| error.to_string())?;
        let mut settings = settings(Some(complete)).map_err(told)?;
        settings.insert(CODE.into(), code.into());
        Ok(ParsedRouter {
            router: Box::new(PythonRouter {
                kind,
                own: made.unbind(),
            }),
            settings,
        })
    })
}

/// What Python said, in a line: the exception, and where it was raised.
fn said(py: Python<'_>, error: &PyErr) -> String {
    let told = py
        .import("routelab._own")
        .and_then(|module| module.call_method1("told", (error.clone_ref(py).into_value(py),)))
        .and_then(|text| text.extract::<String>());
    told.unwrap_or_else(|_| error.to_string())
}

fn failed(py: Python<'_>, kind: &str, error: &PyErr) -> RouterError {
    RouterError::Own {
        kind: kind.to_owned(),
        reason: said(py, error),
    }
}

struct PythonRouter {
    kind: &'static str,
    own: Py<PyAny>,
}

impl Router for PythonRouter {
    fn kind(&self) -> &'static str {
        self.kind
    }

    fn description(&self) -> &'static str {
        "a router written in Python"
    }

    fn fit_checked(&self, train: &TrainingSet, context: &Context) -> FitResult {
        let models = train.models();
        let (fitted, predicts_cost) = Python::attach(|py| -> PyResult<_> {
            let x = PyArray2::from_array(py, &train.x());
            let quality = PyArray2::from_array(py, &train.quality());
            let cost = PyArray2::from_array(py, &train.cost());
            let arguments = (&x, quality, cost, context.seed);
            let fitted = self.own.bind(py).call_method1("fit", arguments)?;
            // Whether it predicts costs shows when it predicts.
            let predicts_cost = fitted.call_method1("predicts_cost", (&x, models))?;
            Ok((fitted.unbind(), predicts_cost.extract::<bool>()?))
        })
        .map_err(|error| Python::attach(|py| failed(py, self.kind, &error)))?;
        let cost = (!predicts_cost)
            .then(|| context.cost.get(train, context))
            .transpose()?;
        (context.progress)(1.0);
        Ok(Box::new(FittedPython {
            kind: self.kind,
            fitted,
            models,
            dimension: train.x().ncols(),
            cost,
        }))
    }

    fn load(archive: &Archive, loader: &Loader) -> FitResult {
        loader.load(archive)
    }
}

struct FittedPython {
    kind: &'static str,
    fitted: Py<PyAny>,
    models: usize,
    dimension: usize,
    /// Where the object predicts none.
    cost: Option<Arc<CostNetwork>>,
}

impl FittedRouter for FittedPython {
    fn predict(&self, queries: &Embeddings) -> Result<Scores, RouterError> {
        let (expected, found) = (self.dimension, queries.dim());
        if expected != found {
            return Err(RouterError::Dimension { expected, found });
        }
        let (quality, cost) = Python::attach(|py| -> PyResult<_> {
            let x = PyArray2::from_array(py, &queries.values());
            let predicted = self
                .fitted
                .bind(py)
                .call_method1("predict", (x, self.models))?;
            let (quality, cost): (Bound<'_, PyAny>, Option<Bound<'_, PyAny>>) =
                predicted.extract()?;
            let cost = cost.map(|cost| owned("cost", &cost)).transpose()?;
            Ok((owned("quality", &quality)?, cost))
        })
        .map_err(|error| Python::attach(|py| failed(py, self.kind, &error)))?;
        let cost: Array2<f64> = match (cost, &self.cost) {
            (_, Some(network)) => network.predict(queries)?,
            (Some(cost), None) => cost,
            (None, None) => {
                return Err(RouterError::Own {
                    kind: self.kind.to_owned(),
                    reason: "predict gave costs before, and gives none now".into(),
                });
            }
        };
        Ok(Scores::new(quality, cost)?)
    }

    fn save(&self, archive: &mut Archive) -> Result<(), RouterError> {
        let pickle = Python::attach(|py| -> PyResult<Vec<u8>> {
            let bytes = self.fitted.bind(py).call_method0("pickle")?;
            Ok(bytes.cast::<PyBytes>()?.as_bytes().to_vec())
        })
        .map_err(|error| Python::attach(|py| failed(py, self.kind, &error)))?;
        let tensor =
            TensorView::new(Dtype::U8, vec![pickle.len()], &pickle).expect("a byte per element");
        let bytes = safetensors::serialize([(PICKLE, tensor)], None).expect("one tensor");
        archive.put_bytes(PICKLE, bytes);
        archive.put("models", &self.models);
        archive.put("dimension", &self.dimension);
        archive.put("predicts_cost", &self.cost.is_none());
        match &self.cost {
            Some(network) => network.save(archive),
            None => Ok(()),
        }
    }
}

fn load(kind: &'static str, archive: &Archive, loader: &Loader) -> FitResult {
    let broken = |reason: String| archive.broken(PICKLE, &reason);
    let file = SafeTensors::deserialize(archive.bytes(PICKLE)?);
    let file = file.map_err(|error| broken(error.to_string()))?;
    let tensor = file
        .tensor(PICKLE)
        .map_err(|error| broken(error.to_string()))?;
    let fitted = Python::attach(|py| {
        py.import("routelab._own")
            .and_then(|module| {
                module.call_method1("unpickled", (kind, PyBytes::new(py, tensor.data())))
            })
            .map(Bound::unbind)
            .map_err(|error| failed(py, kind, &error))
    })?;
    let predicts_cost: bool = archive.get("predicts_cost")?;
    Ok(Box::new(FittedPython {
        kind,
        fitted,
        models: archive.size("models")?,
        dimension: archive.size("dimension")?,
        cost: (!predicts_cost)
            .then(|| CostNetwork::load(archive, loader))
            .transpose()?,
    }))
}
