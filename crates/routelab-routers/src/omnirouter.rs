//! OmniRouter (Mei et al. 2025, arXiv 2502.20576): routing as one constrained problem over all queries.

use routelab_data::Embeddings;
use routelab_eval::{Decision, Scores};
use routelab_heads::ranges::share;
use serde::{Deserialize, Serialize};

use crate::decision::FittedDecided;
use crate::knn::Knn;
use crate::linear::Linear;
use crate::space::space;
use crate::{
    Archive, Context, FitResult, FittedRouter, Loader, Router, RouterError, SearchSpace,
    TrainingSet, Values,
};

/// Predicts quality and cost by a mixture of a trained predictor (ridge) and retrieval (nearest training queries), then chooses
/// for all queries together: `min Σ ĉ` with a mean `q̂` of at least a target.
///
/// The Lagrangian of that problem is `Σ ĉ - μ Σ q̂`, so every query takes `argmax q̂ - λ ĉ` with `λ = 1/μ` in common. Targets of
/// quality and mean budgets run through the same choices as `λ` falls; here the budget says how far
/// ([`Decision::PRICE_OVER_COSTS`]).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct OmniRouter {
    /// Retrieved training queries, at least 1.
    pub k: usize,
    /// Penalty of the trained predictor, above 0.
    pub alpha: f64,
    /// Share of retrieval in the mixture, in [0, 1].
    pub retrieval: f64,
}

impl Default for OmniRouter {
    fn default() -> Self {
        Self {
            k: 16,
            alpha: Linear::default().alpha,
            retrieval: 0.5,
        }
    }
}

impl OmniRouter {
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

impl Router for OmniRouter {
    fn kind(&self) -> &'static str {
        "omnirouter"
    }

    fn description(&self) -> &'static str {
        "ridge and retrieval, solved for all queries together"
    }

    fn validate(&self) -> Result<(), String> {
        self.knn().validate()?;
        self.linear().validate()?;
        share("retrieval", self.retrieval)
    }

    fn search_space(&self) -> SearchSpace {
        space([
            ("k", Values::integers([5, 10, 20, 50, 100])),
            ("alpha", Values::log(1e-3, 1e3)),
            ("retrieval", Values::numbers([0.0, 0.25, 0.5, 0.75, 1.0])),
        ])
    }

    fn fit_checked(&self, train: &TrainingSet, context: &Context) -> FitResult {
        let fit = |train: &TrainingSet, context: &Context| -> FitResult {
            Ok(Box::new(FittedMixture {
                retrieval: self.retrieval,
                retrieved: self.knn().fit(train, context)?,
                trained: self.linear().fit(train, context)?,
            }))
        };
        let fitted = FittedDecided::fit(Decision::PRICE_OVER_COSTS, train, context, fit)?;
        Ok(Box::new(fitted))
    }

    fn load(archive: &Archive, loader: &Loader) -> FitResult {
        let part = |name| loader.load(archive.part(name)?);
        let mixture = FittedMixture {
            retrieval: archive.get("retrieval")?,
            retrieved: part("retrieved")?,
            trained: part("trained")?,
        };
        let loaded = FittedDecided::load(Decision::PRICE_OVER_COSTS, archive, Box::new(mixture))?;
        Ok(Box::new(loaded))
    }
}

struct FittedMixture {
    retrieval: f64,
    retrieved: Box<dyn FittedRouter>,
    trained: Box<dyn FittedRouter>,
}

impl FittedRouter for FittedMixture {
    fn predict(&self, queries: &Embeddings) -> Result<Scores, RouterError> {
        let retrieved = self.retrieved.predict(queries)?;
        let trained = self.trained.predict(queries)?;
        if retrieved.models() != trained.models() {
            return Err(RouterError::Pools {
                one: retrieved.models(),
                other: trained.models(),
            });
        }
        let (share, rest) = (self.retrieval, 1.0 - self.retrieval);
        Ok(Scores::new(
            retrieved.quality * share + trained.quality * rest,
            retrieved.cost * share + trained.cost * rest,
        )?)
    }

    fn save(&self, archive: &mut Archive) -> Result<(), RouterError> {
        archive.put("retrieval", &self.retrieval);
        for (name, kind, part) in [
            ("retrieved", Knn::default().kind(), &self.retrieved),
            ("trained", Linear::default().kind(), &self.trained),
        ] {
            archive.put_part(name, Archive::of(kind, &**part)?);
        }
        Ok(())
    }
}
