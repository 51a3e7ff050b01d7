//! Ridge regression with a penalty that is chosen on held-out queries, on the embeddings themselves or on kernels of them.

use std::collections::BTreeMap;

use nalgebra::{Cholesky, DMatrix};
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis, s};
use rand::SeedableRng;
use rand::seq::index;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::targets::{Folds, Targets};
use crate::linear::to_nalgebra;
use crate::nearest::Points;
use crate::{RouterError, stack, to_f32, to_f64};

/// Penalties of the linear map, as shares of the variance of the embeddings.
const LINEAR: [f64; 6] = [0.1, 0.3, 1.0, 3.0, 10.0, 30.0];
/// Penalties of the kernel.
const KERNEL: [f64; 5] = [0.1, 0.3, 1.0, 3.0, 10.0];
/// Widths of the kernel, as shares of the typical squared distance of two queries.
const WIDTHS: [f64; 4] = [0.15, 0.3, 0.6, 1.2];
/// Added to the diagonal of the kernel: equal prompts can stand in it twice, and distances are in single precision.
const JITTER: f64 = 1e-4;
/// Added to the diagonal of what is solved, as a share of its mean, until there is a solution.
const REPAIRS: [f64; 4] = [0.0, 1e-10, 1e-8, 1e-6];

/// A linear map of features, and what is added.
pub(super) struct Map {
    /// `[features, columns]`
    weights: Array2<f64>,
    /// `[columns]`
    offset: Array1<f64>,
}

impl Map {
    fn apply(&self, features: ArrayView2<f64>) -> Array2<f64> {
        features.dot(&self.weights) + &self.offset
    }
}

/// Ridge regression on the embeddings.
pub(super) struct Linear(Map);

impl Linear {
    /// The map with the least error on the folds, and what maps of the other folds say of every training query.
    pub(super) fn fit(
        x: ArrayView2<f32>,
        targets: &Targets,
        folds: &Folds,
    ) -> Result<(Self, Array2<f64>), RouterError> {
        let (centred, mean, penalty) = Self::features(x);
        let mut found = Problem::new(&centred, &penalty, targets, folds).best(&LINEAR)?;
        found.map.offset = &found.map.offset - &mean.dot(&found.map.weights);
        Ok((Self(found.map), found.held_out))
    }

    /// The centred embeddings, their mean, and the penalty.
    fn features(x: ArrayView2<f32>) -> (Array2<f64>, Array1<f64>, Array2<f64>) {
        let x = to_f64(x);
        let mean = (x.mean_axis(Axis(0))).expect("a training set has at least one query");
        let centred = x - &mean;
        let squares: f64 = centred.iter().map(|value| value * value).sum();
        let variance = squares / centred.nrows() as f64;
        let scale = if variance > 0.0 { variance } else { 1.0 };
        let penalty = Array2::from_diag_elem(centred.ncols(), scale);
        (centred, mean, penalty)
    }

    pub(super) fn of(stored: ArrayView2<f64>) -> Self {
        let features = stored.nrows() - 1;
        Self(Map {
            weights: stored.slice(s![..features, ..]).to_owned(),
            offset: stored.row(features).to_owned(),
        })
    }

    /// Weights and, in the last row, offsets.
    pub(super) fn stored(&self) -> Array2<f64> {
        let mut stored = self.0.weights.clone();
        (stored.push_row(self.0.offset.view()))
            .expect("an offset has a column for each of weights");
        stored
    }

    pub(super) fn predict(&self, x: ArrayView2<f32>) -> Array2<f64> {
        self.0.apply(to_f64(x).view())
    }
}

/// Ridge regression on Gaussian kernels around some of the training queries (Williams & Seeger 2001): with as many as there are, the
/// kernel ridge regression itself.
pub(super) struct Kernel {
    landmarks: Points,
    /// The squared distance by which a kernel falls by `e`, above 0.
    width: f64,
    map: Map,
}

impl Kernel {
    /// The map and the width with the least error on the folds, and what maps of the other folds say of every training query.
    pub(super) fn fit(
        x: ArrayView2<f32>,
        targets: &Targets,
        landmarks: usize,
        typical: f64,
        folds: &Folds,
        seed: u64,
    ) -> Result<(Self, Array2<f64>), RouterError> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut rows = index::sample(&mut rng, x.nrows(), landmarks.min(x.nrows())).into_vec();
        rows.sort_unstable();
        let points = Points::new(x.select(Axis(0), &rows));
        let squared = distances(&points, x);
        let mut best: Option<(f64, Found)> = None;
        for share in WIDTHS {
            let width = share * typical * typical;
            let (features, penalty) = kernels(&squared, &points, width);
            let found = Problem::new(&features, &penalty, targets, folds).best(&KERNEL)?;
            if (best.as_ref()).is_none_or(|(_, best)| found.error < best.error) {
                best = Some((width, found));
            }
        }
        let (width, found) = best.expect("there are widths");
        let kernel = Self {
            landmarks: points,
            width,
            map: found.map,
        };
        Ok((kernel, found.held_out))
    }

    pub(super) fn of(landmarks: ArrayView2<f64>, stored: ArrayView2<f64>, width: f64) -> Self {
        Self {
            landmarks: Points::new(to_f32(landmarks)),
            width,
            map: Linear::of(stored).0,
        }
    }

    pub(super) fn parts(&self) -> (Array2<f64>, Array2<f64>, f64) {
        let mut stored = self.map.weights.clone();
        (stored.push_row(self.map.offset.view()))
            .expect("an offset has a column for each of weights");
        (self.landmarks.x().mapv(f64::from), stored, self.width)
    }

    pub(super) fn predict(&self, x: ArrayView2<f32>) -> Array2<f64> {
        let features = distances(&self.landmarks, x).mapv(|squared| (-squared / self.width).exp());
        self.map.apply(features.view())
    }
}

/// Kernels `[queries, points]` of squared distances, and those among the points, which are the penalty.
fn kernels(squared: &Array2<f64>, points: &Points, width: f64) -> (Array2<f64>, Array2<f64>) {
    let of = |squared: f64| (-squared / width).exp();
    let mut penalty = distances(points, points.x().view()).mapv(of);
    (penalty.diag_mut()).mapv_inplace(|value| value + JITTER);
    (squared.mapv(of), penalty)
}

/// Squared distances `[queries, points]`.
fn distances(points: &Points, x: ArrayView2<f32>) -> Array2<f64> {
    let rows = points.map(x, |squared| {
        squared
            .iter()
            .map(|&value| f64::from(value))
            .collect::<Array1<f64>>()
    });
    stack(&rows, points.x().nrows())
}

/// What a search for a penalty found.
struct Found {
    map: Map,
    /// Predictions of every query by the other folds, `[queries, columns]`.
    held_out: Array2<f64>,
    /// Sum of squared held-out errors of quality.
    error: f64,
}

/// `min Σ (y - m - W f)² + α W' P W`, column by column, where `m` is the mean of the column.
struct Problem<'a> {
    features: &'a Array2<f64>,
    penalty: &'a Array2<f64>,
    targets: &'a Targets,
    folds: &'a Folds,
    /// Columns that were measured on the same rows.
    groups: Vec<Group>,
}

/// Columns that were measured on the same rows, and the moments of every fold of these.
struct Group {
    columns: Vec<usize>,
    folds: Vec<Moments>,
    whole: Moments,
    means: Array1<f64>,
}

/// What a least-squares problem needs of some rows.
#[derive(Clone)]
struct Moments {
    /// `F'F`
    gram: Array2<f64>,
    /// `F'Y`
    products: Array2<f64>,
    /// `F'1`
    features: Array1<f64>,
    /// `Y'1`
    targets: Array1<f64>,
    rows: f64,
}

impl Moments {
    fn of(features: ArrayView2<f64>, targets: ArrayView2<f64>) -> Self {
        Self {
            gram: features.t().dot(&features),
            products: features.t().dot(&targets),
            features: features.sum_axis(Axis(0)),
            targets: targets.sum_axis(Axis(0)),
            rows: features.nrows() as f64,
        }
    }

    fn plus(mut self, other: &Self) -> Self {
        self.gram += &other.gram;
        self.products += &other.products;
        self.features += &other.features;
        self.targets += &other.targets;
        self.rows += other.rows;
        self
    }

    fn minus(&self, other: &Self) -> Self {
        Self {
            gram: &self.gram - &other.gram,
            products: &self.products - &other.products,
            features: &self.features - &other.features,
            targets: &self.targets - &other.targets,
            rows: self.rows - other.rows,
        }
    }

    /// The solution with this penalty; the means where there is no row.
    fn solve(
        &self,
        penalty: &Array2<f64>,
        alpha: f64,
        means: &Array1<f64>,
    ) -> Result<Map, RouterError> {
        let (features, columns) = self.products.dim();
        if self.rows == 0.0 {
            return Ok(Map {
                weights: Array2::zeros((features, columns)),
                offset: means.clone(),
            });
        }
        let offset = &self.targets / self.rows;
        let outer = |a: ArrayView1<f64>, b: ArrayView1<f64>| {
            a.insert_axis(Axis(1)).dot(&b.insert_axis(Axis(0)))
        };
        let right = &self.products - &outer(self.features.view(), offset.view());
        let left = &self.gram + &(penalty * alpha);
        let left = to_nalgebra(&left);
        let diagonal = left.trace() / features as f64;
        let factor = (REPAIRS.iter())
            .find_map(|repair| {
                let mut left = left.clone();
                (0..features).for_each(|at| left[(at, at)] += repair * diagonal);
                Cholesky::new(left)
            })
            .ok_or(RouterError::Singular {
                what: "the covariance of the embeddings",
            })?;
        let solution: DMatrix<f64> = factor.solve(&to_nalgebra(&right));
        let weights = Array2::from_shape_fn((features, columns), |at| solution[at]);
        Ok(Map { weights, offset })
    }
}

impl<'a> Problem<'a> {
    fn new(
        features: &'a Array2<f64>,
        penalty: &'a Array2<f64>,
        targets: &'a Targets,
        folds: &'a Folds,
    ) -> Self {
        let mut columns: BTreeMap<Vec<bool>, Vec<usize>> = BTreeMap::new();
        for column in 0..targets.columns() {
            let rows = (0..targets.rows()).map(|row| targets.is_measured(row, column));
            columns.entry(rows.collect()).or_default().push(column);
        }
        let group = |(measured, columns): (Vec<bool>, Vec<usize>)| {
            let folds: Vec<Moments> = (folds.rows.par_iter())
                .map(|fold| {
                    let rows: Vec<usize> =
                        fold.iter().copied().filter(|&row| measured[row]).collect();
                    let values = targets.values.select(Axis(0), &rows);
                    Moments::of(
                        features.select(Axis(0), &rows).view(),
                        values.select(Axis(1), &columns).view(),
                    )
                })
                .collect();
            let (first, rest) = folds.split_first().expect("there is a fold");
            Group {
                whole: rest.iter().fold(first.clone(), Moments::plus),
                means: targets.means.select(Axis(0), &columns),
                columns,
                folds,
            }
        };
        Self {
            features,
            penalty,
            targets,
            folds,
            groups: columns.into_iter().map(group).collect(),
        }
    }

    /// Which target a column is: 0 for quality, 1 for cost, 2 for its logarithm.
    fn target(&self, column: usize) -> usize {
        column / (self.targets.columns() / 3)
    }

    /// For each of these penalties, predictions `[queries, columns]` of every query by the other folds.
    fn predictions(&self, alphas: &[f64]) -> Result<Vec<Array2<f64>>, RouterError> {
        let tasks: Vec<(usize, usize, &Group)> = (0..alphas.len())
            .flat_map(|alpha| (0..self.folds.rows.len()).map(move |fold| (alpha, fold)))
            .flat_map(|(alpha, fold)| self.groups.iter().map(move |group| (alpha, fold, group)))
            .collect();
        let solved: Vec<Array2<f64>> = (tasks.par_iter())
            .map(|&(alpha, fold, group)| {
                let others = group.whole.minus(&group.folds[fold]);
                let map = others.solve(self.penalty, alphas[alpha], &group.means)?;
                let held = self.features.select(Axis(0), &self.folds.rows[fold]);
                Ok(map.apply(held.view()))
            })
            .collect::<Result<_, RouterError>>()?;
        let mut predictions = vec![Array2::zeros(self.targets.values.dim()); alphas.len()];
        for (&(alpha, fold, group), predicted) in tasks.iter().zip(&solved) {
            for (at, &row) in self.folds.rows[fold].iter().enumerate() {
                for (of, &column) in group.columns.iter().enumerate() {
                    predictions[alpha][[row, column]] = predicted[[at, of]];
                }
            }
        }
        Ok(predictions)
    }

    /// Of predictions with several penalties, those with the least error for quality, cost and its logarithm; and that of quality.
    fn choose(&self, predictions: &[Array2<f64>]) -> ([usize; 3], f64) {
        let mut errors = vec![[0.0; 3]; predictions.len()];
        for (errors, predictions) in errors.iter_mut().zip(predictions) {
            for ((row, column), predicted) in predictions.indexed_iter() {
                if self.targets.is_measured(row, column) {
                    let error = predicted - self.targets.values[[row, column]];
                    errors[self.target(column)] += error * error;
                }
            }
        }
        let chosen: [usize; 3] = std::array::from_fn(|target| {
            (0..errors.len())
                .min_by(|&a, &b| errors[a][target].total_cmp(&errors[b][target]))
                .expect("there are penalties")
        });
        (chosen, errors[chosen[0]][0])
    }

    /// The map of all queries with the penalties of the least held-out error.
    fn best(&self, alphas: &[f64]) -> Result<Found, RouterError> {
        let predictions = self.predictions(alphas)?;
        let (chosen, error) = self.choose(&predictions);
        let mut map = Map {
            weights: Array2::zeros((self.features.ncols(), self.targets.columns())),
            offset: Array1::zeros(self.targets.columns()),
        };
        for group in &self.groups {
            let maps =
                chosen.map(|alpha| group.whole.solve(self.penalty, alphas[alpha], &group.means));
            let [quality, cost, logarithm] = maps;
            let maps = [quality?, cost?, logarithm?];
            for (of, &column) in group.columns.iter().enumerate() {
                let found = &maps[self.target(column)];
                (map.weights.column_mut(column)).assign(&found.weights.column(of));
                map.offset[column] = found.offset[of];
            }
        }
        Ok(Found {
            map,
            error,
            held_out: Array2::from_shape_fn(self.targets.values.dim(), |at| {
                predictions[chosen[self.target(at.1)]][at]
            }),
        })
    }
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;
    use crate::linear::ridge;

    /// One model; quality, cost and its logarithm are three unlike functions of the query.
    fn targets(rows: usize) -> (Array2<f32>, Targets) {
        let x = Array2::from_shape_fn((rows, 3), |(row, axis)| {
            ((row * (axis + 2)) as f32 * 0.7).sin()
        });
        let values = Array2::from_shape_fn((rows, 3), |(row, target)| {
            f64::from(x[[row, target]]).powi(2) + 0.3 * f64::from(x[[row, 0]]) + target as f64
        });
        let targets = Targets {
            means: values.mean_axis(Axis(0)).unwrap(),
            values,
            measured: None,
            shift: array![1.0],
        };
        (x, targets)
    }

    fn folds(targets: &Targets) -> Folds {
        targets.folds(
            (0..3)
                .map(|fold| (fold..targets.rows()).step_by(3).collect())
                .collect(),
        )
    }

    /// The penalties of the least held-out error.
    fn chosen(
        features: &Array2<f64>,
        penalty: &Array2<f64>,
        targets: &Targets,
        alphas: &[f64],
    ) -> [usize; 3] {
        let folds = folds(targets);
        let problem = Problem::new(features, penalty, targets, &folds);
        problem.choose(&problem.predictions(alphas).unwrap()).0
    }

    #[test]
    fn the_linear_map_is_that_of_the_linear_router() {
        let (x, targets) = targets(24);
        let (linear, _) = Linear::fit(x.view(), &targets, &folds(&targets)).unwrap();
        let (centred, _, penalty) = Linear::features(x.view());
        let chosen = chosen(&centred, &penalty, &targets, &LINEAR);
        for (target, chosen) in chosen.into_iter().enumerate() {
            let alpha = LINEAR[chosen] * penalty[[0, 0]];
            let known = ridge(to_f64(x.view()).view(), targets.values.view(), alpha).unwrap();
            let difference = &linear.stored().column(target) - &known.column(target);
            assert!(
                difference.iter().all(|value| value.abs() < 1e-9),
                "{difference}"
            );
        }
    }

    #[test]
    fn with_a_kernel_at_every_query_it_is_kernel_ridge_regression() {
        let (x, targets) = targets(12);
        let (kernel, _) = Kernel::fit(x.view(), &targets, 12, 1.5, &folds(&targets), 1).unwrap();
        let squared = distances(&kernel.landmarks, x.view());
        let (features, penalty) = kernels(&squared, &kernel.landmarks, kernel.width);
        let chosen = chosen(&features, &penalty, &targets, &KERNEL);
        let gram = distances(&Points::new(x.clone()), x.view())
            .mapv(|squared| (-squared / kernel.width).exp());
        let query = array![[0.2_f32, -0.4, 0.1]];
        let at_query = distances(&Points::new(x.clone()), query.view())
            .mapv(|squared| (-squared / kernel.width).exp());
        let found = kernel.predict(query.view());
        for target in 0..3 {
            // The textbook: `k' (K + α I)⁻¹ (y - mean) + mean`.
            let mean = targets.means[target];
            let mut left = gram.clone();
            (left.diag_mut()).mapv_inplace(|value| value + KERNEL[chosen[target]]);
            let right = targets.values.column(target).mapv(|value| value - mean);
            let weights = Cholesky::new(to_nalgebra(&left))
                .unwrap()
                .solve(&to_nalgebra(&right.insert_axis(Axis(1))));
            let expected: f64 = (at_query.iter().zip(weights.iter()))
                .map(|(k, w)| k * w)
                .sum::<f64>()
                + mean;
            assert!(
                (found[[0, target]] - expected).abs() < 1e-2,
                "{found} {expected}"
            );
        }
    }

    #[test]
    fn what_is_held_out_is_not_learned_from() {
        let (x, mut targets) = targets(24);
        let rows = folds(&targets).rows;
        let (centred, _, penalty) = Linear::features(x.view());
        let held_out = |targets: &Targets| {
            let folds = targets.folds(rows.clone());
            let problem = Problem::new(&centred, &penalty, targets, &folds);
            problem.predictions(&LINEAR[1..2]).unwrap().remove(0)
        };
        let before = held_out(&targets);
        // Row 4 is of fold 1: its own outcome changes what is said of the other folds, and not of its own.
        (targets.values.row_mut(4)).fill(7.0);
        let after = held_out(&targets);
        for row in 0..24 {
            let moved = (&before.row(row) - &after.row(row))
                .iter()
                .any(|value| value.abs() > 1e-9);
            assert_eq!(moved, row % 3 != 1, "row {row}");
        }
    }

    #[test]
    fn columns_with_gaps_are_solved_on_their_own_rows() {
        let (x, mut targets) = targets(24);
        let mut measured = Array2::from_elem((24, 3), true);
        for row in 0..8 {
            measured[[row, 1]] = false;
            targets.values[[row, 1]] = 1e6;
        }
        targets.measured = Some(measured);
        targets.means[1] = targets.values.slice(s![8.., 1]).mean().unwrap();
        let (linear, _) = Linear::fit(x.view(), &targets, &folds(&targets)).unwrap();
        let (centred, _, penalty) = Linear::features(x.view());
        let chosen = chosen(&centred, &penalty, &targets, &LINEAR);
        let alpha = LINEAR[chosen[1]] * penalty[[0, 0]];
        let known = ridge(
            to_f64(x.slice(s![8.., ..])).view(),
            targets.values.slice(s![8.., 1..2]),
            alpha,
        );
        // The centre differs (of all queries), so that the penalty has the same weights and the offset follows.
        let known = known.unwrap();
        let found = linear.stored();
        for row in 0..3 {
            assert!((found[[row, 1]] - known[[row, 0]]).abs() < 0.05);
        }
        assert!(found.iter().all(|value| value.abs() < 100.0));
    }
}
