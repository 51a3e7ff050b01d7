//! The cause of one choice, and what oracles would choose instead.

use ndarray::ArrayView1;

use super::Cause;
use crate::rule::ascending;
use crate::{Decision, Scores, Truth};

/// What is needed to judge any choice on any query.
pub(super) struct Judge<'a, 't> {
    truth: &'a Truth<'t>,
    scores: &'a Scores,
    decision: Decision,
    band: f64,
    /// `R` per query, in ascending order of real cost, then of index; never empty.
    right: Vec<Vec<usize>>,
}

/// One query at one budget.
pub(super) struct Judgement {
    pub cause: Cause,
    /// What is chosen at each of [`super::Stage::ALL`].
    pub choices: [usize; 4],
    /// For ordering and prediction only.
    pub gap: Option<f64>,
}

impl<'a, 't> Judge<'a, 't> {
    pub fn new(
        truth: &'a Truth<'t>,
        scores: &'a Scores,
        decision: Decision,
        strongest: &[usize],
        band: f64,
    ) -> Self {
        let right = (truth.quality.rows().into_iter())
            .zip(truth.cost.rows())
            .map(|(quality, cost)| right_models(quality, cost, strongest))
            .collect();
        Self {
            truth,
            scores,
            decision,
            band,
            right,
        }
    }

    /// Judges the `choice` that the decision made at `budget`, where it paid `price` per predicted cost.
    pub fn judge(&self, row: usize, choice: usize, budget: f64, price: Option<f64>) -> Judgement {
        let right = &self.right[row];
        let cost = self.scores.cost.row(row);
        let limit = self.decision.limit(budget);
        let nothing = price.is_none() || cost.iter().all(|&c| c > limit);
        let limit = if nothing { f64::NEG_INFINITY } else { limit };
        // R ∩ A. Where nothing is affordable, A is the choice.
        let candidates =
            || (right.iter().copied()).filter(|&model| model == choice || cost[model] <= limit);
        let Some(cheapest) = candidates().next() else {
            return Judgement {
                cause: Cause::Budget,
                choices: [choice; 4],
                gap: None,
            };
        };
        let quality = self.truth.quality.row(row);
        if quality[choice] == quality[cheapest] {
            return Judgement {
                cause: if right.contains(&choice) {
                    Cause::Right
                } else {
                    Cause::Ties
                },
                choices: [choice, cheapest, cheapest, cheapest],
                gap: None,
            };
        }
        let predicted = self.scores.quality.row(row);
        let gap = |model: usize| {
            let quality = predicted[choice] - predicted[model];
            let cost = cost[choice] - cost[model];
            (quality - price.unwrap_or(0.0) * cost).max(0.0)
        };
        let within = candidates().find(|&model| gap(model) <= self.band);
        Judgement {
            cause: within.map_or(Cause::Prediction, |_| Cause::Ordering),
            choices: [choice, choice, within.unwrap_or(choice), cheapest],
            gap: Some(candidates().map(gap).fold(f64::INFINITY, f64::min)),
        }
    }
}

fn right_models(
    quality: ArrayView1<f64>,
    cost: ArrayView1<f64>,
    strongest: &[usize],
) -> Vec<usize> {
    let best = quality.fold(f64::NEG_INFINITY, |best, &q| best.max(q));
    let mut right: Vec<usize> = (0..quality.len()).filter(|&m| quality[m] == best).collect();
    if right.iter().any(|m| !strongest.contains(m)) {
        right.retain(|m| !strongest.contains(m));
    }
    right.sort_by(|&a, &b| ascending(cost[a], cost[b]));
    right
}
