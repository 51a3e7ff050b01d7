//! EquiRouter (Lai & Ye 2026, arXiv 2602.03478): a network that scores all candidate models of a query at once and
//! learns their order.

mod block;
mod fused;
mod listwise;
mod mixing;
mod model;
mod objective;
mod pairwise;
mod predictor;

use burn::optim::GradientsParams;
use burn::tensor::{DType, Tensor};
use ndarray::ArrayView2;

pub use listwise::{ListwiseKind, ListwiseLoss};
pub use model::{EquiRouter, EquiRouterConfig};
pub use objective::{Objective, Ranking};
pub use pairwise::{Normalisation, RankingLoss, TieOrder};

use self::predictor::Predictor;
use crate::fitted::Network;
use crate::init::Initializer;
use crate::train::{self, Fit, TrainConfig};
use crate::{Architecture, FittedNetwork, HeadError, check_rows, kernels, matrix};

/// Scores computed at a time: bounds the memory of the widest intermediate, `[queries, models, width]`.
const PREDICTION_SCORES: usize = 16_384;

/// On processors: pieces of queries at a time, a few for each thread of most machines.
const PREDICTION_PIECES: usize = 32;

impl Network for EquiRouter {
    fn predictor(&self) -> impl Fn(Tensor<2>) -> Tensor<2> {
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
    /// Fits the network.
    ///
    /// `x`: embeddings `[queries, dimension]`; `quality` in [0, 1] and `cost` ≥ 0: `[queries, models]`. Costs matter
    /// only for the order of models of equal quality ([`TieOrder::Cost`]).
    ///
    /// # Errors
    ///
    /// Different numbers of rows, no rows, or a loss that is not a number.
    pub fn fit(
        x: ArrayView2<f32>,
        quality: ArrayView2<f32>,
        cost: ArrayView2<f32>,
        config: &EquiRouterConfig,
        objective: &Objective,
        training: &TrainConfig,
        fit: &Fit,
    ) -> Result<Self, HeadError> {
        Self::fit_measured(x, quality, cost, None, config, objective, training, fit)
    }

    /// [`fit`](Self::fit) on what was measured only: cells where `measured`, `[queries, models]`, is 1 and not 0, and pairs of
    /// them; all without it.
    ///
    /// # Errors
    ///
    /// Different numbers of rows, no rows, a loss that is not a number, or a mask for an objective that takes none.
    #[expect(clippy::too_many_arguments, reason = "data, then what to make of them")]
    pub fn fit_measured(
        x: ArrayView2<f32>,
        quality: ArrayView2<f32>,
        cost: ArrayView2<f32>,
        measured: Option<ArrayView2<f32>>,
        config: &EquiRouterConfig,
        objective: &Objective,
        training: &TrainConfig,
        fit: &Fit,
    ) -> Result<Self, HeadError> {
        let targets = [Some(quality), Some(cost), measured].into_iter().flatten();
        check_rows(x, &targets.collect::<Vec<_>>())?;
        if measured.is_some() && !objective.takes_mask() {
            return Err(HeadError::NoSignal {
                reason: "a listwise objective needs every model on every query",
            });
        }
        let sizes = [x.ncols(), quality.ncols()];
        let device = train::training_device(fit.backend);
        let network = config.init(
            x.ncols(),
            quality.ncols(),
            &mut Initializer::new(fit.seed, &device),
        );
        let rows = x.nrows();
        let [x, quality, cost] =
            [x, quality, cost].map(|values| matrix::to_tensor(values, &device));
        let measured = measured.map(|measured| matrix::to_tensor(measured, &device));
        let (network, history) =
            train::train_with(network, rows, training, fit, |network, batch| {
                let [x, quality, cost] =
                    [&x, &quality, &cost].map(|values| values.clone().select(0, batch.clone()));
                let measured = measured.as_ref();
                let measured = measured.map(|values| values.clone().select(0, batch));
                network.loss_and_gradients(x, |scores| match measured {
                    Some(measured) => objective.loss_measured(scores, quality, cost, measured),
                    None => objective.loss(scores, quality, cost),
                })
            })?;
        Ok(Self::new(
            config.clone(),
            network,
            sizes,
            fit.backend,
            history,
        ))
    }
}

#[cfg(test)]
mod tests;
