//! What single answers say: how much they differ when the same is asked again, and what of the oracle's lead is such chance.
//!
//! The mean of `R` answers is still a matter of chance, and the oracle, which takes the largest mean of each query, takes lucky ones:
//! its quality is too high in expectation (the maximum is convex). Choosing by `R - 1` answers and counting the one that is left out
//! is too low, since the choice is made with less knowledge and nothing of the luck counts. What is truly possible lies between.

use ndarray::{Array2, Zip};
use serde::{Deserialize, Serialize};

use super::votes::labels;
use crate::bootstrap::{self, Interval};
use crate::exact::{ExactTruth, first_largest};
use crate::{EvalError, Truth};

/// What `R >= 2` answers of every model to every query say. Intervals are over the queries.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AnswerNoise {
    /// `R`.
    pub answers: usize,
    /// Queries that have all of them.
    pub queries: usize,
    /// Variance of the quality of a single answer, about that model's mean on that query; unbiased, averaged over models and queries.
    pub variance: Interval,
    /// Probability `d` that two askings of the same query name different models as the cheapest best one. Whoever names the model of a
    /// single asking errs with at least `d / 2`: of shares `p`, `1 - Σ p² <= 2 (1 - max p)`.
    pub disagreement: Interval,
    /// Quality of the oracle that knows the mean answers: too high in expectation.
    pub oracle_seen: Interval,
    /// Quality of the oracle that chooses by all other answers: too low in expectation.
    pub oracle_unseen: Interval,
    /// The model with the largest mean quality.
    pub best_single_model: usize,
    /// Its mean quality.
    pub best_single_quality: f64,
}

/// Compares the answers to the same queries: a [`Truth`] for each of them, `N x M` all.
///
/// # Errors
/// [`EvalError::Option`] with fewer than two answers, or answers of different shapes.
pub fn answer_noise(
    answers: &[Truth],
    replicates: usize,
    seed: u64,
) -> Result<AnswerNoise, EvalError> {
    let shape = answers.first().map(|first| first.quality.dim());
    if answers.len() < 2 || answers.iter().any(|one| Some(one.quality.dim()) != shape) {
        return Err(EvalError::Option {
            option: "answers",
            value: format!("{} of them", answers.len()),
            expected: "two or more, of the same queries and models",
        });
    }
    let count = answers.len() as f64;
    let mean_of = |kept: &dyn Fn(usize) -> bool| {
        let mut quality = Array2::zeros(answers[0].quality.raw_dim());
        let mut cost = quality.clone();
        let mut number = 0.0;
        for (_, one) in answers.iter().enumerate().filter(|(at, _)| kept(*at)) {
            quality += &one.quality;
            cost += &one.cost;
            number += 1.0;
        }
        (quality / number, cost / number)
    };
    let (quality, cost) = mean_of(&|_| true);
    let queries = quality.nrows();
    let interval = |values: &[f64]| bootstrap::mean(values, replicates, seed);

    let mut squares = Array2::<f64>::zeros(quality.raw_dim());
    for one in answers {
        Zip::from(&mut squares)
            .and(&one.quality)
            .and(&quality)
            .for_each(|sum, value, mean| *sum += (value - mean).powi(2));
    }
    let variance: Vec<f64> = squares
        .rows()
        .into_iter()
        .map(|row| row.sum() / row.len() as f64 / (count - 1.0))
        .collect();

    let named: Vec<Vec<usize>> = answers.iter().map(labels).collect();
    let pairs = (count * (count - 1.0)) / 2.0;
    let disagreement: Vec<f64> = (0..queries)
        .map(|row| {
            let differing = (0..answers.len())
                .flat_map(|a| (0..a).map(move |b| (a, b)))
                .filter(|&(a, b)| named[a][row] != named[b][row]);
            differing.count() as f64 / pairs
        })
        .collect();

    let means = Truth::new(quality.view(), cost.view())?;
    let best_single_model = first_largest(&ExactTruth::new(&means).total_qualities());
    let seen = labels(&means);
    let seen: Vec<f64> = (0..queries).map(|row| quality[[row, seen[row]]]).collect();
    let mut unseen = vec![0.0; queries];
    for (left_out, one) in answers.iter().enumerate() {
        let (quality, cost) = mean_of(&|at| at != left_out);
        let chosen = labels(&Truth::new(quality.view(), cost.view())?);
        for (row, &model) in chosen.iter().enumerate() {
            unseen[row] += one.quality[[row, model]] / count;
        }
    }
    Ok(AnswerNoise {
        answers: answers.len(),
        queries,
        variance: interval(&variance)?,
        disagreement: interval(&disagreement)?,
        oracle_seen: interval(&seen)?,
        oracle_unseen: interval(&unseen)?,
        best_single_model,
        best_single_quality: quality.column(best_single_model).sum() / queries as f64,
    })
}
