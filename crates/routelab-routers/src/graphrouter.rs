//! GraphRouter (Feng et al. 2024, arXiv 2410.03834): messages between queries and models.

use ndarray::Array2;
use routelab_heads::ranges::at_least_one;
use routelab_heads::scalar::graph::{FittedGraph, GraphConfig};
use routelab_heads::{Architecture, Backend, TrainConfig};
use serde::{Deserialize, Serialize};

use crate::neural::{self, FittedNeural, PredictedCost};
use crate::space::space;
use crate::{
    Archive, Context, FittedRouter, Router, RouterError, SearchSpace, TrainingSet, Values, to_f32,
};

/// Predicts the edges between a new query and the models of a graph of training queries and models, whose edges carry
/// quality and cost.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GraphRouter {
    /// Width of a node, at least 1.
    pub hidden: usize,
    /// Rounds of messages, at least 1.
    pub layers: usize,
    /// The most training queries whose edges are read in one gradient step, at least 1.
    pub context: usize,
    /// Passes over the training queries, at least 1.
    pub epochs: usize,
    /// Queries of one gradient step, whose edges are hidden and predicted, at least 1; never more than half of them.
    pub batch_size: usize,
    /// Adam's learning rate, above 0.
    pub learning_rate: f64,
}

impl Default for GraphRouter {
    fn default() -> Self {
        Self {
            hidden: 256,
            layers: 2,
            context: 128,
            epochs: 10,
            batch_size: 128,
            learning_rate: 1e-3,
        }
    }
}

impl GraphRouter {
    fn network(&self) -> GraphConfig {
        GraphConfig {
            hidden: self.hidden,
            layers: self.layers,
        }
    }

    fn training(&self) -> TrainConfig {
        TrainConfig {
            epochs: self.epochs,
            batch_size: self.batch_size,
            learning_rate: self.learning_rate,
        }
    }
}

impl Router for GraphRouter {
    fn kind(&self) -> &'static str {
        "graphrouter"
    }

    fn validate(&self) -> Result<(), String> {
        self.network().validate()?;
        self.training().validate()?;
        at_least_one("context", self.context)
    }

    fn search_space(&self) -> SearchSpace {
        space([
            ("hidden", Values::integers([32, 64, 128, 256])),
            ("layers", Values::integers([1, 2, 3])),
            ("epochs", Values::integers([5, 10, 20, 40])),
            ("learning_rate", Values::log(1e-4, 3e-3)),
        ])
    }

    fn fit(
        &self,
        train: &TrainingSet,
        context: &Context,
    ) -> Result<Box<dyn FittedRouter>, RouterError> {
        let cost = PredictedCost::Network(context.cost.get(train, context)?);
        let quality = FittedGraph::fit(
            train.x(),
            to_f32(train.quality()).view(),
            relative_cost(train).view(),
            &self.network(),
            self.context,
            &self.training(),
            &context.fit(),
        )?;
        Ok(Box::new(FittedNeural { quality, cost }))
    }
}

/// Costs divided by their mean over all queries and models; without any cost they stay 0.
fn relative_cost(train: &TrainingSet) -> Array2<f32> {
    let mean = train.cost().mean().unwrap_or(0.0);
    let unit = if mean > 0.0 { mean } else { 1.0 };
    train.cost().mapv(|cost| (cost / unit) as f32)
}

pub(crate) fn load(
    archive: &Archive,
    backend: &Backend,
) -> Result<Box<dyn FittedRouter>, RouterError> {
    neural::load::<GraphConfig>(archive, backend)
}
