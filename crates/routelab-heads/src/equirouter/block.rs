//! A hidden layer of EquiRouter's network.

use burn::module::Module;
use burn::nn::{LayerNorm, Linear};
use burn::tensor::Tensor;

use crate::init::{Init, Initializer};

/// Added to the variance by the layer norms.
pub(super) const NORM_EPSILON: f64 = 1e-5;

/// `linear → GELU → layer norm`.
#[derive(Module, Debug)]
pub(super) struct Block {
    pub(super) linear: Linear,
    pub(super) norm: LayerNorm,
}

impl Block {
    pub(super) fn new(input: usize, output: usize, init: &mut Initializer) -> Self {
        Self {
            linear: init.linear(input, output, Init::Xavier),
            norm: init.norm(output, NORM_EPSILON),
        }
    }

    pub(super) fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        self.activate(self.linear.forward(x))
    }

    /// What follows the linear layer.
    pub(super) fn activate<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        self.norm.forward(gelu(x))
    }
}

/// Exact GELU, `x · Φ(x)`. Burn's own operation has the derivative of the tanh approximation on some backends, which
/// is off by up to 3e-4; composed of `erf`, value and derivative are exact on all.
fn gelu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    x.clone() * ((x * std::f32::consts::FRAC_1_SQRT_2).erf() + 1.0) * 0.5
}
