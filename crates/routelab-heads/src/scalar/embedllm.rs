//! EmbedLLM (Zhuang et al. 2024, arXiv 2410.02223): correctness as a product of a query and a model embedding.

use burn::module::{Module, Param};
use burn::nn::Linear;
use burn::tensor::Tensor;
use ndarray::Array1;
use serde::{Deserialize, Serialize};

use crate::fitted::Network;
use crate::init::{Init, Initializer};
use crate::loss::squared_error;
use crate::objective::{Examples, Objective, Output};
use crate::products::product;
use crate::ranges::{above_zero, at_least_one};
use crate::train::{self, Fit, TrainConfig};
use crate::{Architecture, FittedNetwork, HeadError, matrix};

/// The sizes of the network.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmbedLlmConfig {
    /// Width of the embedding of a model, at least 1.
    pub width: usize,
    /// Deviation of the initial embeddings of the models, above 0.
    #[serde(default = "standard")]
    pub deviation: f64,
    /// Whether a linear map from a model's embedding to its cost is learned with the rest (ORBIT).
    #[serde(default)]
    pub joint_cost: bool,
}

fn standard() -> f64 {
    1.0
}

impl Architecture for EmbedLlmConfig {
    type Network = EmbedLlm;

    fn validate(&self) -> Result<(), String> {
        at_least_one("width", self.width)?;
        // Drawn in single precision, in which very large and very small numbers are none.
        above_zero("deviation", f64::from(self.deviation as f32))
    }

    fn init(&self, dimension: usize, models: usize, init: &mut Initializer) -> EmbedLlm {
        EmbedLlm {
            projection: init.linear(dimension, self.width, Init::FanIn),
            models: init.normal_matrix(models, self.width, self.deviation as f32),
            bias: init.zeros(models),
            cost: self
                .joint_cost
                .then(|| init.linear(self.width, 1, Init::FanIn)),
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
    /// From `e_m` to the cost of the model
    cost: Option<Linear>,
}

impl EmbedLlm {
    /// `x`: `[batch, dimension]`, `models`: `[models, width]`; returns logits `[batch, models]`.
    fn score(&self, x: Tensor<2>, models: Tensor<2>) -> Tensor<2> {
        let query = self.projection.forward(x); // [batch, width]
        product(query, models.transpose()) + self.bias.val().unsqueeze::<2>()
    }
}

impl Network for EmbedLlm {
    const OUTPUT: Output = Output::Probabilities;

    fn logits(&self) -> impl Fn(Tensor<2>) -> Tensor<2> {
        |x| self.score(x, self.models.val())
    }
}

/// A fitted EmbedLLM: predicts probabilities, if it was trained by cross-entropy as its authors do.
pub type FittedEmbedLlm = FittedNetwork<EmbedLlmConfig>;

impl FittedEmbedLlm {
    /// Fits the network on an objective: cross-entropy is the authors'.
    ///
    /// `noise` is the deviation of the normal noise that is added to query and model embeddings while training, 0 or more. The
    /// costs are learned by squared error beside it, if the network has a map to costs.
    ///
    /// # Errors
    ///
    /// Different numbers of rows, no rows, or a loss that is not a number.
    pub fn fit(
        examples: &Examples,
        config: &EmbedLlmConfig,
        noise: f64,
        objective: &Objective,
        training: &TrainConfig,
        fit: &Fit,
    ) -> Result<Self, HeadError> {
        examples.check()?;
        let (x, targets) = examples.on(&train::training_device(fit.backend));
        let (sizes, rows) = (examples.sizes(), examples.len());
        let fitted = Self::train(config, sizes, rows, training, fit, |network, batch| {
            let queries = batch.with_noise(batch.select(&x), noise);
            let models = batch.with_noise(network.models.val(), noise);
            let targets = targets.select(batch.index());
            let error = network.cost.as_ref().map(|map| {
                let real = targets.cost.clone(); // [batch, models]
                let predicted = map.forward(models.clone()).transpose(); // [1, models]
                let predicted = predicted.expand(real.dims());
                squared_error(predicted, real, targets.measured.clone())
            });
            let loss = objective.loss(network.score(queries, models), &targets);
            match error {
                Some(error) => loss + error,
                None => loss,
            }
        })?;
        Ok(fitted.with_output(objective.output()))
    }

    /// The learned cost of every model, `[models]`; `None` if the network has no map to costs.
    ///
    /// # Errors
    ///
    /// [`HeadError::Device`]
    pub fn costs(&self) -> Result<Option<Array1<f32>>, HeadError> {
        let network = self.network();
        let costs = |map: &Linear| matrix::to_array(map.forward(network.models.val()));
        let costs = network.cost.as_ref().map(costs).transpose()?;
        Ok(costs.map(|costs| costs.column(0).to_owned()))
    }
}
