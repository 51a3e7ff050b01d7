//! Numpy's arrays and those of the library.

use ndarray::{Array2, ArrayView2};
use numpy::{Element, PyArray1, PyArray2, PyArrayMethods, PyReadonlyArray1, PyReadonlyArray2};
use pyo3::PyClass;
use pyo3::prelude::*;
use pyo3::pyclass::boolean_struct::True;
use pyo3::types::PyDict;

use crate::errors::wrong;

/// What can be made a matrix: numpy's arrays, data frames, lists of rows. Of an array of the right type nothing is copied.
pub fn matrix<'py, T: Element>(
    name: &str,
    dtype: &str,
    given: &Bound<'py, PyAny>,
) -> PyResult<PyReadonlyArray2<'py, T>> {
    if let Ok(array) = given.extract::<PyReadonlyArray2<T>>() {
        return Ok(array);
    }
    let py = given.py();
    let options = PyDict::new(py);
    options.set_item("dtype", dtype)?;
    let numpy = py.import("numpy")?;
    let array = numpy
        .call_method("asarray", (given,), Some(&options))
        .map_err(|error| wrong(format!("`{name}` is no matrix of numbers: {error}")))?;
    array.extract::<PyReadonlyArray2<T>>().map_err(|_| {
        let shape = array.getattr("shape").map(|shape| shape.to_string());
        wrong(format!(
            "`{name}` has the shape {}; expected two dimensions, [queries, models] or [queries, dimension]",
            shape.unwrap_or_default()
        ))
    })
}

/// A copy of a matrix in double precision.
pub fn owned(name: &str, given: &Bound<'_, PyAny>) -> PyResult<Array2<f64>> {
    Ok(matrix::<f64>(name, "float64", given)?.as_array().to_owned())
}

/// Row numbers: a list, an array of integers, or a mask of booleans with an entry per row of `size`. Negative numbers count from the
/// end.
pub fn rows(given: &Bound<'_, PyAny>, size: usize) -> PyResult<Vec<usize>> {
    let numpy = given.py().import("numpy")?;
    let array = numpy.call_method1("asarray", (given,))?;
    let kind: String = array.getattr("dtype")?.getattr("kind")?.extract()?;
    if kind == "b" {
        let mask: PyReadonlyArray1<bool> = array.extract()?;
        let mask = mask.as_array();
        if mask.len() != size {
            return Err(wrong(format!(
                "`rows` is a mask of {} entries, but the table has {size} rows",
                mask.len()
            )));
        }
        let chosen = mask.iter().enumerate().filter(|(_, chosen)| **chosen);
        return checked(chosen.map(|(row, _)| row).collect(), size);
    }
    let length = array.len()?;
    if length > 0 && kind != "i" && kind != "u" {
        return Err(wrong(format!(
            "`rows` must be row numbers or a mask of booleans, not {}",
            array.getattr("dtype")?
        )));
    }
    let array = array.call_method1("astype", ("int64",))?;
    let numbers: PyReadonlyArray1<i64> = array
        .extract()
        .map_err(|_| wrong("`rows` must be one list of row numbers"))?;
    let numbers = numbers.as_array();
    let row = |&number: &i64| {
        let place = if number < 0 {
            number + size as i64
        } else {
            number
        };
        usize::try_from(place).map_err(|_| {
            wrong(format!(
                "`rows` has {number}, but the table has {size} rows, counted from 0"
            ))
        })
    };
    checked(numbers.iter().map(row).collect::<PyResult<_>>()?, size)
}

fn checked(rows: Vec<usize>, size: usize) -> PyResult<Vec<usize>> {
    routelab::check_rows(&rows, size).map_err(wrong)?;
    Ok(rows)
}

/// Row numbers as an array.
pub fn row_array<'py>(py: Python<'py>, rows: &[usize]) -> Bound<'py, PyArray1<i64>> {
    let rows = rows.iter().map(|&row| row as i64);
    PyArray1::from_vec(py, rows.collect())
}

/// A matrix inside of `owner`, seen by Python without a copy; nobody can write to it.
#[expect(
    unsafe_code,
    reason = "numpy has no safe way to look at an array of another object"
)]
pub fn view<'py, C, T>(
    owner: &Bound<'py, C>,
    matrix: impl FnOnce(&C) -> ArrayView2<'_, T>,
) -> Bound<'py, PyArray2<T>>
where
    C: PyClass<Frozen = True> + Sync,
    T: Element,
{
    let matrix = matrix(owner.get());
    // SAFETY: the matrix is borrowed from the owner, to which the array holds a reference. The owner is frozen, and what it holds are
    // values behind an `Arc` without interior mutability, so the numbers stay where they are and as they are. The array is made
    // read-only before anyone sees it.
    let array = unsafe { PyArray2::borrow_from_array(&matrix, owner.clone().into_any()) };
    array.readwrite().make_nonwriteable();
    array
}
