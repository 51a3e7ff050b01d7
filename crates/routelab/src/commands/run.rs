//! `routelab run`, `merge` and `tune`.

use std::num::NonZero;
use std::path::PathBuf;

use clap::Args;
use routelab_routers::Registry;

use super::backends;
use crate::experiment::Tuning;
use crate::failure::{Outcome, bad_request};
use crate::folder::{Asked, Shard};
use crate::output::Output;
use crate::run::{self, Reopen, RunOptions, Runs};

/// Arguments of `run`.
#[derive(Args, Clone)]
pub struct RunArgs {
    /// The experiment file.
    pub experiment: PathBuf,
    /// Where networks run: see `routelab backends`. `wgpu:1` or `wgpu:NAME` chooses an adapter, `@f16` after it a
    /// precision, `auto` the first GPU that there is.
    #[arg(long, default_value = routelab_heads::backend::DEFAULT)]
    pub backend: String,
    /// Folder of the runs; the run gets a folder of its own in it, named after the experiment.
    #[arg(long, default_value = "runs")]
    pub out: PathBuf,
    /// Number of seeds, instead of those in the file.
    #[arg(long)]
    pub seeds: Option<usize>,
    /// Fits side by side: as many as there are cores by default. A graphics card that small networks leave idle takes more, one with little
    /// memory fewer. Results do not depend on it.
    #[arg(long, value_name = "FITS")]
    pub at_once: Option<NonZero<usize>>,
    /// Continue an interrupted run; an error if there is none. Without this flag an interrupted run with the same
    /// settings is continued, too.
    #[arg(long, conflicts_with = "overwrite")]
    pub resume: bool,
    /// Throw away what an earlier run left in the folder.
    #[arg(long)]
    pub overwrite: bool,
    /// Only read the experiment and its data, say how many fits there would be, and stop.
    #[arg(long)]
    pub check: bool,
    /// Fit only share I of N, into OUT/NAME.shard-I-of-N, for `routelab merge`: an experiment on several machines.
    #[arg(long, value_name = "I/N", conflicts_with = "check")]
    pub shard: Option<Shard>,
}

/// Arguments of `merge`.
#[derive(Args)]
pub struct MergeArgs {
    /// The experiment file, or the folder of them, that was run in shards.
    pub experiment: PathBuf,
    /// The folders of all shards; by default OUT/NAME.shard-I-of-N. Those of `routelab tune` are named: OUT/NAME-tuned.shard-*.
    #[arg(value_name = "FOLDER")]
    pub shards: Vec<PathBuf>,
    /// Folder of the runs; the run gets a folder of its own in it, named after the experiment.
    #[arg(long, default_value = "runs")]
    pub out: PathBuf,
    /// Throw away what an earlier run left in the folder.
    #[arg(long)]
    pub overwrite: bool,
}

/// Arguments of `tune`.
#[derive(Args)]
pub struct TuneArgs {
    /// As for `run`.
    #[command(flatten)]
    pub run: RunArgs,
    /// Trials of every router and seed; the first has the settings of the file.
    #[arg(long, default_value_t = 16)]
    pub trials: usize,
    /// Share of the training rows that judge the trials.
    #[arg(long, default_value_t = 0.25)]
    pub validation: f64,
    /// What trials are judged by: a metric's name in metrics.csv.
    #[arg(long, default_value = "nauc_shared")]
    pub metric: String,
}

impl RunArgs {
    fn reopen(&self) -> Reopen {
        match (self.resume, self.overwrite) {
            (true, _) => Reopen::Resume,
            (false, true) => Reopen::Overwrite,
            (false, false) => Reopen::IfSame,
        }
    }
}

/// Runs an experiment file, or all of a folder in the order of their names.
pub fn run(args: &RunArgs, registry: &Registry, output: &Output) -> Outcome {
    execute(args, None, registry, output)
}

/// Runs an experiment with a search for the settings of every router.
pub fn tune(args: &TuneArgs, registry: &Registry, output: &Output) -> Outcome {
    let tuning = Tuning {
        trials: args.trials,
        validation: args.validation,
        metric: args.metric.clone(),
    };
    tuning
        .check()
        .map_err(|reason| bad_request!("{reason}\nhelp: see `routelab tune --help`"))?;
    execute(&args.run, Some(tuning), registry, output)
}

fn execute(
    args: &RunArgs,
    tuning: Option<Tuning>,
    registry: &Registry,
    output: &Output,
) -> Outcome {
    let backend = backends::open(&args.backend, output)?;
    let runs = Runs::read(&args.experiment, args.seeds, tuning.as_ref(), registry)?;
    let options = RunOptions {
        out: args.out.clone(),
        reopen: args.reopen(),
        backend,
        at_once: args.at_once,
        ..RunOptions::default()
    };
    run::with_job(&options, output, |job| match args.shard {
        _ if args.check => run::check(job, &runs),
        Some(shard) => {
            let asked = Asked {
                backend: args.backend.clone(),
                seeds: args.seeds,
                tune: tuning,
            };
            run::run_shard(job, &runs, &asked, shard)
        }
        None => run::run(job, &runs),
    })
}

/// Puts the shards of an experiment together.
pub fn merge(args: &MergeArgs, registry: &Registry, output: &Output) -> Outcome {
    let reopen = if args.overwrite {
        Reopen::Overwrite
    } else {
        Reopen::IfSame
    };
    run::merge(
        &args.experiment,
        &args.shards,
        &args.out,
        reopen,
        registry,
        output,
    )
}
