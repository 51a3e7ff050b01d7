//! A unit: one router on one seed, as a run keeps it.

use std::fs;
use std::path::Path;

use routelab_data::{read_matrix, write_matrices};
use routelab_eval::{Decision, Scores};
use routelab_heads::History;
use safetensors::SafeTensors;
use serde::{Deserialize, Serialize};

/// The files of a unit, in the order in which they are written: without the last one the unit is not finished.
pub const FILES: [&str; 3] = ["scores.safetensors", "seconds.txt", "unit.json"];

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

/// One trial of a search for settings.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Trial {
    /// The settings that were searched, and their values.
    pub settings: toml::Table,
    /// The metric on the validation rows; `None` where the trial failed.
    pub value: Option<f64>,
    /// Why it failed.
    pub failure: Option<String>,
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

impl Unit {
    /// A finished unit in its folder; `None` if there is none, or a damaged one.
    pub(super) fn read(folder: &Path) -> Option<Self> {
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
        Some(Self {
            outcome,
            seconds: Seconds {
                fit: next()?,
                predict: next()?,
            },
            trials: file.trials,
        })
    }

    /// Names and contents of its files, in the order of [`FILES`]; a fit that failed has no scores.
    pub(super) fn files(&self, history: Option<&History>) -> Vec<(&'static str, Vec<u8>)> {
        let [scores_file, seconds_file, unit_file] = FILES;
        let mut file = UnitFile {
            failure: None,
            decision: Decision::default(),
            losses: history
                .map(|history| history.losses.clone())
                .unwrap_or_default(),
            trials: self.trials.clone(),
        };
        let mut files = Vec::new();
        match &self.outcome {
            UnitOutcome::Failed(reason) => file.failure = Some(reason.clone()),
            UnitOutcome::Predicted { scores, decision } => {
                file.decision = *decision;
                files.push((scores_file, scores_bytes(scores)));
            }
        }
        let Seconds { fit, predict } = self.seconds;
        files.push((
            seconds_file,
            format!("{fit:.3} {predict:.3}\n").into_bytes(),
        ));
        let text = serde_json::to_string_pretty(&file).expect("a unit is plain data");
        files.push((unit_file, format!("{text}\n").into_bytes()));
        files
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
