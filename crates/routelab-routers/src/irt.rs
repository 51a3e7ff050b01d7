//! IRT-Router (Song et al. 2025, arXiv 2506.01048): item response theory, linear (MIRT) and neural (NIRT).

use routelab_heads::objective::CrossEntropy;
use routelab_heads::scalar::irt::{FittedMirt, FittedNirt, MirtConfig, NirtConfig};
use routelab_heads::{Architecture, Objective, TrainConfig};
use serde::{Deserialize, Serialize};

use crate::neural;
use crate::space::space;
use crate::{
    Archive, Context, FitResult, Loader, Router, SearchSpace, TrainingSet, Values,
    validate_objective,
};

/// What the authors train on.
const OWN: Objective = Objective::CrossEntropy(CrossEntropy {});

/// Predicts the probability that a model is right from its abilities and the query's discrimination and difficulty.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Mirt {
    /// Its sizes.
    #[serde(flatten)]
    pub network: MirtConfig,
    /// What the network is trained on; without it cross-entropy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub objective: Option<Objective>,
    /// How the network is trained.
    #[serde(flatten)]
    pub training: TrainConfig,
}

impl Default for Mirt {
    fn default() -> Self {
        Self {
            network: MirtConfig { latent: 25 },
            objective: None,
            training: TrainConfig {
                epochs: 9,
                batch_size: 64,
                learning_rate: 2e-3,
            },
        }
    }
}

impl Router for Mirt {
    fn kind(&self) -> &'static str {
        "mirt"
    }

    fn description(&self) -> &'static str {
        "item response theory: abilities, discrimination and difficulty"
    }

    fn validate(&self) -> Result<(), String> {
        self.network.validate()?;
        self.training.validate()?;
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
            ("latent", Values::integers([5, 10, 25, 50])),
            ("epochs", Values::integers([5, 9, 20, 50])),
            ("learning_rate", Values::log(3e-4, 1e-2)),
        ])
    }

    fn fit_checked(&self, train: &TrainingSet, context: &Context) -> FitResult {
        let quality = FittedMirt::fit_on(
            &train.outcomes().examples(train.x()),
            &self.network,
            &self.objective.unwrap_or(OWN),
            &self.training,
            &context.fit(),
        )?;
        neural::with_shared_cost(quality, train, context)
    }

    fn load(archive: &Archive, loader: &Loader) -> FitResult {
        neural::load::<MirtConfig>(archive, loader)
    }
}

/// The same with a network in place of the product, which rises with every ability.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Nirt {
    /// Its sizes.
    #[serde(flatten)]
    pub network: NirtConfig,
    /// Share of hidden units that a query is trained without, in [0, 1).
    pub dropout: f64,
    /// What the network is trained on; without it cross-entropy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub objective: Option<Objective>,
    /// How the network is trained.
    #[serde(flatten)]
    pub training: TrainConfig,
}

impl Default for Nirt {
    fn default() -> Self {
        Self {
            network: NirtConfig {
                latent: 25,
                hidden: 512,
            },
            dropout: 0.5,
            objective: None,
            training: TrainConfig {
                epochs: 9,
                batch_size: 64,
                learning_rate: 2e-3,
            },
        }
    }
}

impl Router for Nirt {
    fn kind(&self) -> &'static str {
        "nirt"
    }

    fn description(&self) -> &'static str {
        "item response theory with a network in place of the product"
    }

    fn validate(&self) -> Result<(), String> {
        self.network.validate()?;
        self.training.validate()?;
        validate_objective(self.objective.as_ref())?;
        if (0.0..1.0).contains(&self.dropout) {
            return Ok(());
        }
        Err(format!(
            "`dropout` must be at least 0 and below 1, not {}",
            self.dropout
        ))
    }

    fn optional_settings(&self) -> &'static [&'static str] {
        &["objective"]
    }

    fn takes_mask(&self) -> bool {
        true
    }

    fn search_space(&self) -> SearchSpace {
        space([
            ("latent", Values::integers([5, 10, 25, 50])),
            ("dropout", Values::numbers([0.0, 0.25, 0.5])),
            ("epochs", Values::integers([5, 9, 20, 30])),
            ("learning_rate", Values::log(3e-4, 1e-2)),
        ])
    }

    fn fit_checked(&self, train: &TrainingSet, context: &Context) -> FitResult {
        let quality = FittedNirt::fit(
            &train.outcomes().examples(train.x()),
            &self.network,
            self.dropout,
            &self.objective.unwrap_or(OWN),
            &self.training,
            &context.fit(),
        )?;
        neural::with_shared_cost(quality, train, context)
    }

    fn load(archive: &Archive, loader: &Loader) -> FitResult {
        neural::load::<NirtConfig>(archive, loader)
    }
}
