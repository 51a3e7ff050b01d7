//! `routelab run`: load, split, fit every router on every seed, evaluate, write everything down.

mod figures;
mod fitting;
mod inputs;
mod manifest;
pub mod results;
mod store;
mod tables;

use std::time::Instant;

use routelab_heads::Backend;
use serde_json::json;

use crate::cli::RunArgs;
use crate::experiment::Experiment;
use crate::failure::{Failure, Outcome};
use crate::output::Output;
use crate::report;

pub use inputs::{embed, minilm};
use store::Store;

/// Runs the experiment.
pub fn run(args: &RunArgs, output: &Output) -> Outcome {
    let start = Instant::now();
    let experiment = Experiment::read(&args.experiment, args.seeds)?;
    let backend = Backend::from_name(&args.backend).map_err(Failure::request)?;
    output.note(format!(
        "{}: {} routers, {} seeds, backend {}",
        experiment.title,
        experiment.routers.len(),
        experiment.seeds.len(),
        backend.name()
    ));

    let inputs = inputs::load(&experiment, &backend, output)?;
    let manifest = manifest::manifest(&experiment, &inputs, &backend);
    let store = Store::open(args, &experiment, &manifest)?;
    store.log(format!(
        "read data and embeddings: {:.1} s",
        start.elapsed().as_secs_f64()
    ))?;

    let fitted = fitting::fit_all(&experiment, &inputs, &backend, &store, output)?;
    let stage = Instant::now();
    output.note("evaluating");
    let results = results::evaluate(&experiment, &inputs, fitted)?;
    store.log(format!("evaluated: {:.1} s", stage.elapsed().as_secs_f64()))?;

    let stage = Instant::now();
    results.write(&store)?;
    tables::write(&results, &store)?;
    figures::write(&experiment, &inputs, &results, &store)?;
    store.log(format!(
        "wrote tables and figures: {:.1} s",
        stage.elapsed().as_secs_f64()
    ))?;
    let page = report::write(store.folder())?;
    store.log(format!("whole run: {:.1} s", start.elapsed().as_secs_f64()))?;

    output.say(tables::for_terminal(&results));
    output.say(format!("report: {}", page.display()));
    output.result(&json!({
        "run": store.folder(),
        "report": page,
        "metrics": results.summary_json(),
    }));
    Ok(())
}
