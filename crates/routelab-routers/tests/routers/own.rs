//! Routers of a program's own, and routers that were not parsed from a file.

use ndarray::{Array2, Axis};
use routelab_data::Embeddings;
use routelab_eval::Scores;
use routelab_routers::{
    Archive, Context, FitResult, FittedRouter, Loader, Registry, Router, RouterError, SharedCost,
    TrainingSet, avengers, calibrated, carrot, eagle, embedllm, equirouter, gbt, graphrouter,
    hybridllm, irt, knn, linear, linear_mf, margin, mlp, omnirouter, prudent, regret, routellm_mf,
    routellm_sw, routerdc, svr, uniroute,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::common::{backend, clusters, cost_config, registry, settings_for};

/// Predicts the best quality that each model ever had, less a discount, and the mean cost.
#[derive(Default, Serialize, Deserialize)]
struct Optimist {
    discount: f64,
}

impl Router for Optimist {
    fn kind(&self) -> &'static str {
        "optimist"
    }

    fn description(&self) -> &'static str {
        "the best that a model ever did"
    }

    fn validate(&self) -> Result<(), String> {
        if self.discount >= 0.0 {
            return Ok(());
        }
        Err("`discount` must not be negative".into())
    }

    fn fit_checked(&self, train: &TrainingSet, _: &Context) -> FitResult {
        let quality = train.quality();
        let best = (quality.axis_iter(Axis(1)))
            .map(|column| column.iter().copied().fold(0.0, f64::max) - self.discount);
        let cost = train.cost().mean_axis(Axis(0)).unwrap();
        Ok(Box::new(FittedOptimist(best.zip(cost).collect())))
    }

    fn load(archive: &Archive, _: &Loader) -> FitResult {
        Ok(Box::new(FittedOptimist(archive.get("models")?)))
    }
}

/// Quality and cost of every model.
struct FittedOptimist(Vec<(f64, f64)>);

impl FittedRouter for FittedOptimist {
    fn predict(&self, queries: &Embeddings) -> Result<Scores, RouterError> {
        let shape = (queries.len(), self.0.len());
        let all = |of: fn((f64, f64)) -> f64| {
            Array2::from_shape_fn(shape, |(_, model)| of(self.0[model]))
        };
        Ok(Scores::new(all(|model| model.0), all(|model| model.1))?)
    }

    fn save(&self, archive: &mut Archive) -> Result<(), RouterError> {
        archive.put("models", &self.0);
        Ok(())
    }
}

fn fit(router: &dyn Router, seed: u64) -> FitResult {
    let (train, backend) = (clusters(40, 1), backend());
    let context = Context {
        prices: true,
        seed,
        backend: &backend,
        cost: &SharedCost::new(cost_config()),
        progress: &|_| {},
    };
    router.fit(
        &TrainingSet::new(&train.embeddings, &train.table)?,
        &context,
    )
}

#[test]
fn a_router_of_ones_own_is_like_the_others() {
    let registry = registry().with::<Optimist>();
    let info = registry.routers().last().unwrap();
    assert_eq!(
        (info.kind, info.description),
        ("optimist", "the best that a model ever did")
    );
    let queries = clusters(5, 2).embeddings;
    // By itself, and as what routers of this workspace are made of.
    for (kind, settings) in [
        ("optimist", "discount = 0.25"),
        (
            "margin-rule",
            "base = { kind = 'optimist', discount = 0.25 }",
        ),
        (
            "calibrated",
            "base = { kind = 'margin-rule', base = { kind = 'optimist' } }",
        ),
    ] {
        let parsed = registry
            .parse(kind, toml::from_str(settings).unwrap())
            .unwrap();
        let fitted = fit(&*parsed.router, 1).unwrap();
        let scores = fitted.predict(&queries).unwrap();
        if kind == "optimist" {
            assert_eq!(scores.quality.row(0).to_vec(), [0.75; 3]);
        }
        let archive = registry.save(kind, &*fitted).unwrap();
        let folder = tempfile::tempdir().unwrap();
        archive.write(folder.path()).unwrap();
        let archive = Archive::read(folder.path()).unwrap();
        let loaded = registry.load(&archive, &backend()).unwrap();
        assert_eq!(loaded.predict(&queries).unwrap(), scores, "{kind}");
        // Others do not know it.
        let unknown = Registry::default().load(&archive, &backend()).err();
        assert!(matches!(unknown, Some(RouterError::UnknownKind { .. })));
        let unknown = Registry::default().parse(kind, toml::from_str(settings).unwrap());
        let unknown = unknown.err().unwrap().to_string();
        assert!(unknown.contains("unknown router `optimist`"), "{unknown}");
    }
    let refused = |settings: &str| {
        let parsed = registry.parse("optimist", toml::from_str(settings).unwrap());
        parsed.err().unwrap().to_string()
    };
    assert!(refused("discount = -1.0").contains("`discount` must not be negative"));
    assert!(refused("discout = 1.0").contains("unknown field `discout`, expected `discount`"));
}

#[test]
fn a_router_of_ones_own_takes_no_mask_unless_it_says_so() {
    let registry = registry().with::<Optimist>();
    let router = registry
        .parse("optimist", toml::Table::new())
        .unwrap()
        .router;
    let table = clusters(40, 1).table;
    assert!(registry.check_mask(&*router, &table).is_ok());
    let mask = Array2::from_shape_fn((40, 3), |(row, model)| model != 2 || row % 5 == 0);
    let gaps = table.with_measured(mask).unwrap();
    let refused = registry.check_mask(&*router, &gaps);
    assert!(matches!(refused, Err(RouterError::Gaps { .. })));
}

#[test]
fn a_later_router_takes_the_place_of_one_of_its_kind() {
    let count = registry().routers().len();
    let twice = registry().with::<Optimist>().with::<Optimist>();
    assert_eq!(twice.routers().len(), count + 1);
}

/// A router whose settings nobody has checked.
fn unchecked<R>(settings: &str) -> Box<dyn Router>
where
    R: Router + Default + Serialize + DeserializeOwned + 'static,
{
    let mut all = toml::Table::try_from(R::default()).unwrap();
    all.extend(toml::from_str::<toml::Table>(settings).unwrap());
    Box::new(all.try_into::<R>().unwrap())
}

/// Every router but the fixed policies, which have no settings.
#[test]
fn no_router_is_fitted_with_settings_out_of_range() {
    let invalid = [
        unchecked::<knn::Knn>("k = 0"),
        unchecked::<avengers::AvengersPro>("nearest = 0"),
        unchecked::<avengers::Avengers>("clusters = 0"),
        unchecked::<linear::Linear>("alpha = 0.0"),
        unchecked::<linear_mf::LinearMf>("rank = 0"),
        unchecked::<svr::Svr>("c = 0.0"),
        unchecked::<gbt::Gbt>("trees = 0"),
        unchecked::<mlp::Mlp>("epochs = 0"),
        unchecked::<mlp::MlpMf>("rank = 0"),
        unchecked::<carrot::Carrot>("k = 0"),
        unchecked::<uniroute::UniRoute>("clusters = 0"),
        unchecked::<eagle::Eagle>("neighbours = 0"),
        unchecked::<routellm_sw::RouteLlmSw>("temperature = 0.0"),
        unchecked::<omnirouter::OmniRouter>("retrieval = 2.0"),
        unchecked::<margin::MarginRule>("base = { kind = 'knn', k = 0 }"),
        unchecked::<prudent::Prudent>("folds = 1"),
        unchecked::<calibrated::Calibrated>("base = { kind = 'nobody' }"),
        unchecked::<embedllm::EmbedLlm>("noise = -1.0"),
        unchecked::<routellm_mf::RouteLlmMf>("batch_size = 0"),
        unchecked::<routerdc::RouterDc>("width = 0"),
        unchecked::<hybridllm::HybridLlm>("threshold = -1.0"),
        unchecked::<irt::Mirt>("latent = 0"),
        unchecked::<irt::Nirt>("dropout = 1.0"),
        unchecked::<graphrouter::GraphRouter>("layers = 0"),
        unchecked::<regret::RmSoftmax>("steps = 0"),
        unchecked::<regret::RmInterval>("intervals = 0"),
        unchecked::<equirouter::EquiRouter>("learning_rate = 0.0"),
    ];
    for router in &invalid {
        let error = fit(&**router, 1).err().map(|error| error.to_string());
        let expected = format!("router `{}`: ", router.kind());
        assert!(
            error
                .as_ref()
                .is_some_and(|error| error.starts_with(&expected)),
            "{}: {error:?}",
            router.kind()
        );
    }
    let settings = |kind: &str| {
        let parsed = registry().parse(kind, toml::from_str(settings_for(kind)).unwrap());
        parsed.unwrap().settings
    };
    for info in registry().routers() {
        let tried = invalid.iter().any(|router| router.kind() == info.kind);
        assert_eq!(tried, !settings(info.kind).is_empty(), "{}", info.kind);
    }
}
