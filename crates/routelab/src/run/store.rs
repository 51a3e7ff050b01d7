//! The run's folder.
//!
//! `units/SEED/ROUTER/` appear one by one while the routers are fitted; a later run with the same manifest takes them
//! from there. Every file appears whole.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use ndarray::Array2;
use routelab_data::write_atomically;
use routelab_eval::{Decision, Scores};
use routelab_heads::History;
use routelab_routers::Archive;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::study;
use super::tuning::Trial;
use crate::cli::RunArgs;
use crate::experiment::{Entry, Experiment};
use crate::failure::{Failure, Outcome, bad_request};

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
        let path = folder.join("manifest.json");
        let unusable = |error: std::io::Error| {
            bad_request!(
                "cannot use {} for the run: {error}\nhelp: choose another folder with `--out`",
                folder.display()
            )
        };
        let text = format!("{manifest:#}\n");
        match fs::read_to_string(&path) {
            Ok(earlier) if earlier == text => {}
            Ok(_) if args.overwrite => fs::remove_dir_all(&folder).map_err(unusable)?,
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
                let foreign =
                    fs::read_dir(&folder).is_ok_and(|mut entries| entries.next().is_some());
                if foreign && !args.overwrite {
                    return Err(bad_request!(
                        "{} exists and is not the folder of a run\nhelp: choose another folder with `--out`",
                        folder.display()
                    ));
                }
            }
            Err(error) => return Err(unusable(error)),
        }
        fs::create_dir_all(&folder).map_err(unusable)?;
        let store = Self {
            folder: folder.clone(),
        };
        write_atomically(&path, text.as_bytes()).map_err(unusable)?;
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
        let path = self.folder.join("run.log");
        fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .and_then(|mut file| file.write_all(format!("{line}\n").as_bytes()))
            .map_err(|error| Failure::write(&path, error))
    }

    /// Where a fitted router of the first seed is kept.
    pub fn save_model(&self, entry: &Entry, archive: &Archive) -> Outcome {
        archive
            .write(&self.folder.join("models").join(&entry.slug))
            .map_err(Failure::failed)
    }

    /// A unit that an earlier run finished.
    pub fn unit(&self, seed: u64, entry: &Entry) -> Option<Unit> {
        let folder = self.folder.join(unit_name(seed, entry));
        // The description is written last: without it the unit is not finished.
        let file: UnitFile =
            serde_json::from_slice(&fs::read(folder.join("unit.json")).ok()?).ok()?;
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

    /// Stores a finished unit.
    pub fn put_unit(
        &self,
        seed: u64,
        entry: &Entry,
        unit: &Unit,
        history: Option<&History>,
    ) -> Outcome {
        let name = unit_name(seed, entry);
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

fn unit_name(seed: u64, entry: &Entry) -> String {
    format!("units/{seed}/{}", entry.slug)
}

/// Which parts of two manifests differ, for the user.
fn differences(earlier: &str, manifest: &Value) -> String {
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
    let bytes = |matrix: &Array2<f64>| -> Vec<u8> {
        matrix
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect()
    };
    let shape = vec![scores.queries(), scores.models()];
    let (quality, cost) = (bytes(&scores.quality), bytes(&scores.cost));
    let view =
        |bytes| TensorView::new(Dtype::F64, shape.clone(), bytes).expect("eight bytes per value");
    safetensors::serialize([("quality", view(&quality)), ("cost", view(&cost))], None)
        .expect("two named tensors")
}

fn read_scores(bytes: &[u8]) -> Option<Scores> {
    let file = SafeTensors::deserialize(bytes).ok()?;
    let matrix = |name: &str| -> Option<Array2<f64>> {
        let tensor = file.tensor(name).ok()?;
        let (Dtype::F64, [rows, columns]) = (tensor.dtype(), tensor.shape()) else {
            return None;
        };
        let (values, _) = tensor.data().as_chunks::<8>();
        let values = values
            .iter()
            .map(|bytes| f64::from_le_bytes(*bytes))
            .collect();
        Array2::from_shape_vec((*rows, *columns), values).ok()
    };
    Scores::new(matrix("quality")?, matrix("cost")?).ok()
}
