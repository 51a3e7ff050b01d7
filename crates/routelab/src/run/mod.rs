//! A run: load, split, fit every router on every seed, evaluate, write everything down.

mod analysis;
pub mod figures;
mod fitting;
pub mod inputs;
mod manifest;
mod merge;
mod queries;
mod record;
pub mod results;
mod reuse;
mod rows;
mod shard;
mod store;
mod study;
mod tables;
mod tasks;
pub mod tuning;

use std::collections::BTreeSet;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::time::Instant;

use routelab_data::write_atomically;
use routelab_heads::Backend;
use routelab_routers::Registry;
use serde_json::{Value, json};

use crate::experiment::{Experiment, Request, Tuning};
use crate::failure::{Failure, Outcome, bad_request};
use crate::folder::{RESULTS, RunFolder, TRUTH};
use crate::output::{Output, Watch};
use crate::report::{self, IndexEntry};

use figures::Drawn;
use inputs::Inputs;
pub use merge::merge;
use results::Results;
use reuse::Fits;
pub use shard::run as run_shard;
pub use store::Reopen;
use store::Store;

/// How experiments are run.
#[derive(Clone, Copy)]
pub struct Job<'a> {
    /// Folder of the runs; each gets a folder of its own in it, named after the experiment.
    pub out: &'a Path,
    /// What becomes of runs that are there.
    pub reopen: Reopen,
    /// Where networks run.
    pub backend: &'a Backend,
    /// How many fits run side by side; as many as there are cores by default.
    pub at_once: Option<NonZero<usize>>,
    /// Where progress is told.
    pub output: &'a Output,
    /// The folders of shards whose units are taken; none but for `merge`.
    shards: &'a [PathBuf],
    /// What earlier runs of this call fitted.
    fits: &'a Fits,
}

/// How an experiment is run by another program.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// Folder of the runs; the run gets a folder of its own in it, named after the experiment.
    pub out: PathBuf,
    /// What becomes of a run that is there.
    pub reopen: Reopen,
    /// Where networks run.
    pub backend: Backend,
    /// How many fits run side by side; as many as there are cores by default. Results do not depend on it.
    pub at_once: Option<NonZero<usize>>,
    /// Whether progress is told on standard error.
    pub progress: bool,
    /// Who looks on, and may stop it.
    pub watch: Watch,
}

impl Default for RunOptions {
    /// Into `runs`, on the default backend, without a word.
    fn default() -> Self {
        Self {
            out: "runs".into(),
            reopen: Reopen::default(),
            backend: Backend::default(),
            at_once: None,
            progress: false,
            watch: Watch::default(),
        }
    }
}

impl Experiment {
    /// Fits every router on every seed, evaluates, and writes figures, tables and the report, as `routelab run` does.
    ///
    /// # Errors
    ///
    /// Data or embeddings that cannot be read, and a folder that cannot be used.
    pub fn run(&self, options: &RunOptions) -> Outcome<RunFolder> {
        let output = Output::new(!options.progress, false).watched(&options.watch);
        options.watch.run(|| {
            with_job(options, &output, |job| {
                Ok(run_one(job, self, &options.out)?.folder)
            })
        })
    }
}

/// Runs an experiment file, a study or a folder of them, as `routelab run` does, and gives the folder of every run, in order.
/// `seeds` replaces the number of seeds in the files; `single` refuses all but one experiment before anything is run; `kinds` are routers of the registry that are one more row where a file does not
/// name them.
///
/// # Errors
///
/// As [`Experiment::from_toml`] and [`Experiment::run`], and [`Watch::stop`].
pub fn run_files(
    path: &Path,
    seeds: Option<usize>,
    single: bool,
    kinds: &[&str],
    registry: &Registry,
    options: &RunOptions,
) -> Outcome<Vec<RunFolder>> {
    // What `run` says at its end is for a terminal.
    let output = Output::new(!options.progress, true).watched(&options.watch);
    let runs = Runs::read_with(path, seeds, None, registry, kinds)?;
    if single && (path.is_dir() || matches!(runs.requests[..], [Request::Study(_)])) {
        return Err(bad_request!(
            "{} is several experiments, not one",
            path.display()
        ));
    }
    options
        .watch
        .run(|| with_job(options, &output, |job| finish(job, &runs)))?;
    let folders = runs.experiments().into_iter();
    folders
        .map(|(place, experiment)| RunFolder::open(&options.out.join(place).join(&experiment.name)))
        .collect()
}

/// Runs something with a job.
pub fn with_job<T>(options: &RunOptions, output: &Output, work: impl FnOnce(&Job) -> T) -> T {
    work(&Job {
        out: &options.out,
        reopen: options.reopen,
        backend: &options.backend,
        at_once: options.at_once,
        output,
        shards: &[],
        fits: &Fits::default(),
    })
}

/// What is run: an experiment file, or all of a folder.
pub struct Runs {
    /// The file or the folder.
    path: PathBuf,
    /// The name of the only experiment, or of the folder.
    name: String,
    requests: Vec<Request>,
    /// Where the requests have their folders, in that of the runs.
    place: PathBuf,
}

impl Runs {
    /// Reads all files. `seeds` replaces the number of seeds in them.
    pub fn read(
        path: &Path,
        seeds: Option<usize>,
        tuning: Option<&Tuning>,
        registry: &Registry,
    ) -> Outcome<Self> {
        Self::read_with(path, seeds, tuning, registry, &[])
    }

    fn read_with(
        path: &Path,
        seeds: Option<usize>,
        tuning: Option<&Tuning>,
        registry: &Registry,
        kinds: &[&str],
    ) -> Outcome<Self> {
        // All of them are read before the first one starts: a mistake in the last one shows at once.
        let mut requests = experiment_files(path)?
            .iter()
            .map(|file| Request::read(file, seeds, registry, kinds))
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
        if !path.is_dir() {
            return Ok(Self {
                path: path.to_owned(),
                name: requests[0].name().to_owned(),
                requests,
                place: PathBuf::new(),
            });
        }
        let place = path.canonicalize().ok();
        let place = place
            .as_deref()
            .and_then(Path::file_name)
            .unwrap_or_default();
        Ok(Self {
            path: path.to_owned(),
            name: place.to_string_lossy().into_owned(),
            requests,
            place: place.into(),
        })
    }

    /// Every experiment, and where its run has its folder, in that of the runs.
    fn experiments(&self) -> Vec<(PathBuf, &Experiment)> {
        let place = |request: &Request| match request {
            Request::Single(_) => self.place.clone(),
            Request::Study(study) => self.place.join(&study.name),
        };
        self.requests
            .iter()
            .flat_map(|request| {
                let experiments = request.experiments().into_iter();
                experiments.map(move |experiment| (place(request), experiment))
            })
            .collect()
    }
}

/// Runs all experiments to their end, and prints what came of them.
pub fn run(job: &Job, runs: &Runs) -> Outcome {
    let finished = finish(job, runs)?;
    job.output.result(&finished);
    Ok(())
}

/// Runs all experiments to their end. Gives what `routelab run --json` prints.
fn finish(job: &Job, runs: &Runs) -> Outcome<Value> {
    let out = job.out.join(&runs.place);
    let mut finished = Vec::new();
    for request in &runs.requests {
        finished.push(match request {
            Request::Single(experiment) => {
                let run = run_one(job, experiment, &out)?;
                job.output.say(tables::for_terminal(&run.results));
                job.output.say(format!("report: {}", run.report.display()));
                json!({
                    "run": run.folder.path(),
                    "report": run.report,
                    "metrics": run.results.summary_json(),
                })
            }
            Request::Study(study) => study::run(job, study, &out)?,
        });
    }
    if runs.path.is_dir() {
        let page = write_index(&out, &runs.requests)?;
        job.output.say(format!("all reports: {}", page.display()));
    }
    Ok(if runs.path.is_dir() {
        finished.into()
    } else {
        finished.remove(0)
    })
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
pub fn check(job: &Job, runs: &Runs) -> Outcome {
    let mut found = Vec::new();
    for (_, experiment) in runs.experiments() {
        let inputs = inputs::load(experiment, job.backend, job.output)?;
        let fits = experiment.seeds.len() * experiment.routers.len();
        job.output.say(format!(
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
    job.output.result(&found.into());
    Ok(())
}

/// The files to run.
fn experiment_files(path: &Path) -> Outcome<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
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
    Ok(files)
}

/// A finished run.
struct Finished {
    folder: RunFolder,
    report: PathBuf,
    results: Results,
}

/// Reads what an experiment needs, and opens the run's folder inside `out`, which gets the manifest.
fn open(job: &Job, experiment: &Experiment, out: &Path) -> Outcome<(Inputs, Value, Store)> {
    let start = Instant::now();
    job.output.note(format!(
        "{}: {} routers, {} seeds, backend {}",
        experiment.title,
        experiment.routers.len(),
        experiment.seeds.len(),
        job.backend
    ));

    let inputs = inputs::load(experiment, job.backend, job.output)?;
    let manifest = manifest::manifest(experiment, &inputs, job.backend);
    merge::check_here(job, &out.join(&experiment.name), &manifest)?;
    let store = Store::open(out, job.reopen, experiment, &manifest)?;
    store.log(format!(
        "read data and embeddings: {:.1} s",
        start.elapsed().as_secs_f64()
    ))?;
    if let Some(note) = &inputs.gaps {
        store.log(note.clone())?;
    }
    Ok((inputs, manifest, store))
}

/// Runs one experiment in a folder of its own inside `out`.
fn run_one(job: &Job, experiment: &Experiment, out: &Path) -> Outcome<Finished> {
    let start = Instant::now();
    let (inputs, manifest, store) = open(job, experiment, out)?;
    if !job.shards.is_empty() {
        merge::take(job, experiment, &store)?;
    }
    job.fits.take(experiment, &manifest, &store)?;
    store.write(TRUTH, &inputs.truth(experiment).bytes())?;
    let fitted = fitting::fit_all(experiment, &inputs, job, &store)?;
    job.fits.add(experiment, &manifest, &store);
    job.output.go_on()?;
    let stage = Instant::now();
    job.output.note("evaluating");
    let results = results::evaluate(experiment, &inputs, &fitted, job.output)?;
    store.log(format!("evaluated: {:.1} s", stage.elapsed().as_secs_f64()))?;

    let stage = Instant::now();
    results.write(&store)?;
    tables::write(&results, &store)?;
    let tasks = tasks::records(&inputs, &results, &experiment.seeds);
    store.write("tasks.csv", &tasks::csv(&results.models, &tasks)?)?;
    tuning::write(experiment, &results, &store)?;
    analysis::write(&inputs, &results, &store)?;
    let drawn = Drawn {
        experiment,
        inputs: &inputs,
        results: &results,
    };
    let figures = figures::write(&drawn, &store, job.output)?;
    let record = record::record(experiment, &inputs, &results, tasks, figures);
    let record = serde_json::to_string(&record).map_err(Failure::failed)?;
    store.write(RESULTS, format!("{record}\n").as_bytes())?;
    queries::write(experiment, &inputs, &fitted[0], &results, &store)?;
    store.log(format!(
        "wrote tables and figures: {:.1} s",
        stage.elapsed().as_secs_f64()
    ))?;
    let report = report::write(&store)?;
    store.log(format!("whole run: {:.1} s", start.elapsed().as_secs_f64()))?;
    Ok(Finished {
        folder: (*store).clone(),
        report,
        results,
    })
}
