//! Reduced-rank ridge regression.

use serde::Deserialize;

use crate::common::{Data, Rows, assert_close, clusters, fixture, predict};

#[test]
fn predictions_equal_the_singular_value_decomposition() {
    #[derive(Deserialize)]
    struct Reference {
        alpha: f64,
        rank: usize,
        x: Rows,
        quality: Rows,
        cost: Rows,
        queries: Rows,
        quality_predicted: Rows,
        cost_predicted: Rows,
    }
    let reference: Reference = fixture("reduced_rank");
    let (quality, cost) = (reference.quality.matrix(), reference.cost.matrix());
    let data = Data::new(reference.x.single(), quality, cost);
    let settings = format!("alpha = {}\nrank = {}", reference.alpha, reference.rank);
    let scores = predict("linear-mf", &settings, &data, &reference.queries.single());
    assert_close(&scores.quality, &reference.quality_predicted.matrix(), 1e-9);
    assert_close(&scores.cost, &reference.cost_predicted.matrix(), 1e-9);
}

#[test]
fn with_as_many_factors_as_models_it_is_ridge() {
    let (train, test) = (clusters(40, 1), clusters(10, 2));
    let x = test.embeddings.values().to_owned();
    let ridge = predict("linear", "", &train, &x);
    for rank in [3, 64] {
        let scores = predict("linear-mf", &format!("rank = {rank}"), &train, &x);
        assert_close(&scores.quality, &ridge.quality, 1e-9);
        assert_close(&scores.cost, &ridge.cost, 1e-9);
    }
}

#[test]
fn one_factor_moves_all_models_along_one_line() {
    let (train, test) = (clusters(40, 1), clusters(10, 2));
    let scores = predict(
        "linear-mf",
        "rank = 1",
        &train,
        &test.embeddings.values().to_owned(),
    );
    // Differences to the first query are all multiples of one vector.
    let differences = &scores.quality - &scores.quality.row(0);
    let direction = differences.row(1);
    for row in differences.outer_iter() {
        let share = row.dot(&direction) / direction.dot(&direction);
        for (found, along) in row.iter().zip(direction) {
            assert!((found - share * along).abs() < 1e-9);
        }
    }
}
