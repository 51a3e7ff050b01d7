//! `tasks.csv`: quality, cost and call rates of every router on every task, at the largest budget.

use std::collections::BTreeMap;

use routelab_eval::bootstrap::seeds_interval;

use super::inputs::Inputs;
use super::results::{Csv, Results, RouterResult, optional};
use super::store::Store;
use crate::failure::Outcome;

/// The file in a run's folder.
pub const FILE: &str = "tasks.csv";

/// What a router did on one task of one split.
struct Sums {
    queries: usize,
    quality: f64,
    cost: f64,
    /// Queries sent to each model.
    calls: Vec<usize>,
}

/// Writes the file: one row per router and task; means over the splits that test the task.
pub fn write(inputs: &Inputs, results: &Results, seeds: &[u64], store: &Store) -> Outcome {
    let rates = (results.models.iter()).map(|model| format!("call_rate|{model}"));
    let names = "router,task,queries,quality,quality_low,quality_high,cost";
    let mut csv = Csv::headed(names, rates)?;
    for router in &results.routers {
        for (task, splits) in by_task(inputs, router, seeds) {
            let mean = |value: &dyn Fn(&Sums) -> f64| -> Vec<f64> {
                let shares = splits.iter().map(|sums| value(sums) / sums.queries as f64);
                shares.collect()
            };
            let average = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
            let quality = mean(&|sums| sums.quality);
            let interval = seeds_interval(&quality);
            let start = [
                router.label.clone(),
                task.to_owned(),
                splits
                    .iter()
                    .map(|sums| sums.queries)
                    .sum::<usize>()
                    .to_string(),
                average(&quality).to_string(),
                optional(interval.map(|interval| interval.low.max(0.0))),
                optional(interval.map(|interval| interval.high.min(1.0))),
                average(&mean(&|sums| sums.cost)).to_string(),
            ];
            let rates = (0..results.models.len())
                .map(|model| average(&mean(&|sums| sums.calls[model] as f64)).to_string());
            csv.row(start.into_iter().chain(rates))?;
        }
    }
    store.write(FILE, &csv.finish()?)
}

/// What a router did on every task; one entry per split that tests it.
fn by_task<'a>(
    inputs: &'a Inputs,
    router: &RouterResult,
    seeds: &[u64],
) -> BTreeMap<&'a str, Vec<Sums>> {
    let table = &inputs.table;
    let mut tasks: BTreeMap<&str, Vec<Sums>> = BTreeMap::new();
    for result in &router.seeds {
        let Some(at) = seeds.iter().position(|&seed| seed == result.seed) else {
            continue;
        };
        let mut here: BTreeMap<&str, Sums> = BTreeMap::new();
        for (&row, &choice) in inputs.splits[at]
            .test
            .iter()
            .zip(&result.evaluation.choices)
        {
            let sums = here.entry(table.tasks()[row].as_str()).or_insert(Sums {
                queries: 0,
                quality: 0.0,
                cost: 0.0,
                calls: vec![0; table.models().len()],
            });
            sums.queries += 1;
            sums.quality += table.quality()[[row, choice]];
            sums.cost += table.cost()[[row, choice]];
            sums.calls[choice] += 1;
        }
        for (task, sums) in here {
            tasks.entry(task).or_default().push(sums);
        }
    }
    tasks
}
