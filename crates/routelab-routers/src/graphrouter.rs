//! GraphRouter (Feng et al. 2024, arXiv 2410.03834): messages between queries and models.

use ndarray::Array2;
use routelab_heads::objective::CrossEntropy;
use routelab_heads::ranges::at_least_one;
use routelab_heads::scalar::graph::{FittedGraph, GraphConfig};
use routelab_heads::{Architecture, Examples, Objective, TrainConfig};
use serde::{Deserialize, Serialize};

use crate::neural;
use crate::space::space;
use crate::{
    Archive, Context, FitResult, Loader, Router, SearchSpace, TrainingSet, Values, to_f32,
    validate_objective,
};

/// Predicts the edges between a new query and the models of a graph of training queries and models, whose edges carry
/// quality and cost.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct GraphRouter {
    /// Its sizes.
    #[serde(flatten)]
    pub network: GraphConfig,
    /// The most training queries whose edges are read in one gradient step, at least 1.
    pub context: usize,
    /// What the network is trained on; without it cross-entropy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub objective: Option<Objective>,
    /// How the network is trained; the queries of a gradient step are those whose edges are hidden and predicted, never more than
    /// half of them.
    #[serde(flatten)]
    pub training: TrainConfig,
}

impl Default for GraphRouter {
    fn default() -> Self {
        Self {
            network: GraphConfig {
                hidden: 256,
                layers: 2,
            },
            context: 128,
            objective: None,
            training: TrainConfig {
                epochs: 10,
                batch_size: 128,
                learning_rate: 1e-3,
            },
        }
    }
}

impl Router for GraphRouter {
    fn kind(&self) -> &'static str {
        "graphrouter"
    }

    fn description(&self) -> &'static str {
        "edges of a graph of queries and models"
    }

    fn validate(&self) -> Result<(), String> {
        self.network.validate()?;
        self.training.validate()?;
        at_least_one("context", self.context)?;
        validate_objective(self.objective.as_ref())
    }

    fn optional_settings(&self) -> &'static [&'static str] {
        &["objective"]
    }

    fn search_space(&self) -> SearchSpace {
        space([
            ("hidden", Values::integers([32, 64, 128, 256])),
            ("layers", Values::integers([1, 2, 3])),
            ("epochs", Values::integers([5, 10, 20, 40])),
            ("learning_rate", Values::log(1e-4, 3e-3)),
        ])
    }

    fn fit_checked(&self, train: &TrainingSet, context: &Context) -> FitResult {
        let (quality, cost) = (to_f32(train.quality()), relative_cost(train));
        let examples = Examples {
            x: train.x(),
            quality: quality.view(),
            cost: cost.view(),
            measured: None,
        };
        let own = Objective::CrossEntropy(CrossEntropy {});
        let quality = FittedGraph::fit(
            &examples,
            &self.network,
            self.context,
            &self.objective.unwrap_or(own),
            &self.training,
            &context.fit(),
        )?;
        neural::with_shared_cost(quality, train, context)
    }

    fn load(archive: &Archive, loader: &Loader) -> FitResult {
        neural::load::<GraphConfig>(archive, loader)
    }
}

/// Costs divided by their mean over all queries and models; without any cost they stay 0.
fn relative_cost(train: &TrainingSet) -> Array2<f32> {
    let mean = train.cost().mean().unwrap_or(0.0);
    let unit = if mean > 0.0 { mean } else { 1.0 };
    train.cost().mapv(|cost| (cost / unit) as f32)
}
