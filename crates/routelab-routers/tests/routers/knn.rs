//! Nearest neighbours, worked out by hand.

use ndarray::{Array2, Axis, array};

use crate::common::{Data, assert_close, predict};

fn line() -> Data {
    Data::new(
        array![[0.0], [1.0], [3.0]],
        array![[0.0, 1.0], [1.0, 0.5], [0.2, 0.0]],
        array![[1.0, 10.0], [2.0, 20.0], [3.0, 40.0]],
    )
}

#[test]
fn weights_are_inverse_distances() {
    // Distances from 2 are 2, 1 and 1, so the weights with epsilon 1 are 1/3, 1/2 and 1/2.
    let scores = predict("knn", "k = 3\nepsilon = 1.0", &line(), &array![[2.0]]);
    let total = 1.0 / 3.0 + 1.0;
    assert_close(
        &scores.quality,
        &array![[0.6 / total, (1.0 / 3.0 + 0.25) / total]],
        1e-12,
    );
    assert_close(
        &scores.cost,
        &array![[(1.0 / 3.0 + 2.5) / total, (10.0 / 3.0 + 30.0) / total]],
        1e-12,
    );
}

#[test]
fn only_the_nearest_count() {
    // From 0.4 the two nearest are at 0.4 and 0.6; the third does not matter.
    let scores = predict("knn", "k = 2", &line(), &array![[0.4]]);
    assert_close(&scores.quality, &array![[0.4, 0.6 + 0.4 * 0.5]], 1e-6);
    // Equally near queries go to the earlier row.
    let scores = predict("knn", "k = 1", &line(), &array![[0.5], [2.0]]);
    assert_close(&scores.quality, &array![[0.0, 1.0], [1.0, 0.5]], 1e-12);
}

#[test]
fn an_exact_match_takes_all_the_weight() {
    let mut data = line();
    // Far from the origin, where a distance from squared norms would lose its digits.
    data = Data::new(
        data.embeddings.values().mapv(|x| 1000.0 + x / 1000.0),
        data.table.quality().to_owned(),
        data.table.cost().to_owned(),
    );
    let x = data.embeddings.values().to_owned();
    let scores = predict("knn", "k = 3", &data, &x);
    assert_close(&scores.quality, &data.table.quality().to_owned(), 1e-4);
    assert_close(&scores.cost, &data.table.cost().to_owned(), 1e-3);
}

#[test]
fn more_neighbours_than_queries_are_all_queries() {
    let x = array![[0.3], [2.5]];
    let all = predict("knn", "k = 3", &line(), &x);
    assert_eq!(predict("knn", "k = 300", &line(), &x), all);
}

#[test]
fn two_equal_training_queries_share_the_weight() {
    let data = Data::new(
        array![[1.0, 2.0], [1.0, 2.0], [5.0, 5.0]],
        array![[1.0], [0.0], [0.0]],
        array![[1.0], [3.0], [9.0]],
    );
    let scores = predict("knn", "k = 3", &data, &array![[1.0, 2.0]]);
    assert_close(&scores.quality, &array![[0.5]], 1e-6);
    assert_close(&scores.cost, &array![[2.0]], 1e-6);
}

#[test]
fn blocks_are_joined_in_order() {
    let x = Array2::from_shape_fn((400, 1), |(row, _)| row as f32);
    let quality = Array2::from_shape_fn((400, 1), |(row, _)| row as f64 / 400.0);
    let data = Data::new(x.clone(), quality.clone(), quality.clone());
    let scores = predict("knn", "k = 1", &data, &x);
    assert_close(&scores.quality, &quality, 0.0);
    let mut backwards = x;
    backwards.invert_axis(Axis(0));
    let mut expected = quality;
    expected.invert_axis(Axis(0));
    assert_close(
        &predict("knn", "k = 1", &data, &backwards).quality,
        &expected,
        0.0,
    );
}
