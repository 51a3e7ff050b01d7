//! How time grows with the number of queries and of models.

use std::fs;
use std::path::Path;

use routelab_heads::Backend;
use routelab_plot::{
    Better, Estimate, Positions, Quantity, Role, SweepChart, SweepPanel, SweepSeries,
};
use serde_json::{Value, json};

use super::BenchArgs;
use super::measure::Measured;
use super::stages::{Data, Sizes};
use crate::failure::{Failure, Outcome};
use crate::output::Output;

/// Training queries and candidate models while the number of predicted queries grows.
const TRAIN: usize = 7_299;
const MODELS: usize = 11;

/// Training and predicted queries while the number of models grows: four gradient steps.
const FEW: usize = 512;

/// Measures both curves and draws them into `folder`.
pub fn draw(
    args: &BenchArgs,
    folder: &Path,
    sizes: Sizes,
    backend: &Backend,
    peak: f64,
    output: &Output,
) -> Outcome<Value> {
    fs::create_dir_all(folder).map_err(|error| Failure::write(folder, error))?;
    let measure = |queries: usize, models: usize, train: usize| -> Outcome<Vec<Measured>> {
        output.note(format!("{queries} queries, {models} models"));
        let data = Data::new(Sizes {
            queries: train + queries,
            models,
            train,
            ..sizes
        });
        let mut measured = data.equirouter(1, backend, peak)?;
        measured.extend(data.knn(backend, peak)?);
        measured.extend(data.evaluation(peak)?);
        Ok(measured)
    };
    // As many training queries as there are in RouterBench, but no more than there are to predict, for small trials.
    let train = TRAIN.min(args.scaling_queries[0]);
    let by_queries = (args.scaling_queries.iter())
        .map(|&queries| measure(queries, MODELS, train))
        .collect::<Outcome<Vec<_>>>()?;
    let by_models = (args.scaling_models.iter())
        .map(|&models| measure(FEW, models, FEW))
        .collect::<Outcome<Vec<_>>>()?;

    let note = format!(
        "{} threads; embeddings of {} numbers; ",
        rayon::current_num_threads(),
        sizes.dimension
    );
    let predicting = ["equirouter predict", "knn predict", "sweep", "metrics"];
    let queries = chart(
        "Queries",
        &args.scaling_queries,
        &by_queries,
        &predicting,
        ("Microseconds per query", |m| {
            1e6 * m.seconds / m.rows as f64
        }),
        format!("{note}{MODELS} models, {train} training queries."),
    );
    let models = chart(
        "Models",
        &args.scaling_models,
        &by_models,
        &[
            "equirouter fit",
            "equirouter predict",
            "knn predict",
            "sweep",
            "metrics",
        ],
        ("Seconds", |m| m.seconds),
        format!("{note}{FEW} queries; fitting: 4 gradient steps."),
    );
    for (chart, stem) in [(queries, "scaling-queries"), (models, "scaling-models")] {
        for path in chart.save(folder, stem).map_err(Failure::failed)? {
            output.say(path.display().to_string());
        }
    }
    Ok(json!({
        "threads": rayon::current_num_threads(),
        "dimension": sizes.dimension,
        "backend": backend.identity(),
        "peak_gflops": peak,
        "by_queries": curve("queries", &args.scaling_queries, &by_queries),
        "by_models": curve("models", &args.scaling_models, &by_models),
    }))
}

fn curve(what: &str, values: &[usize], measured: &[Vec<Measured>]) -> Value {
    let points = values.iter().zip(measured);
    points
        .map(|(value, stages)| json!({ what: value, "stages": stages }))
        .collect()
}

fn chart(
    parameter: &str,
    values: &[usize],
    measured: &[Vec<Measured>],
    stages: &[&str],
    (name, of): (&str, fn(&Measured) -> f64),
    note: String,
) -> SweepChart {
    let series = stages.iter().map(|stage| SweepSeries {
        name: (*stage).into(),
        role: Role::Router,
    });
    let line = |stage: &&str| -> Vec<Option<Estimate>> {
        let points = measured.iter().map(|point| {
            let found = point.iter().find(|measured| measured.stage == *stage)?;
            Some(Estimate {
                value: of(found),
                interval: None,
            })
        });
        points.collect()
    };
    SweepChart {
        parameter: parameter.into(),
        positions: Positions::Log(values.iter().map(|&value| value as f64).collect()),
        series: series.collect(),
        panels: vec![SweepPanel {
            metric: Quantity {
                name: name.into(),
                percent: false,
                better: Better::Lower,
            },
            log: true,
            values: stages.iter().map(line).collect(),
        }],
        note: Some(note),
    }
}
