//! What kernels of CubeCL have in common. Tensors are in row-major order and in single precision.
#![allow(missing_docs, reason = "`#[cube]` makes a module of every function")]

use burn::backend::TensorMetadata;
use burn_cubecl::cubecl;
use burn_cubecl::cubecl::prelude::*;
use burn_cubecl::ops::numeric::empty_device_contiguous_dtype;
use burn_cubecl::tensor::CubeTensor;

/// Units of a cube at most: what every graphics API offers.
const UNITS: usize = 256;

/// Cubes in a row of the grid at most: what every graphics API offers.
const GRID: usize = 32_768;

/// The sum of one value of every unit of the cube, which all of them get.
#[cube]
pub fn sum_of_cube(shared: &mut Shared<[f32]>, value: f32) -> f32 {
    let unit = UNIT_POS as usize;
    // What was summed before has been read by all.
    sync_cube();
    shared[unit] = value;
    let mut active = CUBE_DIM as usize / 2;
    while active > 0 {
        sync_cube();
        if unit < active {
            let other = shared[unit + active];
            shared[unit] += other;
        }
        active /= 2;
    }
    sync_cube();
    shared[0]
}

/// The mean of a row and `1 / sqrt(variance + ε)`. Each unit has every so many `values` of the row, as many as there are `units` apart.
#[cube]
pub fn moments(
    shared: &mut Shared<[f32]>,
    values: &Array<f32>,
    epsilon: f32,
    #[comptime] width: usize,
    #[comptime] units: usize,
) -> (f32, f32) {
    let count = f32::cast_from(width);
    let columns = comptime!(width.div_ceil(units));
    let mut total = 0.0f32;
    #[unroll]
    for k in 0..columns {
        if UNIT_POS as usize + k * units < width {
            total += values[k];
        }
    }
    let mean = sum_of_cube(shared, total) / count;
    let mut squares = 0.0f32;
    #[unroll]
    for k in 0..columns {
        if UNIT_POS as usize + k * units < width {
            let gap = values[k] - mean;
            squares += gap * gap;
        }
    }
    let variance = sum_of_cube(shared, squares) / count;
    (mean, 1.0f32 / (variance + epsilon).sqrt())
}

/// `γ (value - mean) / sqrt(variance + ε) + β` for the values of a row, as [`moments`] takes them, to the row of `out` that begins at
/// `start`.
#[cube]
#[allow(clippy::too_many_arguments)]
pub fn layer_norm(
    shared: &mut Shared<[f32]>,
    values: &Array<f32>,
    gamma: &[f32],
    beta: &[f32],
    out: &mut [f32],
    start: usize,
    epsilon: f32,
    #[comptime] width: usize,
    #[comptime] units: usize,
) {
    let (mean, scale) = moments(shared, values, epsilon, width, units);
    let columns = comptime!(width.div_ceil(units));
    #[unroll]
    for k in 0..columns {
        let j = UNIT_POS as usize + k * units;
        if j < width {
            out[start + j] = (values[k] - mean) * scale * gamma[j] + beta[j];
        }
    }
}

/// The grid of so many cubes.
pub fn cubes(count: usize) -> CubeCount {
    let along = count.clamp(1, GRID);
    CubeCount::Static(along as u32, count.div_ceil(along).max(1) as u32, 1)
}

/// Units of a cube that works on rows of so many columns: a power of two.
pub fn units(columns: usize) -> usize {
    columns.next_power_of_two().clamp(1, UNITS)
}

/// A grid with one unit per value.
pub fn per_value(values: usize) -> (CubeCount, CubeDim) {
    (cubes(values.div_ceil(UNITS)), CubeDim::new_1d(UNITS as u32))
}

/// An uninitialised tensor where `like` is.
pub fn empty<const D: usize>(like: &CubeTensor, shape: [usize; D]) -> CubeTensor {
    let (client, device) = (like.client.clone(), like.device.clone());
    empty_device_contiguous_dtype(client, device, shape.into(), like.dtype)
}

/// Rows and columns.
pub fn sizes(tensor: &CubeTensor) -> [usize; 2] {
    let shape = tensor.shape();
    [shape[0], shape[1]]
}
