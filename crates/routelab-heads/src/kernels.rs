//! Arithmetic of EquiRouter and Adam on processors: several element-wise operations in one pass, vectorised, rows spread
//! over threads. `cube.rs` has the same for graphics cards.
//!
//! Burn's CPU backends make one pass over memory per operation, on one thread, and compute the error function one element
//! at a time; around EquiRouter's matrix products that takes longer than the products. The derivatives here are those of
//! the composed operations in `equirouter/operations.rs`, which run everywhere else and against which the tests compare.
//!
//! Matrices are slices in row-major order. Sums over rows are added up in pieces of fixed size, so they do not depend on
//! the number of threads.

use std::ops::{Deref, DerefMut};

use burn::backend::Backend;
use burn::backend::tensor::FloatTensor;
use burn::tensor::{Device, TensorData, read_sync};
use rayon::prelude::*;
use routelab_device::{is_card, is_processor, piece_bytes};
use routelab_kernels::{dot, fold, normal, vectorised};

/// Values of one piece of work for a thread: enough to be worth handing over, few enough to stay in its cache.
const PIECE: usize = 32_768;

/// Whether tensors of this device lie in main memory and record no gradients, so that the functions here may change them.
pub(crate) fn apply_to(device: &Device) -> bool {
    is_processor(device) && !device.is_autodiff()
}

/// Bytes of the widest intermediate of a piece of predictions on processors.
const PIECE_BYTES: u64 = 32 << 20;

/// How many times as large a piece of predictions may be on this device: on a graphics card every piece costs a wait.
pub(crate) fn piece_of(device: &Device) -> usize {
    piece_bytes(device).map_or(1, |bytes| (bytes / PIECE_BYTES).max(1) as usize)
}

/// Whether there are kernels for tensors of this device.
pub(crate) fn are_on(device: &Device) -> bool {
    is_card(device) || apply_to(&device.clone().inner())
}

/// The values of a tensor on a processor. They are not copied if nobody else holds the tensor.
pub(crate) struct Values(TensorData);

impl Values {
    /// Zeros of a shape.
    pub(crate) fn zeros<const D: usize>(shape: [usize; D]) -> Self {
        Self(TensorData::new(vec![0.0f32; shape.iter().product()], shape))
    }

    fn new<const D: usize>(values: &[f32], shape: [usize; D]) -> Self {
        Self(TensorData::new(values.to_vec(), shape))
    }

    /// Those of a tensor of a processor's backend.
    pub(crate) fn of<B: Backend>(tensor: FloatTensor<B>) -> Self {
        let data = read_sync(B::float_into_data(tensor));
        Self(data.expect("a processor's memory can be read"))
    }

    /// A copy.
    pub(crate) fn copy(&self) -> Self {
        Self(self.0.clone())
    }
}

impl From<Values> for TensorData {
    fn from(values: Values) -> Self {
        values.0
    }
}

impl Deref for Values {
    type Target = [f32];
    fn deref(&self) -> &[f32] {
        self.0.as_slice().expect("values are f32")
    }
}

impl DerefMut for Values {
    fn deref_mut(&mut self) -> &mut [f32] {
        self.0.as_mut_slice().expect("values are f32")
    }
}

/// The parameters of a layer norm: `γ`, `β` `[width]`, and `ε`.
pub(crate) struct Norm {
    pub(crate) gamma: Values,
    pub(crate) beta: Values,
    pub(crate) epsilon: f32,
}

/// `x ← LayerNorm(GELU(x))` for every row.
pub(crate) fn gelu_norm(x: &mut [f32], norm: &Norm) {
    let width = norm.gamma.len();
    let (gamma, beta): (&[f32], &[f32]) = (&norm.gamma, &norm.beta);
    x.par_chunks_mut(piece_rows(width) * width).for_each(|x| {
        vectorised(
            #[inline(always)]
            || {
                for row in x.chunks_exact_mut(width) {
                    row.iter_mut().for_each(|x| *x *= normal(*x).0);
                    let (mean, scale) = moments(row, norm.epsilon);
                    for ((x, gamma), beta) in row.iter_mut().zip(gamma).zip(beta) {
                        *x = (*x - mean) * scale * gamma + beta;
                    }
                }
            },
        );
    });
}

/// The gradients of a block's parameters.
pub(crate) struct BlockGradients {
    /// `[width]`
    pub(crate) gamma: Values,
    /// `[width]`
    pub(crate) beta: Values,
    /// Of what was added to every row before: `[width]`.
    pub(crate) added: Values,
}

/// Back through `y = LayerNorm(GELU(x))`: turns the gradient of `y` in `gradient` into that of `x`.
///
/// With `g = GELU(x)`, `n = (g - mean) · scale` and `e = γ · dy`:
/// `dg = scale · (e - mean(e) - n · mean(e · n))`, `dx = dg · (Φ(x) + x φ(x))`.
pub(crate) fn gelu_norm_backward(gradient: &mut [f32], x: &[f32], norm: &Norm) -> BlockGradients {
    let width = norm.gamma.len();
    let gamma: &[f32] = &norm.gamma;
    let piece = piece_rows(width) * width;
    // The sums over rows of dy · n, of dy and of dx.
    let partial: Vec<Vec<f32>> = gradient
        .par_chunks_mut(piece)
        .zip(x.par_chunks(piece))
        .map(|(gradient, x)| {
            let mut sums = vec![0.0; 3 * width];
            let (sum_gamma, rest) = sums.split_at_mut(width);
            let (sum_beta, sum_added) = rest.split_at_mut(width);
            let (mut n, mut slope) = (vec![0.0; width], vec![0.0; width]);
            for (dy, x) in gradient.chunks_exact_mut(width).zip(x.chunks_exact(width)) {
                vectorised(
                    #[inline(always)]
                    || {
                        let (n, slope) = (&mut n[..width], &mut slope[..width]);
                        let sum_gamma = &mut sum_gamma[..width];
                        let (sum_beta, sum_added) =
                            (&mut sum_beta[..width], &mut sum_added[..width]);
                        let (dy, x, count) = (&mut dy[..width], &x[..width], width as f32);
                        for j in 0..width {
                            let (phi, density) = normal(x[j]);
                            n[j] = x[j] * phi;
                            slope[j] = phi + x[j] * density;
                        }
                        let (mean, scale) = moments(n, norm.epsilon);
                        for j in 0..width {
                            n[j] = (n[j] - mean) * scale;
                            sum_gamma[j] += dy[j] * n[j];
                            sum_beta[j] += dy[j];
                            dy[j] *= gamma[j];
                        }
                        let (mean, slant) = (sum(dy) / count, dot(dy, n) / count);
                        for j in 0..width {
                            dy[j] = scale * (dy[j] - mean - n[j] * slant) * slope[j];
                            sum_added[j] += dy[j];
                        }
                    },
                );
            }
            sums
        })
        .collect();
    let sums = add_up(partial, 3 * width);
    BlockGradients {
        gamma: Values::new(&sums[..width], [width]),
        beta: Values::new(&sums[width..2 * width], [width]),
        added: Values::new(&sums[2 * width..], [width]),
    }
}

/// The numbers of one step of Adam that are the same for all values.
#[derive(Clone, Copy)]
pub(crate) struct AdamStep {
    pub(crate) beta_1: f32,
    pub(crate) beta_2: f32,
    /// `sqrt(1 - β₂^t) / (1 - β₁^t)`
    pub(crate) correction: f32,
    /// `ε sqrt(1 - β₂^t)`
    pub(crate) epsilon: f32,
    pub(crate) learning_rate: f32,
}

/// One step of Adam (Kingma & Ba 2015, §2, the efficient order): changes the values and both moments.
pub(crate) fn adam(
    values: &mut [f32],
    moment_1: &mut [f32],
    moment_2: &mut [f32],
    gradient: &[f32],
    step: AdamStep,
) {
    values
        .par_chunks_mut(PIECE)
        .zip(moment_1.par_chunks_mut(PIECE))
        .zip(moment_2.par_chunks_mut(PIECE))
        .zip(gradient.par_chunks(PIECE))
        .for_each(|(((values, moment_1), moment_2), gradient)| {
            vectorised(
                #[inline(always)]
                || {
                    let moments = moment_1.iter_mut().zip(moment_2);
                    for ((value, (m, v)), g) in values.iter_mut().zip(moments).zip(gradient) {
                        *m = *m * step.beta_1 + g * (1.0 - step.beta_1);
                        *v = *v * step.beta_2 + g * g * (1.0 - step.beta_2);
                        let delta = *m * step.correction / (v.sqrt() + step.epsilon);
                        *value -= delta * step.learning_rate;
                    }
                },
            );
        });
}

/// Rows of one piece of work.
pub(crate) fn piece_rows(width: usize) -> usize {
    (PIECE / width).max(1)
}

/// The sum of vectors, in their order.
pub(crate) fn add_up(parts: Vec<Vec<f32>>, length: usize) -> Vec<f32> {
    let mut parts = parts.into_iter();
    let mut total = parts.next().unwrap_or_else(|| vec![0.0; length]);
    for part in parts {
        total.iter_mut().zip(part).for_each(|(t, p)| *t += p);
    }
    total
}

/// The mean of a row and `1 / sqrt(variance + ε)`.
#[inline(always)]
fn moments(row: &[f32], epsilon: f32) -> (f32, f32) {
    let count = row.len() as f32;
    let mean = sum(row) / count;
    let square = |lane, x| lane + (x - mean) * (x - mean);
    let squares = fold(row, 0.0, square, |a, b| a + b);
    (mean, 1.0 / (squares / count + epsilon).sqrt())
}

#[inline(always)]
fn sum(row: &[f32]) -> f32 {
    fold(row, 0.0, |lane, x| lane + x, |a, b| a + b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_do_not_depend_on_the_number_of_threads() {
        let width = 129;
        let values = |seed: usize| -> Vec<f32> {
            (0..1000 * width)
                .map(|i| ((i * 31 + seed) % 997) as f32 / 500.0 - 1.0)
                .collect()
        };
        let norm = Norm {
            gamma: Values::new(&values(1)[..width], [width]),
            beta: Values::new(&values(2)[..width], [width]),
            epsilon: 1e-5,
        };
        let [one, four] = [1, 4].map(|threads| {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap();
            pool.install(|| {
                let mut gradient = values(3);
                let found = gelu_norm_backward(&mut gradient, &values(4), &norm);
                (
                    gradient,
                    found.gamma.to_vec(),
                    found.beta.to_vec(),
                    found.added.to_vec(),
                )
            })
        });
        assert_eq!(one, four);
    }
}
