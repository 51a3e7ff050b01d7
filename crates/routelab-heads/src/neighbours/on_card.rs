//! Points that are searched on a graphics card.

use burn::tensor::{Device, Tensor};
use ndarray::{Array2, ArrayView2, Axis};
use rayon::prelude::*;
use routelab_device::{largest_buffer, piece_bytes};

use super::{Neighbour, candidates, nearest_of};
use crate::{Backend, HeadError, check_dimension, matrix};

/// Candidates beyond the `k` nearest: an eighth of them and so many more. The products that choose them need not be as exact as the
/// distances.
const RESERVE: usize = 16;

/// Points `[points, dimension]` in the memory of a graphics card, in single precision.
pub struct PointsOnCard {
    parts: Vec<Part>,
    dimension: usize,
    device: Device,
    sizes: Sizes,
}

/// Consecutive points.
struct Part {
    /// `[points, dimension]`
    x: Tensor<2>,
    /// Their squared norms, `[1, points]`.
    norms: Tensor<2>,
}

/// How much is searched at once.
#[derive(Clone, Copy)]
pub(super) struct Sizes {
    /// Points of a part.
    pub(super) part: usize,
    /// Values of the largest tensor of a block of queries.
    pub(super) block: usize,
}

impl Sizes {
    /// A part takes half of the largest buffer at most, each tensor of a block what a piece of work may; `None` where there is no graphics card.
    fn of(device: &Device, dimension: usize) -> Option<Self> {
        // Kernels number values in 32 bits.
        let values = |bytes: u64| (bytes / size_of::<f32>() as u64).min(1 << 31) as usize;
        Some(Self {
            part: (values(largest_buffer(device)? / 2) / dimension.max(1))
                .clamp(1, candidates::MOST),
            block: values(piece_bytes(device)?),
        })
    }
}

impl PointsOnCard {
    /// Copies the points to the backend's device; `None` if that is no graphics card. The backend's precision does not matter.
    pub fn new(points: ArrayView2<f32>, backend: &Backend) -> Option<Self> {
        let device = backend.device();
        let sizes = Sizes::of(device, points.ncols())?;
        Some(Self::with(points, device, sizes))
    }

    pub(super) fn with(points: ArrayView2<f32>, device: &Device, sizes: Sizes) -> Self {
        let parts = points.axis_chunks_iter(Axis(0), sizes.part).map(|x| Part {
            x: matrix::to_tensor(x, device),
            norms: matrix::to_tensor(squared_norms(x).t(), device),
        });
        Self {
            parts: parts.collect(),
            dimension: points.ncols(),
            device: device.clone(),
            sizes,
        }
    }

    /// What `f` makes of the `k` nearest points of every query of `[queries, dimension]`, in the order of the queries. `f` gets them in
    /// ascending order of distance, all if there are fewer; equal distances go to the earlier point.
    ///
    /// The distances are sums of squared differences in single precision, 0 for a point that is equal to the query. Those to `k` points and a
    /// reserve are computed; the card's matrix products choose them. Where these are less exact than single precision (TensorFloat-32), a
    /// point may be missed whose distance is nearly that of the `k`th.
    ///
    /// # Errors
    ///
    /// [`HeadError::Shape`] for queries of another dimension than the points, [`HeadError::Device`] if the card does not compute.
    pub fn nearest<R: Send>(
        &self,
        queries: ArrayView2<f32>,
        k: usize,
        f: impl Fn(&[Neighbour]) -> R + Sync,
    ) -> Result<Vec<R>, HeadError> {
        check_dimension(self.dimension, queries.ncols())?;
        let mut results = Vec::with_capacity(queries.nrows());
        for block in queries.axis_chunks_iter(Axis(0), self.block(k)) {
            let found = self.candidates(block, k)?;
            let of_query = |query: usize| {
                let candidates = found.iter().flat_map(|found| found.of(query));
                f(&nearest_of(candidates, k))
            };
            let answers: Vec<R> = (0..block.nrows()).into_par_iter().map(of_query).collect();
            results.extend(answers);
        }
        Ok(results)
    }

    /// Queries that are searched for at once, at least 1.
    fn block(&self, k: usize) -> usize {
        let widest = |part: &Part| part.len().max(2 * part.kept(k));
        let widest = self.parts.iter().map(widest).max().unwrap_or(1);
        (self.sizes.block / widest.max(self.dimension)).max(1)
    }

    /// What every part has to offer.
    fn candidates(&self, queries: ArrayView2<f32>, k: usize) -> Result<Vec<Found>, HeadError> {
        let x = matrix::to_tensor(queries, &self.device);
        let norms = matrix::to_tensor(squared_norms(queries).view(), &self.device);
        // One after the other: a block of every part at once might not fit.
        (self.parts.iter().enumerate())
            .map(|(number, part)| {
                let kept = part.kept(k);
                let found = candidates::of([&x, &norms], [&part.x, &part.norms], kept);
                Ok(Found {
                    first: number * self.sizes.part,
                    kept,
                    values: found.try_into_vec_as::<i32>()?,
                })
            })
            .collect()
    }
}

impl Part {
    fn len(&self) -> usize {
        self.x.dims()[0]
    }

    /// How many of its points are compared exactly for the sake of the `k` nearest.
    fn kept(&self, k: usize) -> usize {
        let points = self.len();
        let k = k.min(points);
        points.min(k + k / 8 + RESERVE)
    }
}

/// Candidates of a block of queries among the points of a part.
struct Found {
    /// The part's first point.
    first: usize,
    kept: usize,
    /// See [`candidates::of`].
    values: Vec<i32>,
}

impl Found {
    fn of(&self, query: usize) -> impl Iterator<Item = Neighbour> {
        let row = &self.values[query * 2 * self.kept..][..2 * self.kept];
        let (points, bits) = row.split_at(self.kept);
        (points.iter().zip(bits)).map(|(&point, &bits)| {
            Neighbour::new(self.first + point as usize, f32::from_bits(bits as u32))
        })
    }
}

/// `[rows, 1]`
fn squared_norms(x: ArrayView2<f32>) -> Array2<f32> {
    Array2::from_shape_fn((x.nrows(), 1), |(row, _)| x.row(row).dot(&x.row(row)))
}
