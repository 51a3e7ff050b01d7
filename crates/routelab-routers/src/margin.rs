//! The margin rule: a scalar router that prefers the cheap among the nearly best.

use routelab_data::Embeddings;
use routelab_eval::{Decision, Scores};
use routelab_heads::ranges::not_negative;
use routelab_heads::{Backend, History};
use serde::{Deserialize, Serialize};

use crate::space::space;
use crate::{
    Archive, Context, FittedRouter, Router, RouterError, SearchSpace, TrainingSet, Values, registry,
};

/// Takes the predictions of another router, but chooses the cheapest affordable model whose predicted quality is within
/// `delta` of the best.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MarginRule {
    /// `δ`, in units of quality, 0 or more.
    pub delta: f64,
    /// The router whose predictions are used: its `kind` and its settings.
    pub base: toml::Table,
}

impl Default for MarginRule {
    fn default() -> Self {
        let kind = toml::Value::String("knn".into());
        Self {
            delta: 0.05,
            base: toml::Table::from_iter([("kind".into(), kind)]),
        }
    }
}

/// The router that a `base` table names, and its kind.
pub(crate) fn base_router(base: &toml::Table) -> Result<(String, Box<dyn Router>), String> {
    let mut settings = base.clone();
    let Some(toml::Value::String(kind)) = settings.remove("kind") else {
        return Err("`base` must name a router: base = { kind = \"knn\" }".into());
    };
    let parsed = registry::parse(&kind, settings).map_err(|error| format!("in `base`: {error}"))?;
    Ok((kind, parsed.router))
}

impl Router for MarginRule {
    fn kind(&self) -> &'static str {
        "margin-rule"
    }

    fn validate(&self) -> Result<(), String> {
        base_router(&self.base)?;
        not_negative("delta", self.delta)
    }

    fn takes_mask(&self) -> bool {
        base_router(&self.base).is_ok_and(|(_, base)| base.takes_mask())
    }

    fn search_space(&self) -> SearchSpace {
        space([("delta", Values::numbers([0.01, 0.02, 0.05, 0.1, 0.2]))])
    }

    fn fit(
        &self,
        train: &TrainingSet,
        context: &Context,
    ) -> Result<Box<dyn FittedRouter>, RouterError> {
        let (kind, base) = base_router(&self.base).map_err(|reason| RouterError::Settings {
            kind: self.kind().to_owned(),
            reason,
        })?;
        Ok(Box::new(Fitted {
            delta: self.delta,
            base: base.fit(train, context)?,
            kind,
        }))
    }
}

struct Fitted {
    delta: f64,
    kind: String,
    base: Box<dyn FittedRouter>,
}

impl FittedRouter for Fitted {
    fn predict(&self, queries: &Embeddings) -> Result<Scores, RouterError> {
        self.base.predict(queries)
    }

    fn decision(&self) -> Decision {
        Decision::WithinBudget { margin: self.delta }
    }

    fn history(&self) -> Option<&History> {
        self.base.history()
    }

    fn save(&self, archive: &mut Archive) -> Result<(), RouterError> {
        archive.put("delta", &self.delta);
        archive.put("base", &self.kind);
        archive.put_part("base", registry::save(&self.kind, &*self.base)?);
        Ok(())
    }
}

pub(crate) fn load(
    archive: &Archive,
    backend: &Backend,
) -> Result<Box<dyn FittedRouter>, RouterError> {
    Ok(Box::new(Fitted {
        delta: archive.get("delta")?,
        kind: archive.get("base")?,
        base: registry::load(archive.part("base")?, backend)?,
    }))
}
