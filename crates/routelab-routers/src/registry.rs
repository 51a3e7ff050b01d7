//! From a name in an experiment file to a router: the only place that lists them.

use routelab_heads::Backend;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{
    Archive, FittedRouter, Router, RouterError, equirouter, fixed, knn, linear, margin, mlp,
};

/// A router that the product knows.
#[derive(Clone, Copy)]
pub struct RouterInfo {
    /// The name in an experiment file.
    pub kind: &'static str,
    /// How it predicts, in a few words.
    pub description: &'static str,
    parse: fn(&'static str, toml::Table) -> Result<ParsedRouter, RouterError>,
    load: fn(&Archive, &Backend) -> Result<Box<dyn FittedRouter>, RouterError>,
}

/// A router as an experiment file asks for it.
pub struct ParsedRouter {
    /// The router.
    pub router: Box<dyn Router>,
    /// All its settings, the defaults included.
    pub settings: toml::Table,
}

/// Every router but the oracle, which is not fitted: it is the truth itself.
static ROUTERS: [RouterInfo; 10] = [
    entry::<fixed::Random>(
        "random",
        "a random model of those within the budget",
        fixed::load,
    ),
    entry::<fixed::Cheapest>(
        "cheapest",
        "always the model that is cheapest on average",
        fixed::load,
    ),
    entry::<fixed::Strongest>(
        "strongest",
        "the dearest model within the budget",
        fixed::load,
    ),
    entry::<fixed::BestSingle>(
        "best-single",
        "the model that is best on average, within the budget",
        fixed::load,
    ),
    entry::<knn::Knn>(
        "knn",
        "inverse-distance mean over the nearest training queries",
        knn::load,
    ),
    entry::<linear::Linear>("linear", "ridge regression", linear::load),
    entry::<mlp::Mlp>("mlp", "multi-layer perceptron", mlp::load),
    entry::<mlp::MlpMf>(
        "mlp-mf",
        "multi-layer perceptron behind a low-rank bottleneck",
        mlp::load,
    ),
    entry::<margin::MarginRule>(
        "margin-rule",
        "the cheapest model within δ of another router's best prediction",
        margin::load,
    ),
    entry::<equirouter::EquiRouter>(
        "equirouter",
        "a network that learns the order of the models",
        equirouter::load,
    ),
];

const fn entry<R: Router + Default + Serialize + DeserializeOwned + 'static>(
    kind: &'static str,
    description: &'static str,
    load: fn(&Archive, &Backend) -> Result<Box<dyn FittedRouter>, RouterError>,
) -> RouterInfo {
    RouterInfo {
        kind,
        description,
        parse: parse_as::<R>,
        load,
    }
}

fn parse_as<R: Router + Serialize + DeserializeOwned + 'static>(
    kind: &'static str,
    settings: toml::Table,
) -> Result<ParsedRouter, RouterError> {
    let wrong = |reason: String| RouterError::Settings {
        kind: kind.to_owned(),
        reason,
    };
    let router: R = settings
        .try_into()
        .map_err(|error: toml::de::Error| wrong(error.message().to_owned()))?;
    router.validate().map_err(wrong)?;
    let settings = toml::Table::try_from(&router).expect("settings are plain data");
    Ok(ParsedRouter {
        router: Box::new(router),
        settings,
    })
}

/// Every router that can be fitted.
pub fn routers() -> &'static [RouterInfo] {
    &ROUTERS
}

fn find(kind: &str) -> Result<&'static RouterInfo, RouterError> {
    ROUTERS
        .iter()
        .find(|info| info.kind == kind)
        .ok_or_else(|| RouterError::UnknownKind {
            kind: kind.to_owned(),
            known: ROUTERS.map(|info| info.kind).join(", "),
        })
}

/// A router from its name and its settings; settings that are left out have their defaults.
///
/// # Errors
///
/// [`RouterError::UnknownKind`] or [`RouterError::Settings`].
pub fn parse(kind: &str, settings: toml::Table) -> Result<ParsedRouter, RouterError> {
    let info = find(kind)?;
    (info.parse)(info.kind, settings)
}

/// An archive of a fitted router.
///
/// # Errors
///
/// Weights that cannot be encoded.
pub fn save(kind: &str, fitted: &dyn FittedRouter) -> Result<Archive, RouterError> {
    let mut archive = Archive::new(kind);
    fitted.save(&mut archive)?;
    Ok(archive)
}

/// The fitted router in an archive.
///
/// # Errors
///
/// An archive that is damaged or of an unknown router.
pub fn load(archive: &Archive, backend: &Backend) -> Result<Box<dyn FittedRouter>, RouterError> {
    (find(&archive.kind)?.load)(archive, backend)
}
