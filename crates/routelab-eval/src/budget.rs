//! The budgets of a sweep.

use ndarray::ArrayView2;
use rayon::prelude::*;
use routelab_kernels::vectorised;
use serde::{Deserialize, Serialize};

use crate::EvalError;
use crate::buckets::{Buckets, Ranges};
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
                let values = Distinct::of(predicted_cost);
                let mut of_rank = values.of_rank();
                if values.len() <= *levels || *levels < 2 {
                    return (0..values.len()).map(of_rank).collect();
                }
                let (last, steps) = (values.len() as u128 - 1, *levels as u128 - 1);
                (0..=steps)
                    .map(|k| {
                        let below = (k * last / steps) as usize;
                        let part = (k * last % steps) as f64 / steps as f64;
                        let value = of_rank(below);
                        if part == 0.0 {
                            value
                        } else {
                            value + (of_rank(below + 1) - value) * part
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
pub(crate) fn sorted_distinct(values: &[f64]) -> Vec<f64> {
    // Integers are sorted faster than numbers with a comparison of our own.
    let mut keys: Vec<i64> = values.iter().map(|&value| order_key(value)).collect();
    sort_distinct(&mut keys);
    keys.into_iter().map(from_order_key).collect()
}

/// Puts `keys` in ascending order, each once.
fn sort_distinct(keys: &mut Vec<i64>) {
    keys.sort_unstable();
    keys.dedup();
}

/// The distinct values of a matrix in ascending order.
struct Distinct {
    /// The values' keys.
    buckets: Buckets<i64>,
    /// How many distinct values are before every bucket, and in all.
    before: Vec<usize>,
}

impl Distinct {
    /// About how many values fall into a bucket.
    const BUCKET: usize = 32;

    fn of(values: ArrayView2<f64>) -> Self {
        let values = values.as_standard_layout();
        let values = values.as_slice().unwrap_or_default();
        let key = |&value: &f64| order_key(value);
        let sample = values.iter().step_by(257).map(key).collect();
        let ranges = Ranges::of(sample, values.len(), Self::BUCKET);
        let part = values
            .len()
            .div_ceil(Buckets::<i64>::parts_for(values.len()));
        let buckets = Buckets::new(
            values.par_chunks(part.max(1)),
            |values| values.iter().map(key),
            |&key| key,
            ranges,
        );
        let counts: Vec<usize> = (0..buckets.count())
            .into_par_iter()
            .map_init(Vec::new, |keys, bucket| {
                buckets.gather(bucket, keys);
                if has_repeats(keys) {
                    sort_distinct(keys);
                }
                keys.len()
            })
            .collect();
        let ends = counts.iter().scan(0, |sum, count| {
            *sum += count;
            Some(*sum)
        });
        Self {
            buckets,
            before: std::iter::once(0).chain(ends).collect(),
        }
    }

    fn len(&self) -> usize {
        self.before[self.before.len() - 1]
    }

    /// Finds the value with as many distinct others below it; ascending ranks sort no bucket twice.
    fn of_rank(&self) -> impl FnMut(usize) -> f64 {
        let (mut keys, mut sorted) = (Vec::new(), None);
        move |rank| {
            let bucket = self.before.partition_point(|&before| before <= rank) - 1;
            if sorted != Some(bucket) {
                self.buckets.gather(bucket, &mut keys);
                sort_distinct(&mut keys);
                sorted = Some(bucket);
            }
            from_order_key(keys[rank - self.before[bucket]])
        }
    }
}

/// Whether some keys are equal, found by comparing all pairs, which takes less time than sorting; more than 64 count as if.
fn has_repeats(keys: &[i64]) -> bool {
    const LANES: usize = 8;
    // Not the key of a number.
    let mut padded = [[i64::MIN; LANES]; 8];
    if keys.len() > padded.len() * LANES {
        return true;
    }
    padded.as_flattened_mut()[..keys.len()].copy_from_slice(keys);
    let padded = &padded[..keys.len().div_ceil(LANES)];
    vectorised(
        #[inline(always)]
        || {
            let mut matches = [0; LANES];
            for (block, others) in padded.iter().enumerate() {
                for &key in &keys[..keys.len().min((block + 1) * LANES)] {
                    for lane in 0..LANES {
                        matches[lane] += i64::from(others[lane] == key);
                    }
                }
            }
            // Every key matches itself.
            matches.iter().sum::<i64>() > keys.len() as i64
        },
    )
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn repeats_are_seen_wherever_they_are() {
        for length in 0..70_i64 {
            let mut keys: Vec<i64> = (0..length).map(|key| key * key - 100).collect();
            assert_eq!(has_repeats(&keys), length > 64, "{length}");
            for (one, other) in (0..keys.len()).flat_map(|b| (0..b).map(move |a| (a, b))) {
                let (repeated, kept) = (keys[one], keys[other]);
                keys[other] = repeated;
                assert!(has_repeats(&keys), "{one} and {other} of {length}");
                keys[other] = kept;
            }
        }
    }

    /// Costs as they are predicted: around zero, over many orders of magnitude, few or many values.
    fn costs() -> impl Strategy<Value = Vec<f64>> {
        let value = prop_oneof![
            (-3_i32..4).prop_map(f64::from),
            Just(-0.0),
            -1.0_f64..1.0,
            (-300_f64..300.0).prop_map(f64::exp2),
        ];
        let few = prop::collection::vec(value.clone(), 1..6);
        let repeated = (few, 1_usize..400).prop_map(|(few, times)| few.repeat(times));
        prop_oneof![prop::collection::vec(value, 0..2000), repeated]
    }

    proptest! {
        #[test]
        fn ranks_are_those_of_a_sorted_list(values in costs()) {
            let sorted = sorted_distinct(&values);
            let matrix = Array2::from_shape_vec((values.len(), 1), values).unwrap();
            let distinct = Distinct::of(matrix.view());
            prop_assert_eq!(distinct.len(), sorted.len());
            let mut of_rank = distinct.of_rank();
            for (rank, &value) in sorted.iter().enumerate() {
                prop_assert_eq!(of_rank(rank).to_bits(), value.to_bits());
            }
        }
    }

    /// More values than fit one part, and more than there are buckets for; a column per model, which is not the order in memory.
    #[test]
    fn ranks_do_not_depend_on_parts_or_layout() {
        let value =
            |row: usize, model: usize| ((row * 7919 + model * 104_729) % 300_007) as f64 - 5.0;
        let matrix = Array2::from_shape_fn((5, 70_000), |(model, row)| value(row, model).powi(3));
        let sorted = sorted_distinct(matrix.as_slice().unwrap());
        let distinct = Distinct::of(matrix.t());
        let mut of_rank = distinct.of_rank();
        assert_eq!(distinct.len(), sorted.len());
        assert!(distinct.buckets.of(0).count() > 1);
        assert!((0..sorted.len()).all(|rank| of_rank(rank) == sorted[rank]));
    }
}
