//! IRT-Router (Song et al. 2025, arXiv 2506.01048): item response theory, linear (MIRT) and neural (NIRT).

use routelab_heads::scalar::irt::{FittedMirt, FittedNirt, MirtConfig, NirtConfig};
use routelab_heads::{Architecture, Backend, TrainConfig};
use serde::{Deserialize, Serialize};

use crate::neural::{self, FittedNeural, PredictedCost};
use crate::space::space;
use crate::{
    Archive, Context, FittedRouter, Router, RouterError, SearchSpace, TrainingSet, Values, to_f32,
};

/// Predicts the probability that a model is right from its abilities and the query's discrimination and difficulty.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Mirt {
    /// Number of abilities, at least 1.
    pub latent: usize,
    /// Passes over the training queries, at least 1.
    pub epochs: usize,
    /// Queries of one gradient step, at least 1.
    pub batch_size: usize,
    /// Adam's learning rate, above 0.
    pub learning_rate: f64,
}

impl Default for Mirt {
    fn default() -> Self {
        Self {
            latent: 25,
            epochs: 9,
            batch_size: 64,
            learning_rate: 2e-3,
        }
    }
}

impl Mirt {
    fn network(&self) -> MirtConfig {
        MirtConfig {
            latent: self.latent,
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

impl Router for Mirt {
    fn kind(&self) -> &'static str {
        "mirt"
    }

    fn validate(&self) -> Result<(), String> {
        self.network().validate()?;
        self.training().validate()
    }

    fn search_space(&self) -> SearchSpace {
        space([
            ("latent", Values::integers([5, 10, 25, 50])),
            ("epochs", Values::integers([5, 9, 20, 50])),
            ("learning_rate", Values::log(3e-4, 1e-2)),
        ])
    }

    fn fit(
        &self,
        train: &TrainingSet,
        context: &Context,
    ) -> Result<Box<dyn FittedRouter>, RouterError> {
        let cost = PredictedCost::Network(context.cost.get(train, context)?);
        let quality = FittedMirt::fit(
            train.x(),
            to_f32(train.quality()).view(),
            &self.network(),
            &self.training(),
            &context.fit(),
        )?;
        Ok(Box::new(FittedNeural { quality, cost }))
    }
}

/// The same with a network in place of the product, which rises with every ability.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Nirt {
    /// Number of abilities, at least 1.
    pub latent: usize,
    /// Width of the hidden layer, at least 1.
    pub hidden: usize,
    /// Share of hidden units that a query is trained without, in [0, 1).
    pub dropout: f64,
    /// Passes over the training queries, at least 1.
    pub epochs: usize,
    /// Queries of one gradient step, at least 1.
    pub batch_size: usize,
    /// Adam's learning rate, above 0.
    pub learning_rate: f64,
}

impl Default for Nirt {
    fn default() -> Self {
        Self {
            latent: 25,
            hidden: 512,
            dropout: 0.5,
            epochs: 9,
            batch_size: 64,
            learning_rate: 2e-3,
        }
    }
}

impl Nirt {
    fn network(&self) -> NirtConfig {
        NirtConfig {
            latent: self.latent,
            hidden: self.hidden,
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

impl Router for Nirt {
    fn kind(&self) -> &'static str {
        "nirt"
    }

    fn validate(&self) -> Result<(), String> {
        self.network().validate()?;
        self.training().validate()?;
        match (0.0..1.0).contains(&self.dropout) {
            true => Ok(()),
            false => Err(format!(
                "`dropout` must be at least 0 and below 1, not {}",
                self.dropout
            )),
        }
    }

    fn search_space(&self) -> SearchSpace {
        space([
            ("latent", Values::integers([5, 10, 25, 50])),
            ("dropout", Values::numbers([0.0, 0.25, 0.5])),
            ("epochs", Values::integers([5, 9, 20, 30])),
            ("learning_rate", Values::log(3e-4, 1e-2)),
        ])
    }

    fn fit(
        &self,
        train: &TrainingSet,
        context: &Context,
    ) -> Result<Box<dyn FittedRouter>, RouterError> {
        let cost = PredictedCost::Network(context.cost.get(train, context)?);
        let quality = FittedNirt::fit(
            train.x(),
            to_f32(train.quality()).view(),
            &self.network(),
            self.dropout,
            &self.training(),
            &context.fit(),
        )?;
        Ok(Box::new(FittedNeural { quality, cost }))
    }
}

pub(crate) fn load_mirt(
    archive: &Archive,
    backend: &Backend,
) -> Result<Box<dyn FittedRouter>, RouterError> {
    neural::load::<MirtConfig>(archive, backend)
}

pub(crate) fn load_nirt(
    archive: &Archive,
    backend: &Backend,
) -> Result<Box<dyn FittedRouter>, RouterError> {
    neural::load::<NirtConfig>(archive, backend)
}
