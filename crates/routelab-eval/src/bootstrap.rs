//! Intervals: the bootstrap over queries, paired between routers, and Student's t over seeds.
//!
//! A bootstrap replicate draws `N` queries with replacement. Replicate `r` of a seed is the same for every router on
//! the same `N` queries, whatever the number of threads, so replicates of two routers can be subtracted one by
//! one: that is the paired bootstrap. Intervals are 95 % percentile intervals.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::EvalError;

mod replicates;

pub use replicates::{Population, Replicates};

/// The number of replicates used by papers on routers and by this project.
pub const REPLICATES: usize = 2000;

/// An estimate with its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// The estimate from all queries (or the mean over seeds), not the mean of replicates.
    #[serde(with = "crate::unbounded")]
    pub mean: f64,
    /// Lower end.
    #[serde(with = "crate::unbounded")]
    pub low: f64,
    /// Upper end. Infinite (null in JSON) for a QNC that is unreachable in more than 2.5 % of the replicates.
    #[serde(with = "crate::unbounded")]
    pub high: f64,
}

/// A difference with its 95 % interval and the two-sided p value of "no difference".
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Paired {
    /// Difference `a - b` with its interval.
    pub difference: Interval,
    /// `2 (1 + k) / (1 + B)`, at most 1, where `k` is the smaller of the numbers of replicates with a
    /// difference `<= 0` and with one `>= 0`.
    pub p: f64,
}

/// p values corrected by Holm's step-down procedure (Holm 1979), in the order given: the `k`-th smallest of `n` times
/// `n + 1 - k`, at most 1 and never below that of a smaller p. Below a level, the chance of even one false "difference" among
/// all `n` is below that level, whatever their dependence.
pub fn holm(p: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|&a, &b| p[a].total_cmp(&p[b]));
    let mut corrected = vec![0.0; p.len()];
    let mut least: f64 = 0.0;
    for (rank, &at) in order.iter().enumerate() {
        least = least.max((p[at] * (p.len() - rank) as f64).min(1.0));
        corrected[at] = least;
    }
    corrected
}

/// Mean of one value per query.
///
/// # Errors
/// [`EvalError::Option`] without values or replicates.
pub fn mean(values: &[f64], replicates: usize, seed: u64) -> Result<Interval, EvalError> {
    metric(values.len(), replicates, seed, |rows| {
        rows.iter().map(|&row| values[row]).sum::<f64>() / rows.len() as f64
    })
}

/// Difference of the means of two routers' values on the same queries, `mean(a) - mean(b)`.
///
/// # Errors
/// [`EvalError::Option`] without values or replicates, or if the two lists differ in length.
pub fn paired(
    values_a: &[f64],
    values_b: &[f64],
    replicates: usize,
    seed: u64,
) -> Result<Paired, EvalError> {
    if values_a.len() != values_b.len() {
        return Err(EvalError::Option {
            option: "values of the second router",
            value: format!("{} of them", values_b.len()),
            expected: "as many as of the first, on the same queries",
        });
    }
    check_request(values_a.len(), replicates)?;
    let differences: Vec<f64> = values_a.iter().zip(values_b).map(|(a, b)| a - b).collect();
    let mean =
        |rows: &[usize]| rows.iter().map(|&row| differences[row]).sum::<f64>() / rows.len() as f64;
    let all: Vec<usize> = (0..differences.len()).collect();
    let draws = draws(differences.len(), replicates, seed, mean);
    Ok(paired_from(mean(&all), draws))
}

/// Any statistic of a list of rows. `statistic` gets `n` row indices below `n`, in no particular order: all
/// rows once for the estimate, a resample for every replicate. For metrics of a curve, [`Replicates`] is much faster.
///
/// # Errors
/// [`EvalError::Option`] without rows or replicates.
pub fn metric(
    n: usize,
    replicates: usize,
    seed: u64,
    statistic: impl Fn(&[usize]) -> f64 + Sync,
) -> Result<Interval, EvalError> {
    check_request(n, replicates)?;
    let all: Vec<usize> = (0..n).collect();
    Ok(interval_from(
        statistic(&all),
        draws(n, replicates, seed, &statistic),
    ))
}

/// Mean over seeds with its 95 % interval by Student's t. `None` with fewer than two seeds, which say nothing about
/// spread, or with a value that is not finite.
pub fn seeds_interval(values: &[f64]) -> Option<Interval> {
    let (mean, error) = mean_and_error(values)?;
    let half = student_t_975(values.len() - 1) * error.sqrt();
    Some(Interval {
        mean,
        low: mean - half,
        high: mean + half,
    })
}

/// Difference of two means over seeds that have nothing in common, `mean(a) - mean(b)`, with Welch's 95 % interval: Student's
/// t with the degrees of freedom of Welch and Satterthwaite, rounded down. `None` as for [`seeds_interval`].
pub fn seeds_difference(a: &[f64], b: &[f64]) -> Option<Interval> {
    let (mean_a, error_a) = mean_and_error(a)?;
    let (mean_b, error_b) = mean_and_error(b)?;
    let error = error_a + error_b;
    let parts = error_a.powi(2) / (a.len() - 1) as f64 + error_b.powi(2) / (b.len() - 1) as f64;
    // Without any spread there are no degrees of freedom, and nothing to multiply.
    let half = if error > 0.0 {
        student_t_975(((error.powi(2) / parts) as usize).max(1)) * error.sqrt()
    } else {
        0.0
    };
    let mean = mean_a - mean_b;
    Some(Interval {
        mean,
        low: mean - half,
        high: mean + half,
    })
}

/// Mean, and variance of the mean; `None` as for [`seeds_interval`].
fn mean_and_error(values: &[f64]) -> Option<(f64, f64)> {
    if values.len() < 2 || values.iter().any(|value| !value.is_finite()) {
        return None;
    }
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0);
    Some((mean, variance / n))
}

/// The rows of one replicate: `n` draws from `0..n` with replacement.
pub fn resample(n: usize, seed: u64, replicate: u64) -> Vec<usize> {
    let mut rows = Vec::new();
    resample_into(&mut rows, n, seed, replicate);
    rows
}

fn resample_into(rows: &mut Vec<usize>, n: usize, seed: u64, replicate: u64) {
    let mut rng = replicate_rng(seed, replicate);
    rows.clear();
    rows.extend((0..n).map(|_| rng.random_range(0..n)));
}

/// A stream of its own for every replicate: threads may take them in any order.
fn replicate_rng(seed: u64, replicate: u64) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(replicate);
    rng
}

fn draws(
    n: usize,
    replicates: usize,
    seed: u64,
    statistic: impl Fn(&[usize]) -> f64 + Sync,
) -> Vec<f64> {
    (0..replicates as u64)
        .into_par_iter()
        .map_init(Vec::new, |rows, replicate| {
            resample_into(rows, n, seed, replicate);
            statistic(rows)
        })
        .collect()
}

fn check_request(n: usize, replicates: usize) -> Result<(), EvalError> {
    for (option, value) in [("queries to resample", n), ("replicates", replicates)] {
        if value == 0 {
            return Err(EvalError::Option {
                option,
                value: "0".into(),
                expected: "at least 1",
            });
        }
    }
    Ok(())
}

fn interval_from(mean: f64, mut draws: Vec<f64>) -> Interval {
    draws.sort_by(f64::total_cmp);
    Interval {
        mean,
        low: percentile(&draws, 0.025),
        high: percentile(&draws, 0.975),
    }
}

fn paired_from(mean: f64, draws: Vec<f64>) -> Paired {
    let not_above = draws.iter().filter(|&&d| d <= 0.0).count();
    let not_below = draws.iter().filter(|&&d| d >= 0.0).count();
    let tail = not_above.min(not_below);
    let p = 2.0 * (1 + tail) as f64 / (1 + draws.len()) as f64;
    Paired {
        difference: interval_from(mean, draws),
        p: p.min(1.0),
    }
}

/// Percentile of ascending values with linear interpolation; `level` in [0, 1].
fn percentile(sorted: &[f64], level: f64) -> f64 {
    let position = level * (sorted.len() - 1) as f64;
    let (below, above) = (
        sorted[position.floor() as usize],
        sorted[position.ceil() as usize],
    );
    // With an infinite neighbour the formula may give no number: there is nothing between it and the other one.
    match (below.is_finite(), above.is_finite()) {
        (true, true) => below + (above - below) * position.fract(),
        _ if below == above || position.fract() == 0.0 => below,
        (true, false) => above,
        (false, true) => below,
        (false, false) if position.fract() < 0.5 => below,
        (false, false) => above,
    }
}

/// The 97.5 % quantile of Student's t.
fn student_t_975(degrees: usize) -> f64 {
    const SMALL: [f64; 10] = [
        12.706_204_736,
        4.302_652_730,
        3.182_446_305,
        2.776_445_105,
        2.570_581_836,
        2.446_911_851,
        2.364_624_252,
        2.306_004_135,
        2.262_157_163,
        2.228_138_852,
    ];
    if let Some(&exact) = SMALL.get(degrees - 1) {
        return exact;
    }
    // Cornish-Fisher expansion around the normal quantile (Abramowitz & Stegun 26.7.5): within 1e-5 from 11 degrees on.
    let (z, v) = (1.959_963_984_540_054_f64, degrees as f64);
    let z2 = z * z;
    z + z * (z2 + 1.0) / (4.0 * v)
        + z * ((5.0 * z2 + 16.0) * z2 + 3.0) / (96.0 * v.powi(2))
        + z * (((3.0 * z2 + 19.0) * z2 + 17.0) * z2 - 15.0) / (384.0 * v.powi(3))
        + z * ((((79.0 * z2 + 776.0) * z2 + 1482.0) * z2 - 1920.0) * z2 - 945.0)
            / (92160.0 * v.powi(4))
}
