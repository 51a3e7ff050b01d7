//! What would mend the collapse.

use super::{Drawn, Figure, Picture};
use crate::run::analysis;

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
    let note = format!(
        "At the largest budget. Ordering: a right model is predicted at most {} below the choice.",
        run.results.margin_threshold
    );
    Ok(Some(
        analysis::chart(run.results, Some(note)).draw(run.style()),
    ))
}
