//! Routing collapse: calls that pile up on the strongest model although others would do.

use ndarray::ArrayView1;
use serde::{Deserialize, Serialize};

use crate::Truth;
use crate::exact::ExactTruth;

/// What the routing collapse index says about one query's choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// The choice is truly best and not a strongest model, or only strongest models are truly best and it is one.
    Right,
    /// A strongest model was chosen and it is truly best, but a model that is not strongest was as good.
    Wasteful,
    /// The choice is not truly best.
    Wrong,
}

/// Onto which models routing can collapse: what "strongest" means.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Strongest {
    /// The models with the largest mean real cost, all of them if several are equally dear (the paper).
    #[default]
    Dearest,
    /// The models with the largest mean real quality, all of them if several are equally good.
    BestSingle,
    /// These, by their column.
    Models(Vec<usize>),
}

impl Strongest {
    /// The models that are meant, given what really happened on some queries. Ascending indices.
    pub fn models(&self, truth: &Truth) -> Vec<usize> {
        self.of(&ExactTruth::new(truth))
    }

    pub(crate) fn of(&self, truth: &ExactTruth) -> Vec<usize> {
        let totals = match self {
            Self::Dearest => truth.total_costs(),
            Self::BestSingle => truth.total_qualities(),
            Self::Models(models) => return models.clone(),
        };
        let largest = totals.iter().max();
        (0..totals.len())
            .filter(|&model| Some(&totals[model]) == largest)
            .collect()
    }
}

/// The verdict on each of the `N` choices. A choice that names no model counts as wrong.
pub fn verdicts(truth: &Truth, choices: &[usize], strongest: &[usize]) -> Vec<Verdict> {
    (truth.quality.rows().into_iter())
        .zip(choices)
        .map(|(quality, &choice)| verdict(quality, choice, strongest))
        .collect()
}

fn verdict(quality: ArrayView1<f64>, choice: usize, strongest: &[usize]) -> Verdict {
    let best = quality.fold(f64::NEG_INFINITY, |best, &q| best.max(q));
    if quality.get(choice) != Some(&best) {
        return Verdict::Wrong;
    }
    let another_was_as_good = quality
        .iter()
        .enumerate()
        .any(|(model, &q)| q == best && !strongest.contains(&model));
    if strongest.contains(&choice) && another_was_as_good {
        Verdict::Wasteful
    } else {
        Verdict::Right
    }
}

/// Routing collapse index and its two parts, each a share of the queries in [0, 1]; `rci = wasteful + wrong`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Rci {
    /// Share of choices that are not right. Lower is better.
    pub rci: f64,
    /// Share sent to a strongest model although another was as good.
    pub wasteful: f64,
    /// Share sent to a model that is not truly best.
    pub wrong: f64,
}

impl Rci {
    /// Counts verdicts; 0 of everything if there are none.
    pub fn of(verdicts: &[Verdict]) -> Self {
        let queries = verdicts.len().max(1) as f64;
        let count = |kind| verdicts.iter().filter(|&&v| v == kind).count();
        let (wasteful, wrong) = (count(Verdict::Wasteful), count(Verdict::Wrong));
        Rci {
            rci: (wasteful + wrong) as f64 / queries,
            wasteful: wasteful as f64 / queries,
            wrong: wrong as f64 / queries,
        }
    }
}

/// Share of the queries sent to each of `models` models.
pub fn call_rates(choices: &[usize], models: usize) -> Vec<f64> {
    let mut calls = vec![0_usize; models];
    for &choice in choices {
        if let Some(count) = calls.get_mut(choice) {
            *count += 1;
        }
    }
    calls
        .iter()
        .map(|&count| count as f64 / choices.len().max(1) as f64)
        .collect()
}

/// Shannon entropy of call rates in nats: 0 when one model takes every query, `ln M` when all share equally.
pub fn entropy(call_rates: &[f64]) -> f64 {
    let terms = call_rates.iter().filter(|&&rate| rate > 0.0);
    // The sum is never negative; this keeps a single model from printing as -0.
    terms.map(|&rate| -rate * rate.ln()).sum::<f64>().max(0.0)
}

/// `exp(entropy)`, the number of models that would give this entropy if they shared the queries equally.
pub fn effective_models(call_rates: &[f64]) -> f64 {
    entropy(call_rates).exp()
}

/// Per query, what the choice gave away: the best real quality minus the chosen model's. Not negative.
pub fn regrets(truth: &Truth, choices: &[usize]) -> Vec<f64> {
    (truth.quality.rows().into_iter())
        .zip(choices)
        .map(|(quality, &choice)| {
            let best = quality.fold(f64::NEG_INFINITY, |best, &q| best.max(q));
            best - quality.get(choice).copied().unwrap_or(0.0)
        })
        .collect()
}
