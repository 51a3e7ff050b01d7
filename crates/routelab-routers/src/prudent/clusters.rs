//! Means over clusters of training queries.

use ndarray::{Array1, Array2, ArrayView1, ArrayView2};

use super::targets::{Folds, Targets};
use crate::kmeans::Clustering;
use crate::nearest::Points;
use crate::{stack, to_f32};

/// So many queries with the mean outcome of the model are added to every cluster.
const PRIOR: f64 = 5.0;
/// A cluster's weight falls by `e` with so much more squared distance, as a share of the typical squared distance of two queries.
const SOFTNESS: f64 = 1.0 / 16.0;
/// There are not more clusters than training queries over this.
const SIZE: usize = 8;

/// Clusters with their outcomes. They are found without outcomes, on all training queries.
pub(super) struct Clusters {
    centroids: Points,
    /// Mean outcomes `[clusters, columns]`, the prior counted in.
    means: Array2<f64>,
    /// The squared distance by which a weight falls by `e`.
    softness: f64,
}

/// The cluster of every training query.
pub(super) struct Labels(Vec<usize>);

impl Clusters {
    pub(super) fn fit(
        x: ArrayView2<f32>,
        targets: &Targets,
        clusters: usize,
        typical: f64,
        seed: u64,
    ) -> (Self, Labels) {
        let clustering = Clustering::fit(x, clusters.min(x.nrows().div_ceil(SIZE)), seed);
        let labels = Labels(clustering.labels);
        let count = clustering.centroids.nrows();
        let clusters = Self {
            means: labels.means(count, targets, 0..targets.rows(), targets.means.view()),
            centroids: Points::new(clustering.centroids),
            softness: SOFTNESS * typical * typical,
        };
        (clusters, labels)
    }

    /// What the outcomes of the other folds say of every training query `x`.
    pub(super) fn held_out(
        &self,
        labels: &Labels,
        x: ArrayView2<f32>,
        targets: &Targets,
        folds: &Folds,
    ) -> Array2<f64> {
        let mut held_out = Array2::zeros(targets.values.dim());
        let weights = self.weights(x);
        for (fold, held) in folds.rows.iter().enumerate() {
            let (others, prior) = (folds.others(fold), folds.means.row(fold));
            let means = labels.means(self.means.nrows(), targets, others, prior);
            for &row in held {
                (held_out.row_mut(row)).assign(&weights.row(row).dot(&means));
            }
        }
        held_out
    }

    pub(super) fn of(centroids: ArrayView2<f64>, means: Array2<f64>, softness: f64) -> Self {
        Self {
            centroids: Points::new(to_f32(centroids)),
            means,
            softness,
        }
    }

    pub(super) fn parts(&self) -> (Array2<f64>, &Array2<f64>, f64) {
        (
            self.centroids.x().mapv(f64::from),
            &self.means,
            self.softness,
        )
    }

    /// The weight of every cluster, `[queries, clusters]`; they add up to 1.
    fn weights(&self, x: ArrayView2<f32>) -> Array2<f64> {
        let rows: Vec<Array1<f64>> = self.centroids.map(x, |squared| {
            let nearest = squared.iter().copied().fold(f32::INFINITY, f32::min);
            let weights: Array1<f64> = (squared.iter())
                .map(|&squared| (-f64::from(squared - nearest) / self.softness).exp())
                .collect();
            &weights / weights.sum()
        });
        stack(&rows, self.means.nrows())
    }

    pub(super) fn predict(&self, x: ArrayView2<f32>) -> Array2<f64> {
        self.weights(x).dot(&self.means)
    }
}

impl Labels {
    /// Mean outcomes of these rows, `[clusters, columns]`, with a prior.
    fn means(
        &self,
        clusters: usize,
        targets: &Targets,
        rows: impl IntoIterator<Item = usize>,
        prior: ArrayView1<f64>,
    ) -> Array2<f64> {
        let shape = (clusters, targets.columns());
        let mut sums = Array2::from_shape_fn(shape, |(_, column)| PRIOR * prior[column]);
        let mut counts = Array2::from_elem(shape, PRIOR);
        for row in rows {
            let cluster = self.0[row];
            for column in 0..targets.columns() {
                if targets.is_measured(row, column) {
                    sums[[cluster, column]] += targets.values[[row, column]];
                    counts[[cluster, column]] += 1.0;
                }
            }
        }
        sums / counts
    }
}
