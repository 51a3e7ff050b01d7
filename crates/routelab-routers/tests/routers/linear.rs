//! Ridge regression against a hand-worked case and against scikit-learn.

use ndarray::{Axis, array, concatenate};
use serde::Deserialize;

use crate::common::{Data, Rows, assert_close, fit, fixture, predict, queries};

#[test]
fn one_dimension_by_hand() {
    // Centred x: -1, 0, 1; so the slope is Σ x y / (2 + alpha) and the intercept keeps the mean at x = 2.
    let data = Data::new(
        array![[1.0], [2.0], [3.0]],
        array![[0.0], [0.5], [1.0]],
        array![[1.0], [1.0], [4.0]],
    );
    let scores = predict("linear", "alpha = 2.0", &data, &array![[2.0], [6.0]]);
    assert_close(&scores.quality, &array![[0.5], [0.5 + 4.0 * 0.25]], 1e-12);
    assert_close(&scores.cost, &array![[2.0], [2.0 + 4.0 * 0.75]], 1e-12);
}

#[test]
fn ridge_equals_scikit_learn() {
    #[derive(Deserialize)]
    struct Reference {
        alpha: f64,
        x: Rows,
        quality: Rows,
        cost: Rows,
        queries: Rows,
        predicted: Rows,
    }
    let reference: Reference = fixture("ridge");
    let data = Data::new(
        reference.x.single(),
        reference.quality.matrix(),
        reference.cost.matrix(),
    );
    let fitted = fit("linear", &format!("alpha = {}", reference.alpha), &data);
    let scores = fitted
        .predict(&queries(reference.queries.single()))
        .unwrap();
    let found = concatenate![Axis(1), scores.quality, scores.cost];
    assert_close(&found, &reference.predicted.matrix(), 1e-9);
}

#[test]
fn one_training_query_is_its_own_prediction() {
    let data = Data::new(array![[1.0, 2.0]], array![[0.3]], array![[7.0]]);
    let scores = predict("linear", "", &data, &array![[9.0, -9.0]]);
    assert_close(&scores.quality, &array![[0.3]], 1e-12);
    assert_close(&scores.cost, &array![[7.0]], 1e-12);
}
