//! CARROT (Somerstep et al. 2025, arXiv 2502.03261): plug-in estimates of quality and cost, and one price for all queries.

use routelab_data::Embeddings;
use routelab_eval::{Decision, Scores};
use serde::{Deserialize, Serialize};

use crate::base::FittedBase;
use crate::decision::FittedDecided;
use crate::knn::Knn;
use crate::linear::Linear;
use crate::space::space;
use crate::{
    Archive, Context, FitResult, FittedRouter, Loader, Router, RouterError, SearchSpace,
    TrainingSet, Values,
};

/// How quality and cost are estimated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Estimates {
    /// As the router `knn` does.
    #[default]
    Knn,
    /// As the router `linear` does.
    Linear,
}

/// Takes `argmax q̂ - λ ĉ` with one `λ` for all queries: `knn` or `linear` with `decision = { kind = "price", budgets = "costs" }`
/// ([`Decision::PRICE_OVER_COSTS`]); the estimates are those of another router.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Carrot {
    /// `knn` or `linear`.
    pub estimates: Estimates,
    /// Neighbours of the estimates `knn`, at least 1.
    pub k: usize,
    /// Penalty of the estimates `linear`, above 0.
    pub alpha: f64,
}

impl Default for Carrot {
    fn default() -> Self {
        Self {
            estimates: Estimates::default(),
            k: Knn::default().k,
            alpha: Linear::default().alpha,
        }
    }
}

impl Carrot {
    fn knn(&self) -> Knn {
        Knn {
            k: self.k,
            ..Knn::default()
        }
    }

    fn linear(&self) -> Linear {
        Linear { alpha: self.alpha }
    }
}

impl Router for Carrot {
    fn kind(&self) -> &'static str {
        "carrot"
    }

    fn description(&self) -> &'static str {
        "kNN or ridge, and one price of cost for all queries"
    }

    fn validate(&self) -> Result<(), String> {
        self.knn().validate()?;
        self.linear().validate()
    }

    fn search_space(&self) -> SearchSpace {
        space([
            ("estimates", Values::words(["knn", "linear"])),
            ("k", Values::integers([5, 10, 20, 50, 100, 200])),
            ("alpha", Values::log(1e-3, 1e3)),
        ])
    }

    fn fit_checked(&self, train: &TrainingSet, context: &Context) -> FitResult {
        let base: &dyn Router = match self.estimates {
            Estimates::Knn => &self.knn(),
            Estimates::Linear => &self.linear(),
        };
        let fit = |train: &TrainingSet, context: &Context| -> FitResult {
            let base = FittedBase::fit(base, train, context)?;
            Ok(Box::new(FittedEstimates(base)))
        };
        let fitted = FittedDecided::fit(Decision::PRICE_OVER_COSTS, train, context, fit)?;
        Ok(Box::new(fitted))
    }

    fn load(archive: &Archive, loader: &Loader) -> FitResult {
        let base = FittedBase::load("estimates", archive, loader)?;
        let router = Box::new(FittedEstimates(base));
        let loaded = FittedDecided::load(Decision::PRICE_OVER_COSTS, archive, router)?;
        Ok(Box::new(loaded))
    }
}

struct FittedEstimates(FittedBase);

impl FittedRouter for FittedEstimates {
    fn predict(&self, queries: &Embeddings) -> Result<Scores, RouterError> {
        self.0.router.predict(queries)
    }

    fn save(&self, archive: &mut Archive) -> Result<(), RouterError> {
        self.0.save("estimates", archive)
    }
}
