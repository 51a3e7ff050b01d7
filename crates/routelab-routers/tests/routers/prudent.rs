//! RouteLab's own router.

use ndarray::{Array2, Axis};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use routelab_eval::{Rule, Scores};

use crate::common::{Data, clusters, favourites, fit, predict, queries, try_fit};

/// Three models on queries whose embeddings say nothing: right on 5, 6 and 7 of 10 of them, for 1, 2 and 3 dollars.
fn noise(rows: usize, seed: u64) -> Data {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let x = Array2::from_shape_simple_fn((rows, 4), || rng.random_range(-1.0..1.0_f32));
    let quality = Array2::from_shape_fn((rows, 3), |(_, model)| {
        f64::from(rng.random_range(0.0..1.0) < [0.5, 0.6, 0.7][model])
    });
    let cost = Array2::from_shape_fn((rows, 3), |(_, model)| (model + 1) as f64);
    Data::new(x, quality, cost)
}

/// Two models, of which each is right with a chance that one coordinate of the query says.
fn chances(rows: usize, seed: u64) -> Data {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let x = Array2::from_shape_simple_fn((rows, 2), || rng.random_range(-1.0..1.0_f32));
    let quality = Array2::from_shape_fn((rows, 2), |(row, model)| {
        let chance = 0.5 + 0.45 * f64::from(x[[row, model]]);
        f64::from(rng.random_range(0.0..1.0) < chance)
    });
    Data::new(x, quality, Array2::ones((rows, 2)))
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let values: Vec<f64> = values.collect();
    values.iter().sum::<f64>() / values.len() as f64
}

#[test]
fn where_nothing_can_be_learned_it_is_nearly_the_best_single_model() {
    // The guard lets a gain count that is half a standard error above zero, so that chance gets through now and then.
    let (mut away, mut lost) = (0, 0.0);
    for seed in 0..8 {
        let (train, test) = (noise(400, seed), noise(400, 100 + seed));
        let chosen = favourites(&*fit("prudent", "", &train), &test.embeddings);
        let quality = test.table.quality();
        for (row, model) in chosen.into_iter().enumerate() {
            away += usize::from(model != 2);
            lost += quality[[row, 2]] - quality[[row, model]];
        }
    }
    assert!(
        away < 320,
        "{away} of 3200 queries do not go to the best model"
    );
    assert!(lost < 32.0, "{lost} of 3200 answers");
}

#[test]
fn without_caution_noise_is_followed() {
    let (train, test) = (noise(80, 1), noise(400, 101));
    let settings = "predictors = ['neighbours']\nneighbours = [5]\nshrink = false\nguard = false\ntrust = false";
    let fitted = fit("prudent", settings, &train);
    let chosen = favourites(&*fitted, &test.embeddings);
    assert!(chosen.iter().any(|&model| model != 2));
}

#[test]
fn every_predictor_alone_finds_two_clusters() {
    let (train, test) = (clusters(160, 1), clusters(40, 2));
    for predictor in ["neighbours", "ridge", "kernel", "clusters"] {
        let fitted = fit("prudent", &format!("predictors = ['{predictor}']"), &train);
        let chosen = favourites(&*fitted, &test.embeddings);
        let right = chosen
            .iter()
            .enumerate()
            .filter(|&(row, &model)| model == row % 2);
        assert_eq!(right.count(), 40, "{predictor}");
    }
}

#[test]
fn another_router_counts_on_the_scale_of_quality() {
    // Scores a hundred times too large are brought back before they are averaged.
    let (train, test) = (clusters(120, 1), clusters(40, 2));
    let x = test.embeddings.values().to_owned();
    let alone = predict(
        "prudent",
        "predictors = ['ridge']\nshrink = false\nguard = false",
        &train,
        &x,
    );
    let with = "predictors = ['ridge']\nshrink = false\nguard = false\n[[with]]\nkind = 'linear'\nalpha = 0.1";
    let with = predict("prudent", with, &train, &x);
    assert_ne!(alone.quality, with.quality);
    let far = |scores: &Scores| {
        scores
            .quality
            .iter()
            .any(|quality| !(-0.5..1.5).contains(quality))
    };
    assert!(!far(&with), "{}", with.quality);
}

#[test]
fn a_query_unlike_all_others_gets_the_means() {
    let train = clusters(80, 1);
    let fitted = fit("prudent", "", &train);
    let far = Array2::from_elem((1, train.embeddings.dim()), 1e3_f32);
    let scores = fitted.predict(&queries(far.clone())).unwrap();
    let means = train.table.quality().mean_axis(Axis(0)).unwrap();
    let costs = train.table.cost().mean_axis(Axis(0)).unwrap();
    for model in 0..3 {
        assert!((scores.quality[[0, model]] - means[model]).abs() < 2e-6);
        assert!((scores.cost[[0, model]] - costs[model]).abs() < 1e-9);
    }
    assert_eq!(
        fitted.outlook(&queries(far)).unwrap().unwrap().trust[0],
        0.0
    );
}

#[test]
fn costs_of_several_orders_of_magnitude_are_met_on_average() {
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    let x = Array2::from_shape_simple_fn((600, 3), || rng.random_range(-1.0..1.0_f32));
    let cost = Array2::from_shape_fn((600, 2), |(row, model)| {
        let noise: f64 = rng.random_range(-0.5..0.5);
        (5.0 * f64::from(x[[row, 0]]) + noise + model as f64).exp() * 1e-4
    });
    let quality = Array2::from_shape_fn((600, 2), |(row, model)| {
        f64::from(u8::from((row + model) % 2 == 0))
    });
    let half = |rows: std::ops::Range<usize>| {
        let rows: Vec<usize> = rows.collect();
        let select = |values: &Array2<f64>| values.select(Axis(0), &rows);
        Data::new(x.select(Axis(0), &rows), select(&quality), select(&cost))
    };
    let (train, test) = (half(0..300), half(300..600));
    let scores = fit("prudent", "trust = false", &train)
        .predict(&test.embeddings)
        .unwrap();
    let factor = |predicted: &Array2<f64>| {
        mean((predicted.iter().zip(test.table.cost())).map(|(p, c)| (p / c).ln().abs())).exp()
    };
    let constant = Array2::from_elem((300, 2), train.table.cost().mean().unwrap());
    let (found, without) = (factor(&scores.cost), factor(&constant));
    assert!(found < 0.5 * without, "{found} {without}");
    let total = scores.cost.sum() / test.table.cost().sum();
    assert!((0.8..1.25).contains(&total), "{total}");
}

#[test]
fn chances_are_those_of_held_out_answers() {
    let (train, test) = (chances(1500, 1), chances(1500, 2));
    let fitted = fit("prudent", "guard = false", &train);
    let scores = fitted.predict(&test.embeddings).unwrap();
    let outlook = fitted.outlook(&test.embeddings).unwrap().unwrap();
    // By predicted chance: how often the better prediction belongs to the better answer, where one is.
    let mut bins = [(0.0, 0.0, 0.0); 3];
    for row in 0..1500 {
        let difference = scores.quality[[row, 0]] - scores.quality[[row, 1]];
        let real = test.table.quality()[[row, 0]] - test.table.quality()[[row, 1]];
        if real != 0.0 {
            let chance = outlook.chance(difference.abs());
            let bin = &mut bins[((chance - 0.5) * 6.0).min(2.0) as usize];
            *bin = (
                bin.0 + chance,
                bin.1 + f64::from(u8::from(difference * real > 0.0)),
                bin.2 + 1.0,
            );
        }
    }
    for (chance, right, count) in bins {
        assert!(count > 50.0);
        assert!(
            (chance - right).abs() / count < 0.08,
            "{chance} {right} {count}"
        );
    }
}

#[test]
fn one_query_gives_its_means() {
    let train = Data::new(
        ndarray::array![[0.5_f32, 0.5]],
        ndarray::array![[0.0, 1.0]],
        ndarray::array![[1.0, 2.0]],
    );
    let fitted = fit("prudent", "", &train);
    let scores = fitted
        .predict(&queries(ndarray::array![[9.0_f32, -9.0]]))
        .unwrap();
    assert_eq!(scores.quality, ndarray::array![[0.0 - 1e-6, 1.0]]);
    assert_eq!(scores.cost, ndarray::array![[1.0, 2.0]]);
    assert_eq!(
        fitted
            .choose(&scores, f64::INFINITY, &Rule::default())
            .unwrap(),
        [1]
    );
}

#[test]
fn other_routers_are_named_in_errors() {
    let train = clusters(20, 1);
    let error = try_fit("prudent", "[[with]]\nkind = 'knn'\nk = 0", &train, 1)
        .err()
        .unwrap();
    let error = error.to_string();
    assert!(
        error.contains("`with`, router 1") && error.contains("`k`"),
        "{error}"
    );
    let error = try_fit("prudent", "predictors = []", &train, 1)
        .err()
        .unwrap();
    assert!(
        error.to_string().contains("at least one predictor"),
        "{error}"
    );
}
