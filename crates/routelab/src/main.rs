//! The program: see `routelab --help`.

use std::process::ExitCode;

use routelab::Registry;

fn main() -> ExitCode {
    routelab::main_with(Registry::default())
}
