//! Euclidean distances between queries and a fixed set of points, and the nearest points.

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis};
use rayon::prelude::*;

/// Queries whose distances are computed as one matrix product.
const BLOCK: usize = 128;

/// Below this share of the two squared norms a squared distance is computed again by differences: the matrix product
/// loses its digits to cancellation there, and an exact match must be exactly zero.
const CANCELLATION: f32 = 1e-4;

/// Points `[points, dimension]`, ready to be searched.
pub(crate) struct Points {
    x: Array2<f32>,
    norms: Array1<f32>,
}

impl Points {
    pub(crate) fn new(x: Array2<f32>) -> Self {
        let x = x.as_standard_layout().into_owned();
        let norms = x.outer_iter().map(|row| row.dot(&row)).collect();
        Self { x, norms }
    }

    pub(crate) fn x(&self) -> &Array2<f32> {
        &self.x
    }

    /// What `f` makes of the squared distances of every query to all points, in the order of the queries. Queries are
    /// spread over threads in blocks that do not depend on their number.
    pub(crate) fn map<R: Send>(
        &self,
        queries: ArrayView2<f32>,
        f: impl Fn(&[f32]) -> R + Sync,
    ) -> Vec<R> {
        let blocks: Vec<ArrayView2<f32>> = queries.axis_chunks_iter(Axis(0), BLOCK).collect();
        let results: Vec<Vec<R>> = blocks
            .par_iter()
            .map(|block| {
                let products = block.dot(&self.x.t()); // [block, points]
                (block.outer_iter().zip(products.outer_iter()))
                    .map(|(query, products)| f(&self.squared(query, products)))
                    .collect()
            })
            .collect();
        results.into_iter().flatten().collect()
    }

    /// The squared distances of one query to all points.
    pub(crate) fn squared_distances(&self, query: ArrayView1<f32>) -> Vec<f32> {
        self.squared(query, self.x.dot(&query).view())
    }

    fn squared(&self, query: ArrayView1<f32>, products: ArrayView1<f32>) -> Vec<f32> {
        let norm = query.dot(&query);
        let query = query.to_vec();
        let stored = self.x.as_slice().expect("points are stored row by row");
        (products.iter().zip(&self.norms).enumerate())
            .map(|(point, (product, other))| {
                let distance = norm + other - 2.0 * product;
                if distance < CANCELLATION * (norm + other) {
                    by_differences(&query, &stored[point * query.len()..][..query.len()])
                } else {
                    distance
                }
            })
            .collect()
    }
}

/// The `k` nearest points, or all if there are fewer, in ascending order of distance; equal distances go to the earlier
/// point.
pub(crate) fn nearest(squared_distances: &[f32], k: usize) -> Vec<usize> {
    let order = |&a: &usize, &b: &usize| {
        (squared_distances[a].total_cmp(&squared_distances[b])).then(a.cmp(&b))
    };
    let mut points: Vec<usize> = (0..squared_distances.len()).collect();
    if k < points.len() {
        points.select_nth_unstable_by(k, order);
        points.truncate(k);
    }
    points.sort_unstable_by(order);
    points
}

/// The squared distance of two points. Several sums side by side, since the order of a single one
/// could not be changed to use vector instructions; tables with repeated prompts spend most of their time here.
fn by_differences(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0_f32; 8];
    let (a, a_rest) = a.as_chunks::<8>();
    let (b, b_rest) = b.as_chunks::<8>();
    for (a, b) in a.iter().zip(b) {
        let differences: [f32; 8] = std::array::from_fn(|lane| a[lane] - b[lane]);
        sums = std::array::from_fn(|lane| sums[lane] + differences[lane] * differences[lane]);
    }
    let rest = a_rest.iter().zip(b_rest).map(|(a, b)| (a - b) * (a - b));
    sums.iter().sum::<f32>() + rest.sum::<f32>()
}
