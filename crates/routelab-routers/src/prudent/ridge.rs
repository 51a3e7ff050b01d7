//! Ridge regression with a penalty that is chosen on held-out queries, on the embeddings themselves or on kernels of them.

use std::collections::BTreeMap;

use nalgebra::{Cholesky, DMatrix};
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis, s};
use rand::SeedableRng;
use rand::seq::index;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::targets::Targets;
use crate::linear::to_nalgebra;
use crate::nearest::Points;
use crate::{RouterError, stack, to_f32, to_f64};

/// Penalties of the linear map, as shares of the variance of the embeddings.
const LINEAR: [f64; 6] = [0.1, 0.3, 1.0, 3.0, 10.0, 30.0];
/// Penalties of the kernel.
const KERNEL: [f64; 5] = [0.1, 0.3, 1.0, 3.0, 10.0];
/// Widths of the kernel, as shares of the typical squared distance of two queries.
const WIDTHS: [f64; 4] = [0.15, 0.3, 0.6, 1.2];
/// Added to the diagonal of the kernel, so that equal prompts can stand in it twice.
const JITTER: f64 = 1e-6;

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
    /// The map, and what those of the other folds say of every training query.
    pub(super) fn fit(
        x: ArrayView2<f32>,
        targets: &Targets,
        folds: &[Vec<usize>],
    ) -> Result<(Self, Array2<f64>), RouterError> {
        let x = to_f64(x);
        let mean = (x.mean_axis(Axis(0))).expect("a training set has at least one query");
        let centred = &x - &mean;
        let variance = centred.iter().map(|value| value * value).sum::<f64>() / x.nrows() as f64;
        let scale = if variance > 0.0 { variance } else { 1.0 };
        let penalty = Array2::from_diag_elem(x.ncols(), scale);
        let problem = Problem::new(&centred, &penalty, targets, folds);
        let mut found = problem.best(&LINEAR)?;
        found.map.offset = &found.map.offset - &mean.dot(&found.map.weights);
        Ok((Self(found.map), found.held_out))
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
    /// The map, and what those of the other folds say of every training query.
    pub(super) fn fit(
        x: ArrayView2<f32>,
        targets: &Targets,
        landmarks: usize,
        typical: f64,
        folds: &[Vec<usize>],
        seed: u64,
    ) -> Result<(Self, Array2<f64>), RouterError> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut chosen = index::sample(&mut rng, x.nrows(), landmarks.min(x.nrows())).into_vec();
        chosen.sort_unstable();
        let landmarks = x.select(Axis(0), &chosen);
        let points = Points::new(landmarks.clone());
        let squared = distances(&points, x);
        let among = distances(&points, landmarks.view());
        let mut best: Option<(f64, Found)> = None;
        for share in WIDTHS {
            let width = share * typical * typical;
            let features = squared.mapv(|squared| (-squared / width).exp());
            let mut penalty = among.mapv(|squared| (-squared / width).exp());
            penalty.diag_mut().mapv_inplace(|value| value + JITTER);
            let found = Problem::new(&features, &penalty, targets, folds).best(&KERNEL)?;
            if best
                .as_ref()
                .is_none_or(|(_, best)| found.error < best.error)
            {
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
    /// `[queries, columns]`
    held_out: Array2<f64>,
    /// Sum of squared held-out errors of quality.
    error: f64,
}

/// `min Σ (y - m - W f)² + α W' P W`, column by column, where `m` is the mean of the column.
struct Problem<'a> {
    features: &'a Array2<f64>,
    penalty: &'a Array2<f64>,
    targets: &'a Targets,
    folds: &'a [Vec<usize>],
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
        let factor = Cholesky::new(to_nalgebra(&left)).ok_or(RouterError::Singular {
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
        folds: &'a [Vec<usize>],
    ) -> Self {
        Self {
            features,
            penalty,
            targets,
            folds,
        }
    }

    /// The columns that were measured on the same rows, and these rows.
    fn groups(&self) -> Vec<(Vec<usize>, Vec<bool>)> {
        let mut groups: BTreeMap<Vec<bool>, Vec<usize>> = BTreeMap::new();
        for column in 0..self.targets.columns() {
            let rows = (0..self.targets.rows()).map(|row| self.targets.is_measured(row, column));
            groups.entry(rows.collect()).or_default().push(column);
        }
        groups
            .into_iter()
            .map(|(rows, columns)| (columns, rows))
            .collect()
    }

    /// The penalty, of these, with the least held-out error: one for quality, one for cost, one for its logarithm.
    fn best(&self, alphas: &[f64]) -> Result<Found, RouterError> {
        let (rows, columns) = self.targets.values.dim();
        let models = columns / 3;
        let groups = self.groups();
        // By group: the moments of every fold.
        let moments: Vec<Vec<Moments>> = (groups.iter())
            .map(|(columns, measured)| {
                (self.folds.par_iter())
                    .map(|fold| {
                        let rows: Vec<usize> =
                            fold.iter().copied().filter(|&row| measured[row]).collect();
                        let targets = self.targets.values.select(Axis(0), &rows);
                        Moments::of(
                            self.features.select(Axis(0), &rows).view(),
                            targets.select(Axis(1), columns).view(),
                        )
                    })
                    .collect()
            })
            .collect();
        let wholes: Vec<Moments> = (moments.iter())
            .map(|folds| {
                let (first, rest) = folds.split_first().expect("there is a fold");
                rest.iter().fold(first.clone(), Moments::plus)
            })
            .collect();
        let means: Vec<Array1<f64>> = (groups.iter())
            .map(|(columns, _)| self.targets.means.select(Axis(0), columns))
            .collect();

        // By penalty: predictions for all queries, each by the other folds.
        let tasks: Vec<(usize, usize, usize)> = (0..alphas.len())
            .flat_map(|alpha| (0..self.folds.len()).map(move |fold| (alpha, fold)))
            .flat_map(|(alpha, fold)| (0..groups.len()).map(move |group| (alpha, fold, group)))
            .collect();
        let solved: Vec<Array2<f64>> = (tasks.par_iter())
            .map(|&(alpha, fold, group)| {
                let others = wholes[group].minus(&moments[group][fold]);
                let map = others.solve(self.penalty, alphas[alpha], &means[group])?;
                let held = self.features.select(Axis(0), &self.folds[fold]);
                Ok(map.apply(held.view()))
            })
            .collect::<Result<_, RouterError>>()?;
        let mut held_out = vec![Array2::zeros((rows, columns)); alphas.len()];
        for (&(alpha, fold, group), predicted) in tasks.iter().zip(&solved) {
            for (at, &row) in self.folds[fold].iter().enumerate() {
                for (of, &column) in groups[group].0.iter().enumerate() {
                    held_out[alpha][[row, column]] = predicted[[at, of]];
                }
            }
        }

        let error = |alpha: usize, block: usize| -> f64 {
            let columns = block * models..(block + 1) * models;
            (columns.flat_map(|column| (0..rows).map(move |row| (row, column))))
                .filter(|&(row, column)| self.targets.is_measured(row, column))
                .map(|at| (held_out[alpha][at] - self.targets.values[at]).powi(2))
                .sum()
        };
        let chosen: Vec<usize> = (0..3)
            .map(|block| {
                let errors: Vec<f64> = (0..alphas.len()).map(|alpha| error(alpha, block)).collect();
                (0..alphas.len())
                    .min_by(|&a, &b| errors[a].total_cmp(&errors[b]))
                    .expect("there are penalties")
            })
            .collect();
        let mut found = Found {
            map: Map {
                weights: Array2::zeros((self.features.ncols(), columns)),
                offset: Array1::zeros(columns),
            },
            held_out: Array2::zeros((rows, columns)),
            error: error(chosen[0], 0),
        };
        for (group, (columns, _)) in groups.iter().enumerate() {
            let mut maps: BTreeMap<usize, Map> = BTreeMap::new();
            for (of, &column) in columns.iter().enumerate() {
                let alpha = chosen[column / models];
                if let std::collections::btree_map::Entry::Vacant(free) = maps.entry(alpha) {
                    free.insert(wholes[group].solve(self.penalty, alphas[alpha], &means[group])?);
                }
                let map = &maps[&alpha];
                found
                    .map
                    .weights
                    .column_mut(column)
                    .assign(&map.weights.column(of));
                found.map.offset[column] = map.offset[of];
                (found.held_out.column_mut(column)).assign(&held_out[alpha].column(column));
            }
        }
        Ok(found)
    }
}
