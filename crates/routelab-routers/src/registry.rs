//! From a name in an experiment file to a router, and from an archive to a fitted one.

use std::fmt;
use std::sync::Arc;

use ndarray::Axis;
use routelab_data::RoutingTable;
use routelab_eval::Decision;
use routelab_heads::Backend;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::decision::{self, FittedDecided};
use crate::{
    Archive, Context, FitResult, FittedRouter, Router, RouterError, SearchSpace, TrainingSet,
};

/// The routers that a program knows. The default has all of this crate; [`with`](Self::with) adds others.
#[derive(Clone, Debug)]
pub struct Registry {
    routers: Arc<[RouterInfo]>,
}

/// A router of a registry.
#[derive(Clone)]
pub struct RouterInfo {
    /// The name in an experiment file.
    pub kind: &'static str,
    /// How it predicts, in a few words.
    pub description: &'static str,
    parse: Arc<Parse>,
    load: Arc<Load>,
}

/// A router from its settings.
type Parse = dyn Fn(&Registry, toml::Table) -> Result<ParsedRouter, RouterError> + Send + Sync;
/// A fitted router from its archive.
type Load = dyn Fn(&Archive, &Loader) -> FitResult + Send + Sync;

impl fmt::Debug for RouterInfo {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(self.kind)
    }
}

impl RouterInfo {
    /// A router that no Rust type stands for, such as one of another language. `parse` makes it from all its settings, which it
    /// completes and checks; an error says what is wrong with them. `load` is [`Router::load`].
    pub fn new(
        kind: &'static str,
        description: &'static str,
        parse: impl Fn(toml::Table) -> Result<ParsedRouter, String> + Send + Sync + 'static,
        load: impl Fn(&Archive, &Loader) -> FitResult + Send + Sync + 'static,
    ) -> Self {
        let parse = move |registry: &Registry, settings: toml::Table| {
            let settings_error = |reason| RouterError::Settings {
                kind: kind.to_owned(),
                reason,
            };
            let mut parsed = parse(settings).map_err(settings_error)?;
            parsed.router.resolve(registry);
            parsed.router.validate().map_err(settings_error)?;
            Ok(parsed)
        };
        Self {
            kind,
            description,
            parse: Arc::new(parse),
            load: Arc::new(load),
        }
    }

    pub(crate) fn of<R>() -> Self
    where
        R: Router + Default + Serialize + DeserializeOwned + 'static,
    {
        let router = R::default();
        Self {
            kind: router.kind(),
            description: router.description(),
            parse: Arc::new(parse::<R>),
            load: Arc::new(R::load),
        }
    }
}

/// A router as an experiment file asks for it.
pub struct ParsedRouter {
    /// The router.
    pub router: Box<dyn Router>,
    /// All its settings, the defaults included.
    pub settings: toml::Table,
}

/// What a router is loaded with: where its networks run, and the registry that knows the routers it is made of.
#[derive(Clone, Copy)]
pub struct Loader<'a> {
    /// The routers that there are.
    pub registry: &'a Registry,
    /// Where networks run and, if that is a graphics card, nearest neighbours are searched.
    pub backend: &'a Backend,
}

impl Loader<'_> {
    /// The fitted router in an archive.
    ///
    /// # Errors
    ///
    /// An archive that is damaged or of an unknown router.
    pub fn load(&self, archive: &Archive) -> FitResult {
        let router = (self.registry.find(&archive.kind)?.load)(archive, self)?;
        FittedDecided::load_named(archive, router)
    }
}

impl Registry {
    pub(crate) fn of(routers: impl IntoIterator<Item = RouterInfo>) -> Self {
        Self {
            routers: routers.into_iter().collect(),
        }
    }

    /// The same and one more router, which takes the place of one of its kind.
    #[must_use]
    pub fn with<R>(self) -> Self
    where
        R: Router + Default + Serialize + DeserializeOwned + 'static,
    {
        self.with_info(RouterInfo::of::<R>())
    }

    /// The same for a router that no type stands for.
    #[must_use]
    pub fn with_info(self, new: RouterInfo) -> Self {
        let kind = new.kind;
        let others = self.routers.iter().filter(|info| info.kind != kind);
        Self::of(others.cloned().chain([new]))
    }

    /// Every router that can be fitted.
    pub fn routers(&self) -> &[RouterInfo] {
        &self.routers
    }

    /// A router from its name and its settings; settings that are left out have their defaults. Every router has one more than its
    /// own, [`decision`](decision::KEY), which takes the place of its decision.
    ///
    /// # Errors
    ///
    /// [`RouterError::UnknownKind`] or [`RouterError::Settings`].
    pub fn parse(
        &self,
        kind: &str,
        mut settings: toml::Table,
    ) -> Result<ParsedRouter, RouterError> {
        let info = self.find(kind)?;
        let decision = settings.remove(decision::KEY);
        let mut parsed = (info.parse)(self, settings)?;
        if let Some(value) = decision {
            let decision = decision::parse(&value).map_err(|reason| RouterError::Settings {
                kind: kind.to_owned(),
                reason,
            })?;
            let name = decision::KEY.to_owned();
            parsed.settings.insert(name, decision::written(decision));
            parsed.router = Box::new(Decided {
                router: parsed.router,
                decision,
            });
        }
        Ok(parsed)
    }

    /// An archive of a fitted router.
    ///
    /// # Errors
    ///
    /// Weights that cannot be encoded.
    pub fn save(&self, kind: &str, fitted: &dyn FittedRouter) -> Result<Archive, RouterError> {
        Archive::of(kind, fitted)
    }

    /// The fitted router in an archive.
    ///
    /// # Errors
    ///
    /// An archive that is damaged or of an unknown router.
    pub fn load(&self, archive: &Archive, backend: &Backend) -> FitResult {
        let registry = self;
        Loader { registry, backend }.load(archive)
    }

    /// Checks that a router can be fitted on the gaps of a training table.
    ///
    /// # Errors
    ///
    /// [`RouterError::Gaps`] where there are some and it takes none, [`RouterError::Unmeasured`] where nothing of a model was
    /// measured.
    pub fn check_mask(&self, router: &dyn Router, train: &RoutingTable) -> Result<(), RouterError> {
        self.check_gaps(router.kind(), router.takes_mask(), train)
    }

    pub(crate) fn check_gaps(
        &self,
        kind: &str,
        takes_mask: bool,
        train: &RoutingTable,
    ) -> Result<(), RouterError> {
        let Some(measured) = train.measured() else {
            return Ok(());
        };
        if !takes_mask {
            let takes = |info: &&RouterInfo| {
                (info.parse)(self, toml::Table::new()).is_ok_and(|taker| taker.router.takes_mask())
            };
            let takers: Vec<&str> = (self.routers.iter().filter(takes))
                .map(|info| info.kind)
                .collect();
            return Err(RouterError::Gaps {
                kind: kind.to_owned(),
                reason: if takers.contains(&kind) {
                    " with these settings"
                } else {
                    ""
                },
                takers: takers.join(", "),
            });
        }
        let nothing = (measured.axis_iter(Axis(1)))
            .position(|column| column.iter().all(|measured| !measured));
        match nothing {
            None => Ok(()),
            Some(model) => Err(RouterError::Unmeasured {
                model: train.models()[model].clone(),
            }),
        }
    }

    fn find(&self, kind: &str) -> Result<&RouterInfo, RouterError> {
        let found = self.routers.iter().find(|info| info.kind == kind);
        found.ok_or_else(|| RouterError::UnknownKind {
            kind: kind.to_owned(),
            known: (self.routers.iter().map(|info| info.kind))
                .collect::<Vec<_>>()
                .join(", "),
        })
    }
}

/// A router with another decision than its own.
struct Decided {
    router: Box<dyn Router>,
    decision: Decision,
}

impl Router for Decided {
    fn kind(&self) -> &'static str {
        self.router.kind()
    }

    fn description(&self) -> &'static str {
        self.router.description()
    }

    fn validate(&self) -> Result<(), String> {
        (self.decision.validate()).map_err(|error| error.to_string())?;
        self.router.validate()
    }

    fn optional_settings(&self) -> &'static [&'static str] {
        self.router.optional_settings()
    }

    fn resolve(&mut self, registry: &Registry) {
        self.router.resolve(registry);
    }

    fn takes_mask(&self) -> bool {
        self.router.takes_mask()
    }

    fn search_space(&self) -> SearchSpace {
        self.router.search_space()
    }

    fn fit_checked(&self, train: &TrainingSet, context: &Context) -> FitResult {
        let fit = |train: &TrainingSet, context: &Context| self.router.fit(train, context);
        let fitted = FittedDecided::fit(self.decision, train, context, fit)?;
        Ok(Box::new(fitted.named()))
    }

    fn load(archive: &Archive, loader: &Loader) -> FitResult {
        loader.load(archive)
    }
}

fn parse<R>(registry: &Registry, given: toml::Table) -> Result<ParsedRouter, RouterError>
where
    R: Router + Default + Serialize + DeserializeOwned + 'static,
{
    let default = R::default();
    let wrong = |reason: String| RouterError::Settings {
        kind: default.kind().to_owned(),
        reason,
    };
    let all = |router: &R| toml::Table::try_from(router).expect("settings are plain data");
    let read = |given: toml::Table| {
        let mut settings = all(&default);
        settings.extend(given);
        settings.try_into::<R>()
    };
    let mut router = read(given.clone()).map_err(|error| {
        // The message about a wrong type does not say where.
        let message = error.message();
        let bad = (given.iter()).find(|(name, value)| {
            read([((*name).clone(), (*value).clone())].into_iter().collect()).is_err()
        });
        wrong(match bad {
            Some((name, _)) if !message.contains(&format!("`{name}`")) => {
                format!("`{name}`: {message}")
            }
            _ => message.to_owned(),
        })
    })?;
    router.resolve(registry);
    let settings = all(&router);
    if let Some(name) = given.keys().find(|name| !settings.contains_key(*name)) {
        return Err(wrong(unknown(name, &names(&default))));
    }
    router.validate().map_err(wrong)?;
    Ok(ParsedRouter {
        router: Box::new(router),
        settings,
    })
}

/// The names of a router's settings in the order of its fields.
fn names<R: Router + Serialize>(router: &R) -> Vec<String> {
    let settings = serde_json::to_value(router).expect("settings are plain data");
    let settings = settings.as_object().into_iter().flatten();
    let names = settings.map(|(name, _)| format!("`{name}`"));
    let optional = router.optional_settings().iter();
    names
        .chain(optional.map(|name| format!("`{name}`")))
        .collect()
}

/// In the words of serde, which cannot tell where structs of settings are nested.
fn unknown(name: &str, known: &[String]) -> String {
    let expected = match known {
        [] => "there are no fields".to_owned(),
        [one] => format!("expected {one}"),
        [one, other] => format!("expected {one} or {other}"),
        many => format!("expected one of {}", many.join(", ")),
    };
    format!("unknown field `{name}`, {expected}")
}
