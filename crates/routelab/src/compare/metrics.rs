//! How far the metrics of a router differ between two runs.

use routelab_eval::bootstrap::{Population, Replicates, seeds_difference, seeds_interval};
use routelab_eval::{Metric, Sweep, Truth};

use super::side::{Predictions, Side};
use crate::experiment::BOOTSTRAP_SEED;
use crate::failure::{Failure, Outcome};
use crate::folder::RouterRecord;

/// Where an interval comes from.
#[derive(Clone, Copy, PartialEq)]
pub enum Method {
    /// Paired bootstrap over the queries of the whole table.
    Queries,
    /// Student's t over the differences on every seed.
    PairedSeeds,
    /// Welch's t over the seeds of both runs, which have nothing in common.
    UnpairedSeeds,
}

impl Method {
    /// Its name in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Queries => "paired-queries",
            Self::PairedSeeds => "paired-seeds",
            Self::UnpairedSeeds => "unpaired-seeds",
        }
    }
}

/// A metric of a router in both runs.
pub struct Difference {
    /// The metric's name in files.
    pub metric: String,
    /// Mean over the seeds of the first run; infinite if it is on one.
    pub a: f64,
    /// The same of the second run.
    pub b: f64,
    /// `b - a`.
    pub difference: f64,
    /// The 95 % interval of the difference; none with a single seed or where a number is infinite.
    pub interval: Option<(f64, f64)>,
    /// Two-sided p of "no difference", for the bootstrap.
    pub p: Option<f64>,
    /// Where the interval comes from.
    pub method: Method,
}

/// Whether a router was judged on the same queries in both runs: the same table, seeds and test rows.
pub fn is_paired(a: &Side, b: &Side, router_a: &RouterRecord, router_b: &RouterRecord) -> bool {
    a.data("table_sha256") == b.data("table_sha256")
        && seeds(router_a).eq(seeds(router_b))
        && seeds(router_a).all(|seed| a.truth.tests.get(&seed) == b.truth.tests.get(&seed))
}

/// The seeds on which a router worked.
fn seeds(router: &RouterRecord) -> impl Iterator<Item = u64> {
    router.seeds.iter().map(|seed| seed.seed)
}

/// Every metric that both runs have of a router.
pub fn differences(
    (a, router_a, predicted_a): (&Side, &RouterRecord, &Predictions),
    (b, router_b, predicted_b): (&Side, &RouterRecord, &Predictions),
) -> Outcome<Vec<Difference>> {
    let paired = is_paired(a, b, router_a, router_b);
    // Equal predictions under equal rules differ in nothing; resampling them would show it, slowly.
    let same = predicted_a == predicted_b && a.evaluation == b.evaluation;
    let replicates = if paired && !same {
        let count = a.evaluation.bootstrap.max(b.evaluation.bootstrap);
        Some((
            replicates(a, predicted_a, count)?,
            replicates(b, predicted_b, count)?,
        ))
    } else {
        None
    };
    let mut found = Vec::new();
    for name in &a.results.metrics {
        let (Some(values_a), Some(values_b)) =
            (values(a, router_a, name), values(b, router_b, name))
        else {
            continue;
        };
        let (mean_a, mean_b) = (mean(&values_a), mean(&values_b));
        let metric = Metric::resampled().find(|metric| metric.name == name);
        let (interval, p, method) = match (metric, paired) {
            (Some(metric), true) => {
                let (interval, p) = match &replicates {
                    None => ((0.0, 0.0), 1.0),
                    Some((a, b)) => {
                        let paired = b.compare(a, metric).map_err(Failure::failed)?;
                        ((paired.difference.low, paired.difference.high), paired.p)
                    }
                };
                (Some(interval), Some(p), Method::Queries)
            }
            (None, true) => {
                let differences: Vec<f64> = values_a
                    .iter()
                    .zip(&values_b)
                    .map(|(&a, &b)| subtract(b, a))
                    .collect();
                let interval = seeds_interval(&differences);
                (
                    interval.map(|interval| (interval.low, interval.high)),
                    None,
                    Method::PairedSeeds,
                )
            }
            (_, false) => {
                let interval = seeds_difference(&values_b, &values_a);
                (
                    interval.map(|interval| (interval.low, interval.high)),
                    None,
                    Method::UnpairedSeeds,
                )
            }
        };
        found.push(Difference {
            metric: name.clone(),
            a: mean_a,
            b: mean_b,
            difference: subtract(mean_b, mean_a),
            interval: interval.filter(|(low, high)| !low.is_nan() && !high.is_nan()),
            p,
            method,
        });
    }
    Ok(found)
}

/// One resampling of the whole table for all seeds, as within a run.
fn replicates(run: &Side, predictions: &Predictions, count: usize) -> Outcome<Replicates> {
    let truth = &run.truth;
    let mut parts = Vec::new();
    for (seed, (scores, decision)) in predictions {
        let rows = &truth.tests[seed];
        let (quality, cost) = (
            truth.quality.select(ndarray::Axis(0), rows),
            truth.cost.select(ndarray::Axis(0), rows),
        );
        let truth = Truth::new(quality.view(), cost.view()).map_err(Failure::failed)?;
        let strongest = &run.truth.strongest[seed];
        let options = run.evaluation.options(*decision, None, strongest);
        let population = Population {
            rows,
            size: run.truth.ids.len(),
        };
        let sweep = Sweep::new(&truth, scores, &options).map_err(Failure::failed)?;
        let replicates = sweep.replicates(count, BOOTSTRAP_SEED, Some(population));
        parts.push(replicates.map_err(Failure::failed)?);
    }
    Replicates::mean_of(&parts).map_err(Failure::failed)
}

/// A metric on every seed, in their order; `None` if it is undefined on one.
fn values(run: &Side, router: &RouterRecord, name: &str) -> Option<Vec<f64>> {
    let at = run.results.metrics.iter().position(|other| other == name)?;
    let seeds = router.seeds.iter();
    seeds
        .map(|seed| Some((*seed.metrics.get(at)?)?.0))
        .collect()
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Two infinite numbers do not differ.
fn subtract(a: f64, b: f64) -> f64 {
    if a == b { 0.0 } else { a - b }
}
