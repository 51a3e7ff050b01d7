//! Means over the nearest training queries, for several numbers of them, and how far away these are.

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis};
use routelab_heads::Backend;
use routelab_heads::neighbours::Neighbour;

use super::targets::{Folds, Targets};
use crate::nearest::Points;
use crate::{Archive, RouterError};

/// Added to distances before they are inverted, as a share of a typical distance.
const CLOSE: f64 = 1e-3;
/// So many neighbours with the mean outcome of the model and the mean weight are added to the real ones.
const PRIOR: f64 = 10.0;
/// Neighbours whose mean distance says how far away a query is from the training queries.
const NEAR: usize = 5;

/// Training queries with their outcomes.
pub(super) struct Neighbours {
    points: Points,
    values: Array2<f64>,
    measured: Option<Array2<bool>>,
    means: Array1<f64>,
    counts: Vec<usize>,
    typical: f64,
}

/// What neighbours say of some queries.
pub(super) struct Said {
    /// Predictions `[queries, columns]`, for every number of neighbours.
    pub(super) predictions: Vec<Array2<f64>>,
    /// Mean distances to the nearest training queries.
    pub(super) distances: Array1<f64>,
}

impl Neighbours {
    /// `typical`: a distance between two queries, above 0. `backend`: see [`Points::on`].
    pub(super) fn new(
        x: ArrayView2<f32>,
        targets: &Targets,
        counts: &[usize],
        typical: f64,
        backend: &Backend,
    ) -> Self {
        Self {
            points: Points::on(backend, x.to_owned()),
            values: targets.values.clone(),
            measured: targets.measured.clone(),
            means: targets.means.clone(),
            counts: counts.to_vec(),
            typical,
        }
    }

    /// The same with these rows only, and means of these.
    fn among(&self, rows: &[usize], means: ArrayView1<f64>, backend: &Backend) -> Self {
        Self {
            points: Points::on(backend, self.points.x().select(Axis(0), rows)),
            values: self.values.select(Axis(0), rows),
            measured: (self.measured.as_ref()).map(|measured| measured.select(Axis(0), rows)),
            means: means.to_owned(),
            counts: self.counts.clone(),
            typical: self.typical,
        }
    }

    /// What the other folds say of every training query.
    pub(super) fn held_out(&self, folds: &Folds, backend: &Backend) -> Result<Said, RouterError> {
        let rows = self.values.nrows();
        let mut said = Said {
            predictions: vec![Array2::zeros(self.values.dim()); self.counts.len()],
            distances: Array1::zeros(rows),
        };
        for (fold, held) in folds.rows.iter().enumerate() {
            let x = self.points.x().select(Axis(0), held);
            let others = self.among(&folds.others(fold), folds.means.row(fold), backend);
            let found = others.say(x.view())?;
            for (at, &row) in held.iter().enumerate() {
                said.distances[row] = found.distances[at];
                for (all, found) in said.predictions.iter_mut().zip(&found.predictions) {
                    all.row_mut(row).assign(&found.row(at));
                }
            }
        }
        Ok(said)
    }

    pub(super) fn say(&self, queries: ArrayView2<f32>) -> Result<Said, RouterError> {
        let most = self.counts.iter().copied().max().unwrap_or(0).max(NEAR);
        let columns = self.values.ncols();
        let distance = |near: &Neighbour| f64::from(near.squared_distance()).sqrt();
        let answers = self.points.nearest(queries, most, |near| {
            let some = &near[..NEAR.min(near.len())];
            let far = some.iter().map(distance).sum::<f64>() / some.len() as f64;
            let means = (self.counts.iter()).map(|&count| {
                let near = &near[..count.min(near.len())];
                self.mean(near, |one| 1.0 / (distance(one) + CLOSE * self.typical))
            });
            (means.collect::<Vec<_>>(), far)
        })?;
        let mut said = Said {
            predictions: vec![Array2::zeros((queries.nrows(), columns)); self.counts.len()],
            distances: Array1::zeros(queries.nrows()),
        };
        for (query, (means, far)) in answers.into_iter().enumerate() {
            said.distances[query] = far;
            for (predictions, mean) in said.predictions.iter_mut().zip(means) {
                (predictions.row_mut(query)).assign(&ArrayView1::from(&mean));
            }
        }
        Ok(said)
    }

    /// The weighted mean of every column over these rows and the prior.
    fn mean(&self, near: &[Neighbour], weight: impl Fn(&Neighbour) -> f64) -> Vec<f64> {
        let weights: Vec<f64> = near.iter().map(weight).collect();
        let prior = PRIOR * weights.iter().sum::<f64>() / weights.len() as f64;
        let mut sums = self.means.mapv(|mean| prior * mean).to_vec();
        let mut totals = vec![prior; sums.len()];
        for (neighbour, &weight) in near.iter().zip(&weights) {
            let row = neighbour.point();
            let values = self.values.row(row);
            match &self.measured {
                None => {
                    for (sum, value) in sums.iter_mut().zip(values) {
                        *sum += weight * value;
                    }
                    totals[0] += weight;
                }
                Some(measured) => {
                    for (column, &is) in measured.row(row).iter().enumerate() {
                        if is {
                            sums[column] += weight * values[column];
                            totals[column] += weight;
                        }
                    }
                }
            }
        }
        if self.measured.is_none() {
            let total = totals[0];
            totals.fill(total);
        }
        (sums.iter().zip(totals))
            .map(|(sum, total)| sum / total)
            .collect()
    }

    /// The dimension of embeddings.
    pub(super) fn dimension(&self) -> usize {
        self.points.x().ncols()
    }

    pub(super) fn save(&self, archive: &mut Archive) {
        archive.put_matrix("x", &self.points.x().mapv(f64::from));
        archive.put_matrix("values", &self.values);
        if let Some(measured) = &self.measured {
            archive.put_matrix("measured", &measured.mapv(|is| f64::from(u8::from(is))));
        }
        archive.put("neighbours", &self.counts);
        archive.put("typical", &self.typical);
    }
}
