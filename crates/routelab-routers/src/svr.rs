//! ε-insensitive support vector regression with a Gaussian kernel, one machine per model and target.
//!
//! The solver (`smo.rs`) is ours: all machines share one kernel matrix, which the crates on offer compute anew for every
//! target.

use std::sync::atomic::{AtomicUsize, Ordering};

use ndarray::{Array1, Array2, Axis, concatenate, s};
use rayon::prelude::*;
use routelab_data::Embeddings;
use routelab_eval::Scores;
use routelab_heads::ranges::{above_zero, not_negative};
use serde::{Deserialize, Serialize};

use crate::nearest::Points;
use crate::smo::{Machine, Problem};
use crate::space::space;
use crate::{
    Archive, Context, FitResult, FittedRouter, Loader, Router, RouterError, SearchSpace,
    TrainingSet, Values, check_dimension, column_scales, stack, to_f32, to_f64,
};

/// Predicts quality and cost of every model by `Σ β_i exp(-γ |x - x_i|²) + b`. Costs are learned as `(c - mean) / deviation` of
/// each model: ε is absolute, and most costs are smaller than it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Svr {
    /// `C`, the largest weight of a training query, above 0.
    pub c: f64,
    /// `ε`, the error that costs nothing, 0 or more.
    pub epsilon: f64,
    /// `γ` in units of `1 / (dimension · variance of the embeddings' entries)`, above 0; 1 is scikit-learn's "scale".
    pub gamma: f64,
    /// How far the optimality conditions may be missed, at least 1e-9.
    pub tolerance: f64,
}

impl Default for Svr {
    fn default() -> Self {
        Self {
            c: 1.0,
            epsilon: 0.1,
            gamma: 1.0,
            tolerance: 1e-3,
        }
    }
}

impl Router for Svr {
    fn kind(&self) -> &'static str {
        "svr"
    }

    fn description(&self) -> &'static str {
        "support vector regression with a Gaussian kernel"
    }

    fn validate(&self) -> Result<(), String> {
        above_zero("c", self.c)?;
        above_zero("gamma", self.gamma)?;
        not_negative("epsilon", self.epsilon)?;
        if !(self.tolerance >= 1e-9 && self.tolerance.is_finite()) {
            return Err(format!(
                "`tolerance` must be a number of at least 1e-9, not {}",
                self.tolerance
            ));
        }
        Ok(())
    }

    fn search_space(&self) -> SearchSpace {
        space([
            ("c", Values::log(0.03, 30.0)),
            ("epsilon", Values::numbers([0.01, 0.05, 0.1, 0.2])),
            ("gamma", Values::log(0.1, 10.0)),
        ])
    }

    fn fit_checked(&self, train: &TrainingSet, context: &Context) -> FitResult {
        let gamma = self.gamma / scale(train);
        let points = Points::new(train.x().to_owned());
        let kernel = kernel_matrix(&points, gamma);
        let (mean, deviation) = column_scales(train.cost());
        let scaled = (&train.cost() - &mean) / &deviation;
        let targets = concatenate![Axis(1), train.quality(), scaled];
        let problem = Problem {
            c: self.c,
            epsilon: self.epsilon,
            tolerance: self.tolerance,
        };
        let (rows, outputs) = targets.dim();
        let steps = 100_000 + 1_000 * rows;
        let done = AtomicUsize::new(0);
        let machines: Vec<Machine> = (0..outputs)
            .into_par_iter()
            .map(|output| {
                let machine = problem.solve(&kernel, targets.column(output), steps);
                let done = done.fetch_add(1, Ordering::Relaxed) + 1;
                (context.progress)(done as f64 / outputs as f64);
                machine.ok_or(RouterError::Unconverged {
                    steps,
                    tolerance: self.tolerance,
                })
            })
            .collect::<Result<_, _>>()?;

        let mut weights = Array2::zeros((rows + 1, outputs));
        for (mut column, machine) in weights.columns_mut().into_iter().zip(machines) {
            column.slice_mut(s![..rows]).assign(&machine.weights);
            column[rows] = machine.offset;
        }
        let mut costs = weights.slice_mut(s![.., train.models()..]);
        costs *= &deviation;
        let mut offsets = costs.row_mut(rows);
        offsets += &mean;
        Ok(Box::new(FittedSvr {
            points,
            gamma,
            weights,
        }))
    }

    fn load(archive: &Archive, _: &Loader) -> FitResult {
        let x = archive.matrix_with("x", None, None)?;
        let weights = archive.matrix_with("weights", Some(x.nrows() + 1), None)?;
        if weights.ncols() % 2 != 0 {
            return Err(archive.broken("weights", "has not one quality for every cost"));
        }
        Ok(Box::new(FittedSvr {
            points: Points::new(to_f32(x.view())),
            gamma: archive.get("gamma")?,
            weights,
        }))
    }
}

/// `dimension · variance` of the entries of all embeddings; 1 if they are all equal.
fn scale(train: &TrainingSet) -> f64 {
    let x = to_f64(train.x());
    let variance = x.var(0.0);
    if variance > 0.0 {
        variance * x.ncols() as f64
    } else {
        1.0
    }
}

fn kernel(squared_distance: f32, gamma: f64) -> f64 {
    (-gamma * f64::from(squared_distance)).exp()
}

/// The kernel of all pairs of training queries. In single precision, because it is what limits the size of a training set.
fn kernel_matrix(points: &Points, gamma: f64) -> Array2<f32> {
    let rows: Vec<Vec<f32>> = points.map(points.x().view(), |squared| {
        (squared.iter())
            .map(|&distance| kernel(distance, gamma) as f32)
            .collect()
    });
    let count = rows.len();
    Array2::from_shape_vec((count, count), rows.concat()).expect("one entry per pair")
}

struct FittedSvr {
    points: Points,
    gamma: f64,
    /// Weights `[training queries, 2 · models]` (quality, then cost) and offsets in the last row.
    weights: Array2<f64>,
}

impl FittedRouter for FittedSvr {
    fn predict(&self, queries: &Embeddings) -> Result<Scores, RouterError> {
        check_dimension(self.points.x().ncols(), queries)?;
        let count = self.points.x().nrows();
        let (weights, offsets) = (self.weights.slice(s![..count, ..]), self.weights.row(count));
        let rows = self.points.map(queries.values(), |squared| {
            let kernel: Array1<f64> = (squared.iter())
                .map(|&distance| kernel(distance, self.gamma))
                .collect();
            kernel.dot(&weights) + offsets
        });
        let predicted = stack(&rows, self.weights.ncols());
        let models = predicted.ncols() / 2;
        Ok(Scores::new(
            predicted.slice(s![.., ..models]).to_owned(),
            predicted.slice(s![.., models..]).to_owned(),
        )?)
    }

    fn save(&self, archive: &mut Archive) -> Result<(), RouterError> {
        archive.put("gamma", &self.gamma);
        archive.put_matrix("x", &to_f64(self.points.x().view()));
        archive.put_matrix("weights", &self.weights);
        Ok(())
    }
}
