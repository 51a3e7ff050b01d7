//! How close the two best models are.

use routelab_plot::{MarginChart, MarginSeries, Role};

use super::{Drawn, Figure, Picture, role};
use crate::run::results::{Results, RouterResult};

/// The figure.
pub const FIGURE: Figure = Figure {
    stem: "margins",
    title: "Margins between the best two models",
    short: "Margins",
    explanation: "The share of queries whose best model is at most this far above the second best: in truth, and as predicted. \
         Where real margins are nearly all zero, a prediction error of any size changes the choice.",
    interactive: true,
    draw,
};

fn draw(run: &Drawn) -> Picture {
    Ok(Some(chart(run.results).draw(run.style())))
}

/// Real margins are those of the whole pool: the oracle's feasible set at its largest budget.
pub fn chart(results: &Results) -> MarginChart {
    let all = |router: &RouterResult, predicted: bool| -> Vec<f64> {
        router
            .seeds
            .iter()
            .flat_map(|seed| {
                let evaluation = &seed.evaluation;
                if predicted {
                    evaluation.predicted_margins.iter().copied()
                } else {
                    evaluation.real_margins.iter().copied()
                }
            })
            .collect()
    };
    let largest_pool = results
        .working()
        .max_by_key(|router| all(router, false).len());
    MarginChart {
        real: largest_pool
            .map(|router| all(router, false))
            .unwrap_or_default(),
        predicted: results
            .working()
            .filter(|router| !matches!(role(results, router), Role::Oracle | Role::Baseline))
            .map(|router| MarginSeries {
                name: router.label.clone(),
                margins: all(router, true),
                role: role(results, router),
            })
            .collect(),
        threshold: results.margin_threshold,
        note: None,
    }
}
