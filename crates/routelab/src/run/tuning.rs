//! The search for better settings: random trials, judged on validation rows inside the training rows.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use routelab_data::{Embeddings, RoutingTable};
use routelab_eval::{Better, Metric, Truth, evaluate};
use routelab_heads::Backend;
use routelab_routers::{Context, ParsedRouter, Registry, SharedCost, TrainingSet};
use sha2::{Digest, Sha256};
use toml::{Table, Value};

use super::results::{Results, RouterResult};
use super::rows;
use super::store::Store;
use crate::experiment::{Entry, EvaluationSpec, Experiment, Tuning};
use crate::failure::{Failure, Outcome};
use crate::folder::Trial;
use crate::text::{Csv, optional};

/// Draws until a setting counts as exhausted.
const DRAWS: usize = 100;

/// What the searches of one seed share.
pub struct Search<'a> {
    tuning: &'a Tuning,
    evaluation: &'a EvaluationSpec,
    registry: &'a Registry,
    seed: u64,
    train: (RoutingTable, Embeddings),
    validation: (RoutingTable, Embeddings),
    cost: SharedCost,
    /// The columns of the strongest models, by the rows that are fitted on.
    strongest: Vec<usize>,
}

impl<'a> Search<'a> {
    /// Divides the training rows of a seed, in the same way as the table was divided into training and test rows.
    pub fn new(
        experiment: &'a Experiment,
        tuning: &'a Tuning,
        seed: u64,
        table: &RoutingTable,
        embeddings: &Embeddings,
    ) -> Outcome<Self> {
        let inner = rows::divide(experiment, tuning, seed, table)?;
        let part = |rows: &[usize]| (table.select(rows), embeddings.select(rows));
        let train = part(&inner.train);
        let strongest = (experiment.evaluation.strongest)
            .resolve_on(&train.0)
            .map_err(|reason| Failure::request(anyhow::anyhow!(reason)))?;
        Ok(Self {
            tuning,
            evaluation: &experiment.evaluation,
            registry: &experiment.registry,
            seed,
            train,
            validation: part(&inner.test),
            cost: SharedCost::new(experiment.cost.clone()),
            strongest,
        })
    }

    /// What trials are judged by.
    pub fn metric(&self) -> &'static Metric {
        self.tuning.metric()
    }

    /// Tries settings of a router. The trials are the same for every seed.
    pub fn run(
        &self,
        entry: &Entry,
        kind: &str,
        base: &ParsedRouter,
        backend: &Backend,
        progress: &(dyn Fn(f64) + Sync),
    ) -> Outcome<Vec<Trial>> {
        let seed: [u8; 32] = Sha256::digest(&entry.label).into();
        let mut rng = ChaCha8Rng::from_seed(seed);
        let count = self.tuning.trials;
        let mut trials = Vec::with_capacity(count);
        for number in 0..count {
            let settings: Table = match number {
                0 => entry
                    .space
                    .keys()
                    .filter_map(|name| Some((name.clone(), base.settings.get(name)?.clone())))
                    .collect(),
                _ => {
                    let draw = || -> Table {
                        let values = entry.space.iter();
                        values
                            .map(|(name, values)| (name.clone(), values.draw(&mut rng)))
                            .collect()
                    };
                    let new = |settings: &Table| {
                        trials
                            .iter()
                            .all(|trial: &Trial| trial.settings != *settings)
                    };
                    // A small space is exhausted before the trials are.
                    match std::iter::repeat_with(draw).take(DRAWS).find(new) {
                        Some(settings) => settings,
                        None => break,
                    }
                }
            };
            let value = self.value(kind, &merged(base, &settings), backend, &|share| {
                progress((number as f64 + share) / (count + 1) as f64);
            });
            let (value, failure) = match value {
                Ok(value) => (Some(value), None),
                Err(error) => (None, Some(error.to_string())),
            };
            trials.push(Trial {
                settings,
                value,
                failure,
            });
        }
        Ok(trials)
    }

    /// The metric of these settings on the validation rows.
    fn value(
        &self,
        kind: &str,
        settings: &Table,
        backend: &Backend,
        progress: &(dyn Fn(f64) + Sync),
    ) -> anyhow::Result<f64> {
        let parsed = self.registry.parse(kind, settings.clone())?;
        let train = TrainingSet::new(&self.train.1, &self.train.0)?;
        let context = Context {
            prices: false,
            seed: self.seed,
            backend,
            cost: &self.cost,
            progress,
        };
        let fitted = parsed.router.fit(&train, &context)?;
        let scores = fitted.predict(&self.validation.1)?;
        let table = &self.validation.0;
        let truth = Truth::new(table.quality(), table.cost())?;
        let options = self
            .evaluation
            .options(fitted.decision(), None, &self.strongest);
        let value = evaluate(&truth, &scores, &options)?.get(self.tuning.metric());
        Ok(value.expect("a metric that is resampled is defined"))
    }
}

/// All settings of a router with some of them replaced.
pub fn merged(base: &ParsedRouter, settings: &Table) -> Table {
    let mut table = base.settings.clone();
    table.extend(settings.clone());
    table
}

/// Writes `trials.csv`, and `tuned.toml`: the experiment with the settings that were best on the validation rows, averaged over
/// the seeds. Nothing if there was no search.
pub fn write(experiment: &Experiment, results: &Results, store: &Store) -> Outcome {
    let Some(tuning) = &experiment.tuning else {
        return Ok(());
    };
    let metric = tuning.metric();
    let header = format!("router,seed,trial,{},chosen,failure,settings", metric.name);
    let mut csv = Csv::headed(&header, None)?;
    for router in &results.routers {
        for (seed, trials) in &router.searches {
            let chosen = best(trials, metric);
            for (number, trial) in trials.iter().enumerate() {
                csv.row([
                    router.label.clone(),
                    seed.to_string(),
                    number.to_string(),
                    optional(trial.value),
                    (chosen == Some(number)).to_string(),
                    trial.failure.clone().unwrap_or_default(),
                    serde_json::to_string(&trial.settings).map_err(Failure::failed)?,
                ])?;
            }
        }
    }
    store.write("trials.csv", &csv.finish()?)?;

    let mut resolved = experiment.resolved.clone();
    resolved.remove("tune");
    let tables = resolved.get_mut("router").and_then(Value::as_array_mut);
    for (table, router) in tables.into_iter().flatten().zip(&results.routers) {
        let table = table.as_table_mut().expect("a router is a table");
        table.remove("tune");
        if let Some(settings) = best_of_all(router, metric) {
            table.extend(settings.clone());
        }
    }
    let text = format!(
        "# The settings that were best on the validation rows of all seeds, for other data or as defaults. To judge a search on its\n\
         # own test rows, use [tune]: it chooses by the training rows of each seed. Paths are as in the experiment file: keep this one\n\
         # beside it.\n{}",
        toml::to_string(&resolved).map_err(Failure::failed)?
    );
    store.write("tuned.toml", text.as_bytes())
}

/// The settings whose metric is best on average over the seeds, of those that failed on none.
fn best_of_all<'a>(router: &'a RouterResult, metric: &Metric) -> Option<&'a Table> {
    let (_, first) = router.searches.first()?;
    let mean = |number: usize| -> Option<f64> {
        let values = router
            .searches
            .iter()
            .map(|(_, trials)| trials[number].value);
        let values: Vec<f64> = values.collect::<Option<_>>()?;
        Some(values.iter().sum::<f64>() / values.len() as f64)
    };
    let means: Vec<Trial> = first
        .iter()
        .enumerate()
        .map(|(number, trial)| Trial {
            value: mean(number),
            ..trial.clone()
        })
        .collect();
    best(&means, metric).map(|number| &first[number].settings)
}

/// The position of the best trial, the first among equals; `None` if all failed.
pub fn best(trials: &[Trial], metric: &Metric) -> Option<usize> {
    let sign = if metric.better == Better::Higher {
        1.0
    } else {
        -1.0
    };
    let mut best: Option<(usize, f64)> = None;
    for (index, trial) in trials.iter().enumerate() {
        if let Some(value) = trial.value.map(|value| sign * value)
            && best.is_none_or(|(_, other)| value > other)
        {
            best = Some((index, value));
        }
    }
    best.map(|(index, _)| index)
}
