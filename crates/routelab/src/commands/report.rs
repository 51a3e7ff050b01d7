//! `routelab report`.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use crate::failure::Outcome;
use crate::folder::RunFolder;
use crate::output::Output;
use crate::report;

/// Arguments of `report`.
#[derive(Args)]
pub struct ReportArgs {
    /// The run's folder.
    pub run: PathBuf,
}

/// Writes the report of a run and says where it is.
pub fn run(args: &ReportArgs, output: &Output) -> Outcome {
    let path = report::write(&RunFolder::open(&args.run)?)?;
    output.say(path.display().to_string());
    output.result(&json!({"report": path}));
    Ok(())
}
