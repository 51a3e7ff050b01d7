//! What a deployed router takes is what its evaluation takes.

use ndarray::{Array2, Axis};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use routelab_eval::{Decision, Infeasible, Rule, Scores, Ties, choose};
use routelab_routers::{Archive, FittedRouter, RouterError};

use crate::common::{Data, backend, clusters, fit, registry, settings_for};

/// Budgets below, between and above all predicted costs.
fn budgets(scores: &Scores) -> Vec<f64> {
    let mut costs: Vec<f64> = scores.cost.iter().copied().collect();
    costs.sort_by(f64::total_cmp);
    let inner = (0..costs.len()).step_by(costs.len() / 8);
    let ends = [f64::NEG_INFINITY, costs[0] - 1.0, f64::INFINITY];
    inner.map(|at| costs[at]).chain(ends).collect()
}

fn mean_cost(scores: &Scores, choices: &[usize]) -> f64 {
    let costs = choices.iter().enumerate();
    costs
        .map(|(row, &model)| scores.cost[[row, model]])
        .sum::<f64>()
        / choices.len() as f64
}

/// `argmax q̂ - λ ĉ` among the models within the limit of a query, by trying all.
fn by_definition(scores: &Scores, limit: f64, price: Option<f64>, rule: &Rule) -> Vec<usize> {
    let choice = |row: usize| {
        let (quality, cost) = (scores.quality.row(row), scores.cost.row(row));
        let value = |model: usize| quality[model] - price.unwrap_or(0.0) * cost[model];
        let cheapest = |models: &mut dyn Iterator<Item = usize>| {
            models.min_by(|&a, &b| cost[a].total_cmp(&cost[b]))
        };
        let within = (0..cost.len()).filter(|&model| cost[model] <= limit && price.is_some());
        let best = within.clone().map(value).fold(f64::NEG_INFINITY, f64::max);
        // At a price the ends of an edge are worth the same but for rounding.
        let chosen = cheapest(&mut within.filter(|&model| value(model) >= best - 1e-12));
        chosen.unwrap_or_else(|| match rule.infeasible {
            Infeasible::First => 0,
            Infeasible::Cheapest => cheapest(&mut (0..cost.len())).unwrap(),
        })
    };
    (0..scores.queries()).map(choice).collect()
}

/// Checks one router at one budget.
fn check(fitted: &dyn FittedRouter, scores: &Scores, budget: f64, rule: &Rule, what: &str) {
    let deployed = fitted.choose(scores, budget, rule).unwrap();
    for (row, &choice) in deployed.iter().enumerate() {
        let one = |values: &Array2<f64>| values.select(Axis(0), &[row]);
        let alone = Scores::new(one(&scores.quality), one(&scores.cost)).unwrap();
        let choices = fitted.choose(&alone, budget, rule).unwrap();
        assert_eq!(
            choices,
            [choice],
            "{what}: a query does not need the others"
        );
    }
    let evaluated = match fitted.decision() {
        Decision::WithinBudget { .. } => choose(scores, budget, rule),
        // The evaluation finds the price of the budget that was spent.
        Decision::TradeOff { cap: None, .. } => match fitted.prices().unwrap().price(budget) {
            None => choose(scores, f64::NEG_INFINITY, rule),
            Some(_) => choose(scores, mean_cost(scores, &deployed) * (1.0 + 1e-12), rule),
        },
        // With a cap, another budget is another problem: here by the definition, given the price.
        Decision::TradeOff { cap: Some(cap), .. } => by_definition(
            scores,
            budget * cap,
            fitted.prices().unwrap().price(budget),
            rule,
        ),
    };
    assert_eq!(deployed, evaluated, "{what}");
}

#[test]
fn every_router_takes_what_its_evaluation_takes() {
    let (train, test) = (clusters(60, 1), clusters(24, 2));
    let bases = ["kind = 'carrot'", "kind = 'knn', decision = 'price'"];
    let wrapped = (bases.iter()).flat_map(|base| {
        ["margin-rule", "calibrated"].map(|kind| (kind, format!("base = {{ {base} }}")))
    });
    let registry = registry();
    let decisions = [
        "",
        "'cap'",
        "'price'",
        "{ kind = 'margin', delta = 0.1 }",
        "'cap+price=1.5'",
    ];
    let all = (registry.routers().iter())
        .map(|info| (info.kind, settings_for(info.kind).to_owned()))
        .chain(wrapped)
        .flat_map(|(kind, settings)| decisions.map(|decision| (kind, settings.clone(), decision)));
    for (kind, settings, decision) in all {
        let settings = match decision {
            "" => settings,
            decision => format!("decision = {decision}\n{settings}"),
        };
        let settings = settings.as_str();
        let fitted = fit(kind, settings, &train);
        let archive = registry.save(kind, &*fitted).unwrap();
        let loaded = registry.load(&archive, &backend()).unwrap();
        assert_eq!(loaded.prices(), fitted.prices(), "{kind}");
        assert_eq!(loaded.decision(), fitted.decision(), "{kind}, {settings}");
        let expected = match decision {
            "" => None,
            "'cap'" => Some(Decision::CAP),
            "'price'" => Some(Decision::PRICE),
            "'cap+price=1.5'" => Some(Decision::capped_price(1.5)),
            _ => Some(Decision::WithinBudget { margin: 0.1 }),
        };
        assert_eq!(expected.unwrap_or(loaded.decision()), loaded.decision());
        let scores = loaded.predict(&test.embeddings).unwrap();
        for infeasible in [Infeasible::Cheapest, Infeasible::First] {
            for ties in [Ties::Cheapest, Ties::First] {
                let decision = loaded.decision();
                let rule = Rule {
                    infeasible,
                    ties,
                    decision,
                };
                for budget in budgets(&scores) {
                    let what = format!("{kind}, {settings:?}, budget {budget}, {rule:?}");
                    check(&*loaded, &scores, budget, &rule, &what);
                }
            }
        }
    }
}

#[test]
fn routers_with_one_price_have_one_for_every_budget() {
    let train = clusters(60, 1);
    for (kind, settings) in [
        ("carrot", ""),
        ("carrot", "estimates = 'linear'"),
        ("omnirouter", ""),
        ("calibrated", "base = { kind = 'carrot' }"),
    ] {
        let fitted = fit(kind, settings, &train);
        assert!(fitted.decision().is_trade_off(), "{kind}");
        let prices = fitted.prices().unwrap();
        assert_eq!(prices.price(0.0), None, "{kind}");
        assert_eq!(prices.price(f64::INFINITY), Some(0.0), "{kind}");
    }
    let margin = fit("margin-rule", "base = { kind = 'carrot' }", &train);
    assert!(margin.prices().is_none());
}

/// Three models on three levels of cost and quality, and queries of all degrees of difficulty: every budget buys something.
fn graded(rows: usize, seed: u64) -> Data {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let ease: Vec<f64> = (0..rows).map(|_| rng.random_range(0.0..1.0)).collect();
    let x = Array2::from_shape_fn((rows, 2), |(row, axis)| {
        [ease[row], 1.0 - ease[row]][axis] as f32
    });
    let quality = Array2::from_shape_fn((rows, 3), |(row, model)| {
        let right = ease[row].powf([3.0, 1.0, 0.3][model]);
        f64::from(u8::from(rng.random_range(0.0..1.0) < right))
    });
    let cost = Array2::from_shape_fn((rows, 3), |(_, model)| [1.0, 2.0, 4.0][model]);
    Data::new(x, quality, cost)
}

/// Prices of queries that the router has seen would be far off: there it knows which model was right.
#[test]
fn new_queries_spend_the_budget_on_average() {
    let (train, test) = (graded(800, 1), graded(800, 2));
    for (kind, settings) in [
        ("carrot", "k = 40"),
        ("carrot", "estimates = 'linear'"),
        ("omnirouter", "k = 40"),
        ("calibrated", "base = { kind = 'carrot', k = 40 }"),
    ] {
        let fitted = fit(kind, settings, &train);
        let scores = fitted.predict(&test.embeddings).unwrap();
        for budget in [1.4, 1.8, 2.2] {
            let choices = fitted.choose(&scores, budget, &Rule::default()).unwrap();
            let spent = mean_cost(&scores, &choices);
            assert!(
                (spent - budget).abs() < 0.1 * budget,
                "{kind}, {settings}: {spent} of {budget}"
            );
        }
    }
}

#[test]
fn a_table_of_one_query_has_prices_too() {
    let train = graded(1, 1);
    let fitted = fit("carrot", "", &train);
    assert_eq!(fitted.prices().unwrap().price(0.5), None);
    assert!(fitted.prices().unwrap().price(1.0).is_some());
}

#[test]
fn an_archive_without_prices_has_to_be_fitted_again() {
    let train = clusters(40, 1);
    for (kind, settings) in [
        ("carrot", ""),
        ("omnirouter", ""),
        ("calibrated", "base = { kind = 'carrot' }"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let archive = registry()
            .save(kind, &*fit(kind, settings, &train))
            .unwrap();
        archive.write(folder.path()).unwrap();
        let path = folder.path().join("router.json");
        let text = std::fs::read_to_string(&path).unwrap();
        // As it was written before there were prices.
        let old = text.replace("\"prices\"", "").replace(",\n    \n", "\n");
        let old = old.replace("[\n    \n  ]", "[]");
        assert_ne!(old, text);
        std::fs::write(&path, old).unwrap();
        let error = registry()
            .load(&Archive::read(folder.path()).unwrap(), &backend())
            .err();
        assert!(
            matches!(error, Some(RouterError::Unpriced)),
            "{kind}: {error:?}"
        );
        assert!(error.unwrap().to_string().contains("fit it again"));
    }
}
