//! RouteLLM's matrix factorisation (Ong et al. 2024, arXiv 2406.18665): who wins a query.

use routelab_heads::ranges::{at_least_one, not_negative};
use routelab_heads::scalar::preference::{FittedPreference, PreferenceConfig};
use routelab_heads::{Architecture, TrainConfig};
use serde::{Deserialize, Serialize};

use crate::neural;
use crate::space::space;
use crate::{
    Archive, Context, FitResult, Loader, Router, SearchSpace, TrainingSet, Values, to_f32,
};

/// Learns from pairs of models of which one was better on a query; predicts the mean probability of beating the others.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RouteLlmMf {
    /// Its sizes.
    #[serde(flatten)]
    pub network: PreferenceConfig,
    /// The most pairs that a training query gives, at least 1; more are drawn from at random.
    pub pairs_per_query: usize,
    /// Deviation of the normal noise on query embeddings while training, 0 or more.
    pub noise: f64,
    /// How the network is trained; its examples are pairs.
    #[serde(flatten)]
    pub training: TrainConfig,
}

impl Default for RouteLlmMf {
    fn default() -> Self {
        Self {
            network: PreferenceConfig { latent: 64 },
            pairs_per_query: 64,
            noise: 0.05,
            training: TrainConfig {
                epochs: 10,
                batch_size: 128,
                learning_rate: 3e-4,
            },
        }
    }
}

impl Router for RouteLlmMf {
    fn kind(&self) -> &'static str {
        "routellm-mf"
    }

    fn description(&self) -> &'static str {
        "a factorisation of which model beats which on a query"
    }

    fn validate(&self) -> Result<(), String> {
        self.network.validate()?;
        self.training.validate()?;
        at_least_one("pairs_per_query", self.pairs_per_query)?;
        not_negative("noise", self.noise)
    }

    fn search_space(&self) -> SearchSpace {
        space([
            ("latent", Values::integers([16, 32, 64, 128])),
            ("noise", Values::numbers([0.0, 0.02, 0.05, 0.1])),
            ("epochs", Values::integers([5, 10, 20, 40])),
            ("learning_rate", Values::log(1e-4, 3e-3)),
        ])
    }

    fn fit_checked(&self, train: &TrainingSet, context: &Context) -> FitResult {
        let quality = FittedPreference::fit(
            train.x(),
            to_f32(train.quality()).view(),
            &self.network,
            self.pairs_per_query,
            self.noise,
            &self.training,
            &context.fit(),
        )?;
        neural::with_shared_cost(quality, train, context)
    }

    fn load(archive: &Archive, loader: &Loader) -> FitResult {
        neural::load::<PreferenceConfig>(archive, loader)
    }
}
