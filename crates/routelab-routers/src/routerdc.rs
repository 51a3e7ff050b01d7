//! RouterDC (Chen et al. 2024, arXiv 2409.19886): dual contrastive learning.

use routelab_heads::ranges::{above_zero, at_least_one, not_negative};
use routelab_heads::scalar::routerdc::{DualContrast, FittedRouterDc, RouterDcConfig};
use routelab_heads::{Architecture, Objective, TrainConfig};
use serde::{Deserialize, Serialize};

use crate::kmeans::Clustering;
use crate::neural;
use crate::space::space;
use crate::{
    Archive, Context, FitResult, Loader, Router, SearchSpace, TrainingSet, Values, to_f32,
    validate_objective,
};

/// Learns a space in which a query is near the models that do well on it, and near queries of its own cluster; predicts
/// the cosine of query and model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RouterDc {
    /// Widths of the hidden layers of the query encoder.
    pub hidden: Vec<usize>,
    /// Width of the space that queries and models share, at least 1.
    pub width: usize,
    /// How many of the best models of a query are contrasted with how many of the worst, at least 1; never more than half
    /// of the pool.
    pub top: usize,
    /// Divides cosines, above 0.
    pub temperature: f64,
    /// Weight of the contrast between queries, 0 or more.
    pub cluster_weight: f64,
    /// Number of clusters of the training queries, at least 1.
    pub clusters: usize,
    /// Queries of other clusters that a query is contrasted with, at least 1.
    pub negatives: usize,
    /// What the network is trained on, with cosines divided by the temperature as scores; without it the two contrasts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub objective: Option<Objective>,
    /// How the network is trained.
    #[serde(flatten)]
    pub training: TrainConfig,
}

impl Default for RouterDc {
    fn default() -> Self {
        Self {
            hidden: vec![256],
            width: 256,
            top: 5,
            temperature: 0.07,
            cluster_weight: 1.0,
            clusters: 5,
            negatives: 3,
            objective: None,
            training: TrainConfig {
                epochs: 20,
                batch_size: 64,
                learning_rate: 5e-5,
            },
        }
    }
}

impl RouterDc {
    /// The contrasts divide their cosines themselves.
    fn network(&self) -> RouterDcConfig {
        RouterDcConfig {
            hidden: self.hidden.clone(),
            width: self.width,
            temperature: self.objective.map_or(1.0, |_| self.temperature),
        }
    }

    fn contrast(&self) -> DualContrast {
        DualContrast {
            models: self.top,
            temperature: self.temperature,
            cluster_weight: self.cluster_weight,
            negatives: self.negatives,
        }
    }
}

impl Router for RouterDc {
    fn kind(&self) -> &'static str {
        "routerdc"
    }

    fn description(&self) -> &'static str {
        "nearness of query and model after dual contrastive learning"
    }

    fn validate(&self) -> Result<(), String> {
        self.network().validate()?;
        self.training.validate()?;
        at_least_one("top", self.top)?;
        at_least_one("clusters", self.clusters)?;
        at_least_one("negatives", self.negatives)?;
        above_zero("temperature", self.temperature)?;
        not_negative("cluster_weight", self.cluster_weight)?;
        validate_objective(self.objective.as_ref())
    }

    fn optional_settings(&self) -> &'static [&'static str] {
        &["objective"]
    }

    /// The contrasts need the best and the worst models of every query.
    fn takes_mask(&self) -> bool {
        self.objective.is_some()
    }

    fn search_space(&self) -> SearchSpace {
        space([
            ("top", Values::integers([1, 2, 3, 5])),
            ("temperature", Values::log(0.05, 1.0)),
            ("cluster_weight", Values::numbers([0.0, 0.5, 1.0])),
            ("epochs", Values::integers([5, 10, 20, 40])),
            ("learning_rate", Values::log(2e-5, 1e-3)),
        ])
    }

    fn fit_checked(&self, train: &TrainingSet, context: &Context) -> FitResult {
        if let Some(objective) = &self.objective {
            let quality = FittedRouterDc::fit_on(
                &train.outcomes().examples(train.x()),
                &self.network(),
                objective,
                &self.training,
                &context.fit(),
            )?;
            return neural::with_shared_cost(quality, train, context);
        }
        let clusters = Clustering::fit(train.x(), self.clusters, context.seed);
        let quality = FittedRouterDc::fit(
            train.x(),
            to_f32(train.quality()).view(),
            &clusters.labels,
            &self.network(),
            &self.contrast(),
            &self.training,
            &context.fit(),
        )?;
        neural::with_shared_cost(quality, train, context)
    }

    fn load(archive: &Archive, loader: &Loader) -> FitResult {
        neural::load::<RouterDcConfig>(archive, loader)
    }
}
