//! IRT-Router (Song et al. 2025, arXiv 2506.01048): a model answers a query as a pupil answers an exam question.

use burn::module::{Module, Param};
use burn::nn::Linear;
use burn::tensor::{Tensor, activation};
use ndarray::Array2;
use rand::RngExt;
use serde::{Deserialize, Serialize};

use crate::batch::Batch;
use crate::fitted::Network;
use crate::init::{Init, Initializer};
use crate::objective::{Examples, Objective, Output};
use crate::products::{linear, product};
use crate::ranges::at_least_one;
use crate::train::{Fit, TrainConfig};
use crate::{Architecture, FittedNetwork, HeadError};

/// The discrimination of NIRT lies in (0, 9), as in the authors' code.
const DISCRIMINATION_RANGE: f32 = 9.0;

/// Numbers computed at a time while predicting: bounds `[queries, models, hidden]`.
const PREDICTION_SIZE: usize = 1 << 22;

/// The sizes of multidimensional item response theory (MIRT).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct MirtConfig {
    /// Number of abilities, at least 1.
    pub latent: usize,
}

impl Architecture for MirtConfig {
    type Network = Mirt;

    fn validate(&self) -> Result<(), String> {
        at_least_one("latent", self.latent)
    }

    fn init(&self, dimension: usize, models: usize, init: &mut Initializer) -> Mirt {
        Mirt {
            discrimination: init.linear(dimension, self.latent, Init::Xavier),
            difficulty: init.linear(dimension, 1, Init::Xavier),
            abilities: init.normal_matrix(models, self.latent, 1.0 / (self.latent as f32).sqrt()),
        }
    }
}

/// `P(m is right on x) = σ(a(x) · θ_m - b(x))` with `a(x) = softplus(W_a x + w_a)` and `b(x) = w_b · x + c`.
#[derive(Module, Debug)]
pub struct Mirt {
    /// `a` before the softplus.
    discrimination: Linear,
    /// `b`
    difficulty: Linear,
    /// `θ`, `[models, latent]`
    abilities: Param<Tensor<2>>,
}

impl Mirt {
    /// `x`: `[batch, dimension]`; returns logits `[batch, models]`.
    fn score(&self, x: Tensor<2>) -> Tensor<2> {
        // softplus(z) = -ln σ(-z), everywhere finite.
        let discrimination = -activation::log_sigmoid(-linear(&self.discrimination, x.clone()));
        let difficulty = self.difficulty.forward(x); // [batch, 1]
        product(discrimination, self.abilities.val().transpose()) - difficulty
    }
}

impl Network for Mirt {
    const OUTPUT: Output = Output::Probabilities;

    fn logits(&self) -> impl Fn(Tensor<2>) -> Tensor<2> {
        |x| self.score(x)
    }
}

/// A fitted MIRT: predicts probabilities, if it was trained by cross-entropy as its authors do.
pub type FittedMirt = FittedNetwork<MirtConfig>;

/// The sizes of neural item response theory (NIRT).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct NirtConfig {
    /// Number of abilities, at least 1.
    pub latent: usize,
    /// Width of the hidden layer of the interaction network, at least 1.
    pub hidden: usize,
}

impl Architecture for NirtConfig {
    type Network = Nirt;

    fn validate(&self) -> Result<(), String> {
        at_least_one("latent", self.latent)?;
        at_least_one("hidden", self.hidden)
    }

    fn init(&self, dimension: usize, models: usize, init: &mut Initializer) -> Nirt {
        Nirt {
            discrimination: init.linear(dimension, 1, Init::Xavier),
            difficulty: init.linear(dimension, self.latent, Init::Xavier),
            relevance: init.linear(dimension, self.latent, Init::Xavier),
            abilities: init.normal_matrix(models, self.latent, 1.0),
            hidden: init.linear(self.latent, self.hidden, Init::Xavier),
            output: init.linear(self.hidden, 1, Init::Xavier),
        }
    }
}

/// `P(m is right on x) = σ(|V| tanh(|U| z_m + u) + v)` with `z_m = a(x) · (σ(θ_m) - b(x)) ⊙ r(x)`, where
/// `a(x) = 9 σ(w_a · x + c)`, `b(x) = σ(W_b x + w_b)` and `r(x) = softmax(W_r x + w_r)`. The absolute values make it rise
/// with every ability.
#[derive(Module, Debug)]
pub struct Nirt {
    discrimination: Linear,
    difficulty: Linear,
    relevance: Linear,
    /// `θ`, `[models, latent]`
    abilities: Param<Tensor<2>>,
    hidden: Linear,
    output: Linear,
}

impl Nirt {
    /// `x`: `[batch, dimension]`; `mask`: `[batch, hidden]`, multiplies the hidden layer; returns logits
    /// `[batch, models]`.
    fn score(&self, x: Tensor<2>, mask: Option<Tensor<2>>) -> Tensor<2> {
        let discrimination = activation::sigmoid(linear(&self.discrimination, x.clone()));
        let difficulty = activation::sigmoid(linear(&self.difficulty, x.clone()));
        let relevance = activation::softmax(linear(&self.relevance, x), 1);
        let abilities = activation::sigmoid(self.abilities.val());

        let gap = abilities.unsqueeze::<3>() - difficulty.unsqueeze_dim::<3>(1); // [batch, models, latent]
        let weight = relevance * discrimination * DISCRIMINATION_RANGE; // [batch, latent]
        let hidden = rising(&self.hidden, gap * weight.unsqueeze_dim::<3>(1)).tanh();
        let hidden = match mask {
            Some(mask) => hidden * mask.unsqueeze_dim::<3>(1),
            None => hidden,
        };
        rising(&self.output, hidden).squeeze_dim::<2>(2)
    }
}

/// The layer with the absolute values of its weights.
fn rising(layer: &Linear, x: Tensor<3>) -> Tensor<3> {
    let [batch, models, input] = x.dims();
    let weight = layer.weight.val().abs(); // [input, output]
    let output = weight.dims()[1];
    let mut y = product(x.reshape([batch * models, input]), weight);
    if let Some(bias) = &layer.bias {
        y = y + bias.val().unsqueeze::<2>();
    }
    y.reshape([batch, models, output])
}

impl Network for Nirt {
    const OUTPUT: Output = Output::Probabilities;

    fn logits(&self) -> impl Fn(Tensor<2>) -> Tensor<2> {
        |x| self.score(x, None)
    }

    fn chunk(&self) -> usize {
        let hidden = self.hidden.weight.dims()[1];
        (PREDICTION_SIZE / (self.abilities.dims()[0] * hidden)).max(1)
    }
}

/// A fitted NIRT: predicts probabilities, if it was trained by cross-entropy as its authors do.
pub type FittedNirt = FittedNetwork<NirtConfig>;

impl FittedNirt {
    /// Fits the network on an objective: cross-entropy is the authors'.
    ///
    /// `dropout` in [0, 1) is the share of hidden units that a query is trained without.
    ///
    /// # Errors
    ///
    /// Different numbers of rows, no rows, or a loss that is not a number.
    pub fn fit(
        examples: &Examples,
        config: &NirtConfig,
        dropout: f64,
        objective: &Objective,
        training: &TrainConfig,
        fit: &Fit,
    ) -> Result<Self, HeadError> {
        let kept = 1.0 / (1.0 - dropout as f32);
        let scores = |network: &Nirt, x, batch: &mut Batch| {
            let mask = (dropout > 0.0).then(|| {
                let shape = (batch.len(), config.hidden);
                let mask = Array2::from_shape_simple_fn(shape, || {
                    if batch.rng().random_bool(dropout) {
                        0.0
                    } else {
                        kept
                    }
                });
                batch.constant(&mask)
            });
            network.score(x, mask)
        };
        Self::train_on(examples, config, objective, training, fit, scores)
    }
}
