//! Who is called at every budget.

use routelab_plot::{CallMixChart, MixPanel};

use super::{Drawn, Figure, Picture, cost_note};
use crate::run::results::Results;

/// The figure.
pub const FIGURE: Figure = Figure {
    stem: "call_mix",
    title: "Who is called",
    short: "Who is called",
    explanation: "How each router divides the queries among the models at every budget. A healthy router keeps many colours at the \
         right edge; a collapsed one shows one.",
    interactive: true,
    draw,
};

fn draw(run: &Drawn) -> Picture {
    Ok(Some(chart(run.results).draw(run.style())))
}

pub fn chart(results: &Results) -> CallMixChart {
    CallMixChart {
        budgets: results.grid.clone(),
        models: results.names.clone(),
        panels: results
            .working()
            .map(|router| MixPanel {
                name: router.label.clone(),
                rates: router
                    .grid_points()
                    .into_iter()
                    .map(|point| point.call_rates)
                    .collect(),
            })
            .collect(),
        cost_unit: results.cost_unit.clone(),
        note: cost_note(results),
    }
}
