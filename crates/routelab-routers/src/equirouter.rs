//! EquiRouter (Lai & Ye 2026, arXiv 2602.03478): learns the order of the models instead of each one's score.

use routelab_heads::equirouter::{
    EquiRouterConfig, FittedEquiRouter, ListwiseKind, ListwiseLoss, Normalisation, Objective,
    Ranking, RankingLoss, TieOrder,
};
use routelab_heads::ranges::{above_zero, not_negative};
use routelab_heads::{Architecture, TrainConfig};
use serde::{Deserialize, Serialize};

use crate::neural;
use crate::space::space;
use crate::{
    Archive, Context, FitResult, Loader, Router, SearchSpace, TrainingSet, Values, to_f32,
};

/// What EquiRouter's network learns, beside the squared error of every score by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ObjectiveKind {
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

/// The network of the paper with the defaults of the authors' toolbox; costs come from the shared cost network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EquiRouter {
    /// Its sizes and parts.
    #[serde(flatten)]
    pub network: EquiRouterConfig,
    /// What is learned: `pairwise` (the paper), `pointwise`, `listnet`, `lambdarank` or `regret`.
    pub objective: ObjectiveKind,
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
            objective: ObjectiveKind::default(),
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
    fn objective(&self) -> Objective {
        let listwise = |kind| {
            Ranking::Listwise(ListwiseLoss {
                kind,
                tie_order: self.tie_order,
                temperature: self.temperature,
            })
        };
        let pairwise = Ranking::Pairwise(RankingLoss {
            tie_order: self.tie_order,
            normalisation: self.normalisation,
        });
        let (rank_weight, ranking) = match self.objective {
            ObjectiveKind::Pairwise => (self.rank_weight, pairwise),
            ObjectiveKind::Pointwise => (0.0, pairwise),
            ObjectiveKind::ListNet => (self.rank_weight, listwise(ListwiseKind::ListNet)),
            ObjectiveKind::LambdaRank => (self.rank_weight, listwise(ListwiseKind::LambdaRank)),
            ObjectiveKind::Regret => (self.rank_weight, listwise(ListwiseKind::Regret)),
        };
        Objective {
            error_weight: self.error_weight,
            rank_weight,
            ranking,
        }
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
        not_negative("rank_weight", self.rank_weight)?;
        not_negative("error_weight", self.error_weight)?;
        above_zero("temperature", self.temperature)?;
        let objective = self.objective();
        if objective.error_weight + objective.rank_weight > 0.0 {
            return Ok(());
        }
        Err(
            "`error_weight` and `rank_weight` must not both be 0, nor `error_weight` with the objective `pointwise`"
                .into(),
        )
    }

    /// Pairs with a model that was not measured are left out; the listwise objectives need whole lists.
    fn takes_mask(&self) -> bool {
        self.objective().takes_mask()
    }

    /// The settings that matter to the chosen objective.
    fn search_space(&self) -> SearchSpace {
        let mut space = space([
            ("epochs", Values::integers([2, 5, 10, 20, 40])),
            ("learning_rate", Values::log(3e-5, 1e-3)),
        ]);
        if self.objective == ObjectiveKind::Pointwise {
            return space;
        }
        let weights = [0.0, 1.0, 5.0, 10.0, 50.0, 100.0].into_iter();
        let weights = weights.filter(|&weight| weight + self.error_weight > 0.0);
        space.insert("rank_weight".into(), Values::numbers(weights));
        space.insert("tie_order".into(), Values::words(["none", "cost"]));
        if self.objective != ObjectiveKind::Pairwise {
            space.insert("temperature".into(), Values::log(0.02, 1.0));
        }
        space
    }

    fn fit_checked(&self, train: &TrainingSet, context: &Context) -> FitResult {
        let measured = train.measured_f32();
        let quality = FittedEquiRouter::fit_measured(
            train.x(),
            to_f32(train.quality()).view(),
            to_f32(train.cost()).view(),
            measured.as_ref().map(|measured| measured.view()),
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
