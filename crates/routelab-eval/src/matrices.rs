//! The two inputs of every metric: what a router predicted and what really happened.

use ndarray::{Array2, ArrayView2};
use rayon::prelude::*;
use routelab_kernels::vectorised;
use serde::{Deserialize, Serialize};

use crate::EvalError;

/// A router's predictions for `N` queries and `M` models.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Scores {
    /// Predicted quality `q̂`, `N x M`. Any finite number: only the order matters to a decision.
    #[serde(with = "rows")]
    pub quality: Array2<f64>,
    /// Predicted cost `ĉ`, `N x M`, in the unit of the real costs. Regressions may go below zero.
    #[serde(with = "rows")]
    pub cost: Array2<f64>,
}

impl Scores {
    /// Checks that both matrices are `N x M` with `N, M >= 1` and that every number is finite.
    ///
    /// # Errors
    /// [`EvalError::Empty`], [`EvalError::Shape`] or [`EvalError::Value`].
    pub fn new(quality: Array2<f64>, cost: Array2<f64>) -> Result<Self, EvalError> {
        check_scores(quality.view(), cost.view(), quality.dim())?;
        Ok(Self { quality, cost })
    }

    /// Number of queries, `N`.
    pub fn queries(&self) -> usize {
        self.quality.nrows()
    }

    /// Number of models, `M`.
    pub fn models(&self) -> usize {
        self.quality.ncols()
    }
}

/// What every model really scored and cost on every query.
#[derive(Debug, Clone, Copy)]
pub struct Truth<'a> {
    /// Real quality `q`, `N x M`, usually in [0, 1].
    pub quality: ArrayView2<'a, f64>,
    /// Real cost `c >= 0`, `N x M`, in the unit of the table.
    pub cost: ArrayView2<'a, f64>,
}

impl<'a> Truth<'a> {
    /// Checks that both matrices are `N x M` with `N, M >= 1`, every number finite and no cost negative.
    ///
    /// # Errors
    /// [`EvalError::Empty`], [`EvalError::Shape`] or [`EvalError::Value`].
    pub fn new(quality: ArrayView2<'a, f64>, cost: ArrayView2<'a, f64>) -> Result<Self, EvalError> {
        check_truth(quality, cost)?;
        Ok(Self { quality, cost })
    }

    /// Number of queries, `N`.
    pub fn queries(&self) -> usize {
        self.quality.nrows()
    }

    /// Number of models, `M`.
    pub fn models(&self) -> usize {
        self.quality.ncols()
    }

    /// The same for a shorter time.
    pub(crate) fn reborrow<'b>(&self) -> Truth<'b>
    where
        'a: 'b,
    {
        Truth {
            quality: self.quality.reborrow(),
            cost: self.cost.reborrow(),
        }
    }
}

/// The scores of a router that knows the truth: `q̂ = q`, `ĉ = c`. With the default [`crate::Rule`] its ties go
/// to the cheapest model, which makes it the oracle of the EquiRouter paper.
pub fn oracle(truth: &Truth) -> Scores {
    Scores {
        quality: truth.quality.to_owned(),
        cost: truth.cost.to_owned(),
    }
}

/// The largest magnitudes of real quality and cost.
#[derive(Clone, Copy)]
pub(crate) struct Largest {
    pub quality: f64,
    pub cost: f64,
}

impl Largest {
    pub fn of(truth: &Truth) -> Self {
        Self {
            quality: largest_magnitude(truth.quality),
            cost: largest_magnitude(truth.cost),
        }
    }
}

/// The largest magnitude of the finite ones of the numbers.
pub(crate) fn largest_magnitude(matrix: ArrayView2<f64>) -> f64 {
    // The bits of numbers of at least 0 are in the order of the numbers, and integers are compared side by side.
    let infinity = f64::INFINITY.to_bits() as i64;
    let look = |bits: i64, &value: &f64| {
        let magnitude = value.abs().to_bits() as i64;
        let larger = (magnitude > bits) & (magnitude < infinity);
        if larger { magnitude } else { bits }
    };
    let bits = match matrix.as_slice() {
        Some(values) => (values.par_chunks(1 << 15))
            .map(|values| {
                vectorised(
                    #[inline(always)]
                    || values.iter().fold(0, look),
                )
            })
            .reduce(|| 0, i64::max),
        None => matrix.iter().fold(0, look),
    };
    f64::from_bits(bits as u64)
}

/// Checks that `scores` are about the queries and models of `truth`, and all numbers again: the fields are public.
pub(crate) fn check_pair(truth: &Truth, scores: &Scores) -> Result<Largest, EvalError> {
    let (of_truth, of_scores) = rayon::join(
        || check_truth(truth.quality, truth.cost),
        || {
            let shape = truth.quality.dim();
            check_scores(scores.quality.view(), scores.cost.view(), shape)
        },
    );
    let largest = of_truth?;
    of_scores?;
    Ok(largest)
}

fn check_truth(quality: ArrayView2<f64>, cost: ArrayView2<f64>) -> Result<Largest, EvalError> {
    check_shape("real quality", quality, quality.dim())?;
    check_shape("real cost", cost, quality.dim())?;
    Ok(Largest {
        quality: check_values("real quality", quality, f64::MIN)?,
        cost: check_values("real cost", cost, 0.0)?,
    })
}

fn check_scores(
    quality: ArrayView2<f64>,
    cost: ArrayView2<f64>,
    shape: (usize, usize),
) -> Result<(), EvalError> {
    check_shape("predicted quality", quality, shape)?;
    check_shape("predicted cost", cost, shape)?;
    check_values("predicted quality", quality, f64::MIN)?;
    check_values("predicted cost", cost, f64::MIN)?;
    Ok(())
}

fn check_shape(
    what: &'static str,
    matrix: ArrayView2<f64>,
    (rows, columns): (usize, usize),
) -> Result<(), EvalError> {
    let (found_rows, found_columns) = matrix.dim();
    if (found_rows, found_columns) != (rows, columns) {
        return Err(EvalError::Shape {
            what,
            found_rows,
            found_columns,
            rows,
            columns,
        });
    }
    if rows == 0 || columns == 0 {
        return Err(EvalError::Empty {
            what,
            rows,
            columns,
        });
    }
    Ok(())
}

/// The largest magnitude of numbers that are finite and at least `smallest`.
fn check_values(
    what: &'static str,
    matrix: ArrayView2<f64>,
    smallest: f64,
) -> Result<f64, EvalError> {
    // Nearly always nothing is wrong, which is seen fastest without positions and branches. The bits of numbers of at least 0 are
    // in the order of the numbers, and integers are compared side by side.
    let look = |(bits, wrong): (i64, bool), &value: &f64| {
        let magnitude = value.abs().to_bits() as i64;
        let bits = if magnitude > bits { magnitude } else { bits };
        (bits, wrong | (value < smallest))
    };
    let (bits, wrong) = match matrix.as_slice() {
        Some(values) => vectorised(
            #[inline(always)]
            || values.iter().fold((0, false), look),
        ),
        None => matrix.iter().fold((0, false), look),
    };
    let largest = f64::from_bits(bits as u64);
    if largest.is_finite() && !wrong {
        return Ok(largest);
    }
    let wrong = |value: f64| !value.is_finite() || value < smallest;
    for ((row, model), &value) in matrix.indexed_iter() {
        if wrong(value) {
            return Err(EvalError::Value {
                what,
                row,
                model,
                value,
                expected: if smallest == 0.0 {
                    "a finite number, not negative"
                } else {
                    "a finite number"
                },
            });
        }
    }
    Ok(largest)
}

/// Matrices as lists of rows, the layout that every other tool reads.
mod rows {
    use ndarray::Array2;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub fn serialize<S: Serializer>(
        matrix: &Array2<f64>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(matrix.rows().into_iter().map(|row| row.to_vec()))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Array2<f64>, D::Error> {
        let rows = Vec::<Vec<f64>>::deserialize(deserializer)?;
        let columns = rows.first().map_or(0, Vec::len);
        if let Some(odd) = rows.iter().position(|row| row.len() != columns) {
            return Err(D::Error::custom(format!(
                "row {odd} has {} numbers, expected {columns} as in row 0",
                rows[odd].len()
            )));
        }
        Array2::from_shape_vec((rows.len(), columns), rows.concat()).map_err(D::Error::custom)
    }
}
