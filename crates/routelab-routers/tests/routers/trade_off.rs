//! Routers that put one price on cost: CARROT and OmniRouter.

use ndarray::{Array2, array};
use routelab_eval::{Decision, Rule, Scores, choose};

use crate::common::{Data, assert_close, clusters, fit, predict, queries};

#[test]
fn carrot_has_the_estimates_of_its_base() {
    let (train, test) = (clusters(60, 1), clusters(20, 2));
    let x = test.embeddings.values().to_owned();
    for (settings, base, base_settings) in [
        ("k = 7", "knn", "k = 7"),
        ("estimates = 'linear'\nalpha = 3.0", "linear", "alpha = 3.0"),
    ] {
        let expected = predict(base, base_settings, &train, &x);
        assert_eq!(predict("carrot", settings, &train, &x), expected);
        assert_eq!(
            fit("carrot", settings, &train).decision(),
            Decision::TradeOff
        );
    }
}

#[test]
fn omnirouter_mixes_training_and_retrieval() {
    let (train, test) = (clusters(60, 1), clusters(20, 2));
    let x = test.embeddings.values().to_owned();
    let knn = predict("knn", "k = 5", &train, &x);
    let linear = predict("linear", "", &train, &x);
    let mixed = predict("omnirouter", "k = 5\nretrieval = 0.25", &train, &x);
    assert_close(
        &mixed.quality,
        &(knn.quality * 0.25 + linear.quality * 0.75),
        1e-12,
    );
    assert_close(&mixed.cost, &(knn.cost * 0.25 + linear.cost * 0.75), 1e-12);
}

/// The cheapest choice with a mean predicted quality of at least a target, over all choices there are.
fn cheapest_for(target: f64, scores: &Scores) -> f64 {
    let (queries, models) = scores.quality.dim();
    let total = |values: &Array2<f64>, code: usize| -> f64 {
        (0..queries)
            .map(|row| values[[row, code / models.pow(row as u32) % models]])
            .sum()
    };
    (0..models.pow(queries as u32))
        .filter(|&code| total(&scores.quality, code) >= target * queries as f64 - 1e-9)
        .map(|code| total(&scores.cost, code))
        .fold(f64::INFINITY, f64::min)
}

/// No choice that is as good on average is cheaper: what one price for all queries gives solves OmniRouter's problem.
#[test]
fn choices_solve_the_constrained_problem() {
    let data = Data::new(
        array![[0.0], [1.0], [2.0], [3.0], [4.0]],
        array![
            [0.2, 0.5, 0.9],
            [0.1, 0.8, 0.9],
            [0.6, 0.5, 0.7],
            [0.0, 0.3, 1.0],
            [0.5, 0.6, 0.6]
        ],
        array![
            [1.0, 2.0, 6.0],
            [1.0, 3.0, 9.0],
            [1.5, 2.0, 7.0],
            [1.0, 4.0, 5.0],
            [1.0, 2.0, 3.0]
        ],
    );
    let fitted = fit("carrot", "k = 1", &data);
    let scores = fitted
        .predict(&queries(data.embeddings.values().to_owned()))
        .unwrap();
    let rule = Rule {
        decision: fitted.decision(),
        ..Rule::default()
    };
    let mut distinct = Vec::new();
    for budget in (0..=80).map(|step| f64::from(step) * 0.1) {
        let choices = choose(&scores, budget, &rule);
        let sum = |values: &Array2<f64>| -> f64 {
            choices
                .iter()
                .enumerate()
                .map(|(row, &model)| values[[row, model]])
                .sum()
        };
        let (quality, cost) = (sum(&scores.quality), sum(&scores.cost));
        assert!(
            (cost - cheapest_for(quality / 5.0, &scores)).abs() < 1e-9,
            "budget {budget}"
        );
        distinct.push(choices);
    }
    distinct.dedup();
    assert!(distinct.len() >= 5, "{distinct:?}");
}
