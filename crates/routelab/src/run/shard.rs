//! `routelab run --shard 2/4`: a share of the fits of an experiment, for one of several machines.
//!
//! Every shard has a folder of its own, `OUT/NAME.shard-2-of-4`. Its runs lie in it as they would lie in `OUT`, with the
//! manifests that they would have there, but only with units: nothing is evaluated until all shards are merged.

use std::fs;
use std::path::PathBuf;

use ndarray::Array2;
use serde_json::{Value, json};

use super::{Job, Reopen, Runs, fitting, open};
use crate::experiment::Experiment;
use crate::failure::{Failure, Outcome, bad_request};
use crate::folder::{
    Asked, RunFolder, SHARD_MARK, Shard, ShardMark, differences, is_used, remove_temporary,
};

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
pub fn run(job: &Job, runs: &Runs, asked: &Asked, shard: Shard) -> Outcome {
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
    let mark = ShardMark {
        shard,
        asked: asked.clone(),
    };
    let folder = open_folder(job, runs, &mark)?;
    // Whether there is something to resume was asked of the shard: a kill may have come before its second run.
    let reopen = match job.reopen {
        Reopen::Resume => Reopen::IfSame,
        other => other,
    };
    let job = Job { reopen, ..*job };
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
                store.unit(&entry.label, experiment.seeds[*seed]).is_some()
            })
            .count();
        fitting::fit(experiment, &inputs, &job, &store, &mine)?;
    }
    let mut merge = format!(
        "routelab merge {} --out {}",
        runs.path.display(),
        job.out.display()
    );
    if asked.tune.is_some() {
        // Without folders, `merge` looks for those of `run`.
        let all = job
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
fn open_folder(job: &Job, runs: &Runs, mark: &ShardMark) -> Outcome<PathBuf> {
    let folder = mark.shard.folder(job.out, &runs.name);
    let place = folder.display();
    let value: Value = json!(mark);
    let text = format!("{value:#}\n");
    match fs::read_to_string(folder.join(SHARD_MARK)) {
        Ok(earlier) if earlier == text || job.reopen == Reopen::Overwrite => {}
        Ok(earlier) => {
            return Err(bad_request!(
                "{place} holds a shard with other {}\nhelp: `--overwrite` throws it away, `--out` chooses another folder",
                differences(&earlier, &value)
            ));
        }
        Err(_) if is_used(&folder) => {
            return Err(bad_request!(
                "{place} exists and is not the folder of a shard\nhelp: choose another folder with `--out`"
            ));
        }
        Err(_) if job.reopen == Reopen::Resume => {
            return Err(bad_request!(
                "there is no shard to resume in {place}\nhelp: leave out `--resume` to start one"
            ));
        }
        Err(_) => {}
    }
    fs::create_dir_all(&folder).map_err(|error| {
        bad_request!(
            "cannot use {place} for the shard: {error}\nhelp: choose another folder with `--out`"
        )
    })?;
    remove_temporary(&folder).map_err(|error| Failure::write(&folder, error))?;
    RunFolder::at(&folder).write(SHARD_MARK, text.as_bytes())?;
    Ok(folder)
}
