//! `routelab compare`.

use std::path::PathBuf;

use clap::Args;

use crate::compare::Comparison;
use crate::failure::Outcome;
use crate::folder::RunFolder;
use crate::output::Output;

/// Arguments of `compare`.
#[derive(Args)]
pub struct CompareArgs {
    /// The first run's folder.
    #[arg(value_name = "RUN_A")]
    pub a: PathBuf,
    /// The second run's folder; differences are this run less the first.
    #[arg(value_name = "RUN_B")]
    pub b: PathBuf,
    /// Folder for compare.md, compare.csv (all metrics) and flips.csv (all queries whose choice differs).
    #[arg(long)]
    pub out: Option<PathBuf>,
}

/// Compares two runs and says what changed.
pub fn run(args: &CompareArgs, output: &Output) -> Outcome {
    let comparison = Comparison::of(&args.a, &args.b)?;
    let markdown = comparison.markdown();
    if let Some(folder) = &args.out {
        let folder = RunFolder::at(folder);
        folder.write("compare.md", markdown.as_bytes())?;
        folder.write("compare.csv", &comparison.metrics_csv()?)?;
        folder.write("flips.csv", &comparison.flips_csv()?)?;
    }
    output.say(markdown.trim_end());
    output.result(&comparison.json());
    Ok(())
}
