//! From prompts to a table (`collect`, `grade`), and from a fitted router to a server (`serve`).

mod collect;
mod serve;

pub use collect::{CollectArgs, GradeArgs, collect, grade};
pub use serve::{ServeArgs, serve};

use routelab_service::ServiceError;

use crate::failure::{Failure, bad_request};

/// What went wrong, and what to do about it on the command line.
fn refused(error: ServiceError) -> Failure {
    match error {
        ServiceError::Request(_) => Failure::request(error),
        ServiceError::Failed(_) => Failure::failed(error),
        ServiceError::Cap { .. } => Failure::failed(anyhow::anyhow!(
            "{error}\nhelp: the same command with a larger `--cap` goes on; the table has what is there"
        )),
        ServiceError::Stopped { .. } => {
            Failure::failed(anyhow::anyhow!("{error}\nhelp: the same command goes on"))
        }
    }
}

/// Whether a number is one of dollars.
fn dollars(name: &str, amount: Option<f64>) -> Result<Option<routelab_service::Money>, Failure> {
    let Some(amount) = amount else {
        return Ok(None);
    };
    match routelab_service::Money::from_dollars(amount) {
        Some(money) => Ok(Some(money)),
        None => Err(bad_request!(
            "`{name}` must be US dollars of at least 0, not {amount}\nhelp: give it as a number, such as 2.50"
        )),
    }
}
