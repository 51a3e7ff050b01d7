//! Evaluations and paired comparisons.

use std::sync::{Arc, Mutex, PoisonError};

use numpy::{PyArray1, PyArray2};
use pyo3::exceptions::{PyAttributeError, PyKeyError};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use routelab::{EvaluateOptions, Evaluated};
use routelab_eval::bootstrap::{self, Paired, Replicates};
use routelab_eval::metric::Shown;
use routelab_eval::{METRICS, Metric, Rule, Scores, oracle as oracle_scores};

use crate::arrays::{self, owned, row_array};
use crate::errors::{refused, wrong};
use crate::figure::{Figure, drawn};
use crate::html;
use crate::table::Table;
use crate::values::plain;
use crate::work::{brief, detached};

/// A number with its 95 % interval.
#[pyclass(frozen, get_all, module = "routelab")]
pub struct Interval {
    /// The number on all queries.
    mean: f64,
    /// Lower end.
    low: f64,
    /// Upper end.
    high: f64,
}

impl From<bootstrap::Interval> for Interval {
    fn from(interval: bootstrap::Interval) -> Self {
        Self {
            mean: interval.mean,
            low: interval.low,
            high: interval.high,
        }
    }
}

#[pymethods]
impl Interval {
    fn __repr__(&self) -> String {
        format!("{} [{}, {}]", self.mean, self.low, self.high)
    }
}

/// One router's predictions on some queries, with every metric.
///
/// `evaluation["qnc"]` or `evaluation.qnc` is a metric (`routelab.metrics()` names them); `None` where it is undefined, `inf` where
/// something is never reached. Metrics of one choice per query are taken at the largest budget.
#[pyclass(frozen, mapping, module = "routelab")]
pub struct Evaluation {
    pub evaluated: Arc<Evaluated>,
    pub kind: String,
    /// The replicates that were drawn last, and how many there are.
    replicates: Mutex<Option<(usize, Arc<Replicates>)>>,
}

impl Evaluation {
    fn new(evaluated: Evaluated, kind: &str) -> Self {
        Self {
            evaluated: Arc::new(evaluated),
            kind: kind.to_owned(),
            replicates: Mutex::new(None),
        }
    }

    fn replicates(&self, py: Python<'_>, count: usize) -> PyResult<Arc<Replicates>> {
        let kept = || (self.replicates.lock()).unwrap_or_else(PoisonError::into_inner);
        if let Some((drawn, replicates)) = &*kept()
            && *drawn == count
        {
            return Ok(Arc::clone(replicates));
        }
        let evaluated = &self.evaluated;
        let drawn = detached(py, None, |_| evaluated.replicates(count))?;
        let drawn = Arc::new(drawn);
        *kept() = Some((count, Arc::clone(&drawn)));
        Ok(drawn)
    }

    fn get(&self, name: &str) -> Option<Option<f64>> {
        let mut metrics = self.evaluated.metrics();
        metrics.find_map(|(metric, value)| (metric.name == name).then_some(value))
    }

    fn names(&self) -> Vec<&'static str> {
        let metrics = self.evaluated.metrics();
        metrics.map(|(metric, _)| metric.name).collect()
    }

    fn model_names(&self, columns: &[usize]) -> Vec<String> {
        let models = self.evaluated.table().models();
        columns.iter().map(|&model| models[model].clone()).collect()
    }
}

/// A metric that has bootstrap intervals.
fn resampled(name: &str) -> PyResult<&'static Metric> {
    let found = Metric::resampled().find(|metric| metric.name == name);
    found.ok_or_else(|| {
        let known: Vec<&str> = Metric::resampled().map(|metric| metric.name).collect();
        PyKeyError::new_err(format!(
            "{name:?} has no bootstrap interval; expected one of {}",
            known.join(", ")
        ))
    })
}

#[pymethods]
impl Evaluation {
    /// Every metric by name, in the order of `metrics.csv`.
    #[getter]
    fn metrics<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let dictionary = PyDict::new(py);
        for (metric, value) in self.evaluated.metrics() {
            dictionary.set_item(metric.name, value)?;
        }
        Ok(dictionary)
    }

    /// The names of the metrics.
    fn keys(&self) -> Vec<&'static str> {
        self.names()
    }

    fn __getitem__(&self, name: &str) -> PyResult<Option<f64>> {
        self.get(name).ok_or_else(|| {
            PyKeyError::new_err(format!(
                "{name:?} is no metric; expected one of {}",
                self.names().join(", ")
            ))
        })
    }

    fn __getattr__(&self, name: &str) -> PyResult<Option<f64>> {
        self.get(name).ok_or_else(|| {
            PyAttributeError::new_err(format!(
                "an evaluation has no {name:?}; its metrics are {}",
                self.names().join(", ")
            ))
        })
    }

    fn __contains__(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    fn __len__(&self) -> usize {
        self.names().len()
    }

    fn __iter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Ok(self.names().into_pyobject(py)?.try_iter()?.into_any())
    }

    /// The sweep: arrays `budget`, `cost` and `quality`, `[K]`, ascending in budget, and `call_rates`, `[K, M]`. Costs are real means
    /// per query, in the table's unit.
    #[getter]
    fn points<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let points = &self.evaluated.evaluation.points;
        let models = self.evaluated.table().models().len();
        let rates = ndarray::Array2::from_shape_fn((points.len(), models), |(at, model)| {
            points[at].call_rates[model]
        });
        let dictionary = PyDict::new(py);
        let column = |value: fn(&routelab_eval::Point) -> f64| {
            PyArray1::from_vec(py, points.iter().map(value).collect())
        };
        dictionary.set_item("budget", column(|point| point.budget))?;
        dictionary.set_item("cost", column(|point| point.cost))?;
        dictionary.set_item("quality", column(|point| point.quality))?;
        dictionary.set_item("call_rates", PyArray2::from_owned_array(py, rates))?;
        Ok(dictionary)
    }

    /// The Pareto front of the points: arrays `cost` and `quality`, ascending.
    #[getter]
    fn pareto<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let front = &self.evaluated.evaluation.pareto;
        let dictionary = PyDict::new(py);
        let column = |value: fn(&routelab_eval::CurvePoint) -> f64| {
            PyArray1::from_vec(py, front.iter().map(value).collect())
        };
        dictionary.set_item("cost", column(|point| point.cost))?;
        dictionary.set_item("quality", column(|point| point.quality))?;
        Ok(dictionary)
    }

    /// The column of the model that is chosen for every query at the largest budget, `[N]`.
    #[getter]
    fn choices<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<i64>> {
        row_array(py, &self.evaluated.evaluation.choices)
    }

    /// The share of queries that every model gets at the largest budget, by name.
    #[getter]
    fn call_rates<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let dictionary = PyDict::new(py);
        let models = self.evaluated.table().models().iter();
        for (model, rate) in models.zip(&self.evaluated.evaluation.call_rates) {
            dictionary.set_item(model, rate)?;
        }
        Ok(dictionary)
    }

    /// The model with the largest mean quality.
    #[getter]
    fn best_single_model(&self) -> String {
        let model = self.evaluated.evaluation.best_single_model;
        self.evaluated.table().models()[model].clone()
    }

    /// The models that count as strongest.
    #[getter]
    fn strongest_models(&self) -> Vec<String> {
        self.model_names(&self.evaluated.evaluation.strongest)
    }

    /// What the predictions are of: a router's kind, or "oracle".
    #[getter]
    fn kind(&self) -> &str {
        &self.kind
    }

    /// A metric with its 95 % interval: bootstrap over the queries, on the same resamples as in a run.
    ///
    /// Raises `KeyError` for a metric that has none.
    #[pyo3(signature = (name, *, replicates=2000))]
    fn interval(&self, py: Python<'_>, name: &str, replicates: usize) -> PyResult<Interval> {
        let metric = resampled(name)?;
        let drawn = self.replicates(py, replicates)?;
        Ok(drawn.interval(metric).map_err(refused)?.into())
    }

    /// The intervals of all metrics that have one, by name.
    #[pyo3(signature = (*, replicates=2000))]
    fn intervals<'py>(&self, py: Python<'py>, replicates: usize) -> PyResult<Bound<'py, PyDict>> {
        let drawn = self.replicates(py, replicates)?;
        let dictionary = PyDict::new(py);
        for metric in Metric::resampled() {
            let interval: Interval = drawn.interval(metric).map_err(refused)?.into();
            dictionary.set_item(metric.name, Bound::new(py, interval)?)?;
        }
        Ok(dictionary)
    }

    /// What `routelab evaluate --json` prints. `shares`: for pools of two models, shares of the queries in (0, 1] whose thresholds are
    /// wanted.
    #[pyo3(signature = (*, shares=vec![0.2, 0.5, 0.8]))]
    fn to_dict<'py>(&self, py: Python<'py>, shares: Vec<f64>) -> PyResult<Bound<'py, PyAny>> {
        let shares = self
            .evaluated
            .shares(&shares)
            .map_err(crate::errors::raised)?;
        plain(py, &self.evaluated.json(&shares, 0))
    }

    /// One of a run's figures for these predictions: "call_rate", "cost_quality", "call_mix", "margins", "rci" or "decomposition".
    /// `width`: "single", "page" or "double" column of a paper.
    #[pyo3(signature = (figure="call_rate", *, label="router", width="double"))]
    fn plot(
        slf: PyRef<'_, Self>,
        py: Python<'_>,
        figure: &str,
        label: &str,
        width: &str,
    ) -> PyResult<Figure> {
        let lines = vec![(
            label.to_owned(),
            slf.kind.clone(),
            vec![Arc::clone(&slf.evaluated)],
        )];
        drawn(py, figure, &lines, None, width)
    }

    fn __repr__(&self) -> String {
        let shown = METRICS
            .iter()
            .filter(|metric| metric.shown == Shown::Everywhere);
        let values: Vec<String> = shown
            .map(|metric| {
                let value = self.evaluated.evaluation.get(metric);
                format!("{}={}", metric.name, html::written(metric, value))
            })
            .collect();
        format!(
            "<routelab.Evaluation of {} queries: {}>",
            self.evaluated.table().len(),
            values.join(", ")
        )
    }

    fn __str__(&self) -> PyResult<String> {
        let shares = self.evaluated.shares(&[0.2, 0.5, 0.8]);
        Ok(self.evaluated.text(&shares.map_err(crate::errors::raised)?))
    }

    fn _repr_html_(&self) -> String {
        let rows: Vec<Vec<String>> = self
            .evaluated
            .metrics()
            .map(|(metric, value)| {
                vec![
                    metric.titled(),
                    html::written(metric, value),
                    metric.meaning.to_owned(),
                ]
            })
            .collect();
        let caption = format!(
            "{} queries of {}",
            self.evaluated.table().len(),
            self.evaluated.table().name()
        );
        html::table(&caption, &["metric", "value", "meaning"], &rows)
    }
}

/// Every metric for predictions `quality` and `cost`, `[queries, models]`: any numbers for quality, of which only the order matters;
/// costs in the unit of the table.
///
/// With `rows` only those queries count; the predictions then have a row for each of them, in their order, or for every query of the
/// table. `decision`: "cap" (a budget limits every query), "margin=δ", "price" (it limits the mean) or "cap+price=κ". `infeasible` and
/// `ties`: "cheapest" or "first". `strongest`: "dearest", "best-single" or a model's name. `budgets`: how many the sweep has.
///
/// Raises `ValueError` for another shape, for a number that is none, and for queries on which some model was not measured.
#[pyfunction]
#[pyo3(signature = (table, quality, cost, *, rows=None, decision="cap", infeasible="cheapest", ties="cheapest", strongest="dearest",
                    budgets=100, margin_threshold=0.05, kind="router"))]
#[expect(clippy::too_many_arguments, reason = "they are keywords in Python")]
pub fn evaluate(
    py: Python<'_>,
    table: &Table,
    quality: &Bound<'_, PyAny>,
    cost: &Bound<'_, PyAny>,
    rows: Option<&Bound<'_, PyAny>>,
    decision: &str,
    infeasible: &str,
    ties: &str,
    strongest: &str,
    budgets: usize,
    margin_threshold: f64,
    kind: &str,
) -> PyResult<Evaluation> {
    let options = options(
        decision,
        infeasible,
        ties,
        strongest,
        budgets,
        margin_threshold,
    )?;
    let size = table.table.len();
    let rows = rows.map(|rows| arrays::rows(rows, size)).transpose()?;
    let [quality, cost] = [owned("quality", quality)?, owned("cost", cost)?];
    let (quality, cost) = match &rows {
        Some(rows) if quality.nrows() == size && cost.nrows() == size && rows.len() != size => (
            quality.select(ndarray::Axis(0), rows),
            cost.select(ndarray::Axis(0), rows),
        ),
        _ => (quality, cost),
    };
    let table = Arc::clone(&table.table);
    let evaluated = brief(py, quality.len(), move || {
        // What is wrong with the numbers is said once, against the table.
        Evaluated::new(table, rows, Scores { quality, cost }, &options)
    })?;
    Ok(Evaluation::new(evaluated, kind))
}

/// The oracle: the truth as predictions, with ties to the cheapest model. Arguments as for `evaluate`.
#[pyfunction]
#[pyo3(signature = (table, *, rows=None, decision="cap", infeasible="cheapest", ties="cheapest", strongest="dearest", budgets=100,
                    margin_threshold=0.05))]
#[expect(clippy::too_many_arguments, reason = "they are keywords in Python")]
pub fn oracle(
    py: Python<'_>,
    table: &Table,
    rows: Option<&Bound<'_, PyAny>>,
    decision: &str,
    infeasible: &str,
    ties: &str,
    strongest: &str,
    budgets: usize,
    margin_threshold: f64,
) -> PyResult<Evaluation> {
    let options = options(
        decision,
        infeasible,
        ties,
        strongest,
        budgets,
        margin_threshold,
    )?;
    let size = table.table.len();
    let rows = rows.map(|rows| arrays::rows(rows, size)).transpose()?;
    let table = Arc::clone(&table.table);
    let evaluated = brief(py, table.quality().len(), move || {
        let selected = rows.as_ref().map(|rows| table.select(rows));
        let of = selected.as_ref().unwrap_or(&table);
        let truth = routelab_eval::Truth::new(of.quality(), of.cost());
        let scores = oracle_scores(&truth.map_err(routelab::Error::request)?);
        Evaluated::new(Arc::clone(&table), rows, scores, &options)
    })?;
    Ok(Evaluation::new(evaluated, "oracle"))
}

fn options(
    decision: &str,
    infeasible: &str,
    ties: &str,
    strongest: &str,
    budgets: usize,
    margin_threshold: f64,
) -> PyResult<EvaluateOptions> {
    // The names are those of experiment files.
    let mut conventions = toml::Table::new();
    conventions.insert("infeasible".into(), infeasible.into());
    conventions.insert("ties".into(), ties.into());
    let conventions: Rule = conventions
        .try_into()
        .map_err(|error: toml::de::Error| wrong(error.message()))?;
    Ok(EvaluateOptions {
        rule: Rule {
            decision: decision.parse().map_err(refused)?,
            ..conventions
        },
        budgets,
        strongest: strongest.to_owned().into(),
        margin_threshold,
    })
}

/// A difference of two routers on one metric.
#[pyclass(frozen, get_all, module = "routelab")]
pub struct Difference {
    /// First less second.
    difference: f64,
    /// Lower end of its 95 % interval.
    low: f64,
    /// Upper end.
    high: f64,
    /// Two-sided p of "no difference".
    p: f64,
}

impl From<&Paired> for Difference {
    fn from(paired: &Paired) -> Self {
        Self {
            difference: paired.difference.mean,
            low: paired.difference.low,
            high: paired.difference.high,
            p: paired.p,
        }
    }
}

#[pymethods]
impl Difference {
    fn __repr__(&self) -> String {
        format!(
            "{} [{}, {}], p = {}",
            self.difference, self.low, self.high, self.p
        )
    }
}

/// Two routers on the same queries: the difference of every metric that has one, by name, first less second.
#[pyclass(frozen, mapping, module = "routelab")]
pub struct Comparison {
    differences: Vec<(&'static Metric, Paired)>,
}

#[pymethods]
impl Comparison {
    /// The names of the metrics.
    fn keys(&self) -> Vec<&'static str> {
        let names = self.differences.iter();
        names.map(|(metric, _)| metric.name).collect()
    }

    fn __getitem__(&self, name: &str) -> PyResult<Difference> {
        let metric = resampled(name)?;
        let found = self.differences.iter().find(|(of, _)| *of == metric);
        let (_, paired) = found.expect("every metric is compared");
        Ok(paired.into())
    }

    fn __len__(&self) -> usize {
        self.differences.len()
    }

    fn __iter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Ok(self.keys().into_pyobject(py)?.try_iter()?.into_any())
    }

    fn __repr__(&self) -> String {
        let lines = self.differences.iter().map(|(metric, paired)| {
            let Paired { difference, p } = paired;
            format!(
                "{}: {:.4} [{:.4}, {:.4}], p = {p:.4}",
                metric.name, difference.mean, difference.low, difference.high
            )
        });
        lines.collect::<Vec<_>>().join("\n")
    }

    fn _repr_html_(&self) -> String {
        let rows: Vec<Vec<String>> = self
            .differences
            .iter()
            .map(|(metric, paired)| {
                let write = |value: f64| html::written(metric, Some(value));
                vec![
                    metric.titled(),
                    write(paired.difference.mean),
                    format!(
                        "{} to {}",
                        write(paired.difference.low),
                        write(paired.difference.high)
                    ),
                    format!("{:.4}", paired.p),
                ]
            })
            .collect();
        let head = ["metric", "difference", "95 % interval", "p"];
        html::table("First less second", &head, &rows)
    }
}

/// Evaluations of one router: one, or a list of them.
pub fn evaluations<'py>(given: &Bound<'py, PyAny>) -> PyResult<Vec<PyRef<'py, Evaluation>>> {
    if let Ok(one) = given.extract::<PyRef<'py, Evaluation>>() {
        return Ok(vec![one]);
    }
    let refused = || wrong("expected an evaluation or a list of evaluations");
    let items = given.try_iter().map_err(|_| refused())?;
    items
        .map(|item| {
            item?
                .extract::<PyRef<'py, Evaluation>>()
                .map_err(|_| refused())
        })
        .collect()
}

/// Two routers compared on the same queries: the paired bootstrap over queries, as in `comparisons.csv` of a run.
///
/// `a` and `b`: an evaluation each, or lists of them, one per split in the same order: the differences are then averaged over the
/// splits. p values are those of single comparisons: correct them where there are many.
///
/// Raises `ValueError` unless both are about the same queries.
#[pyfunction]
#[pyo3(signature = (a, b, *, replicates=2000))]
pub fn compare(
    py: Python<'_>,
    a: &Bound<'_, PyAny>,
    b: &Bound<'_, PyAny>,
    replicates: usize,
) -> PyResult<Comparison> {
    let (a, b) = (evaluations(a)?, evaluations(b)?);
    if a.len() != b.len() {
        return Err(wrong(format!(
            "there are {} evaluations of the first router and {} of the second: expected one of each per split",
            a.len(),
            b.len()
        )));
    }
    for (at, (one, other)) in a.iter().zip(&b).enumerate() {
        let (one, other) = (one.evaluated.table(), other.evaluated.table());
        let same = one.ids() == other.ids()
            && one.quality() == other.quality()
            && one.cost() == other.cost();
        if !same {
            return Err(wrong(format!(
                "evaluation {at} of the two routers is about different queries: both must be about the same, in the same order"
            )));
        }
    }
    let mean = |of: &[PyRef<'_, Evaluation>]| -> PyResult<Replicates> {
        let parts = of
            .iter()
            .map(|one| Ok((*one.replicates(py, replicates)?).clone()));
        Replicates::mean_of(&parts.collect::<PyResult<Vec<_>>>()?).map_err(refused)
    };
    let (a, b) = (mean(&a)?, mean(&b)?);
    let differences = Metric::resampled()
        .map(|metric| Ok((metric, a.compare(&b, metric).map_err(refused)?)))
        .collect::<PyResult<_>>()?;
    Ok(Comparison { differences })
}

/// One of a run's figures: "call_rate", "cost_quality", "call_mix", "margins", "rci" or "decomposition".
///
/// `evaluations`: by label an evaluation, or a list of them, one per split, whose mean is drawn with its 95 % interval. `reference`: the
/// label of the line that the figure is about. `width`: "single", "page" or "double" column of a paper. Budgets are those of a run, over
/// the costs of the first evaluation's queries.
#[pyfunction]
#[pyo3(signature = (evaluations, figure="call_rate", *, reference=None, width="double"))]
pub fn plot(
    py: Python<'_>,
    evaluations: &Bound<'_, PyDict>,
    figure: &str,
    reference: Option<&str>,
    width: &str,
) -> PyResult<Figure> {
    let mut lines = Vec::new();
    for (label, given) in evaluations {
        let of = self::evaluations(&given)?;
        let kind = of.first().map_or(String::new(), |first| first.kind.clone());
        let splits = of.iter().map(|one| Arc::clone(&one.evaluated));
        lines.push((label.extract()?, kind, splits.collect()));
    }
    drawn(py, figure, &lines, reference, width)
}
