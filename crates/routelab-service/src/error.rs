//! What can go wrong, in words: what happened and, after a semicolon, what to do.

use std::fmt::Display;
use std::path::Path;

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// The request cannot be carried out as it stands: a file, a setting, a variable of the environment.
    #[error("{0}")]
    Request(String),
    /// Something failed on the way.
    #[error("{0}")]
    Failed(String),
    /// The next call could pass the cap.
    #[error("the cap of ${cap} is reached: ${spent} were spent, and {left} calls are left")]
    Cap {
        /// US dollars.
        cap: String,
        /// US dollars, with what unanswered calls may have cost.
        spent: String,
        /// Calls that were not made.
        left: usize,
    },
    /// It was told to stop.
    #[error("stopped, with {left} calls left; what was answered is kept")]
    Stopped {
        /// Calls that were not made.
        left: usize,
    },
}

impl ServiceError {
    /// A bad request about a file.
    pub(crate) fn file(path: &Path, detail: impl Display) -> Self {
        Self::Request(format!("{}: {detail}", path.display()))
    }

    /// A file that cannot be written or read on the way.
    pub(crate) fn io(path: &Path, error: &std::io::Error) -> Self {
        Self::Failed(format!(
            "cannot write {}: {error}; check that the folder is writable and has room",
            path.display()
        ))
    }
}

impl From<routelab_data::DataError> for ServiceError {
    fn from(error: routelab_data::DataError) -> Self {
        Self::Request(error.to_string())
    }
}
