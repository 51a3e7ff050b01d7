//! EquiRouter (Lai & Ye 2026, arXiv 2602.03478): learns the order of the models instead of each one's score.

use std::sync::Arc;

use routelab_data::Embeddings;
use routelab_eval::Scores;
use routelab_heads::equirouter::{
    EquiRouterConfig, FittedEquiRouter, Normalisation, Objective, RankingLoss, TieOrder,
};
use routelab_heads::{Backend, History, TrainConfig};
use serde::{Deserialize, Serialize};

use crate::cost::CostNetwork;
use crate::space::space;
use crate::{
    Archive, Context, FittedRouter, Router, RouterError, SearchSpace, TrainingSet, Values, to_f32,
    to_f64,
};

/// The network of the paper with the defaults of the authors' toolbox; costs come from the shared cost network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EquiRouter {
    /// Widths of the trunk's hidden layers.
    pub trunk_hidden: Vec<usize>,
    /// Width of the query's and the models' representations, at least 1.
    pub width: usize,
    /// Width of the learned embedding of a model, at least 1.
    pub model_embedding: usize,
    /// Widths of the head's hidden layers.
    pub head_hidden: Vec<usize>,
    /// Whether every model modulates the query (FiLM).
    pub film: bool,
    /// Whether the head sees the product and the distance of query and model.
    pub interaction: bool,
    /// Weight of the ranking loss beside the mean squared error, 0 or more.
    pub rank_weight: f64,
    /// The order of models of equal quality: `cost` (the paper) or `none` (the authors' code).
    pub tie_order: TieOrder,
    /// How pairs are averaged: `per-pair` (the authors' code) or `per-query`.
    pub normalisation: Normalisation,
    /// Passes over the training queries, at least 1.
    pub epochs: usize,
    /// Queries of one gradient step, at least 1.
    pub batch_size: usize,
    /// Adam's learning rate, above 0.
    pub learning_rate: f64,
}

impl Default for EquiRouter {
    fn default() -> Self {
        let network = EquiRouterConfig::default();
        Self {
            trunk_hidden: network.trunk_hidden,
            width: network.width,
            model_embedding: network.model_embedding,
            head_hidden: network.head_hidden,
            film: network.film,
            interaction: network.interaction,
            rank_weight: 50.0,
            tie_order: TieOrder::default(),
            normalisation: Normalisation::default(),
            epochs: 5,
            batch_size: 128,
            learning_rate: 1e-4,
        }
    }
}

impl EquiRouter {
    fn network(&self) -> EquiRouterConfig {
        EquiRouterConfig {
            trunk_hidden: self.trunk_hidden.clone(),
            width: self.width,
            model_embedding: self.model_embedding,
            head_hidden: self.head_hidden.clone(),
            film: self.film,
            interaction: self.interaction,
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

impl Router for EquiRouter {
    fn kind(&self) -> &'static str {
        "equirouter"
    }

    fn validate(&self) -> Result<(), String> {
        self.network().validate()?;
        self.training().validate()?;
        match self.rank_weight >= 0.0 && self.rank_weight.is_finite() {
            true => Ok(()),
            false => Err(format!(
                "`rank_weight` must be a number of at least 0, not {}",
                self.rank_weight
            )),
        }
    }

    fn search_space(&self) -> SearchSpace {
        space([
            ("tie_order", Values::words(["cost", "none"])),
            (
                "rank_weight",
                Values::numbers([0.0, 1.0, 5.0, 10.0, 50.0, 100.0]),
            ),
            ("epochs", Values::integers([10, 20, 40, 60])),
            ("learning_rate", Values::log(3e-5, 1e-3)),
        ])
    }

    fn fit(
        &self,
        train: &TrainingSet,
        context: &Context,
    ) -> Result<Box<dyn FittedRouter>, RouterError> {
        let objective = Objective {
            rank_weight: self.rank_weight,
            ranking: RankingLoss {
                tie_order: self.tie_order,
                normalisation: self.normalisation,
            },
        };
        let cost = context.cost.get(train, context)?;
        let network = FittedEquiRouter::fit(
            train.x(),
            to_f32(train.quality()).view(),
            to_f32(train.cost()).view(),
            &self.network(),
            &objective,
            &self.training(),
            &context.fit(),
        )?;
        Ok(Box::new(Fitted {
            config: self.network(),
            dimension: train.x().ncols(),
            models: train.models(),
            network,
            cost,
        }))
    }
}

struct Fitted {
    config: EquiRouterConfig,
    dimension: usize,
    models: usize,
    network: FittedEquiRouter,
    cost: Arc<CostNetwork>,
}

impl FittedRouter for Fitted {
    fn predict(&self, queries: &Embeddings) -> Result<Scores, RouterError> {
        let quality = to_f64(self.network.predict(queries.values())?.view());
        Ok(Scores::new(quality, self.cost.predict(queries)?)?)
    }

    fn history(&self) -> Option<&History> {
        Some(self.network.history())
    }

    fn save(&self, archive: &mut Archive) -> Result<(), RouterError> {
        archive.put("network", &self.config);
        archive.put("dimension", &self.dimension);
        archive.put("models", &self.models);
        archive.put_bytes("network", self.network.to_bytes()?);
        self.cost.save(archive)
    }
}

pub(crate) fn load(
    archive: &Archive,
    backend: &Backend,
) -> Result<Box<dyn FittedRouter>, RouterError> {
    let config: EquiRouterConfig = archive.get("network")?;
    config
        .validate()
        .map_err(|reason| archive.broken("network", &reason))?;
    let (dimension, models) = (archive.size("dimension")?, archive.size("models")?);
    let network = FittedEquiRouter::from_bytes(
        archive.bytes("network")?,
        &config,
        dimension,
        models,
        backend,
    )?;
    Ok(Box::new(Fitted {
        config,
        dimension,
        models,
        network,
        cost: Arc::new(CostNetwork::load(archive, backend)?),
    }))
}
