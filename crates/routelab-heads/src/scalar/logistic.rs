//! A perceptron whose outputs are probabilities.

use burn::module::Module;
use burn::tensor::Tensor;
use ndarray::ArrayView2;
use serde::{Deserialize, Serialize};

use super::mlp::{Mlp, MlpConfig};
use crate::fitted::Network;
use crate::init::Initializer;
use crate::loss::binary_cross_entropy;
use crate::objective::Output;
use crate::train::{self, Fit, TrainConfig};
use crate::{Architecture, FittedNetwork, HeadError, check_rows, matrix};

/// The sizes of the perceptron.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LogisticConfig(pub MlpConfig);

impl Architecture for LogisticConfig {
    type Network = Logistic;

    fn validate(&self) -> Result<(), String> {
        self.0.validate()
    }

    fn init(&self, dimension: usize, models: usize, init: &mut Initializer) -> Logistic {
        Logistic {
            logits: self.0.init(dimension, models, init),
        }
    }
}

/// `σ(perceptron)`.
#[derive(Module, Debug)]
pub struct Logistic {
    logits: Mlp,
}

impl Network for Logistic {
    const OUTPUT: Output = Output::Probabilities;

    fn logits(&self) -> impl Fn(Tensor<2>) -> Tensor<2> {
        |x| self.logits.forward(x)
    }
}

/// A fitted perceptron with probabilities as outputs.
pub type FittedLogistic = FittedNetwork<LogisticConfig>;

impl FittedLogistic {
    /// Fits the network by binary cross-entropy.
    ///
    /// `x`: embeddings `[queries, dimension]`; `targets` in [0, 1]: `[queries, models]`.
    ///
    /// # Errors
    ///
    /// Different numbers of rows, no rows, or a loss that is not a number.
    pub fn fit(
        x: ArrayView2<f32>,
        targets: ArrayView2<f32>,
        config: &LogisticConfig,
        training: &TrainConfig,
        fit: &Fit,
    ) -> Result<Self, HeadError> {
        check_rows(x, &[targets])?;
        let sizes = [x.ncols(), targets.ncols()];
        let rows = x.nrows();
        let device = train::training_device(fit.backend);
        let [x, targets] = [x, targets].map(|values| matrix::to_tensor(values, &device));
        Self::train(config, sizes, rows, training, fit, |network, batch| {
            let logits = network.logits.forward(batch.select(&x));
            binary_cross_entropy(logits, batch.select(&targets), None)
        })
    }
}
