//! The command line: a file per command.

#[cfg(not(feature = "service"))]
mod absent;
mod backends;
mod bench;
mod compare;
mod data;
mod embed;
mod evaluate;
mod predictions;
mod report;
mod route;
mod run;
#[cfg(feature = "service")]
mod service;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use routelab_routers::Registry;

use crate::output::{self, Output};

#[cfg(not(feature = "service"))]
use absent::{self as service, Absent as CollectArgs, Absent as GradeArgs, Absent as ServeArgs};
#[cfg(feature = "service")]
use service::{CollectArgs, GradeArgs, ServeArgs};

/// Experiments on LLM routers: train them, show where they collapse, make the figures and tables of a paper.
#[derive(Parser)]
#[command(
    name = "routelab",
    version,
    propagate_version = true,
    arg_required_else_help = true
)]
#[command(after_help = "Example:\n  routelab run experiments/collapse.toml")]
struct Cli {
    /// What to do.
    #[command(subcommand)]
    command: Command,
    /// Print no progress and no summary.
    #[arg(long, global = true)]
    quiet: bool,
    /// Print the result as JSON on standard output.
    #[arg(long, global = true)]
    json: bool,
}

/// The commands.
#[derive(Subcommand)]
enum Command {
    /// Run an experiment: fit every router on every seed, evaluate, write figures, tables and a report.
    #[command(after_help = "Examples:\n  routelab run experiments/collapse.toml\n  \
                            routelab run experiments/collapse.toml --seeds 2 --out /tmp/runs\n\n\
                            On two machines with a shared folder, one command each, and then on one of them `routelab merge`:\n  \
                            routelab run experiments/collapse.toml --shard 1/2\n  \
                            routelab run experiments/collapse.toml --shard 2/2")]
    Run(run::RunArgs),
    /// Put the shards of an experiment together: check that all are there, evaluate, write figures, tables and a report.
    ///
    /// The result is that of one `routelab run` without shards, to the byte.
    #[command(
        after_help = "Example:\n  routelab run experiments/collapse.toml --shard 1/2\n  \
                      routelab run experiments/collapse.toml --shard 2/2\n  \
                      routelab merge experiments/collapse.toml\n\n\
                      With folders that were copied from other machines:\n  \
                      routelab merge experiments/collapse.toml copied/collapse.shard-*-of-2"
    )]
    Merge(run::MergeArgs),
    /// Run an experiment with a random search for the settings of every router, on validation rows inside its training rows.
    ///
    /// Every router gets the same number of trials. Writes trials.csv, a figure of the search and tuned.toml beside what `run`
    /// writes, into a folder of its own. A file with a `[tune]` table is searched by `routelab run`, too.
    #[command(
        after_help = "Example:\n  routelab tune experiments/collapse.toml --trials 8 --seeds 1"
    )]
    Tune(run::TuneArgs),
    /// Write report.html of a run: one page with every figure and table, which opens from disk.
    #[command(after_help = "Example:\n  routelab report runs/collapse/reasoning-gym")]
    Report(report::ReportArgs),
    /// Show what changed between two runs: settings, inputs, metrics with intervals, and choices that flipped.
    #[command(
        after_help = "Example, after `routelab run experiments/collapse.toml`:\n  routelab run experiments/collapse.toml \
                      --seeds 2 --out /tmp/runs\n  routelab compare runs/collapse/reasoning-gym /tmp/runs/collapse/reasoning-gym --out /tmp/compared"
    )]
    Compare(compare::CompareArgs),
    /// Evaluate predictions that were made elsewhere.
    #[command(
        after_help = "Example:\n  routelab evaluate --table docs/examples/table.csv \\\n    --predictions \
                      docs/examples/predictions.csv --json"
    )]
    Evaluate(evaluate::EvaluateArgs),
    /// Choose a model for a prompt, or for every prompt of a file, with a fitted router of a run.
    ///
    /// Many prompts are read from a file, or with `-` from standard input: one per line, or JSON Lines, objects with `prompt` and,
    /// where the router looks at images, `image`. The router is loaded once. The result is JSON Lines or CSV, a line per prompt in
    /// the order of the file, with the number of its line and its `id`, if it has one.
    #[command(
        after_help = "Examples, after `routelab run experiments/collapse.toml` and `python3 scripts/get-minilm.py`:\n  \
                      routelab route --model runs/collapse/reasoning-gym/models/equirouter \\\n    --budget 0.0003 \"Which planet is \
                      known as the Red Planet?\"\n  \
                      routelab route --model runs/collapse/reasoning-gym/models/equirouter \\\n    --budget 0.0003 --prompts \
                      docs/examples/prompts.txt --format csv\n  \
                      routelab route --model runs/collapse/reasoning-gym/models/equirouter \\\n    --budget 0.0003 - < \
                      docs/examples/prompts.jsonl"
    )]
    Route(route::RouteArgs),
    /// Compute the embeddings of a data set and store them beside it.
    #[command(
        after_help = "Example:\n  python3 scripts/get-minilm.py\n  routelab embed \
                            datasets/routerbench-slice --encoder minilm --half"
    )]
    Embed(embed::EmbedArgs),
    /// List the formats and data sets, look at one, or convert it to Parquet.
    #[command(after_help = "Example:\n  routelab data inspect datasets/routerbench-slice")]
    Data(data::DataArgs),
    /// Measure whole stages on random data: seconds, rows per second, arithmetic, memory.
    ///
    /// Nothing is extrapolated: every stage runs whole; what takes less than a second is repeated, and the median counts. Making
    /// the data is not measured.
    #[command(after_help = "Examples:\n  routelab bench\n  \
                            routelab bench --stages equirouter,knn --threads 1 --json\n  \
                            routelab bench --scaling docs/figures")]
    Bench(bench::BenchArgs),
    /// List where networks can run: the backends of this build and the devices of this machine; or compare them.
    #[command(
        after_help = "Examples:\n  routelab backends\n  routelab backends compare experiments/paper/main-text.toml --router \
                      EquiRouter --epochs 2 --rows 256"
    )]
    Backends(backends::BackendsArgs),
    /// Ask every model of a pool every prompt of a file, grade the answers, and write the table that experiments read.
    ///
    /// What is paid never passes the cap. After a kill at any moment the same command goes on, and asks nothing twice. Keys come from the
    /// environment and are never written. In a build with `--features service`.
    #[command(
        after_help = "Example, with a pool as in docs/service.md:\n  routelab collect prompts.jsonl --pool pool.toml --grading grading.toml --out \
                      mine --cap 2.50\n  routelab run mine/experiment.toml"
    )]
    Collect(CollectArgs),
    /// Grade the answers of a collection again, without asking again. In a build with `--features service`.
    #[command(after_help = "Example:\n  routelab grade mine --grading strict.toml")]
    Grade(GradeArgs),
    /// Serve a fitted router like OpenAI's API: it chooses a model for every request, and forwards it. In a build with `--features service`.
    ///
    /// `/v1/chat/completions` with streams and images, `/v1/models`, `/v1/route` for the decision alone, `/healthz`, `/metrics`. The limit of a request
    /// stands in its model, `routelab:budget=0.002` or `routelab:price=100`, or in the headers x-routelab-budget and x-routelab-price. SIGHUP opens the
    /// router again, SIGTERM ends it when requests under way are done.
    #[command(
        after_help = "Example, after `routelab run mine/experiment.toml`:\n  routelab serve runs/mine/models/knn --pool pool.toml --budget 0.0005"
    )]
    Serve(ServeArgs),
}

/// The program, with the routers of a registry: those of RouteLab (`Registry::default()`) and others.
pub fn main_with(registry: Registry) -> ExitCode {
    main_from(registry, std::env::args_os()).into()
}

/// The same with these arguments, the program's name first. Gives the exit code.
pub fn main_from(registry: Registry, args: impl IntoIterator<Item = OsString>) -> u8 {
    routelab_kernels::keep_freed_memory();
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        // Help and versions come as errors, too. Where nobody reads them there is nobody to tell.
        Err(error) => {
            let _ = error.print();
            return u8::try_from(error.exit_code()).unwrap_or(2);
        }
    };
    let output = Output::new(cli.quiet, cli.json);
    backends::keep_kernels();
    let done = match &cli.command {
        Command::Run(args) => run::run(args, &registry, &output),
        Command::Merge(args) => run::merge(args, &registry, &output),
        Command::Tune(args) => run::tune(args, &registry, &output),
        Command::Report(args) => report::run(args, &output),
        Command::Compare(args) => compare::run(args, &output),
        Command::Evaluate(args) => evaluate::run(args, &output),
        Command::Route(args) => route::run(args, &registry, &output),
        Command::Embed(args) => embed::run(args, &output),
        Command::Data(args) => data::run(args, &output),
        Command::Bench(args) => bench::run(args, &output),
        Command::Backends(args) => backends::run(args, &registry, &output),
        Command::Collect(args) => service::collect(args, &output),
        Command::Grade(args) => service::grade(args, &output),
        Command::Serve(args) => service::serve(args, &registry, &output),
    };
    match done.and_then(|()| output.finish()) {
        Ok(()) => 0,
        Err(failure) => {
            output::error(&failure);
            failure.exit_code()
        }
    }
}
