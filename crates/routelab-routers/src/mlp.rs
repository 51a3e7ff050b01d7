//! Multi-layer perceptrons: one for quality, one of the same shape for cost.

use routelab_data::Embeddings;
use routelab_eval::Scores;
use routelab_heads::objective::SquaredError;
use routelab_heads::scalar::mlp::{FittedMlp, Init, MlpConfig};
use routelab_heads::{Architecture, History, Objective, TrainConfig};
use serde::{Deserialize, Serialize};

use crate::cost::ScaledMlp;
use crate::space::space;
use crate::{
    Archive, Context, FitResult, FittedRouter, Loader, Router, RouterError, SearchSpace,
    TrainingSet, Values, validate_objective,
};

/// Predicts quality by a perceptron (ReLU), and cost by another of the same shape on standardised costs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Mlp {
    /// Widths of the hidden layers.
    pub hidden: Vec<usize>,
    /// What the network of quality is trained on; without it the squared error. That of cost is trained on the squared error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub objective: Option<Objective>,
    /// How each network is trained.
    #[serde(flatten)]
    pub training: TrainConfig,
}

impl Default for Mlp {
    fn default() -> Self {
        Self {
            hidden: vec![256, 128],
            objective: None,
            training: TrainConfig {
                epochs: 20,
                batch_size: 2048,
                learning_rate: 1e-3,
            },
        }
    }
}

/// The same behind a low-rank linear layer: every model's output is a function of the same few factors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MlpMf {
    /// Rank of the linear layer in front, at least 1.
    pub rank: usize,
    /// Whether a second linear layer brings the rank back to the width of the embedding (ORBIT).
    pub widen: bool,
    /// Initial weights: `fan-in` (PyTorch's), `small-normal` (ORBIT's) or `xavier`.
    pub init: Init,
    /// Whether costs are learned as `(c - mean) / deviation` of each model, or as they are (ORBIT).
    pub standardise: bool,
    /// What is behind that layer, and how it is trained.
    #[serde(flatten)]
    pub perceptron: Mlp,
}

impl Default for MlpMf {
    fn default() -> Self {
        Self {
            rank: 64,
            widen: false,
            init: Init::FanIn,
            standardise: true,
            perceptron: Mlp::default(),
        }
    }
}

/// What both kinds come down to.
#[derive(Clone, Serialize, Deserialize)]
struct Plan {
    network: MlpConfig,
    training: TrainConfig,
    standardise: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    objective: Option<Objective>,
}

impl Plan {
    fn validate(&self) -> Result<(), String> {
        self.network.validate()?;
        self.training.validate()?;
        validate_objective(self.objective.as_ref())
    }

    fn fit(self, train: &TrainingSet, context: &Context) -> FitResult {
        let half = |offset: f64| move |done: f64| (context.progress)(offset + done / 2.0);
        let (first, second) = (half(0.0), half(0.5));
        let part = |progress| Context {
            progress,
            ..*context
        };
        let own = Objective::SquaredError(SquaredError {});
        let quality = FittedMlp::fit_on(
            &train.outcomes().examples(train.x()),
            &self.network,
            &self.objective.unwrap_or(own),
            &self.training,
            &part(&first).fit(),
        )?;
        let cost = ScaledMlp::fit(
            train,
            train.cost(),
            self.standardise,
            &self.network,
            &self.training,
            &part(&second),
        )?;
        Ok(Box::new(FittedPair {
            quality: ScaledMlp::unscaled(quality),
            cost,
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
            training: self.training,
            standardise: true,
            objective: self.objective,
        }
    }
}

impl Router for Mlp {
    fn kind(&self) -> &'static str {
        "mlp"
    }

    fn description(&self) -> &'static str {
        "multi-layer perceptron"
    }

    fn validate(&self) -> Result<(), String> {
        self.plan().validate()
    }

    fn takes_mask(&self) -> bool {
        true
    }

    fn optional_settings(&self) -> &'static [&'static str] {
        &["objective"]
    }

    fn search_space(&self) -> SearchSpace {
        space([
            ("epochs", Values::integers([20, 40, 80, 160])),
            ("learning_rate", Values::log(1e-4, 1e-2)),
            ("batch_size", Values::integers([64, 256, 2048])),
        ])
    }

    fn fit_checked(&self, train: &TrainingSet, context: &Context) -> FitResult {
        self.plan().fit(train, context)
    }

    fn load(archive: &Archive, loader: &Loader) -> FitResult {
        Plan::load(archive, loader)
    }
}

impl MlpMf {
    fn plan(&self) -> Plan {
        Plan {
            network: MlpConfig {
                hidden: self.perceptron.hidden.clone(),
                bottleneck: Some(self.rank),
                widen: self.widen,
                init: self.init,
            },
            training: self.perceptron.training,
            standardise: self.standardise,
            objective: self.perceptron.objective,
        }
    }
}

impl Router for MlpMf {
    fn kind(&self) -> &'static str {
        "mlp-mf"
    }

    fn description(&self) -> &'static str {
        "multi-layer perceptron behind a low-rank bottleneck"
    }

    fn validate(&self) -> Result<(), String> {
        self.plan().validate()
    }

    fn takes_mask(&self) -> bool {
        true
    }

    fn optional_settings(&self) -> &'static [&'static str] {
        &["objective"]
    }

    fn search_space(&self) -> SearchSpace {
        let mut space = self.perceptron.search_space();
        let ranks = Values::integers([8, 16, 32, 64, 128]);
        space.insert("rank".to_owned(), ranks);
        space
    }

    fn fit_checked(&self, train: &TrainingSet, context: &Context) -> FitResult {
        self.plan().fit(train, context)
    }

    fn load(archive: &Archive, loader: &Loader) -> FitResult {
        Plan::load(archive, loader)
    }
}

impl Plan {
    fn load(archive: &Archive, loader: &Loader) -> FitResult {
        let plan: Plan = archive.get("plan")?;
        let part = |name| ScaledMlp::load(archive, name, &plan.network, loader.backend);
        let (mut quality, cost) = (part("quality")?, part("cost")?);
        if let Some(objective) = &plan.objective {
            quality = quality.with_output(objective.output());
        }
        Ok(Box::new(FittedPair {
            plan,
            quality,
            cost,
        }))
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
