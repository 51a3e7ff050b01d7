//! EquiRouter (Lai & Ye 2026, arXiv 2602.03478): learns the order of the models instead of each one's score.

use routelab_heads::equirouter::{EquiRouterConfig, FittedEquiRouter};
use routelab_heads::objective::{
    LambdaRank, ListNet, Lists, Normalisation, Pairwise, Regret, TieOrder,
};
use routelab_heads::ranges::{above_zero, not_negative};
use routelab_heads::{Architecture, Objective, TrainConfig};
use serde::de::{Deserializer, Error};
use serde::{Deserialize, Serialize};

use crate::neural;
use crate::space::space;
use crate::{
    Archive, Context, FitResult, Loader, Router, SearchSpace, TrainingSet, Values,
    validate_objective,
};

/// What EquiRouter's network learns: by a word that goes with the settings beside it, or by an objective with its own.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Learned {
    /// Beside the squared error of every score by itself, with the settings of the router.
    Beside(Comparison),
    /// With its own settings.
    Only(Objective),
}

/// What is learned beside the squared error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Comparison {
    /// The order of every pair of models (the paper).
    #[default]
    Pairwise,
    /// Nothing: the squared error alone, as scalar routers learn.
    Pointwise,
    /// The distribution of the first place (ListNet).
    ListNet,
    /// The order of pairs, weighed by what it means to NDCG (LambdaRank).
    LambdaRank,
    /// The expected regret of the softmax policy.
    Regret,
}

impl<'de> Deserialize<'de> for Learned {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(
            untagged,
            expecting = "expected the name of an objective, or a table with its `kind` and its settings"
        )]
        enum Written {
            Word(String),
            Table(toml::Table),
        }

        match Written::deserialize(deserializer)? {
            Written::Word(word) => {
                let value = || toml::Value::from(word.as_str());
                if let Ok(comparison) = value().try_into() {
                    return Ok(Self::Beside(comparison));
                }
                value().try_into().map(Self::Only).map_err(|_| {
                    let known = Objective::KINDS.join("`, `");
                    D::Error::custom(format!(
                        "unknown objective `{word}`, expected `pointwise` or one of `{known}`"
                    ))
                })
            }
            Written::Table(table) => (table.try_into().map(Self::Only))
                .map_err(|error| D::Error::custom(error.message())),
        }
    }
}

impl Default for Learned {
    fn default() -> Self {
        Self::Beside(Comparison::default())
    }
}

/// The network of the paper with the defaults of the authors' toolbox; costs come from the shared cost network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EquiRouter {
    /// Its sizes and parts.
    #[serde(flatten)]
    pub network: EquiRouterConfig,
    /// What is learned: `pairwise` (the paper), `pointwise`, `listnet`, `lambdarank` or `regret` with the settings below, or an
    /// [`Objective`] with its own, as other networks take it.
    pub objective: Learned,
    /// Weight of the mean squared error, 0 or more.
    pub error_weight: f64,
    /// Weight of the objective beside it, 0 or more; `pointwise` has none.
    pub rank_weight: f64,
    /// The order of models of equal quality: `none` (the authors' code) or `cost` (§4.3 of the paper).
    pub tie_order: TieOrder,
    /// How pairs are averaged: `per-pair` (the authors' code) or `per-query`; for `pairwise`.
    pub normalisation: Normalisation,
    /// The scale on which scores are compared, in units of quality, above 0; for `listnet`, `lambdarank` and `regret`.
    pub temperature: f64,
    /// How the network is trained.
    #[serde(flatten)]
    pub training: TrainConfig,
}

impl Default for EquiRouter {
    fn default() -> Self {
        Self {
            network: EquiRouterConfig::default(),
            objective: Learned::default(),
            error_weight: 1.0,
            rank_weight: 50.0,
            tie_order: TieOrder::default(),
            normalisation: Normalisation::default(),
            temperature: 0.1,
            training: TrainConfig {
                epochs: 5,
                batch_size: 128,
                learning_rate: 1e-4,
            },
        }
    }
}

impl EquiRouter {
    /// The objective with its settings, wherever they are written.
    fn objective(&self) -> Objective {
        let pairwise = |weight| {
            Objective::Pairwise(Pairwise {
                tie_order: self.tie_order,
                normalisation: self.normalisation,
                weight,
                error_weight: self.error_weight,
            })
        };
        let lists = Lists {
            tie_order: self.tie_order,
            temperature: self.temperature,
            weight: self.rank_weight,
            error_weight: self.error_weight,
        };
        match self.objective {
            Learned::Only(objective) => objective,
            Learned::Beside(Comparison::Pairwise) => pairwise(self.rank_weight),
            Learned::Beside(Comparison::Pointwise) => pairwise(0.0),
            Learned::Beside(Comparison::ListNet) => Objective::ListNet(ListNet(lists)),
            Learned::Beside(Comparison::LambdaRank) => Objective::LambdaRank(LambdaRank(lists)),
            Learned::Beside(Comparison::Regret) => Objective::Regret(Regret(lists)),
        }
    }

    /// Checks the settings beside a comparison.
    fn validate_comparison(&self, comparison: Comparison) -> Result<(), String> {
        not_negative("rank_weight", self.rank_weight)?;
        not_negative("error_weight", self.error_weight)?;
        above_zero("temperature", self.temperature)?;
        let compares = comparison != Comparison::Pointwise && self.rank_weight > 0.0;
        if compares || self.error_weight > 0.0 {
            return Ok(());
        }
        Err(
            "`error_weight` and `rank_weight` must not both be 0, nor `error_weight` with the objective `pointwise`"
                .into(),
        )
    }

    /// Checks that nothing is set beside an objective with settings of its own.
    fn validate_alone(&self, objective: &Objective) -> Result<(), String> {
        let default = Self::default();
        let unread = [
            ("error_weight", self.error_weight == default.error_weight),
            ("rank_weight", self.rank_weight == default.rank_weight),
            ("tie_order", self.tie_order == default.tie_order),
            ("normalisation", self.normalisation == default.normalisation),
            ("temperature", self.temperature == default.temperature),
        ];
        if let Some((name, _)) = unread.iter().find(|(_, default)| !default) {
            return Err(format!(
                "`{name}` is not read where `objective` is a table: its settings are inside the table"
            ));
        }
        validate_objective(Some(objective))
    }
}

impl Router for EquiRouter {
    fn kind(&self) -> &'static str {
        "equirouter"
    }

    fn description(&self) -> &'static str {
        "a network that learns the order of the models"
    }

    fn validate(&self) -> Result<(), String> {
        self.network.validate()?;
        self.training.validate()?;
        match &self.objective {
            Learned::Beside(comparison) => self.validate_comparison(*comparison),
            Learned::Only(objective) => self.validate_alone(objective),
        }
    }

    fn takes_mask(&self) -> bool {
        true
    }

    /// The settings that matter to the chosen objective, and none of a table's.
    fn search_space(&self) -> SearchSpace {
        let mut space = space([
            ("epochs", Values::integers([2, 5, 10, 20, 40])),
            ("learning_rate", Values::log(3e-5, 1e-3)),
        ]);
        let comparison = match self.objective {
            Learned::Beside(Comparison::Pointwise) | Learned::Only(_) => return space,
            Learned::Beside(comparison) => comparison,
        };
        let weights = [0.0, 1.0, 5.0, 10.0, 50.0, 100.0].into_iter();
        let weights = weights.filter(|&weight| weight + self.error_weight > 0.0);
        space.insert("rank_weight".into(), Values::numbers(weights));
        space.insert("tie_order".into(), Values::words(["none", "cost"]));
        if comparison != Comparison::Pairwise {
            space.insert("temperature".into(), Values::log(0.02, 1.0));
        }
        space
    }

    fn fit_checked(&self, train: &TrainingSet, context: &Context) -> FitResult {
        let quality = FittedEquiRouter::fit_on(
            &train.outcomes().examples(train.x()),
            &self.network,
            &self.objective(),
            &self.training,
            &context.fit(),
        )?;
        neural::with_shared_cost(quality, train, context)
    }

    fn load(archive: &Archive, loader: &Loader) -> FitResult {
        neural::load::<EquiRouterConfig>(archive, loader)
    }
}
