//! Element-wise functions for processors, vectorised.
//!
//! Burn's CPU backends compute the exponential and the error function of a tensor, and sums of different shapes, one element
//! at a time, which takes as long as all matrix products of a small transformer. Here the compiler vectorises them for the
//! processor at hand.

use burn::nn::Linear;
use burn::tensor::activation;
use burn::tensor::{Tensor, TensorData};
use routelab_kernels::{exp, fold, normal, vectorised};

use routelab_device::is_processor;

/// `x Φ(x)`, the exact GELU: within 1e-6 of it on processors.
pub(crate) fn gelu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    if is_processor(&x.device()) {
        in_place(x, |values| map(values, gelu_1))
    } else {
        activation::gelu(x)
    }
}

/// `x σ(1.702 x)`, CLIP's approximation of GELU.
pub(crate) fn quick_gelu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    if is_processor(&x.device()) {
        in_place(x, |values| map(values, |v| v / (1.0 + exp(-1.702 * v))))
    } else {
        x.clone() * activation::sigmoid(x * 1.702)
    }
}

/// `x W + b`, [rows, inputs] → [rows, outputs].
pub(crate) fn linear(layer: &Linear, x: Tensor<2>) -> Tensor<2> {
    let bias = match &layer.bias {
        Some(bias) if is_processor(&x.device()) => bias.val().into_data_as::<f32>(),
        _ => return layer.forward(x),
    };
    let bias: &[f32] = bias.as_slice().expect("the bias was read as f32");
    in_place(x.matmul(layer.weight.val()), |values| {
        vectorised(
            #[inline(always)]
            || {
                for row in values.chunks_exact_mut(bias.len()) {
                    row.iter_mut().zip(bias).for_each(|(value, b)| *value += b);
                }
            },
        );
    })
}

/// `softmax(scale · x)` over the last axis, for processors.
pub(crate) fn scaled_softmax<const D: usize>(x: Tensor<D>, scale: f32) -> Tensor<D> {
    let width = x.dims()[D - 1];
    in_place(x, |values| {
        for row in values.chunks_exact_mut(width.max(1)) {
            softmax_row(row, scale);
        }
    })
}

/// Changes a tensor's values where they are; a processor's tensor that nobody else holds is not copied.
fn in_place<const D: usize>(x: Tensor<D>, change: impl FnOnce(&mut [f32])) -> Tensor<D> {
    let device = x.device();
    let mut data: TensorData = x.into_data_as::<f32>();
    change(data.as_mut_slice().expect("the tensor was read as f32"));
    Tensor::from_data(data, &device)
}

/// Applies `f` to every value.
fn map(values: &mut [f32], f: impl Fn(f32) -> f32) {
    vectorised(
        #[inline(always)]
        || values.iter_mut().for_each(|value| *value = f(*value)),
    );
}

fn softmax_row(row: &mut [f32], scale: f32) {
    vectorised(
        #[inline(always)]
        || {
            let largest = fold(row, f32::NEG_INFINITY, f32::max, f32::max);
            row.iter_mut()
                .for_each(|value| *value = exp(scale * (*value - largest)));
            let sum = fold(row, 0.0, |a, b| a + b, |a, b| a + b);
            row.iter_mut().for_each(|value| *value /= sum);
        },
    );
}

/// `x Φ(x)`
#[inline(always)]
fn gelu_1(x: f32) -> f32 {
    x * normal(x).0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Φ by its integral (Simpson's rule), in double precision.
    fn phi(x: f64) -> f64 {
        let steps = 2000;
        let h = x / steps as f64;
        let density = |t: f64| (-0.5 * t * t).exp() / (2.0 * std::f64::consts::PI).sqrt();
        let sum: f64 = (0..=steps)
            .map(|i| {
                let weight = match i {
                    0 => 1.0,
                    i if i == steps => 1.0,
                    i if i % 2 == 1 => 4.0,
                    _ => 2.0,
                };
                weight * density(i as f64 * h)
            })
            .sum();
        0.5 + sum * h / 3.0
    }

    #[test]
    fn gelu_is_the_exact_one() {
        let mut values: Vec<f32> = (-800..=800).map(|i| i as f32 / 100.0).collect();
        let inputs = values.clone();
        map(&mut values, gelu_1);
        for (x, value) in inputs.into_iter().zip(values) {
            let exact = f64::from(x) * phi(f64::from(x));
            assert!(
                (f64::from(value) - exact).abs() < 1e-6,
                "gelu({x}) = {value}, not {exact}"
            );
        }
    }

    #[test]
    fn softmax_rows_are_distributions_even_for_large_scores() {
        for width in [1, 2, 15, 16, 17, 100] {
            let scores: Vec<f32> = (0..width).map(|i| (i * 37 % 11) as f32 * 30.0).collect();
            let mut row = scores.clone();
            softmax_row(&mut row, 0.25);
            let exact: Vec<f64> = scores
                .iter()
                .map(|&s| (0.25 * f64::from(s - 300.0)).exp())
                .collect();
            let sum: f64 = exact.iter().sum();
            for (value, exact) in row.iter().zip(exact) {
                assert!((f64::from(*value) - exact / sum).abs() < 1e-6);
            }
        }
    }
}
