//! The compiled half of the Python package `routelab`.
use numpy::PyArray2;
use pyo3::prelude::*;

#[pymodule]
mod _routelab {
    use super::*;
    #[pyfunction]
    fn hello(py: Python<'_>) -> Bound<'_, PyArray2<f64>> {
        PyArray2::from_owned_array(py, ndarray::array![[1.0, 2.0]])
    }
}
