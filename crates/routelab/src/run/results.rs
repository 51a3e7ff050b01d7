//! Metrics of every router on every seed, summarised and compared.

use routelab_data::RoutingTable;
use routelab_eval::bootstrap::{Paired, Population, Replicates, holm, seeds_interval};
use routelab_eval::metric::Range;
use routelab_eval::{
    Choices, Decomposition, DecompositionOptions, Evaluation, METRICS, Metric, Point, Sweep, Truth,
    among, spaced_grid,
};
use serde_json::{Value, json};

use super::inputs::Inputs;
use super::store::Store;
use crate::experiment::{BOOTSTRAP_SEED, EvaluationSpec, Experiment, Grid, Plan};
use crate::failure::{Failure, Outcome};
use crate::folder::{Seconds, Trial, Unit, UnitOutcome};
use crate::names::drawn_names;
use crate::output::Output;
use crate::text::{Csv, cell, optional};

/// The columns of a comparison in files.
pub const COMPARISON: &str = "reference,router,metric,difference,low,high,p,p_holm";

/// Results of a run.
pub struct Results {
    /// Heading of the report.
    pub title: String,
    /// The models' names.
    pub models: Vec<String>,
    /// Their names in figures.
    pub names: Vec<String>,
    /// Unit of costs and budgets.
    pub cost_unit: String,
    /// The assumption behind the costs, if they were not recorded.
    pub cost_assumption: Option<String>,
    /// The budgets shared by all routers.
    pub grid: Vec<f64>,
    /// The router that the others are compared with.
    pub reference: Option<String>,
    /// Margins up to this are called small.
    pub margin_threshold: f64,
    /// The columns of the strongest models of every seed.
    pub strongest: Vec<Vec<usize>>,
    /// Which models those are.
    pub strongest_meaning: &'static str,
    /// One per router, in the order of the experiment.
    pub routers: Vec<RouterResult>,
    /// The reference against every other router that worked on the same seeds, by router and then by metric.
    pub comparisons: Vec<Comparison>,
}

/// The reference against another router on one metric.
pub struct Comparison {
    /// The other router.
    pub router: String,
    /// The metric.
    pub metric: &'static Metric,
    /// Reference minus router.
    pub paired: Paired,
    /// The p value, corrected by Holm for the comparisons with all routers on this metric.
    pub holm: f64,
}

/// One router on all seeds.
pub struct RouterResult {
    /// Its name.
    pub label: String,
    /// Its kind.
    pub kind: String,
    /// Noise on the qualities that it takes as predictions; 0 for all but a noisy oracle.
    pub noise: f64,
    /// Seeds on which it worked.
    pub seeds: Vec<SeedResult>,
    /// Seeds on which it failed, and why.
    pub failures: Vec<(u64, String)>,
    /// The searches for its settings, one per seed; empty if there were none.
    pub searches: Vec<(u64, Vec<Trial>)>,
}

/// One router on one seed.
pub struct SeedResult {
    /// The seed.
    pub seed: u64,
    /// All metrics.
    pub evaluation: Evaluation,
    /// Why its choices are not right.
    pub decomposition: Decomposition,
    /// On the first seed: what it chooses on the shared grid.
    pub choices: Option<Choices>,
    /// How long it took.
    pub seconds: Seconds,
}

/// A number over seeds.
#[derive(Clone, Copy, Debug)]
pub struct Summary {
    /// Mean over the seeds; infinite if it is on any seed.
    pub mean: f64,
    /// The 95 % interval over the seeds; none with one seed or without a finite mean.
    pub interval: Option<(f64, f64)>,
    /// Seeds on which the number is finite, and all seeds.
    pub finite: (usize, usize),
    /// Mean over the seeds on which it is finite.
    pub finite_mean: f64,
}

impl SeedResult {
    /// The metrics in the order of files, with their values where they are defined.
    fn metrics(&self) -> impl Iterator<Item = (&'static Metric, Option<f64>)> {
        let pair = self.evaluation.call_rates.len() == 2;
        let metrics = METRICS
            .iter()
            .filter(move |metric| pair || !metric.is_of_two_models());
        metrics.map(|metric| (metric, self.evaluation.get(metric)))
    }
}

impl RouterResult {
    /// A metric over the seeds; `None` if it is undefined on a seed or there is none.
    pub fn summary(&self, metric: &Metric) -> Option<Summary> {
        let values = self.seeds.iter().map(|seed| seed.evaluation.get(metric));
        let values: Vec<f64> = values.collect::<Option<_>>()?;
        if values.is_empty() {
            return None;
        }
        let finite = values.iter().copied().filter(|value| value.is_finite());
        let finite: Vec<f64> = finite.collect();
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        Some(Summary {
            mean: mean(&values),
            interval: seeds_interval(&values).map(|interval| {
                if metric.range == Range::Share {
                    (interval.low.max(0.0), interval.high.min(1.0))
                } else {
                    (interval.low, interval.high)
                }
            }),
            finite: (finite.len(), values.len()),
            finite_mean: mean(&finite),
        })
    }

    /// All metrics, in the order of files; none if it worked on no seed.
    pub fn metrics(&self) -> impl Iterator<Item = &'static Metric> {
        let seed = self.seeds.first().into_iter();
        seed.flat_map(|seed| seed.metrics().map(|(metric, _)| metric))
    }

    /// Mean call rates `[models]` at the largest budget.
    pub fn call_rates(&self) -> Vec<f64> {
        mean_rows(
            self.seeds
                .iter()
                .map(|seed| seed.evaluation.call_rates.as_slice()),
        )
    }

    /// The mean over the seeds of the points on the shared grid.
    pub fn grid_points(&self) -> Vec<Point> {
        let Some(first) = self.seeds.first() else {
            return Vec::new();
        };
        (0..first.evaluation.grid_points.len())
            .map(|index| {
                let points = self
                    .seeds
                    .iter()
                    .map(|seed| &seed.evaluation.grid_points[index]);
                let points: Vec<&Point> = points.collect();
                let mean = |value: fn(&Point) -> f64| {
                    points.iter().map(|point| value(point)).sum::<f64>() / points.len() as f64
                };
                Point {
                    budget: points[0].budget,
                    cost: mean(|point| point.cost),
                    quality: mean(|point| point.quality),
                    call_rates: mean_rows(points.iter().map(|point| point.call_rates.as_slice())),
                }
            })
            .collect()
    }

    /// Share of calls to the strongest models on the shared grid: one row per seed.
    pub fn strongest_rates(&self) -> Vec<Vec<f64>> {
        self.seeds
            .iter()
            .map(|seed| {
                let strongest = &seed.evaluation.strongest;
                let rate =
                    |point: &Point| strongest.iter().map(|&model| point.call_rates[model]).sum();
                seed.evaluation.grid_points.iter().map(rate).collect()
            })
            .collect()
    }
}

fn mean_rows<'a>(rows: impl Iterator<Item = &'a [f64]>) -> Vec<f64> {
    let rows: Vec<&[f64]> = rows.collect();
    let width = rows.first().map_or(0, |row| row.len());
    (0..width)
        .map(|column| rows.iter().map(|row| row[column]).sum::<f64>() / rows.len() as f64)
        .collect()
}

/// The budgets that all routers share: those of the file, or some over the costs of the training queries. In ascending order,
/// each once, so that there is one where all costs are equal.
pub fn grid(evaluation: &EvaluationSpec, train: &RoutingTable) -> Vec<f64> {
    let mut grid = match &evaluation.grid {
        // Adding 0 makes one zero of the two that there are.
        Grid::List(list) => list.iter().map(|budget| budget + 0.0).collect(),
        Grid::Count(count) => {
            let models = train.models().len();
            let costs = || {
                (train.cost().into_iter().copied().enumerate())
                    .filter(|&(at, _)| train.is_measured(at / models, at % models))
                    .map(|(_, cost)| cost)
            };
            let high = costs().fold(0.0, f64::max);
            let low = costs().filter(|&cost| cost > 0.0).fold(high, f64::min);
            spaced_grid(low, high, *count)
        }
    };
    grid.sort_by(f64::total_cmp);
    grid.dedup();
    grid
}

/// Evaluates every unit.
pub fn evaluate(
    experiment: &Experiment,
    inputs: &Inputs,
    units: &[Vec<Unit>],
    output: &Output,
) -> Outcome<Results> {
    let table = &inputs.table;
    // Of training rows only, like everything that is fitted.
    let grid = grid(
        &experiment.evaluation,
        &table.select(&inputs.splits[0].train),
    );
    let mut routers: Vec<RouterResult> = experiment
        .routers
        .iter()
        .map(|entry| RouterResult {
            label: entry.label.clone(),
            kind: entry.plan.kind().to_owned(),
            noise: match entry.plan {
                Plan::Oracle { noise, .. } => noise,
                Plan::Fitted { .. } => 0.0,
            },
            seeds: Vec::new(),
            failures: Vec::new(),
            searches: Vec::new(),
        })
        .collect();
    let mut replicates: Vec<Vec<Replicates>> = routers.iter().map(|_| Vec::new()).collect();

    for (at, ((&seed, split), row)) in
        (experiment.seeds.iter().zip(&inputs.splits).zip(units)).enumerate()
    {
        let test = table.select(&split.test);
        let truth = Truth::new(test.quality(), test.cost()).map_err(Failure::failed)?;
        let population = Population {
            rows: &split.test,
            size: table.len(),
        };
        for ((router, replicates), unit) in routers.iter_mut().zip(&mut replicates).zip(row) {
            output.go_on()?;
            if !unit.trials.is_empty() {
                router.searches.push((seed, unit.trials.clone()));
            }
            let (scores, decision) = match &unit.outcome {
                UnitOutcome::Predicted { scores, decision } => (scores, *decision),
                UnitOutcome::Failed(reason) => {
                    router.failures.push((seed, reason.clone()));
                    continue;
                }
            };
            let options =
                experiment
                    .evaluation
                    .options(decision, Some(grid.clone()), &inputs.strongest[at]);
            let sweep = Sweep::new(&truth, scores, &options).map_err(Failure::failed)?;
            let count = experiment.evaluation.bootstrap;
            let drawn = sweep.replicates(count, BOOTSTRAP_SEED, Some(population));
            replicates.push(drawn.map_err(Failure::failed)?);
            let decomposition = sweep.decompose(&DecompositionOptions {
                band: Some(experiment.evaluation.margin_threshold),
                ..DecompositionOptions::default()
            });
            router.seeds.push(SeedResult {
                seed,
                evaluation: sweep.evaluate(),
                decomposition: decomposition.map_err(Failure::failed)?,
                choices: (at == 0).then(|| sweep.into_choices()),
                seconds: unit.seconds,
            });
        }
        let here = (routers.iter_mut())
            .filter_map(|router| router.seeds.last_mut().filter(|result| result.seed == seed));
        let mut here: Vec<&mut Evaluation> = here.map(|result| &mut result.evaluation).collect();
        among(&mut here);
    }
    let comparisons = compare(&routers, &replicates, experiment.reference.as_deref())?;
    Ok(Results {
        title: experiment.title.clone(),
        models: table.models().to_vec(),
        names: drawn_names(table.models(), &experiment.names),
        cost_unit: table.cost_unit().label(),
        cost_assumption: table.cost_unit().assumption.clone(),
        grid,
        reference: experiment.reference.clone(),
        margin_threshold: experiment.evaluation.margin_threshold,
        strongest: inputs.strongest.clone(),
        strongest_meaning: experiment.evaluation.strongest.meaning(),
        routers,
        comparisons,
    })
}

/// The reference against every other router that worked on the same seeds, by router and then by metric. `replicates`: those of every
/// router, one per seed on which it worked.
fn compare(
    routers: &[RouterResult],
    replicates: &[Vec<Replicates>],
    reference: Option<&str>,
) -> Outcome<Vec<Comparison>> {
    let seeds =
        |router: &RouterResult| -> Vec<u64> { router.seeds.iter().map(|seed| seed.seed).collect() };
    let mean = |of: &[Replicates]| Replicates::mean_of(of).map_err(Failure::failed);
    let working = || (routers.iter().zip(replicates)).filter(|(_, of)| !of.is_empty());
    let found = working().find(|(router, _)| Some(router.label.as_str()) == reference);
    let Some((reference, own)) = found else {
        return Ok(Vec::new());
    };
    let own = mean(own)?;
    let others = working()
        .filter(|(other, _)| other.label != reference.label && seeds(other) == seeds(reference));
    let others = others
        .map(|(other, of)| Ok((other, mean(of)?)))
        .collect::<Outcome<Vec<_>>>()?;
    // The routers are one family per metric.
    let mut families = Vec::new();
    for metric in Metric::resampled() {
        let paired = others.iter().map(|(_, other)| own.compare(other, metric));
        let paired: Vec<Paired> = paired.collect::<Result<_, _>>().map_err(Failure::failed)?;
        let raw: Vec<f64> = paired.iter().map(|paired| paired.p).collect();
        families.push((metric, paired, holm(&raw)));
    }
    let of_router = |(at, (other, _)): (usize, &(&RouterResult, Replicates))| {
        let comparison =
            |(metric, paired, holm): &(&'static Metric, Vec<Paired>, Vec<f64>)| Comparison {
                router: other.label.clone(),
                metric,
                paired: paired[at],
                holm: holm[at],
            };
        families.iter().map(comparison).collect::<Vec<_>>()
    };
    Ok(others.iter().enumerate().flat_map(of_router).collect())
}

impl Results {
    /// All metrics, in the order of files; none if no router worked.
    pub fn metrics(&self) -> Vec<&'static Metric> {
        self.working()
            .take(1)
            .flat_map(RouterResult::metrics)
            .collect()
    }

    /// How costs came about, for tables.
    pub fn costs(&self) -> &'static str {
        match self.cost_assumption {
            None => "recorded",
            Some(_) => "assumed",
        }
    }

    /// The routers that worked on at least one seed.
    pub fn working(&self) -> impl Iterator<Item = &RouterResult> {
        self.routers
            .iter()
            .filter(|router| !router.seeds.is_empty())
    }

    /// The strongest models of the first seed.
    pub fn strongest(&self) -> &[usize] {
        &self.strongest[0]
    }

    /// Which models count as strongest, by these names of the models, for tables, charts and pages: "gpt-4 (the dearest on the training queries)".
    pub fn strongest_named(&self, names: &[String]) -> String {
        let mut counts: Vec<(String, usize)> = Vec::new();
        for models in &self.strongest {
            let named: Vec<&str> = models.iter().map(|&model| names[model].as_str()).collect();
            let named = named.join(", ");
            match counts.iter_mut().find(|(known, _)| *known == named) {
                Some((_, count)) => *count += 1,
                None => counts.push((named, 1)),
            }
        }
        let seeds = self.strongest.len();
        let names: Vec<String> = match counts.as_slice() {
            [(only, _)] => vec![only.clone()],
            several => several
                .iter()
                .map(|(names, count)| format!("{names} on {count} of {seeds} splits"))
                .collect(),
        };
        format!("{} ({})", names.join("; "), self.strongest_meaning)
    }

    /// Writes the numbers of the run.
    pub fn write(&self, store: &Store) -> Outcome {
        store.write("metrics.csv", &self.metrics_csv()?)?;
        store.write(
            "metrics.json",
            format!("{:#}\n", self.metrics_json()).as_bytes(),
        )?;
        store.write(
            "points.csv",
            &self.points_csv(|evaluation| &evaluation.points)?,
        )?;
        store.write(
            "grid_points.csv",
            &self.points_csv(|evaluation| &evaluation.grid_points)?,
        )?;
        store.write("comparisons.csv", &self.comparisons_csv()?)?;
        store.write("timings.tsv", self.timings().as_bytes())
    }

    fn metrics_csv(&self) -> Outcome<Vec<u8>> {
        let first = self.routers.iter().find_map(|router| router.seeds.first());
        let Some(first) = first else {
            return Ok(Vec::new());
        };
        let names = first.metrics().map(|(metric, _)| metric.name.to_owned());
        let mut csv = Csv::headed("router,kind,seed", names)?;
        for router in &self.routers {
            for seed in &router.seeds {
                let start = [
                    router.label.clone(),
                    router.kind.clone(),
                    seed.seed.to_string(),
                ];
                let values = seed.metrics().map(|(_, value)| optional(value));
                csv.row(start.into_iter().chain(values))?;
            }
        }
        csv.finish()
    }

    fn points_csv(&self, points: fn(&Evaluation) -> &Vec<Point>) -> Outcome<Vec<u8>> {
        let rates = self.models.iter().map(|model| format!("call_rate|{model}"));
        let mut csv = Csv::headed("router,seed,budget,cost,quality", rates)?;
        for router in &self.routers {
            for seed in &router.seeds {
                for point in points(&seed.evaluation) {
                    let start = [
                        router.label.clone(),
                        seed.seed.to_string(),
                        point.budget.to_string(),
                        point.cost.to_string(),
                        point.quality.to_string(),
                    ];
                    csv.row(
                        start
                            .into_iter()
                            .chain(point.call_rates.iter().map(f64::to_string)),
                    )?;
                }
            }
        }
        csv.finish()
    }

    fn comparisons_csv(&self) -> Outcome<Vec<u8>> {
        let mut csv = Csv::headed(COMPARISON, None)?;
        for comparison in self.comparison_rows() {
            csv.row(comparison)?;
        }
        csv.finish()
    }

    /// The comparisons in columns of [`COMPARISON`].
    pub fn comparison_rows(&self) -> impl Iterator<Item = [String; 8]> {
        self.comparisons.iter().map(|comparison| {
            let interval = comparison.paired.difference;
            [
                self.reference.clone().unwrap_or_default(),
                comparison.router.clone(),
                comparison.metric.name.to_owned(),
                cell(interval.mean),
                cell(interval.low),
                cell(interval.high),
                comparison.paired.p.to_string(),
                comparison.holm.to_string(),
            ]
        })
    }

    /// Seconds of every unit. Not a CSV file: it is the one table that another run does not repeat.
    fn timings(&self) -> String {
        let mut text = "router\tseed\tfit_seconds\tpredict_seconds\n".to_owned();
        for router in &self.routers {
            for seed in &router.seeds {
                let Seconds { fit, predict } = seed.seconds;
                text += &format!("{}\t{}\t{fit:.3}\t{predict:.3}\n", router.label, seed.seed);
            }
        }
        text
    }

    fn metrics_json(&self) -> Value {
        let routers = self.routers.iter().map(|router| {
            let seeds = router.seeds.iter().map(|seed| {
                let evaluation = &seed.evaluation;
                let mut values = json!({"seed": seed.seed});
                for (metric, value) in seed.metrics() {
                    values[metric.name] = value.into();
                }
                values["call_rates"] = self.by_model(&evaluation.call_rates);
                values["best_single_model"] =
                    self.models[evaluation.best_single_model].as_str().into();
                values["best_single_quality"] = evaluation.best_single_quality.into();
                values["best_single_cost"] = evaluation.best_single_cost.into();
                values
            });
            json!({
                "router": router.label,
                "kind": router.kind,
                "summary": self.summary_of(router),
                "seeds": seeds.collect::<Vec<_>>(),
                "failures": router.failures.iter()
                    .map(|(seed, reason)| json!({"seed": seed, "reason": reason}))
                    .collect::<Vec<_>>(),
            })
        });
        json!({
            "title": self.title,
            "models": self.models,
            "cost_unit": self.cost_unit,
            "cost_assumption": self.cost_assumption,
            "strongest": self.strongest().iter().map(|&model| &self.models[model]).collect::<Vec<_>>(),
            "strongest_named": self.strongest_named(&self.models),
            "reference": self.reference,
            "routers": routers.collect::<Vec<_>>(),
        })
    }

    /// The summaries of all routers, for `--json`.
    pub fn summary_json(&self) -> Value {
        let routers = self.routers.iter().map(|router| {
            json!({"router": router.label, "kind": router.kind, "summary": self.summary_of(router)})
        });
        Value::Array(routers.collect())
    }

    fn summary_of(&self, router: &RouterResult) -> Value {
        let mut summary = json!({});
        for metric in router.metrics() {
            summary[metric.name] = router.summary(metric).map_or(Value::Null, |summary| {
                let interval = summary.interval;
                json!({
                    "mean": summary.mean,
                    "low": interval.map(|(low, _)| low),
                    "high": interval.map(|(_, high)| high),
                })
            });
        }
        summary["call_rates"] = self.by_model(&router.call_rates());
        summary
    }

    fn by_model(&self, values: &[f64]) -> Value {
        let pairs = self.models.iter().zip(values);
        pairs
            .map(|(model, &value)| (model.clone(), value))
            .collect()
    }
}
