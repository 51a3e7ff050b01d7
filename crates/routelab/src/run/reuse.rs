//! A fit that several runs of one call have in common is made once.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};

use super::store::Store;
use crate::experiment::{Entry, Experiment, Plan};
use crate::failure::Outcome;
use crate::folder::RunFolder;

/// The fits of earlier runs, by all that they depend on.
#[derive(Default)]
pub struct Fits(Mutex<HashMap<String, Fit>>);

/// Where a fit lies.
#[derive(Clone)]
struct Fit {
    run: RunFolder,
    router: String,
    /// Whether its run kept the fitted router, which it does for its first seed.
    model: bool,
}

impl Fits {
    /// Takes the units of a run that are missing there and that an earlier run has fitted.
    pub fn take(&self, experiment: &Experiment, manifest: &Value, store: &Store) -> Outcome {
        for (index, &seed) in experiment.seeds.iter().enumerate() {
            for entry in &experiment.routers {
                let Some(fit) = self.find(experiment, manifest, seed, entry) else {
                    continue;
                };
                let first = index == 0 && experiment.models;
                if store.unit(&entry.label, seed).is_some() || (first && !fit.model) {
                    continue;
                }
                store.take_unit(&fit.run, &fit.router, &entry.label, seed, first)?;
                store.log(format!(
                    "seed {seed}: {}: as fitted in {}",
                    entry.label,
                    fit.run.path().display()
                ))?;
            }
        }
        Ok(())
    }

    fn find(
        &self,
        experiment: &Experiment,
        manifest: &Value,
        seed: u64,
        entry: &Entry,
    ) -> Option<Fit> {
        let key = key(experiment, manifest, seed, entry)?;
        let fits = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        fits.get(&key).cloned()
    }

    /// Adds all units of a run.
    pub fn add(&self, experiment: &Experiment, manifest: &Value, store: &Store) {
        let mut fits = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (index, &seed) in experiment.seeds.iter().enumerate() {
            for entry in &experiment.routers {
                if let Some(key) = key(experiment, manifest, seed, entry) {
                    let fit = Fit {
                        run: (**store).clone(),
                        router: entry.label.clone(),
                        model: index == 0 && experiment.models,
                    };
                    fits.entry(key).or_insert(fit);
                }
            }
        }
    }
}

/// All that a fit depends on; `None` for what is not worth keeping, and where the embeddings depend on the split, since such
/// an encoder is fitted by each run.
fn key(experiment: &Experiment, manifest: &Value, seed: u64, entry: &Entry) -> Option<String> {
    let Plan::Fitted { kind, parsed } = &entry.plan else {
        return None;
    };
    let embeddings = &manifest["embeddings"];
    embeddings["sha256"].as_str()?;
    let search = experiment.tuning.as_ref().map(|_| {
        let evaluation = &experiment.resolved["evaluation"];
        json!([experiment.resolved["tune"], evaluation, entry.space])
    });
    let key = json!({
        "program": [manifest["routelab"], manifest["burn"], manifest["backend"]],
        "table": manifest["data"]["table_sha256"],
        "embeddings": [embeddings["encoders"], embeddings["sha256"]],
        "split": experiment.resolved["split"],
        "cost": experiment.resolved["cost"],
        "search": search,
        "seed": seed,
        "router": [json!(kind), json!(parsed.settings)],
    });
    Some(key.to_string())
}
