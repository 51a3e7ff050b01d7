//! `routelab merge`: puts the shards of an experiment together and ends as a run on one machine does.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use ndarray::Array2;
use routelab_heads::Backend;
use routelab_routers::Registry;
use serde_json::{Value, json};

use super::shard::deal;
use super::store::Store;
use super::{Fits, Job, Reopen, Runs, run};
use crate::encoders::Source;
use crate::experiment::{EmbeddingsPart, Entry, Experiment, Plan};
use crate::failure::{Failure, Outcome, bad_request};
use crate::folder::{ENCODER, MANIFEST, RunFolder, Shard, ShardMark, UnitOutcome, differences};
use crate::output::Output;

/// Checks that all shards are there, complete and of the same experiment; then takes their units for an ordinary run into `out`,
/// which finds nothing left to fit. Without `folders` the shards are those in `out`.
pub fn merge(
    experiment: &Path,
    folders: &[PathBuf],
    out: &Path,
    reopen: Reopen,
    registry: &Registry,
    output: &Output,
) -> Outcome {
    let shards = Shards::find(experiment, folders, out, registry)?;
    let asked = &shards.mark.asked;
    let runs = Runs::read(experiment, asked.seeds, asked.tune.as_ref(), registry)?;
    let backend = Backend::from_name(&asked.backend).map_err(Failure::request)?;
    let experiments = runs.experiments();
    let only: Vec<&Experiment> = experiments.iter().map(|(_, one)| *one).collect();
    for ((place, one), dealt) in experiments.iter().zip(deal(&only, shards.mark.shard.of)) {
        shards.check(one, &place.join(&one.name), &dealt, &backend)?;
    }
    let job = Job {
        out,
        reopen,
        backend: &backend,
        at_once: None,
        output,
        shards: &shards.folders,
        fits: &Fits::default(),
    };
    run(&job, &runs)
}

/// All shards of a division, in their order.
struct Shards<'a> {
    /// The experiment file.
    experiment: &'a Path,
    folders: Vec<PathBuf>,
    /// What was asked of them; all were asked the same.
    mark: ShardMark,
}

impl<'a> Shards<'a> {
    /// Finds the folders, and checks that they are all shards of one division.
    fn find(
        experiment: &'a Path,
        folders: &[PathBuf],
        out: &Path,
        registry: &Registry,
    ) -> Outcome<Self> {
        let file = experiment.display();
        let folders = if folders.is_empty() {
            discover(experiment, out, registry)?
        } else {
            folders.to_vec()
        };
        let mut found: BTreeMap<usize, (PathBuf, ShardMark)> = BTreeMap::new();
        for folder in folders {
            let mark = ShardMark::read(&folder)?;
            if let Some((first, other)) = found.values().next() {
                if mark.shard.of != other.shard.of {
                    return Err(bad_request!(
                        "{} is one of {} shards, {} one of {}\nhelp: name the folders of one division: `routelab merge {file} \
                         FOLDER…`",
                        first.display(),
                        other.shard.of,
                        folder.display(),
                        mark.shard.of,
                    ));
                }
                let same = ShardMark {
                    shard: mark.shard,
                    ..other.clone()
                };
                if mark != same {
                    return Err(bad_request!(
                        "{} was fitted with other {} than {}\nhelp: fit it again: `{} --overwrite`",
                        folder.display(),
                        differences(&json!(mark).to_string(), &json!(same)),
                        first.display(),
                        other.asked.command(mark.shard, experiment, beside(&folder))
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
                "missing: shard {}\nhelp: fit it with `{}`, or say where the folders are: `routelab merge {file} FOLDER…`",
                names.join(", "),
                mark.asked.command(first, experiment, out),
            ));
        }
        Ok(Self {
            experiment,
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
            let asked = &self.mark.asked;
            let command = asked.command(shard, self.experiment, beside(folder));
            let run = RunFolder::at(folder.join(inside));
            let text = fs::read_to_string(run.file(MANIFEST)).map_err(|_| {
                bad_request!(
                    "{} is not complete: {} was not begun\nhelp: go on with `{command}`",
                    folder.display(),
                    experiment.title
                )
            })?;
            let manifest: Value = serde_json::from_str(&text).map_err(|error| {
                bad_request!(
                    "{}: {error}\nhelp: copy the shard's folder again, or remove it and run `{command}`",
                    run.file(MANIFEST).display()
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
                return Err(other(&here, self.experiment));
            }
            match &first {
                Some((than, first)) if *first != manifest => return Err(other(first, than)),
                Some(_) => {}
                None => first = Some((folder, manifest)),
            }
            let missing: Vec<_> = own()
                .filter(|((seed, router), _)| {
                    let (seed, entry) = (experiment.seeds[*seed], &experiment.routers[*router]);
                    run.unit(&entry.label, seed).is_none()
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
fn discover(experiment: &Path, out: &Path, registry: &Registry) -> Outcome<Vec<PathBuf>> {
    let name = Runs::read(experiment, None, None, registry)?.name;
    let prefix = format!("{name}.shard-");
    let entries = fs::read_dir(out).into_iter().flatten().flatten();
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
    if folders.is_empty() {
        return Err(bad_request!(
            "there are no shards of {name} in {}\nhelp: fit them with `routelab run {} --shard 1/2` and so on, or name their \
             folders",
            out.display(),
            experiment.display()
        ));
    }
    Ok(folders)
}

/// Checks what the fits of the first seed leave beside their units.
fn check_models(
    experiment: &Experiment,
    run: &RunFolder,
    routers: &[usize],
    backend: &Backend,
) -> anyhow::Result<()> {
    let parts = experiment.embeddings.parts.iter();
    for part in parts.filter(|_| !routers.is_empty()) {
        if let EmbeddingsPart::Encoder { spec, .. } = part
            && let Source::Fitted(encoder) = spec.build(backend)?
        {
            encoder.load(&run.file(ENCODER))?;
        }
    }
    for &router in routers {
        let entry = &experiment.routers[router];
        let unit = run.unit(&entry.label, experiment.seeds[0]);
        let failed = unit.is_some_and(|unit| matches!(unit.outcome, UnitOutcome::Failed(_)));
        if let (Plan::Fitted { .. }, false, true) = (&entry.plan, failed, experiment.models) {
            let archive = run.model(&entry.label)?;
            experiment.registry.load(&archive, backend)?;
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
        .strip_prefix(job.out)
        .expect("runs lie in the folder of the runs")
}

/// Takes the units that the run has not yet from the shards.
pub fn take(job: &Job, experiment: &Experiment, store: &Store) -> Outcome {
    let inside = inside(job, store.path());
    let shards = job.shards.iter();
    let runs: Vec<RunFolder> = shards
        .map(|shard| RunFolder::at(shard.join(inside)))
        .collect();
    // First the encoder: where a unit is whole, it is there.
    if let Some(run) = runs.iter().find(|run| run.file(ENCODER).exists()) {
        store.take_encoder(run)?;
    }
    for (index, &seed) in experiment.seeds.iter().enumerate() {
        for Entry { label, .. } in &experiment.routers {
            let shard = runs.iter().find(|run| run.unit(label, seed).is_some());
            if let (Some(run), None) = (shard, store.unit(label, seed)) {
                let model = index == 0 && experiment.models;
                store.take_unit(run, label, label, seed, model)?;
            }
        }
    }
    store.log(format!("took the units of {} shards", runs.len()))
}
