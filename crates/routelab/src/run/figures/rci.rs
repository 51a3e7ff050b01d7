//! The routing collapse index and its two parts.

use routelab_eval::Metric;
use routelab_plot::{RciBar, RciChart};

use super::{Drawn, Figure, Picture, collapse_note};
use crate::run::results::Results;

/// The routing collapse index and its two parts.
const RCI: [&Metric; 3] = [
    Metric::known("rci"),
    Metric::known("rci_wasteful"),
    Metric::known("rci_wrong"),
];

/// The figure.
pub const FIGURE: Figure = Figure {
    stem: "rci",
    title: "Routing collapse index",
    short: "RCI",
    explanation: "The share of queries that are routed badly at the largest budget: wasteful (the strongest model, although another \
         was as good) or wrong (a model that is not among the best). Lower is better; whiskers: 95 % interval over seeds.",
    interactive: true,
    draw,
};

fn draw(run: &Drawn) -> Picture {
    Ok(Some(chart(run.results).draw(run.style())))
}

pub fn chart(results: &Results) -> RciChart {
    let bars = results
        .working()
        .filter_map(|router| {
            let [rci, wasteful, wrong] = RCI.map(|metric| router.summary(metric));
            let rci = rci?;
            Some(RciBar {
                name: router.label.clone(),
                wasteful: wasteful?.mean,
                wrong: wrong?.mean,
                low: rci.interval.map(|(low, _)| low),
                high: rci.interval.map(|(_, high)| high),
            })
        })
        .collect();
    RciChart {
        bars,
        note: collapse_note(results),
    }
}
