//! Multi-layer perceptrons: one for quality, one of the same shape for cost.

use routelab_data::Embeddings;
use routelab_eval::Scores;
use routelab_heads::scalar::mlp::{Init, MlpConfig};
use routelab_heads::{Architecture, Backend, History, TrainConfig};
use serde::{Deserialize, Serialize};

use crate::cost::ScaledMlp;
use crate::space::space;
use crate::{
    Archive, Context, FittedRouter, Router, RouterError, SearchSpace, TrainingSet, Values,
};

/// Predicts quality by a perceptron (ReLU), and cost by another of the same shape on standardised costs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Mlp {
    /// Widths of the hidden layers.
    pub hidden: Vec<usize>,
    /// Passes over the training queries, at least 1.
    pub epochs: usize,
    /// Queries of one gradient step, at least 1.
    pub batch_size: usize,
    /// Adam's learning rate, above 0.
    pub learning_rate: f64,
}

impl Default for Mlp {
    fn default() -> Self {
        Self {
            hidden: vec![256, 128],
            epochs: 20,
            batch_size: 2048,
            learning_rate: 1e-3,
        }
    }
}

/// The same behind a low-rank linear layer: every model's output is a function of the same few factors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MlpMf {
    /// Rank of the linear layer in front, at least 1.
    pub rank: usize,
    /// Whether a second linear layer brings the rank back to the width of the embedding (ORBIT).
    pub widen: bool,
    /// Initial weights: `fan-in` (PyTorch's), `small-normal` (ORBIT's) or `xavier`.
    pub init: Init,
    /// Whether costs are learned as `(c - mean) / deviation` of each model, or as they are (ORBIT).
    pub standardise: bool,
    /// Widths of the hidden layers.
    pub hidden: Vec<usize>,
    /// Passes over the training queries, at least 1.
    pub epochs: usize,
    /// Queries of one gradient step, at least 1.
    pub batch_size: usize,
    /// Adam's learning rate, above 0.
    pub learning_rate: f64,
}

impl Default for MlpMf {
    fn default() -> Self {
        let Mlp {
            hidden,
            epochs,
            batch_size,
            learning_rate,
        } = Mlp::default();
        Self {
            rank: 64,
            widen: false,
            init: Init::FanIn,
            standardise: true,
            hidden,
            epochs,
            batch_size,
            learning_rate,
        }
    }
}

/// What both kinds come down to.
#[derive(Clone, Serialize, Deserialize)]
struct Plan {
    network: MlpConfig,
    training: TrainConfig,
    standardise: bool,
}

impl Plan {
    fn validate(&self) -> Result<(), String> {
        self.network.validate()?;
        self.training.validate()
    }

    fn fit(
        self,
        train: &TrainingSet,
        context: &Context,
    ) -> Result<Box<dyn FittedRouter>, RouterError> {
        let half = |offset: f64| move |done: f64| (context.progress)(offset + done / 2.0);
        let fit = |targets, standardise, progress: &(dyn Fn(f64) + Sync)| {
            let context = Context {
                progress,
                ..*context
            };
            ScaledMlp::fit(
                train.x(),
                targets,
                standardise,
                &self.network,
                &self.training,
                &context,
            )
        };
        Ok(Box::new(FittedPair {
            quality: fit(train.quality(), false, &half(0.0))?,
            cost: fit(train.cost(), self.standardise, &half(0.5))?,
            plan: self,
        }))
    }
}

impl Mlp {
    fn plan(&self) -> Plan {
        Plan {
            network: MlpConfig {
                hidden: self.hidden.clone(),
                bottleneck: None,
                widen: false,
                init: Init::FanIn,
            },
            training: TrainConfig {
                epochs: self.epochs,
                batch_size: self.batch_size,
                learning_rate: self.learning_rate,
            },
            standardise: true,
        }
    }
}

impl Router for Mlp {
    fn kind(&self) -> &'static str {
        "mlp"
    }

    fn validate(&self) -> Result<(), String> {
        self.plan().validate()
    }

    fn search_space(&self) -> SearchSpace {
        space([
            ("epochs", Values::integers([20, 40, 80, 160])),
            ("learning_rate", Values::log(1e-4, 1e-2)),
            ("batch_size", Values::integers([64, 256, 2048])),
        ])
    }

    fn fit(
        &self,
        train: &TrainingSet,
        context: &Context,
    ) -> Result<Box<dyn FittedRouter>, RouterError> {
        self.plan().fit(train, context)
    }
}

impl MlpMf {
    fn plan(&self) -> Plan {
        Plan {
            network: MlpConfig {
                hidden: self.hidden.clone(),
                bottleneck: Some(self.rank),
                widen: self.widen,
                init: self.init,
            },
            training: TrainConfig {
                epochs: self.epochs,
                batch_size: self.batch_size,
                learning_rate: self.learning_rate,
            },
            standardise: self.standardise,
        }
    }
}

impl Router for MlpMf {
    fn kind(&self) -> &'static str {
        "mlp-mf"
    }

    fn validate(&self) -> Result<(), String> {
        self.plan().validate()
    }

    fn search_space(&self) -> SearchSpace {
        space([
            ("epochs", Values::integers([20, 40, 80, 160])),
            ("learning_rate", Values::log(1e-4, 1e-2)),
            ("batch_size", Values::integers([64, 256, 2048])),
            ("rank", Values::integers([8, 16, 32, 64, 128])),
        ])
    }

    fn fit(
        &self,
        train: &TrainingSet,
        context: &Context,
    ) -> Result<Box<dyn FittedRouter>, RouterError> {
        self.plan().fit(train, context)
    }
}

struct FittedPair {
    plan: Plan,
    quality: ScaledMlp,
    cost: ScaledMlp,
}

impl FittedRouter for FittedPair {
    fn predict(&self, queries: &Embeddings) -> Result<Scores, RouterError> {
        let quality = self.quality.predict(queries.values())?;
        Ok(Scores::new(quality, self.cost.predict(queries.values())?)?)
    }

    fn history(&self) -> Option<&History> {
        Some(self.quality.network().history())
    }

    fn save(&self, archive: &mut Archive) -> Result<(), RouterError> {
        archive.put("plan", &self.plan);
        self.quality.save(archive, "quality")?;
        self.cost.save(archive, "cost")
    }
}

pub(crate) fn load(
    archive: &Archive,
    backend: &Backend,
) -> Result<Box<dyn FittedRouter>, RouterError> {
    let plan: Plan = archive.get("plan")?;
    let part = |name| ScaledMlp::load(archive, name, &plan.network, backend);
    let (quality, cost) = (part("quality")?, part("cost")?);
    Ok(Box::new(FittedPair {
        plan,
        quality,
        cost,
    }))
}
