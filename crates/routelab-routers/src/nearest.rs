//! Euclidean distances between queries and a fixed set of points, and the nearest points.

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis};
use rayon::prelude::*;
use routelab_heads::Backend;
use routelab_heads::neighbours::{Neighbour, PointsOnCard, nearest_of};
use routelab_kernels::{Threads, product, vectorised};

use crate::RouterError;

/// Queries whose distances are computed as one matrix product.
const BLOCK: usize = 512;

/// Below this share of the two squared norms a squared distance is computed again by differences: the matrix product
/// loses its digits to cancellation there, and an exact match must be exactly zero.
const CANCELLATION: f32 = 1e-4;

/// Points `[points, dimension]`, ready to be searched.
pub(crate) struct Points {
    x: Array2<f32>,
    norms: Array1<f32>,
    on_card: Option<PointsOnCard>,
}

impl Points {
    /// Points that are searched on the processor.
    pub(crate) fn new(x: Array2<f32>) -> Self {
        let x = x.as_standard_layout().into_owned();
        let norms = x.outer_iter().map(|row| row.dot(&row)).collect();
        Self {
            x,
            norms,
            on_card: None,
        }
    }

    /// Points whose nearest are found on the backend, if that is a graphics card; there they lie in its memory too.
    pub(crate) fn on(backend: &Backend, x: Array2<f32>) -> Self {
        Self {
            on_card: PointsOnCard::new(x.view(), backend),
            ..Self::new(x)
        }
    }

    pub(crate) fn x(&self) -> &Array2<f32> {
        &self.x
    }

    /// What `f` makes of the `k` nearest points of every query, see [`nearest`], in the order of the queries.
    pub(crate) fn nearest<R: Send>(
        &self,
        queries: ArrayView2<f32>,
        k: usize,
        f: impl Fn(&[Neighbour]) -> R + Sync,
    ) -> Result<Vec<R>, RouterError> {
        match &self.on_card {
            Some(points) => Ok(points.nearest(queries, k, f)?),
            None => Ok(self.map(queries, |squared| f(&nearest(squared, k)))),
        }
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
                (block.outer_iter().zip(products.outer_iter_mut()))
                    .map(|(query, products)| {
                        let distances = products.into_slice().expect("rows are contiguous");
                        self.to_squared_distances(query, distances);
                        f(distances)
                    })
                    .collect()
            })
            .collect();
        results.into_iter().flatten().collect()
    }

    /// The squared distances of one query to all points.
    pub(crate) fn squared_distances(&self, query: ArrayView1<f32>) -> Vec<f32> {
        let mut distances = self.x.dot(&query).to_vec();
        self.to_squared_distances(query, &mut distances);
        distances
    }

    /// Turns the products of a query with all points into its squared distances to them.
    fn to_squared_distances(&self, query: ArrayView1<f32>, products: &mut [f32]) {
        let norm = query.dot(&query);
        let stored = self.x.as_slice().expect("points are stored row by row");
        let norms = self.norms.as_slice().expect("norms are a list");
        let cancels = |distance: f32, other: f32| distance < CANCELLATION * (norm + other);
        let any = vectorised(
            #[inline(always)]
            || {
                let mut any = false;
                for (product, other) in products.iter_mut().zip(norms) {
                    *product = norm + other - 2.0 * *product;
                    any |= cancels(*product, *other);
                }
                any
            },
        );
        if any {
            let query = query.to_vec();
            for (point, (distance, other)) in products.iter_mut().zip(norms).enumerate() {
                if cancels(*distance, *other) {
                    *distance =
                        by_differences(&query, &stored[point * query.len()..][..query.len()]);
                }
            }
        }
    }
}

/// The `k` nearest points, or all if there are fewer, in ascending order of distance; equal distances go to the earlier
/// point.
pub(crate) fn nearest(squared_distances: &[f32], k: usize) -> Vec<Neighbour> {
    let mut near = up_to(squared_distances, likely_bound(squared_distances, k));
    if near.len() < k {
        near = up_to(squared_distances, u32::MAX);
    }
    let near = near.into_iter();
    nearest_of(
        near.map(|point| Neighbour::new(point, squared_distances[point])),
        k,
    )
}

/// The points whose distances have bits up to `bound`.
fn up_to(squared_distances: &[f32], bound: u32) -> Vec<usize> {
    // Always written, and kept by counting on: no branch to mispredict.
    let (mut near, mut count) = (vec![0; squared_distances.len()], 0);
    for (point, distance) in squared_distances.iter().enumerate() {
        near[count] = point;
        count += usize::from(distance.to_bits() <= bound);
    }
    near.truncate(count);
    near
}

/// The bits of a distance that the `k`th smallest is unlikely to exceed, from a sample; most points are beyond it.
fn likely_bound(squared_distances: &[f32], k: usize) -> u32 {
    const STRIDE: usize = 8;
    let sample = squared_distances.iter().step_by(STRIDE);
    let mut sample: Vec<u32> = sample.map(|distance| distance.to_bits()).collect();
    // The mean is `k / STRIDE`; 16 and a quarter more are several standard deviations for all `k`.
    let rank = k / STRIDE + k / STRIDE / 4 + 16;
    if rank < sample.len() {
        *sample.select_nth_unstable(rank).1
    } else {
        u32::MAX
    }
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
