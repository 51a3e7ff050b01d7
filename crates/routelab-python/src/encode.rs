//! Embeddings, and the encoders that make them.

use std::path::PathBuf;
use std::sync::Arc;

use numpy::PyArray2;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use routelab_data::{Embeddings as Data, Precision};
use routelab_encode::Query;

use crate::arrays;
use crate::errors::{raised, refused, wrong};
use crate::table::Table;
use crate::values::settings;
use crate::work::{backend, detached};

/// One vector per query, `[queries, dimension]`, single precision. Works wherever numpy takes an array; routers take it without a copy.
#[pyclass(frozen, module = "routelab")]
pub struct Embeddings {
    pub data: Arc<Data>,
}

/// Embeddings from an `Embeddings`, which is not copied, or from an array, which is.
pub fn embeddings(given: &Bound<'_, PyAny>) -> PyResult<Arc<Data>> {
    if let Ok(embeddings) = given.extract::<PyRef<'_, Embeddings>>() {
        return Ok(Arc::clone(&embeddings.data));
    }
    let array = arrays::matrix::<f32>("embeddings", "float32", given)?;
    let data = Data::new(array.as_array().to_owned(), "an array of the caller");
    Ok(Arc::new(data.map_err(refused)?))
}

#[pymethods]
impl Embeddings {
    #[new]
    #[pyo3(signature = (values, encoder="an array of the caller"))]
    fn new(values: &Bound<'_, PyAny>, encoder: &str) -> PyResult<Self> {
        let array = arrays::matrix::<f32>("values", "float32", values)?;
        let data = Data::new(array.as_array().to_owned(), encoder).map_err(refused)?;
        Ok(Self {
            data: Arc::new(data),
        })
    }

    /// Reads a file that `save`, `routelab embed` or a data set's maker wrote, in the order of the table's queries. The file may have
    /// more queries.
    #[staticmethod]
    fn load(py: Python<'_>, path: PathBuf, table: &Table) -> PyResult<Self> {
        let table = &table.table;
        let data = py
            .detach(|| Data::read(&path, table.ids()))
            .map_err(refused)?;
        Ok(Self {
            data: Arc::new(data),
        })
    }

    /// Writes a safetensors file that experiments read (`[embeddings] file = …`). `half`: half the size, about three digits.
    #[pyo3(signature = (path, table, *, half=false))]
    fn save(&self, py: Python<'_>, path: PathBuf, table: &Table, half: bool) -> PyResult<()> {
        let precision = if half { Precision::F16 } else { Precision::F32 };
        let table = &table.table;
        py.detach(|| self.data.write(&path, table.ids(), precision))
            .map_err(refused)
    }

    /// The vectors, `[queries, dimension]`: a view, not a copy; nobody can write to it.
    #[getter]
    fn values<'py>(slf: &Bound<'py, Self>) -> Bound<'py, PyArray2<f32>> {
        arrays::view(slf, |this| this.data.values())
    }

    /// What made them.
    #[getter]
    fn encoder(&self) -> &str {
        self.data.encoder()
    }

    /// Queries and dimension.
    #[getter]
    fn shape(&self) -> (usize, usize) {
        (self.data.len(), self.data.dim())
    }

    /// The embeddings of some rows, in their order: numbers or a mask.
    fn select(&self, rows: &Bound<'_, PyAny>) -> PyResult<Self> {
        let rows = arrays::rows(rows, self.data.len())?;
        Ok(Self {
            data: Arc::new(self.data.select(&rows)),
        })
    }

    #[pyo3(signature = (dtype=None, copy=None))]
    fn __array__<'py>(
        slf: &Bound<'py, Self>,
        dtype: Option<&Bound<'py, PyAny>>,
        copy: Option<bool>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let values = Self::values(slf).into_any();
        let single = match dtype {
            None => true,
            Some(dtype) => values.getattr("dtype")?.eq(dtype)?,
        };
        match (single, copy) {
            (true, None | Some(false)) => Ok(values),
            (true, Some(true)) => values.call_method0("copy"),
            (false, Some(false)) => Err(wrong(
                "embeddings are in single precision: another type needs a copy",
            )),
            (false, _) => values.call_method1("astype", (dtype,)),
        }
    }

    fn __len__(&self) -> usize {
        self.data.len()
    }

    fn __repr__(&self) -> String {
        format!(
            "<routelab.Embeddings: {} × {} by {}>",
            self.data.len(),
            self.data.dim(),
            self.data.encoder()
        )
    }
}

/// Embeddings of prompts, or of prompts and images, by one of RouteLab's encoders: "minilm", "hashed-ngrams", "clip-text",
/// "clip-image" or "image-statistics".
///
/// `images`: a file or `None` per prompt. `fit`: the training prompts, for an encoder that is fitted first ("hashed-ngrams").
/// `settings` are the keys beside `encoder` in `[embeddings]` of an experiment file, such as `weights="folder"`, `keep_end=True`,
/// `missing_image="zeros"`. What was computed once is taken from the cache.
///
/// Raises `FileNotFoundError` without the encoder's weights, and `ValueError` for a query that cannot be embedded.
#[pyfunction]
#[pyo3(signature = (prompts, encoder="minilm", *, images=None, fit=None, backend="flex", progress=None, **settings))]
#[expect(clippy::too_many_arguments, reason = "they are keywords in Python")]
pub fn encode(
    py: Python<'_>,
    prompts: Vec<String>,
    encoder: &str,
    images: Option<Vec<Option<PathBuf>>>,
    fit: Option<Vec<String>>,
    backend: &str,
    progress: Option<Bound<'_, PyAny>>,
    settings: Option<&Bound<'_, PyDict>>,
) -> PyResult<Embeddings> {
    let backend = self::backend(backend)?;
    let mut given = self::settings(settings)?;
    given.insert("encoder".into(), encoder.into());
    if let Some(images) = &images
        && images.len() != prompts.len()
    {
        return Err(wrong(format!(
            "there are {} images for {} prompts: give a file or None for every prompt",
            images.len(),
            prompts.len()
        )));
    }
    let data = detached(py, progress, |watch| {
        let image = |at: usize| images.as_ref().and_then(|images| images[at].as_deref());
        let queries: Vec<Query> = prompts
            .iter()
            .enumerate()
            .map(|(at, text)| Query {
                text,
                image: image(at),
            })
            .collect();
        let fit: Option<Vec<&str>> =
            (fit.as_ref()).map(|fit| fit.iter().map(String::as_str).collect());
        routelab::encode(&queries, given, fit.as_deref(), &backend, watch)
    })?;
    Ok(Embeddings {
        data: Arc::new(data),
    })
}

/// A failure of the library that has to do with a query.
pub fn unreadable(error: routelab_encode::EncodeError) -> PyErr {
    raised(routelab::Error::request(error))
}
