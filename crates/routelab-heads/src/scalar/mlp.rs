//! Multi-layer perceptron from an embedding to one number per candidate model.

use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::{Tensor, activation};
use ndarray::ArrayView2;
use serde::{Deserialize, Serialize};

use crate::fitted::Network;
pub use crate::init::Init;
use crate::init::Initializer;
use crate::loss::squared_error;
use crate::products::linear;
use crate::train::{self, Fit, TrainConfig};
use crate::{Architecture, FittedNetwork, HeadError, check_rows, matrix};

/// The sizes of a perceptron.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MlpConfig {
    /// Width of every hidden layer; none makes the network linear.
    pub hidden: Vec<usize>,
    /// Rank of a linear layer without activation in front of the others; `None` leaves it out.
    pub bottleneck: Option<usize>,
    /// Whether a second linear layer brings the bottleneck back to the width of the embedding, as in ORBIT.
    #[serde(default)]
    pub widen: bool,
    /// Initial weights.
    pub init: Init,
}

impl Architecture for MlpConfig {
    type Network = Mlp;

    fn validate(&self) -> Result<(), String> {
        if self.hidden.contains(&0) {
            return Err("every width in `hidden` must be at least 1".into());
        }
        if self.bottleneck == Some(0) {
            return Err("`rank` must be at least 1".into());
        }
        Ok(())
    }

    fn init(&self, dimension: usize, models: usize, init: &mut Initializer) -> Mlp {
        let mut width = dimension;
        let bottleneck = self.bottleneck.map(|rank| {
            let layer = init.linear(width, rank, self.init);
            width = rank;
            layer
        });
        let widening = (self.widen && bottleneck.is_some()).then(|| {
            let layer = init.linear(width, dimension, self.init);
            width = dimension;
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
            widening,
            hidden,
            output: init.linear(width, models, self.init),
        }
    }
}

/// `[bottleneck [→ widening]] → (linear → ReLU)* → linear`.
#[derive(Module, Debug)]
pub struct Mlp {
    bottleneck: Option<Linear>,
    widening: Option<Linear>,
    hidden: Vec<Linear>,
    output: Linear,
}

impl Mlp {
    /// `x`: `[batch, input]`; returns `[batch, output]`.
    pub(crate) fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let mut x = match &self.bottleneck {
            Some(layer) => linear(layer, x),
            None => x,
        };
        if let Some(layer) = &self.widening {
            x = linear(layer, x);
        }
        for layer in &self.hidden {
            x = activation::relu(linear(layer, x));
        }
        linear(&self.output, x)
    }
}

impl Network for Mlp {
    fn logits(&self) -> impl Fn(Tensor<2>) -> Tensor<2> {
        |x| self.forward(x)
    }
}

/// A fitted perceptron.
pub type FittedMlp = FittedNetwork<MlpConfig>;

impl FittedMlp {
    /// Fits the network by mean squared error.
    ///
    /// `x`: embeddings `[queries, dimension]`; `y`: targets `[queries, models]`, those only where `measured`, of the same shape, is 1
    /// and not 0; all without it.
    ///
    /// # Errors
    ///
    /// Different numbers of rows, no rows, or a loss that is not a number.
    pub fn fit(
        x: ArrayView2<f32>,
        y: ArrayView2<f32>,
        measured: Option<ArrayView2<f32>>,
        config: &MlpConfig,
        training: &TrainConfig,
        fit: &Fit,
    ) -> Result<Self, HeadError> {
        let targets = [Some(y), measured].into_iter().flatten();
        check_rows(x, &targets.collect::<Vec<_>>())?;
        let (sizes, rows) = ([x.ncols(), y.ncols()], x.nrows());
        let device = train::training_device(fit.backend);
        let [x, y] = [x, y].map(|values| matrix::to_tensor(values, &device));
        let measured = measured.map(|measured| matrix::to_tensor(measured, &device));
        Self::train(config, sizes, rows, training, fit, |network, batch| {
            let measured = measured.as_ref().map(|measured| batch.select(measured));
            let predicted = network.forward(batch.select(&x));
            squared_error(predicted, batch.select(&y), measured)
        })
    }
}
