//! Fits every router on every seed.

use std::time::Instant;

use routelab_data::RoutingTable;
use routelab_eval::{Decision, Truth, oracle};
use routelab_heads::Backend;
use routelab_routers::{Context, FittedRouter, RouterError, SharedCost, TrainingSet, registry};

use super::inputs::{Inputs, SplitEmbeddings};
use super::store::{Seconds, Store, Unit, UnitOutcome};
use crate::experiment::{Entry, Experiment, Plan};
use crate::failure::{Failure, Outcome};
use crate::output::Output;

/// Steps of the progress bar per unit.
const STEPS: u64 = 1000;

/// All units: per seed, per router, in the order of the experiment.
pub type Units = Vec<Vec<Unit>>;

/// Fits what an earlier run has not fitted yet.
///
/// One router at a time: a fit uses all cores by itself, in the matrix products of its backend or in its own loops.
pub fn fit_all(
    experiment: &Experiment,
    inputs: &Inputs,
    backend: &Backend,
    store: &Store,
    output: &Output,
) -> Outcome<Units> {
    let count = (experiment.seeds.len() * experiment.routers.len()) as u64;
    let bar = output.bar(count * STEPS);
    let mut position = 0;
    let mut units = Vec::new();
    for (index, &seed) in experiment.seeds.iter().enumerate() {
        let stored: Vec<Option<Unit>> = experiment
            .routers
            .iter()
            .map(|entry| store.unit(seed, entry))
            .collect();
        let mut seed_fit = match stored.iter().all(Option::is_some) {
            true => None,
            false => Some(SeedFit::new(experiment, inputs, backend, store, index)?),
        };
        let mut row = Vec::new();
        for (entry, stored) in experiment.routers.iter().zip(stored) {
            bar.set_message(format!("seed {seed}: {}", entry.label));
            let unit = match (stored, &mut seed_fit) {
                (Some(unit), _) => unit,
                (None, Some(seed_fit)) => {
                    let unit = seed_fit.fit(entry, &|done| {
                        bar.set_position(position + (done * STEPS as f64) as u64);
                    })?;
                    let line = match &unit.outcome {
                        UnitOutcome::Predicted { .. } => format!(
                            "seed {seed}: {}: fit {:.1} s, predict {:.2} s",
                            entry.label, unit.seconds.fit, unit.seconds.predict
                        ),
                        UnitOutcome::Failed(reason) => {
                            format!("seed {seed}: {}: failed: {reason}", entry.label)
                        }
                    };
                    store.log(line.clone())?;
                    if bar.is_hidden() {
                        output.note(line);
                    }
                    unit
                }
                (None, None) => unreachable!("a seed with an open unit has been prepared"),
            };
            position += STEPS;
            bar.set_position(position);
            row.push(unit);
        }
        units.push(row);
    }
    bar.finish_and_clear();
    Ok(units)
}

/// What the fits of one seed share.
struct SeedFit<'a> {
    seed: u64,
    first: bool,
    train: RoutingTable,
    test: RoutingTable,
    embeddings: SplitEmbeddings,
    cost: SharedCost,
    backend: &'a Backend,
    store: &'a Store,
}

impl<'a> SeedFit<'a> {
    fn new(
        experiment: &Experiment,
        inputs: &Inputs,
        backend: &'a Backend,
        store: &'a Store,
        index: usize,
    ) -> Outcome<Self> {
        let split = &inputs.splits[index];
        let embeddings = inputs.split_embeddings(index)?;
        if let (0, Some(encoder)) = (index, &embeddings.encoder) {
            let path = store.folder().join("encoder.safetensors");
            encoder.save(&path).map_err(Failure::failed)?;
        }
        Ok(Self {
            seed: experiment.seeds[index],
            first: index == 0,
            train: inputs.table.select(&split.train),
            test: inputs.table.select(&split.test),
            embeddings,
            cost: SharedCost::new(experiment.cost.clone()),
            backend,
            store,
        })
    }

    /// Fits one router and stores the unit. A router that fails is a result, too.
    fn fit(&mut self, entry: &Entry, progress: &(dyn Fn(f64) + Sync)) -> Outcome<Unit> {
        let start = Instant::now();
        let (unit, fitted) = match &entry.plan {
            Plan::Oracle => {
                let truth =
                    Truth::new(self.test.quality(), self.test.cost()).map_err(Failure::failed)?;
                let outcome = UnitOutcome::Predicted {
                    scores: oracle(&truth),
                    decision: Decision::default(),
                };
                (
                    Unit {
                        outcome,
                        seconds: Seconds::default(),
                    },
                    None,
                )
            }
            Plan::Fitted { parsed, .. } => {
                let train = TrainingSet::new(&self.embeddings.train, &self.train)
                    .map_err(Failure::failed)?;
                let context = Context {
                    seed: self.seed,
                    backend: self.backend,
                    cost: &self.cost,
                    progress,
                };
                let fitted = parsed.router.fit(&train, &context);
                let fit = start.elapsed().as_secs_f64();
                let start = Instant::now();
                let (outcome, fitted) = match self.predict(fitted) {
                    Ok((outcome, fitted)) => (outcome, Some(fitted)),
                    Err(error) => (UnitOutcome::Failed(error.to_string()), None),
                };
                let predict = start.elapsed().as_secs_f64();
                (
                    Unit {
                        outcome,
                        seconds: Seconds { fit, predict },
                    },
                    fitted,
                )
            }
        };
        if let (true, Some(fitted)) = (self.first, &fitted) {
            let archive = registry::save(entry.plan.kind(), &**fitted).map_err(Failure::failed)?;
            self.store.save_model(entry, &archive)?;
        }
        let history = fitted.as_ref().and_then(|fitted| fitted.history());
        self.store.put_unit(self.seed, entry, &unit, history)?;
        Ok(unit)
    }

    fn predict(
        &self,
        fitted: Result<Box<dyn FittedRouter>, RouterError>,
    ) -> Result<(UnitOutcome, Box<dyn FittedRouter>), RouterError> {
        let fitted = fitted?;
        let outcome = UnitOutcome::Predicted {
            scores: fitted.predict(&self.embeddings.test)?,
            decision: fitted.decision(),
        };
        Ok((outcome, fitted))
    }
}
