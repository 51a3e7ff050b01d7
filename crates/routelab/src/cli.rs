//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use routelab_eval::{Infeasible, Ties};

use crate::experiment::StrongestSpec;
use crate::run::Shard;

/// Experiments on LLM routers: train them, show where they collapse, make the figures and tables of a paper.
#[derive(Parser)]
#[command(version, propagate_version = true, arg_required_else_help = true)]
#[command(after_help = "Example:\n  routelab run experiments/collapse.toml")]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// Print no progress and no summary.
    #[arg(long, global = true)]
    pub quiet: bool,
    /// Print the result as JSON on standard output.
    #[arg(long, global = true)]
    pub json: bool,
}

/// The commands.
#[derive(Subcommand)]
pub enum Command {
    /// Run an experiment: fit every router on every seed, evaluate, write figures, tables and a report.
    #[command(after_help = "Examples:\n  routelab run experiments/collapse.toml\n  \
                            routelab run experiments/collapse.toml --seeds 2 --out /tmp/runs\n\n\
                            On two machines with a shared folder, one command each, and then on one of them `routelab merge`:\n  \
                            routelab run experiments/collapse.toml --shard 1/2\n  \
                            routelab run experiments/collapse.toml --shard 2/2")]
    Run(RunArgs),
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
    Merge(MergeArgs),
    /// Run an experiment with a random search for the settings of every router, on validation rows inside its training rows.
    ///
    /// Every router gets the same number of trials. Writes trials.csv, a figure of the search and tuned.toml beside what `run`
    /// writes, into a folder of its own. A file with a `[tune]` table is searched by `routelab run`, too.
    #[command(
        after_help = "Example:\n  routelab tune experiments/collapse.toml --trials 8 --seeds 1"
    )]
    Tune(TuneArgs),
    /// Write report.html of a run: one page with every figure and table, which opens from disk.
    #[command(after_help = "Example:\n  routelab report runs/collapse/reasoning-gym")]
    Report(ReportArgs),
    /// Show what changed between two runs: settings, inputs, metrics with intervals, and choices that flipped.
    #[command(
        after_help = "Example, after `routelab run experiments/collapse.toml`:\n  routelab run experiments/collapse.toml \
                      --seeds 2 --out /tmp/runs\n  routelab compare runs/collapse/reasoning-gym /tmp/runs/collapse/reasoning-gym --out /tmp/compared"
    )]
    Compare(CompareArgs),
    /// Evaluate predictions that were made elsewhere.
    #[command(
        after_help = "Example:\n  routelab evaluate --table docs/examples/table.csv \\\n    --predictions \
                      docs/examples/predictions.csv --json"
    )]
    Evaluate(EvaluateArgs),
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
    Route(RouteArgs),
    /// Compute the embeddings of a data set and store them beside it.
    #[command(
        after_help = "Example:\n  python3 scripts/get-minilm.py\n  routelab embed \
                            datasets/routerbench-slice --encoder minilm --half"
    )]
    Embed(EmbedArgs),
    /// List the formats and data sets, look at one, or convert it to Parquet.
    #[command(after_help = "Example:\n  routelab data inspect datasets/routerbench-slice")]
    Data(DataArgs),
    /// Measure whole stages on random data: seconds, rows per second, arithmetic, memory.
    ///
    /// Nothing is extrapolated: every stage runs whole; what takes less than a second is repeated, and the median counts. Making
    /// the data is not measured.
    #[command(after_help = "Examples:\n  routelab bench\n  \
                            routelab bench --stages equirouter,knn --threads 1 --json\n  \
                            routelab bench --scaling docs/figures")]
    Bench(BenchArgs),
    /// List where networks can run: the backends of this build and the devices of this machine; or compare them.
    #[command(
        after_help = "Examples:\n  routelab backends\n  routelab backends compare experiments/paper/main-text.toml --router \
                      EquiRouter --epochs 2 --rows 256"
    )]
    Backends(BackendsArgs),
    /// Let other processes use a device of this machine: `--backend remote:ws://HOST:PORT`. Without encryption or password.
    #[command(
        after_help = "Example, in a build with `--features remote`:\n  routelab serve --backend flex --port 3000"
    )]
    Serve(ServeArgs),
}

/// Arguments of `backends`.
#[derive(Args)]
pub struct BackendsArgs {
    /// What to do instead of listing.
    #[command(subcommand)]
    pub command: Option<BackendsCommand>,
}

/// The commands of `backends`.
#[derive(Subcommand)]
pub enum BackendsCommand {
    /// Fit the same networks on several backends: time, memory, and how far their results agree.
    #[command(
        after_help = "Example:\n  routelab backends compare experiments/paper/main-text.toml --backends flex,ndarray,flex@bf16 \
                      --router EquiRouter --epochs 2 --rows 256"
    )]
    Compare(CompareBackendsArgs),
}

/// Arguments of `backends compare`.
#[derive(Args)]
pub struct CompareBackendsArgs {
    /// The experiment file; its first seed is used.
    pub experiment: PathBuf,
    /// Backends as `--backend` takes them, with commas between; the first is the one that the others are compared with. By
    /// default every backend of this build that needs no server.
    #[arg(long, value_delimiter = ',')]
    pub backends: Vec<String>,
    /// A router's label; may be repeated. By default every router of the experiment that is trained in epochs.
    #[arg(long = "router", value_name = "LABEL")]
    pub routers: Vec<String>,
    /// Epochs of every fit, instead of those in the file.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    pub epochs: Option<u32>,
    /// Training queries and test queries, at most.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    pub rows: Option<u32>,
    /// The comparison gets the folder OUT/backends/NAME, named after the experiment.
    #[arg(long, default_value = "runs")]
    pub out: PathBuf,
    /// Measure this one backend in this process and write what was found to a file.
    #[arg(long, hide = true, num_args = 2, value_names = ["BACKEND", "FILE"])]
    pub only: Vec<String>,
}

/// Arguments of `serve`.
#[derive(Args)]
pub struct ServeArgs {
    /// The backend whose device is served.
    #[arg(long, default_value = routelab_heads::backend::DEFAULT)]
    pub backend: String,
    /// The address to listen on: 0.0.0.0 for everyone who reaches this machine.
    #[arg(long, default_value = "127.0.0.1")]
    pub host: String,
    /// The port; 0 takes a free one and says which.
    #[arg(long, default_value_t = 3000)]
    pub port: u16,
}

/// Arguments of `run`.
#[derive(Args, Clone)]
pub struct RunArgs {
    /// The experiment file.
    pub experiment: PathBuf,
    /// Where networks run: see `routelab backends`. `wgpu:1` or `wgpu:NAME` chooses an adapter, `@f16` after it the precision of
    /// predictions, `auto` the first GPU that there is.
    #[arg(long, default_value = routelab_heads::backend::DEFAULT)]
    pub backend: String,
    /// Folder of the runs; the run gets a folder of its own in it, named after the experiment.
    #[arg(long, default_value = "runs")]
    pub out: PathBuf,
    /// Number of seeds, instead of those in the file.
    #[arg(long)]
    pub seeds: Option<usize>,
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

/// Arguments of `report`.
#[derive(Args)]
pub struct ReportArgs {
    /// The run's folder.
    pub run: PathBuf,
}

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

/// Arguments of `evaluate`.
#[derive(Args)]
pub struct EvaluateArgs {
    /// What every model really scored and cost, in RouterBench's wide layout: `sample_id`, `prompt`, `eval_name`,
    /// and for every model `MODEL` (quality) and `MODEL|total_cost`.
    #[arg(long)]
    pub table: PathBuf,
    /// The router's predictions: `sample_id`, and for every model `MODEL|quality` and `MODEL|cost`; rows in any order.
    #[arg(long)]
    pub predictions: PathBuf,
    /// The choice when nothing is predicted to be within the budget.
    #[arg(long, value_enum, default_value = "cheapest")]
    pub infeasible: Convention,
    /// The choice among equal predictions.
    #[arg(long, value_enum, default_value = "cheapest")]
    pub ties: Convention,
    /// What to do with queries that lack a quality or a cost in the table.
    #[arg(long, value_enum, default_value = "error")]
    pub missing: Missing,
    /// The model onto which routing can collapse, for RCI and calls: `dearest`, `best-single` or a model's name.
    #[arg(long, default_value = "dearest", value_name = "MODEL")]
    pub strongest: StrongestSpec,
    /// Number of budgets of the sweep.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(2..))]
    pub budgets: u32,
    /// For two models: shares of the queries in (0, 1], for each of which the threshold is given that sends it to the strong model.
    #[arg(long, value_delimiter = ',', default_values_t = [0.2, 0.5, 0.8])]
    pub shares: Vec<f64>,
}

/// One of the two conventions for the cases that a rule leaves open.
#[derive(Clone, Copy, ValueEnum)]
pub enum Convention {
    /// The model with the smallest predicted cost.
    Cheapest,
    /// The first model, as in the older ORBIT.
    First,
}

impl From<Convention> for Infeasible {
    fn from(convention: Convention) -> Self {
        match convention {
            Convention::Cheapest => Infeasible::Cheapest,
            Convention::First => Infeasible::First,
        }
    }
}

impl From<Convention> for Ties {
    fn from(convention: Convention) -> Self {
        match convention {
            Convention::Cheapest => Ties::Cheapest,
            Convention::First => Ties::First,
        }
    }
}

/// What to do with incomplete queries.
#[derive(Clone, Copy, ValueEnum)]
pub enum Missing {
    /// Stop.
    Error,
    /// Leave them out and say how many.
    DropQuery,
}

impl From<Missing> for routelab_data::Missing {
    fn from(missing: Missing) -> Self {
        match missing {
            Missing::Error => routelab_data::Missing::Error,
            Missing::DropQuery => routelab_data::Missing::DropQuery,
        }
    }
}

/// Arguments of `route`.
#[derive(Args)]
pub struct RouteArgs {
    /// A fitted router: a folder `models/ROUTER` of a run.
    #[arg(long)]
    pub model: PathBuf,
    /// Largest cost of the answer, in the cost unit of the data that the router was fitted on; no limit if left out.
    #[arg(long)]
    pub budget: Option<f64>,
    /// The prompt; `-` reads prompts from standard input, as `--prompts -` does.
    #[arg(required_unless_present = "prompts")]
    pub prompt: Option<String>,
    /// A file of prompts: text, one per line, or JSON Lines with `prompt` and, relative to the file, `image`; `-` for standard
    /// input.
    #[arg(long, value_name = "FILE", conflicts_with = "prompt")]
    pub prompts: Option<PathBuf>,
    /// What the file of prompts is; by default JSON Lines if its name ends so or its first line is a JSON object.
    #[arg(long, value_enum, value_name = "KIND")]
    pub input: Option<PromptLines>,
    /// What many prompts give; by default JSON Lines.
    #[arg(long, value_enum)]
    pub format: Option<RouteFormat>,
    /// The query's image, for routers that look at images.
    #[arg(long, conflicts_with = "prompts")]
    pub image: Option<PathBuf>,
    /// Folder of MiniLM's weights, for routers that were fitted on its embeddings.
    #[arg(long, default_value = "models/all-MiniLM-L6-v2")]
    pub weights: PathBuf,
    /// Folder of CLIP's weights, for routers that were fitted on its embeddings.
    #[arg(long, default_value = "models/clip-vit-base-patch16")]
    pub clip: PathBuf,
    /// Where networks run.
    #[arg(long, default_value = routelab_heads::backend::DEFAULT)]
    pub backend: String,
}

/// What a file of prompts holds.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PromptLines {
    /// A prompt per line.
    Text,
    /// An object per line.
    JsonLines,
}

/// How choices for many prompts are written.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RouteFormat {
    /// An object per prompt.
    JsonLines,
    /// A row per prompt.
    Csv,
}

/// Arguments of `embed`.
#[derive(Args)]
pub struct EmbedArgs {
    /// A data set: a folder with a `dataset.toml`.
    pub dataset: PathBuf,
    /// The encoder: `minilm`, `clip-text`, `clip-image` or `image-statistics`.
    #[arg(long, default_value = "minilm")]
    pub encoder: String,
    /// Folder of the encoder's weights; by default models/all-MiniLM-L6-v2 or models/clip-vit-base-patch16.
    #[arg(long)]
    pub weights: Option<PathBuf>,
    /// Give queries without an image an embedding of zeros; by default they are an error.
    #[arg(long)]
    pub missing_image_zeros: bool,
    /// Cut long prompts at their beginning: for few-shot prompts, whose question stands at the end.
    #[arg(long)]
    pub keep_end: bool,
    /// The file to write; by default ENCODER.safetensors in the data set's folder.
    #[arg(long)]
    pub out: Option<PathBuf>,
    /// Embed a random sample of the queries only, the one that `sample` in an experiment file takes.
    #[arg(long)]
    pub sample: Option<usize>,
    /// Store half-precision numbers: half the size, about three digits.
    #[arg(long)]
    pub half: bool,
    /// Where the encoder runs.
    #[arg(long, default_value = routelab_heads::backend::DEFAULT)]
    pub backend: String,
}

/// Arguments of `bench`. The default sizes are those of RouterBench.
#[derive(Args)]
pub struct BenchArgs {
    /// Queries.
    #[arg(long, default_value_t = 36_497)]
    pub queries: usize,
    /// Candidate models.
    #[arg(long, default_value_t = 11)]
    pub models: usize,
    /// Dimension of the embeddings.
    #[arg(long, default_value_t = 384)]
    pub dimension: usize,
    /// Share of the queries that routers are fitted on; the others are predicted.
    #[arg(long, default_value_t = 0.2)]
    pub train: f64,
    /// Epochs of EquiRouter.
    #[arg(long, default_value_t = 5)]
    pub epochs: usize,
    /// Threads; all cores by default.
    #[arg(long)]
    pub threads: Option<usize>,
    /// What to measure.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = BenchStage::ALL)]
    pub stages: Vec<BenchStage>,
    /// Prompts that MiniLM encodes.
    #[arg(long, default_value_t = 512)]
    pub prompts: usize,
    /// Folder of MiniLM's weights.
    #[arg(long, default_value = "models/all-MiniLM-L6-v2")]
    pub weights: PathBuf,
    /// Images that CLIP encodes.
    #[arg(long, default_value_t = 64)]
    pub images: usize,
    /// Folder of CLIP's weights: `model.safetensors` and `config.json` of any size.
    #[arg(long, default_value = "models/clip-vit-base-patch32")]
    pub clip: PathBuf,
    /// A file for the result as JSON.
    #[arg(long)]
    pub out: Option<PathBuf>,
    /// Draw time against the number of queries and of models instead, as scaling-queries and scaling-models (CSV, SVG, PDF, PNG)
    /// in this folder. `--queries`, `--models`, `--stages` and `--epochs` do not apply.
    #[arg(long, value_name = "FOLDER")]
    pub scaling: Option<PathBuf>,
    /// Numbers of predicted queries of `--scaling`, ascending, of 11 models.
    #[arg(long, value_delimiter = ',', default_values_t = [10_000, 30_000, 100_000, 300_000, 1_000_000])]
    pub scaling_queries: Vec<usize>,
    /// Numbers of models of `--scaling`, ascending.
    #[arg(long, value_delimiter = ',', default_values_t = [3, 10, 30, 100, 300])]
    pub scaling_models: Vec<usize>,
}

/// A part of `bench`.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum BenchStage {
    /// EquiRouter: fit and prediction.
    Equirouter,
    /// The cost network: fit.
    Cost,
    /// kNN: fit and prediction.
    Knn,
    /// The sweep over budgets, and all metrics.
    Evaluation,
    /// A table written to Parquet and loaded.
    Table,
    /// Encoding prompts with MiniLM, if its weights are there.
    Minilm,
    /// Encoding images with CLIP, if its weights are there.
    Clip,
}

impl BenchStage {
    const ALL: [Self; 7] = [
        Self::Equirouter,
        Self::Cost,
        Self::Knn,
        Self::Evaluation,
        Self::Table,
        Self::Minilm,
        Self::Clip,
    ];
}

impl std::fmt::Display for BenchStage {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        let value = self.to_possible_value().expect("no stage is hidden");
        f.write_str(value.get_name())
    }
}

/// Arguments of `data`.
#[derive(Args)]
pub struct DataArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: DataCommand,
}

/// The commands of `data`.
#[derive(Subcommand)]
pub enum DataCommand {
    /// List the formats that can be read, and the data sets in a folder.
    List {
        /// The folder of data sets.
        #[arg(default_value = "datasets")]
        folder: PathBuf,
    },
    /// Quality and cost of every model, the oracle, ties, and how often each model is the only best one.
    ///
    /// Also draws the pool: quality against cost of every model, and how often each is the best.
    Inspect {
        /// A folder with a `dataset.toml`, or such a file.
        dataset: PathBuf,
        /// Where the picture goes: OUT/NAME/pool.svg, .pdf, .png and .csv.
        #[arg(long, default_value = "runs/data")]
        out: PathBuf,
    },
    /// Write a data set as one Parquet file, which reads back to the same table (format `routelab`).
    Convert {
        /// A folder with a `dataset.toml`, or such a file.
        dataset: PathBuf,
        /// The Parquet file.
        out: PathBuf,
    },
}
