//! EquiRouter (Lai & Ye 2026, arXiv 2602.03478): a network that scores all candidate models of a query at once and
//! learns their order.

pub mod loss;
mod model;

use burn::tensor::{Device, Tensor};
use ndarray::{Array2, ArrayView2};
use serde::{Deserialize, Serialize};

pub use loss::{Normalisation, RankingLoss, TieOrder};
pub use model::{EquiRouter, EquiRouterConfig};

use crate::train::{self, Fit, History, TrainConfig};
use crate::{Backend, HeadError, matrix, weights};

/// Scores computed at a time: bounds the memory of the widest intermediate, `[queries, models, width]`.
const PREDICTION_SCORES: usize = 16_384;

/// What the network is trained on.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Objective {
    /// Weight of the ranking loss beside the mean squared error; 0 leaves it out.
    pub rank_weight: f64,
    /// The ranking loss.
    pub ranking: RankingLoss,
}

impl Objective {
    /// `MSE(s, q) + rank_weight · ranking(s)` of a batch.
    ///
    /// `scores`, `quality`, `cost`: `[batch, models]`; returns `[1]`.
    pub(crate) fn loss(&self, scores: Tensor<2>, quality: Tensor<2>, cost: Tensor<2>) -> Tensor<1> {
        let error = loss::mean_squared_error(scores.clone(), quality.clone());
        if self.rank_weight == 0.0 {
            return error;
        }
        error + self.ranking.forward(scores, quality, cost) * self.rank_weight
    }
}

/// A fitted EquiRouter.
pub struct FittedEquiRouter {
    network: EquiRouter,
    device: Device,
    history: History,
}

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
        if x.nrows() != quality.nrows() || quality.dim() != cost.dim() || x.nrows() == 0 {
            return Err(HeadError::Shape {
                what: "training rows",
                expected: format!("quality and cost of {} queries, at least 1", x.nrows()),
                found: format!("quality {:?}, cost {:?}", quality.dim(), cost.dim()),
            });
        }
        let device = train::training_device(fit.backend);
        let network = config.init(x.ncols(), quality.ncols(), fit.seed, &device);
        let rows = x.nrows();
        let [x, quality, cost] =
            [x, quality, cost].map(|values| matrix::to_tensor(values, &device));
        let (network, history) = train::train(network, rows, training, fit, |network, batch| {
            let [x, quality, cost] =
                [&x, &quality, &cost].map(|values| values.clone().select(0, batch.clone()));
            objective.loss(network.forward(x), quality, cost)
        })?;
        Ok(Self {
            network,
            device: fit.backend.device().clone(),
            history,
        })
    }

    /// Scores `[queries, models]` of embeddings `[queries, dimension]`; higher is better, unbounded.
    ///
    /// # Errors
    ///
    /// An embedding dimension other than the one the network was fitted on.
    pub fn predict(&self, x: ArrayView2<f32>) -> Result<Array2<f32>, HeadError> {
        crate::check_dimension(self.network.dimension(), x.ncols())?;
        let terms = self.network.model_terms();
        let rows = (PREDICTION_SCORES / self.network.models()).max(1);
        Ok(crate::in_chunks(x, rows, |rows| {
            let x = matrix::to_tensor(rows, &self.device);
            matrix::to_array(self.network.score(x, &terms))
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
        config: &EquiRouterConfig,
        dimension: usize,
        models: usize,
        backend: &Backend,
    ) -> Result<Self, HeadError> {
        let device = backend.device().clone();
        let network = weights::from_bytes(config.init(dimension, models, 0, &device), bytes)?;
        Ok(Self {
            network,
            device,
            history: History::default(),
        })
    }
}

#[cfg(test)]
mod tests;
