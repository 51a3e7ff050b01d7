//! EquiRouter (Lai & Ye 2026, arXiv 2602.03478): a network that scores all candidate models of a query at once and
//! learns their order.

mod block;
mod fused;
mod mixing;
mod model;
mod predictor;

use burn::optim::GradientsParams;
use burn::tensor::{DType, Tensor};

pub use model::{EquiRouter, EquiRouterConfig};

use self::predictor::Predictor;
use crate::fitted::Network;
use crate::init::Initializer;
use crate::objective::{Examples, Objective};
use crate::train::{self, Fit, TrainConfig};
use crate::{Architecture, FittedNetwork, HeadError, kernels};

/// Scores computed at a time: bounds the memory of the widest intermediate, `[queries, models, width]`.
const PREDICTION_SCORES: usize = 16_384;

/// On processors: pieces of queries at a time, a few for each thread of most machines.
const PREDICTION_PIECES: usize = 32;

impl Network for EquiRouter {
    fn logits(&self) -> impl Fn(Tensor<2>) -> Tensor<2> {
        let predict: Box<dyn Fn(Tensor<2>) -> Tensor<2> + '_> = if self.is_fused() {
            let predictor = Predictor::new(self);
            Box::new(move |x| predictor.predict(x))
        } else {
            let terms = self.model_terms();
            Box::new(move |x| self.score(x, &terms))
        };
        predict
    }

    fn chunk(&self) -> usize {
        if self.is_fused() {
            PREDICTION_PIECES * predictor::PIECE
        } else {
            (PREDICTION_SCORES / self.models()).max(1)
        }
    }
}

impl EquiRouter {
    /// Scores of a batch.
    ///
    /// `x`: embeddings `[batch, dimension]`; returns `[batch, models]`, not squashed.
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        if kernels::apply_to(&x.device()) {
            Predictor::new(self).predict(x)
        } else {
            self.composed(x)
        }
    }

    /// [`forward`](Self::forward) of Burn's operations, on any device.
    pub(super) fn composed(&self, x: Tensor<2>) -> Tensor<2> {
        self.score(x, &self.model_terms())
    }

    /// The loss of a batch, without gradients, and the gradients of all parameters.
    ///
    /// `x`: `[batch, dimension]`; `loss` turns scores `[batch, models]` into one number.
    pub(super) fn loss_and_gradients(
        &self,
        x: Tensor<2>,
        loss: impl FnOnce(Tensor<2>) -> Tensor<1>,
    ) -> (Tensor<1>, GradientsParams) {
        let x = x.inner();
        if kernels::apply_to(&x.device()) {
            return fused::loss_and_gradients(self, x, loss);
        }
        train::gradients(self, loss(self.forward(x.autodiff())))
    }

    /// Whether predictions run on a processor; the pass there is in single precision.
    fn is_fused(&self) -> bool {
        let weights = self.model_embeddings.val();
        kernels::apply_to(&weights.device()) && weights.dtype() == DType::F32
    }
}

/// A fitted EquiRouter: scores are unbounded, higher is better.
pub type FittedEquiRouter = FittedNetwork<EquiRouterConfig>;

impl FittedEquiRouter {
    /// Fits the network on an objective: [`Pairwise`](crate::objective::Pairwise) is the authors'.
    ///
    /// # Errors
    ///
    /// Different numbers of rows, no rows, or a loss that is not a number.
    pub fn fit(
        examples: &Examples,
        config: &EquiRouterConfig,
        objective: &Objective,
        training: &TrainConfig,
        fit: &Fit,
    ) -> Result<Self, HeadError> {
        examples.check()?;
        let device = train::training_device(fit.backend);
        let sizes @ [dimension, models] = examples.sizes();
        let network = config.init(dimension, models, &mut Initializer::new(fit.seed, &device));
        let (x, targets) = examples.on(&device);
        let (network, history) =
            train::train_with(network, examples.len(), training, fit, |network, batch| {
                let targets = targets.select(&batch);
                network.loss_and_gradients(x.clone().select(0, batch), |scores| {
                    objective.loss(scores, &targets)
                })
            })?;
        let fitted = Self::new(config.clone(), network, sizes, fit.backend, history);
        Ok(fitted.with_output(objective.output()))
    }
}

#[cfg(test)]
mod tests;
