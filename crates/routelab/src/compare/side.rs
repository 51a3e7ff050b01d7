//! One of the two runs that are compared.

use std::collections::BTreeMap;
use std::path::Path;

use routelab_eval::{Decision, Scores};
use serde_json::Value;

use crate::experiment::EvaluationSpec;
use crate::failure::Outcome;
use crate::folder::{RouterRecord, RunFolder, RunResults, StoredTruth, TRUTH, UnitOutcome};

/// A finished run.
pub struct Side {
    /// Where it is.
    pub folder: RunFolder,
    /// What it depended on.
    pub manifest: Value,
    /// How its routers were evaluated.
    pub evaluation: EvaluationSpec,
    /// Its table and test rows.
    pub truth: StoredTruth,
    /// Its numbers.
    pub results: RunResults,
}

/// A router's predictions on the test rows of every seed on which it worked.
pub type Predictions = BTreeMap<u64, (Scores, Decision)>;

impl Side {
    /// Reads the folder of a finished run.
    pub fn read(path: &Path) -> Outcome<Self> {
        let folder = RunFolder::open(path)?;
        let (manifest, results, truth) = (folder.manifest()?, folder.results()?, folder.truth()?);
        if truth.quality.ncols() != results.models.len() {
            return Err(folder.damaged(TRUTH));
        }
        Ok(Self {
            evaluation: folder.part(&manifest, "/experiment/evaluation")?,
            manifest,
            truth,
            results,
            folder,
        })
    }

    /// The predictions of one of its routers.
    pub fn predictions(&self, router: &RouterRecord) -> Outcome<Predictions> {
        let mut predictions = Predictions::new();
        for seed in &router.seeds {
            let rows = self.truth.tests.get(&seed.seed).map(Vec::len);
            let unit = self.folder.unit(&router.label, seed.seed);
            match unit.map(|unit| unit.outcome) {
                Some(UnitOutcome::Predicted { scores, decision })
                    if Some(scores.queries()) == rows
                        && scores.models() == self.results.models.len() =>
                {
                    predictions.insert(seed.seed, (scores, decision));
                }
                _ => {
                    let name = RunFolder::unit_name(&router.label, seed.seed);
                    return Err(self.folder.damaged(&name));
                }
            }
        }
        Ok(predictions)
    }

    /// A part of the manifest, for messages and comparisons.
    pub fn data(&self, key: &str) -> &Value {
        &self.manifest["data"][key]
    }
}
