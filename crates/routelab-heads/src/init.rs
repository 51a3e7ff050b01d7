//! Initial weights, drawn on the host so that a seed means the same network on every backend.

use std::cell::Cell;

use burn::module::Param;
use burn::nn::{LayerNorm, LayerNormConfig, Linear};
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

/// How many numbers a network may still have. A description that asks for more than its file holds is damaged, and would take
/// all memory before the file is looked at.
#[derive(Debug)]
pub(crate) struct Room(Cell<Option<usize>>);

impl Room {
    pub(crate) fn of(numbers: usize) -> Self {
        Self(Cell::new(Some(numbers)))
    }

    /// Whether the network asked for more.
    pub(crate) fn is_exceeded(&self) -> bool {
        self.0.get().is_none()
    }

    fn take(&self, numbers: usize) -> bool {
        let left = self.0.get().and_then(|left| left.checked_sub(numbers));
        self.0.set(left);
        left.is_some()
    }
}

/// Draws the weights of one network.
pub struct Initializer<'a> {
    rng: ChaCha8Rng,
    device: &'a Device,
    left: Option<&'a Room>,
}

impl<'a> Initializer<'a> {
    /// Of a new network.
    pub(crate) fn new(seed: u64, device: &'a Device) -> Self {
        Self {
            rng: ChaCha8Rng::seed_from_u64(seed),
            device,
            left: None,
        }
    }

    /// Of a network that is loaded, and has to fit.
    pub(crate) fn within(room: &'a Room, device: &'a Device) -> Self {
        Self {
            left: Some(room),
            ..Self::new(0, device)
        }
    }

    /// The shape itself, or the smallest where there is no room for it: then the network is thrown away.
    fn fitting<const D: usize>(&self, shape: [usize; D]) -> [usize; D] {
        let Some(left) = self.left else {
            return shape;
        };
        let numbers = (shape.iter()).fold(1, |product: usize, &side| product.saturating_mul(side));
        if left.take(numbers) { shape } else { [1; D] }
    }

    /// A layer norm of `width` features.
    pub(crate) fn norm(&self, width: usize, epsilon: f64) -> LayerNorm {
        let [width] = self.fitting([width]);
        LayerNormConfig::new(width)
            .with_epsilon(epsilon)
            .init(self.device)
    }

    /// A linear layer from `input` to `output` features.
    pub(crate) fn linear(&mut self, input: usize, output: usize, init: Init) -> Linear {
        let [input, output] = self.fitting([input, output]);
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
        let [length] = self.fitting([length]);
        self.parameter(vec![0.0; length], [length])
    }

    /// A matrix `[rows, columns]` of `N(0, deviation²)`.
    pub(crate) fn normal_matrix(
        &mut self,
        rows: usize,
        columns: usize,
        deviation: f32,
    ) -> Param<Tensor<2>> {
        let [rows, columns] = self.fitting([rows, columns]);
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
