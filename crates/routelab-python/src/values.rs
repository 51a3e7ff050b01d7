//! Plain data of Python, TOML and JSON.

use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyFloat, PyInt, PyList, PyString};
use serde_json::Value;

use crate::errors::wrong;

/// Keyword arguments as settings; `None` leaves a key out.
pub fn settings(given: Option<&Bound<'_, PyDict>>) -> PyResult<toml::Table> {
    let mut table = toml::Table::new();
    for (key, value) in given.into_iter().flatten() {
        let key: String = key
            .extract()
            .map_err(|_| wrong(format!("a setting's name must be a text, not {key}")))?;
        if !value.is_none() {
            let value = setting(&value).map_err(|error| wrong(format!("`{key}`: {error}")))?;
            table.insert(key, value);
        }
    }
    Ok(table)
}

fn setting(value: &Bound<'_, PyAny>) -> PyResult<toml::Value> {
    if value.is_instance_of::<PyBool>() {
        return Ok(value.extract::<bool>()?.into());
    }
    if value.is_instance_of::<PyInt>() {
        return Ok(value.extract::<i64>()?.into());
    }
    if value.is_instance_of::<PyFloat>() {
        return Ok(value.extract::<f64>()?.into());
    }
    if value.is_instance_of::<PyString>() {
        return Ok(value.extract::<String>()?.into());
    }
    if let Ok(table) = value.cast::<PyDict>() {
        return Ok(settings(Some(table))?.into());
    }
    // Numpy's numbers, and paths.
    for method in ["item", "__fspath__"] {
        if value.hasattr(method)? {
            return setting(&value.call_method0(method)?);
        }
    }
    if let Ok(items) = value.try_iter() {
        let items = items.map(|item| setting(&item?));
        return Ok(toml::Value::Array(items.collect::<PyResult<_>>()?));
    }
    Err(wrong(format!(
        "{} is no setting: expected a number, a text, a boolean, a list or a dictionary",
        value.repr()?
    )))
}

/// Settings as a dictionary.
pub fn dictionary<'py>(py: Python<'py>, table: &toml::Table) -> PyResult<Bound<'py, PyAny>> {
    let value = serde_json::to_value(table).map_err(|error| wrong(error.to_string()))?;
    plain(py, &value)
}

/// JSON as Python has it.
pub fn plain<'py>(py: Python<'py>, value: &Value) -> PyResult<Bound<'py, PyAny>> {
    match value {
        Value::Null => Ok(py.None().into_bound(py)),
        Value::Bool(value) => value.into_bound_py_any(py),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => whole.into_bound_py_any(py),
            (None, number) => number.into_bound_py_any(py),
        },
        Value::String(text) => text.into_bound_py_any(py),
        Value::Array(items) => {
            let items = items.iter().map(|item| plain(py, item));
            Ok(PyList::new(py, items.collect::<PyResult<Vec<_>>>()?)?.into_any())
        }
        Value::Object(entries) => {
            let dictionary = PyDict::new(py);
            for (key, value) in entries {
                dictionary.set_item(key, plain(py, value)?)?;
            }
            Ok(dictionary.into_any())
        }
    }
}
