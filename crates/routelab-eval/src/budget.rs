//! The budgets of a sweep.

use ndarray::ArrayView2;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::EvalError;
use crate::rule::{from_order_key, order_key};

/// Which budgets a sweep visits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Budgets {
    /// The distinct values of `ĉ`; if there are more than this many, their quantiles at as many equally spaced
    /// levels from 0 to 1, with linear interpolation. At least 2 levels.
    Quantiles(usize),
    /// These budgets, in the unit of the costs, the same for every router. Infinity means no limit.
    Grid(Vec<f64>),
}

impl Default for Budgets {
    /// 100 quantiles, as in ORBIT.
    fn default() -> Self {
        Budgets::Quantiles(100)
    }
}

impl Budgets {
    /// # Errors
    /// [`EvalError::Option`] for fewer than two quantiles, an empty grid, or a grid with not-a-number in it.
    pub fn validate(&self) -> Result<(), EvalError> {
        match self {
            Budgets::Quantiles(levels) if *levels < 2 => Err(EvalError::Option {
                option: "budget quantiles",
                value: levels.to_string(),
                expected: "2 or more",
            }),
            Budgets::Grid(grid) => check_grid(grid),
            Budgets::Quantiles(_) => Ok(()),
        }
    }

    /// The budgets in ascending order, each once. `predicted_cost` is `N x M`; a grid does not look at it.
    ///
    /// The position of a quantile among the `n` distinct values is `k (n - 1) / (K - 1)`. Its whole part is
    /// taken in integers, so a level that falls on a value gives exactly this value: a rounding error below it
    /// would make the model that costs just that much unaffordable.
    pub fn resolve(&self, predicted_cost: ArrayView2<f64>) -> Vec<f64> {
        match self {
            Budgets::Grid(grid) => sorted_distinct(grid),
            Budgets::Quantiles(levels) => {
                let values = sorted_distinct(predicted_cost);
                if values.len() <= *levels || *levels < 2 {
                    return values;
                }
                let (last, steps) = (values.len() as u128 - 1, *levels as u128 - 1);
                (0..=steps)
                    .map(|k| {
                        let below = (k * last / steps) as usize;
                        let part = (k * last % steps) as f64 / steps as f64;
                        if part == 0.0 {
                            values[below]
                        } else {
                            values[below] + (values[below + 1] - values[below]) * part
                        }
                    })
                    .collect()
            }
        }
    }
}

/// A grid of `count >= 2` budgets from `low` to `high`, equally spaced in the logarithm if both are positive
/// (costs of models differ by orders of magnitude), else equally spaced.
pub fn spaced_grid(low: f64, high: f64, count: usize) -> Vec<f64> {
    let steps = count.max(2) - 1;
    let at = |k: usize| {
        let part = k as f64 / steps as f64;
        match k {
            0 => low,
            k if k == steps => high,
            _ if low > 0.0 && high > 0.0 => (low.ln() + (high.ln() - low.ln()) * part).exp(),
            _ => low + (high - low) * part,
        }
    };
    (0..=steps).map(at).collect()
}

pub(crate) fn check_grid(grid: &[f64]) -> Result<(), EvalError> {
    if grid.is_empty() || grid.iter().any(|budget| budget.is_nan()) {
        return Err(EvalError::Option {
            option: "budget grid",
            value: format!("{grid:?}"),
            expected: "at least one number, and only numbers",
        });
    }
    Ok(())
}

/// `values` in ascending order, each once.
pub(crate) fn sorted_distinct<'a>(values: impl IntoIterator<Item = &'a f64>) -> Vec<f64> {
    // Integers are sorted faster than numbers with a comparison of our own. The last sort finds the sorted parts and merges them.
    let mut keys: Vec<i64> = values.into_iter().map(|&value| order_key(value)).collect();
    let part = keys.len().div_ceil(rayon::current_num_threads()).max(4096);
    keys.par_chunks_mut(part)
        .for_each(|part| part.sort_unstable());
    keys.sort();
    keys.dedup();
    keys.into_iter().map(from_order_key).collect()
}
