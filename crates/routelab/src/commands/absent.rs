//! The commands of the Cargo feature `service`, in a build without it: they say how to get them.

use clap::Args;
use routelab_routers::Registry;

use crate::failure::{Outcome, bad_request};
use crate::output::Output;

/// Arguments of a command that this build does not have.
#[derive(Args)]
pub struct Absent {
    /// Whatever it is given.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    pub rest: Vec<String>,
}

/// `collect`, which is not in this build.
pub fn collect(_: &Absent, _: &Output) -> Outcome {
    absent("collect")
}

/// `grade`, which is not in this build.
pub fn grade(_: &Absent, _: &Output) -> Outcome {
    absent("grade")
}

/// `serve`, which is not in this build.
pub fn serve(_: &Absent, _: &Registry, _: &Output) -> Outcome {
    absent("serve")
}

fn absent(command: &str) -> Outcome {
    Err(bad_request!(
        "`routelab {command}` is not in this build\nhelp: build with `cargo build --release --features service`; a device for other \
         machines is served by `routelab backends serve`"
    ))
}
