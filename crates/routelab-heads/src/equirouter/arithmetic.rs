//! The arithmetic of EquiRouter's operations on processors, on slices in row-major order: every operation is one pass over memory,
//! and so is its way back. Sums over rows are added up in pieces of fixed size, so they do not depend on the number of threads.

use rayon::prelude::*;
use routelab_kernels::{dot, vectorised};

use crate::kernels::{add_up, piece_rows};

/// Queries of one piece of work.
const QUERIES: usize = 8;

/// Adds `added`, one or more rows, to as many rows of `x` at a time.
pub(super) fn add_rows(x: &mut [f32], added: &[f32]) {
    let piece = added.len() * (piece_rows(added.len())).max(1);
    x.par_chunks_mut(piece).for_each(|x| {
        vectorised(
            #[inline(always)]
            || {
                for x in x.chunks_exact_mut(added.len()) {
                    x.iter_mut().zip(added).for_each(|(x, a)| *x += a);
                }
            },
        );
    });
}

/// The gradient of `added` in [`add_rows`]: every so many rows of `gradient` added up.
pub(super) fn sum_rows(gradient: &[f32], length: usize) -> Vec<f32> {
    let parts = gradient.par_chunks(length * QUERIES).map(|gradient| {
        let mut sums = vec![0.0; length];
        vectorised(
            #[inline(always)]
            || {
                for gradient in gradient.chunks_exact(length) {
                    sums.iter_mut().zip(gradient).for_each(|(s, g)| *s += g);
                }
            },
        );
        sums
    });
    add_up(parts.collect(), length)
}

/// `|γ_m ⊙ z + s_m|` for all models of all queries, into `out`, `[queries · models, d]`; `z` is `[queries, d]`, the others `[models, d]`.
pub(super) fn gaps(z: &[f32], [scale, shift]: [&[f32]; 2], width: usize, out: &mut [f32]) {
    let queries = out.par_chunks_mut(scale.len() * QUERIES);
    queries
        .zip(z.par_chunks(width * QUERIES))
        .for_each(|(out, z)| {
            for (out, z) in out.chunks_exact_mut(scale.len()).zip(z.chunks_exact(width)) {
                for m in (0..scale.len()).step_by(width) {
                    vectorised(
                        #[inline(always)]
                        || {
                            let (out, z) = (&mut out[m..m + width], &z[..width]);
                            let (scale, shift) = (&scale[m..m + width], &shift[m..m + width]);
                            for j in 0..width {
                                out[j] = (z[j] * scale[j] + shift[j]).abs();
                            }
                        },
                    );
                }
            }
        });
}

/// Back through [`gaps`]: from the gradient of what it gives to those of `z` and of both others.
pub(super) fn gaps_backward(
    gradient: &[f32],
    z: &[f32],
    [scale, shift]: [&[f32]; 2],
    width: usize,
) -> [Vec<f32>; 3] {
    let size = scale.len();
    let mut d_z = vec![0.0; z.len()];
    let parts = (d_z.par_chunks_mut(width * QUERIES))
        .zip(z.par_chunks(width * QUERIES))
        .zip(gradient.par_chunks(size * QUERIES))
        .map(|((d_z, z), gradient)| {
            let mut sums = vec![0.0; 2 * size];
            let (d_scale, d_shift) = sums.split_at_mut(size);
            let queries = d_z.chunks_exact_mut(width).zip(z.chunks_exact(width));
            for ((d_z, z), gradient) in queries.zip(gradient.chunks_exact(size)) {
                for m in (0..size).step_by(width) {
                    let of_model = m..m + width;
                    vectorised(
                        #[inline(always)]
                        || {
                            let (d_z, z) = (&mut d_z[..width], &z[..width]);
                            let gradient = &gradient[of_model.clone()];
                            let scale = &scale[of_model.clone()];
                            let shift = &shift[of_model.clone()];
                            let d_scale = &mut d_scale[of_model.clone()];
                            let d_shift = &mut d_shift[of_model];
                            for j in 0..width {
                                let gap = z[j] * scale[j] + shift[j];
                                let sign = f32::from(gap > 0.0) - f32::from(gap < 0.0);
                                let e = gradient[j] * sign;
                                d_z[j] += e * scale[j];
                                d_scale[j] += e * z[j];
                                d_shift[j] += e;
                            }
                        },
                    );
                }
            }
            sums
        });
    let mut d_scale = add_up(parts.collect(), 2 * size);
    let d_shift = d_scale.split_off(size);
    [d_z, d_scale, d_shift]
}

/// The head's first layer, `[W1 ; W2 ; W3 ; W4]`, each `[d, h]`; `W3` and `W4` are there with interaction only.
#[derive(Clone, Copy)]
pub(super) struct FirstLayer<'a> {
    pub weight: &'a [f32],
    pub width: usize,
    pub hidden: usize,
}

impl FirstLayer<'_> {
    /// Row `i` of `W1` and of `W3`, which is a row of zeros without interaction.
    fn row<'b>(&'b self, i: usize, zeros: &'b [f32]) -> (&'b [f32], &'b [f32]) {
        let row = |block: usize| {
            let start = (block * self.width + i) * self.hidden;
            self.weight.get(start..start + self.hidden)
        };
        (row(0).unwrap_or(zeros), row(2).unwrap_or(zeros))
    }

    /// `G_m = diag(γ_m) (W1 + diag(p_m) W3)` of all models side by side: `[d, models · h]`. `γ` and `p` are `[models, d]`.
    pub fn mix(&self, [scale, projection]: [&[f32]; 2]) -> Vec<f32> {
        let (width, hidden) = (self.width, self.hidden);
        let mut out = vec![0.0; scale.len() * hidden];
        let zeros = vec![0.0; hidden];
        let row = scale.len() / width * hidden;
        out.par_chunks_mut(row).enumerate().for_each(|(i, out)| {
            let (first, third) = self.row(i, &zeros);
            for (model, out) in out.chunks_exact_mut(hidden).enumerate() {
                let (scale, p) = (scale[model * width + i], projection[model * width + i]);
                vectorised(
                    #[inline(always)]
                    || {
                        let (out, first, third) =
                            (&mut out[..hidden], &first[..hidden], &third[..hidden]);
                        for j in 0..hidden {
                            out[j] = scale * (first[j] + p * third[j]);
                        }
                    },
                );
            }
        });
        out
    }

    /// Back through [`mix`](Self::mix): from the gradient of what it gives to those of the layer, of `γ` and of `p`.
    pub fn mix_backward(
        &self,
        gradient: &[f32],
        [scale, projection]: [&[f32]; 2],
    ) -> [Vec<f32>; 3] {
        let (width, hidden) = (self.width, self.hidden);
        let mut d_weight = vec![0.0; self.weight.len()];
        let (d_first, rest) = d_weight.split_at_mut(width * hidden);
        let d_third = rest.get_mut(width * hidden..2 * width * hidden);
        let mut spare = vec![0.0; if d_third.is_some() { 0 } else { width * hidden }];
        let d_third = d_third.unwrap_or(&mut spare);
        let zeros = vec![0.0; hidden];
        let models = scale.len() / width;
        let numbers: Vec<Vec<[f32; 2]>> = (gradient.par_chunks(models * hidden))
            .zip(d_first.par_chunks_mut(hidden))
            .zip(d_third.par_chunks_mut(hidden))
            .enumerate()
            .map(|(i, ((gradient, d_first), d_third))| {
                let (first, third) = self.row(i, &zeros);
                let of_model = |(model, gradient): (usize, &[f32])| {
                    let (scale, p) = (scale[model * width + i], projection[model * width + i]);
                    vectorised(
                        #[inline(always)]
                        || {
                            let gradient = &gradient[..hidden];
                            let (d_first, d_third) =
                                (&mut d_first[..hidden], &mut d_third[..hidden]);
                            for j in 0..hidden {
                                d_first[j] += scale * gradient[j];
                                d_third[j] += p * scale * gradient[j];
                            }
                            let (along, across) = (dot(gradient, first), dot(gradient, third));
                            [along + p * across, scale * across]
                        },
                    )
                };
                let models = gradient.chunks_exact(hidden).enumerate();
                models.map(of_model).collect()
            })
            .collect();
        let mut found = [vec![0.0; scale.len()], vec![0.0; scale.len()]];
        for (i, of_models) in numbers.into_iter().enumerate() {
            for (model, numbers) in of_models.into_iter().enumerate() {
                for (found, number) in found.iter_mut().zip(numbers) {
                    found[model * width + i] = number;
                }
            }
        }
        let [d_scale, d_projection] = found;
        [d_weight, d_scale, d_projection]
    }
}
