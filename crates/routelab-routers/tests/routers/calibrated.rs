//! The calibrated router.

use ndarray::Array2;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::common::{Data, fit};

/// One model is right on 7 of 10 queries whatever their embedding; the nearest query says nothing about the next.
fn coin(rows: usize, seed: u64) -> Data {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let x = Array2::from_shape_simple_fn((rows, 2), || rng.random_range(-1.0..1.0_f32));
    let quality =
        Array2::from_shape_simple_fn((rows, 1), || f64::from(rng.random_range(0.0..1.0) < 0.7));
    Data::new(x, quality, Array2::ones((rows, 1)))
}

#[test]
fn predictions_get_the_quality_that_they_really_had() {
    // A single neighbour predicts 0 or 1, although both mean .7.
    let (train, test) = (coin(1000, 1), coin(200, 2));
    let base = fit("knn", "k = 1", &train)
        .predict(&test.embeddings)
        .unwrap();
    assert!(base.quality.iter().all(|&q| q == 0.0 || q == 1.0));
    let calibrated = fit("calibrated", "base = { kind = 'knn', k = 1 }", &train);
    let found = calibrated.predict(&test.embeddings).unwrap();
    assert!(
        found.quality.iter().all(|&q| (q - 0.7).abs() < 0.08),
        "{}",
        found.quality
    );
    assert_eq!(found.cost, base.cost);
}

#[test]
fn a_table_of_one_query_cannot_be_calibrated() {
    let train = coin(1, 1);
    let error = crate::common::try_fit("calibrated", "", &train, 1)
        .err()
        .unwrap();
    assert!(
        error.to_string().contains("two training queries"),
        "{error}"
    );
}
