//! `routelab bench`: how long whole stages take on this machine, what they reach of its arithmetic, and their memory.

mod measure;
mod scaling;
mod stages;

use routelab_encode::{ClipVision, EncodeError, MiniLm};
use routelab_heads::Backend;
use serde_json::{Value, json};

use crate::cli::{BenchArgs, BenchStage};
use crate::failure::{Failure, Outcome, bad_request};
use crate::output::Output;
use measure::{Measured, peak_gflops};
use stages::{Data, Sizes};

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
    let backend = Backend::default();
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
        "{:<20}{:>10}{:>10}{:>12}{:>12}{:>9}{:>9}{:>10}",
        "stage", "seconds", "cpu s", "rows/s", "ms/step", "GFLOP/s", "of peak", "peak MiB"
    ));
    let data = Data::new(sizes);
    let (mut measured, mut skipped) = (Vec::new(), Vec::new());
    let mut skip = |stage: &str, error: EncodeError| {
        output.say(format!("{stage:<20}skipped: {error}"));
        skipped.push(json!({"stage": stage, "reason": error.to_string()}));
        Vec::new()
    };
    for stage in &args.stages {
        let done = match stage {
            BenchStage::Equirouter => data.equirouter(args.epochs, backend, peak)?,
            BenchStage::Cost => data.cost(backend, peak)?,
            BenchStage::Knn => data.knn(backend, peak)?,
            BenchStage::Evaluation => data.evaluation(peak)?,
            BenchStage::Table => data.table(peak)?,
            BenchStage::Minilm => match MiniLm::load(&args.weights, backend.device()) {
                Ok(encoder) => stages::minilm(&encoder, args.prompts, peak)?,
                Err(error) => skip("minilm encode", error),
            },
            BenchStage::Clip => match ClipVision::load(&args.clip, backend.device()) {
                Ok(encoder) => stages::clip(&encoder, args.images, peak)?,
                Err(error) => skip("clip encode", error),
            },
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
        "backend": backend.name(),
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
        "{:<20}{:>10.3}{:>10}{:>12.0}{:>12}{:>9}{:>9}{:>10}",
        measured.stage,
        measured.seconds,
        number(measured.cpu_seconds, 2),
        measured.rows_per_second,
        number(per_step, 2),
        number(measured.gflops, 1),
        number(measured.share_of_peak, 2),
        number(measured.peak_mib, 0),
    )
}
