//! Kernels of CubeCL for what transformers have between their matrix products.
//!
//! Sequences of all lengths lie one after another, so that one kernel attends in all of them. All sums are in single precision.

use burn_cubecl::cubecl;
use burn_cubecl::cubecl::prelude::*;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;
use routelab_device::cube::{cubes, empty, layer_norm, per_value, sizes, units};

/// Tokens of one sequence that a cube of [`attend`] works on. The square is the number of units of the cube.
pub(crate) const TILE: usize = 16;

/// The widest heads that [`attend`] has room for in the shared memory of a cube, of which every graphics API offers 16 KiB.
pub(crate) const WIDEST_HEAD: usize = 112;

/// Stands for minus infinity, of which not every graphics API has a number.
const NEVER: f32 = -1e30;

#[cube(launch)]
fn layer_norm_kernel(
    x: &[f32],
    gamma: &[f32],
    beta: &[f32],
    out: &mut [f32],
    rows: usize,
    epsilon: f32,
    #[comptime] width: usize,
    #[comptime] units: usize,
) {
    let row = CUBE_POS;
    if row >= rows {
        terminate!();
    }
    let unit = UNIT_POS as usize;
    let start = row * width;
    let mut shared = Shared::<[f32]>::new_slice(units);
    let columns = comptime!(width.div_ceil(units));
    let mut values = Array::<f32>::new(columns);
    #[unroll]
    for k in 0..columns {
        let j = unit + k * units;
        if j < width {
            values[k] = x[start + j];
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

/// One cube per tile of tokens and head. Its tokens look at `TILE · each` tokens at a time; a unit has one of the former and `each` of the
/// latter. The softmax is built up round by round, so that scores are never stored (Milakov & Gimelshein 2018, "Online normalizer
/// calculation for softmax").
///
/// `qkv`: `[tokens, 3 · heads · head]`. `tiles`: of every tile its first token, and where its sequence begins and ends, `[tiles, 3]`.
#[cube(launch)]
fn attend_kernel(
    qkv: &[f32],
    tiles: &[i32],
    out: &mut [f32],
    heads: usize,
    scale: f32,
    #[comptime] head: usize,
    #[comptime] each: usize,
    #[comptime] causal: bool,
) {
    let tile = CUBE_POS / heads;
    if tile * 3 >= tiles.len() {
        terminate!();
    }
    let (first, start, end) = (
        tiles[tile * 3] as usize,
        tiles[tile * 3 + 1] as usize,
        tiles[tile * 3 + 2] as usize,
    );
    let unit = UNIT_POS as usize;
    let (row, lane) = (unit / TILE, unit % TILE);
    let width = heads * head;
    let offset = CUBE_POS % heads * head;
    let token = first + row;

    let seen_at_once = comptime!(TILE * each);
    // A column more, so that the units of a row read from different banks.
    let stride = comptime!(head + 1);
    let mut keys = Shared::<[f32]>::new_slice(comptime!(TILE * each * (head + 1)));
    let mut values = Shared::<[f32]>::new_slice(comptime!(TILE * each * head));
    let mut scores = Shared::<[f32]>::new_slice(comptime!(TILE * TILE * each));

    let mut query = Array::<f32>::new(head);
    #[unroll]
    for d in 0..head {
        query[d] = 0.0f32;
    }
    if token < end {
        #[unroll]
        for d in 0..head {
            query[d] = qkv[token * 3 * width + offset + d] * scale;
        }
    }
    let columns = comptime!(head.div_ceil(TILE));
    let mut sums = Array::<f32>::new(columns);
    #[unroll]
    for c in 0..columns {
        sums[c] = 0.0f32;
    }
    let never = f32::cast_from(NEVER);
    let mut largest = f32::cast_from(NEVER);
    let mut total = 0.0f32;

    let mut last = end;
    if comptime!(causal) {
        last = min(end, first + TILE);
    }
    let mut own = Array::<f32>::new(each);
    let rounds = (last - start).div_ceil(seen_at_once);
    for round in 0..rounds {
        let from = start + round * seen_at_once;
        // What was read before has been read by all.
        sync_cube();
        for k in 0..comptime!((each * head).div_ceil(TILE)) {
            let place = unit + k * TILE * TILE;
            if place < seen_at_once * head {
                let (j, d) = (place / head, place % head);
                let mut key = 0.0f32;
                let mut value = 0.0f32;
                if from + j < last {
                    let at = (from + j) * 3 * width + width + offset + d;
                    key = qkv[at];
                    value = qkv[at + width];
                }
                keys[j * stride + d] = key;
                values[place] = value;
            }
        }
        sync_cube();
        #[unroll]
        for e in 0..each {
            let j = lane + e * TILE;
            let mut score = 0.0f32;
            #[unroll]
            for d in 0..head {
                score += query[d] * keys[j * stride + d];
            }
            let mut seen = from + j < last;
            if comptime!(causal) {
                seen = seen && from + j <= token;
            }
            own[e] = select(seen, score, never);
            scores[row * seen_at_once + j] = own[e];
        }
        sync_cube();
        let before = largest;
        for j in 0..seen_at_once {
            largest = max(largest, scores[row * seen_at_once + j]);
        }
        sync_cube();
        #[unroll]
        for e in 0..each {
            // Of a token that sees none of these, all weights are 1 until one that it sees makes them fade.
            scores[row * seen_at_once + lane + e * TILE] = (own[e] - largest).exp();
        }
        sync_cube();
        let fade = (before - largest).exp();
        total *= fade;
        #[unroll]
        for c in 0..columns {
            sums[c] *= fade;
        }
        for j in 0..seen_at_once {
            let weight = scores[row * seen_at_once + j];
            total += weight;
            #[unroll]
            for c in 0..columns {
                let d = lane + c * TILE;
                if d < head {
                    sums[c] += weight * values[j * head + d];
                }
            }
        }
    }
    if token < end {
        #[unroll]
        for c in 0..columns {
            let d = lane + c * TILE;
            if d < head {
                out[token * width + offset + d] = sums[c] / total;
            }
        }
    }
}

/// One unit per value. `starts`: where every sequence begins, and the last ends, `[sequences + 1]`.
#[cube(launch)]
fn means_kernel(x: &[f32], starts: &[i32], out: &mut [f32], width: usize) {
    let place = ABSOLUTE_POS;
    if place < out.len() {
        let (sequence, j) = (place / width, place % width);
        let (start, end) = (starts[sequence] as usize, starts[sequence + 1] as usize);
        let mut total = 0.0f32;
        for token in start..end {
            total += x[token * width + j];
        }
        out[place] = total / f32::cast_from(end - start);
    }
}

/// `γ (x - mean) / sqrt(variance + ε) + β` of every row.
pub(crate) fn norm_rows(
    x: CubeTensor,
    gamma: CubeTensor,
    beta: CubeTensor,
    epsilon: f32,
) -> CubeTensor {
    let [x, gamma, beta] = [x, gamma, beta].map(into_contiguous);
    let [rows, width] = sizes(&x);
    let out = empty(&x, [rows, width]);
    let units = units(width);
    let client = x.client.clone();
    layer_norm_kernel::launch(
        &client,
        cubes(rows),
        CubeDim::new_1d(units as u32),
        x.into_buffer_arg(),
        gamma.into_buffer_arg(),
        beta.into_buffer_arg(),
        out.clone().into_buffer_arg(),
        rows,
        epsilon,
        width,
        units,
    );
    out
}

/// Self-attention within the sequences, `[tokens, width]`.
pub(crate) fn attend(qkv: CubeTensor, tiles: CubeTensor, heads: usize, causal: bool) -> CubeTensor {
    let [qkv, tiles] = [qkv, tiles].map(into_contiguous);
    let ([tokens, joined], [count, _]) = (sizes(&qkv), sizes(&tiles));
    let width = joined / 3;
    let head = width / heads;
    let out = empty(&qkv, [tokens, width]);
    let client = qkv.client.clone();
    let shared = client.properties().hardware.max_shared_memory_size;
    let fits = |each: &usize| 4 * TILE * each * (2 * head + 1 + TILE) <= shared;
    let each = [4, 2].into_iter().find(fits).unwrap_or(1);
    attend_kernel::launch(
        &client,
        cubes(count * heads),
        CubeDim::new_1d((TILE * TILE) as u32),
        qkv.into_buffer_arg(),
        tiles.into_buffer_arg(),
        out.clone().into_buffer_arg(),
        heads,
        1.0 / (head as f32).sqrt(),
        head,
        each,
        causal,
    );
    out
}

/// The mean row of every sequence, `[sequences, width]`.
pub(crate) fn means(x: CubeTensor, starts: CubeTensor) -> CubeTensor {
    let [x, starts] = [x, starts].map(into_contiguous);
    let ([_, width], sequences) = (sizes(&x), starts.meta.num_elements() - 1);
    let out = empty(&x, [sequences, width]);
    let client = x.client.clone();
    let (count, dim) = per_value(sequences * width);
    means_kernel::launch(
        &client,
        count,
        dim,
        x.into_buffer_arg(),
        starts.into_buffer_arg(),
        out.clone().into_buffer_arg(),
        width,
    );
    out
}
