//! Ridge regression.

use std::collections::BTreeMap;

use nalgebra::DMatrix;
use ndarray::{Array1, Array2, ArrayView2, Axis, s};
use routelab_data::Embeddings;
use routelab_eval::Scores;
use routelab_heads::ranges::above_zero;
use serde::{Deserialize, Serialize};

use crate::space::space;
use crate::{
    Archive, Context, FitResult, FittedRouter, Loader, Router, RouterError, SearchSpace,
    TrainingSet, Values, check_dimension, to_f64,
};

/// Predicts quality and cost of every model by a linear map of the embedding with an intercept:
/// `min Σ (x w + b - y)² + alpha |w|²`, solved exactly, for every model over the training queries
/// on which it was measured.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Linear {
    /// Penalty on the weights, above 0.
    pub alpha: f64,
}

impl Default for Linear {
    fn default() -> Self {
        Self { alpha: 1.0 }
    }
}

impl Router for Linear {
    fn kind(&self) -> &'static str {
        "linear"
    }

    fn description(&self) -> &'static str {
        "ridge regression"
    }

    fn validate(&self) -> Result<(), String> {
        above_zero("alpha", self.alpha)
    }

    fn takes_mask(&self) -> bool {
        true
    }

    fn search_space(&self) -> SearchSpace {
        space([("alpha", Values::log(1e-3, 1e3))])
    }

    fn fit_checked(&self, train: &TrainingSet, _: &Context) -> FitResult {
        let targets = ndarray::concatenate![Axis(1), train.quality(), train.cost()];
        let x = to_f64(train.x());
        let map = match train.measured() {
            None => ridge(x.view(), targets.view(), self.alpha)?,
            Some(measured) => {
                let measured = ndarray::concatenate![Axis(1), measured, measured];
                ridge_measured(x.view(), targets.view(), measured.view(), self.alpha)?
            }
        };
        Ok(Box::new(FittedLinear { map }))
    }

    fn load(archive: &Archive, _: &Loader) -> FitResult {
        let map = archive.matrix_with("map", None, None)?;
        if map.nrows() < 2 || map.ncols() % 2 != 0 {
            return Err(archive.broken("map", "has no weights, or no quality for every cost"));
        }
        Ok(Box::new(FittedLinear { map }))
    }
}

/// [`ridge`], every output on the rows where it was measured.
fn ridge_measured(
    x: ArrayView2<f64>,
    targets: ArrayView2<f64>,
    measured: ArrayView2<bool>,
    alpha: f64,
) -> Result<Array2<f64>, RouterError> {
    // Outputs that were measured on the same rows are solved together.
    let mut groups: BTreeMap<Vec<usize>, Vec<usize>> = BTreeMap::new();
    for (output, measured) in measured.axis_iter(Axis(1)).enumerate() {
        let rows = (0..measured.len()).filter(|&row| measured[row]).collect();
        groups.entry(rows).or_default().push(output);
    }
    let mut map = Array2::zeros((x.ncols() + 1, targets.ncols()));
    for (rows, outputs) in groups {
        let (x, targets) = (x.select(Axis(0), &rows), targets.select(Axis(0), &rows));
        let part = ridge(x.view(), targets.select(Axis(1), &outputs).view(), alpha)?;
        for (&output, column) in outputs.iter().zip(part.axis_iter(Axis(1))) {
            map.column_mut(output).assign(&column);
        }
    }
    Ok(map)
}

/// The ridge solution of `targets [rows, outputs]` on `x [rows, dimension]`: weights `[dimension, outputs]` with the
/// intercepts as a last row.
///
/// # Errors
///
/// [`RouterError::Singular`] if `alpha` is too small for the numbers at hand.
pub(crate) fn ridge(
    x: ArrayView2<f64>,
    targets: ArrayView2<f64>,
    alpha: f64,
) -> Result<Array2<f64>, RouterError> {
    let mean_of = |values: ArrayView2<f64>| -> Array1<f64> {
        values
            .mean_axis(Axis(0))
            .expect("a training set has at least one query")
    };
    let (x_mean, target_mean) = (mean_of(x), mean_of(targets));
    let x = &x - &x_mean;
    let targets = &targets - &target_mean;

    let mut gram = x.t().dot(&x);
    gram.diag_mut().mapv_inplace(|value| value + alpha);
    let right = x.t().dot(&targets);
    let (dimension, outputs) = right.dim();
    let factor = to_nalgebra(&gram).cholesky().ok_or(RouterError::Singular {
        what: "the covariance of the embeddings",
    })?;
    let solution = factor.solve(&to_nalgebra(&right));

    let mut map = Array2::zeros((dimension + 1, outputs));
    for ((row, output), value) in map.slice_mut(s![..dimension, ..]).indexed_iter_mut() {
        *value = solution[(row, output)];
    }
    let intercepts = &target_mean - &x_mean.dot(&map.slice(s![..dimension, ..]));
    map.row_mut(dimension).assign(&intercepts);
    Ok(map)
}

pub(crate) fn to_nalgebra(matrix: &Array2<f64>) -> DMatrix<f64> {
    DMatrix::from_row_iterator(matrix.nrows(), matrix.ncols(), matrix.iter().copied())
}

pub(crate) struct FittedLinear {
    /// Weights `[dimension, 2 · models]` (quality, then cost) and intercepts in the last row.
    pub(crate) map: Array2<f64>,
}

impl FittedRouter for FittedLinear {
    fn predict(&self, queries: &Embeddings) -> Result<Scores, RouterError> {
        let dimension = self.map.nrows() - 1;
        check_dimension(dimension, queries)?;
        let x = to_f64(queries.values());
        let predicted = x.dot(&self.map.slice(s![..dimension, ..])) + self.map.row(dimension);
        let models = predicted.ncols() / 2;
        Ok(Scores::new(
            predicted.slice(s![.., ..models]).to_owned(),
            predicted.slice(s![.., models..]).to_owned(),
        )?)
    }

    fn save(&self, archive: &mut Archive) -> Result<(), RouterError> {
        archive.put_matrix("map", &self.map);
        Ok(())
    }
}
