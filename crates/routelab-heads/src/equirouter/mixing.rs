//! The head's first layer as one model sees it, on processors.
//!
//! The layer `W = [W1 ; W2 ; W3 ; W4]` reads `[z_m ; p_m ; z_m ⊙ p_m ; |z_m - p_m|]` with `z_m = γ_m ⊙ z + β_m`. For one
//! model that is `z G_m + |γ_m ⊙ z + β_m - p_m| W4 + t_m`, half the multiplications, with
//!
//! - `G_m = diag(γ_m) V_m` where `V_m = W1 + diag(p_m) W3`,
//! - `t_m = β_m V_m + p_m W2 + b = [β_m ; p_m ; β_m ⊙ p_m] [W1 ; W2 ; W3] + b`.
//!
//! Without interaction there are neither `W3` nor `W4`.

use ndarray::ArrayView2;
use rayon::prelude::*;
use routelab_kernels::{Threads, add_product, dot, product, vectorised};

use crate::kernels::{self, Values, add_up, matrix, matrix_mut, piece_rows};

/// What tells one model from another: `γ_m`, `β_m` and `p_m`, each `[d]`.
pub(super) struct Model<'a> {
    pub(super) scale: &'a [f32],
    pub(super) shift: &'a [f32],
    pub(super) projection: &'a [f32],
}

/// The gradients of a [`Model`].
pub(super) struct ModelGradients<'a> {
    pub(super) scale: &'a mut [f32],
    pub(super) shift: &'a mut [f32],
    pub(super) projection: &'a mut [f32],
}

/// The weights of the head's first layer.
pub(super) struct FirstLayer {
    /// `[4d, h]`, or `[2d, h]` without interaction.
    weight: Values,
    width: usize,
    hidden: usize,
}

impl FirstLayer {
    pub(super) fn new(weight: Values, width: usize, hidden: usize) -> Self {
        Self {
            weight,
            width,
            hidden,
        }
    }

    pub(super) fn hidden(&self) -> usize {
        self.hidden
    }

    /// Whether the layer sees product and distance.
    pub(super) fn interaction(&self) -> bool {
        self.weight.len() == 4 * self.width * self.hidden
    }

    /// `W4`, `[d, h]`.
    pub(super) fn distance_weight(&self) -> ArrayView2<'_, f32> {
        matrix(&self.weight[3 * self.width * self.hidden..], self.hidden)
    }

    /// Row `i` of `W1` and, with interaction, of `W3`: each `[h]`.
    fn row(&self, i: usize) -> (&[f32], Option<&[f32]>) {
        let row =
            |block: usize| &self.weight[(block * self.width + i) * self.hidden..][..self.hidden];
        (row(0), self.interaction().then(|| row(2)))
    }

    /// Space for `G_m`, `[d, h]`.
    pub(super) fn mixed(&self) -> Values {
        Values::zeros([self.width, self.hidden])
    }

    /// Fills `G_m` into `mixed`, `[d, h]`.
    pub(super) fn mix(&self, model: &Model, mixed: &mut [f32]) {
        let hidden = self.hidden;
        mixed
            .par_chunks_mut(hidden)
            .enumerate()
            .with_min_len(piece_rows(hidden))
            .for_each(|(i, out)| {
                let (first, third) = self.row(i);
                let (scale, p) = (model.scale[i], model.projection[i]);
                vectorised(
                    #[inline(always)]
                    || match third {
                        Some(third) => {
                            let (out, third) = (&mut out[..hidden], &third[..hidden]);
                            for j in 0..hidden {
                                out[j] = scale * (first[j] + p * third[j]);
                            }
                        }
                        None => out.iter_mut().zip(first).for_each(|(o, w)| *o = scale * w),
                    },
                );
            });
    }

    /// The layer for one model, given its `mixed` and `constant` terms `G_m` and `t_m`: `[rows, h]` into `out`, from `z`,
    /// `[rows, d]`. `gaps`, `[rows, d]`, is scratch space.
    pub(super) fn forward(
        &self,
        model: &Model,
        (mixed, constant): (&[f32], &[f32]),
        z: &[f32],
        gaps: &mut [f32],
        out: &mut [f32],
        threads: Threads,
    ) {
        let width = self.width;
        product(
            matrix(z, width),
            matrix(mixed, self.hidden),
            matrix_mut(out, self.hidden),
            threads,
        );
        if self.interaction() {
            distances(model, z, gaps);
            let weight = self.distance_weight();
            add_product(
                matrix(gaps, width),
                weight,
                matrix_mut(out, self.hidden),
                threads,
            );
        }
        kernels::add_to_rows(out, constant);
    }

    /// Back through [`mix`](Self::mix) of all models, for the positions of `z` from `start` on: adds to the gradients of `W1`
    /// and `W3` in `d_weight`, `[4d or 2d, h]`, and to those of the models.
    ///
    /// `d_mixed`: the gradients of these positions' rows of all `B_m`, `[models, positions, h]`. All models at once, so that
    /// the rows of the weights are read once.
    pub(super) fn mix_backward(
        &self,
        start: usize,
        models: &[Model],
        d_mixed: &[f32],
        d_weight: &mut [f32],
        found: &mut [ModelGradients],
    ) {
        let (block, hidden) = (self.width * self.hidden, self.hidden);
        let positions = d_mixed.len() / models.len() / hidden;
        let rows = start * hidden..(start + positions) * hidden;
        let (d_first, rest) = d_weight.split_at_mut(block);
        let third = if self.interaction() {
            &mut rest[block..][rows.clone()]
        } else {
            &mut []
        };
        let mut d_third = third.chunks_exact_mut(hidden);
        let d_rows: Vec<_> = d_first[rows]
            .chunks_exact_mut(hidden)
            .map(|first| (first, d_third.next()))
            .collect();
        let numbers: Vec<Vec<[f32; 2]>> = d_rows
            .into_par_iter()
            .enumerate()
            .with_min_len((piece_rows(hidden) / models.len()).max(1))
            .map(|(position, (d_first, mut d_third))| {
                let i = start + position;
                let models = models.iter().enumerate().map(|(index, model)| {
                    let gradient = &d_mixed[(index * positions + position) * hidden..][..hidden];
                    let numbers = [model.scale[i], model.projection[i]];
                    self.row_backward(i, numbers, gradient, d_first, d_third.as_deref_mut())
                });
                models.collect()
            })
            .collect();
        for (position, numbers) in numbers.into_iter().enumerate() {
            for (found, [scale, p]) in found.iter_mut().zip(numbers) {
                found.scale[start + position] += scale;
                found.projection[start + position] += p;
            }
        }
    }

    /// Row `i` of [`mix_backward`](Self::mix_backward) for a model with these `γ` and `p`; returns the gradients of the two.
    fn row_backward(
        &self,
        i: usize,
        [scale, p]: [f32; 2],
        gradient: &[f32],
        d_first: &mut [f32],
        d_third: Option<&mut [f32]>,
    ) -> [f32; 2] {
        let (first, third) = self.row(i);
        let hidden = self.hidden;
        vectorised(
            #[inline(always)]
            || {
                let (d_first, gradient) = (&mut d_first[..hidden], &gradient[..hidden]);
                for j in 0..hidden {
                    d_first[j] += scale * gradient[j];
                }
                let along = dot(gradient, first);
                let Some((third, d_third)) = third.zip(d_third) else {
                    return [along, 0.0];
                };
                let d_third = &mut d_third[..hidden];
                for j in 0..hidden {
                    d_third[j] += p * scale * gradient[j];
                }
                let across = dot(gradient, third);
                [along + p * across, scale * across]
            },
        )
    }
}

/// Fills `|γ_m ⊙ z + β_m - p_m|` into `out`; both are `[rows, d]`.
pub(super) fn distances(model: &Model, z: &[f32], out: &mut [f32]) {
    let width = model.scale.len();
    let (scale, shift, p) = (
        model.scale,
        &model.shift[..width],
        &model.projection[..width],
    );
    let piece = piece_rows(width) * width;
    out.par_chunks_mut(piece)
        .zip(z.par_chunks(piece))
        .for_each(|(out, z)| {
            for (out, z) in out.chunks_exact_mut(width).zip(z.chunks_exact(width)) {
                vectorised(
                    #[inline(always)]
                    || {
                        let (z, out) = (&z[..width], &mut out[..width]);
                        for j in 0..width {
                            out[j] = (z[j] * scale[j] + (shift[j] - p[j])).abs();
                        }
                    },
                );
            }
        });
}

/// Back through [`distances`]: from their gradient, `[rows, d]`, to those of `z`, `[rows, d]`, and of the model, which are
/// added to.
pub(super) fn distances_backward(
    model: &Model,
    z: &[f32],
    gradient: &[f32],
    d_z: &mut [f32],
    found: &mut ModelGradients,
) {
    let width = model.scale.len();
    let (scale, shift, p) = (
        model.scale,
        &model.shift[..width],
        &model.projection[..width],
    );
    let piece = piece_rows(width) * width;
    let parts: Vec<Vec<f32>> = z
        .par_chunks(piece)
        .zip(gradient.par_chunks(piece))
        .zip(d_z.par_chunks_mut(piece))
        .map(|((z, gradient), d_z)| {
            // Of γ, and of β - p.
            let mut sums = vec![0.0; 2 * width];
            let (sum_scale, sum_shift) = sums.split_at_mut(width);
            let rows = z.chunks_exact(width).zip(gradient.chunks_exact(width));
            for ((z, gradient), d_z) in rows.zip(d_z.chunks_exact_mut(width)) {
                vectorised(
                    #[inline(always)]
                    || {
                        let (z, gradient, d_z) =
                            (&z[..width], &gradient[..width], &mut d_z[..width]);
                        let (sum_scale, sum_shift) =
                            (&mut sum_scale[..width], &mut sum_shift[..width]);
                        for j in 0..width {
                            let gap = z[j] * scale[j] + (shift[j] - p[j]);
                            let sign = f32::from(gap > 0.0) - f32::from(gap < 0.0);
                            let e = gradient[j] * sign;
                            d_z[j] += e * scale[j];
                            sum_scale[j] += e * z[j];
                            sum_shift[j] += e;
                        }
                    },
                );
            }
            sums
        })
        .collect();
    let sums = add_up(parts, 2 * width);
    let (of_scale, of_shift) = sums.split_at(width);
    for j in 0..width {
        found.scale[j] += of_scale[j];
        found.shift[j] += of_shift[j];
        found.projection[j] -= of_shift[j];
    }
}
