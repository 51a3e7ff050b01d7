//! From a name in an experiment file to a router: the only place that lists them.

use ndarray::Axis;
use routelab_data::RoutingTable;
use routelab_heads::Backend;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{
    Archive, Context, FittedRouter, Router, RouterError, SearchSpace, TrainingSet, avengers,
    calibrated, carrot, eagle, embedllm, equirouter, fixed, gbt, graphrouter, hybridllm, irt, knn,
    linear, linear_mf, margin, mlp, omnirouter, regret, routellm_mf, routellm_sw, routerdc, svr,
    uniroute,
};

type Load = fn(&Archive, &Backend) -> Result<Box<dyn FittedRouter>, RouterError>;

/// A router that the product knows.
#[derive(Clone, Copy)]
pub struct RouterInfo {
    /// The name in an experiment file.
    pub kind: &'static str,
    /// How it predicts, in a few words.
    pub description: &'static str,
    parse: fn(&'static str, toml::Table) -> Result<ParsedRouter, RouterError>,
    load: Load,
}

/// A router as an experiment file asks for it.
pub struct ParsedRouter {
    /// The router.
    pub router: Box<dyn Router>,
    /// All its settings, the defaults included.
    pub settings: toml::Table,
}

/// Every router but the oracle, which is not fitted: it is the truth itself.
static ROUTERS: [RouterInfo; 30] = [
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
    entry::<avengers::AvengersPro>(
        "avengers-pro",
        "mean quality and cost of the nearest clusters",
        avengers::load_avengers_pro,
    ),
    entry::<avengers::Avengers>(
        "avengers",
        "mean quality of the query's cluster",
        avengers::load_avengers,
    ),
    entry::<linear::Linear>("linear", "ridge regression", linear::load),
    entry::<linear_mf::LinearMf>(
        "linear-mf",
        "ridge regression through a few factors",
        linear::load,
    ),
    entry::<svr::Svr>(
        "svr",
        "support vector regression with a Gaussian kernel",
        svr::load,
    ),
    entry::<gbt::Gbt>("gbt", "gradient-boosted regression trees", gbt::load),
    entry::<mlp::Mlp>("mlp", "multi-layer perceptron", mlp::load),
    entry::<mlp::MlpMf>(
        "mlp-mf",
        "multi-layer perceptron behind a low-rank bottleneck",
        mlp::load,
    ),
    entry::<carrot::Carrot>(
        "carrot",
        "kNN or ridge, and one price of cost for all queries",
        carrot::load,
    ),
    entry::<uniroute::UniRoute>(
        "uniroute",
        "errors of a model per cluster, queries assigned softly",
        uniroute::load,
    ),
    entry::<eagle::Eagle>(
        "eagle",
        "Elo ratings over all and over similar training queries",
        eagle::load,
    ),
    entry::<routellm_sw::RouteLlmSw>(
        "routellm-sw",
        "Bradley–Terry on comparisons weighted by similarity",
        routellm_sw::load,
    ),
    entry::<omnirouter::OmniRouter>(
        "omnirouter",
        "ridge and retrieval, solved for all queries together",
        omnirouter::load,
    ),
    entry::<margin::MarginRule>(
        "margin-rule",
        "the cheapest model within δ of another router's best prediction",
        margin::load,
    ),
    entry::<calibrated::Calibrated>(
        "calibrated",
        "another router's predictions, calibrated per model on held-out queries",
        calibrated::load,
    ),
    entry::<embedllm::EmbedLlm>(
        "embedllm",
        "a product of a query and a model embedding",
        embedllm::load,
    ),
    entry::<routellm_mf::RouteLlmMf>(
        "routellm-mf",
        "a factorisation of which model beats which on a query",
        routellm_mf::load,
    ),
    entry::<routerdc::RouterDc>(
        "routerdc",
        "nearness of query and model after dual contrastive learning",
        routerdc::load,
    ),
    entry::<hybridllm::HybridLlm>(
        "hybridllm",
        "the cheapest model that is likely as good as the best single one",
        hybridllm::load,
    ),
    entry::<irt::Mirt>(
        "mirt",
        "item response theory: abilities, discrimination and difficulty",
        irt::load_mirt,
    ),
    entry::<irt::Nirt>(
        "nirt",
        "item response theory with a network in place of the product",
        irt::load_nirt,
    ),
    entry::<graphrouter::GraphRouter>(
        "graphrouter",
        "edges of a graph of queries and models",
        graphrouter::load,
    ),
    entry::<regret::RmSoftmax>(
        "rm-softmax",
        "a policy of least expected regret, with the price of cost as an input",
        regret::load,
    ),
    entry::<regret::RmInterval>(
        "rm-interval",
        "the same, interpolated between the ends of price intervals",
        regret::load,
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
    load: Load,
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
    let read = |settings: toml::Table| settings.try_into::<R>();
    let router = read(settings.clone()).map_err(|error| {
        // The message about a wrong type does not say where. Every setting has a default, so each can be read by itself.
        let message = error.message();
        let bad = (settings.into_iter()).find(|(name, value)| {
            read([(name.clone(), value.clone())].into_iter().collect()).is_err()
        });
        wrong(match bad {
            Some((name, _)) if !message.contains(&format!("`{name}`")) => {
                format!("`{name}`: {message}")
            }
            _ => message.to_owned(),
        })
    })?;
    router.validate().map_err(wrong)?;
    let settings = toml::Table::try_from(&router).expect("settings are plain data");
    Ok(ParsedRouter {
        router: Box::new(Checked(router)),
        settings,
    })
}

/// A router of the registry: one that takes no mask sees none, and no router sees a model of which nothing was measured.
struct Checked<R>(R);

impl<R: Router> Router for Checked<R> {
    fn kind(&self) -> &'static str {
        self.0.kind()
    }

    fn validate(&self) -> Result<(), String> {
        self.0.validate()
    }

    fn takes_mask(&self) -> bool {
        self.0.takes_mask()
    }

    fn search_space(&self) -> SearchSpace {
        self.0.search_space()
    }

    fn fit(
        &self,
        train: &TrainingSet,
        context: &Context,
    ) -> Result<Box<dyn FittedRouter>, RouterError> {
        check_mask(self, train.table())?;
        self.0.fit(train, context)
    }
}

/// Checks that a router can be fitted on the gaps of a training table.
///
/// # Errors
///
/// [`RouterError::Gaps`] where there are some and it takes none, [`RouterError::Unmeasured`] where nothing of a model was measured.
pub fn check_mask(router: &dyn Router, train: &RoutingTable) -> Result<(), RouterError> {
    let Some(measured) = train.measured() else {
        return Ok(());
    };
    if !router.takes_mask() {
        let takers = (ROUTERS.iter())
            .filter(|info| {
                (info.parse)(info.kind, toml::Table::new())
                    .is_ok_and(|taker| taker.router.takes_mask())
            })
            .map(|info| info.kind)
            .collect::<Vec<_>>();
        return Err(RouterError::Gaps {
            kind: router.kind().to_owned(),
            reason: match takers.contains(&router.kind()) {
                true => " with these settings",
                false => "",
            },
            takers: takers.join(", "),
        });
    }
    let nothing =
        (measured.axis_iter(Axis(1))).position(|column| column.iter().all(|measured| !measured));
    match nothing {
        None => Ok(()),
        Some(model) => Err(RouterError::Unmeasured {
            model: train.models()[model].clone(),
        }),
    }
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
