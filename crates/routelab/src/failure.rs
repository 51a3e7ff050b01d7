//! What the user is told when something goes wrong, and the exit code.

use std::fmt;
use std::path::Path;
use std::process::ExitCode;

/// An error for the user: what happened and, on the next line, what to do about it.
#[derive(Debug)]
pub enum Failure {
    /// The request cannot be carried out as it stands: exit code 2.
    BadRequest(anyhow::Error),
    /// Something failed on the way: exit code 1.
    Failed(anyhow::Error),
}

/// The result of a command.
pub type Outcome<T = ()> = Result<T, Failure>;

impl Failure {
    /// A bad request.
    pub fn request(error: impl Into<anyhow::Error>) -> Self {
        Self::BadRequest(error.into())
    }

    /// A failure on the way.
    pub fn failed(error: impl Into<anyhow::Error>) -> Self {
        Self::Failed(error.into())
    }

    /// A file that cannot be written.
    pub fn write(path: &Path, error: std::io::Error) -> Self {
        Self::Failed(anyhow::anyhow!(
            "cannot write {}: {error}\nhelp: check that the folder exists, is writable and has room",
            path.display()
        ))
    }

    /// The exit code of the program.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Failure::BadRequest(_) => ExitCode::from(2),
            Failure::Failed(_) => ExitCode::from(1),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let (Failure::BadRequest(error) | Failure::Failed(error)) = self;
        write!(f, "{error}")
    }
}

impl std::error::Error for Failure {}

/// A bad request from a message.
macro_rules! bad_request {
    ($($message:tt)*) => {
        $crate::failure::Failure::BadRequest(anyhow::anyhow!($($message)*))
    };
}
pub(crate) use bad_request;
