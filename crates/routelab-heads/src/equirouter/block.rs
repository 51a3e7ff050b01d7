//! A hidden layer of EquiRouter's network.

use burn::module::Module;
use burn::nn::{LayerNorm, Linear};
use burn::tensor::Tensor;

use super::extension::NORM_EPSILON;
use super::operations::activate;
use crate::init::{Init, Initializer};
use crate::products::product;

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

    /// `[rows, inputs]` → `[rows, outputs]`
    pub(super) fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let bias = self.linear.bias.as_ref().expect("every layer has a bias");
        let sums = product(x, self.linear.weight.val());
        activate(sums, bias.val().unsqueeze(), &self.norm)
    }
}
