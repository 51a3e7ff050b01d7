//! What routers have in common that are made of another one.

use serde::{Deserialize, Serialize};

use crate::{
    Archive, Context, FittedRouter, Loader, ParsedRouter, Registry, Router, RouterError,
    TrainingSet,
};

/// The router that another one is made of, as an experiment file names it: its `kind` and its settings.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Base {
    settings: toml::Table,
    /// Where its kind is looked up; among the routers of this crate until a registry has parsed the one that is made of it.
    #[serde(skip)]
    registry: Option<Registry>,
}

impl PartialEq for Base {
    fn eq(&self, other: &Self) -> bool {
        self.settings == other.settings
    }
}

impl Base {
    /// A router of this crate with its defaults.
    pub fn new(kind: &str) -> Self {
        let kind = toml::Value::String(kind.to_owned());
        Self {
            settings: toml::Table::from_iter([("kind".to_owned(), kind)]),
            registry: None,
        }
    }

    /// Looks it up in this registry.
    pub(crate) fn resolve(&mut self, registry: &Registry) {
        self.registry = Some(registry.clone());
    }

    /// The router; the error says what is wrong with its settings.
    pub(crate) fn parse(&self) -> Result<ParsedRouter, String> {
        let mut settings = self.settings.clone();
        let Some(toml::Value::String(kind)) = settings.remove("kind") else {
            return Err("`base` must name a router: base = { kind = \"knn\" }".into());
        };
        let registry = self.registry.clone().unwrap_or_default();
        let parsed = registry.parse(&kind, settings);
        parsed.map_err(|error| format!("in `base`: {error}"))
    }

    /// The router, for the fit of one of kind `of`.
    pub(crate) fn router(&self, of: &str) -> Result<Box<dyn Router>, RouterError> {
        let parsed = self.parse().map_err(|reason| RouterError::Settings {
            kind: of.to_owned(),
            reason,
        });
        Ok(parsed?.router)
    }

    pub(crate) fn takes_mask(&self) -> bool {
        self.parse().is_ok_and(|base| base.router.takes_mask())
    }
}

/// A fitted router that another one is made of.
pub(crate) struct FittedBase {
    kind: String,
    pub(crate) router: Box<dyn FittedRouter>,
}

impl FittedBase {
    /// Fits it.
    pub(crate) fn fit(
        router: &dyn Router,
        train: &TrainingSet,
        context: &Context,
    ) -> Result<Self, RouterError> {
        Ok(Self {
            kind: router.kind().to_owned(),
            router: router.fit(train, context)?,
        })
    }

    /// Puts it into an archive, its kind as a value and itself as a part.
    pub(crate) fn save(&self, name: &str, archive: &mut Archive) -> Result<(), RouterError> {
        archive.put(name, &self.kind);
        archive.put_part(name, Archive::of(&self.kind, &*self.router)?);
        Ok(())
    }

    /// What is in an archive under this name.
    pub(crate) fn load(
        name: &str,
        archive: &Archive,
        loader: &Loader,
    ) -> Result<Self, RouterError> {
        let part = archive.part(name)?;
        Ok(Self {
            kind: part.kind.clone(),
            router: loader.load(part)?,
        })
    }
}
