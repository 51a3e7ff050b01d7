//! Routers that see nothing but which of two models was better: Eagle and RouteLLM's similarity-weighted ranking.

use ndarray::{Array2, array};

use crate::common::{Data, assert_close, predict};

fn expected(rating: f64, other: f64) -> f64 {
    1.0 / (1.0 + 10.0_f64.powf((other - rating) / 400.0))
}

#[test]
fn elo_by_hand() {
    let data = Data::new(
        array![[0.0], [1.0]],
        array![[1.0, 0.0], [0.0, 0.0]],
        array![[1.0, 2.0], [1.0, 2.0]],
    );
    // Round 1: both expect 1/2, so ±16. Round 2 is a draw: the better one loses 32 (expected - 1/2).
    let after_two = 16.0 - 32.0 * (expected(16.0, -16.0) - 0.5);
    let quality = |rating: f64| {
        let score = (expected(rating, rating) + expected(rating, -rating)) / 2.0;
        array![[score, (0.5 + expected(-rating, rating)) / 2.0]]
    };
    let scores = predict("eagle", "global = 1.0", &data, &array![[0.0]]);
    assert_close(&scores.quality, &quality(after_two), 1e-12);

    // Local ratings go on from there; the nearest query is played last.
    let won = after_two + 32.0 * (1.0 - expected(after_two, -after_two));
    let scores = predict(
        "eagle",
        "global = 0.0\nneighbours = 1",
        &data,
        &array![[0.1]],
    );
    assert_close(&scores.quality, &quality(won), 1e-12);
    let drawn = after_two - 32.0 * (expected(after_two, -after_two) - 0.5);
    let both = drawn + 32.0 * (1.0 - expected(drawn, -drawn));
    let scores = predict("eagle", "global = 0.0", &data, &array![[0.1]]);
    assert_close(&scores.quality, &quality(both), 1e-12);
    let scores = predict("eagle", "", &data, &array![[0.1]]);
    assert_close(&scores.quality, &quality((after_two + both) / 2.0), 1e-12);
}

#[test]
fn games_of_one_round_share_the_factor() {
    let data = Data::new(
        array![[0.0]],
        array![[1.0, 0.5, 0.5, 0.0]],
        Array2::ones((1, 4)),
    );
    // Surprises 3 · 1/2, 1/2 - 1/2 + 0, the same, -3 · 1/2; a third of 32 each.
    let ratings = [16.0, 0.0, 0.0, -16.0];
    let quality = Array2::from_shape_fn((1, 4), |(_, model)| {
        let sum: f64 = ratings
            .iter()
            .map(|&other| expected(ratings[model], other))
            .sum();
        sum / 4.0
    });
    let scores = predict("eagle", "global = 1.0", &data, &array![[0.0]]);
    assert_close(&scores.quality, &quality, 1e-12);
}

#[test]
fn a_pool_of_one_model_has_nobody_to_beat() {
    let data = Data::new(
        array![[0.0], [1.0]],
        array![[1.0], [0.0]],
        array![[1.0], [2.0]],
    );
    for kind in ["eagle", "routellm-sw"] {
        let scores = predict(kind, "", &data, &array![[0.5]]);
        assert_close(&scores.quality, &array![[0.5]], 1e-12);
    }
}

#[test]
fn similar_queries_weigh_more() {
    // Cosines to the query (1, 0) are 1, 0 and -1; with temperature 1 the weights are e, 1 and 1/e.
    let data = Data::new(
        array![[3.0, 0.0], [0.0, 0.5], [-1.0, 0.0]],
        array![[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
        Array2::ones((3, 3)),
    );
    let scores = predict(
        "routellm-sw",
        "temperature = 1.0",
        &data,
        &array![[2.0, 0.0]],
    );
    let weights = [1.0_f64.exp(), 1.0, (-1.0_f64).exp()];
    let total: f64 = weights.iter().sum();
    // A model wins both games of its own query, and draws one of the others'.
    let quality = Array2::from_shape_fn((1, 3), |(_, model)| {
        let own = weights[model] / total;
        own + (1.0 - own) * 0.25
    });
    assert_close(&scores.quality, &quality, 1e-12);
}

/// The mean win probability that the router predicts in closed form is that of the Bradley–Terry model fitted by iteration
/// (Hunter 2004).
#[test]
fn the_closed_form_is_the_fitted_bradley_terry_model() {
    let quality = array![
        [0.9, 0.1, 0.5, 0.5],
        [0.2, 0.8, 0.2, 0.1],
        [0.3, 0.3, 0.9, 0.0],
        [0.0, 0.6, 0.4, 1.0],
        [0.7, 0.7, 0.7, 0.7]
    ];
    let x = Array2::from_shape_fn((5, 3), |(row, axis)| {
        (((row * 7 + axis * 5) % 11) as f32) - 5.0
    });
    let data = Data::new(x.clone(), quality.clone(), Array2::ones((5, 4)));
    let query = array![[1.0_f32, -2.0, 0.5]];
    let scores = predict("routellm-sw", "temperature = 0.5", &data, &query);

    let length = |row: ndarray::ArrayView1<f32>| row.mapv(f64::from).mapv(|v| v * v).sum().sqrt();
    let weights: Vec<f64> = (x.outer_iter())
        .map(|row| {
            let product: f64 = row.iter().zip(&query).map(|(a, b)| f64::from(a * b)).sum();
            (product / length(row) / length(query.row(0)) / 0.5).exp()
        })
        .collect();
    let total: f64 = weights.iter().sum();
    let mut wins = Array2::<f64>::zeros((4, 4));
    for (weight, quality) in weights.iter().zip(quality.outer_iter()) {
        for (a, b) in (0..4)
            .flat_map(|a| (0..4).map(move |b| (a, b)))
            .filter(|(a, b)| a != b)
        {
            wins[[a, b]] += weight
                * if quality[a] > quality[b] {
                    1.0
                } else if quality[a] == quality[b] {
                    0.5
                } else {
                    0.0
                };
        }
    }
    let mut strengths = vec![1.0_f64; 4];
    for _ in 0..5000 {
        strengths = (0..4)
            .map(|a| {
                let against = |b: usize| total / (strengths[a] + strengths[b]);
                wins.row(a).sum() / (0..4).filter(|&b| b != a).map(against).sum::<f64>()
            })
            .collect();
    }
    let probabilities = Array2::from_shape_fn((1, 4), |(_, a)| {
        let win = |b: usize| strengths[a] / (strengths[a] + strengths[b]);
        (0..4).filter(|&b| b != a).map(win).sum::<f64>() / 3.0
    });
    assert_close(&scores.quality, &probabilities, 1e-9);
}
