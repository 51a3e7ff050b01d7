//! How often the strongest model is called.

use routelab_eval::bootstrap::seeds_interval;
use routelab_plot::{CallRateChart, RateSeries};

use super::{Drawn, Figure, Picture, collapse_note, role};
use crate::run::results::Results;

/// The figure.
pub const FIGURE: Figure = Figure {
    stem: "call_rate",
    title: "Calls to the strongest model",
    short: "Collapse",
    explanation: "The share of queries that each router sends to the strongest model, as the budget per query grows; \
         shaded: 95 % interval over the seeds. A router collapses where its line rises towards 100 % while the oracle's \
         stays low: the budget is spent because it is there, not because the query needs it.",
    interactive: true,
    draw,
};

fn draw(run: &Drawn) -> Picture {
    Ok(Some(chart(run.results).draw(run.style())))
}

pub fn chart(results: &Results) -> CallRateChart {
    let names = &results.names;
    let strongest: Vec<&str> = results
        .strongest()
        .iter()
        .map(|&model| names[model].as_str())
        .collect();
    let series = results
        .working()
        .map(|router| {
            let rows = router.strongest_rates();
            let column = |index: usize| -> Vec<f64> { rows.iter().map(|row| row[index]).collect() };
            let columns: Vec<Vec<f64>> = (0..results.grid.len()).map(column).collect();
            let bound = |pick: fn((f64, f64)) -> f64| -> Option<Vec<f64>> {
                columns
                    .iter()
                    .map(|values| {
                        let interval = seeds_interval(values)?;
                        Some(pick((interval.low, interval.high)).clamp(0.0, 1.0))
                    })
                    .collect()
            };
            RateSeries {
                name: router.label.clone(),
                rate: columns
                    .iter()
                    .map(|values| values.iter().sum::<f64>() / values.len() as f64)
                    .collect(),
                low: bound(|(low, _)| low),
                high: bound(|(_, high)| high),
                role: role(results, router),
            }
        })
        .collect();
    CallRateChart {
        budgets: results.grid.clone(),
        series,
        model: strongest.join(", "),
        cost_unit: results.cost_unit.clone(),
        note: collapse_note(results),
    }
}
