//! `routelab compare`: what changed between two runs: settings, inputs, metrics, choices.

mod files;
mod flips;
pub mod markdown;
mod metrics;
mod settings;
mod side;

use std::path::Path;

use serde_json::Value;

use crate::failure::{Outcome, bad_request};

use flips::{Flips, operating_points};
use metrics::Difference;
use settings::{Change, changes};
use side::Side;

/// All that changed. Differences are the second run less the first.
pub struct Comparison {
    a: Side,
    b: Side,
    /// Changes of the experiment.
    settings: Vec<Change>,
    /// Changes of versions, backend, data, embeddings and splits.
    inputs: Vec<Change>,
    /// Whether both runs read the same table.
    same_table: bool,
    /// The routers that worked in both.
    routers: Vec<RouterComparison>,
    /// Routers that worked in the first run only, and in the second only.
    alone: [Vec<String>; 2],
}

/// A router in both runs.
struct RouterComparison {
    label: String,
    /// Whether both runs judged it on the same queries.
    paired: bool,
    metrics: Vec<Difference>,
    /// At every operating point; none if the tables differ.
    flips: Vec<Flips>,
}

impl Comparison {
    /// Compares the runs in two folders.
    pub fn of(a: &Path, b: &Path) -> Outcome<Self> {
        let (a, b) = (Side::read(a)?, Side::read(b)?);
        for (key, what) in [
            ("name", "data set"),
            ("models", "models"),
            ("cost_unit", "unit of costs"),
        ] {
            if a.data(key) != b.data(key) {
                return Err(bad_request!(
                    "the runs are about other data, their numbers cannot be subtracted: the {what} of {} is {}, of {} {}\nhelp: \
                     compare runs on the same data set",
                    a.folder.path().display(),
                    Change::written(Some(a.data(key))),
                    b.folder.path().display(),
                    Change::written(Some(b.data(key)))
                ));
            }
        }
        let same_table = a.data("table_sha256") == b.data("table_sha256");
        let points = operating_points(&a);
        let mut routers = Vec::new();
        for router_a in a.results.working() {
            let mut others = b.results.working();
            let Some(router_b) = others.find(|router| router.label == router_a.label) else {
                continue;
            };
            let (predicted_a, predicted_b) = (a.predictions(router_a)?, b.predictions(router_b)?);
            routers.push(RouterComparison {
                label: router_a.label.clone(),
                paired: metrics::is_paired(&a, &b, router_a, router_b),
                metrics: metrics::differences(
                    (&a, router_a, &predicted_a),
                    (&b, router_b, &predicted_b),
                )?,
                flips: if same_table {
                    points
                        .iter()
                        .map(|point| {
                            flips::flips((&a, &predicted_a), (&b, &predicted_b), point.clone())
                        })
                        .collect()
                } else {
                    Vec::new()
                },
            });
        }
        if routers.is_empty() {
            let labels = |run: &Side| -> String {
                let labels: Vec<String> = run
                    .results
                    .working()
                    .map(|router| format!("{:?}", router.label))
                    .collect();
                if labels.is_empty() {
                    "none".to_owned()
                } else {
                    labels.join(", ")
                }
            };
            return Err(bad_request!(
                "no router worked in both runs: {} has {}; {} has {}\nhelp: routers are matched by `label`: give those that \
                 are to be compared the same",
                a.folder.path().display(),
                labels(&a),
                b.folder.path().display(),
                labels(&b)
            ));
        }
        let alone = [&a, &b].map(|run| -> Vec<String> {
            let labels = run.results.working().map(|router| router.label.clone());
            labels
                .filter(|label| routers.iter().all(|both| both.label != *label))
                .collect()
        });
        let inputs = |run: &Side| -> Value {
            let mut manifest = run.manifest.clone();
            if let Some(table) = manifest.as_object_mut() {
                table.remove("experiment");
            }
            manifest
        };
        Ok(Self {
            settings: changes("", &a.manifest["experiment"], &b.manifest["experiment"]),
            inputs: changes("", &inputs(&a), &inputs(&b)),
            same_table,
            routers,
            alone,
            a,
            b,
        })
    }
}
