//! Initial weights, drawn on the host so that a seed means the same network on every backend.

use burn::module::Param;
use burn::nn::Linear;
use burn::tensor::{Device, Tensor, TensorData};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Normal, Uniform};
use serde::{Deserialize, Serialize};

/// How the weights of a linear layer start.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Init {
    /// `U(-a, a)` with `a = sqrt(6 / (in + out))`, biases zero (Glorot & Bengio 2010).
    Xavier,
    /// Weights and biases `U(-a, a)` with `a = 1 / sqrt(in)`: PyTorch's default for a linear layer.
    FanIn,
    /// `N(0, 0.01²)`, biases zero.
    SmallNormal,
}

/// Draws the weights of one network.
pub(crate) struct Initializer<'a> {
    rng: ChaCha8Rng,
    device: &'a Device,
}

impl<'a> Initializer<'a> {
    pub(crate) fn new(seed: u64, device: &'a Device) -> Self {
        Self {
            rng: ChaCha8Rng::seed_from_u64(seed),
            device,
        }
    }

    /// A linear layer from `input` to `output` features.
    pub(crate) fn linear(&mut self, input: usize, output: usize, init: Init) -> Linear {
        let weights = match init {
            Init::Xavier => self.uniform((6.0 / (input + output) as f32).sqrt(), input * output),
            Init::FanIn => self.uniform(1.0 / (input as f32).sqrt(), input * output),
            Init::SmallNormal => self.normal(0.01, input * output),
        };
        let biases = match init {
            Init::FanIn => self.uniform(1.0 / (input as f32).sqrt(), output),
            Init::Xavier | Init::SmallNormal => vec![0.0; output],
        };
        Linear {
            weight: self.parameter(weights, [input, output]),
            bias: Some(self.parameter(biases, [output])),
        }
    }

    /// A linear layer without biases.
    pub(crate) fn linear_map(&mut self, input: usize, output: usize, init: Init) -> Linear {
        Linear {
            bias: None,
            ..self.linear(input, output, init)
        }
    }

    /// A vector of zeros.
    pub(crate) fn zeros(&self, length: usize) -> Param<Tensor<1>> {
        self.parameter(vec![0.0; length], [length])
    }

    /// A matrix `[rows, columns]` of `N(0, deviation²)`.
    pub(crate) fn normal_matrix(
        &mut self,
        rows: usize,
        columns: usize,
        deviation: f32,
    ) -> Param<Tensor<2>> {
        let values = self.normal(deviation, rows * columns);
        self.parameter(values, [rows, columns])
    }

    fn parameter<const D: usize>(&self, values: Vec<f32>, shape: [usize; D]) -> Param<Tensor<D>> {
        Param::from_data(TensorData::new(values, shape), self.device)
    }

    fn uniform(&mut self, bound: f32, count: usize) -> Vec<f32> {
        let distribution = Uniform::new_inclusive(-bound, bound).expect("a positive, finite bound");
        (0..count)
            .map(|_| distribution.sample(&mut self.rng))
            .collect()
    }

    fn normal(&mut self, deviation: f32, count: usize) -> Vec<f32> {
        let distribution = Normal::new(0.0, deviation).expect("a positive, finite deviation");
        (0..count)
            .map(|_| distribution.sample(&mut self.rng))
            .collect()
    }
}
