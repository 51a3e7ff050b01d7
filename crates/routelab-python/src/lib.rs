//! The compiled half of the Python package `routelab`: the facade of the library in Python's terms. Nothing is computed here.

mod arrays;
mod encode;
mod errors;
mod evaluation;
mod figure;
mod html;
mod own;
mod router;
mod run;
mod table;
mod values;
mod work;

use pyo3::prelude::*;
use routelab::Registry;

/// The compiled half of `routelab`.
#[pymodule]
mod _routelab {
    use pyo3::prelude::*;

    #[pymodule_export]
    use super::encode::{Embeddings, encode};
    #[pymodule_export]
    use super::evaluation::{
        Comparison, Difference, Evaluation, Interval, compare, evaluate, oracle, plot,
    };
    #[pymodule_export]
    use super::figure::Figure;
    #[pymodule_export]
    use super::router::{Choice, Deployed, Router};
    #[pymodule_export]
    use super::run::{Run, run, run_all};
    #[pymodule_export]
    use super::table::{Table, formats, load, split};
    #[pymodule_export]
    use super::{main, metrics, routers, version};

    #[pymodule_init]
    fn init(_module: &Bound<'_, PyModule>) -> PyResult<()> {
        // As in the program: matrices of one evaluation lie where those of the one before lay.
        routelab_kernels::keep_freed_memory();
        Ok(())
    }
}

/// Runs the program `routelab` with these arguments, without its name. Gives the exit code.
#[pyfunction]
fn main(py: Python<'_>, args: Vec<String>) -> u8 {
    let args = std::iter::once("routelab".to_owned()).chain(args);
    let args: Vec<std::ffi::OsString> = args.map(Into::into).collect();
    py.detach(|| routelab::main_from(Registry::default(), args))
}

/// Every router that there is: its kind, and how it predicts.
#[pyfunction]
fn routers() -> Vec<(&'static str, &'static str)> {
    let registry = Registry::default();
    let infos = registry.routers().iter();
    infos.map(|info| (info.kind, info.description)).collect()
}

/// Every metric, in the order of files: its name and what it means.
#[pyfunction]
fn metrics() -> Vec<(&'static str, &'static str)> {
    let metrics = routelab_eval::METRICS.iter();
    metrics
        .map(|metric| (metric.name, metric.meaning))
        .collect()
}

/// The version of RouteLab.
#[pyfunction]
fn version() -> &'static str {
    env!("CARGO_PKG_VERSION")
}
