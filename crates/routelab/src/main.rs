//! The program: see `routelab --help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    routelab::main_with()
}
