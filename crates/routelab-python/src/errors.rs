//! What goes wrong, as Python's exceptions, in the library's words.

use std::error::Error;
use std::io::ErrorKind;

use pyo3::exceptions::{PyFileNotFoundError, PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use routelab::Error as Failure;

/// The exception for an error of the library: `FileNotFoundError` where a file is not there, `ValueError` for a request that cannot be
/// carried out as it stands, `RuntimeError` for what failed on the way.
pub fn raised(failure: Failure) -> PyErr {
    let message = failure.to_string();
    let exception = if is_missing_file(&failure) {
        PyFileNotFoundError::new_err(message)
    } else if failure.exit_code() == 2 {
        PyValueError::new_err(message)
    } else {
        PyRuntimeError::new_err(message)
    };
    if let Some(remedy) = failure.remedy() {
        Python::attach(|py| {
            // What to do, with the program; for those who look for it.
            let _ = exception.value(py).setattr("remedy", remedy);
        });
    }
    exception
}

/// The exception for a bad request.
pub fn refused(error: impl Into<Box<dyn Error + Send + Sync>>) -> PyErr {
    let error = error.into();
    if is_missing_file(&*error) {
        PyFileNotFoundError::new_err(error.to_string())
    } else {
        PyValueError::new_err(error.to_string())
    }
}

/// The exception for a bad request, from a message.
pub fn wrong(message: impl Into<String>) -> PyErr {
    PyValueError::new_err(message.into())
}

/// Whether a file that is not there lies behind an error.
fn is_missing_file(error: &(dyn Error + 'static)) -> bool {
    let mut error = Some(error);
    while let Some(at) = error {
        let io = at.downcast_ref::<std::io::Error>();
        if io.is_some_and(|error| error.kind() == ErrorKind::NotFound) {
            return true;
        }
        error = at.source();
    }
    false
}
