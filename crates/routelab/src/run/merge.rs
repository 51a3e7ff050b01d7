//! `routelab merge`: puts the shards of an experiment together and ends as a run on one machine does.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use ndarray::Array2;
use routelab_encode::HashedNgrams;
use routelab_heads::Backend;
use routelab_routers::Archive;
use serde_json::{Value, json};

use super::inputs::ENCODER;
use super::shard::{self, Mark, Shard};
use super::store::{MANIFEST, Store, UnitOutcome, differences, read_unit, unit_name};
use super::{Fits, Job, Runs, finish};
use crate::cli::{MergeArgs, RunArgs};
use crate::experiment::{EncoderSpec, Experiment, Part, Plan};
use crate::failure::{Failure, Outcome, bad_request};
use crate::output::Output;
use crate::registry::registry;

/// Checks that all shards are there, complete and of the same experiment; then takes their units for an ordinary run, which
/// finds nothing left to fit.
pub fn merge(args: &MergeArgs, output: &Output) -> Outcome {
    let shards = Shards::find(args)?;
    let mark = &shards.mark;
    let runs = Runs::read(&args.experiment, mark.seeds, mark.tune.as_ref())?;
    let backend = Backend::from_name(&mark.backend).map_err(Failure::request)?;
    let experiments = runs.experiments();
    let only: Vec<&Experiment> = experiments.iter().map(|(_, one)| *one).collect();
    for ((place, experiment), dealt) in experiments.iter().zip(shard::deal(&only, mark.shard.of)) {
        shards.check(experiment, &place.join(&experiment.name), &dealt, &backend)?;
    }
    let run = RunArgs {
        experiment: args.experiment.clone(),
        backend: mark.backend.clone(),
        out: args.out.clone(),
        seeds: mark.seeds,
        resume: false,
        overwrite: args.overwrite,
        check: false,
        shard: None,
    };
    let job = Job {
        args: &run,
        backend: &backend,
        output,
        shards: &shards.folders,
        fits: &Fits::default(),
    };
    finish(&job, &runs)
}

/// All shards of a division, in their order.
struct Shards<'a> {
    args: &'a MergeArgs,
    folders: Vec<PathBuf>,
    /// What was asked of them; all were asked the same.
    mark: Mark,
}

impl<'a> Shards<'a> {
    /// Finds the folders, and checks that they are all shards of one division.
    fn find(args: &'a MergeArgs) -> Outcome<Self> {
        let folders = match args.shards.is_empty() {
            true => discover(args)?,
            false => args.shards.clone(),
        };
        let mut found: BTreeMap<usize, (PathBuf, Mark)> = BTreeMap::new();
        for folder in folders {
            let mark = Mark::read(&folder)?;
            if let Some((first, other)) = found.values().next() {
                if mark.shard.of != other.shard.of {
                    return Err(bad_request!(
                        "{} is one of {} shards, {} one of {}\nhelp: name the folders of one division: `routelab merge {} \
                         FOLDER…`",
                        first.display(),
                        other.shard.of,
                        folder.display(),
                        mark.shard.of,
                        args.experiment.display()
                    ));
                }
                let same = Mark {
                    shard: mark.shard,
                    ..other.clone()
                };
                if mark != same {
                    return Err(bad_request!(
                        "{} was fitted with other {} than {}\nhelp: fit it again: `{} --overwrite`",
                        folder.display(),
                        differences(&json!(mark).to_string(), &json!(same)),
                        first.display(),
                        other.command(mark.shard, &args.experiment, beside(&folder))
                    ));
                }
            }
            let shard = mark.shard;
            if let Some((twice, _)) = found.insert(shard.number, (folder.clone(), mark)) {
                return Err(bad_request!(
                    "{} and {} are both shard {shard}\nhelp: name one of them",
                    twice.display(),
                    folder.display()
                ));
            }
        }
        let (_, mark) = found.values().next().expect("there is a folder").clone();
        let of = mark.shard.of;
        let missing: Vec<Shard> = (1..=of)
            .filter(|number| !found.contains_key(number))
            .map(|number| Shard { number, of })
            .collect();
        if let Some(&first) = missing.first() {
            let names: Vec<String> = missing.iter().map(Shard::to_string).collect();
            return Err(bad_request!(
                "missing: shard {}\nhelp: fit it with `{}`, or say where the folders are: `routelab merge {} FOLDER…`",
                names.join(", "),
                mark.command(first, &args.experiment, &args.out),
                args.experiment.display()
            ));
        }
        Ok(Self {
            args,
            folders: found.into_values().map(|(folder, _)| folder).collect(),
            mark,
        })
    }

    /// Checks that the shards have every unit of a run, from the same settings and inputs. `inside` is the folder of the run
    /// in that of a shard, `dealt` the shard of every unit.
    fn check(
        &self,
        experiment: &Experiment,
        inside: &Path,
        dealt: &Array2<usize>,
        backend: &Backend,
    ) -> Outcome {
        let mut first: Option<(&PathBuf, Value)> = None;
        for (folder, number) in self.folders.iter().zip(1..) {
            let own = || dealt.indexed_iter().filter(|(_, shard)| **shard == number);
            if own().next().is_none() {
                continue;
            }
            let shard = Shard {
                number,
                ..self.mark.shard
            };
            let command = self
                .mark
                .command(shard, &self.args.experiment, beside(folder));
            let run = folder.join(inside);
            let text = fs::read_to_string(run.join(MANIFEST)).map_err(|_| {
                bad_request!(
                    "{} is not complete: {} was not begun\nhelp: go on with `{command}`",
                    folder.display(),
                    experiment.title
                )
            })?;
            let manifest: Value = serde_json::from_str(&text).map_err(|error| {
                bad_request!(
                    "{}: {error}\nhelp: copy the shard's folder again, or remove it and run `{command}`",
                    run.join(MANIFEST).display()
                )
            })?;
            let other = |manifest: &Value, than: &Path| {
                bad_request!(
                    "{} was fitted with other {} than {}\nhelp: fit it again: `{command} --overwrite`",
                    folder.display(),
                    differences(&text, manifest),
                    than.display()
                )
            };
            let mut here = manifest.clone();
            here["experiment"] = json!(experiment.resolved);
            if here != manifest {
                return Err(other(&here, &self.args.experiment));
            }
            match &first {
                Some((than, first)) if *first != manifest => return Err(other(first, than)),
                Some(_) => {}
                None => first = Some((folder, manifest)),
            }
            let missing: Vec<_> = own()
                .filter(|((seed, router), _)| {
                    let (seed, entry) = (experiment.seeds[*seed], &experiment.routers[*router]);
                    read_unit(&run.join(unit_name(seed, &entry.slug))).is_none()
                })
                .collect();
            if let Some(((seed, router), _)) = missing.first() {
                return Err(bad_request!(
                    "{} is not complete: {} of its {} fits of {} are missing, first seed {}, {}\nhelp: go on with `{command}`",
                    folder.display(),
                    missing.len(),
                    own().count(),
                    experiment.title,
                    experiment.seeds[*seed],
                    experiment.routers[*router].label
                ));
            }
            let routers = own().filter(|((seed, _), _)| *seed == 0);
            let routers: Vec<usize> = routers.map(|((_, router), _)| router).collect();
            check_models(experiment, &run, &routers, backend).map_err(|error| {
                bad_request!(
                    "{} is damaged: {error}\nhelp: copy it again, or remove it and run `{command}`",
                    folder.display()
                )
            })?;
        }
        Ok(())
    }
}

/// The folder that a shard's folder lies in.
fn beside(folder: &Path) -> &Path {
    match folder.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// The folders of shards in that of the runs.
fn discover(args: &MergeArgs) -> Outcome<Vec<PathBuf>> {
    let name = Runs::read(&args.experiment, None, None)?.name;
    let prefix = format!("{name}.shard-");
    let entries = fs::read_dir(&args.out).into_iter().flatten().flatten();
    let mut folders: Vec<PathBuf> = entries
        .filter(|entry| {
            let name = entry.file_name();
            let numbers = name
                .to_str()
                .and_then(|name| name.strip_prefix(&prefix))
                .map(|numbers| numbers.replacen("-of-", "/", 1));
            numbers.is_some_and(|numbers| numbers.parse::<Shard>().is_ok())
        })
        .map(|entry| entry.path())
        .collect();
    folders.sort();
    match folders.is_empty() {
        true => Err(bad_request!(
            "there are no shards of {name} in {}\nhelp: fit them with `routelab run {} --shard 1/2` and so on, or name their \
             folders",
            args.out.display(),
            args.experiment.display()
        )),
        false => Ok(folders),
    }
}

/// Checks what the fits of the first seed leave beside their units.
fn check_models(
    experiment: &Experiment,
    run: &Path,
    routers: &[usize],
    backend: &Backend,
) -> anyhow::Result<()> {
    let fitted = |part: &Part| matches!(part, Part::Encoder(EncoderSpec::HashedNgrams { .. }));
    if !routers.is_empty() && experiment.embeddings.parts.iter().any(fitted) {
        HashedNgrams::load(&run.join(ENCODER))?;
    }
    for &router in routers {
        let entry = &experiment.routers[router];
        let unit = read_unit(&run.join(unit_name(experiment.seeds[0], &entry.slug)));
        let failed = unit.is_some_and(|unit| matches!(unit.outcome, UnitOutcome::Failed(_)));
        if let (Plan::Fitted { .. }, false) = (&entry.plan, failed) {
            let archive = Archive::read(&run.join("models").join(&entry.slug))?;
            registry().load(&archive, backend)?;
        }
    }
    Ok(())
}

/// Checks that a run has the same settings and inputs here as where the shards were fitted.
pub fn check_here(job: &Job, folder: &Path, manifest: &Value) -> Outcome {
    for shard in job.shards {
        let path = shard.join(inside(job, folder)).join(MANIFEST);
        // A shard may have no unit of a run; those that have are equal.
        let Ok(text) = fs::read_to_string(path) else {
            continue;
        };
        if text != format!("{manifest:#}\n") {
            return Err(bad_request!(
                "{} was fitted with other {} than there are here\nhelp: merge with the program and the data of the shards",
                shard.display(),
                differences(&text, manifest)
            ));
        }
    }
    Ok(())
}

/// The place of a run in the folder of the runs, and in that of a shard.
fn inside<'a>(job: &Job, folder: &'a Path) -> &'a Path {
    folder
        .strip_prefix(&job.args.out)
        .expect("runs lie in the folder of the runs")
}

/// Takes the units that the run has not yet from the shards.
pub fn take(job: &Job, experiment: &Experiment, store: &Store) -> Outcome {
    let inside = inside(job, store.folder());
    let runs: Vec<PathBuf> = job.shards.iter().map(|shard| shard.join(inside)).collect();
    // First the encoder: where a unit is whole, it is there.
    if let Some(run) = runs.iter().find(|run| run.join(ENCODER).exists()) {
        let path = run.join(ENCODER);
        let bytes = fs::read(&path).map_err(|error| {
            Failure::failed(anyhow::anyhow!("cannot read {}: {error}", path.display()))
        })?;
        store.write(ENCODER, &bytes)?;
    }
    for (index, &seed) in experiment.seeds.iter().enumerate() {
        for entry in &experiment.routers {
            let unit = unit_name(seed, &entry.slug);
            let shard = runs
                .iter()
                .find(|run| read_unit(&run.join(&unit)).is_some());
            if let (Some(run), None) = (shard, store.unit(seed, entry)) {
                store.take_unit(run, &entry.slug, seed, entry, index == 0)?;
            }
        }
    }
    store.log(format!("took the units of {} shards", runs.len()))
}
