//! The routers that are one network: on tables whose right answer is known.

use ndarray::Array2;
use routelab_eval::{Rule, choose};

use crate::common::{Data, clusters, favourites, fit, predict, queries, try_fit};

/// Every router of this kind that looks for the best model, with settings that suit a table of some dozens of queries.
const KINDS: [(&str, &str); 12] = [
    ("embedllm", "learning_rate = 1e-2\nbatch_size = 32"),
    ("routellm-mf", "learning_rate = 1e-2"),
    ("routerdc", "top = 1\nclusters = 2\nlearning_rate = 1e-2"),
    ("mirt", "learning_rate = 2e-2\nepochs = 50"),
    ("nirt", "hidden = 64\nlearning_rate = 2e-2\nepochs = 30"),
    ("graphrouter", "hidden = 32\nbatch_size = 16\nepochs = 40"),
    ("rm-softmax", "hidden = [32]\nlearning_rate = 1e-2"),
    ("rm-interval", "hidden = [32]\nlearning_rate = 1e-2"),
    ("equirouter", "objective = 'pointwise'"),
    ("equirouter", "objective = 'listnet'"),
    ("equirouter", "objective = 'lambdarank'"),
    ("equirouter", "objective = 'regret'"),
];

fn settings((kind, settings): (&str, &str)) -> String {
    match kind {
        "equirouter" => format!(
            "{settings}\ntrunk_hidden = [32]\nwidth = 16\nmodel_embedding = 8\nhead_hidden = [16]\nbatch_size = 32\n\
             learning_rate = 3e-3\nepochs = 40"
        ),
        _ => settings.to_owned(),
    }
}

#[test]
fn two_clusters_have_two_favourites() {
    let (train, test) = (clusters(64, 1), clusters(20, 2));
    let right: Vec<usize> = (0..20).map(|row| row % 2).collect();
    for case in KINDS {
        let fitted = fit(case.0, &settings(case), &train);
        let found = favourites(&*fitted, &test.embeddings);
        assert_eq!(found, right, "{case:?}");
    }
}

/// The embeddings of the models start from other numbers, but the answer moves with the models.
#[test]
fn permuted_models_have_permuted_favourites() {
    let order = [2, 0, 1];
    let (train, test) = (clusters(64, 1).with_models(&order), clusters(20, 2));
    let right: Vec<usize> = (0..20).map(|row| [1, 2][row % 2]).collect();
    for case in KINDS {
        let fitted = fit(case.0, &settings(case), &train);
        let found = favourites(&*fitted, &test.embeddings);
        assert_eq!(found, right, "{case:?}");
    }
}

#[test]
fn a_model_that_is_always_right_is_the_favourite() {
    let clusters = clusters(64, 1);
    let quality = Array2::from_shape_fn((64, 3), |(_, model)| f64::from(u8::from(model == 1)));
    let train = Data::new(
        clusters.embeddings.values().to_owned(),
        quality,
        clusters.table.cost().to_owned(),
    );
    let test = crate::common::clusters(20, 2);
    for case in KINDS
        .into_iter()
        .chain([("hybridllm", "hidden = [16]\nepochs = 20")])
    {
        let fitted = fit(case.0, &settings(case), &train);
        let found = favourites(&*fitted, &test.embeddings);
        assert_eq!(found, [1; 20], "{case:?}");
    }
}

#[test]
fn predictions_are_of_the_stated_range() {
    let (train, test) = (clusters(64, 1), clusters(20, 2));
    for (kind, low, high) in [
        ("embedllm", 0.0, 1.0),
        ("routellm-mf", 0.0, 1.0),
        ("routerdc", -1.0, 1.0),
        ("hybridllm", 0.0, 1.0),
        ("mirt", 0.0, 1.0),
        ("nirt", 0.0, 1.0),
        ("graphrouter", 0.0, 1.0),
        ("rm-softmax", -1.0, 1.0),
        ("rm-interval", -1.0, 1.0),
    ] {
        let scores = predict(
            kind,
            "epochs = 2",
            &train,
            &test.embeddings.values().to_owned(),
        );
        let inside = |&q: &f64| (low..=high).contains(&q);
        assert!(
            scores.quality.iter().all(inside),
            "{kind}: {}",
            scores.quality
        );
    }
}

#[test]
fn embedllm_costs_are_the_mean_of_training_or_the_shared_network_s() {
    let (train, test) = (clusters(64, 1), clusters(20, 2));
    let x = test.embeddings.values().to_owned();
    let own = predict("embedllm", "epochs = 1", &train, &x).cost;
    let mean = train.table.cost().mean_axis(ndarray::Axis(0)).unwrap();
    for row in own.outer_iter() {
        assert_eq!(row, mean);
    }
    let network = predict("embedllm", "epochs = 1\ncost = 'network'", &train, &x).cost;
    let shared = predict("mirt", "epochs = 1", &train, &x).cost;
    assert_eq!(network, shared);
    assert_ne!(network, own);
}

/// Model 0 is cheap and right on the first cluster; model 1 is dear and always right.
#[test]
fn hybridllm_sends_to_the_small_model_what_it_can_do() {
    let clusters = |rows, seed| {
        let clusters = clusters(rows, seed);
        let quality = Array2::from_shape_fn((rows, 2), |(row, model)| {
            f64::from(u8::from(model == 1 || row % 2 == 0))
        });
        let cost = Array2::from_shape_fn((rows, 2), |(_, model)| [1.0, 9.0][model]);
        Data::new(clusters.embeddings.values().to_owned(), quality, cost)
    };
    let (train, test) = (clusters(64, 1), clusters(20, 2));
    let settings = "hidden = [16]\nbatch_size = 16\nlearning_rate = 1e-2\nepochs = 40";
    let fitted = fit("hybridllm", settings, &train);
    let right: Vec<usize> = (0..20).map(|row| row % 2).collect();
    assert_eq!(favourites(&*fitted, &test.embeddings), right);
    let scores = fitted.predict(&test.embeddings).unwrap();
    assert!(scores.quality.column(1).iter().all(|&q| q == 1.0));
    // Without the means for the large one, everything goes to the small one.
    let rule = Rule {
        decision: fitted.decision(),
        ..Rule::default()
    };
    assert_eq!(choose(&scores, 5.0, &rule), [0; 20]);
    // Full confidence is asked for: everything goes to the large one.
    let sure = fit(
        "hybridllm",
        &format!("{settings}\nconfidence = 1.0"),
        &train,
    );
    assert_eq!(favourites(&*sure, &test.embeddings), [1; 20]);
}

#[test]
fn regret_policies_spend_no_more_than_they_have_to() {
    let (train, test) = (clusters(64, 1), clusters(20, 2));
    for kind in ["rm-softmax", "rm-interval"] {
        let fitted = fit(kind, "hidden = [32]\nlearning_rate = 1e-2", &train);
        let scores = fitted.predict(&test.embeddings).unwrap();
        for (row, quality) in scores.quality.outer_iter().enumerate() {
            // The right model at price 0, and never the dear one that is no better.
            assert_eq!(quality[row % 2], 1.0, "{kind}: {quality}");
            assert!(quality[2] < 0.0, "{kind}: {quality}");
        }
    }
}

#[test]
fn wins_need_models_that_differ() {
    let clusters = clusters(20, 1);
    let quality = Array2::from_elem((20, 3), 0.5);
    let x = clusters.embeddings.values().to_owned();
    let train = Data::new(x, quality, clusters.table.cost().to_owned());
    let error = try_fit("routellm-mf", "", &train, 1)
        .err()
        .unwrap()
        .to_string();
    assert!(
        error.contains("nothing to learn") && error.contains("better than another"),
        "{error}"
    );
}

#[test]
fn one_query_or_one_model_is_enough_to_fit() {
    let one_query = Data::new(
        Array2::from_elem((1, 4), 0.5),
        ndarray::array![[1.0, 0.25]],
        ndarray::array![[2.0, 1.0]],
    );
    let one_model = Data::new(
        Array2::from_shape_fn((6, 4), |(row, axis)| (row * axis) as f32 / 10.0),
        Array2::from_shape_fn((6, 1), |(row, _)| row as f64 / 5.0),
        Array2::zeros((6, 1)),
    );
    for kind in [
        "embedllm",
        "routellm-mf",
        "routerdc",
        "hybridllm",
        "mirt",
        "nirt",
        "graphrouter",
        "rm-softmax",
        "rm-interval",
    ] {
        for data in [&one_query, &one_model] {
            // A single model never beats another.
            if kind == "routellm-mf" && data.table.models().len() == 1 {
                continue;
            }
            let scores = fit(kind, "epochs = 2", data)
                .predict(&queries(Array2::from_elem((3, 4), 0.1)))
                .unwrap();
            assert_eq!(
                scores.quality.dim(),
                (3, data.table.models().len()),
                "{kind}"
            );
        }
    }
}

/// Weights of about 1e38 overflow in the next step, even behind functions that squash.
#[test]
fn a_loss_that_is_no_number_is_an_error() {
    let train = clusters(40, 1);
    for case in KINDS.into_iter().chain([("hybridllm", "hidden = [16]")]) {
        // A second key of the same name would be refused.
        let kept: Vec<String> = settings(case)
            .lines()
            .filter(|line| !line.starts_with("learning_rate"))
            .map(str::to_owned)
            .collect();
        let settings = format!("{}\nlearning_rate = 1e38", kept.join("\n"));
        let error = try_fit(case.0, &settings, &train, 1).err();
        let message = error.map(|error| error.to_string()).unwrap_or_default();
        assert!(
            message.contains("training diverged") && message.contains("epoch"),
            "{case:?}: {message:?}"
        );
    }
}
