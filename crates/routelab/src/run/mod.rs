//! `routelab run`: load, split, fit every router on every seed, evaluate, write everything down.

mod analysis;
pub mod figures;
mod fitting;
mod inputs;
mod manifest;
mod queries;
pub mod results;
pub mod store;
mod study;
mod tables;
pub mod truth;
mod tuning;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Instant;

use routelab_data::write_atomically;
use routelab_heads::Backend;
use serde_json::json;

use crate::cli::{RunArgs, TuneArgs};
use crate::experiment::{Experiment, Request, Tuning};
use crate::failure::{Failure, Outcome, bad_request};
use crate::output::Output;
use crate::report::{self, IndexEntry};

pub use figures::short_names;
use results::Results;
use store::Store;
pub use study::MARK as STUDY_MARK;

/// Runs an experiment file, or all of a folder in the order of their names.
pub fn run(args: &RunArgs, output: &Output) -> Outcome {
    execute(args, None, output)
}

/// Runs an experiment with a search for the settings of every router.
pub fn tune(args: &TuneArgs, output: &Output) -> Outcome {
    let tuning = Tuning {
        trials: args.trials,
        validation: args.validation,
        metric: args.metric.clone(),
    };
    tuning
        .check()
        .map_err(|reason| bad_request!("{reason}\nhelp: see `routelab tune --help`"))?;
    execute(&args.run, Some(&tuning), output)
}

fn execute(args: &RunArgs, tuning: Option<&Tuning>, output: &Output) -> Outcome {
    let backend = Backend::from_name(&args.backend).map_err(Failure::request)?;
    let (files, out) = experiment_files(args)?;
    // All of them are read before the first one starts: a mistake in the last one shows at once.
    let mut requests = files
        .iter()
        .map(|file| Request::read(file, args.seeds))
        .collect::<Outcome<Vec<Request>>>()?;
    if let Some(tuning) = tuning {
        requests.iter_mut().for_each(|request| request.tune(tuning));
    }
    let mut names = BTreeSet::new();
    if let Some(twice) = requests
        .iter()
        .find(|request| !names.insert(request.name()))
    {
        return Err(bad_request!(
            "two of the experiments are called {:?}\nhelp: give one of them another `name`",
            twice.name()
        ));
    }
    if args.check {
        return check(&requests, &backend, output);
    }
    let mut finished = Vec::new();
    for request in &requests {
        finished.push(match request {
            Request::Single(experiment) => {
                let run = run_one(experiment, &out, args, &backend, output)?;
                output.say(tables::for_terminal(&run.results));
                output.say(format!("report: {}", run.report.display()));
                json!({
                    "run": run.folder,
                    "report": run.report,
                    "metrics": run.results.summary_json(),
                })
            }
            Request::Study(study) => study::run(study, &out, args, &backend, output)?,
        });
    }
    if args.experiment.is_dir() {
        let page = write_index(&out, &requests)?;
        output.say(format!("all reports: {}", page.display()));
    }
    output.result(&match args.experiment.is_dir() {
        true => finished.into(),
        false => finished.remove(0),
    });
    Ok(())
}

/// Writes the page of a folder of experiments.
fn write_index(out: &Path, requests: &[Request]) -> Outcome<PathBuf> {
    let entries: Vec<IndexEntry> = requests
        .iter()
        .map(|request| {
            let folder = out.join(request.name());
            let (title, description) = request.heading();
            let figures = ["call_rate", "sweep", "rci"];
            let mut paths = figures
                .map(|stem| folder.join(format!("figures/{stem}.svg")))
                .into_iter();
            IndexEntry {
                folder: request.name().to_owned(),
                title: title.to_owned(),
                description: description.to_owned(),
                figure: paths.find_map(|path| std::fs::read_to_string(path).ok()),
            }
        })
        .collect();
    let name = out.file_name().unwrap_or_default().to_string_lossy();
    let path = out.join("report.html");
    write_atomically(&path, report::index(&name, &entries).as_bytes())
        .map_err(|error| Failure::write(&path, error))?;
    Ok(path)
}

/// Reads the data of every experiment and counts its fits.
fn check(requests: &[Request], backend: &Backend, output: &Output) -> Outcome {
    let mut found = Vec::new();
    for experiment in requests.iter().flat_map(Request::experiments) {
        let inputs = inputs::load(experiment, backend, output)?;
        let fits = experiment.seeds.len() * experiment.routers.len();
        output.say(format!(
            "{}: {} queries × {} models, {} routers × {} seeds = {fits} fits",
            experiment.title,
            inputs.table.len(),
            inputs.table.models().len(),
            experiment.routers.len(),
            experiment.seeds.len(),
        ));
        found.push(json!({
            "title": experiment.title,
            "queries": inputs.table.len(),
            "models": inputs.table.models(),
            "fits": fits,
        }));
    }
    output.result(&found.into());
    Ok(())
}

/// The files to run and the folder of their runs.
fn experiment_files(args: &RunArgs) -> Outcome<(Vec<PathBuf>, PathBuf)> {
    let path = &args.experiment;
    if !path.is_dir() {
        return Ok((vec![path.clone()], args.out.clone()));
    }
    let mut files: Vec<PathBuf> = std::fs::read_dir(path)
        .map_err(|error| bad_request!("cannot list {}: {error}", path.display()))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|ending| ending == "toml"))
        .collect();
    files.sort();
    if files.is_empty() {
        return Err(bad_request!(
            "there is no experiment file (*.toml) in {}",
            path.display()
        ));
    }
    let name = path.canonicalize().ok();
    let name = name
        .as_deref()
        .and_then(Path::file_name)
        .unwrap_or_default();
    Ok((files, args.out.join(name)))
}

/// A finished run.
struct Finished {
    folder: PathBuf,
    report: PathBuf,
    results: Results,
}

/// Runs one experiment in a folder of its own inside `out`.
fn run_one(
    experiment: &Experiment,
    out: &Path,
    args: &RunArgs,
    backend: &Backend,
    output: &Output,
) -> Outcome<Finished> {
    let start = Instant::now();
    output.note(format!(
        "{}: {} routers, {} seeds, backend {}",
        experiment.title,
        experiment.routers.len(),
        experiment.seeds.len(),
        backend.name()
    ));

    let inputs = inputs::load(experiment, backend, output)?;
    let manifest = manifest::manifest(experiment, &inputs, backend);
    let store = Store::open(out, args, experiment, &manifest)?;
    store.log(format!(
        "read data and embeddings: {:.1} s",
        start.elapsed().as_secs_f64()
    ))?;

    let truth = truth::bytes(&inputs.table, &experiment.seeds, &inputs.splits);
    store.write(truth::FILE, &truth)?;
    let fitted = fitting::fit_all(experiment, &inputs, backend, &store, output)?;
    let stage = Instant::now();
    output.note("evaluating");
    let results = results::evaluate(experiment, &inputs, &fitted)?;
    store.log(format!("evaluated: {:.1} s", stage.elapsed().as_secs_f64()))?;

    let stage = Instant::now();
    results.write(&store)?;
    tables::write(&results, &store)?;
    tuning::write(experiment, &results, &store)?;
    analysis::write(&inputs, &results, &store)?;
    figures::write(experiment, &inputs, &results, &store)?;
    queries::write(experiment, &inputs, &fitted[0], &results, &store)?;
    store.log(format!(
        "wrote tables and figures: {:.1} s",
        stage.elapsed().as_secs_f64()
    ))?;
    let report = report::write(store.folder())?;
    store.log(format!("whole run: {:.1} s", start.elapsed().as_secs_f64()))?;
    Ok(Finished {
        folder: store.folder().to_owned(),
        report,
        results,
    })
}
