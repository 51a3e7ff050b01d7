//! Euclidean distances between queries and a fixed set of points, and the nearest points.

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis};
use rayon::prelude::*;
use routelab_kernels::{Threads, product};

/// Queries whose distances are computed as one matrix product.
const BLOCK: usize = 512;

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
                let mut products = Array2::zeros((block.nrows(), self.x.nrows())); // [block, points]
                product(*block, self.x.t(), products.view_mut(), Threads::One);
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
        let norms = self.norms.as_slice().expect("norms are a list");
        let products = products.to_slice().expect("products are a row");
        let mut distances: Vec<f32> = (products.iter().zip(norms))
            .map(|(product, other)| norm + other - 2.0 * product)
            .collect();
        for (point, (distance, other)) in distances.iter_mut().zip(norms).enumerate() {
            if *distance < CANCELLATION * (norm + other) {
                *distance = by_differences(&query, &stored[point * query.len()..][..query.len()]);
            }
        }
        distances
    }
}

/// The `k` nearest points, or all if there are fewer, in ascending order of distance; equal distances go to the earlier
/// point.
pub(crate) fn nearest(squared_distances: &[f32], k: usize) -> Vec<usize> {
    // The bits of numbers of at least 0 are in the order of the numbers; below them stands the point. Comparing such keys takes no
    // branch, which makes the selection several times as fast.
    let mut keys: Vec<u64> = (squared_distances.iter().enumerate())
        .map(|(point, distance)| (u64::from(distance.to_bits()) << 32) | point as u64)
        .collect();
    if k < keys.len() {
        keys.select_nth_unstable(k);
        keys.truncate(k);
    }
    keys.sort_unstable();
    keys.iter()
        .map(|key| (key & 0xffff_ffff) as usize)
        .collect()
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
