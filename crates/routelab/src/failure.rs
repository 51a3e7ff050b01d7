//! What the user is told when something goes wrong, and the exit code.

use std::fmt;
use std::path::Path;

/// What comes between what happened and what to do about it.
const HELP: &str = "\nhelp: ";

/// What went wrong. It displays what happened; what to do about it, with the program, is its [`remedy`](Self::remedy).
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

    /// A bad request in words of its own; the error behind it is its [source](std::error::Error::source).
    pub fn because(error: impl std::error::Error + Send + Sync + 'static, told: String) -> Self {
        Self::BadRequest(anyhow::Error::new(error).context(told))
    }

    /// A file that cannot be written.
    pub fn write(path: &Path, error: std::io::Error) -> Self {
        Self::Failed(anyhow::anyhow!(
            "cannot write {}: {error}\nhelp: check that the folder exists, is writable and has room",
            path.display()
        ))
    }

    /// What happened and, on the next line, what to do about it.
    pub fn told(&self) -> String {
        let (Failure::BadRequest(error) | Failure::Failed(error)) = self;
        error.to_string()
    }

    /// What to do about it, in terms of the program and its flags, where there is something to be said.
    pub fn remedy(&self) -> Option<String> {
        let told = self.told();
        told.split_once(HELP).map(|(_, help)| help.to_owned())
    }

    /// The exit code of the program.
    pub fn exit_code(&self) -> u8 {
        match self {
            Failure::BadRequest(_) => 2,
            Failure::Failed(_) => 1,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let told = self.told();
        f.write_str(told.split_once(HELP).map_or(&*told, |(message, _)| message))
    }
}

impl std::error::Error for Failure {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        let (Failure::BadRequest(error) | Failure::Failed(error)) = self;
        Some(&**error)
    }
}

/// A bad request from a message.
macro_rules! bad_request {
    ($($message:tt)*) => {
        $crate::failure::Failure::BadRequest(anyhow::anyhow!($($message)*))
    };
}
pub(crate) use bad_request;
