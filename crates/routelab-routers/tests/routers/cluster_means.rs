//! Avengers, Avengers-Pro and UniRoute on four points whose clusters are known.

use ndarray::{Array2, array};

use crate::common::{
    Data, assert_close, clusters, favourites, fit, predict, queries, settings_for,
};

/// Two queries near 0, two near 10 and one at 30.
fn line() -> Data {
    Data::new(
        array![[0.0], [1.0], [10.0], [11.0], [30.0]],
        array![[1.0, 0.0], [0.5, 0.0], [0.0, 1.0], [0.0, 0.5], [0.25, 0.25]],
        array![[1.0, 2.0], [3.0, 2.0], [5.0, 6.0], [5.0, 8.0], [9.0, 9.0]],
    )
}

#[test]
fn a_cluster_predicts_its_means() {
    let x = array![[0.2], [10.9], [100.0]];
    let means = array![[0.75, 0.0], [0.0, 0.75], [0.25, 0.25]];
    let scores = predict("avengers-pro", "clusters = 3\nnearest = 1", &line(), &x);
    assert_close(&scores.quality, &means, 1e-12);
    assert_close(
        &scores.cost,
        &array![[2.0, 2.0], [5.0, 7.0], [9.0, 9.0]],
        1e-12,
    );
    assert_close(
        &predict("avengers", "clusters = 3", &line(), &x).quality,
        &means,
        1e-12,
    );
    // Nearly no softness: UniRoute's errors are those of the nearest cluster.
    let scores = predict("uniroute", "clusters = 3\ntemperature = 1e-6", &line(), &x);
    assert_close(&scores.quality, &means, 1e-12);
}

#[test]
fn nearest_clusters_are_averaged() {
    let x = array![[0.2], [29.0]];
    let scores = predict("avengers-pro", "clusters = 3\nnearest = 2", &line(), &x);
    assert_close(
        &scores.quality,
        &array![[0.375, 0.375], [0.125, 0.5]],
        1e-12,
    );
    let all = predict("avengers-pro", "clusters = 3\nnearest = 3", &line(), &x);
    assert_eq!(
        predict("avengers-pro", "clusters = 3\nnearest = 99", &line(), &x),
        all
    );
    assert_close(
        &all.cost,
        &array![[16.0 / 3.0, 6.0], [16.0 / 3.0, 6.0]],
        1e-12,
    );
}

#[test]
fn more_clusters_than_queries_are_one_per_query() {
    let data = line();
    let x = data.embeddings.values().to_owned();
    let scores = predict("avengers-pro", "nearest = 1", &data, &x);
    assert_close(&scores.quality, &data.table.quality().to_owned(), 1e-12);
    // Without spread inside the clusters the assignment is to the nearest alone.
    let scores = predict("uniroute", "", &data, &x);
    assert_close(&scores.quality, &data.table.quality().to_owned(), 1e-12);
}

#[test]
fn soft_assignment_by_hand() {
    // Centroids 0.5, 10.5 and 30; squared distances inside are 0.25 four times and 0, so s² = 0.2. With temperature 500 the
    // width is 100: weights of a query at 10.5 are exp(-1), 1 and exp(-380.25 / 100).
    let scores = predict(
        "uniroute",
        "clusters = 3\ntemperature = 500.0",
        &line(),
        &array![[10.5]],
    );
    let (a, b, c) = ((-1.0_f64).exp(), 1.0, (-3.8025_f64).exp());
    let total = a + b + c;
    let expected = array![[(0.75 * a + 0.25 * c) / total, (0.75 * b + 0.25 * c) / total]];
    assert_close(&scores.quality, &expected, 1e-6);
}

#[test]
fn endless_softness_is_the_mean_of_the_clusters() {
    let scores = predict(
        "uniroute",
        "clusters = 3\ntemperature = 1e9",
        &line(),
        &array![[0.0], [30.0]],
    );
    let mean = 1.0 / 3.0;
    assert_close(&scores.quality, &Array2::from_elem((2, 2), mean), 1e-6);
}

#[test]
fn the_seed_of_the_clusters_does_not_change_what_is_found() {
    let (train, test) = (clusters(100, 1), clusters(20, 2));
    for kind in ["avengers-pro", "avengers", "uniroute"] {
        let first = fit(kind, settings_for(kind), &train);
        let other = crate::common::try_fit(kind, settings_for(kind), &train, 99).unwrap();
        let x = queries(test.embeddings.values().to_owned());
        assert_eq!(favourites(&*first, &x), favourites(&*other, &x), "{kind}");
    }
}
