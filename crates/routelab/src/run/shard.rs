//! `routelab run --shard 2/4`: a share of the fits of an experiment, for one of several machines.
//!
//! Every shard has a folder of its own, `OUT/NAME.shard-2-of-4`. Its runs lie in it as they would lie in `OUT`, with the
//! manifests that they would have there, but only with units: nothing is evaluated until all shards are merged.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use ndarray::Array2;
use routelab_data::write_atomically;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Job, Runs, fitting, open, store};
use crate::cli::RunArgs;
use crate::experiment::{Experiment, Tuning};
use crate::failure::{Failure, Outcome, bad_request};

/// What a shard's folder holds; by it the folder is known as a shard's.
pub const MARK: &str = "shard.json";

/// One of several shares of the fits of an experiment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shard {
    /// From 1 to `of`.
    #[serde(rename = "shard")]
    pub number: usize,
    /// How many there are.
    pub of: usize,
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once('/');
        let numbers = parts.and_then(|(number, of)| Some((number.parse().ok()?, of.parse().ok()?)));
        match numbers {
            Some((number, of)) if (1..=of).contains(&number) => Ok(Self { number, of }),
            _ => Err("expected I/N with I from 1 to N, for example 2/4".into()),
        }
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.of)
    }
}

impl Shard {
    /// The folder of this shard of the runs called `name`.
    pub fn folder(self, out: &Path, name: &str) -> PathBuf {
        let Self { number, of } = self;
        out.join(format!("{name}.shard-{number}-of-{of}"))
    }
}

/// The shard that a folder holds, and what was asked for beside the experiment file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Mark {
    /// Which shard.
    #[serde(flatten)]
    pub shard: Shard,
    /// Where networks ran.
    pub backend: String,
    /// The number of seeds, if it was not the file's.
    pub seeds: Option<usize>,
    /// The search, if it was not the file's.
    pub tune: Option<Tuning>,
}

impl Mark {
    /// The mark in a folder.
    pub fn read(folder: &Path) -> Outcome<Self> {
        let read = fs::read(folder.join(MARK)).map_err(anyhow::Error::from);
        read.and_then(|bytes| Ok(serde_json::from_slice(&bytes)?))
            .map_err(|error| {
                bad_request!(
                    "{} is not the folder of a shard: {MARK}: {error}\nhelp: `routelab run --shard` makes such folders",
                    folder.display()
                )
            })
    }

    /// The command that fits a shard with the same settings.
    pub fn command(&self, shard: Shard, experiment: &Path, out: &Path) -> String {
        let file = experiment.display();
        let mut command = match &self.tune {
            None => format!("routelab run {file}"),
            Some(tuning) => format!(
                "routelab tune {file} --trials {} --validation {} --metric {}",
                tuning.trials, tuning.validation, tuning.metric
            ),
        };
        if let Some(seeds) = self.seeds {
            command += &format!(" --seeds {seeds}");
        }
        if self.backend != routelab_heads::backend::DEFAULT {
            command += &format!(" --backend {}", self.backend);
        }
        format!("{command} --out {} --shard {shard}", out.display())
    }
}

/// Deals the fits of all runs to `of` shards: the number of the shard that fits it, `[seeds, routers]` for every run.
///
/// The fits of one router take about the same time, those of different routers very different times. So they are dealt in
/// turn, router by router: no shard has more than one fit more than another, of each router as of all together.
pub fn deal(experiments: &[&Experiment], of: usize) -> Vec<Array2<usize>> {
    let mut labels: Vec<&str> = Vec::new();
    let mut fits = Vec::new();
    for (run, experiment) in experiments.iter().enumerate() {
        for (router, entry) in experiment.routers.iter().enumerate() {
            let known = labels.iter().position(|label| *label == entry.label);
            let label = known.unwrap_or_else(|| {
                labels.push(&entry.label);
                labels.len() - 1
            });
            fits.extend((0..experiment.seeds.len()).map(|seed| (label, run, seed, router)));
        }
    }
    fits.sort_unstable();
    let shape = |experiment: &&Experiment| (experiment.seeds.len(), experiment.routers.len());
    let mut dealt: Vec<Array2<usize>> = experiments
        .iter()
        .map(|experiment| Array2::zeros(shape(experiment)))
        .collect();
    for (position, (_, run, seed, router)) in fits.into_iter().enumerate() {
        dealt[run][[seed, router]] = position % of + 1;
    }
    dealt
}

/// Fits the share of a shard, and says what to do next.
pub fn run(job: &Job, runs: &Runs, tuning: Option<&Tuning>, shard: Shard) -> Outcome {
    let experiments = runs.experiments();
    let only: Vec<&Experiment> = experiments.iter().map(|(_, one)| *one).collect();
    let fits: usize = only
        .iter()
        .map(|one| one.seeds.len() * one.routers.len())
        .sum();
    if shard.of > fits {
        return Err(bad_request!(
            "{} has {fits} fits, too few for {} shards\nhelp: divide it into at most {fits}",
            runs.name,
            shard.of
        ));
    }
    let args = job.args;
    let mark = Mark {
        shard,
        backend: args.backend.clone(),
        seeds: args.seeds,
        tune: tuning.cloned(),
    };
    let folder = open_folder(args, runs, &mark)?;
    // Whether there is something to resume was asked of the shard: a kill may have come before its second run.
    let args = RunArgs {
        resume: false,
        ..args.clone()
    };
    let job = Job {
        args: &args,
        ..*job
    };
    let (mut share, mut earlier) = (0, 0);
    for ((place, experiment), dealt) in experiments.iter().zip(deal(&only, shard.of)) {
        let mine = |seed: usize, router: usize| dealt[[seed, router]] == shard.number;
        let own = || dealt.indexed_iter().filter(|(at, _)| mine(at.0, at.1));
        if own().next().is_none() {
            continue;
        }
        let (inputs, _, store) = open(&job, experiment, &folder.join(place))?;
        share += own().count();
        earlier += own()
            .filter(|((seed, router), _)| {
                let entry = &experiment.routers[*router];
                store.unit(experiment.seeds[*seed], entry).is_some()
            })
            .count();
        fitting::fit(experiment, &inputs, job.backend, &store, job.output, &mine)?;
    }
    let mut merge = format!(
        "routelab merge {} --out {}",
        args.experiment.display(),
        args.out.display()
    );
    if tuning.is_some() {
        // Without folders, `merge` looks for those of `run`.
        let all = args
            .out
            .join(format!("{}.shard-*-of-{}", runs.name, shard.of));
        merge += &format!(" {}", all.display());
    }
    let before = match earlier {
        0 => String::new(),
        _ => format!(" and found {earlier} of an earlier call"),
    };
    job.output.say(format!(
        "shard {shard}: fitted {} of {fits} units{before}: {}\nnext, when all {} shards are done: {merge}",
        share - earlier,
        folder.display(),
        shard.of
    ));
    job.output.result(&json!({
        "shard": shard.to_string(),
        "folder": folder,
        "units": share,
        "fitted": share - earlier,
        "merge": merge,
    }));
    Ok(())
}

/// The folder of a shard: a new one, or one that an earlier call with the same arguments left.
fn open_folder(args: &RunArgs, runs: &Runs, mark: &Mark) -> Outcome<PathBuf> {
    let folder = mark.shard.folder(&args.out, &runs.name);
    let path = folder.join(MARK);
    let value: Value = json!(mark);
    let text = format!("{value:#}\n");
    match fs::read_to_string(&path) {
        Ok(earlier) if earlier == text || args.overwrite => {}
        Ok(earlier) => {
            return Err(bad_request!(
                "{} holds a shard with other {}\nhelp: `--overwrite` throws it away, `--out` chooses another folder",
                folder.display(),
                store::differences(&earlier, &value)
            ));
        }
        Err(_) if store::is_used(&folder) => {
            return Err(bad_request!(
                "{} exists and is not the folder of a shard\nhelp: choose another folder with `--out`",
                folder.display()
            ));
        }
        Err(_) if args.resume => {
            return Err(bad_request!(
                "there is no shard to resume in {}\nhelp: leave out `--resume` to start one",
                folder.display()
            ));
        }
        Err(_) => {}
    }
    fs::create_dir_all(&folder).map_err(|error| {
        bad_request!(
            "cannot use {} for the shard: {error}\nhelp: choose another folder with `--out`",
            folder.display()
        )
    })?;
    store::remove_temporary(&folder).map_err(|error| Failure::write(&folder, error))?;
    write_atomically(&path, text.as_bytes()).map_err(|error| Failure::write(&path, error))?;
    Ok(folder)
}
