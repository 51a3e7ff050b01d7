//! The routing collapse index and its two parts.

use routelab_plot::{Drawing, PlotError, RciBar, RciChart};

use super::{Drawn, Figure, collapse_note};
use crate::failure::Outcome;
use crate::run::results::Results;

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

fn draw(run: &Drawn) -> Outcome<Option<Result<Drawing, PlotError>>> {
    Ok(Some(chart(run.results).draw(run.style())))
}

fn chart(results: &Results) -> RciChart {
    let bars = results
        .working()
        .filter_map(|router| {
            let rci = router.summary("rci")?;
            Some(RciBar {
                name: router.label.clone(),
                wasteful: router.summary("rci_wasteful")?.mean,
                wrong: router.summary("rci_wrong")?.mean,
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
