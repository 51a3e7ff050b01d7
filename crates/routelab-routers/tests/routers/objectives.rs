//! Networks on objectives other than their own.

use ndarray::Array2;
use routelab_heads::Objective;
use routelab_routers::FittedRouter;

use crate::common::{
    Data, backend, clusters, favourites, fit, predict, queries, registry, settings_for,
};

/// Every router whose network takes an objective, and the one that it has without.
const NETWORKS: [(&str, Option<&str>); 8] = [
    ("mlp", Some("squared-error")),
    ("mlp-mf", Some("squared-error")),
    ("embedllm", Some("cross-entropy")),
    ("mirt", Some("cross-entropy")),
    ("nirt", Some("cross-entropy")),
    ("routerdc", None),
    ("graphrouter", Some("cross-entropy")),
    ("equirouter", Some("pairwise")),
];

/// Settings in the short form; enough steps for the losses whose gradients vanish with a bad order.
fn with(kind: &str, objective: &str) -> String {
    let settings = match kind {
        "embedllm" => {
            "width = 16\nnoise = 0.0\nbatch_size = 16\nlearning_rate = 2e-3\nepochs = 150"
        }
        kind => settings_for(kind),
    };
    format!("objective = \"{objective}\"\n{settings}")
}

fn bits(fitted: &dyn FittedRouter, data: &Data) -> Vec<u64> {
    let scores = fitted.predict(&data.embeddings).unwrap();
    scores.quality.iter().map(|value| value.to_bits()).collect()
}

#[test]
fn any_network_learns_on_any_objective() {
    let (train, test) = (clusters(96, 1), clusters(20, 2));
    let right: Vec<usize> = (0..20).map(|row| row % 2).collect();
    let mut wrong = Vec::new();
    for (kind, _) in NETWORKS {
        for objective in Objective::KINDS {
            let fitted = fit(kind, &with(kind, objective), &train);
            let found = favourites(&*fitted, &test.embeddings);
            let losses = &fitted.history().unwrap().losses;
            // Where two models are equally right, ListNet learns that each comes first half of the time: the model that is right on
            // every other query is hardly below the right one.
            let learned = match *objective {
                "listnet" => {
                    let other = found
                        .iter()
                        .zip(&right)
                        .any(|(found, right)| *found == 1 - right);
                    let agree = found.iter().zip(&right).filter(|(a, b)| a == b).count();
                    !other && agree >= 15
                }
                _ => found == right,
            };
            if !learned || losses[losses.len() - 1] >= losses[0] {
                wrong.push(format!("{kind}, {objective}: {found:?}"));
            }

            // The archive knows what the scores are.
            let archive = registry().save(kind, &*fitted).unwrap();
            let loaded = registry().load(&archive, &backend()).unwrap();
            assert_eq!(
                bits(&*loaded, &test),
                bits(&*fitted, &test),
                "{kind}, {objective}"
            );
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A network without an objective is the one with its own, to the bit.
#[test]
fn its_own_objective_changes_nothing() {
    let (train, test) = (clusters(60, 3), clusters(20, 4));
    for (kind, own) in NETWORKS {
        let settings = with(kind, "").replace("objective = \"\"", "");
        let plain = bits(&*fit(kind, &settings, &train), &test);
        for objective in Objective::KINDS {
            let found = bits(&*fit(kind, &with(kind, objective), &train), &test);
            assert_eq!(
                found == plain,
                own == Some(*objective),
                "{kind}, {objective}"
            );
        }
    }
}

/// Cross-entropy predicts probabilities, and the squared error the same quality; an objective that learns an order only does not.
#[test]
fn scores_are_qualities_where_the_objective_says_so() {
    // Model 0 is right on every fifth query, model 1 on four of five; nothing tells queries apart.
    let x = Array2::from_elem((200, 2), 0.5_f32);
    let quality = Array2::from_shape_fn((200, 2), |(row, model)| {
        f64::from(u8::from((row % 5 == 0) == (model == 0)))
    });
    let data = Data::new(x, quality, Array2::ones((200, 2)));
    let query = Array2::from_elem((1, 2), 0.5_f32);
    for kind in ["mlp", "embedllm", "equirouter"] {
        for objective in ["squared-error", "cross-entropy"] {
            let settings = with(kind, objective);
            let settings = match kind {
                "mlp" => format!("{settings}\nepochs = 60"),
                _ => settings,
            };
            let found = predict(kind, &settings, &data, &query).quality;
            assert!(
                (found[[0, 0]] - 0.2).abs() < 0.1 && (found[[0, 1]] - 0.8).abs() < 0.1,
                "{kind}, {objective}: {found}"
            );
        }
    }
    let order =
        "objective = { kind = \"pairwise\", error_weight = 0 }\nhidden = [32]\nbatch_size = 16";
    let found = predict("mlp", order, &data, &query).quality;
    assert!(found[[0, 1]] - found[[0, 0]] > 0.8, "{found}");
}

/// A price moves what is learned from the dear model to the cheap one.
#[test]
fn the_price_of_a_utility_counts() {
    let rows = 64;
    let x = Array2::from_shape_fn((rows, 2), |(row, axis)| ((row * 7 + axis) % 5) as f32 / 5.0);
    let quality = Array2::from_shape_fn((rows, 2), |(_, model)| [0.5, 0.8][model]);
    let cost = Array2::from_shape_fn((rows, 2), |(_, model)| [1.0, 4.0][model]);
    let data = Data::new(x, quality, cost);
    let settings = "hidden = [16]\nbatch_size = 16\nepochs = 200\nlearning_rate = 3e-3";
    let query = Array2::from_elem((1, 2), 0.4_f32);
    for (price, expected) in [(0.0, [0.5, 0.8]), (0.8, [0.3, 0.0])] {
        let objective = format!("objective = {{ kind = \"utility\", price = {price:?} }}");
        let found = predict("mlp", &format!("{objective}\n{settings}"), &data, &query).quality;
        for (found, expected) in found.iter().zip(expected) {
            assert!(
                (found - expected).abs() < 0.03,
                "at {price}: {found} instead of {expected}"
            );
        }
    }
}

/// Scores that are an order only become qualities by calibration.
#[test]
fn an_order_can_be_calibrated() {
    let (train, test) = (clusters(200, 5), clusters(40, 6));
    let settings = [
        "hidden = [16]",
        "batch_size = 32",
        "epochs = 60",
        "learning_rate = 3e-3",
        "objective = { kind = \"pairwise\", error_weight = 0 }",
    ];
    let order = fit("mlp", &settings.join("\n"), &train);
    let raw = order.predict(&test.embeddings).unwrap().quality;
    assert!(
        raw.iter().any(|score| !(-0.5..=1.5).contains(score)),
        "{raw}"
    );
    let base = format!(
        "folds = 3\nbase = {{ kind = \"mlp\", {} }}",
        settings.join(", ")
    );
    let calibrated = fit("calibrated", &base, &train);
    let found = calibrated.predict(&test.embeddings).unwrap().quality;
    for (row, quality) in found.outer_iter().enumerate() {
        let right = row % 2;
        assert!(
            quality[right] > 0.9 && quality[1 - right] < 0.1,
            "query {row}: {quality}"
        );
    }
    let half = found.column(2).mean().unwrap();
    assert!((half - 0.5).abs() < 0.1, "{half}");
}

/// The words of before, with their settings beside them, and the table with settings of its own are the same.
#[test]
fn the_old_keys_of_equirouter_say_the_same_as_a_table() {
    let (train, test) = (clusters(60, 7), clusters(20, 8));
    let same = |old: &str, new: &str| {
        let [old, new] = [old, new].map(|text| {
            let settings = format!("{text}\n{}", settings_for("equirouter"));
            bits(&*fit("equirouter", &settings, &train), &test)
        });
        old == new
    };
    assert!(same("", "objective = { kind = \"pairwise\" }"));
    assert!(same(
        "objective = \"pointwise\"",
        "objective = \"squared-error\""
    ));
    assert!(same(
        "tie_order = \"cost\"\nrank_weight = 5.0\nnormalisation = \"per-query\"",
        "objective = { kind = \"pairwise\", tie_order = \"cost\", weight = 5, normalisation = \"per-query\" }"
    ));
    for kind in ["listnet", "lambdarank", "regret"] {
        assert!(same(
            &format!("objective = \"{kind}\"\ntemperature = 0.2\nerror_weight = 0.5"),
            &format!("objective = {{ kind = \"{kind}\", temperature = 0.2, error_weight = 0.5 }}")
        ));
    }
    assert!(!same(
        "rank_weight = 5.0",
        "objective = { kind = \"pairwise\" }"
    ));
}

/// Settings without the new key are those of before; with it, they are written out.
#[test]
fn settings_have_an_objective_only_where_one_is_asked_for() {
    for (kind, _) in NETWORKS {
        let parse = |text: &str| {
            registry()
                .parse(kind, toml::from_str(text).unwrap())
                .unwrap()
        };
        let plain = parse("").settings;
        match plain.get("objective") {
            None => assert_ne!(kind, "equirouter"),
            Some(word) => assert_eq!((kind, word.as_str()), ("equirouter", Some("pairwise"))),
        }
        let long = parse("objective = { kind = \"regret\" }").settings;
        let written = long["objective"].as_table().unwrap();
        assert_eq!(written["kind"].as_str(), Some("regret"));
        assert_eq!(written["temperature"].as_float(), Some(0.1), "{kind}");
    }
}

#[test]
fn a_single_model_and_a_single_query_can_be_fitted_on_any_objective() {
    let data = Data::new(
        Array2::ones((1, 3)),
        Array2::ones((1, 1)),
        Array2::zeros((1, 1)),
    );
    for (kind, _) in NETWORKS {
        for objective in Objective::KINDS {
            let fitted = fit(kind, &with(kind, objective), &data);
            let scores = fitted.predict(&queries(Array2::ones((2, 3)))).unwrap();
            assert!(
                scores.quality.iter().all(|score| score.is_finite()),
                "{kind}, {objective}"
            );
        }
    }
}
