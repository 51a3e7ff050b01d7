//! The arithmetic of [`kernels`](crate::kernels) and of EquiRouter's operations on graphics cards, as kernels of CubeCL.
//!
//! A step of training computes little for each kernel that is launched, so launching is what takes the time: every operation is one
//! kernel, and its way back one or two, where Burn's operations would be ten. Matrices are in row-major order and in single precision.

use burn::backend::TensorMetadata;
use burn_cubecl::cubecl;
use burn_cubecl::cubecl::prelude::*;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;
use routelab_device::cube::{
    cubes, empty, layer_norm, moments, per_value, sizes, sum_of_cube, units,
};

use crate::kernels::AdamStep;

/// Rows of one piece of work of the ways back, whose sums over rows are added up piece by piece.
const PIECE: usize = 8;

/// `Φ(x)`
#[cube]
fn normal(x: f32) -> f32 {
    (1.0f32 + Erf::erf(x * std::f32::consts::FRAC_1_SQRT_2)) * 0.5f32
}

/// `x · Φ(x)`
#[cube]
fn gelu(x: f32) -> f32 {
    x * normal(x)
}

/// `Φ(x) + x φ(x)`
#[cube]
fn gelu_slope(x: f32) -> f32 {
    // 1 / sqrt(2 π)
    normal(x) + x * 0.398_942_3f32 * (x * x * -0.5f32).exp()
}

#[cube(launch)]
#[allow(clippy::too_many_arguments)]
fn activate_kernel(
    x: &[f32],
    added: &[f32],
    gamma: &[f32],
    beta: &[f32],
    sums: &mut [f32],
    out: &mut [f32],
    rows: usize,
    models: usize,
    epsilon: f32,
    #[comptime] width: usize,
    #[comptime] units: usize,
    #[comptime] keep: bool,
) {
    let row = CUBE_POS;
    if row >= rows {
        terminate!();
    }
    let unit = UNIT_POS as usize;
    let (start, of_model) = (row * width, row % models * width);
    let mut shared = Shared::<[f32]>::new_slice(units);
    let columns = comptime!(width.div_ceil(units));
    let mut values = Array::<f32>::new(columns);
    #[unroll]
    for k in 0..columns {
        let j = unit + k * units;
        if j < width {
            let sum = x[start + j] + added[of_model + j];
            if comptime!(keep) {
                sums[start + j] = sum;
            }
            values[k] = gelu(sum);
        }
    }
    layer_norm(
        &mut shared,
        &values,
        gamma,
        beta,
        out,
        start,
        epsilon,
        width,
        units,
    );
}

/// One cube has the rows of one model in one piece of the queries. `partial`: sums over them of what the gradients of `γ`, `β` and of what
/// was added are made of, `[pieces, models, 3, width]`.
#[cube(launch)]
#[allow(clippy::too_many_arguments)]
fn activate_backward_kernel(
    gradient: &[f32],
    sums: &[f32],
    gamma: &[f32],
    d_x: &mut [f32],
    partial: &mut [f32],
    queries: usize,
    models: usize,
    epsilon: f32,
    #[comptime] width: usize,
    #[comptime] units: usize,
) {
    let cube = CUBE_POS;
    let first = cube / models * PIECE;
    if first >= queries {
        terminate!();
    }
    let (unit, model) = (UNIT_POS as usize, cube % models);
    let mut shared = Shared::<[f32]>::new_slice(units);
    let columns = comptime!(width.div_ceil(units));
    let count = f32::cast_from(width);
    let mut sum_gamma = Array::<f32>::new(columns);
    let mut sum_beta = Array::<f32>::new(columns);
    let mut sum_added = Array::<f32>::new(columns);
    let mut values = Array::<f32>::new(columns);
    let mut scaled = Array::<f32>::new(columns);
    #[unroll]
    for k in 0..columns {
        sum_gamma[k] = 0.0f32;
        sum_beta[k] = 0.0f32;
        sum_added[k] = 0.0f32;
    }
    let last = min(first + PIECE, queries);
    for query in first..last {
        let start = (query * models + model) * width;
        #[unroll]
        for k in 0..columns {
            let j = unit + k * units;
            if j < width {
                values[k] = gelu(sums[start + j]);
            }
        }
        let (mean, scale) = moments(&mut shared, &values, epsilon, width, units);
        let mut total = 0.0f32;
        let mut along = 0.0f32;
        #[unroll]
        for k in 0..columns {
            let j = unit + k * units;
            if j < width {
                let n = (values[k] - mean) * scale;
                let dy = gradient[start + j];
                let e = dy * gamma[j];
                sum_gamma[k] += dy * n;
                sum_beta[k] += dy;
                values[k] = n;
                scaled[k] = e;
                total += e;
                along += e * n;
            }
        }
        let mean = sum_of_cube(&mut shared, total) / count;
        let slant = sum_of_cube(&mut shared, along) / count;
        #[unroll]
        for k in 0..columns {
            let j = unit + k * units;
            if j < width {
                let inner = scale * (scaled[k] - mean - values[k] * slant);
                let dx = inner * gelu_slope(sums[start + j]);
                d_x[start + j] = dx;
                sum_added[k] += dx;
            }
        }
    }
    let to = cube * 3 * width;
    #[unroll]
    for k in 0..columns {
        let j = unit + k * units;
        if j < width {
            partial[to + j] = sum_gamma[k];
            partial[to + width + j] = sum_beta[k];
            partial[to + 2 * width + j] = sum_added[k];
        }
    }
}

/// One unit per value of the three gradients: adds up what the pieces have.
#[cube(launch)]
fn activate_sums_kernel(
    partial: &[f32],
    d_gamma: &mut [f32],
    d_beta: &mut [f32],
    d_added: &mut [f32],
    pieces: usize,
    models: usize,
    #[comptime] width: usize,
) {
    let place = ABSOLUTE_POS;
    let (row, j) = (place / width, place % width);
    if row < models {
        let mut total = 0.0f32;
        for piece in 0..pieces {
            total += partial[((piece * models + row) * 3 + 2) * width + j];
        }
        d_added[place] = total;
    } else if row < models + 2 {
        let which = row - models;
        let mut total = 0.0f32;
        for cube in 0..pieces * models {
            total += partial[(cube * 3 + which) * width + j];
        }
        if which == 0 {
            d_gamma[j] = total;
        } else {
            d_beta[j] = total;
        }
    }
}

/// One unit per value.
#[cube(launch)]
fn gaps_kernel(
    z: &[f32],
    scale: &[f32],
    shift: &[f32],
    out: &mut [f32],
    models: usize,
    #[comptime] width: usize,
) {
    let place = ABSOLUTE_POS;
    if place < out.len() {
        let (row, j) = (place / width, place % width);
        let of_model = row % models * width + j;
        let gap = z[row / models * width + j] * scale[of_model] + shift[of_model];
        out[place] = gap.abs();
    }
}

/// One unit per column and piece of the queries. `partial`: sums over the queries of the piece, `[pieces, 2, models, width]`.
#[cube(launch)]
#[allow(clippy::too_many_arguments)]
fn gaps_backward_kernel(
    gradient: &[f32],
    z: &[f32],
    scale: &[f32],
    shift: &[f32],
    d_z: &mut [f32],
    partial: &mut [f32],
    queries: usize,
    models: usize,
    #[comptime] width: usize,
) {
    let place = ABSOLUTE_POS;
    let (piece, j) = (place / width, place % width);
    let first = piece * PIECE;
    if first < queries {
        let last = min(first + PIECE, queries);
        let mut sums = Array::<f32>::new(PIECE);
        for q in 0..PIECE {
            sums[q] = 0.0f32;
        }
        for model in 0..models {
            let of_model = model * width + j;
            let mut d_scale = 0.0f32;
            let mut d_shift = 0.0f32;
            for query in first..last {
                let value = z[query * width + j];
                let gap = value * scale[of_model] + shift[of_model];
                let slope = gradient[(query * models + model) * width + j];
                let e = select(gap > 0.0f32, slope, select(gap < 0.0f32, -slope, 0.0f32));
                sums[query - first] += e * scale[of_model];
                d_scale += e * value;
                d_shift += e;
            }
            partial[(piece * 2 * models + model) * width + j] = d_scale;
            partial[((piece * 2 + 1) * models + model) * width + j] = d_shift;
        }
        for query in first..last {
            d_z[query * width + j] = sums[query - first];
        }
    }
}

/// One unit per value of the two gradients: adds up what the pieces have, `[pieces, 2, size]`.
#[cube(launch)]
fn pair_sums_kernel(
    partial: &[f32],
    first: &mut [f32],
    second: &mut [f32],
    pieces: usize,
    size: usize,
) {
    let place = ABSOLUTE_POS;
    if place < 2 * size {
        let mut total = 0.0f32;
        for piece in 0..pieces {
            total += partial[piece * 2 * size + place];
        }
        if place < size {
            first[place] = total;
        } else {
            second[place - size] = total;
        }
    }
}

/// One unit per value, `[d, models · h]`. `with_products`: whether the layer has a third block.
#[cube(launch)]
#[allow(clippy::too_many_arguments)]
fn mix_kernel(
    weight: &[f32],
    scale: &[f32],
    projection: &[f32],
    out: &mut [f32],
    models: usize,
    width: usize,
    hidden: usize,
    #[comptime] with_products: bool,
) {
    let place = ABSOLUTE_POS;
    if place < out.len() {
        let (i, of_row) = (place / (models * hidden), place % (models * hidden));
        let (model, j) = (of_row / hidden, of_row % hidden);
        let at = model * width + i;
        let mut value = weight[i * hidden + j];
        if comptime!(with_products) {
            value += projection[at] * weight[(2 * width + i) * hidden + j];
        }
        out[place] = value * scale[at];
    }
}

/// One cube per row `i` of the blocks.
#[cube(launch)]
#[allow(clippy::too_many_arguments)]
fn mix_backward_kernel(
    gradient: &[f32],
    weight: &[f32],
    scale: &[f32],
    projection: &[f32],
    d_weight: &mut [f32],
    d_scale: &mut [f32],
    d_projection: &mut [f32],
    models: usize,
    width: usize,
    #[comptime] hidden: usize,
    #[comptime] blocks: usize,
    #[comptime] units: usize,
) {
    let i = CUBE_POS;
    if i >= width {
        terminate!();
    }
    let unit = UNIT_POS as usize;
    let mut shared = Shared::<[f32]>::new_slice(units);
    let columns = comptime!(hidden.div_ceil(units));
    let mut d_first = Array::<f32>::new(columns);
    let mut d_third = Array::<f32>::new(columns);
    #[unroll]
    for k in 0..columns {
        d_first[k] = 0.0f32;
        d_third[k] = 0.0f32;
    }
    for model in 0..models {
        let at = model * width + i;
        let (s, p) = (scale[at], projection[at]);
        let mut along = 0.0f32;
        let mut across = 0.0f32;
        #[unroll]
        for k in 0..columns {
            let j = unit + k * units;
            if j < hidden {
                let g = gradient[(i * models + model) * hidden + j];
                d_first[k] += s * g;
                along += g * weight[i * hidden + j];
                if comptime!(blocks > 2) {
                    d_third[k] += p * s * g;
                    across += g * weight[(2 * width + i) * hidden + j];
                }
            }
        }
        let along = sum_of_cube(&mut shared, along);
        let across = sum_of_cube(&mut shared, across);
        if unit == 0 {
            d_scale[at] = along + p * across;
            d_projection[at] = s * across;
        }
    }
    #[unroll]
    for k in 0..columns {
        let j = unit + k * units;
        if j < hidden {
            d_weight[i * hidden + j] = d_first[k];
            d_weight[(width + i) * hidden + j] = 0.0f32;
            if comptime!(blocks > 2) {
                d_weight[(2 * width + i) * hidden + j] = d_third[k];
                d_weight[(3 * width + i) * hidden + j] = 0.0f32;
            }
        }
    }
}

/// One unit per value.
#[cube(launch)]
#[allow(clippy::too_many_arguments)]
fn adam_kernel(
    values: &mut [f32],
    moment_1: &mut [f32],
    moment_2: &mut [f32],
    gradient: &[f32],
    beta_1: f32,
    beta_2: f32,
    correction: f32,
    epsilon: f32,
    learning_rate: f32,
) {
    let place = ABSOLUTE_POS;
    if place < values.len() {
        let g = gradient[place];
        let m = moment_1[place] * beta_1 + g * (1.0f32 - beta_1);
        let v = moment_2[place] * beta_2 + g * g * (1.0f32 - beta_2);
        moment_1[place] = m;
        moment_2[place] = v;
        values[place] -= m * correction / (v.sqrt() + epsilon) * learning_rate;
    }
}

/// `LayerNorm(GELU(x + c))`, and with `keep` `x + c` too, else something of no meaning.
pub(crate) fn activate(
    x: CubeTensor,
    added: CubeTensor,
    gamma: CubeTensor,
    beta: CubeTensor,
    epsilon: f32,
    keep: bool,
) -> (CubeTensor, CubeTensor) {
    let [x, added, gamma, beta] = [x, added, gamma, beta].map(into_contiguous);
    let ([rows, width], [models, _]) = (sizes(&x), sizes(&added));
    let out = empty(&x, [rows, width]);
    let sums = if keep {
        empty(&x, [rows, width])
    } else {
        empty(&x, [1, 1])
    };
    let units = units(width);
    let client = x.client.clone();
    activate_kernel::launch(
        &client,
        cubes(rows),
        CubeDim::new_1d(units as u32),
        x.into_buffer_arg(),
        added.into_buffer_arg(),
        gamma.into_buffer_arg(),
        beta.into_buffer_arg(),
        sums.clone().into_buffer_arg(),
        out.clone().into_buffer_arg(),
        rows,
        models,
        epsilon,
        width,
        units,
        keep,
    );
    (sums, out)
}

/// Back through [`activate`]: the gradients of `x`, `c`, `γ` and `β`.
pub(crate) fn activate_backward(
    gradient: CubeTensor,
    sums: CubeTensor,
    gamma: CubeTensor,
    models: usize,
    epsilon: f32,
) -> [CubeTensor; 4] {
    let [gradient, sums, gamma] = [gradient, sums, gamma].map(into_contiguous);
    let [rows, width] = sizes(&sums);
    let queries = rows / models;
    let pieces = queries.div_ceil(PIECE);
    let d_x = empty(&sums, [rows, width]);
    let partial = empty(&sums, [pieces * models * 3, width]);
    let client = sums.client.clone();
    let units = units(width);
    activate_backward_kernel::launch(
        &client,
        cubes(pieces * models),
        CubeDim::new_1d(units as u32),
        gradient.into_buffer_arg(),
        sums.clone().into_buffer_arg(),
        gamma.into_buffer_arg(),
        d_x.clone().into_buffer_arg(),
        partial.clone().into_buffer_arg(),
        queries,
        models,
        epsilon,
        width,
        units,
    );
    let [d_gamma, d_beta] = [(); 2].map(|()| empty(&sums, [width]));
    let d_added = empty(&sums, [models, width]);
    let (count, dim) = per_value((models + 2) * width);
    activate_sums_kernel::launch(
        &client,
        count,
        dim,
        partial.into_buffer_arg(),
        d_gamma.clone().into_buffer_arg(),
        d_beta.clone().into_buffer_arg(),
        d_added.clone().into_buffer_arg(),
        pieces,
        models,
        width,
    );
    [d_x, d_added, d_gamma, d_beta]
}

/// `|γ_m ⊙ z + s_m|`, `[queries · models, d]`.
pub(crate) fn gaps(z: CubeTensor, scale: CubeTensor, shift: CubeTensor) -> CubeTensor {
    let [z, scale, shift] = [z, scale, shift].map(into_contiguous);
    let ([queries, width], [models, _]) = (sizes(&z), sizes(&scale));
    let out = empty(&z, [queries * models, width]);
    let client = z.client.clone();
    let (count, dim) = per_value(queries * models * width);
    gaps_kernel::launch(
        &client,
        count,
        dim,
        z.into_buffer_arg(),
        scale.into_buffer_arg(),
        shift.into_buffer_arg(),
        out.clone().into_buffer_arg(),
        models,
        width,
    );
    out
}

/// Back through [`gaps`]: the gradients of `z`, `γ` and `s`.
pub(crate) fn gaps_backward(
    gradient: CubeTensor,
    z: CubeTensor,
    scale: CubeTensor,
    shift: CubeTensor,
) -> [CubeTensor; 3] {
    let [gradient, z, scale, shift] = [gradient, z, scale, shift].map(into_contiguous);
    let ([queries, width], [models, _]) = (sizes(&z), sizes(&scale));
    let pieces = queries.div_ceil(PIECE);
    let d_z = empty(&z, [queries, width]);
    let [d_scale, d_shift] = [(); 2].map(|()| empty(&z, [models, width]));
    let partial = empty(&z, [pieces * 2 * models, width]);
    let client = z.client.clone();
    let (count, dim) = per_value(pieces * width);
    gaps_backward_kernel::launch(
        &client,
        count,
        dim,
        gradient.into_buffer_arg(),
        z.into_buffer_arg(),
        scale.into_buffer_arg(),
        shift.into_buffer_arg(),
        d_z.clone().into_buffer_arg(),
        partial.clone().into_buffer_arg(),
        queries,
        models,
        width,
    );
    let (count, dim) = per_value(2 * models * width);
    pair_sums_kernel::launch(
        &client,
        count,
        dim,
        partial.into_buffer_arg(),
        d_scale.clone().into_buffer_arg(),
        d_shift.clone().into_buffer_arg(),
        pieces,
        models * width,
    );
    [d_z, d_scale, d_shift]
}

/// All `G_m` side by side, `[d, models · h]`.
pub(crate) fn mix(weight: CubeTensor, scale: CubeTensor, projection: CubeTensor) -> CubeTensor {
    let [weight, scale, projection] = [weight, scale, projection].map(into_contiguous);
    let ([rows, hidden], [models, width]) = (sizes(&weight), sizes(&scale));
    let out = empty(&weight, [width, models * hidden]);
    let client = weight.client.clone();
    let (count, dim) = per_value(width * models * hidden);
    mix_kernel::launch(
        &client,
        count,
        dim,
        weight.into_buffer_arg(),
        scale.into_buffer_arg(),
        projection.into_buffer_arg(),
        out.clone().into_buffer_arg(),
        models,
        width,
        hidden,
        rows > 2 * width,
    );
    out
}

/// Back through [`mix`]: the gradients of the layer, of `γ` and of `p`.
pub(crate) fn mix_backward(
    gradient: CubeTensor,
    weight: CubeTensor,
    scale: CubeTensor,
    projection: CubeTensor,
) -> [CubeTensor; 3] {
    let inputs = [gradient, weight, scale, projection].map(into_contiguous);
    let [gradient, weight, scale, projection] = inputs;
    let ([rows, hidden], [models, width]) = (sizes(&weight), sizes(&scale));
    let d_weight = empty(&weight, [rows, hidden]);
    let [d_scale, d_projection] = [(); 2].map(|()| empty(&weight, [models, width]));
    let client = weight.client.clone();
    let units = units(hidden);
    mix_backward_kernel::launch(
        &client,
        cubes(width),
        CubeDim::new_1d(units as u32),
        gradient.into_buffer_arg(),
        weight.into_buffer_arg(),
        scale.into_buffer_arg(),
        projection.into_buffer_arg(),
        d_weight.clone().into_buffer_arg(),
        d_scale.clone().into_buffer_arg(),
        d_projection.clone().into_buffer_arg(),
        models,
        width,
        hidden,
        rows / width,
        units,
    );
    [d_weight, d_scale, d_projection]
}

/// A tensor to be changed in place: itself where nobody else holds it, else a copy.
pub(crate) fn own(tensor: CubeTensor) -> CubeTensor {
    let tensor = into_contiguous(tensor);
    if tensor.can_mut() {
        tensor
    } else {
        tensor.copy()
    }
}

/// One step of Adam, see [`kernels::adam`](crate::kernels::adam): the values and both moments after it.
pub(crate) fn adam(
    values: CubeTensor,
    moment_1: CubeTensor,
    moment_2: CubeTensor,
    gradient: CubeTensor,
    step: AdamStep,
) -> [CubeTensor; 3] {
    let [values, moment_1, moment_2] = [values, moment_1, moment_2].map(own);
    let client = values.client.clone();
    let (count, dim) = per_value(values.shape().num_elements());
    adam_kernel::launch(
        &client,
        count,
        dim,
        values.clone().into_buffer_arg(),
        moment_1.clone().into_buffer_arg(),
        moment_2.clone().into_buffer_arg(),
        into_contiguous(gradient).into_buffer_arg(),
        step.beta_1,
        step.beta_2,
        step.correction,
        step.epsilon,
        step.learning_rate,
    );
    [values, moment_1, moment_2]
}

/// 1 where model `i` comes before model `j` of the same query, else 0; both are places of the query's row.
#[cube]
fn comes_before(
    quality: &[f32],
    cost: &[f32],
    measured: &[f32],
    i: usize,
    j: usize,
    #[comptime] ties_by_cost: bool,
    #[comptime] partly: bool,
) -> f32 {
    let mut before = select(quality[i] > quality[j], 1.0f32, 0.0f32);
    if comptime!(ties_by_cost) {
        let cheaper = select(cost[i] < cost[j], 1.0f32, 0.0f32);
        before += select(quality[i] == quality[j], cheaper, 0.0f32);
    }
    if comptime!(partly) {
        before *= measured[i] * measured[j];
    }
    before
}

/// One unit per query and model `i`: `Σ_j softplus(s_j - s_i)` over the models `j` that it comes before, and how many those are.
#[cube(launch)]
#[allow(clippy::too_many_arguments)]
fn pair_losses_kernel(
    scores: &[f32],
    quality: &[f32],
    cost: &[f32],
    measured: &[f32],
    losses: &mut [f32],
    counts: &mut [f32],
    models: usize,
    #[comptime] ties_by_cost: bool,
    #[comptime] partly: bool,
) {
    let i = ABSOLUTE_POS;
    if i < scores.len() {
        let first = i / models * models;
        let mut loss = 0.0f32;
        let mut count = 0.0f32;
        for j in first..first + models {
            let before = comes_before(quality, cost, measured, i, j, ties_by_cost, partly);
            let gap = scores[j] - scores[i];
            // softplus that stays finite for large gaps.
            loss += before * (max(gap, 0.0f32) + (1.0f32 + (-gap.abs()).exp()).ln());
            count += before;
        }
        losses[i] = loss;
        counts[i] = count;
    }
}

/// One unit per query and model.
#[cube(launch)]
#[allow(clippy::too_many_arguments)]
fn pair_losses_backward_kernel(
    gradient: &[f32],
    scores: &[f32],
    quality: &[f32],
    cost: &[f32],
    measured: &[f32],
    d_scores: &mut [f32],
    models: usize,
    #[comptime] ties_by_cost: bool,
    #[comptime] partly: bool,
) {
    let i = ABSOLUTE_POS;
    if i < scores.len() {
        let first = i / models * models;
        let mut total = 0.0f32;
        for j in first..first + models {
            let before = comes_before(quality, cost, measured, i, j, ties_by_cost, partly);
            let after = comes_before(quality, cost, measured, j, i, ties_by_cost, partly);
            let gap = scores[j] - scores[i];
            let above = 1.0f32 / (1.0f32 + (-gap).exp());
            total += gradient[j] * after * (1.0f32 - above) - gradient[i] * before * above;
        }
        d_scores[i] = total;
    }
}

/// What the pairs of models of each query are told apart by, `[queries, models]` each.
pub(crate) struct Pairs {
    pub(crate) quality: CubeTensor,
    pub(crate) cost: CubeTensor,
    pub(crate) measured: CubeTensor,
    /// Whether the cheaper of two models of equal quality comes first.
    pub(crate) ties_by_cost: bool,
    /// Whether `measured` counts.
    pub(crate) partly: bool,
}

impl Pairs {
    fn contiguous(self) -> Self {
        Self {
            quality: into_contiguous(self.quality),
            cost: into_contiguous(self.cost),
            measured: into_contiguous(self.measured),
            ..self
        }
    }
}

/// Of every model the losses against the models that it comes before, and how many those are, `[queries, models]`.
pub(crate) fn pair_losses(scores: CubeTensor, pairs: Pairs) -> (CubeTensor, CubeTensor) {
    let (scores, pairs) = (into_contiguous(scores), pairs.contiguous());
    let shape = sizes(&scores);
    let [losses, counts] = [(); 2].map(|()| empty(&scores, shape));
    let client = scores.client.clone();
    let (count, dim) = per_value(shape[0] * shape[1]);
    pair_losses_kernel::launch(
        &client,
        count,
        dim,
        scores.into_buffer_arg(),
        pairs.quality.into_buffer_arg(),
        pairs.cost.into_buffer_arg(),
        pairs.measured.into_buffer_arg(),
        losses.clone().into_buffer_arg(),
        counts.clone().into_buffer_arg(),
        shape[1],
        pairs.ties_by_cost,
        pairs.partly,
    );
    (losses, counts)
}

/// Back through the losses of [`pair_losses`].
pub(crate) fn pair_losses_backward(
    gradient: CubeTensor,
    scores: CubeTensor,
    pairs: Pairs,
) -> CubeTensor {
    let [gradient, scores] = [gradient, scores].map(into_contiguous);
    let pairs = pairs.contiguous();
    let shape = sizes(&scores);
    let d_scores = empty(&scores, shape);
    let client = scores.client.clone();
    let (count, dim) = per_value(shape[0] * shape[1]);
    pair_losses_backward_kernel::launch(
        &client,
        count,
        dim,
        gradient.into_buffer_arg(),
        scores.into_buffer_arg(),
        pairs.quality.into_buffer_arg(),
        pairs.cost.into_buffer_arg(),
        pairs.measured.into_buffer_arg(),
        d_scores.clone().into_buffer_arg(),
        shape[1],
        pairs.ties_by_cost,
        pairs.partly,
    );
    d_scores
}
