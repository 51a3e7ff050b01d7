//! Gradient-boosted trees where the answer is a step.

use ndarray::{Array2, array};

use crate::common::{Data, assert_close, predict, try_fit};

fn steps() -> Data {
    let x = Array2::from_shape_fn(
        (40, 2),
        |(row, axis)| if axis == 0 { row as f32 } else { 1.0 },
    );
    let high = |row: usize| f64::from(u8::from(row >= 20));
    Data::new(
        x,
        Array2::from_shape_fn(
            (40, 2),
            |(row, model)| if model == 0 { high(row) } else { 0.5 },
        ),
        Array2::from_shape_fn((40, 2), |(row, model)| {
            1e-5 * (1.0 + high(row)) * (model + 1) as f64
        }),
    )
}

#[test]
fn one_tree_is_the_means_of_its_leaves() {
    // One split, no penalty, the whole step: a leaf predicts the mean of its side.
    let settings =
        "trees = 1\nlearning_rate = 1.0\ndepth = 1\nl2 = 0.0\ndimensions = 1.0\nbins = 64";
    let scores = predict(
        "gbt",
        settings,
        &steps(),
        &array![[3.0, 1.0], [19.4, 1.0], [20.0, 1.0], [1e6, 9.0]],
    );
    let quality = array![[0.0, 0.5], [0.0, 0.5], [1.0, 0.5], [1.0, 0.5]];
    assert_close(&scores.quality, &quality, 1e-6);
    let cost = array![[1e-5, 2e-5], [1e-5, 2e-5], [2e-5, 4e-5], [2e-5, 4e-5]];
    assert_close(&scores.cost, &cost, 1e-11);
}

#[test]
fn a_penalty_and_a_learning_rate_shrink_by_hand() {
    // A leaf of 20 queries that are 0.5 from the mean: 20 · 0.5 / (20 + 5), of which a tenth counts.
    let settings =
        "trees = 1\nlearning_rate = 0.1\ndepth = 1\nl2 = 5.0\ndimensions = 1.0\nbins = 64";
    let scores = predict("gbt", settings, &steps(), &array![[0.0, 1.0], [30.0, 1.0]]);
    assert_close(&scores.quality, &array![[0.46, 0.5], [0.54, 0.5]], 1e-6);
}

#[test]
fn embeddings_without_any_difference_predict_the_mean() {
    let data = Data::new(
        Array2::ones((6, 3)),
        Array2::from_shape_fn((6, 1), |(row, _)| row as f64 / 5.0),
        Array2::ones((6, 1)),
    );
    let scores = predict("gbt", "", &data, &array![[1.0, 1.0, 1.0], [0.0, 5.0, 2.0]]);
    assert_close(&scores.quality, &array![[0.5], [0.5]], 1e-6);
    assert_close(&scores.cost, &array![[1.0], [1.0]], 1e-12);
}

#[test]
fn a_share_of_the_dimensions_is_at_least_one() {
    let data = steps();
    let fitted = try_fit("gbt", "dimensions = 0.01\ndepth = 1\ntrees = 50", &data, 4).unwrap();
    let scores = fitted.predict(&data.embeddings).unwrap();
    assert!(scores.quality[[0, 0]] < 0.2 && scores.quality[[39, 0]] > 0.8);
}
