//! Tables on which some models were measured on some queries only.

use ndarray::{Array2, array};
use proptest::prelude::*;
use routelab_data::RoutingTable;
use routelab_eval::Scores;

use crate::common::{
    Data, assert_close, backend, clusters, fit, predict, queries, registry, settings_for, try_fit,
};

/// The routers that take a mask.
const TAKERS: [&str; 18] = [
    "random",
    "cheapest",
    "strongest",
    "best-single",
    "knn",
    "avengers-pro",
    "avengers",
    "linear",
    "mlp",
    "mlp-mf",
    "uniroute",
    "margin-rule",
    "calibrated",
    "prudent",
    "embedllm",
    "mirt",
    "nirt",
    "equirouter",
];

/// Settings that are quick to fit and leave clusters and neighbours without a measurement.
fn settings(kind: &str) -> &'static str {
    match kind {
        "knn" => "k = 3",
        "avengers-pro" => "clusters = 8\nnearest = 2",
        "avengers" | "uniroute" => "clusters = 8",
        "calibrated" => "folds = 3\nbase = { kind = \"linear\" }",
        "margin-rule" => "base = { kind = \"uniroute\", clusters = 8 }",
        "mlp" | "mlp-mf" => "hidden = [8]\nepochs = 4\nbatch_size = 16",
        "embedllm" => "width = 8\nepochs = 4\ncost = \"joint\"",
        "mirt" | "nirt" => "epochs = 4",
        _ => settings_for(kind),
    }
}

fn masked(data: &Data, measured: Array2<bool>) -> Data {
    Data {
        embeddings: data.embeddings.clone(),
        table: data.table.clone().with_measured(measured).unwrap(),
    }
}

/// Model 2 was measured on every fifth query.
fn partly(data: &Data) -> Data {
    let shape = data.table.quality().dim();
    let measured = Array2::from_shape_fn(shape, |(row, model)| model != 2 || row % 5 == 0);
    masked(data, measured)
}

fn bits(scores: &Scores) -> Vec<u64> {
    let values = scores.quality.iter().chain(&scores.cost);
    values.map(|value| value.to_bits()).collect()
}

#[test]
fn the_registry_knows_who_takes_a_mask() {
    for info in registry().routers() {
        let router = registry()
            .parse(info.kind, toml::Table::new())
            .unwrap()
            .router;
        assert_eq!(
            router.takes_mask(),
            TAKERS.contains(&info.kind),
            "{}",
            info.kind
        );
    }
    let takes = |kind: &str, settings: &str| {
        let settings = toml::from_str(settings).unwrap();
        registry()
            .parse(kind, settings)
            .unwrap()
            .router
            .takes_mask()
    };
    assert!(takes("equirouter", "objective = \"pointwise\""));
    assert!(takes("equirouter", "objective = \"listnet\""));
    assert!(takes("routerdc", "objective = \"squared-error\""));
    assert!(!takes("graphrouter", "objective = \"squared-error\""));
    assert!(!takes("margin-rule", "base = { kind = \"svr\" }"));
    assert!(!takes("prudent", "with = [{ kind = \"svr\" }]"));
}

#[test]
fn a_placeholder_has_no_say() {
    let data = partly(&clusters(60, 3));
    let unseen = clusters(20, 4).embeddings;
    for kind in TAKERS {
        let predictions = [(0.0, 0.0), (1.0, 0.0), (0.5, 1e6)].map(|(quality, cost)| {
            let data = Data {
                embeddings: data.embeddings.clone(),
                table: data.table.clone().with_placeholders(quality, cost),
            };
            let fitted = fit(kind, settings(kind), &data);
            let scores = fitted.predict(&unseen).unwrap();
            // The archive has what it predicts by.
            let archive = registry().save(kind, &*fitted).unwrap();
            let loaded = registry().load(&archive, &backend()).unwrap();
            assert_eq!(
                bits(&loaded.predict(&unseen).unwrap()),
                bits(&scores),
                "{kind}"
            );
            bits(&scores)
        });
        assert_eq!(predictions[0], predictions[1], "{kind}");
        assert_eq!(predictions[0], predictions[2], "{kind}");
    }
}

#[test]
fn masking_nothing_changes_nothing() {
    let data = clusters(60, 5);
    let unseen = clusters(20, 6).embeddings;
    let all = masked(&data, Array2::from_elem(data.table.quality().dim(), true));
    assert_eq!(all.table, data.table);
    for kind in TAKERS {
        let bits_of = |data| bits(&fit(kind, settings(kind), data).predict(&unseen).unwrap());
        assert_eq!(bits_of(&data), bits_of(&all), "{kind}");
    }
}

#[test]
fn the_others_refuse_by_name_and_name_those_that_do_not() {
    let data = partly(&clusters(30, 7));
    for info in registry().routers() {
        if TAKERS.contains(&info.kind) {
            continue;
        }
        let Err(error) = try_fit(info.kind, "", &data, 1) else {
            panic!("{} was fitted", info.kind);
        };
        let message = error.to_string();
        assert!(
            message.contains(&format!("router `{}` needs", info.kind)),
            "{message}"
        );
        assert!(
            message.contains("knn, avengers-pro") && message.contains("equirouter"),
            "{message}"
        );
    }
    let Err(error) = try_fit("margin-rule", "base = { kind = \"svr\" }", &data, 1) else {
        panic!("a base that takes no mask was fitted");
    };
    assert!(error.to_string().contains("with these settings"), "{error}");
}

#[test]
fn a_model_that_nobody_measured_is_named() {
    let data = clusters(30, 8);
    let measured = Array2::from_shape_fn((30, 3), |(row, model)| model != 2 || row == 0);
    let table: RoutingTable = masked(&data, measured).table.select(&[1, 2, 3, 4]);
    let data = Data {
        embeddings: data.embeddings.select(&[1, 2, 3, 4]),
        table,
    };
    let Err(error) = try_fit("knn", "", &data, 1) else {
        panic!("it was fitted");
    };
    assert!(
        error
            .to_string()
            .contains("\"model 2\" was measured on none"),
        "{error}"
    );
}

/// Queries on a line, two models; the second was measured at 0 and at 10.
fn line() -> Data {
    let data = Data::new(
        array![[0.0], [1.0], [2.0], [10.0]],
        array![[1.0, 1.0], [0.0, 0.0], [0.0, 0.0], [1.0, 0.5]],
        array![[1.0, 2.0], [1.0, 9.0], [1.0, 9.0], [3.0, 4.0]],
    );
    masked(
        &data,
        array![[true, true], [true, false], [true, false], [true, true]],
    )
}

#[test]
fn neighbours_that_were_not_measured_are_left_out() {
    let found = predict("knn", "k = 2", &line(), &array![[0.0], [1.5], [10.0]]);
    // At 0 the nearest is an exact match; at 1.5 neither neighbour was measured: the mean over the two that were. At 10 it is one.
    assert_close(
        &found.quality,
        &array![[1.0, 1.0], [0.0, 0.75], [1.0, 0.5]],
        1e-6,
    );
    assert_close(
        &found.cost,
        &array![[1.0, 2.0], [1.0, 3.0], [3.0, 4.0]],
        1e-6,
    );
}

#[test]
fn clusters_without_a_measurement_have_the_mean_of_the_model() {
    let settings = "clusters = 4\nnearest = 1";
    let found = predict(
        "avengers-pro",
        settings,
        &line(),
        &array![[0.0], [1.0], [10.0]],
    );
    assert_close(
        &found.quality,
        &array![[1.0, 1.0], [0.0, 0.75], [1.0, 0.5]],
        1e-9,
    );
    assert_close(
        &found.cost,
        &array![[1.0, 2.0], [1.0, 3.0], [3.0, 4.0]],
        1e-9,
    );
    let found = predict(
        "uniroute",
        "clusters = 4\ntemperature = 0.01",
        &line(),
        &array![[1.0]],
    );
    assert!((found.quality[[0, 1]] - 0.75).abs() < 1e-9);
}

#[test]
fn policies_and_ridge_take_what_was_measured() {
    let found = predict("best-single", "", &line(), &array![[5.0]]);
    assert_close(&found.quality, &array![[0.5, 0.75]], 1e-12);
    assert_close(&found.cost, &array![[1.5, 3.0]], 1e-12);
    // Through two points goes one line; a little of it is lost to the penalty.
    let found = predict("linear", "alpha = 1e-9", &line(), &array![[5.0]]);
    assert!((found.quality[[0, 1]] - 0.75).abs() < 1e-6 && (found.cost[[0, 1]] - 3.0).abs() < 1e-6);
    // The first model was measured everywhere: as without the second one's gaps.
    let all = predict(
        "linear",
        "",
        &Data {
            embeddings: line().embeddings,
            table: full(),
        },
        &array![[5.0]],
    );
    let part = predict("linear", "", &line(), &array![[5.0]]);
    assert!((all.quality[[0, 0]] - part.quality[[0, 0]]).abs() < 1e-12);
}

fn full() -> RoutingTable {
    Data::new(
        array![[0.0], [1.0], [2.0], [10.0]],
        array![[1.0, 1.0], [0.0, 0.0], [0.0, 0.0], [1.0, 0.5]],
        array![[1.0, 2.0], [1.0, 9.0], [1.0, 9.0], [3.0, 4.0]],
    )
    .table
}

#[test]
fn networks_learn_a_model_from_a_fifth_of_the_queries() {
    let train = partly(&clusters(400, 9));
    let test = clusters(40, 10);
    for kind in ["equirouter", "mlp"] {
        let fitted = fit(kind, settings_for(kind), &train);
        let scores = fitted.predict(&test.embeddings).unwrap();
        for (row, quality) in scores.quality.outer_iter().enumerate() {
            let right = row % 2;
            assert!(
                quality[right] > quality[1 - right],
                "{kind}: query {row}: {quality}"
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever the mask: predictions are numbers and do not depend on placeholders.
    #[test]
    fn any_mask(cells in proptest::collection::vec(any::<bool>(), 24 * 3), quality in 0.0..=1.0, cost in 0.0..9.0) {
        let data = clusters(24, 11);
        // Every query and every model has a measurement.
        let measured = Array2::from_shape_fn((24, 3), |(row, model)| row % 3 == model || cells[3 * row + model]);
        let data = masked(&data, measured);
        let other = Data {
            embeddings: data.embeddings.clone(),
            table: data.table.clone().with_placeholders(quality, cost),
        };
        let unseen = queries(clusters(9, 12).embeddings.values().to_owned());
        for kind in ["best-single", "knn", "avengers-pro", "linear", "calibrated", "equirouter"] {
            let [first, second] = [&data, &other].map(|data| fit(kind, settings(kind), data).predict(&unseen).unwrap());
            prop_assert!(first.quality.iter().chain(&first.cost).all(|value| value.is_finite()));
            prop_assert_eq!(bits(&first), bits(&second), "{}", kind);
        }
    }
}
