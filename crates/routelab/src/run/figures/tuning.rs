//! The search for settings.

use routelab_plot::{TuningChart, TuningSearch};

use super::{Drawn, Figure, Picture, drawn_metric};
use crate::experiment::Tuning;
use crate::run::results::Results;

/// The figure.
pub const FIGURE: Figure = Figure {
    stem: "tuning",
    title: "The search for settings",
    short: "Search",
    explanation: "The best value so far of every router's search on the validation rows of the first seed.",
    interactive: false,
    draw,
};

fn draw(run: &Drawn) -> Picture {
    let tuning = run.experiment.tuning.as_ref();
    let chart = tuning.and_then(|tuning| chart(run.results, tuning));
    Ok(chart.map(|chart| chart.draw(run.style())))
}

/// The search for settings on the first seed.
fn chart(results: &Results, tuning: &Tuning) -> Option<TuningChart> {
    let searches: Vec<TuningSearch> = results
        .routers
        .iter()
        .filter_map(|router| {
            let (_, trials) = router.searches.first()?;
            Some(TuningSearch {
                name: router.label.clone(),
                trials: trials
                    .iter()
                    .map(|trial| trial.value.filter(|value| value.is_finite()))
                    .collect(),
            })
        })
        .collect();
    (!searches.is_empty()).then(|| TuningChart {
        metric: drawn_metric(tuning.metric()),
        searches,
        note: Some(
            "Validation rows of the first seed; the first trial has the settings of the file."
                .to_owned(),
        ),
    })
}
