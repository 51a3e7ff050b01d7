//! What would mend the collapse.

use routelab_plot::StackedBars;

use super::{Drawn, Figure, Picture};
use crate::run::analysis;
use crate::run::results::Results;

/// The figure.
pub const FIGURE: Figure = Figure {
    stem: "decomposition",
    title: "What would mend the collapse",
    short: "What would mend it",
    explanation: "The routing collapse index, divided by the least help that would make the choice right at the largest budget: another \
         order of equal predictions, another order of nearly equal ones, better predictions, or more money.",
    interactive: false,
    draw,
};

fn draw(run: &Drawn) -> Picture {
    Ok(Some(chart(run.results).draw(run.style())))
}

pub fn chart(results: &Results) -> StackedBars {
    let note = format!(
        "At the largest budget. Ordering: a right model is predicted at most {} below the choice.",
        results.margin_threshold
    );
    analysis::chart(results, Some(note))
}
