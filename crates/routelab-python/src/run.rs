//! Experiments.

use std::path::PathBuf;

use pyo3::exceptions::PyKeyError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};
use routelab::{Reopen, RunFolder, RunOptions, RunResults};
use routelab_eval::{METRICS, Metric};

use crate::errors::{raised, wrong};
use crate::html;
use crate::own::registry;
use crate::values::plain;
use crate::work::{backend, detached};

/// A run's folder: what an experiment came to.
#[pyclass(frozen, module = "routelab")]
pub struct Run {
    folder: RunFolder,
}

impl Run {
    fn read(&self) -> PyResult<RunResults> {
        self.folder.results().map_err(raised)
    }
}

/// The metrics that tables show everywhere.
fn rows(results: &RunResults) -> (Vec<&'static Metric>, Vec<Vec<String>>) {
    let metrics: Vec<&Metric> = Metric::everywhere().collect();
    let rows = results.routers.iter().map(|router| {
        let cells = metrics.iter().map(|metric| {
            let summary = results.summary(router, metric.name);
            html::written(metric, summary.map(|summary| summary.mean.0))
        });
        std::iter::once(router.label.clone()).chain(cells).collect()
    });
    let rows = rows.collect();
    (metrics, rows)
}

#[pymethods]
impl Run {
    /// Opens the folder of a finished run.
    #[new]
    fn new(folder: PathBuf) -> PyResult<Self> {
        let folder = RunFolder::open(&folder).map_err(raised)?;
        let run = Self { folder };
        run.read()?;
        Ok(run)
    }

    /// The folder.
    #[getter]
    fn path(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    /// The page with every figure and table.
    #[getter]
    fn report(&self) -> PathBuf {
        self.folder.file("report.html")
    }

    /// The labels of the routers, in the order of the experiment.
    #[getter]
    fn routers(&self) -> PyResult<Vec<String>> {
        let routers = self.read()?.routers.into_iter();
        Ok(routers.map(|router| router.label).collect())
    }

    /// Why routers failed: label, seed and reason of every fit that did.
    #[getter]
    fn failures(&self) -> PyResult<Vec<(String, u64, String)>> {
        let routers = self.read()?.routers.into_iter();
        let all = routers.flat_map(|router| {
            let label = router.label;
            let failures = router.failures.into_iter();
            failures.map(move |(seed, reason)| (label.clone(), seed, reason))
        });
        Ok(all.collect())
    }

    /// Everything in `results.json`, as it stands there.
    #[getter]
    fn results<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let results = serde_json::to_value(self.read()?);
        plain(py, &results.map_err(|error| wrong(error.to_string()))?)
    }

    /// The metrics of a router, means over the seeds, by name; `None` where one is undefined on a seed.
    fn metrics<'py>(&self, py: Python<'py>, router: &str) -> PyResult<Bound<'py, PyDict>> {
        let results = self.read()?;
        let found = results.routers.iter().find(|of| of.label == router);
        let found = found.ok_or_else(|| {
            let known: Vec<&str> = results.routers.iter().map(|of| of.label.as_str()).collect();
            PyKeyError::new_err(format!(
                "no router is called {router:?}; expected one of {}",
                known.join(", ")
            ))
        })?;
        let dictionary = PyDict::new(py);
        for metric in METRICS
            .iter()
            .filter(|metric| results.metrics.iter().any(|of| of == metric.name))
        {
            let summary = results.summary(found, metric.name);
            dictionary.set_item(metric.name, summary.map(|summary| summary.mean.0))?;
        }
        Ok(dictionary)
    }

    /// The metrics of every router as a data frame, a row per router.
    fn to_pandas<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let module = slf.py().import("routelab._frames")?;
        module.call_method1("of_run", (slf,))
    }

    /// The names of the figures.
    #[getter]
    fn figures(&self) -> PyResult<Vec<String>> {
        let figures = self.read()?.figures.into_iter();
        Ok(figures.map(|figure| figure.stem).collect())
    }

    /// A figure as SVG, for `IPython.display.SVG` and for files.
    fn svg(&self, figure: &str) -> PyResult<String> {
        let figures = self.figures()?;
        if !figures.iter().any(|stem| stem == figure) {
            return Err(PyKeyError::new_err(format!(
                "the run has no figure {figure:?}; expected one of {}",
                figures.join(", ")
            )));
        }
        let file = format!("figures/{figure}.svg");
        self.folder.text(&file).map_err(raised)
    }

    fn __repr__(&self) -> PyResult<String> {
        Ok(format!(
            "<routelab.Run {}: {} routers>",
            self.folder.path().display(),
            self.routers()?.len()
        ))
    }

    fn _repr_html_(&self) -> PyResult<String> {
        let results = self.read()?;
        let (metrics, rows) = rows(&results);
        let titles: Vec<String> = metrics.iter().map(|metric| metric.titled()).collect();
        let mut head = vec!["router"];
        head.extend(titles.iter().map(String::as_str));
        Ok(html::table(&results.title, &head, &rows))
    }
}

/// Runs an experiment file, as `routelab run` does, and gives its run.
///
/// `routers`: routers written in Python, by the kind that the file names; one that it does not name is one more row. See
/// `docs/python.md` for what such an object has to have. `out`: the folder of runs. `seeds`: their number, instead of the file's.
/// `reopen`: what becomes of a run that is there: "if-same" goes on with the same one, "resume" is an error if there is none,
/// "overwrite" throws it away. `progress`: as for `Router.fit`.
///
/// Raises `ValueError` for a file that is wrong, and for a study, which `run_all` runs. A router that fails is no error: see `failures`.
#[pyfunction]
#[pyo3(signature = (experiment, *, routers=None, out=PathBuf::from("runs"), seeds=None, backend="flex", reopen="if-same",
                    progress=None))]
#[expect(clippy::too_many_arguments, reason = "they are keywords in Python")]
pub fn run(
    py: Python<'_>,
    experiment: PathBuf,
    routers: Option<&Bound<'_, PyDict>>,
    out: PathBuf,
    seeds: Option<usize>,
    backend: &str,
    reopen: &str,
    progress: Option<Bound<'_, PyAny>>,
) -> PyResult<Run> {
    let mut runs = execute(
        py, experiment, true, routers, out, seeds, backend, reopen, progress,
    )?;
    let folder = runs.pop().expect("one experiment has one run");
    Ok(Run { folder })
}

/// Runs an experiment file, a study or a folder of them, and gives the run of every experiment, in order. Arguments as for `run`.
#[pyfunction]
#[pyo3(signature = (experiment, *, routers=None, out=PathBuf::from("runs"), seeds=None, backend="flex", reopen="if-same",
                    progress=None))]
#[expect(clippy::too_many_arguments, reason = "they are keywords in Python")]
pub fn run_all<'py>(
    py: Python<'py>,
    experiment: PathBuf,
    routers: Option<&Bound<'py, PyDict>>,
    out: PathBuf,
    seeds: Option<usize>,
    backend: &str,
    reopen: &str,
    progress: Option<Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyList>> {
    let runs = execute(
        py, experiment, false, routers, out, seeds, backend, reopen, progress,
    )?;
    let runs = runs
        .into_iter()
        .map(|folder| Bound::new(py, Run { folder }));
    PyList::new(py, runs.collect::<PyResult<Vec<_>>>()?)
}

#[expect(clippy::too_many_arguments, reason = "they are keywords in Python")]
fn execute(
    py: Python<'_>,
    experiment: PathBuf,
    single: bool,
    routers: Option<&Bound<'_, PyDict>>,
    out: PathBuf,
    seeds: Option<usize>,
    backend: &str,
    reopen: &str,
    progress: Option<Bound<'_, PyAny>>,
) -> PyResult<Vec<RunFolder>> {
    let (registry, kinds) = registry(routers)?;
    let reopen = match reopen {
        "if-same" => Reopen::IfSame,
        "resume" => Reopen::Resume,
        "overwrite" => Reopen::Overwrite,
        other => {
            return Err(wrong(format!(
                "`reopen` is {other:?}: expected \"if-same\", \"resume\" or \"overwrite\""
            )));
        }
    };
    let backend = self::backend(backend)?;
    detached(py, progress, |watch| {
        let options = RunOptions {
            out,
            reopen,
            backend,
            progress: false,
            watch: watch.clone(),
            ..RunOptions::default()
        };
        routelab::run_files(&experiment, seeds, single, &kinds, &registry, &options)
    })
}
