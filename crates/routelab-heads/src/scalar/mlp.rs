//! Multi-layer perceptron from an embedding to one number per candidate model.

use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::{Device, Tensor, activation};
use ndarray::{Array2, ArrayView2};
use serde::{Deserialize, Serialize};

use crate::equirouter::loss::mean_squared_error;
pub use crate::init::Init;
use crate::init::Initializer;
use crate::train::{self, Fit, History, TrainConfig};
use crate::{Backend, HeadError, matrix, weights};

/// Queries predicted at a time, so that memory stays bounded.
const PREDICTION_ROWS: usize = 4096;

/// The sizes of a perceptron.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MlpConfig {
    /// Width of every hidden layer; none makes the network linear.
    pub hidden: Vec<usize>,
    /// Rank of a linear layer without activation in front of the others; `None` leaves it out.
    pub bottleneck: Option<usize>,
    /// Initial weights.
    pub init: Init,
}

impl MlpConfig {
    /// Checks the ranges of the settings; the error names the setting.
    pub fn validate(&self) -> Result<(), String> {
        if self.hidden.contains(&0) {
            return Err("every width in `hidden` must be at least 1".into());
        }
        if self.bottleneck == Some(0) {
            return Err("`rank` must be at least 1".into());
        }
        Ok(())
    }

    /// A new network from `input` features to `output` numbers.
    fn init(&self, input: usize, output: usize, seed: u64, device: &Device) -> Mlp {
        let mut init = Initializer::new(seed, device);
        let mut width = input;
        let bottleneck = self.bottleneck.map(|rank| {
            let layer = init.linear(width, rank, self.init);
            width = rank;
            layer
        });
        let hidden = self
            .hidden
            .iter()
            .map(|&next| {
                let layer = init.linear(width, next, self.init);
                width = next;
                layer
            })
            .collect();
        Mlp {
            bottleneck,
            hidden,
            output: init.linear(width, output, self.init),
        }
    }
}

/// `[bottleneck] → (linear → ReLU)* → linear`.
#[derive(Module, Debug)]
struct Mlp {
    bottleneck: Option<Linear>,
    hidden: Vec<Linear>,
    output: Linear,
}

impl Mlp {
    /// `x`: `[batch, input]`; returns `[batch, output]`.
    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let mut x = match &self.bottleneck {
            Some(layer) => layer.forward(x),
            None => x,
        };
        for layer in &self.hidden {
            x = activation::relu(layer.forward(x));
        }
        self.output.forward(x)
    }
}

/// A fitted perceptron.
pub struct FittedMlp {
    network: Mlp,
    device: Device,
    input: usize,
    history: History,
}

impl FittedMlp {
    /// Fits the network by mean squared error.
    ///
    /// `x`: embeddings `[queries, dimension]`; `y`: targets `[queries, models]`.
    ///
    /// # Errors
    ///
    /// Different numbers of rows, no rows, or a loss that is not a number.
    pub fn fit(
        x: ArrayView2<f32>,
        y: ArrayView2<f32>,
        config: &MlpConfig,
        training: &TrainConfig,
        fit: &Fit,
    ) -> Result<Self, HeadError> {
        if x.nrows() != y.nrows() || x.nrows() == 0 {
            return Err(HeadError::Shape {
                what: "training rows",
                expected: format!("{} rows of targets, at least 1", x.nrows()),
                found: y.nrows().to_string(),
            });
        }
        let device = train::training_device(fit.backend);
        let (input, output) = (x.ncols(), y.ncols());
        let rows = x.nrows();
        let (x, y) = (matrix::to_tensor(x, &device), matrix::to_tensor(y, &device));
        let network = config.init(input, output, fit.seed, &device);
        let (network, history) = train::train(network, rows, training, fit, |network, batch| {
            let predicted = network.forward(x.clone().select(0, batch.clone()));
            mean_squared_error(predicted, y.clone().select(0, batch))
        })?;
        Ok(Self {
            network,
            device: fit.backend.device().clone(),
            input,
            history,
        })
    }

    /// Predicts `[queries, models]` from embeddings `[queries, dimension]`.
    ///
    /// # Errors
    ///
    /// An embedding dimension other than the one the network was fitted on.
    pub fn predict(&self, x: ArrayView2<f32>) -> Result<Array2<f32>, HeadError> {
        crate::check_dimension(self.input, x.ncols())?;
        Ok(crate::in_chunks(x, PREDICTION_ROWS, |rows| {
            matrix::to_array(self.network.forward(matrix::to_tensor(rows, &self.device)))
        }))
    }

    /// The mean training loss of every epoch.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// The weights as the bytes of a safetensors file.
    pub fn to_bytes(&self) -> Result<Vec<u8>, HeadError> {
        Ok(weights::to_bytes(&self.network)?)
    }

    /// A fitted network from the weights that [`to_bytes`](Self::to_bytes) made of a network of the same sizes.
    pub fn from_bytes(
        bytes: &[u8],
        config: &MlpConfig,
        input: usize,
        output: usize,
        backend: &Backend,
    ) -> Result<Self, HeadError> {
        let device = backend.device().clone();
        let network = weights::from_bytes(config.init(input, output, 0, &device), bytes)?;
        Ok(Self {
            network,
            device,
            input,
            history: History::default(),
        })
    }
}
