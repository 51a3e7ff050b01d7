//! A finished run, read from its folder.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use routelab_eval::{Decision, Scores};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::experiment::{EvaluationSpec, slug};
use crate::failure::{Failure, Outcome, bad_request};
use crate::run::STUDY_MARK;
use crate::run::store::{MANIFEST, UnitOutcome, read_unit, unit_name};
use crate::run::truth::{self, StoredTruth};

/// A run.
pub struct RunFolder {
    /// Where it is.
    pub path: PathBuf,
    /// What it depended on.
    pub manifest: Value,
    /// How its routers were evaluated.
    pub evaluation: EvaluationSpec,
    /// The models' names.
    pub models: Vec<String>,
    /// Its table and test rows.
    pub truth: StoredTruth,
    /// The budgets shared by its routers, ascending.
    pub grid: Vec<f64>,
    /// The names of the metrics.
    pub metrics: Vec<String>,
    /// The routers that worked on at least one seed, in the order of the experiment.
    pub routers: Vec<Router>,
}

/// A router's metrics.
pub struct Router {
    /// Its name.
    pub label: String,
    /// The metrics on every seed on which it worked, in the order of [`RunFolder::metrics`]; `None` where one is undefined.
    pub seeds: BTreeMap<u64, Vec<Option<f64>>>,
}

/// A router's predictions on the test rows of every seed on which it worked.
pub type Predictions = BTreeMap<u64, (Scores, Decision)>;

impl RunFolder {
    /// Reads the folder of a finished run.
    pub fn read(path: &Path) -> Outcome<Self> {
        if path.join(STUDY_MARK).exists() {
            return Err(study(path)?);
        }
        if !path.join(MANIFEST).exists() {
            return Err(bad_request!(
                "{} is not the folder of a run: there is no {MANIFEST} in it\nhelp: give the folder of a finished run, such \
                 as runs/collapse/reasoning-gym",
                path.display()
            ));
        }
        let manifest: Value = json(path, MANIFEST)?;
        let metrics = csv(path, "metrics.csv")?;
        let grid = csv(path, "grid_points.csv")?;
        let truth = path.join(truth::FILE);
        let truth = fs::read(&truth).map_err(|error| {
            bad_request!(
                "cannot read {}: {error}\nhelp: `routelab run` with the arguments of this run adds the file, and fits nothing \
                 again",
                truth.display()
            )
        })?;
        let truth = StoredTruth::read(&truth).ok_or_else(|| broken(path, truth::FILE))?;
        let models: Vec<String> = part(path, &manifest, "/data/models")?;
        if truth.quality.ncols() != models.len() {
            return Err(broken(path, truth::FILE));
        }
        // Every router and seed has the same grid.
        let mut budgets: Vec<f64> = Vec::new();
        for row in &grid.rows {
            let budget = row[2]
                .parse()
                .map_err(|_| broken(path, "grid_points.csv"))?;
            if budgets.last().is_some_and(|&last| budget <= last) {
                break;
            }
            budgets.push(budget);
        }
        let mut routers: Vec<Router> = Vec::new();
        for row in &metrics.rows {
            let seed = row[2].parse().map_err(|_| broken(path, "metrics.csv"))?;
            let values = row.iter().skip(3).map(|cell| cell.parse().ok()).collect();
            match routers.last_mut() {
                Some(router) if router.label == row[0] => {
                    router.seeds.insert(seed, values);
                }
                _ => routers.push(Router {
                    label: row[0].to_owned(),
                    seeds: BTreeMap::from([(seed, values)]),
                }),
            }
        }
        Ok(Self {
            path: path.to_owned(),
            evaluation: part(path, &manifest, "/experiment/evaluation")?,
            models,
            truth,
            grid: budgets,
            metrics: metrics.header.into_iter().skip(3).collect(),
            routers,
            manifest,
        })
    }

    /// A router's predictions.
    pub fn predictions(&self, router: &Router) -> Outcome<Predictions> {
        let mut predictions = Predictions::new();
        for &seed in router.seeds.keys() {
            let name = unit_name(seed, &slug(&router.label));
            let unit = read_unit(&self.path.join(&name));
            let rows = self.truth.tests.get(&seed).map(Vec::len);
            match unit.map(|unit| unit.outcome) {
                Some(UnitOutcome::Predicted { scores, decision })
                    if Some(scores.queries()) == rows && scores.models() == self.models.len() =>
                {
                    predictions.insert(seed, (scores, decision));
                }
                _ => return Err(broken(&self.path, &name)),
            }
        }
        Ok(predictions)
    }

    /// A part of the manifest, for messages and comparisons.
    pub fn data(&self, key: &str) -> &Value {
        &self.manifest["data"][key]
    }
}

/// Runs of a study are compared one by one.
/// The folder of a study where that of a run is needed.
pub fn study(path: &Path) -> Outcome<Failure> {
    let study: Value = json(path, STUDY_MARK)?;
    let variants = study["variants"].as_array().into_iter().flatten();
    let folders: Vec<String> = variants
        .filter_map(|variant| Some(path.join(variant["folder"].as_str()?).display().to_string()))
        .collect();
    Ok(bad_request!(
        "{} is the folder of a study, which has a run for every variant\nhelp: give one of the runs: {}",
        path.display(),
        folders.join(", ")
    ))
}

fn text(folder: &Path, name: &str) -> Outcome<String> {
    fs::read_to_string(folder.join(name)).map_err(|error| {
        bad_request!(
            "the run in {} is not finished: cannot read {name}: {error}\nhelp: `routelab run` with the same arguments goes on \
             where it was",
            folder.display()
        )
    })
}

fn json<T: DeserializeOwned>(folder: &Path, name: &str) -> Outcome<T> {
    serde_json::from_str(&text(folder, name)?).map_err(|_| broken(folder, name))
}

fn part<T: DeserializeOwned>(folder: &Path, manifest: &Value, pointer: &str) -> Outcome<T> {
    let part = manifest.pointer(pointer).cloned().unwrap_or_default();
    serde_json::from_value(part).map_err(|error| {
        bad_request!(
            "{}, {pointer}: {error}\nhelp: run the experiment again with this version of routelab",
            folder.join(MANIFEST).display()
        )
    })
}

/// A table; without any rows if no router worked.
struct Table {
    header: Vec<String>,
    rows: Vec<csv::StringRecord>,
}

fn csv(folder: &Path, name: &str) -> Outcome<Table> {
    let text = text(folder, name)?;
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let wrong = |_| broken(folder, name);
    let header: Vec<String> = reader
        .headers()
        .map_err(wrong)?
        .iter()
        .map(str::to_owned)
        .collect();
    let rows = reader.records().collect::<Result<_, _>>().map_err(wrong)?;
    if !text.is_empty() && header.len() < 3 {
        return Err(broken(folder, name));
    }
    Ok(Table { header, rows })
}

fn broken(folder: &Path, name: &str) -> Failure {
    bad_request!(
        "{} is damaged\nhelp: run the experiment again with `--overwrite`",
        folder.join(name).display()
    )
}
