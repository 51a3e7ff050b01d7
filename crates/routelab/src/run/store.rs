//! The run's folder.
//!
//! `units/SEED/ROUTER/` appear one by one while the routers are fitted; a later run with the same manifest takes them
//! from there. Every file appears whole.

use std::ffi::OsStr;
use std::fs::{self, File, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};

use routelab_data::{read_matrix, write_atomically, write_matrices};
use routelab_eval::{Decision, Scores};
use routelab_heads::History;
use routelab_routers::Archive;
use safetensors::SafeTensors;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::study;
use super::tuning::Trial;
use crate::cli::RunArgs;
use crate::experiment::{Entry, Experiment};
use crate::failure::{Failure, Outcome, bad_request};

/// What a run depends on; by it a folder is known as a run's.
pub const MANIFEST: &str = "manifest.json";

/// The files of a unit, in the order in which they are written: without the last one the unit is not finished.
pub const UNIT_FILES: [&str; 3] = ["scores.safetensors", "seconds.txt", "unit.json"];

/// One router on one seed, as stored.
#[derive(Clone, Debug)]
pub struct Unit {
    /// How it went.
    pub outcome: UnitOutcome,
    /// Seconds, if it was fitted.
    pub seconds: Seconds,
    /// The search for its settings, if there was one.
    pub trials: Vec<Trial>,
}

/// What a fit came to.
#[derive(Clone, Debug)]
pub enum UnitOutcome {
    /// Predictions on the test rows.
    Predicted {
        /// Of quality and cost.
        scores: Scores,
        /// How the router decides.
        decision: Decision,
    },
    /// Why there are none.
    Failed(String),
}

/// How long a unit took.
#[derive(Clone, Copy, Debug, Default)]
pub struct Seconds {
    /// Fit.
    pub fit: f64,
    /// Prediction of the test rows.
    pub predict: f64,
}

/// What is stored of a unit beside the scores.
#[derive(Serialize, Deserialize)]
struct UnitFile {
    /// Why it failed, if it did.
    failure: Option<String>,
    decision: Decision,
    /// Mean training loss of every epoch.
    losses: Vec<f32>,
    /// The search for its settings.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    trials: Vec<Trial>,
}

/// The folder of a run.
pub struct Store {
    folder: PathBuf,
    /// `run.log`, locked: one process at a time works in the folder.
    log: File,
}

impl Store {
    /// Opens the folder of a run: a new one, or one that an earlier run with the same manifest left.
    pub fn open(
        out: &Path,
        args: &RunArgs,
        experiment: &Experiment,
        manifest: &Value,
    ) -> Outcome<Self> {
        let folder = out.join(&experiment.name);
        let path = folder.join(MANIFEST);
        let unusable = |error: std::io::Error| {
            bad_request!(
                "cannot use {} for the run: {error}\nhelp: choose another folder with `--out`",
                folder.display()
            )
        };
        let text = format!("{manifest:#}\n");
        match fs::read_to_string(&path) {
            Ok(earlier) if earlier == text => {}
            Ok(_) if args.overwrite => remove_run(&folder).map_err(unusable)?,
            Ok(earlier) => {
                return Err(bad_request!(
                    "{} holds a run with other {}\nhelp: `--overwrite` throws it away, `--out` chooses another folder",
                    folder.display(),
                    differences(&earlier, manifest)
                ));
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                if args.resume && !out.join(study::MARK).exists() {
                    return Err(bad_request!(
                        "there is no run to resume in {}\nhelp: leave out `--resume` to start one",
                        folder.display()
                    ));
                }
                if is_used(&folder) && !args.overwrite {
                    return Err(bad_request!(
                        "{} exists and is not the folder of a run\nhelp: choose another folder with `--out`",
                        folder.display()
                    ));
                }
            }
            Err(error) => return Err(unusable(error)),
        }
        fs::create_dir_all(&folder).map_err(unusable)?;
        // The manifest first: by it a folder is known as a run's, whatever happens next.
        write_atomically(&path, text.as_bytes()).map_err(unusable)?;
        let log = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(folder.join("run.log"))
            .map_err(unusable)?;
        // A file system without locks is no reason to stop.
        if let Err(TryLockError::WouldBlock) = log.try_lock() {
            return Err(bad_request!(
                "another process is at work on the run in {}\nhelp: wait for it, or choose another folder with `--out`",
                folder.display()
            ));
        }
        remove_temporary(&folder).map_err(unusable)?;
        let store = Self {
            folder: folder.clone(),
            log,
        };
        let resolved = toml::to_string(&experiment.resolved).map_err(Failure::failed)?;
        store.write("experiment.toml", resolved.as_bytes())?;
        Ok(store)
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Writes a file of the run; missing folders are made.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Outcome {
        let path = self.folder.join(name);
        let written = match path.parent() {
            Some(parent) => fs::create_dir_all(parent),
            None => Ok(()),
        };
        written
            .and_then(|()| write_atomically(&path, bytes))
            .map_err(|error| Failure::write(&path, error))
    }

    /// Adds a line to the run's log.
    pub fn log(&self, line: String) -> Outcome {
        (&self.log)
            .write_all(format!("{line}\n").as_bytes())
            .map_err(|error| Failure::write(&self.folder.join("run.log"), error))
    }

    /// Where a fitted router of the first seed is kept.
    pub fn save_model(&self, entry: &Entry, archive: &Archive) -> Outcome {
        archive
            .write(&self.folder.join("models").join(&entry.slug))
            .map_err(Failure::failed)
    }

    /// Takes a unit that another run fitted, there under the name `slug`, and if asked for its fitted router.
    pub fn take_unit(
        &self,
        run: &Path,
        slug: &str,
        seed: u64,
        entry: &Entry,
        model: bool,
    ) -> Outcome {
        // In the order in which a fit writes them: where a unit is whole, its model is there.
        let archive = run.join("models").join(slug);
        if model && archive.exists() {
            self.save_model(entry, &Archive::read(&archive).map_err(Failure::failed)?)?;
        }
        let (from, to) = (
            run.join(unit_name(seed, slug)),
            unit_name(seed, &entry.slug),
        );
        for file in UNIT_FILES {
            let path = from.join(file);
            // A fit that failed has no scores.
            if path.exists() {
                let bytes = fs::read(&path).map_err(|error| {
                    Failure::failed(anyhow::anyhow!("cannot read {}: {error}", path.display()))
                })?;
                self.write(&format!("{to}/{file}"), &bytes)?;
            }
        }
        Ok(())
    }

    /// A unit that an earlier run finished.
    pub fn unit(&self, seed: u64, entry: &Entry) -> Option<Unit> {
        read_unit(&self.folder.join(unit_name(seed, &entry.slug)))
    }

    /// Stores a finished unit.
    pub fn put_unit(
        &self,
        seed: u64,
        entry: &Entry,
        unit: &Unit,
        history: Option<&History>,
    ) -> Outcome {
        let name = unit_name(seed, &entry.slug);
        let mut file = UnitFile {
            failure: None,
            decision: Decision::default(),
            losses: history
                .map(|history| history.losses.clone())
                .unwrap_or_default(),
            trials: unit.trials.clone(),
        };
        match &unit.outcome {
            UnitOutcome::Failed(reason) => file.failure = Some(reason.clone()),
            UnitOutcome::Predicted { scores, decision } => {
                file.decision = *decision;
                self.write(&format!("{name}/scores.safetensors"), &scores_bytes(scores))?;
            }
        }
        let seconds = format!("{:.3} {:.3}\n", unit.seconds.fit, unit.seconds.predict);
        self.write(&format!("{name}/seconds.txt"), seconds.as_bytes())?;
        let text = serde_json::to_string_pretty(&file).map_err(Failure::failed)?;
        self.write(&format!("{name}/unit.json"), format!("{text}\n").as_bytes())
    }
}

/// The folder of a unit in that of its run.
pub fn unit_name(seed: u64, slug: &str) -> String {
    format!("units/{seed}/{slug}")
}

/// A finished unit in its folder.
pub fn read_unit(folder: &Path) -> Option<Unit> {
    // The description is written last: without it the unit is not finished.
    let file: UnitFile = serde_json::from_slice(&fs::read(folder.join("unit.json")).ok()?).ok()?;
    let outcome = match file.failure {
        Some(reason) => UnitOutcome::Failed(reason),
        None => UnitOutcome::Predicted {
            scores: read_scores(&fs::read(folder.join("scores.safetensors")).ok()?)?,
            decision: file.decision,
        },
    };
    let seconds = fs::read_to_string(folder.join("seconds.txt")).ok()?;
    let mut seconds = seconds.split_whitespace().map(str::parse);
    let mut next = || seconds.next()?.ok();
    let seconds = Seconds {
        fit: next()?,
        predict: next()?,
    };
    Some(Unit {
        outcome,
        seconds,
        trials: file.trials,
    })
}

/// Whether a folder holds anything but what a killed process left half-written.
pub fn is_used(folder: &Path) -> bool {
    fs::read_dir(folder).is_ok_and(|entries| {
        entries
            .flatten()
            .any(|entry| !is_temporary(&entry.file_name()))
    })
}

/// Removes what a killed process left half-written in a folder; runs inside it are left to themselves.
pub fn remove_temporary(folder: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            if !path.join(MANIFEST).exists() {
                remove_temporary(&path)?;
            }
        } else if is_temporary(&entry.file_name()) {
            fs::remove_file(&path)?;
        }
    }
    Ok(())
}

/// Whether a file was to be renamed when it would be whole.
fn is_temporary(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    name.starts_with(".routelab-") && name.ends_with(".tmp")
}

/// Removes a run. Its manifest goes last: what a kill leaves is never taken for part of another run.
fn remove_run(folder: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        } else if entry.file_name() != MANIFEST {
            fs::remove_file(entry.path())?;
        }
    }
    fs::remove_dir_all(folder)
}

/// Which parts of two manifests differ, for the user.
pub fn differences(earlier: &str, manifest: &Value) -> String {
    let earlier: Value = serde_json::from_str(earlier).unwrap_or_default();
    let mut names: Vec<String> = Vec::new();
    for (key, value) in manifest.as_object().into_iter().flatten() {
        if earlier.get(key) == Some(value) {
            continue;
        }
        match value.as_object().filter(|_| key == "experiment") {
            Some(settings) => names.extend(
                settings
                    .iter()
                    .filter(|(name, value)| earlier[key].get(name.as_str()) != Some(value))
                    .map(|(name, _)| format!("`{name}`")),
            ),
            None => names.push(key.clone()),
        }
    }
    match names.is_empty() {
        true => "settings".to_owned(),
        false => format!("settings ({})", names.join(", ")),
    }
}

fn scores_bytes(scores: &Scores) -> Vec<u8> {
    let (quality, cost) = (scores.quality.view(), scores.cost.view());
    write_matrices(&[("quality", quality), ("cost", cost)])
}

fn read_scores(bytes: &[u8]) -> Option<Scores> {
    let file = SafeTensors::deserialize(bytes).ok()?;
    let [quality, cost] = ["quality", "cost"].map(|name| read_matrix(&file, name).ok());
    Scores::new(quality?, cost?).ok()
}
