//! The folder of a run: the one place that knows its files and their names.
//!
//! A run writes `units/SEED/ROUTER/` one by one while its routers are fitted, `models/ROUTER/` on its first seed, and the numbers
//! when all are there. Whoever reads a run (reports, comparisons, merges, reuse, deployed routers) reads it through [`RunFolder`].

mod results;
mod shard;
mod truth;
mod unit;

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use routelab_data::write_atomically;
use routelab_heads::History;
use routelab_routers::Archive;
use serde::de::DeserializeOwned;
use serde_json::Value;

use self::results::Written;
use crate::experiment::slug;
use crate::failure::{Failure, Outcome, bad_request};

pub use results::{
    ComparisonRecord, FigureRecord, Number, RouterRecord, RunResults, SCHEMA, SeedRecord,
    SummaryRecord, TaskRecord,
};
pub use shard::{Asked, SHARD_MARK, Shard, ShardMark};
pub use truth::StoredTruth;
pub use unit::{Seconds, Trial, Unit, UnitOutcome};

/// What a run depends on; by it a folder is known as a run's.
pub const MANIFEST: &str = "manifest.json";
/// What a study is about; by it a folder is known as a study's.
pub const STUDY_MARK: &str = "study.json";
/// The numbers of a finished run.
pub const RESULTS: &str = "results.json";
/// The table and the test rows.
pub const TRUTH: &str = "truth.safetensors";
/// What single answers differ by, where models were asked several times.
pub const ANSWERS: &str = "answers.json";
/// The encoder of the first seed, where one is fitted.
pub const ENCODER: &str = "encoder.safetensors";
/// The experiment with every default.
pub const EXPERIMENT: &str = "experiment.toml";
/// What happened.
pub const LOG: &str = "run.log";
/// The page.
pub const REPORT: &str = "report.html";

/// A run's folder.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RunFolder(PathBuf);

impl RunFolder {
    /// A folder that is, or will be, a run's.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// The folder of a run.
    ///
    /// # Errors
    ///
    /// A folder of a study, whose runs are named, and one without a manifest.
    pub fn open(path: &Path) -> Outcome<Self> {
        let folder = Self::at(path);
        if path.join(STUDY_MARK).exists() {
            let study: Value = folder.json(STUDY_MARK)?;
            let variants = study["variants"].as_array().into_iter().flatten();
            let runs: Vec<String> = variants
                .filter_map(|variant| {
                    Some(path.join(variant["folder"].as_str()?).display().to_string())
                })
                .collect();
            return Err(bad_request!(
                "{} is the folder of a study, which has a run for every variant\nhelp: give one of the runs: {}",
                path.display(),
                runs.join(", ")
            ));
        }
        if !path.join(MANIFEST).exists() {
            return Err(bad_request!(
                "{} is not the folder of a run: there is no {MANIFEST} in it\nhelp: give the folder of a finished run, such \
                 as runs/collapse/reasoning-gym",
                path.display()
            ));
        }
        Ok(folder)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Where a file of it is, or will be.
    pub fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// The text of a file.
    ///
    /// # Errors
    ///
    /// A file that is not there: the run is not finished.
    pub fn text(&self, name: &str) -> Outcome<String> {
        fs::read_to_string(self.file(name)).map_err(|error| {
            bad_request!(
                "the run in {} is not finished: cannot read {name}: {error}\nhelp: `routelab run` with the arguments of this run \
                 goes on where it was",
                self.0.display()
            )
        })
    }

    fn json<T: DeserializeOwned>(&self, name: &str) -> Outcome<T> {
        serde_json::from_str(&self.text(name)?).map_err(|_| self.damaged(name))
    }

    /// A file that cannot be what it should be.
    pub fn damaged(&self, name: &str) -> Failure {
        bad_request!(
            "{} is damaged\nhelp: run the experiment again with `--overwrite`",
            self.file(name).display()
        )
    }

    /// What the run depended on.
    ///
    /// # Errors
    ///
    /// A manifest that is not there or damaged.
    pub fn manifest(&self) -> Outcome<Value> {
        self.json(MANIFEST)
    }

    /// A part of the manifest.
    ///
    /// # Errors
    ///
    /// A part that this version does not understand.
    pub fn part<T: DeserializeOwned>(&self, manifest: &Value, pointer: &str) -> Outcome<T> {
        let part = manifest.pointer(pointer).cloned().unwrap_or_default();
        serde_json::from_value(part).map_err(|error| {
            bad_request!(
                "{}, {pointer}: {error}\nhelp: run the experiment again with this version of routelab",
                self.file(MANIFEST).display()
            )
        })
    }

    /// The numbers.
    ///
    /// # Errors
    ///
    /// A run that is not finished, or that another version wrote: which one, and what to do.
    pub fn results(&self) -> Outcome<RunResults> {
        let again =
            "`routelab run` with the arguments of this run writes the file, and fits nothing again";
        let text = match fs::read_to_string(self.file(RESULTS)) {
            Ok(text) => text,
            Err(_) if self.file("metrics.json").exists() => {
                let manifest = self.manifest()?;
                return Err(bad_request!(
                    "the run in {} was written by RouteLab {}, which had no {RESULTS}\nhelp: {again}",
                    self.0.display(),
                    manifest["routelab"]
                        .as_str()
                        .unwrap_or("of an unknown version")
                ));
            }
            Err(_) => self.text(RESULTS)?,
        };
        let damaged = |_| self.damaged(RESULTS);
        let written: Written = serde_json::from_str(&text).map_err(damaged)?;
        if written.schema != SCHEMA {
            return Err(bad_request!(
                "{} was written by RouteLab {} with schema {}, and this version reads schema {SCHEMA}\nhelp: {again}",
                self.file(RESULTS).display(),
                (written.routelab.as_deref()).unwrap_or("of an unknown version"),
                written.schema
            ));
        }
        serde_json::from_str(&text).map_err(damaged)
    }

    /// The table and the test rows.
    ///
    /// # Errors
    ///
    /// A file that is not there or damaged.
    pub fn truth(&self) -> Outcome<StoredTruth> {
        let path = self.file(TRUTH);
        let bytes = fs::read(&path).map_err(|error| {
            bad_request!(
                "cannot read {}: {error}\nhelp: `routelab run` with the arguments of this run adds the file, and fits nothing \
                 again",
                path.display()
            )
        })?;
        StoredTruth::read(&bytes).ok_or_else(|| self.damaged(TRUTH))
    }

    /// The name of a unit's folder in that of the run.
    pub fn unit_name(router: &str, seed: u64) -> String {
        format!("units/{seed}/{}", slug(router))
    }

    /// What a router did on a seed; `None` if it was not fitted to its end.
    pub fn unit(&self, router: &str, seed: u64) -> Option<Unit> {
        Unit::read(&self.file(&Self::unit_name(router, seed)))
    }

    /// Stores a finished unit.
    ///
    /// # Errors
    ///
    /// A file that cannot be written.
    pub fn put_unit(
        &self,
        router: &str,
        seed: u64,
        unit: &Unit,
        history: Option<&History>,
    ) -> Outcome {
        let name = Self::unit_name(router, seed);
        for (file, bytes) in unit.files(history) {
            self.write(&format!("{name}/{file}"), &bytes)?;
        }
        Ok(())
    }

    /// Where a router that was fitted on the first seed is kept.
    fn model_path(&self, router: &str) -> PathBuf {
        self.file("models").join(slug(router))
    }

    /// A router that was fitted on the first seed.
    ///
    /// # Errors
    ///
    /// An archive that is not there or damaged.
    pub fn model(&self, router: &str) -> Outcome<Archive> {
        Archive::read(&self.model_path(router)).map_err(Failure::failed)
    }

    /// Keeps a fitted router of the first seed.
    ///
    /// # Errors
    ///
    /// A file that cannot be written.
    pub fn put_model(&self, router: &str, archive: &Archive) -> Outcome {
        (archive.write(&self.model_path(router))).map_err(Failure::failed)
    }

    /// Takes a unit that another run fitted, there under the name `there`, and if asked for its fitted router.
    ///
    /// # Errors
    ///
    /// Files that cannot be read or written.
    pub fn take_unit(
        &self,
        from: &RunFolder,
        there: &str,
        router: &str,
        seed: u64,
        model: bool,
    ) -> Outcome {
        // In the order in which a fit writes them: where a unit is whole, its model is there.
        if model && from.model_path(there).exists() {
            self.put_model(router, &from.model(there)?)?;
        }
        let (there, here) = (Self::unit_name(there, seed), Self::unit_name(router, seed));
        for file in unit::FILES {
            let path = from.file(&format!("{there}/{file}"));
            // A fit that failed has no scores.
            if path.exists() {
                self.copy(&path, &format!("{here}/{file}"))?;
            }
        }
        Ok(())
    }

    /// Takes the encoder that another run fitted, if it did.
    ///
    /// # Errors
    ///
    /// Files that cannot be read or written.
    pub fn take_encoder(&self, from: &RunFolder) -> Outcome {
        self.copy(&from.file(ENCODER), ENCODER)
    }

    fn copy(&self, path: &Path, name: &str) -> Outcome {
        let bytes = fs::read(path).map_err(|error| {
            Failure::failed(anyhow::anyhow!("cannot read {}: {error}", path.display()))
        })?;
        self.write(name, &bytes)
    }

    /// Writes a file of the run whole; missing folders are made.
    ///
    /// # Errors
    ///
    /// A file that cannot be written.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Outcome {
        let path = self.file(name);
        let folder = path.parent().unwrap_or(Path::new(""));
        fs::create_dir_all(folder)
            .and_then(|()| write_atomically(&path, bytes))
            .map_err(|error| Failure::write(&path, error))
    }

    /// Removes the run. Its manifest goes last: what a kill leaves is never taken for part of another run.
    ///
    /// # Errors
    ///
    /// Files that cannot be removed.
    pub fn remove(&self) -> io::Result<()> {
        for entry in fs::read_dir(&self.0)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                fs::remove_dir_all(entry.path())?;
            } else if entry.file_name() != MANIFEST {
                fs::remove_file(entry.path())?;
            }
        }
        fs::remove_dir_all(&self.0)
    }
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
pub fn remove_temporary(folder: &Path) -> io::Result<()> {
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

/// Which parts of two manifests or marks differ, for the user.
pub fn differences(earlier: &str, now: &Value) -> String {
    let earlier: Value = serde_json::from_str(earlier).unwrap_or_default();
    let mut names: Vec<String> = Vec::new();
    for (key, value) in now.as_object().into_iter().flatten() {
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
    if names.is_empty() {
        return "settings".to_owned();
    }
    format!("settings ({})", names.join(", "))
}
