//! Candidates for the nearest points as an operation of graphics cards: a matrix product, and three kernels of CubeCL.

use burn::backend::fusion::custom::TensorSpec;
use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Backend, Dispatch, backend_extension};
use burn::tensor::{DType, Int, Tensor};
use burn_cubecl::cubecl::prelude::*;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::ops::numeric::empty_device_contiguous_dtype;
use burn_cubecl::tensor::CubeTensor;
use burn_cubecl::{CubeBackend, cubecl};
use routelab_device::cube::{cubes, per_value, sizes, sum_of_cube, units};

use crate::cube::own;

/// Points among which candidates are found, at most: as many are counted exactly in single precision.
pub(super) const MOST: usize = 1 << 24;

/// Below this share of the two squared norms a squared distance is computed again by differences: matrix products lose their digits to
/// cancellation there, of which TensorFloat-32 has 11 bits.
const CANCELLATION: f32 = 1.0 / 256.0;

/// For every query the `kept` nearest points, by distances as exact as matrix products are, and the squared distances to them as sums of
/// squared differences. `[queries, 2 · kept]`: the points, in no order that means something, then the bits of their distances. Of points at
/// the distance of the last one, the first are taken.
///
/// `queries` and `points`: `[rows, dimension]` and the rows' squared norms. At least one point is kept, at most all.
pub(super) fn of(queries: [&Tensor<2>; 2], points: [&Tensor<2>; 2], kept: usize) -> Tensor<2, Int> {
    let products = queries[0].clone().matmul(points[0].clone().transpose());
    let [queries, query_norms] = queries.map(|one| one.clone().into_dispatch());
    let [points, point_norms] = points.map(|one| one.clone().into_dispatch());
    Tensor::from_dispatch(<Dispatch as Candidates>::candidates(
        products.into_dispatch(),
        queries,
        points,
        query_norms,
        point_norms,
        kept,
    ))
}

/// See [`of`]; `products`: of the queries with the points, `[queries, points]`.
#[backend_extension(Cube, Fusion)]
pub trait Candidates: Backend {
    /// Points and distances.
    #[fusion(meta = |products, _, _, _, _, kept| TensorSpec::new([products.shape[0], 2 * *kept].into(), DType::I32))]
    fn candidates(
        products: FloatTensor<Self>,
        queries: FloatTensor<Self>,
        points: FloatTensor<Self>,
        query_norms: FloatTensor<Self>,
        point_norms: FloatTensor<Self>,
        kept: usize,
    ) -> IntTensor<Self>;
}

impl Candidates for CubeBackend {
    fn candidates(
        products: FloatTensor<Self>,
        queries: FloatTensor<Self>,
        points: FloatTensor<Self>,
        query_norms: FloatTensor<Self>,
        point_norms: FloatTensor<Self>,
        kept: usize,
    ) -> IntTensor<Self> {
        let vectors = [queries, points].map(into_contiguous);
        let norms = [query_norms, point_norms].map(into_contiguous);
        let distances = squared_distances(own(products), vectors.clone(), norms);
        chosen(distances, vectors, kept)
    }
}

/// Squared distances in place of products.
fn squared_distances(
    products: CubeTensor,
    [queries, points]: [CubeTensor; 2],
    [query_norms, point_norms]: [CubeTensor; 2],
) -> CubeTensor {
    let ([rows, dimension], [count, _]) = (sizes(&queries), sizes(&points));
    let client = products.client.clone();
    let (cubes, units) = per_value(rows * count);
    squared_distances_kernel::launch(
        &client,
        cubes,
        units,
        products.clone().into_buffer_arg(),
        queries.into_buffer_arg(),
        points.into_buffer_arg(),
        query_norms.into_buffer_arg(),
        point_norms.into_buffer_arg(),
        count,
        dimension,
        CANCELLATION,
    );
    products
}

/// The points of the smallest distances, and these again.
fn chosen(distances: CubeTensor, [queries, points]: [CubeTensor; 2], kept: usize) -> CubeTensor {
    let ([rows, dimension], [count, _]) = (sizes(&queries), sizes(&points));
    let client = distances.client.clone();
    let device = distances.device.clone();
    let shape = [rows, 2 * kept].into();
    let out = empty_device_contiguous_dtype(client.clone(), device, shape, DType::I32);
    let units = units(count);
    smallest_kernel::launch(
        &client,
        cubes(rows),
        CubeDim::new_1d(units as u32),
        distances.into_buffer_arg(),
        out.clone().into_buffer_arg(),
        rows,
        count,
        kept,
        units,
    );
    let (cubes, units) = per_value(rows * kept);
    exact_kernel::launch(
        &client,
        cubes,
        units,
        queries.into_buffer_arg(),
        points.into_buffer_arg(),
        out.clone().into_buffer_arg(),
        rows * kept,
        kept,
        dimension,
    );
    out
}

/// The squared distance of a row of each of two matrices, which begin at these places.
#[cube]
fn by_differences(a: &[f32], from_a: usize, b: &[f32], from_b: usize, dimension: usize) -> f32 {
    let mut total = 0.0f32;
    for j in 0..dimension {
        let gap = a[from_a + j] - b[from_b + j];
        total += gap * gap;
    }
    total
}

/// One unit per query and point.
#[cube(launch)]
#[allow(clippy::too_many_arguments)]
fn squared_distances_kernel(
    products: &mut [f32],
    queries: &[f32],
    points: &[f32],
    query_norms: &[f32],
    point_norms: &[f32],
    count: usize,
    dimension: usize,
    cancellation: f32,
) {
    let place = ABSOLUTE_POS;
    if place < products.len() {
        let (query, point) = (place / count, place % count);
        let norms = query_norms[query] + point_norms[point];
        let mut distance = norms - 2.0f32 * products[place];
        if distance < cancellation * norms {
            let (from_query, from_point) = (query * dimension, point * dimension);
            distance = by_differences(queries, from_query, points, from_point, dimension);
        }
        products[place] = distance;
    }
}

/// What all units before this one have together.
#[cube]
fn sum_before(shared: &mut Shared<[f32]>, value: f32) -> f32 {
    let unit = UNIT_POS as usize;
    // What was shared before has been read by all.
    sync_cube();
    shared[unit] = value;
    sync_cube();
    let mut total = 0.0f32;
    for other in 0..unit {
        total += shared[other];
    }
    total
}

/// One cube per query: the points of the `kept` smallest distances, to the first half of the query's row of `chosen`. The bits of numbers of at
/// least 0 are in the order of the numbers.
#[cube(launch)]
fn smallest_kernel(
    distances: &[f32],
    chosen: &mut [i32],
    queries: usize,
    count: usize,
    kept: usize,
    #[comptime] units: usize,
) {
    let query = CUBE_POS;
    if query >= queries {
        terminate!();
    }
    let unit = UNIT_POS as usize;
    let mut shared = Shared::<[f32]>::new_slice(units);
    let start = query * count;
    let wanted = f32::cast_from(kept);
    // The bits of the last of the smallest, from the highest one: each is 1 if fewer distances than are wanted would be below it.
    let mut last = 0u32;
    let mut below_last = 0.0f32;
    let mut bit = 0x8000_0000u32;
    for _ in 0..32u32 {
        let bound = last | bit;
        let mut own = 0.0f32;
        let mut point = unit;
        while point < count {
            let is_below = u32::reinterpret(distances[start + point]) < bound;
            own += select(is_below, 1.0f32, 0.0f32);
            point += units;
        }
        let below = sum_of_cube(&mut shared, own);
        let is_one = below < wanted;
        last = select(is_one, bound, last);
        below_last = select(is_one, below, below_last);
        bit >>= 1u32;
    }
    // Every unit has points of its own in a row, so that the points' order does not depend on which unit is first.
    let each = count.div_ceil(units);
    let first = min(unit * each, count);
    let end = min(first + each, count);
    let mut below = 0.0f32;
    let mut equal = 0.0f32;
    for point in first..end {
        let bits = u32::reinterpret(distances[start + point]);
        below += select(bits < last, 1.0f32, 0.0f32);
        equal += select(bits == last, 1.0f32, 0.0f32);
    }
    let mut at = usize::cast_from(sum_before(&mut shared, below));
    let mut at_equal = usize::cast_from(below_last + sum_before(&mut shared, equal));
    let row = query * 2 * kept;
    for point in first..end {
        let bits = u32::reinterpret(distances[start + point]);
        if bits < last {
            chosen[row + at] = i32::cast_from(point);
            at += 1;
        } else if bits == last && at_equal < kept {
            chosen[row + at_equal] = i32::cast_from(point);
            at_equal += 1;
        }
    }
}

/// One unit per candidate: its distance, to the second half of the query's row of `chosen`.
#[cube(launch)]
fn exact_kernel(
    queries: &[f32],
    points: &[f32],
    chosen: &mut [i32],
    candidates: usize,
    kept: usize,
    dimension: usize,
) {
    let place = ABSOLUTE_POS;
    if place < candidates {
        let query = place / kept;
        let at = query * 2 * kept + place % kept;
        let point = usize::cast_from(chosen[at]);
        let (from_query, from_point) = (query * dimension, point * dimension);
        let distance = by_differences(queries, from_query, points, from_point, dimension);
        chosen[at + kept] = i32::reinterpret(distance);
    }
}
