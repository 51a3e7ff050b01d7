//! Regret at the largest budget: the figure of docs/add-a-figure.md, which is drawn in tests only.

use routelab_eval::Metric;
use routelab_plot::{StackedBar, StackedBars};

use super::{Drawn, Figure, Picture, drawn_metric};

const REGRET: &Metric = Metric::known("regret");

/// The figure.
pub const FIGURE: Figure = Figure {
    stem: "regret",
    title: "Regret",
    short: "Regret",
    explanation: "Mean quality given away by the choice at the largest budget.",
    interactive: false,
    draw,
};

fn draw(run: &Drawn) -> Picture {
    let bars = run.results.working().filter_map(|router| {
        Some(StackedBar {
            name: router.label.clone(),
            values: vec![router.summary(REGRET)?.mean],
            interval: None,
        })
    });
    let chart = StackedBars {
        metric: drawn_metric(REGRET),
        parts: vec!["regret".to_owned()],
        bars: bars.collect(),
        note: None,
    };
    Ok(Some(chart.draw(run.style())))
}
