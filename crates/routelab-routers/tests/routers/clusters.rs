//! What every router must do on two separable clusters with different best models.

use routelab_eval::Scores;

use crate::common::{clusters, favourites, fit, registry, settings_for, try_fit};

/// Routers that do not read the query.
const BLIND: [&str; 4] = ["random", "cheapest", "strongest", "best-single"];

#[test]
fn every_router_that_reads_queries_finds_the_better_model() {
    let (train, test) = (clusters(240, 1), clusters(80, 2));
    for info in registry().routers() {
        if BLIND.contains(&info.kind) {
            continue;
        }
        let fitted = fit(info.kind, settings_for(info.kind), &train);
        let choices = favourites(&*fitted, &test.embeddings);
        let right = choices
            .iter()
            .enumerate()
            .filter(|&(row, &model)| model == row % 2);
        assert!(right.count() >= 76, "{}: {choices:?}", info.kind);
    }
}

#[test]
fn every_router_predicts_which_model_is_dear() {
    let (train, test) = (clusters(240, 1), clusters(80, 2));
    for info in registry().routers() {
        let fitted = fit(info.kind, settings_for(info.kind), &train);
        let cost = fitted.predict(&test.embeddings).unwrap().cost;
        for row in cost.outer_iter() {
            assert!(row[0] < row[2] && row[1] < row[2], "{}: {row}", info.kind);
            assert!((row[2] - 9.1).abs() < 1.5, "{}: {row}", info.kind);
        }
    }
}

#[test]
fn a_seed_fixes_every_prediction() {
    let (train, test) = (clusters(60, 1), clusters(20, 2));
    for info in registry().routers() {
        let scores = |seed| -> Scores {
            let fitted = try_fit(info.kind, settings_for(info.kind), &train, seed).unwrap();
            fitted.predict(&test.embeddings).unwrap()
        };
        assert_eq!(scores(3), scores(3), "{}", info.kind);
    }
}

#[test]
fn queries_do_not_depend_on_their_company() {
    let (train, test) = (clusters(60, 1), clusters(150, 2));
    for info in registry().routers() {
        let fitted = fit(info.kind, settings_for(info.kind), &train);
        let all = fitted.predict(&test.embeddings).unwrap();
        let alone = fitted.predict(&test.embeddings.select(&[149, 7])).unwrap();
        for (row, place) in [149, 7].into_iter().zip(0..) {
            for (all, alone) in [(&all.quality, &alone.quality), (&all.cost, &alone.cost)] {
                for (a, b) in all.row(row).iter().zip(alone.row(place)) {
                    assert!((a - b).abs() < 1e-4, "{}: {a} and {b}", info.kind);
                }
            }
        }
    }
}

#[test]
fn embeddings_of_another_encoder_are_refused() {
    let train = clusters(60, 1);
    let narrow = crate::common::queries(ndarray::array![[1.0_f32, 2.0]]);
    for info in registry().routers() {
        if BLIND.contains(&info.kind) {
            continue;
        }
        let fitted = fit(info.kind, settings_for(info.kind), &train);
        let error = fitted.predict(&narrow).unwrap_err().to_string();
        assert!(
            error.contains('2') && error.contains('6'),
            "{}: {error}",
            info.kind
        );
    }
}

/// Models are columns, and no router may prefer a place. Where no network is involved this holds for the predictions.
/// A seeded network draws its first weights by place, so that its predictions move a little; what it finds does not.
#[test]
fn permuting_models_permutes_what_is_found() {
    let (train, test) = (clusters(120, 1), clusters(40, 2));
    let order = [2, 0, 1];
    let permuted = train.with_models(&order);
    for info in registry().routers() {
        let settings = settings_for(info.kind);
        let (one, other) = (
            fit(info.kind, settings, &train),
            fit(info.kind, settings, &permuted),
        );
        if info.kind != "random" {
            let expected = favourites(&*one, &test.embeddings);
            let found = favourites(&*other, &test.embeddings);
            let same = found
                .iter()
                .zip(&expected)
                .filter(|&(&f, &e)| order[f] == e);
            let needed = if EXACT.contains(&info.kind) { 40 } else { 38 };
            assert!(same.count() >= needed, "{}: {found:?}", info.kind);
        }
        if EXACT.contains(&info.kind) {
            let one = one.predict(&test.embeddings).unwrap().quality;
            let other = other.predict(&test.embeddings).unwrap().quality;
            for ((row, model), value) in other.indexed_iter() {
                let expected = one[[row, order[model]]];
                assert!(
                    (value - expected).abs() < 1e-9,
                    "{}: {value}, {expected}",
                    info.kind
                );
            }
        }
    }
}

/// Routers whose predicted quality does not come from a network.
const EXACT: [&str; 18] = [
    "cheapest",
    "strongest",
    "best-single",
    "knn",
    "avengers-pro",
    "avengers",
    "linear",
    "linear-mf",
    "svr",
    "gbt",
    "carrot",
    "uniroute",
    "eagle",
    "routellm-sw",
    "omnirouter",
    "margin-rule",
    "calibrated",
    "prudent",
];
