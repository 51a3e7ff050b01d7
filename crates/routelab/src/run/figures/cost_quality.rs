//! Quality against cost.

use ndarray::Axis;
use routelab_plot::{CostQualityChart, Curve, LabelledPoint};

use super::{Drawn, Figure, Picture, cost_note, role};
use crate::experiment::Experiment;
use crate::names::drawn_names;
use crate::run::inputs::Inputs;
use crate::run::results::Results;

/// The figure.
pub const FIGURE: Figure = Figure {
    stem: "cost_quality",
    title: "Quality against cost",
    short: "Quality and cost",
    explanation: "Every line is a router: mean quality and mean real cost of its choices as the budget grows. Points are single \
         models, always called. Higher and further left is better; the oracle shows what perfect choices would reach.",
    interactive: true,
    draw,
};

fn draw(run: &Drawn) -> Picture {
    let singles = single_models(run.experiment, run.inputs);
    Ok(Some(chart(run.results, singles).draw(run.style())))
}

/// Mean quality and cost of every model over the test rows of all seeds.
pub fn single_models(experiment: &Experiment, inputs: &Inputs) -> Vec<LabelledPoint> {
    let rows: Vec<usize> = inputs
        .splits
        .iter()
        .flat_map(|split| split.test.iter().copied())
        .collect();
    debug_assert_eq!(inputs.splits.len(), experiment.seeds.len());
    let mean = |values: ndarray::ArrayView2<f64>| {
        values
            .select(Axis(0), &rows)
            .mean_axis(Axis(0))
            .expect("every split has test rows")
    };
    let (cost, quality) = (mean(inputs.table.cost()), mean(inputs.table.quality()));
    drawn_names(inputs.table.models(), &experiment.names)
        .into_iter()
        .enumerate()
        .map(|(model, name)| LabelledPoint {
            name,
            cost: cost[model],
            quality: quality[model],
        })
        .collect()
}

pub fn chart(results: &Results, models: Vec<LabelledPoint>) -> CostQualityChart {
    let curves = results
        .working()
        .map(|router| Curve {
            name: router.label.clone(),
            points: router
                .grid_points()
                .iter()
                .map(|point| (point.cost, point.quality))
                .collect(),
            role: role(results, router),
        })
        .collect();
    CostQualityChart {
        curves,
        models,
        cost_unit: results.cost_unit.clone(),
        note: cost_note(results),
    }
}
