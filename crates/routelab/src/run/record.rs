//! `results.json`: what readers of the run's folder need of its results.

use routelab_plot::margin_curve;

use super::figures::{cost_quality, margins, role};
use super::inputs::Inputs;
use super::results::{Results, SeedResult};
use crate::experiment::Experiment;
use crate::folder::{
    ComparisonRecord, FigureRecord, Number, RouterRecord, RunResults, SCHEMA, SeedRecord,
    SummaryRecord, TaskRecord,
};

/// The results of a run with what was found on the way.
pub fn record(
    experiment: &Experiment,
    inputs: &Inputs,
    results: &Results,
    tasks: Vec<TaskRecord>,
    figures: Vec<FigureRecord>,
) -> RunResults {
    let metrics = results.metrics();
    let margins = margins::chart(results);
    let curve = |values: &[f64]| {
        if values.is_empty() {
            Vec::new()
        } else {
            margin_curve(values, results.margin_threshold)
        }
    };
    let seed = |seed: &SeedResult| {
        let points = &seed.evaluation.grid_points;
        SeedRecord {
            seed: seed.seed,
            metrics: (metrics.iter())
                .map(|metric| seed.evaluation.get(metric).map(Number))
                .collect(),
            strongest: seed.evaluation.strongest.clone(),
            cost: points.iter().map(|point| Number(point.cost)).collect(),
            quality: points.iter().map(|point| point.quality).collect(),
            call_rates: points
                .iter()
                .map(|point| point.call_rates.clone())
                .collect(),
        }
    };
    let routers = results.routers.iter().map(|router| {
        let drawn = margins.predicted.iter();
        let mut drawn = drawn.filter(|series| series.name == router.label);
        let summary = metrics.iter().map(|metric| {
            let summary = router.summary(metric)?;
            Some(SummaryRecord {
                mean: Number(summary.mean),
                interval: (summary.interval).map(|(low, high)| (Number(low), Number(high))),
            })
        });
        RouterRecord {
            label: router.label.clone(),
            kind: router.kind.clone(),
            role: role(results, router),
            summary: summary.collect(),
            seeds: router.seeds.iter().map(seed).collect(),
            failures: router.failures.clone(),
            margins: drawn
                .next()
                .map_or(Vec::new(), |series| curve(&series.margins)),
        }
    });
    let comparisons = results.comparisons.iter().map(|comparison| {
        let interval = comparison.paired.difference;
        ComparisonRecord {
            router: comparison.router.clone(),
            metric: comparison.metric.name.to_owned(),
            difference: Number(interval.mean),
            interval: (Number(interval.low), Number(interval.high)),
            p: comparison.paired.p,
            p_holm: comparison.holm,
        }
    });
    let single = cost_quality::single_models(experiment, inputs);
    RunResults {
        schema: SCHEMA,
        routelab: env!("CARGO_PKG_VERSION").to_owned(),
        title: results.title.clone(),
        models: results.models.clone(),
        names: results.names.clone(),
        single_models: single
            .iter()
            .map(|model| (Number(model.cost), model.quality))
            .collect(),
        cost_unit: results.cost_unit.clone(),
        cost_assumption: results.cost_assumption.clone(),
        strongest: results.strongest_named(&results.models),
        reference: results.reference.clone(),
        budgets: results.grid.clone(),
        margin_threshold: results.margin_threshold,
        real_margins: curve(&margins.real),
        routers: routers.collect(),
        comparisons: comparisons.collect(),
        tasks,
        figures,
        metrics: metrics
            .iter()
            .map(|metric| metric.name.to_owned())
            .collect(),
    }
}
