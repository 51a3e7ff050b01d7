//! EmbedLLM (Zhuang et al. 2024, arXiv 2410.02223): correctness as a product of a query and a model embedding.

use burn::module::{Module, Param};
use burn::nn::Linear;
use burn::tensor::{Device, Tensor, activation};
use ndarray::ArrayView2;
use serde::{Deserialize, Serialize};

use crate::fitted::Network;
use crate::init::{Init, Initializer};
use crate::loss::binary_cross_entropy;
use crate::ranges::at_least_one;
use crate::train::{self, Fit, TrainConfig};
use crate::{Architecture, Fitted, HeadError, check_rows, matrix};

/// The sizes of the network.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmbedLlmConfig {
    /// Width of the embedding of a model, at least 1.
    pub width: usize,
}

impl Architecture for EmbedLlmConfig {
    type Network = EmbedLlm;

    fn validate(&self) -> Result<(), String> {
        at_least_one("width", self.width)
    }

    fn init(&self, dimension: usize, models: usize, seed: u64, device: &Device) -> EmbedLlm {
        let mut init = Initializer::new(seed, device);
        EmbedLlm {
            projection: init.linear(dimension, self.width, Init::FanIn),
            models: init.normal_matrix(models, self.width, 1.0),
            bias: init.zeros(models),
        }
    }
}

/// `P(m is right on x) = σ(e_m · (W x + w) + b_m)`.
#[derive(Module, Debug)]
pub struct EmbedLlm {
    projection: Linear,
    /// `e`, `[models, width]`
    models: Param<Tensor<2>>,
    /// `b`, `[models]`
    bias: Param<Tensor<1>>,
}

impl EmbedLlm {
    /// `x`: `[batch, dimension]`, `models`: `[models, width]`; returns logits `[batch, models]`.
    fn logits(&self, x: Tensor<2>, models: Tensor<2>) -> Tensor<2> {
        let query = self.projection.forward(x); // [batch, width]
        query.matmul(models.transpose()) + self.bias.val().unsqueeze::<2>()
    }
}

impl Network for EmbedLlm {
    fn predictor(&self) -> impl Fn(Tensor<2>) -> Tensor<2> {
        |x| activation::sigmoid(self.logits(x, self.models.val()))
    }
}

/// A fitted EmbedLLM: predicts probabilities.
pub type FittedEmbedLlm = Fitted<EmbedLlmConfig>;

impl FittedEmbedLlm {
    /// Fits the network by binary cross-entropy.
    ///
    /// `x`: embeddings `[queries, dimension]`; `quality` in [0, 1]: `[queries, models]`. `noise` is the deviation of the
    /// normal noise that is added to query and model embeddings while training, 0 or more.
    ///
    /// # Errors
    ///
    /// Different numbers of rows, no rows, or a loss that is not a number.
    pub fn fit(
        x: ArrayView2<f32>,
        quality: ArrayView2<f32>,
        config: &EmbedLlmConfig,
        noise: f64,
        training: &TrainConfig,
        fit: &Fit,
    ) -> Result<Self, HeadError> {
        check_rows(x, &[quality])?;
        let sizes = [x.ncols(), quality.ncols()];
        let rows = x.nrows();
        let device = train::training_device(fit.backend);
        let [x, quality] = [x, quality].map(|values| matrix::to_tensor(values, &device));
        Self::train(config, sizes, rows, training, fit, |network, batch| {
            let queries = batch.with_noise(batch.select(&x), noise);
            let models = batch.with_noise(network.models.val(), noise);
            binary_cross_entropy(network.logits(queries, models), batch.select(&quality))
        })
    }
}
