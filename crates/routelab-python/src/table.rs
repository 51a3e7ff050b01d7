//! Tables, data sets, splits.

use std::path::PathBuf;
use std::sync::Arc;

use numpy::{PyArray1, PyArray2};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use routelab_data::split::SplitSpec;
use routelab_data::{CostUnit, RoutingTable, RoutingTableParts, summary, write_parquet};

use crate::arrays::{self, owned, row_array};
use crate::errors::{refused, wrong};
use crate::html;
use crate::values::settings;

/// What every candidate model really scored and cost on every query.
///
/// `quality` and `cost` are `[queries, models]`: quality in [0, 1], costs not negative, in `cost_unit` per query. Arrays of numpy, data
/// frames of pandas (their columns are the models and, unless `ids` says otherwise, their index the ids) or lists of rows; they are
/// copied. `measured`: booleans of the same shape, where some models were not measured on some queries.
///
/// Raises `ValueError` with the first query, model or value that is wrong.
#[pyclass(frozen, module = "routelab")]
pub struct Table {
    pub table: Arc<RoutingTable>,
    notes: Vec<String>,
}

impl Table {
    fn of(table: RoutingTable) -> Self {
        Self {
            table: Arc::new(table),
            notes: Vec::new(),
        }
    }
}

/// Texts from a list, an array or a column; other values are written as Python writes them.
fn texts(given: &Bound<'_, PyAny>) -> PyResult<Vec<String>> {
    let text = |item: PyResult<Bound<'_, PyAny>>| -> PyResult<String> {
        let item = item?;
        match item.extract::<String>() {
            Ok(text) => Ok(text),
            Err(_) => Ok(item.str()?.to_string()),
        }
    };
    given.try_iter()?.map(text).collect()
}

#[pymethods]
impl Table {
    #[new]
    #[pyo3(signature = (quality, cost, *, models=None, prompts=None, tasks=None, ids=None, images=None, groups=None, measured=None,
                        name="table", cost_unit="US dollars"))]
    #[expect(clippy::too_many_arguments, reason = "they are keywords in Python")]
    fn new(
        quality: &Bound<'_, PyAny>,
        cost: &Bound<'_, PyAny>,
        models: Option<&Bound<'_, PyAny>>,
        prompts: Option<&Bound<'_, PyAny>>,
        tasks: Option<&Bound<'_, PyAny>>,
        ids: Option<&Bound<'_, PyAny>>,
        images: Option<Vec<Option<PathBuf>>>,
        groups: Option<&Bound<'_, PyAny>>,
        measured: Option<&Bound<'_, PyAny>>,
        name: &str,
        cost_unit: &str,
    ) -> PyResult<Self> {
        let is_frame = quality.hasattr("columns")? && quality.hasattr("index")?;
        let of_frame = |part: &str| -> PyResult<Option<Vec<String>>> {
            if is_frame {
                return Ok(Some(texts(&quality.getattr(part)?)?));
            }
            Ok(None)
        };
        let mut numbers = [owned("quality", quality)?, owned("cost", cost)?];
        let (rows, columns) = numbers[0].dim();
        let or = |given: Option<&Bound<'_, PyAny>>, usual: Vec<String>| match given {
            Some(given) => texts(given),
            None => Ok(usual),
        };
        let numbered = |prefix: &str, count: usize| -> Vec<String> {
            (0..count).map(|at| format!("{prefix}{at}")).collect()
        };
        let models = or(
            models,
            of_frame("columns")?.unwrap_or_else(|| numbered("model-", columns)),
        )?;
        let ids = or(
            ids,
            of_frame("index")?.unwrap_or_else(|| numbered("", rows)),
        )?;
        let mask = measured
            .map(|given| -> PyResult<_> {
                Ok(arrays::matrix::<bool>("measured", "bool", given)?
                    .as_array()
                    .to_owned())
            })
            .transpose()?;
        if let Some(mask) = &mask
            && mask.dim() == numbers[0].dim()
            && mask.dim() == numbers[1].dim()
        {
            // What was not measured may be anything, such as not-a-number.
            for matrix in &mut numbers {
                matrix.zip_mut_with(mask, |value, &measured| {
                    *value = if measured { *value } else { 0.0 };
                });
            }
        }
        let [quality, cost] = numbers;
        let table = RoutingTable::new(RoutingTableParts {
            name: name.to_owned(),
            prompts: or(prompts, ids.clone())?,
            tasks: or(tasks, vec!["all".to_owned(); ids.len()])?,
            groups: groups.map(texts).transpose()?,
            images: images.unwrap_or_default(),
            models,
            ids,
            quality,
            cost,
            cost_unit: CostUnit::recorded(cost_unit),
        })
        .map_err(refused)?;
        let table = match mask {
            None => table,
            Some(mask) => table.with_measured(mask).map_err(refused)?,
        };
        Ok(Self::of(table))
    }

    /// A table from a data frame with a row per query: the index has the ids, columns `MODEL|quality` and `MODEL|cost` the numbers, and
    /// `prompt` and `task`, if they are there, the texts; as `to_pandas` makes it. Other columns are refused.
    #[staticmethod]
    #[pyo3(signature = (frame, *, name="table", cost_unit="US dollars"))]
    fn from_pandas<'py>(
        frame: &Bound<'py, PyAny>,
        name: &str,
        cost_unit: &str,
    ) -> PyResult<Bound<'py, PyAny>> {
        let module = frame.py().import("routelab._frames")?;
        module.call_method1("table", (frame, name, cost_unit))
    }

    /// The table as a data frame: the index has the ids, the columns are `prompt`, `task`, `MODEL|quality` and `MODEL|cost`; what was
    /// not measured is not-a-number.
    fn to_pandas<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let module = slf.py().import("routelab._frames")?;
        module.call_method1("frame", (slf,))
    }

    /// Name of the data set.
    #[getter]
    fn name(&self) -> &str {
        self.table.name()
    }

    /// `M` names, in the order of all columns.
    #[getter]
    fn models(&self) -> Vec<&str> {
        self.table.models().iter().map(String::as_str).collect()
    }

    /// `N` ids.
    #[getter]
    fn ids(&self) -> Vec<&str> {
        self.table.ids().iter().map(String::as_str).collect()
    }

    /// `N` prompts.
    #[getter]
    fn prompts(&self) -> Vec<&str> {
        self.table.prompts().iter().map(String::as_str).collect()
    }

    /// `N` names of tasks.
    #[getter]
    fn tasks(&self) -> Vec<&str> {
        self.table.tasks().iter().map(String::as_str).collect()
    }

    /// `N` files or `None`s; `None` where no query has an image.
    #[getter]
    fn images(&self) -> Option<Vec<Option<&std::path::Path>>> {
        let images = self.table.images()?;
        Some(images.iter().map(Option::as_deref).collect())
    }

    /// `N` names of groups, which no split divides; `None` without groups.
    #[getter]
    fn groups(&self) -> Option<Vec<&str>> {
        let groups = self.table.groups()?;
        Some(groups.iter().map(String::as_str).collect())
    }

    /// Unit of the costs.
    #[getter]
    fn cost_unit(&self) -> &str {
        &self.table.cost_unit().name
    }

    /// What the costs rest on, where they were not recorded.
    #[getter]
    fn cost_assumption(&self) -> Option<&str> {
        self.table.cost_unit().assumption.as_deref()
    }

    /// What a reader of the results must know about how the data were read.
    #[getter]
    fn notes(&self) -> Vec<&str> {
        self.notes.iter().map(String::as_str).collect()
    }

    /// What every model scored, `[N, M]`, in [0, 1]: a view of the table, not a copy; nobody can write to it.
    #[getter]
    fn quality<'py>(slf: &Bound<'py, Self>) -> Bound<'py, PyArray2<f64>> {
        arrays::view(slf, |this| this.table.quality())
    }

    /// What every model cost, `[N, M]`, in `cost_unit`: a view of the table, not a copy; nobody can write to it.
    #[getter]
    fn cost<'py>(slf: &Bound<'py, Self>) -> Bound<'py, PyArray2<f64>> {
        arrays::view(slf, |this| this.table.cost())
    }

    /// What was measured, `[N, M]`; `None` where everything was. `quality` and `cost` of the other cells mean nothing.
    #[getter]
    fn measured<'py>(slf: &Bound<'py, Self>) -> Option<Bound<'py, PyArray2<bool>>> {
        slf.get().table.measured()?;
        Some(arrays::view(slf, |this| {
            this.table.measured().expect("it was there")
        }))
    }

    /// The rows on which every model was measured.
    fn complete_rows<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<i64>> {
        row_array(py, &self.table.complete_rows())
    }

    /// The table of some rows, in their order: numbers or a mask. Its texts are shared with this one.
    fn select(&self, rows: &Bound<'_, PyAny>) -> PyResult<Self> {
        let rows = arrays::rows(rows, self.table.len())?;
        Ok(Self {
            table: Arc::new(self.table.select(&rows)),
            notes: self.notes.clone(),
        })
    }

    /// Writes one Parquet file, which `load(path, format="routelab")` reads back to the same table.
    fn write_parquet(&self, py: Python<'_>, path: PathBuf) -> PyResult<()> {
        py.detach(|| write_parquet(&self.table, &path))
            .map_err(refused)
    }

    /// SHA-256 of everything in the table: equal tables have equal ones.
    fn content_hash(&self) -> String {
        self.table.content_hash()
    }

    fn __len__(&self) -> usize {
        self.table.len()
    }

    fn __repr__(&self) -> String {
        format!(
            "<routelab.Table {:?}: {} queries × {} models, costs in {}>",
            self.table.name(),
            self.table.len(),
            self.table.models().len(),
            self.table.cost_unit().label()
        )
    }

    fn _repr_html_(&self) -> String {
        let summary = summary(&self.table);
        let mut models: Vec<_> = summary.models.iter().collect();
        models.sort_by(|a, b| b.mean_quality.total_cmp(&a.mean_quality));
        let rows: Vec<Vec<String>> = models
            .iter()
            .map(|model| {
                vec![
                    model.name.clone(),
                    format!("{:.4}", model.mean_quality),
                    format!("{:.6}", model.mean_cost),
                ]
            })
            .collect();
        let caption = format!(
            "{}: {} queries × {} models",
            self.table.name(),
            self.table.len(),
            models.len()
        );
        let cost = format!("mean cost ({})", self.table.cost_unit().label());
        html::table(&caption, &["model", "mean quality", &cost], &rows)
    }
}

/// Reads a data set: a folder with a `dataset.toml`, or with `format` a file or folder of any published format.
///
/// `options` are the keys of `[data]` in an experiment file, such as `missing="drop-query"`, `models=[…]`, `sample=1000`, `limit=100`.
///
/// Raises `FileNotFoundError`, and `ValueError` with the file, the row, the column, the value and what was expected.
#[pyfunction]
#[pyo3(signature = (path, *, format=None, **options))]
pub fn load(
    py: Python<'_>,
    path: PathBuf,
    format: Option<&str>,
    options: Option<&Bound<'_, PyDict>>,
) -> PyResult<Table> {
    let mut table = settings(options)?;
    if format.is_none() && path.is_file() && path.extension().is_none_or(|end| end != "toml") {
        let known: Vec<&str> = formats().iter().map(|(name, _)| *name).collect();
        return Err(wrong(format!(
            "{} is no folder with a dataset.toml: say in which `format` it is, one of {}",
            path.display(),
            known.join(", ")
        )));
    }
    let path = path
        .into_os_string()
        .into_string()
        .map_err(|path| wrong(format!("the path {path:?} is no text")))?;
    match format {
        Some(format) => {
            table.insert("format".into(), format.into());
            table.insert("path".into(), path.into());
        }
        None => {
            table.insert("dataset".into(), path.into());
        }
    }
    let spec = routelab::read_data(table, "".as_ref()).map_err(crate::errors::raised)?;
    let loaded = py.detach(|| routelab_data::load(&spec)).map_err(refused)?;
    let mut notes = loaded.report.notes;
    if loaded.report.dropped_queries > 0 {
        notes.push(format!(
            "left out {} queries with {} missing cells",
            loaded.report.dropped_queries, loaded.report.missing_cells
        ));
    }
    Ok(Table {
        table: Arc::new(loaded.table),
        notes,
    })
}

/// Every format that `load` reads: its name, and one line about it.
#[pyfunction]
pub fn formats() -> Vec<(&'static str, &'static str)> {
    let formats = routelab_data::formats().iter();
    formats
        .map(|format| (format.name, format.description))
        .collect()
}

/// Training and test rows.
type Rows<'py> = (Bound<'py, PyArray1<i64>>, Bound<'py, PyArray1<i64>>);

/// Training and test rows of a table, as an experiment splits it: `kind` is "in-domain", "out-of-domain" (no task on both sides) or
/// "train-is-test", `train` the share of training rows. The same table, arguments and seed give the same rows.
///
/// Raises `ValueError` where a side would be empty.
#[pyfunction]
#[pyo3(signature = (table, *, train=0.2, kind="in-domain", seed=42))]
pub fn split<'py>(
    py: Python<'py>,
    table: &Table,
    train: f64,
    kind: &str,
    seed: u64,
) -> PyResult<Rows<'py>> {
    let mut spec = toml::Table::new();
    spec.insert("kind".into(), kind.into());
    spec.insert("train".into(), train.into());
    let spec: SplitSpec = spec
        .try_into()
        .map_err(|error: toml::de::Error| wrong(error.message()))?;
    let split = routelab_data::split::split(&table.table, &spec, seed).map_err(refused)?;
    Ok((row_array(py, &split.train), row_array(py, &split.test)))
}
