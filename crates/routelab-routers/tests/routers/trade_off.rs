//! Routers that put one price on cost: CARROT and OmniRouter.

use ndarray::{Array2, array};
use routelab_eval::{Decision, EvaluationOptions, Rule, Scores, Truth, choose, evaluate};
use routelab_routers::{Context, FittedRouter, RouterError, SharedCost, TrainingSet};

use crate::common::{
    Data, assert_close, backend, clusters, cost_config, fit, predict, queries, registry,
};

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
            Decision::PRICE_OVER_COSTS
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

/// CARROT is kNN or ridge with a price, and the margin rule any router with a margin: predictions, choices and metrics to the bit.
#[test]
fn a_decision_makes_of_any_router_what_was_a_router_of_its_own() {
    let (train, test) = (clusters(60, 1), clusters(24, 2));
    let base = "base = { kind = 'linear' }";
    for (own, own_settings, kind, settings) in [
        (
            "carrot",
            "k = 5".to_owned(),
            "knn",
            "k = 5\ndecision = { kind = 'price', budgets = 'costs' }",
        ),
        (
            "carrot",
            "estimates = 'linear'".to_owned(),
            "linear",
            "decision = { kind = 'price', budgets = 'costs' }",
        ),
        (
            "margin-rule",
            format!("delta = 0.1\n{base}"),
            "linear",
            "decision = { kind = 'margin', delta = 0.1 }",
        ),
        (
            "margin-rule",
            base.to_owned(),
            "linear",
            "decision = 'margin'",
        ),
    ] {
        let fitted = [fit(own, &own_settings, &train), fit(kind, settings, &train)];
        let scores = [0, 1].map(|at| fitted[at].predict(&test.embeddings).unwrap());
        assert_eq!(scores[0], scores[1], "{own}");
        assert_eq!(fitted[0].decision(), fitted[1].decision(), "{own}");
        assert_eq!(fitted[0].prices(), fitted[1].prices(), "{own}");
        let rule = Rule::default();
        for budget in [0.0, 0.9, 1.1, 1.3, 1.7, 4.0, 8.9, f64::INFINITY] {
            let chosen = [0, 1].map(|at| fitted[at].choose(&scores[at], budget, &rule).unwrap());
            assert_eq!(chosen[0], chosen[1], "{own}, {budget}");
        }
        let truth = Truth::new(test.table.quality(), test.table.cost()).unwrap();
        let evaluation = [0, 1].map(|at| {
            let decision = fitted[at].decision();
            let options = EvaluationOptions {
                rule: Rule { decision, ..rule },
                ..EvaluationOptions::default()
            };
            evaluate(&truth, &scores[at], &options).unwrap()
        });
        assert_eq!(evaluation[0], evaluation[1], "{own}");
    }
}

#[test]
fn a_decision_is_checked_and_written_out() {
    let parse = |settings: &str| registry().parse("knn", toml::from_str(settings).unwrap());
    for (given, written) in [
        ("'cap'", "'cap'"),
        ("{ kind = 'cap' }", "'cap'"),
        ("'price'", "'price'"),
        (
            "{ kind = 'price', budgets = 'costs' }",
            "{ kind = 'price', budgets = 'costs' }",
        ),
        ("'margin'", "{ kind = 'margin', delta = 0.05 }"),
        (
            "{ kind = 'margin', delta = 0.2 }",
            "{ kind = 'margin', delta = 0.2 }",
        ),
        (
            "'cap+price'",
            "{ kind = 'cap+price', cap = 2.0, budgets = 'curve' }",
        ),
        (
            "{ kind = 'cap+price', cap = 3 }",
            "{ kind = 'cap+price', cap = 3.0, budgets = 'curve' }",
        ),
    ] {
        let found = parse(&format!("decision = {given}")).unwrap().settings;
        let expected: toml::Table = toml::from_str(&format!("decision = {written}")).unwrap();
        assert_eq!(found["decision"], expected["decision"], "{given}");
        // What is written out is read back as the same.
        assert_eq!(parse(&expected.to_string()).unwrap().settings, found);
    }
    assert!(!parse("k = 5").unwrap().settings.contains_key("decision"));
    for (bad, part) in [
        ("'dear'", "`cap`, `margin=0.05`, `price` or `cap+price=2`"),
        ("{ kind = 'dear' }", "`cap`, `margin`, `price`, `cap+price`"),
        ("{ kind = 'price', cap = 2 }", "cap"),
        ("{ kind = 'margin', delta = -1 }", "0 or more"),
        ("{ kind = 'cap+price', cap = 0.5 }", "1 or more"),
        ("3", "decision"),
    ] {
        let error = parse(&format!("decision = {bad}"))
            .err()
            .unwrap()
            .to_string();
        assert!(
            error.contains("`knn`") && error.contains(part),
            "{bad}: {error}"
        );
    }
}

#[test]
fn an_evaluation_needs_no_prices() {
    let (train, test) = (clusters(60, 1), clusters(24, 2));
    let (backend, cost) = (backend(), SharedCost::new(cost_config()));
    for (kind, settings) in [
        ("carrot", "k = 5"),
        ("omnirouter", ""),
        ("knn", "decision = 'price'"),
        ("knn", "decision = 'cap+price'"),
    ] {
        let router = registry()
            .parse(kind, toml::from_str(settings).unwrap())
            .unwrap()
            .router;
        let fit = |prices| {
            let context = Context {
                seed: 1,
                backend: &backend,
                cost: &cost,
                prices,
                progress: &|_| {},
            };
            router
                .fit(
                    &TrainingSet::new(&train.embeddings, &train.table).unwrap(),
                    &context,
                )
                .unwrap()
        };
        let (with, without) = (fit(true), fit(false));
        let predict = |fitted: &dyn FittedRouter| fitted.predict(&test.embeddings).unwrap();
        assert_eq!(predict(&*with), predict(&*without), "{kind}");
        assert_eq!(with.decision(), without.decision(), "{kind}");
        assert!(
            with.prices().is_some() && without.prices().is_none(),
            "{kind}"
        );
        let refused = without.choose(&predict(&*without), 1.0, &Rule::default());
        assert!(matches!(refused, Err(RouterError::Unpriced)), "{kind}");
    }
}
