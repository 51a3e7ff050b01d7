//! `routelab bench`: how long whole stages take on this machine, what they reach of its arithmetic, and their memory.

mod measure;
mod scaling;
mod stages;

use clap::{Args, ValueEnum};
use routelab_encode::{ClipVision, EncodeError, MiniLm};
use routelab_heads::Backend;
use routelab_heads::backend::{DEFAULT, Precision};
use serde_json::{Value, json};
use std::path::PathBuf;

use super::backends::open;
use crate::failure::{Failure, Outcome, bad_request};
use crate::output::Output;
use measure::{Measured, On, peak_gflops};
use stages::{Data, Sizes};

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
    /// Where networks run (`equirouter`, `cost`, `minilm`, `clip`): see `routelab backends`. On a graphics card, nearest neighbours are
    /// searched there too (`knn`, `prudent`). All else runs on the processor, and the column `on` says so.
    #[arg(long, default_value = DEFAULT)]
    pub backend: String,
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
    /// Prudent: fit and prediction.
    Prudent,
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
    const ALL: [Self; 8] = [
        Self::Equirouter,
        Self::Cost,
        Self::Knn,
        Self::Prudent,
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

/// Measures the stages and prints a table, or draws the curves.
pub fn run(args: &BenchArgs, output: &Output) -> Outcome {
    if let Some(threads) = args.threads {
        if threads == 0 {
            return Err(bad_request!(
                "`--threads` must be at least 1\nhelp: leave it out for all cores"
            ));
        }
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
        pool.build_global().map_err(Failure::failed)?;
    }
    let sizes = sizes(args)?;
    let backend = open(&args.backend, output)?;
    let peak = peak_gflops();
    let result = match &args.scaling {
        Some(folder) => scaling::draw(args, folder, sizes, &backend, peak, output)?,
        None => stages(args, sizes, &backend, peak, output)?,
    };
    if let Some(path) = &args.out {
        routelab_data::write_atomically(path, format!("{result:#}\n").as_bytes())
            .map_err(|error| Failure::write(path, error))?;
    }
    output.result(&result);
    Ok(())
}

fn sizes(args: &BenchArgs) -> Outcome<Sizes> {
    let train = (args.train * args.queries as f64) as usize;
    if !(args.train > 0.0 && args.train < 1.0) || train == 0 || train == args.queries {
        return Err(bad_request!(
            "`--train {}` of {} queries leaves none on one side\nhelp: give a share between 0 and 1, and more queries",
            args.train,
            args.queries
        ));
    }
    let numbers = [
        args.models,
        args.dimension,
        args.epochs,
        args.prompts,
        args.images,
    ];
    let of_curves = args.scaling_queries.iter().chain(&args.scaling_models);
    if numbers.iter().chain(of_curves).any(|&number| number == 0) {
        return Err(bad_request!(
            "numbers of queries, models, dimensions, epochs, prompts and images must be at least 1\nhelp: see `routelab bench --help`"
        ));
    }
    Ok(Sizes {
        queries: args.queries,
        models: args.models,
        dimension: args.dimension,
        train,
    })
}

/// Every stage that is asked for, printed as it ends.
fn stages(
    args: &BenchArgs,
    sizes: Sizes,
    backend: &Backend,
    peak: f64,
    output: &Output,
) -> Outcome<Value> {
    output.say(format!(
        "{} queries, {} of them trained on; {} models, dimension {}; {} threads; matrix products reach {peak:.0} GFLOP/s\n",
        sizes.queries,
        sizes.train,
        sizes.models,
        sizes.dimension,
        rayon::current_num_threads()
    ));
    output.say(format!(
        "{:<20}{:>10}{:>10}{:>12}{:>12}{:>9}{:>9}{:>10}{:>9}  {}",
        "stage",
        "seconds",
        "cpu s",
        "rows/s",
        "ms/step",
        "GFLOP/s",
        "of peak",
        "peak MiB",
        "kernels",
        "on"
    ));
    let data = Data::new(sizes);
    let on = On {
        backend: Some(backend),
        peak,
    };
    fn said<T>(loaded: Result<T, EncodeError>) -> Result<T, String> {
        loaded.map_err(|error| error.to_string())
    }
    let (mut measured, mut skipped) = (Vec::new(), Vec::new());
    let mut skip = |stage: &str, reason: String| {
        output.say(format!("{stage:<20}skipped: {reason}"));
        skipped.push(json!({"stage": stage, "reason": reason}));
        Vec::new()
    };
    let single = || match backend.precision() {
        Precision::F32 => Ok(backend.device()),
        precision => Err(format!(
            "encoders compute in single precision, not in {precision}"
        )),
    };
    for stage in &args.stages {
        let done = match stage {
            BenchStage::Equirouter => data.equirouter(args.epochs, backend, peak)?,
            BenchStage::Cost => data.cost(backend, peak)?,
            BenchStage::Knn => data.knn(backend, peak)?,
            BenchStage::Prudent => data.prudent(backend, peak)?,
            BenchStage::Evaluation => data.evaluation(peak)?,
            BenchStage::Table => data.table(peak)?,
            BenchStage::Minilm => {
                match single().and_then(|device| said(MiniLm::load(&args.weights, device))) {
                    Ok(encoder) => stages::minilm(&encoder, args.prompts, &on)?,
                    Err(error) => skip("minilm encode", error),
                }
            }
            BenchStage::Clip => {
                match single().and_then(|device| said(ClipVision::load(&args.clip, device))) {
                    Ok(encoder) => stages::clip(&encoder, args.images, &on)?,
                    Err(error) => skip("clip encode", error),
                }
            }
        };
        done.iter().for_each(|stage| output.say(line(stage)));
        measured.extend(done);
    }
    Ok(json!({
        "queries": sizes.queries,
        "train": sizes.train,
        "models": sizes.models,
        "dimension": sizes.dimension,
        "threads": rayon::current_num_threads(),
        "backend": backend.identity(),
        "peak_gflops": peak,
        "stages": measured,
        "skipped": skipped,
    }))
}

fn line(measured: &Measured) -> String {
    let number = |value: Option<f64>, digits: usize| {
        value.map_or_else(|| "-".into(), |value| format!("{value:.digits$}"))
    };
    let per_step = measured
        .steps
        .map(|steps| 1000.0 * measured.seconds / steps as f64);
    format!(
        "{:<20}{:>10.3}{:>10}{:>12.0}{:>12}{:>9}{:>9}{:>10}{:>9}  {}",
        measured.stage,
        measured.seconds,
        number(measured.cpu_seconds, 2),
        measured.rows_per_second,
        number(per_step, 2),
        number(measured.gflops, 1),
        number(measured.share_of_peak, 2),
        number(measured.peak_mib, 0),
        number(measured.kernels.map(|kernels| kernels as f64), 0),
        measured.on,
    )
}
