//! Settings that cannot be are refused by name.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use routelab_routers::{RouterError, Values};

use crate::common::registry;

fn refusal(kind: &str, settings: &str) -> String {
    match registry().parse(kind, toml::from_str(settings).unwrap()) {
        Ok(_) => panic!("{kind} accepts {settings}"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn values_out_of_range_are_named() {
    for (kind, settings, expected) in [
        ("knn", "k = 0", "`k` must be at least 1"),
        (
            "knn",
            "epsilon = 0.0",
            "`epsilon` must be a number above 0, not 0",
        ),
        ("knn", "epsilon = inf", "`epsilon`"),
        (
            "linear",
            "alpha = -1.0",
            "`alpha` must be a number above 0, not -1",
        ),
        ("linear", "alpha = nan", "`alpha`"),
        ("mlp", "hidden = [16, 0]", "`hidden`"),
        ("mlp", "epochs = 0", "`epochs`"),
        ("mlp", "batch_size = 0", "`batch_size`"),
        ("mlp-mf", "rank = 0", "`rank`"),
        ("mlp-mf", "learning_rate = 0.0", "`learning_rate`"),
        (
            "margin-rule",
            "delta = -0.1",
            "`delta` must be a number of at least 0, not -0.1",
        ),
        (
            "margin-rule",
            "base = { kind = 'knn', k = 0 }",
            "`k` must be at least 1",
        ),
        (
            "margin-rule",
            "base = { k = 3 }",
            "`base` must name a router",
        ),
        (
            "margin-rule",
            "base = { kind = 'nobody' }",
            "unknown router `nobody`",
        ),
        (
            "calibrated",
            "folds = 1",
            "`folds` must be at least 2, not 1",
        ),
        (
            "calibrated",
            "base = { k = 3 }",
            "`base` must name a router",
        ),
        ("equirouter", "rank_weight = -1.0", "`rank_weight`"),
        (
            "avengers-pro",
            "clusters = 0",
            "`clusters` must be at least 1",
        ),
        (
            "avengers-pro",
            "nearest = 0",
            "`nearest` must be at least 1",
        ),
        ("avengers", "clusters = 0", "`clusters` must be at least 1"),
        ("linear-mf", "rank = 0", "`rank` must be at least 1"),
        (
            "linear-mf",
            "alpha = 0.0",
            "`alpha` must be a number above 0",
        ),
        ("svr", "c = 0.0", "`c` must be a number above 0"),
        ("svr", "gamma = -1.0", "`gamma` must be a number above 0"),
        (
            "svr",
            "epsilon = -0.1",
            "`epsilon` must be a number of at least 0",
        ),
        (
            "svr",
            "tolerance = 1e-12",
            "`tolerance` must be a number of at least 1e-9",
        ),
        ("gbt", "trees = 0", "`trees` must be at least 1"),
        ("gbt", "min_leaf = 0", "`min_leaf` must be at least 1"),
        (
            "gbt",
            "learning_rate = 1.5",
            "`learning_rate` must be a number above 0 and up to 1",
        ),
        (
            "gbt",
            "dimensions = 0.0",
            "`dimensions` must be a number above 0 and up to 1",
        ),
        ("gbt", "depth = 17", "`depth` must be from 1 to 16, not 17"),
        ("gbt", "bins = 1", "`bins` must be from 2 to 256, not 1"),
        ("gbt", "l2 = nan", "`l2` must be a number of at least 0"),
        ("carrot", "k = 0", "`k` must be at least 1"),
        ("carrot", "alpha = inf", "`alpha` must be a number above 0"),
        ("carrot", "estimates = 'mlp'", "`knn` or `linear`"),
        ("uniroute", "clusters = 0", "`clusters` must be at least 1"),
        (
            "uniroute",
            "temperature = 0.0",
            "`temperature` must be a number above 0",
        ),
        (
            "eagle",
            "k_factor = 0.0",
            "`k_factor` must be a number above 0",
        ),
        ("eagle", "neighbours = 0", "`neighbours` must be at least 1"),
        (
            "eagle",
            "global = 1.1",
            "`global` must be a number from 0 to 1, not 1.1",
        ),
        (
            "routellm-sw",
            "temperature = nan",
            "`temperature` must be a number above 0",
        ),
        (
            "omnirouter",
            "retrieval = -0.5",
            "`retrieval` must be a number from 0 to 1",
        ),
        ("equirouter", "temperature = 0.0", "`temperature`"),
        ("equirouter", "error_weight = -1.0", "`error_weight`"),
        (
            "equirouter",
            "error_weight = 0.0\nobjective = 'pointwise'",
            "must not both be 0",
        ),
        ("equirouter", "error_weight = 0.0\nrank_weight = 0.0", "0"),
        ("equirouter", "objective = 'listmle'", "`listnet`"),
        ("equirouter", "objective = 'listmle'", "`pointwise`"),
        (
            "equirouter",
            "objective = { kind = 'pairwise' }\nrank_weight = 1.0",
            "`rank_weight` is not read",
        ),
        (
            "equirouter",
            "objective = { kind = 'pairwise', rank_weight = 1.0 }",
            "`rank_weight`",
        ),
        ("mlp", "objective = 'listmle'", "`objective`"),
        ("mlp", "objective = { weight = 1.0 }", "`kind`"),
        (
            "mlp",
            "objective = { kind = 'regret', temperature = 0.0 }",
            "`objective`: `temperature` must be",
        ),
        (
            "nirt",
            "objective = { kind = 'pairwise', weight = 0, error_weight = 0 }",
            "must not both be 0",
        ),
        (
            "routerdc",
            "objective = { kind = 'utility', price = -1.0 }",
            "`price`",
        ),
        ("embedllm", "width = 0", "`width` must be at least 1"),
        ("embedllm", "noise = -0.1", "`noise`"),
        ("embedllm", "cost = 'mean'", "`model`, `network`, `joint`"),
        ("routellm-mf", "latent = 0", "`latent` must be at least 1"),
        ("routellm-mf", "pairs_per_query = 0", "`pairs_per_query`"),
        ("routellm-mf", "noise = nan", "`noise`"),
        ("routerdc", "width = 0", "`width`"),
        ("routerdc", "hidden = [0]", "`hidden`"),
        ("routerdc", "top = 0", "`top`"),
        ("routerdc", "temperature = 0.0", "`temperature`"),
        ("routerdc", "cluster_weight = inf", "`cluster_weight`"),
        ("routerdc", "clusters = 0", "`clusters`"),
        ("routerdc", "negatives = 0", "`negatives`"),
        ("hybridllm", "threshold = -0.1", "`threshold`"),
        ("hybridllm", "temperature = -1.0", "`temperature`"),
        (
            "hybridllm",
            "confidence = 1.5",
            "`confidence` must be above 0 and at most 1, not 1.5",
        ),
        ("mirt", "latent = 0", "`latent`"),
        ("nirt", "hidden = 0", "`hidden`"),
        (
            "nirt",
            "dropout = 1.0",
            "`dropout` must be at least 0 and below 1, not 1",
        ),
        ("graphrouter", "layers = 0", "`layers`"),
        ("graphrouter", "hidden = 0", "`hidden`"),
        ("graphrouter", "context = 0", "`context`"),
        ("rm-softmax", "largest_price = 0.0", "`largest_price`"),
        ("rm-softmax", "steps = 0", "`steps`"),
        ("rm-interval", "intervals = 0", "`intervals`"),
        ("equirouter", "width = 0", "`width`"),
    ] {
        let message = refusal(kind, settings);
        assert!(message.contains(expected), "{kind}, {settings}: {message}");
        assert!(message.contains(&format!("router `{kind}`")), "{message}");
    }
}

#[test]
fn misspelt_settings_and_wrong_types_are_named() {
    for info in registry().routers() {
        let message = refusal(info.kind, "neighbors = 3");
        assert!(
            message.contains(info.kind) && message.contains("`neighbors`"),
            "{message}"
        );
        let parsed = registry().parse(info.kind, toml::Table::new()).unwrap();
        for name in parsed.settings.keys() {
            // No setting is a date.
            let message = refusal(info.kind, &format!("{name} = 1979-05-27"));
            assert!(
                message.contains(&format!("`{name}`")),
                "{}: {message}",
                info.kind
            );
        }
    }
    for (kind, expected) in [
        ("random", "there are no fields"),
        ("linear", "expected `alpha`"),
        ("knn", "expected `k` or `epsilon`"),
        (
            "mlp-mf",
            "expected one of `rank`, `widen`, `init`, `standardise`, `hidden`, `epochs`, `batch_size`, `learning_rate`",
        ),
        ("hybridllm", "`threshold`"),
    ] {
        let message = refusal(kind, "neighbors = 3");
        assert!(message.contains("unknown field `neighbors`, "), "{message}");
        assert!(message.contains(expected), "{message}");
    }
    assert!(refusal("knn", "k = -1").contains("`k`"));
    assert!(refusal("mlp", "epochs = -1").contains("`epochs`"));
    assert!(refusal("knn", "k = 1.5").contains("`k`"));
    assert!(refusal("equirouter", "tie_order = 'price'").contains("`none` or `cost`"));
}

#[test]
fn the_settings_of_a_router_make_the_same_router() {
    for info in registry().routers() {
        let parsed = registry().parse(info.kind, toml::Table::new()).unwrap();
        assert_eq!(parsed.router.kind(), info.kind);
        let again = registry()
            .parse(info.kind, parsed.settings.clone())
            .unwrap();
        assert_eq!(again.settings, parsed.settings, "{}", info.kind);
    }
}

#[test]
fn a_search_tries_settings_that_exist_and_are_accepted() {
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    for info in registry().routers() {
        let parsed = registry().parse(info.kind, toml::Table::new()).unwrap();
        for (name, values) in parsed.router.search_space() {
            let what = format!("{}, {name}", info.kind);
            assert!(parsed.settings.contains_key(&name), "{what}");
            values.validate().expect(&what);
            for _ in 0..20 {
                let mut settings = parsed.settings.clone();
                settings.insert(name.clone(), values.draw(&mut rng));
                assert!(registry().parse(info.kind, settings).is_ok(), "{what}");
            }
        }
    }
}

/// Without the squared error, or with nothing but it.
#[test]
fn equirouter_searches_what_its_objective_reads() {
    let space = |settings: &str| {
        let parsed = registry().parse("equirouter", toml::from_str(settings).unwrap());
        parsed.unwrap().router.search_space()
    };
    assert!(!space("objective = 'pointwise'").contains_key("rank_weight"));
    assert!(!space("").contains_key("temperature"));
    assert!(space("objective = 'regret'").contains_key("temperature"));
    let without_error = space("error_weight = 0.0")["rank_weight"].clone();
    let zero = Values::numbers([0.0, 1.0, 5.0, 10.0, 50.0, 100.0]);
    assert_eq!(space("")["rank_weight"], zero);
    assert_eq!(
        without_error,
        Values::numbers([1.0, 5.0, 10.0, 50.0, 100.0])
    );
}

#[test]
fn unknown_routers_list_the_known_ones() {
    let error = registry().parse("knnn", toml::Table::new()).err().unwrap();
    assert!(matches!(error, RouterError::UnknownKind { .. }));
    let message = error.to_string();
    assert!(message.contains("`knnn`"));
    for info in registry().routers() {
        assert!(message.contains(info.kind), "{message}");
    }
}
