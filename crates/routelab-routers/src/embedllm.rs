//! EmbedLLM (Zhuang et al. 2024, arXiv 2410.02223): query and model meet in one space.

use routelab_heads::objective::CrossEntropy;
use routelab_heads::ranges::not_negative;
use routelab_heads::scalar::embedllm::{EmbedLlmConfig, FittedEmbedLlm};
use routelab_heads::{Architecture, Objective, TrainConfig};
use serde::{Deserialize, Serialize};

use crate::neural::{self, FittedNeural, PredictedCost};
use crate::space::space;
use crate::{
    Archive, Context, FitResult, Loader, Router, SearchSpace, TrainingSet, Values, column_means,
    validate_objective,
};

/// Predicts the probability that a model is right by the product of a projection of the query and an embedding of the
/// model.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct EmbedLlm {
    /// Width of the embedding of a model, at least 1.
    pub width: usize,
    /// Deviation of the normal noise on query and model embeddings while training, 0 or more.
    pub noise: f64,
    /// Deviation of the initial embeddings of the models, above 0: 1, PyTorch's default, or 0.02 (ORBIT).
    pub deviation: f64,
    /// Where costs come from.
    pub cost: CostSource,
    /// What the network is trained on; without it cross-entropy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub objective: Option<Objective>,
    /// How the network is trained.
    #[serde(flatten)]
    pub training: TrainConfig,
}

/// Where EmbedLLM's costs come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CostSource {
    /// The embedding of the model alone. A function of the model is one number per model, and least squares makes it the
    /// mean training cost, whatever the embedding; so that is what is taken.
    #[default]
    Model,
    /// The shared cost network, which reads the query.
    Network,
    /// A linear map from the embedding of the model, learned with the rest (ORBIT). After few steps it is far from the mean.
    Joint,
}

impl Default for EmbedLlm {
    fn default() -> Self {
        Self {
            width: 256,
            noise: 0.05,
            deviation: 1.0,
            cost: CostSource::default(),
            objective: None,
            training: TrainConfig {
                epochs: 50,
                batch_size: 128,
                learning_rate: 1e-4,
            },
        }
    }
}

impl EmbedLlm {
    fn network(&self) -> EmbedLlmConfig {
        EmbedLlmConfig {
            width: self.width,
            deviation: self.deviation,
            joint_cost: self.cost == CostSource::Joint,
        }
    }
}

impl Router for EmbedLlm {
    fn kind(&self) -> &'static str {
        "embedllm"
    }

    fn description(&self) -> &'static str {
        "a product of a query and a model embedding"
    }

    fn validate(&self) -> Result<(), String> {
        self.network().validate()?;
        self.training.validate()?;
        not_negative("noise", self.noise)?;
        validate_objective(self.objective.as_ref())
    }

    fn optional_settings(&self) -> &'static [&'static str] {
        &["objective"]
    }

    fn takes_mask(&self) -> bool {
        true
    }

    fn search_space(&self) -> SearchSpace {
        space([
            ("width", Values::integers([32, 64, 128, 256])),
            ("noise", Values::numbers([0.0, 0.02, 0.05, 0.1])),
            ("cost", Values::words(["model", "network"])),
            ("epochs", Values::integers([10, 25, 50, 100])),
            ("learning_rate", Values::log(3e-5, 1e-3)),
        ])
    }

    fn fit_checked(&self, train: &TrainingSet, context: &Context) -> FitResult {
        let own = Objective::CrossEntropy(CrossEntropy {});
        let quality = FittedEmbedLlm::fit(
            &train.outcomes().examples(train.x()),
            &self.network(),
            self.noise,
            &self.objective.unwrap_or(own),
            &self.training,
            &context.fit(),
        )?;
        let cost = match (self.cost, quality.costs()?) {
            (CostSource::Network, _) => PredictedCost::Network(context.cost.get(train, context)?),
            (_, Some(learned)) => PredictedCost::PerModel(learned.mapv(f64::from)),
            (_, None) => PredictedCost::PerModel(column_means(train.cost(), train.measured())),
        };
        Ok(Box::new(FittedNeural { quality, cost }))
    }

    fn load(archive: &Archive, loader: &Loader) -> FitResult {
        neural::load::<EmbedLlmConfig>(archive, loader)
    }
}
