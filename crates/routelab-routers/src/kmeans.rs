//! k-means: Lloyd's algorithm from a k-means++ start (Arthur & Vassilvitskii 2007).

use ndarray::{Array2, ArrayView2, Axis};
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::nearest::{Points, nearest};
use crate::{column_means, to_f32, to_f64};

/// Lloyd's algorithm ends when no query changes its cluster, or after this many rounds.
const ROUNDS: usize = 300;

/// A partition of queries into clusters, none of them empty.
pub(crate) struct Clustering {
    /// Means of the clusters, `[clusters, dimension]`.
    pub(crate) centroids: Array2<f32>,
    /// The cluster of every query.
    pub(crate) labels: Vec<usize>,
    /// The squared distance of every query to its centroid.
    pub(crate) squared_distances: Vec<f32>,
}

impl Clustering {
    /// Clusters `x [queries, dimension]`: as many clusters as asked for, or one per distinct query if there are fewer.
    pub(crate) fn fit(x: ArrayView2<f32>, clusters: usize, seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        lloyd(x, spread(x, clusters, &mut rng))
    }

    /// The mean over every cluster of `values [queries, columns]`: `[clusters, columns]`.
    pub(crate) fn means(&self, values: ArrayView2<f64>) -> Array2<f64> {
        let clusters = self.centroids.nrows();
        let mut means = Array2::zeros((clusters, values.ncols()));
        let mut sizes = vec![0.0; clusters];
        for (&label, values) in self.labels.iter().zip(values.outer_iter()) {
            means.row_mut(label).scaled_add(1.0, &values);
            sizes[label] += 1.0;
        }
        for (mut mean, size) in means.outer_iter_mut().zip(sizes) {
            mean /= size;
        }
        means
    }

    /// [`means`](Self::means) over the queries that were measured; where none of a cluster was, the column's mean over all that
    /// were.
    pub(crate) fn measured_means(
        &self,
        values: ArrayView2<f64>,
        measured: Option<ArrayView2<bool>>,
    ) -> Array2<f64> {
        let Some(mask) = measured else {
            return self.means(values);
        };
        let fallback = column_means(values, measured);
        let shape = (self.centroids.nrows(), values.ncols());
        let (mut means, mut counts) = (Array2::zeros(shape), Array2::<f64>::zeros(shape));
        for ((row, column), &value) in values.indexed_iter() {
            if mask[[row, column]] {
                means[[self.labels[row], column]] += value;
                counts[[self.labels[row], column]] += 1.0;
            }
        }
        for ((cluster, column), mean) in means.indexed_iter_mut() {
            let count = counts[[cluster, column]];
            *mean = if count > 0.0 {
                *mean / count
            } else {
                fallback[column]
            };
        }
        means
    }
}

/// k-means++: each centroid is a query drawn with a probability that is proportional to its squared distance to the nearest
/// one before.
fn spread(x: ArrayView2<f32>, clusters: usize, rng: &mut impl Rng) -> Array2<f32> {
    let points = Points::new(x.to_owned());
    let mut chosen = vec![rng.random_range(0..x.nrows())];
    let mut distances = points.squared_distances(x.row(chosen[0]));
    while chosen.len() < clusters {
        let total: f64 = distances.iter().map(|&distance| f64::from(distance)).sum();
        let mut left = rng.random::<f64>() * total;
        let drawn = distances.iter().position(|&distance| {
            left -= f64::from(distance);
            left < 0.0
        });
        // Rounding may leave a little at the end; without any distance all queries are centroids already.
        let last = || distances.iter().rposition(|&distance| distance > 0.0);
        let Some(next) = drawn.or_else(last) else {
            break;
        };
        for (distance, new) in distances
            .iter_mut()
            .zip(points.squared_distances(x.row(next)))
        {
            *distance = distance.min(new);
        }
        chosen.push(next);
    }
    x.select(Axis(0), &chosen)
}

fn lloyd(x: ArrayView2<f32>, centroids: Array2<f32>) -> Clustering {
    let exact = to_f64(x);
    let mut clustering = assign(x, centroids);
    for _ in 0..ROUNDS {
        let next = assign(x, to_f32(clustering.means(exact.view()).view()));
        let settled = next.labels == clustering.labels;
        clustering = next;
        if settled {
            break;
        }
    }
    clustering
}

/// Every query to its nearest centroid; a cluster that gets none takes the query that is farthest from its own centroid.
fn assign(x: ArrayView2<f32>, centroids: Array2<f32>) -> Clustering {
    let clusters = centroids.nrows();
    let points = Points::new(centroids);
    let assigned = points.map(x, |squared| {
        let cluster = nearest(squared, 1)[0];
        (cluster.point(), cluster.squared_distance())
    });
    let (mut labels, mut squared_distances): (Vec<_>, Vec<_>) = assigned.into_iter().unzip();
    let mut sizes = vec![0; clusters];
    for &label in &labels {
        sizes[label] += 1;
    }
    for empty in 0..clusters {
        if sizes[empty] > 0 {
            continue;
        }
        let farthest = (0..labels.len())
            .filter(|&row| sizes[labels[row]] > 1)
            .max_by(|&a, &b| {
                (squared_distances[a].total_cmp(&squared_distances[b])).then(b.cmp(&a))
            })
            .expect("there are no more clusters than queries");
        sizes[labels[farthest]] -= 1;
        sizes[empty] = 1;
        labels[farthest] = empty;
        squared_distances[farthest] = 0.0;
    }
    Clustering {
        centroids: points.x().clone(),
        labels,
        squared_distances,
    }
}

#[cfg(test)]
mod tests {
    use ndarray::array;
    use serde::Deserialize;

    use super::*;

    fn matrix(rows: &[Vec<f64>]) -> Array2<f64> {
        Array2::from_shape_vec((rows.len(), rows[0].len()), rows.concat()).unwrap()
    }

    #[test]
    fn lloyd_equals_scikit_learn() {
        #[derive(Deserialize)]
        struct Reference {
            x: Vec<Vec<f64>>,
            initial: Vec<Vec<f64>>,
            centroids: Vec<Vec<f64>>,
            labels: Vec<usize>,
            inertia: f64,
        }
        let text = include_str!("../tests/fixtures/kmeans.json");
        let reference: Reference = serde_json::from_str(text).unwrap();
        let x = to_f32(matrix(&reference.x).view());
        let found = lloyd(x.view(), to_f32(matrix(&reference.initial).view()));
        assert_eq!(found.labels, reference.labels);
        let difference = to_f64(found.centroids.view()) - matrix(&reference.centroids);
        assert!(difference.iter().all(|value| value.abs() < 1e-6));
        let inertia: f64 = found.squared_distances.iter().map(|&d| f64::from(d)).sum();
        assert!((inertia - reference.inertia).abs() < 1e-4 * reference.inertia);
    }

    #[test]
    fn as_many_clusters_as_distinct_queries() {
        let x = array![[0.0_f32], [1.0], [0.0], [5.0], [1.0]];
        let found = Clustering::fit(x.view(), 200, 3);
        assert_eq!(found.centroids.nrows(), 3);
        assert!(
            found
                .squared_distances
                .iter()
                .all(|&distance| distance == 0.0)
        );
        assert_eq!(found.labels[0], found.labels[2]);
        assert_eq!(found.labels[1], found.labels[4]);
    }

    #[test]
    fn no_cluster_is_left_empty() {
        // Both queries at 0 are nearest to the first centroid, and nobody is near the second.
        let x = array![[0.0_f32], [0.1], [4.0]];
        let found = lloyd(x.view(), array![[0.0_f32], [-50.0], [4.0]]);
        let mut labels = found.labels.clone();
        labels.sort_unstable();
        assert_eq!(labels, [0, 1, 2]);
        assert_eq!(found.means(array![[1.0], [2.0], [3.0]].view()).sum(), 6.0);
    }

    #[test]
    fn separated_groups_are_found_from_any_seed() {
        let x = Array2::from_shape_fn((40, 2), |(row, axis)| {
            let centre = [[0.0, 0.0], [9.0, 0.0], [0.0, 9.0], [9.0, 9.0]][row % 4][axis];
            centre + 0.01 * (row / 4) as f32
        });
        for seed in 0..20 {
            let found = Clustering::fit(x.view(), 4, seed);
            for row in 4..40 {
                assert_eq!(found.labels[row], found.labels[row % 4], "seed {seed}");
            }
            assert_eq!(found.labels, Clustering::fit(x.view(), 4, seed).labels);
        }
    }
}
