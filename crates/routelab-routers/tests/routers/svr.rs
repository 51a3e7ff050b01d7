//! Support vector regression against scikit-learn, and where its solution is known.

use ndarray::{Array2, array};
use serde::Deserialize;

use crate::common::{Data, Rows, assert_close, fixture, predict};

#[test]
fn predictions_equal_scikit_learn() {
    #[derive(Deserialize)]
    struct Reference {
        x: Rows,
        quality: Rows,
        cost: Rows,
        queries: Rows,
        quality_predicted: Rows,
        cost_predicted: Rows,
    }
    let reference: Reference = fixture("svr");
    let (quality, cost) = (reference.quality.matrix(), reference.cost.matrix());
    let data = Data::new(reference.x.single(), quality, cost);
    let (quality, cost) = (
        reference.quality_predicted.matrix(),
        reference.cost_predicted.matrix(),
    );
    // At the usual tolerance the optimum is met to that tolerance, at a small one to the precision of the kernel.
    for (settings, tolerance) in [("", 5e-3), ("tolerance = 1e-7", 2e-5)] {
        let scores = predict("svr", settings, &data, &reference.queries.single());
        assert_close(&scores.quality, &quality, tolerance);
        assert_close(&scores.cost, &cost, tolerance);
    }
}

#[test]
fn errors_within_epsilon_cost_nothing() {
    // All qualities are within 0.1 of 0.5: no query gets a weight, and the offset is the middle.
    let quality = array![[0.42], [0.58], [0.5]];
    let data = Data::new(array![[0.0], [1.0], [2.0]], quality, Array2::ones((3, 1)));
    let scores = predict("svr", "", &data, &array![[0.0], [7.0]]);
    assert_close(&scores.quality, &array![[0.5], [0.5]], 1e-12);
    assert_close(&scores.cost, &array![[1.0], [1.0]], 1e-12);
}

#[test]
fn two_queries_by_hand() {
    // With targets 0 and 1 the weights are -β and β, where β (1 - k) = 0.5 - ε unless C is met. Here γ = 1 / (1 · 0.25) = 4 and
    // k = exp(-4); so β = 0.4 / (1 - k), and each training query is met up to ε.
    let data = Data::new(
        array![[0.0], [1.0]],
        array![[0.0], [1.0]],
        array![[1.0], [3.0]],
    );
    let x = array![[0.0], [1.0], [0.5]];
    let scores = predict("svr", "tolerance = 1e-9", &data, &x);
    assert_close(&scores.quality, &array![[0.1], [0.9], [0.5]], 1e-6);
    // C = 0.2 limits the weights: 0.5 ± 0.2 (1 - exp(-4)).
    let scores = predict("svr", "c = 0.2\ntolerance = 1e-9", &data, &x);
    let reach = 0.2 * (1.0 - (-4.0_f64).exp());
    assert_close(
        &scores.quality,
        &array![[0.5 - reach], [0.5 + reach], [0.5]],
        1e-6,
    );
}

#[test]
fn one_query_and_equal_queries_are_no_trouble() {
    for x in [array![[1.0]], array![[1.0], [1.0], [1.0]]] {
        let rows = x.nrows();
        let targets = Array2::from_shape_fn((rows, 2), |(row, _)| row as f64 / 4.0);
        let data = Data::new(x.clone(), targets.clone(), targets);
        let scores = predict("svr", "", &data, &x);
        for quality in scores.quality {
            assert!((0.0..=0.5).contains(&quality), "{quality}");
        }
    }
}
