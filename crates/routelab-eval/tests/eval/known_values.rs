//! Small cases worked out by hand.

use ndarray::{Array2, array};
use routelab_eval::{
    Budgets, CurvePoint, Decision, EvalError, EvaluationOptions, Infeasible, METRICS, Metric, Rule,
    Scores, SharedInterval, Strongest, Sweep, Ties, Truth, bootstrap, choose, choose_at, collapse,
    curve, evaluate, margin, oracle, prices, ranking, spaced_grid, sweep, two_model,
};

use crate::common::{near, value};

fn points(pairs: &[(f64, f64)]) -> Vec<CurvePoint> {
    pairs
        .iter()
        .map(|&(cost, quality)| CurvePoint { cost, quality })
        .collect()
}

fn interval(low: f64, high: f64, anchor_quality: f64) -> SharedInterval {
    SharedInterval {
        low,
        high,
        anchor: CurvePoint {
            cost: low,
            quality: anchor_quality,
        },
    }
}

#[test]
fn front_keeps_the_better_of_equal_cost_and_drops_what_is_not_above() {
    let front = curve::pareto_front(&points(&[
        (3.0, 0.6),
        (1.0, 0.2),
        (1.0, 0.3),
        (2.0, 0.3),
        (4.0, 0.5),
    ]));
    assert_eq!(front, points(&[(1.0, 0.3), (3.0, 0.6)]));
}

#[test]
fn nauc_in_three_conventions() {
    let sweep = points(&[(1.0, 0.2), (3.0, 0.6), (4.0, 0.7)]);
    // Trapezoids 2 * 0.4 and 1 * 0.65 over a range of 3.
    near(curve::nauc_own_range(&sweep), 1.45 / 3.0);
    near(curve::nauc_own_range(&sweep[..1]), 0.2);
    // The appended point (5, 0.7) adds 1 * 0.7; costs are divided by 5.
    near(curve::nauc_legacy(&sweep, 5.0), (1.45 + 0.7) / 5.0);
    // Anchor (0, 0.1): 1 * 0.15 in front, 0.7 for the two units after the last point.
    near(
        curve::nauc_shared(&sweep, &interval(0.0, 6.0, 0.1)),
        (0.15 + 1.45 + 2.0 * 0.7) / 6.0,
    );
    // The point at 4 is beyond the interval: from 3 to 3.5 the quality stays at 0.6.
    near(
        curve::nauc_shared(&sweep, &interval(0.0, 3.5, 0.1)),
        (0.15 + 0.8 + 0.5 * 0.6) / 3.5,
    );
    // No width: the best quality that costs this much, router or anchor.
    near(curve::nauc_shared(&sweep, &interval(1.0, 1.0, 0.1)), 0.2);
    near(curve::nauc_shared(&sweep, &interval(1.0, 1.0, 0.4)), 0.4);
}

#[test]
fn aiq_bridges_what_sags_below_the_hull() {
    let sagging = points(&[(4.0, 0.2), (8.0, 0.9)]);
    let range = interval(0.0, 10.0, 0.1);
    // Straight from (0, 0.1) to (8, 0.9), then level.
    near(curve::aiq(&sagging, &range), (8.0 * 0.5 + 2.0 * 0.9) / 10.0);
    near(
        curve::nauc_shared(&sagging, &range),
        (4.0 * 0.15 + 4.0 * 0.55 + 2.0 * 0.9) / 10.0,
    );
    let concave = points(&[(2.0, 0.5), (8.0, 0.9)]);
    near(
        curve::aiq(&concave, &range),
        curve::nauc_shared(&concave, &range),
    );
}

#[test]
fn qnc_and_what_follows_from_it() {
    let front = points(&[(1.0, 0.2), (3.0, 0.6), (4.0, 0.7)]);
    let best = |cost, quality| CurvePoint { cost, quality };
    assert_eq!(curve::qnc(&front, best(4.0, 0.6)), Some(0.75));
    assert_eq!(curve::qnc(&front, best(4.0, 0.71)), None);
    assert_eq!(curve::qnc(&front, best(0.0, 0.6)), None);
    assert_eq!(
        curve::qnc(&points(&[(0.0, 0.7)]), best(0.0, 0.6)),
        Some(1.0)
    );
    assert_eq!(curve::cost_save(Some(0.75)), Some(0.25));
    assert_eq!(curve::cost_save(None), None);
    near(curve::perf_gain(0.66, 0.6).unwrap(), 0.1);
    assert_eq!(curve::perf_gain(0.66, 0.0), None);
}

#[test]
fn pareto_dist_is_measured_on_scaled_axes() {
    // Scaled, the common front is the diagonal of the unit square and the second router its lower right corner.
    let routers = [
        points(&[(10.0, 0.2), (30.0, 0.6)]),
        points(&[(30.0, 0.2)]),
        vec![],
    ];
    let distances = curve::pareto_dist(&routers);
    near(distances[0].unwrap(), 0.0);
    near(distances[1].unwrap(), 0.5_f64.sqrt());
    assert_eq!(distances[2], None);
}

#[test]
fn decisions_follow_the_rule() {
    // Model:                       0    1    2
    let scores = Scores::new(array![[0.8, 0.9, 0.9]], array![[1.0, 3.0, 2.0]]).unwrap();
    let rule = |infeasible, ties, margin| Rule {
        infeasible,
        ties,
        decision: Decision::WithinBudget { margin },
    };
    let plain = Rule::default();
    assert_eq!(choose(&scores, 1.0, &plain), [0]);
    assert_eq!(
        choose(&scores, 3.0, &plain),
        [2],
        "a tie goes to the cheaper"
    );
    let first = rule(Infeasible::Cheapest, Ties::First, 0.0);
    assert_eq!(choose(&scores, 3.0, &first), [1], "a tie goes to the first");
    assert_eq!(
        choose(
            &scores,
            f64::INFINITY,
            &rule(Infeasible::Cheapest, Ties::Cheapest, 0.2)
        ),
        [0]
    );
    assert_eq!(
        choose(
            &scores,
            3.0,
            &rule(Infeasible::Cheapest, Ties::Cheapest, 0.05)
        ),
        [2]
    );

    let dear_first = Scores::new(array![[0.8, 0.9]], array![[2.0, 1.0]]).unwrap();
    assert_eq!(choose(&dear_first, 0.5, &plain), [1]);
    assert_eq!(
        choose(
            &dear_first,
            0.5,
            &rule(Infeasible::First, Ties::Cheapest, 0.0)
        ),
        [0]
    );
}

#[test]
fn quantile_budgets_hit_values_exactly() {
    let many = Array2::from_shape_fn((199, 1), |(row, _)| row as f64 * 0.1);
    let budgets = Budgets::Quantiles(100).resolve(many.view());
    let expected: Vec<f64> = (0..100).map(|k| f64::from(2 * k) * 0.1).collect();
    assert_eq!(budgets, expected);
    let between = Budgets::Quantiles(3).resolve(array![[0.0, 1.0, 4.0, 5.0]].view());
    assert_eq!(between, [0.0, 2.5, 5.0]);
    let few = Budgets::Quantiles(100).resolve(array![[3.0, 1.0], [1.0, 2.0]].view());
    assert_eq!(few, [1.0, 2.0, 3.0]);
    let grid = Budgets::Grid(vec![2.0, 1.0, 2.0]).resolve(many.view());
    assert_eq!(grid, [1.0, 2.0]);
    assert_eq!(spaced_grid(0.0, 4.0, 3), [0.0, 2.0, 4.0]);
    let decades = spaced_grid(0.01, 1.0, 3);
    near(decades[1], 0.1);
}

#[test]
fn rci_splits_into_wasteful_and_wrong() {
    // The last model costs most. Rows: cheap was as good; only the strongest is right; another is right; all fail.
    let quality = array![[1.0, 1.0], [0.0, 1.0], [1.0, 0.0], [0.0, 0.0]];
    let cost = array![[1.0, 9.0], [1.0, 9.0], [1.0, 9.0], [1.0, 9.0]];
    let truth = Truth::new(quality.view(), cost.view()).unwrap();
    let collapsed = Scores::new(
        array![[0.1, 0.9], [0.1, 0.9], [0.1, 0.9], [0.1, 0.9]],
        cost.clone(),
    );
    let result = evaluate(&truth, &collapsed.unwrap(), &EvaluationOptions::default()).unwrap();
    assert_eq!(result.strongest, [1]);
    assert_eq!(
        (
            value(&result, "rci"),
            value(&result, "rci_wasteful"),
            value(&result, "rci_wrong")
        ),
        (0.75, 0.5, 0.25)
    );
    assert_eq!(result.call_rates, [0.0, 1.0]);
    assert_eq!(
        (
            value(&result, "strongest_call_rate"),
            value(&result, "entropy"),
            value(&result, "effective_models")
        ),
        (1.0, 0.0, 1.0)
    );
    assert_eq!(
        (
            value(&result, "regret"),
            value(&result, "quality"),
            value(&result, "cost")
        ),
        (0.25, 0.5, 9.0)
    );
    assert_eq!(value(&result, "flip_share"), 0.25);

    let ideal = evaluate(&truth, &oracle(&truth), &EvaluationOptions::default()).unwrap();
    assert_eq!(
        (
            value(&ideal, "rci"),
            value(&ideal, "regret"),
            value(&ideal, "quality")
        ),
        (0.0, 0.0, 0.75)
    );
    assert_eq!(ideal.call_rates, [0.75, 0.25]);
    assert_eq!(value(&ideal, "rmse"), 0.0);

    // Two equally dear models: both are the strongest, and either may be right.
    let equal = array![[1.0, 5.0, 5.0]];
    let tied = array![[0.0, 1.0, 1.0]];
    let truth = Truth::new(tied.view(), equal.view()).unwrap();
    let strongest = Strongest::Dearest.models(&truth);
    assert_eq!(strongest, [1, 2]);
    assert_eq!(
        collapse::verdicts(&truth, &[2], &strongest),
        [collapse::Verdict::Right]
    );
}

#[test]
fn entropy_counts_models_in_use() {
    near(collapse::entropy(&[0.5, 0.5, 0.0]), 2.0_f64.ln());
    near(collapse::effective_models(&[0.25; 4]), 4.0);
    near(collapse::effective_models(&[0.0, 1.0]), 1.0);
}

#[test]
fn one_price_for_all_queries() {
    // Slopes of query 0: 0.4 / 1 to model 1, then 0.1 / 2 to model 2. Of query 1: model 1 is under the line from 0 to 2,
    // which has the slope 0.6 / 3. Query 2 is best off with its cheapest model at any price.
    let scores = Scores::new(
        array![[0.2, 0.6, 0.7], [0.1, 0.2, 0.7], [0.9, 0.5, 0.9]],
        array![[1.0, 2.0, 4.0], [1.0, 2.0, 4.0], [1.0, 2.0, 4.0]],
    )
    .unwrap();
    let rule = Rule {
        decision: Decision::PRICE_OVER_COSTS,
        ..Rule::default()
    };
    // Mean costs: 1, then 4/3 at prices below 0.4, 7/3 below 0.2, 3 below 0.05.
    for (budget, expected) in [
        (0.5, [0, 0, 0]),
        (1.0, [0, 0, 0]),
        (1.3, [0, 0, 0]),
        (1.4, [1, 0, 0]),
        (2.3, [1, 0, 0]),
        (2.4, [1, 2, 0]),
        (3.0, [2, 2, 0]),
        (f64::INFINITY, [2, 2, 0]),
    ] {
        assert_eq!(choose(&scores, budget, &rule), expected, "budget {budget}");
    }
    let budgets = [0.5, 1.0, 1.3, 1.4, 2.3, 2.4, 3.0, f64::INFINITY];
    let expected = [
        None,
        Some(0.4),
        Some(0.4),
        Some(0.2),
        Some(0.2),
        Some(0.05),
        Some(0.0),
        Some(0.0),
    ];
    for (price, expected) in prices(&scores, &budgets).into_iter().zip(expected) {
        assert_eq!(price.is_some(), expected.is_some());
        near(price.unwrap_or(-1.0), expected.unwrap_or(-1.0));
    }
    let dear_first = Scores::new(array![[0.8, 0.9]], array![[2.0, 1.0]]).unwrap();
    let first = Rule {
        infeasible: Infeasible::First,
        ..rule
    };
    assert_eq!(choose(&dear_first, 0.5, &rule), [1]);
    assert_eq!(choose(&dear_first, 0.5, &first), [0]);
    assert_eq!(choose(&dear_first, 1.0, &first), [1]);
}

#[test]
fn a_decision_is_one_table_in_a_file() {
    let text = r#"{"kind":"within-budget","margin":0.05}"#;
    let margin: Decision = serde_json::from_str(text).unwrap();
    assert_eq!(margin, Decision::WithinBudget { margin: 0.05 });
    assert_eq!(serde_json::to_string(&margin).unwrap(), text);
    let trade_off: Decision = serde_json::from_str(r#"{"kind":"trade-off"}"#).unwrap();
    assert_eq!(trade_off, Decision::PRICE_OVER_COSTS);
}

#[test]
fn a_decision_has_a_short_text() {
    for (text, decision) in [
        ("cap", Decision::CAP),
        ("margin=0.1", Decision::WithinBudget { margin: 0.1 }),
        ("price", Decision::PRICE),
        ("cap+price=3", Decision::capped_price(3.0)),
    ] {
        assert_eq!(text.parse::<Decision>().unwrap(), decision);
        assert_eq!(decision.to_string(), text);
        let json = serde_json::to_string(&decision).unwrap();
        assert_eq!(serde_json::from_str::<Decision>(&json).unwrap(), decision);
    }
    let margin: Decision = "margin".parse().unwrap();
    assert_eq!(margin, Decision::WithinBudget { margin: 0.05 });
    assert_eq!("cap+price".parse(), Ok(Decision::capped_price(2.0)));
    for (bad, option) in [
        ("cheap", "decision"),
        ("cap=1", "decision"),
        ("margin=much", "decision"),
        ("margin=-1", "margin"),
        ("cap+price=0.5", "cap"),
        ("cap+price=inf", "cap"),
    ] {
        match bad.parse::<Decision>() {
            Err(EvalError::Option { option: found, .. }) => assert_eq!(found, option, "{bad}"),
            other => panic!("{bad}: {other:?}"),
        }
    }
}

/// By hand: two queries, each with a good model for 10 beside one for 1, and another for 2 of the first.
#[test]
fn a_cap_beside_the_price_keeps_single_queries_down() {
    let quality = array![[0.2, 0.5, 0.9], [0.1, 0.1, 0.9]];
    let cost = array![[1.0, 2.0, 10.0], [1.0, 1.0, 10.0]];
    let scores = Scores::new(quality, cost).unwrap();
    let rule = |decision| Rule {
        decision,
        ..Rule::default()
    };
    // A mean of 6 pays for one of the two, for the second by its slope of 0.8 / 9 against 0.4 / 8.
    let price = rule(Decision::PRICE);
    assert_eq!(choose(&scores, 6.0, &price), [1, 2]);
    // Within 2 x 6 as well, but not within 1.5 x 6 = 9.
    assert_eq!(
        choose(&scores, 6.0, &rule(Decision::capped_price(2.0))),
        [1, 2]
    );
    let capped = rule(Decision::capped_price(1.5));
    assert_eq!(choose(&scores, 6.0, &capped), [1, 0]);
    // A mean of 7 affords 10, by itself or beside a 2.
    assert_eq!(choose(&scores, 7.0, &capped), [1, 2]);
    assert_eq!(choose_at(&scores, 7.0, Some(0.0), &capped), [2, 2]);
    assert_eq!(choose_at(&scores, 6.0, Some(0.0), &capped), [1, 0]);
}

/// By hand: model 1 is strongest and best on both queries, model 0 as good on the first.
#[test]
fn collapse_is_read_at_budgets_that_mean_something() {
    let quality = array![[1.0, 1.0], [0.0, 1.0]];
    let cost = array![[1.0, 2.0], [1.0, 4.0]];
    let scores = Scores::new(array![[0.5, 0.6], [0.1, 0.9]], cost.clone()).unwrap();
    let truth = Truth::new(quality.view(), cost.view()).unwrap();
    let options = EvaluationOptions {
        rule: Rule {
            decision: Decision::PRICE,
            ..Rule::default()
        },
        rci_prices: vec![0.0, 0.1, 1.0],
        ..EvaluationOptions::default()
    };
    // Mean costs 1, 2.5 (the second query's step, of slope 0.8 / 3) and 3; qualities 1/2, 1 and 1.
    let found = evaluate(&truth, &scores, &options).unwrap();
    let curve: Vec<(f64, f64)> = found.points.iter().map(|p| (p.cost, p.quality)).collect();
    assert_eq!(curve, [(1.0, 0.5), (2.5, 1.0), (3.0, 1.0)]);
    // At the largest budget the first query is wasted; the best single model's quality is reached before.
    assert_eq!(found.get(Metric::known("rci")), Some(0.5));
    assert_eq!(found.get(Metric::known("rci_at_qnc")), Some(0.0));
    // Free of charge, two budgets are worth 1 and the cheaper one is taken; at 0.1 it is 0.75 against 0.4 and 0.7.
    let at: Vec<(f64, f64, f64)> = (found.at_prices.iter())
        .map(|at| (at.price, at.point.cost, at.rci.rci))
        .collect();
    assert_eq!(at, [(0.0, 2.5, 0.0), (0.1, 2.5, 0.0), (1.0, 1.0, 0.5)]);
    assert_eq!(found.at_prices[2].rci.wrong, 0.5);

    // Never reached.
    let worse = Scores::new(array![[0.9, 0.6], [0.9, 0.1]], cost.clone()).unwrap();
    let found = evaluate(&truth, &worse, &options).unwrap();
    assert_eq!(found.get(Metric::known("rci_at_qnc")), None);
    for bad in [-1.0, f64::NAN, f64::INFINITY] {
        let options = EvaluationOptions {
            rci_prices: vec![bad],
            ..EvaluationOptions::default()
        };
        assert!(options.validate().is_err(), "{bad}");
    }
}

#[test]
fn margins_look_only_at_feasible_models() {
    let quality = array![[0.9, 0.6, 0.85], [0.3, 0.3, 1.0], [0.5, 0.1, 0.2]];
    let cost = array![[1.0, 1.0, 3.0], [1.0, 1.0, 3.0], [1.0, 5.0, 5.0]];
    let all = margin::margins(quality.view(), cost.view(), f64::INFINITY);
    for (found, expected) in all.iter().zip([0.05, 0.7, 0.3]) {
        near(*found, expected);
    }
    let affordable = margin::margins(quality.view(), cost.view(), 2.0);
    assert_eq!(
        affordable.len(),
        2,
        "the last query has one feasible model and no margin"
    );
    near(affordable[0], 0.3);
    near(affordable[1], 0.0);
    // 0.9 - 0.85 is above 0.05 in floating point by a rounding error only.
    near(margin::share_within(&all, 0.05).unwrap(), 1.0 / 3.0);
    assert_eq!(margin::share_within(&[], 0.05), None);
}

#[test]
fn rank_quality() {
    let quality = array![[1.0, 2.0, 3.0, 4.0]];
    let swapped = array![[1.0, 3.0, 2.0, 4.0]];
    near(
        ranking::kendall(quality.view(), swapped.view()).unwrap(),
        4.0 / 6.0,
    );
    near(
        ranking::pair_accuracy(quality.view(), swapped.view()).unwrap(),
        5.0 / 6.0,
    );

    let tied = array![[1.0, 1.0, 2.0]];
    let order = array![[1.0, 2.0, 3.0]];
    near(
        ranking::kendall(tied.view(), order.view()).unwrap(),
        2.0 / 6.0_f64.sqrt(),
    );
    near(
        ranking::pair_accuracy(tied.view(), order.view()).unwrap(),
        1.0,
    );
    let level = array![[1.0, 1.0, 1.0]];
    near(
        ranking::pair_accuracy(tied.view(), level.view()).unwrap(),
        0.5,
    );
    assert_eq!(ranking::kendall(tied.view(), level.view()), None);
    assert_eq!(ranking::pair_accuracy(level.view(), order.view()), None);
}

#[test]
fn ndcg_with_and_without_ties() {
    let quality = array![[1.0, 0.0, 0.5]];
    let (second, third) = (1.0 / 3.0_f64.log2(), 0.5);
    let ideal = 1.0 + 0.5 * second;
    let order = array![[0.1, 0.9, 0.8]];
    near(
        ranking::ndcg(quality.view(), order.view()).unwrap(),
        (0.5 * second + third) / ideal,
    );
    let level = array![[0.3, 0.3, 0.3]];
    near(
        ranking::ndcg(quality.view(), level.view()).unwrap(),
        0.5 * (1.0 + second + third) / ideal,
    );
    near(ranking::ndcg(quality.view(), quality.view()).unwrap(), 1.0);
    assert_eq!(
        ranking::ndcg(array![[0.0, 0.0]].view(), array![[0.1, 0.2]].view()),
        None
    );
}

#[test]
fn flips_and_errors() {
    let quality = array![[1.0, 0.0], [1.0, 1.0], [0.0, 1.0]];
    let predicted = array![[0.4, 0.6], [0.4, 0.6], [0.5, 0.5]];
    let cost = array![[1.0, 2.0], [1.0, 2.0], [1.0, 2.0]];
    // Row 0 flips; in row 1 both are best; in row 2 a tie goes to the cheaper, which is wrong.
    near(
        ranking::flip_share(quality.view(), predicted.view(), cost.view()),
        2.0 / 3.0,
    );
    near(
        ranking::rmse(quality.view(), predicted.view()),
        ((0.36 * 3.0 + 0.16 + 0.25 * 2.0) / 6.0_f64).sqrt(),
    );
}

#[test]
fn two_models() {
    // Model 1 is strong: it solves three of four, model 0 one of four.
    let quality = array![[0.0, 1.0], [1.0, 1.0], [0.0, 1.0], [0.0, 0.0]];
    let cost = Array2::from_shape_fn((4, 2), |(_, model)| 1.0 + model as f64);
    let truth = Truth::new(quality.view(), cost.view()).unwrap();
    let scores = |gains: [f64; 4]| {
        let quality = Array2::from_shape_fn((4, 2), |(row, model)| gains[row] * model as f64);
        Scores::new(quality, cost.clone()).unwrap()
    };
    // Calls in the order of the rows recover 0.5, 0, 0.5 and 0 of the gap.
    let pair = two_model::TwoModel::of(&truth, &scores([0.4, 0.3, 0.2, 0.1])).unwrap();
    assert_eq!((pair.strong, pair.weak), (1, 0));
    near(pair.apgr, 0.25 * (0.25 + 0.5 + 0.75 + 1.0));
    near(pair.cpt_50, 0.25);
    near(pair.cpt_80, 0.5 + 0.25 * 0.6);
    near(pair.cpt(0.0), 0.0);
    near(pair.cpt(1.0), 0.75);
    // Without any order among the queries the router is a random one.
    let level = two_model::TwoModel::of(&truth, &scores([0.2; 4])).unwrap();
    near(level.apgr, 0.5);
    near(level.cpt_80, 0.8);
    near(two_model::pgr(0.5, 0.25, 0.75).unwrap(), 0.5);
    assert_eq!(two_model::pgr(0.5, 0.5, 0.5), None);

    let equal = Truth::new(cost.view(), cost.view()).unwrap();
    assert!(two_model::TwoModel::of(&equal, &scores([0.1; 4])).is_some());
    let same = Array2::ones((4, 2));
    let same = Truth::new(same.view(), cost.view()).unwrap();
    assert_eq!(two_model::TwoModel::of(&same, &scores([0.1; 4])), None);
}

#[test]
fn welch_interval_of_two_sets_of_seeds() {
    // Variances of the means 1/3 and 4/3; degrees (5/3)^2 / ((1/3)^2 / 2 + (4/3)^2 / 2) = 2.94, rounded down to 2.
    let difference = bootstrap::seeds_difference(&[1.0, 2.0, 3.0], &[4.0, 6.0, 8.0]).unwrap();
    let half = 4.302_652_730 * (5.0_f64 / 3.0).sqrt();
    assert_eq!(difference.mean, -4.0);
    assert!((difference.low - (-4.0 - half)).abs() < 1e-9);
    assert!((difference.high - (-4.0 + half)).abs() < 1e-9);
    let certain = bootstrap::seeds_difference(&[0.5, 0.5], &[0.25, 0.25]).unwrap();
    assert_eq!((certain.low, certain.high), (0.25, 0.25));
    assert_eq!(bootstrap::seeds_difference(&[1.0], &[1.0, 2.0]), None);
    assert_eq!(
        bootstrap::seeds_difference(&[1.0, 2.0], &[1.0, f64::INFINITY]),
        None
    );
}

#[test]
fn student_interval_over_seeds() {
    let three = bootstrap::seeds_interval(&[1.0, 2.0, 3.0]).unwrap();
    near(three.mean, 2.0);
    assert!((three.high - 2.0 - 4.302_652_73 / 3.0_f64.sqrt()).abs() < 1e-7);
    // 12 values of +-1: standard error sqrt(1 / 11), 11 degrees of freedom.
    let twelve: Vec<f64> = (0..12)
        .map(|k| if k % 2 == 0 { 1.0 } else { -1.0 })
        .collect();
    let twelve = bootstrap::seeds_interval(&twelve).unwrap();
    assert!((twelve.high * 11.0_f64.sqrt() - 2.200_985_16).abs() < 1e-5);
    assert_eq!(bootstrap::seeds_interval(&[1.0]), None);
    assert_eq!(bootstrap::seeds_interval(&[1.0, f64::INFINITY]), None);
}

#[test]
fn paired_bootstrap_tells_a_difference_from_noise() {
    let a: Vec<f64> = (0..200).map(|k| f64::from(k % 10) / 10.0).collect();
    let shifted: Vec<f64> = a.iter().map(|v| v + 0.01).collect();
    let found = bootstrap::paired(&shifted, &a, 2000, 7).unwrap();
    near(found.difference.mean, 0.01);
    assert!(found.difference.low > 0.0 && found.p < 0.01, "{found:?}");
    let alternating: Vec<f64> = a
        .iter()
        .enumerate()
        .map(|(k, v)| if k % 2 == 0 { v + 0.01 } else { v - 0.01 })
        .collect();
    let noise = bootstrap::paired(&alternating, &a, 2000, 7).unwrap();
    assert!(
        noise.difference.low < 0.0 && noise.difference.high > 0.0 && noise.p > 0.5,
        "{noise:?}"
    );
    assert!(matches!(
        bootstrap::paired(&a, &a[1..], 10, 0),
        Err(EvalError::Option { .. })
    ));
    assert!(matches!(
        bootstrap::mean(&[], 10, 0),
        Err(EvalError::Option { .. })
    ));
    assert!(matches!(
        bootstrap::mean(&a, 0, 0),
        Err(EvalError::Option { .. })
    ));
}

#[test]
fn replicates_of_different_data_do_not_compare() {
    let quality = array![[1.0, 0.0], [0.0, 1.0]];
    let cost = array![[1.0, 2.0], [1.0, 2.0]];
    let truth = Truth::new(quality.view(), cost.view()).unwrap();
    let options = EvaluationOptions::default();
    let scores = oracle(&truth);
    let sweep = Sweep::new(&truth, &scores, &options).unwrap();
    let new = |seed| sweep.replicates(20, seed, None).unwrap();
    let same = new(1).compare(&new(1), Metric::known("qnc")).unwrap();
    assert_eq!(
        (same.difference.low, same.difference.high, same.p),
        (0.0, 0.0, 1.0)
    );
    assert!(new(1).compare(&new(2), Metric::known("rci")).is_err());
}

#[test]
fn bad_requests_are_errors_with_a_place_and_a_value() {
    let one = array![[1.0, 0.5]];
    let two = array![[1.0, 0.5], [0.2, 0.1]];
    let broken = array![[1.0, f64::NAN]];
    let negative = array![[1.0, -0.5]];
    let message = |error: EvalError| error.to_string();
    let shape = message(Scores::new(one.clone(), two.clone()).unwrap_err());
    assert!(
        shape.contains("predicted cost is 2 x 2, expected 1 x 2"),
        "{shape}"
    );
    let value = message(Scores::new(one.clone(), broken).unwrap_err());
    assert!(
        value.contains("predicted cost, row 0, model 1: NaN"),
        "{value}"
    );
    let cost = message(Truth::new(one.view(), negative.view()).unwrap_err());
    assert!(cost.contains("real cost, row 0, model 1: -0.5"), "{cost}");
    let empty = Array2::zeros((0, 2));
    assert!(matches!(
        Truth::new(empty.view(), empty.view()),
        Err(EvalError::Empty { .. })
    ));

    let mut unchecked = Scores::new(one.clone(), one.clone()).unwrap();
    unchecked.quality.fill(f64::NAN);
    let first = Rule {
        ties: Ties::First,
        ..Rule::default()
    };
    assert_eq!(
        choose(&unchecked, 2.0, &first),
        [1],
        "the cheapest, for want of a number"
    );
    let truth = Truth::new(one.view(), one.view()).unwrap();
    assert!(sweep(&truth, &unchecked, &[2.0], &first).is_err());
    let other = Scores::new(two.clone(), two).unwrap();
    let options = EvaluationOptions::default();
    assert!(matches!(
        evaluate(&truth, &other, &options),
        Err(EvalError::Shape { .. })
    ));
    let scores = oracle(&truth);
    assert!(sweep(&truth, &scores, &[], &Rule::default()).is_err());
    assert!(sweep(&truth, &scores, &[f64::NAN], &Rule::default()).is_err());
    let bad = [
        EvaluationOptions {
            budgets: Budgets::Quantiles(1),
            ..options.clone()
        },
        EvaluationOptions {
            budgets: Budgets::Grid(vec![]),
            ..options.clone()
        },
        EvaluationOptions {
            shared_grid: Some(vec![f64::NAN]),
            ..options.clone()
        },
        EvaluationOptions {
            margin_threshold: -0.1,
            ..options.clone()
        },
        EvaluationOptions {
            rule: Rule {
                decision: Decision::WithinBudget { margin: f64::NAN },
                ..Rule::default()
            },
            ..options
        },
    ];
    for options in bad {
        let error = evaluate(&truth, &scores, &options).unwrap_err();
        assert!(matches!(error, EvalError::Option { .. }), "{error}");
    }
}

#[test]
fn an_evaluation_survives_json() {
    let quality = array![[1.0, 0.0], [0.0, 0.75]];
    let cost = array![[1.0, 2.0], [1.5, 2.5]];
    let truth = Truth::new(quality.view(), cost.view()).unwrap();
    let options = EvaluationOptions {
        shared_grid: Some(vec![1.0, f64::INFINITY]),
        ..Default::default()
    };
    let result = evaluate(&truth, &oracle(&truth), &options).unwrap();
    let text = serde_json::to_string(&result).unwrap();
    assert_eq!(
        serde_json::from_str::<routelab_eval::Evaluation>(&text).unwrap(),
        result
    );
    let scores = serde_json::to_string(&oracle(&truth)).unwrap();
    assert_eq!(
        serde_json::from_str::<Scores>(&scores).unwrap(),
        oracle(&truth)
    );
    let named: serde_json::Value = serde_json::from_str(&text).unwrap();
    for metric in METRICS {
        assert_eq!(
            named["metrics"][metric.name].as_f64(),
            result.get(metric),
            "{}",
            metric.name
        );
    }
    for metric in Metric::resampled() {
        assert!(result.get(metric) >= Some(0.0));
    }
}

#[test]
fn holm_multiplies_the_smallest_p_most() {
    let corrected = bootstrap::holm(&[0.01, 0.04, 0.03, 0.005]);
    let expected = [0.03, 0.06, 0.06, 0.02];
    for (found, expected) in corrected.iter().zip(expected) {
        assert!((found - expected).abs() < 1e-15, "{corrected:?}");
    }
    assert_eq!(bootstrap::holm(&[0.9, 0.8]), [1.0, 1.0]);
    assert!(bootstrap::holm(&[]).is_empty());
}

#[test]
fn strongest_is_the_dearest_or_the_best_or_as_said() {
    let quality = array![[1.0, 0.0, 1.0], [1.0, 1.0, 0.0]];
    let cost = array![[1.0, 3.0, 1.0], [1.0, 3.0, 5.0]];
    let truth = Truth::new(quality.view(), cost.view()).unwrap();
    assert_eq!(Strongest::Dearest.models(&truth), [1, 2]);
    assert_eq!(Strongest::BestSingle.models(&truth), [0]);
    assert_eq!(Strongest::Models(vec![2]).models(&truth), [2]);
    let scores = oracle(&truth);
    let rate = |strongest| {
        let options = EvaluationOptions {
            strongest,
            ..EvaluationOptions::default()
        };
        value(
            &evaluate(&truth, &scores, &options).unwrap(),
            "strongest_call_rate",
        )
    };
    // The oracle takes the cheapest of the best: model 0 both times.
    assert_eq!(rate(Strongest::BestSingle), 1.0);
    assert_eq!(rate(Strongest::Dearest), 0.0);
}
