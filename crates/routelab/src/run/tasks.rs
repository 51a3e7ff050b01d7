//! Quality, cost and call rates of every router on every task, at the largest budget.

use std::collections::BTreeMap;

use routelab_eval::bootstrap::seeds_interval;

use super::inputs::Inputs;
use super::results::{Results, RouterResult};
use crate::failure::Outcome;
use crate::folder::{Number, TaskRecord};
use crate::text::{Csv, optional};

/// What a router did on one task of one split.
struct Sums {
    queries: usize,
    quality: f64,
    cost: f64,
    /// Queries sent to each model.
    calls: Vec<usize>,
}

/// Every router on every task; means over the splits that test the task.
pub fn records(inputs: &Inputs, results: &Results, seeds: &[u64]) -> Vec<TaskRecord> {
    let mut records = Vec::new();
    for router in &results.routers {
        for (task, splits) in by_task(inputs, router, seeds) {
            let mean = |value: &dyn Fn(&Sums) -> f64| -> Vec<f64> {
                let shares = splits.iter().map(|sums| value(sums) / sums.queries as f64);
                shares.collect()
            };
            let average = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
            let quality = mean(&|sums| sums.quality);
            let interval = seeds_interval(&quality);
            records.push(TaskRecord {
                router: router.label.clone(),
                task: task.to_owned(),
                queries: splits.iter().map(|sums| sums.queries).sum(),
                quality: average(&quality),
                interval: interval.map(|i| (i.low.max(0.0), i.high.min(1.0))),
                cost: Number(average(&mean(&|sums| sums.cost))),
                call_rates: (0..results.models.len())
                    .map(|model| average(&mean(&|sums| sums.calls[model] as f64)))
                    .collect(),
            });
        }
    }
    records
}

/// `tasks.csv`: one row per router and task.
pub fn csv(models: &[String], records: &[TaskRecord]) -> Outcome<Vec<u8>> {
    let rates = models.iter().map(|model| format!("call_rate|{model}"));
    let names = "router,task,queries,quality,quality_low,quality_high,cost";
    let mut csv = Csv::headed(names, rates)?;
    for record in records {
        let start = [
            record.router.clone(),
            record.task.clone(),
            record.queries.to_string(),
            record.quality.to_string(),
            optional(record.interval.map(|(low, _)| low)),
            optional(record.interval.map(|(_, high)| high)),
            record.cost.0.to_string(),
        ];
        csv.row(
            start
                .into_iter()
                .chain(record.call_rates.iter().map(f64::to_string)),
        )?;
    }
    csv.finish()
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
