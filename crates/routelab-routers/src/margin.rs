//! The margin rule: a scalar router that prefers the cheap among the nearly best.

use routelab_data::Embeddings;
use routelab_eval::{Decision, Scores};
use routelab_heads::History;
use routelab_heads::ranges::not_negative;
use serde::{Deserialize, Serialize};

use crate::base::FittedBase;
use crate::space::space;
use crate::{
    Archive, Base, Context, FitResult, FittedRouter, Loader, Registry, Router, RouterError,
    SearchSpace, TrainingSet, Values,
};

/// Takes the predictions of another router, but chooses the cheapest affordable model whose predicted quality is within
/// `delta` of the best: that router with `decision = { kind = "margin", delta = … }`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MarginRule {
    /// `δ`, in units of quality, 0 or more.
    pub delta: f64,
    /// The router whose predictions are used: its `kind` and its settings.
    pub base: Base,
}

impl Default for MarginRule {
    fn default() -> Self {
        Self {
            delta: 0.05,
            base: Base::new("knn"),
        }
    }
}

impl Router for MarginRule {
    fn kind(&self) -> &'static str {
        "margin-rule"
    }

    fn description(&self) -> &'static str {
        "the cheapest model within δ of another router's best prediction"
    }

    fn validate(&self) -> Result<(), String> {
        self.base.parse()?;
        not_negative("delta", self.delta)
    }

    fn takes_mask(&self) -> bool {
        self.base.takes_mask()
    }

    fn search_space(&self) -> SearchSpace {
        space([("delta", Values::numbers([0.01, 0.02, 0.05, 0.1, 0.2]))])
    }

    fn fit_checked(&self, train: &TrainingSet, context: &Context) -> FitResult {
        let base = self.base.router(self.kind())?;
        Ok(Box::new(FittedMargin {
            delta: self.delta,
            base: FittedBase::fit(&*base, train, context)?,
        }))
    }

    fn resolve(&mut self, registry: &Registry) {
        self.base.resolve(registry);
    }

    fn load(archive: &Archive, loader: &Loader) -> FitResult {
        Ok(Box::new(FittedMargin {
            delta: archive.get("delta")?,
            base: FittedBase::load("base", archive, loader)?,
        }))
    }
}

struct FittedMargin {
    delta: f64,
    base: FittedBase,
}

impl FittedRouter for FittedMargin {
    fn predict(&self, queries: &Embeddings) -> Result<Scores, RouterError> {
        self.base.router.predict(queries)
    }

    fn decision(&self) -> Decision {
        Decision::WithinBudget { margin: self.delta }
    }

    fn history(&self) -> Option<&History> {
        self.base.router.history()
    }

    fn save(&self, archive: &mut Archive) -> Result<(), RouterError> {
        archive.put("delta", &self.delta);
        self.base.save("base", archive)
    }
}
