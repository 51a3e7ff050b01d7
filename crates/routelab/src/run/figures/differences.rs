//! Every other router against the reference.

use routelab_eval::Metric;
use routelab_eval::bootstrap::Interval;
use routelab_plot::{ForestChart, ForestRow};

use super::{Drawn, Figure, Picture, drawn_metric};
use crate::run::results::Results;

/// The metric of the figure.
pub const COMPARED: &Metric = Metric::known("nauc_shared");

/// The figure.
pub const FIGURE: Figure = Figure {
    stem: "differences",
    title: "Differences from the reference",
    short: "Differences",
    explanation: "Every other router minus the reference, on the same queries: nAUC with the 95 % interval of a paired bootstrap over \
         queries. Where the interval holds 0, the two cannot be told apart.",
    interactive: false,
    draw,
};

fn draw(run: &Drawn) -> Picture {
    let chart = chart(run.results, COMPARED);
    Ok(chart.map(|chart| chart.draw(run.style())))
}

/// Every other router against the reference.
fn chart(results: &Results, metric: &'static Metric) -> Option<ForestChart> {
    let rows: Vec<ForestRow> = results
        .comparisons
        .iter()
        .filter(|comparison| comparison.metric == metric)
        .map(|comparison| {
            // Stored as reference minus router.
            let Interval { mean, low, high } = comparison.paired.difference;
            ForestRow {
                name: comparison.router.clone(),
                difference: -mean,
                low: -high,
                high: -low,
                p: Some(comparison.holm),
            }
        })
        .filter(|row| row.low.is_finite() && row.high.is_finite())
        .collect();
    match (&results.reference, rows.is_empty()) {
        (Some(reference), false) => Some(ForestChart {
            metric: drawn_metric(metric),
            reference: reference.clone(),
            rows,
            note: Some(
                "Paired bootstrap over queries, 95 % intervals; p is corrected by Holm for the number of routers."
                    .to_owned(),
            ),
        }),
        _ => None,
    }
}
