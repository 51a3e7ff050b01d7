//! Parts of RCI: a table worked out by hand, and what holds for every table and router.

use ndarray::{Array2, Axis, array};
use proptest::prelude::*;
use routelab_eval::decompose::{Cause, Stage};
use routelab_eval::{
    Budgets, Decision, Decomposition, DecompositionOptions, EvalError, EvaluationOptions,
    Infeasible, Rule, Scores, Strongest, Ties, Truth, choose, collapse, decompose, evaluate,
    oracle,
};

use crate::common::{coarse, near, tied_case, value};

fn counts(found: &Decomposition) -> [usize; 5] {
    Cause::ALL.map(|cause| {
        found
            .queries
            .iter()
            .filter(|&&query| query == cause)
            .count()
    })
}

fn at(budget: Option<f64>, band: f64) -> DecompositionOptions {
    let band = Some(band);
    DecompositionOptions { budget, band }
}

/// Three models of real and predicted cost 1, 2 and 4 on every query: model 2 is the strongest.
struct Table {
    quality: Array2<f64>,
    cost: Array2<f64>,
    scores: Scores,
}

impl Table {
    fn new() -> Self {
        let quality = array![
            [0.0, 0.0, 1.0], // chosen 2: right, since only the strongest is best
            [1.0, 1.0, 1.0], // chosen 2: as good as 0 and 1
            [0.0, 1.0, 0.0], // chosen 2, model 1 is predicted 0.1 below
            [1.0, 1.0, 0.0], // chosen 2, model 0 is predicted 0.5 below, model 1 only 0.25
            [1.0, 0.5, 0.0], // chosen 2, model 0 is predicted 0.5 below
        ];
        let predicted = array![
            [0.1, 0.2, 0.9],
            [0.1, 0.2, 0.9],
            [0.1, 0.8, 0.9],
            [0.25, 0.5, 0.75],
            [0.25, 0.5, 0.75],
        ];
        let cost = Array2::from_shape_fn((5, 3), |(_, model)| [1.0, 2.0, 4.0][model]);
        let scores = Scores::new(predicted, cost.clone()).unwrap();
        Self {
            quality,
            cost,
            scores,
        }
    }

    fn decompose(&self, rule: Rule, options: &DecompositionOptions) -> Decomposition {
        let truth = Truth::new(self.quality.view(), self.cost.view()).unwrap();
        let evaluation = EvaluationOptions {
            rule,
            ..EvaluationOptions::default()
        };
        decompose(&truth, &self.scores, &evaluation, options).unwrap()
    }
}

fn rule(decision: Decision) -> Rule {
    Rule {
        decision,
        ..Rule::default()
    }
}

#[test]
fn every_choice_has_its_part_and_every_oracle_mends_its_own() {
    let found = Table::new().decompose(Rule::default(), &at(None, 0.25));
    assert_eq!(found.budget, 4.0);
    use Cause::{Ordering, Prediction, Right, Ties};
    assert_eq!(found.queries, [Right, Ties, Ordering, Ordering, Prediction]);
    assert_eq!(counts(&found), [1, 1, 2, 1, 0]);
    near(found.rci, 0.8);
    near(found.gaps[0], 0.1);
    assert_eq!(found.gaps[1..], [0.25, 0.5]);

    // Costs: all 4; query 1 takes model 0; queries 2 and 3 take model 1, the only right one within the band;
    // at last queries 3 and 4 take model 0.
    let expected = [
        (Stage::Router, 2.0, 20.0, 0.8),
        (Stage::Ties, 2.0, 17.0, 0.6),
        (Stage::Ordering, 4.0, 13.0, 0.2),
        (Stage::Prediction, 5.0, 9.0, 0.0),
    ];
    for (stage, (kind, quality, cost, rci)) in found.stages.iter().zip(expected) {
        assert_eq!(stage.stage, kind);
        near(stage.quality, quality / 5.0);
        near(stage.cost, cost / 5.0);
        near(stage.rci, rci);
        assert_eq!(stage.curve.len(), 3);
        assert_eq!(
            (stage.curve[2].quality, stage.curve[2].cost),
            (stage.quality, stage.cost)
        );
    }
    // At budget 2 the oracle can give query 0 nothing better than model 1, the router's choice; at 1 only model 0 is left.
    let last = &found.stages[3];
    let quality: Vec<f64> = last.curve.iter().map(|p| p.quality * 5.0).collect();
    let cost: Vec<f64> = last.curve.iter().map(|p| p.cost * 5.0).collect();
    assert_eq!((quality, cost), (vec![3.0, 4.0, 5.0], vec![5.0, 7.0, 9.0]));
    // Anchor (1, 0.6), then 0.8 at 1.4 and 1 from 1.8 to 4: trapezoids over a width of 3.
    near(last.nauc_shared, (0.4 * 0.7 + 0.4 * 0.9 + 2.2) / 3.0);
}

#[test]
fn the_band_moves_queries_between_ordering_and_prediction_at_their_gaps() {
    let table = Table::new();
    for (band, ordering) in [(0.0, 0), (0.2, 1), (0.25, 2), (0.49, 2), (0.5, 3)] {
        let found = table.decompose(Rule::default(), &at(None, band));
        assert_eq!(counts(&found), [1, 1, ordering, 3 - ordering, 0], "{band}");
        let within = found.gaps.iter().filter(|&&gap| gap <= band).count();
        assert_eq!(within, ordering);
    }
    // The default band is the RMSE of the fifteen predictions.
    let found = table.decompose(Rule::default(), &DecompositionOptions::default());
    let errors = &table.scores.quality - &table.quality;
    near(found.band, (errors.mapv(|e| e * e).sum() / 15.0).sqrt());
}

#[test]
fn a_small_budget_is_a_part_of_its_own() {
    let table = Table::new();
    // Up to 2, model 1 is chosen everywhere, and is right on queries 1, 2 and 3. On query 0 no right model is affordable.
    let found = table.decompose(Rule::default(), &at(Some(2.0), 0.3));
    use Cause::{Budget, Ordering, Right};
    assert_eq!(found.queries, [Budget, Right, Right, Right, Ordering]);
    // A right choice is still made cheaper where a cheaper model is right: queries 1 and 3.
    near(found.stages[0].cost, 2.0);
    near(found.stages[1].cost, 8.0 / 5.0);
    near(found.stages[3].rci, 0.2);

    // Nothing is affordable: whatever is taken, the budget is to blame if it is not right.
    for infeasible in [Infeasible::Cheapest, Infeasible::First] {
        let rule = Rule {
            infeasible,
            ..Rule::default()
        };
        assert_eq!(choose(&table.scores, 0.5, &rule), [0; 5]);
        let found = table.decompose(rule, &at(Some(0.5), 9.0));
        assert_eq!(found.queries, [Budget, Right, Budget, Right, Right]);
        assert!(found.gaps.is_empty());
        near(found.stages[3].cost, 1.0);
    }
}

#[test]
fn strongest_models_of_equal_cost_are_right_together() {
    let quality = array![[0.0, 1.0, 1.0], [1.0, 1.0, 0.0], [0.0, 1.0, 0.0]];
    let cost = Array2::from_shape_fn((3, 3), |(_, model)| [1.0, 4.0, 4.0][model]);
    let predicted = array![[0.0, 0.9, 0.8], [0.8, 0.9, 0.0], [0.0, 0.5, 0.9]];
    let scores = Scores::new(predicted, cost.clone()).unwrap();
    let truth = Truth::new(quality.view(), cost.view()).unwrap();
    let options = EvaluationOptions::default();
    let found = decompose(&truth, &scores, &options, &at(None, 0.1)).unwrap();
    assert_eq!(
        found.queries,
        [Cause::Right, Cause::Ties, Cause::Prediction]
    );
    near(found.gaps[0], 0.4);
}

#[test]
fn a_strongest_model_that_is_cheaper_here_is_not_what_ties_are_broken_to() {
    // Model 1 is strongest on average, but cheaper on query 0, where both are best.
    let quality = array![[1.0, 1.0], [1.0, 0.0]];
    let cost = array![[3.0, 1.0], [1.0, 9.0]];
    let scores = Scores::new(array![[0.1, 0.9], [0.9, 0.1]], cost.clone()).unwrap();
    let truth = Truth::new(quality.view(), cost.view()).unwrap();
    let options = EvaluationOptions::default();
    let found = decompose(&truth, &scores, &options, &at(None, 0.1)).unwrap();
    assert_eq!(found.queries, [Cause::Ties, Cause::Right]);
    assert_eq!((found.stages[0].cost, found.stages[1].cost), (1.0, 2.0));
    assert_eq!(found.stages[1].rci, 0.0);
}

#[test]
fn with_a_margin_better_predictions_that_were_passed_over_have_no_gap() {
    let table = Table::new();
    let wide = rule(Decision::WithinBudget { margin: 9.0 });
    // Model 0 everywhere: right on queries 1, 3, 4. Queries 0 and 2 have their right model predicted above it.
    let found = table.decompose(wide, &at(None, 0.0));
    use Cause::{Ordering, Right};
    assert_eq!(found.queries, [Ordering, Right, Ordering, Right, Right]);
    assert_eq!(found.gaps, [0.0, 0.0]);
}

#[test]
fn a_trade_off_is_judged_at_its_price() {
    // Slopes from model 0 to 1: 0.3 on query 0, 0.1 on query 1. The mean budget 1.5 affords one of them, at a price of 0.1.
    let quality = array![[1.0, 0.0], [0.0, 1.0]];
    let cost = array![[1.0, 2.0], [1.0, 2.0]];
    let scores = Scores::new(array![[0.5, 0.8], [0.5, 0.6]], cost.clone()).unwrap();
    let truth = Truth::new(quality.view(), cost.view()).unwrap();
    let options = EvaluationOptions {
        rule: rule(Decision::PRICE_OVER_COSTS),
        ..EvaluationOptions::default()
    };
    let found = |budget, band| decompose(&truth, &scores, &options, &at(budget, band)).unwrap();
    let middle = found(Some(1.5), 0.15);
    // Query 0: 0.8 - 0.5 - 0.1 (2 - 1) = 0.2. Query 1: model 1 is worth as much as the choice at this price.
    near(middle.gaps[0], 0.2);
    near(middle.gaps[1], 0.0);
    assert_eq!(middle.queries, [Cause::Prediction, Cause::Ordering]);
    // Without a limit the price is 0, and query 1 is right.
    let free = found(None, 0.15);
    near(free.gaps[0], 0.3);
    assert_eq!(free.queries, [Cause::Prediction, Cause::Right]);
    // Below 1 even the cheapest models are too dear, so nothing else could have been taken.
    let poor = found(Some(0.5), 0.15);
    assert_eq!(poor.queries, [Cause::Right, Cause::Budget]);
}

#[test]
fn bad_requests_are_named() {
    let table = Table::new();
    let truth = Truth::new(table.quality.view(), table.cost.view()).unwrap();
    let options = EvaluationOptions::default();
    for (bad, name) in [
        (at(None, -0.1), "band"),
        (at(None, f64::NAN), "band"),
        (at(Some(f64::NAN), 0.1), "budget grid"),
    ] {
        match decompose(&truth, &table.scores, &options, &bad) {
            Err(EvalError::Option { option, .. }) => assert_eq!(option, name),
            other => panic!("{other:?}"),
        }
    }
    let found = decompose(&truth, &table.scores, &options, &at(None, 0.1)).unwrap();
    assert!(found.interval(Cause::Ties, 0, 1).is_err());
    let interval = found.interval(Cause::Ties, 200, 1).unwrap();
    near(interval.mean, 0.2);
    assert!(interval.low < 0.2 && 0.2 < interval.high);
}

#[test]
fn results_survive_json() {
    let found = Table::new().decompose(Rule::default(), &at(Some(f64::INFINITY), 0.25));
    let json = serde_json::to_string(&found).unwrap();
    assert!(json.contains(r#""queries":["right","ties","#), "{json}");
    assert_eq!(found.share(Cause::Ties), 0.2);
    assert!(json.starts_with(r#"{"budget":null,"#));
    assert_eq!(serde_json::from_str::<Decomposition>(&json).unwrap(), found);
}

fn any_rule() -> impl Strategy<Value = Rule> {
    let decision = prop_oneof![
        (0.0..0.6).prop_map(|margin| Decision::WithinBudget { margin }),
        Just(Decision::WithinBudget { margin: 0.0 }),
        Just(Decision::PRICE_OVER_COSTS),
        Just(Decision::PRICE),
        (1.0..4.0).prop_map(Decision::capped_price),
    ];
    let infeasible = prop_oneof![Just(Infeasible::Cheapest), Just(Infeasible::First)];
    let ties = prop_oneof![Just(Ties::Cheapest), Just(Ties::First)];
    (infeasible, ties, decision).prop_map(|(infeasible, ties, decision)| Rule {
        infeasible,
        ties,
        decision,
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn causes_add_up_and_stages_mend_them(
        case in tied_case(),
        rule in any_rule(),
        band in 0.0..0.8,
        budget in prop_oneof![Just(None), (0.0..1.1).prop_map(Some)],
    ) {
        let (truth, scores, quality) = (case.truth(), &case.scores, &case.quality);
        let options = EvaluationOptions { rule, budgets: Budgets::Quantiles(6), ..Default::default() };
        let found = decompose(&truth, scores, &options, &at(budget, band)).unwrap();

        // Against the index itself, at this budget.
        let choices = choose(scores, found.budget, &rule);
        let verdicts = collapse::verdicts(&truth, &choices, &Strongest::Dearest.models(&truth));
        let [right, ties, ordering, prediction, over_budget] = counts(&found);
        let n = quality.nrows();
        prop_assert_eq!(right + ties + ordering + prediction + over_budget, n);
        prop_assert_eq!(right, verdicts.iter().filter(|&&v| v == collapse::Verdict::Right).count());
        prop_assert_eq!(found.rci, collapse::Rci::of(&verdicts).rci);
        prop_assert_eq!(found.gaps.len(), ordering + prediction);

        let left = [n - right, n - right - ties, prediction + over_budget, over_budget];
        for (stage, left) in found.stages.iter().zip(left) {
            prop_assert_eq!(stage.rci, left as f64 / n as f64);
        }
        for pair in found.stages.windows(2) {
            prop_assert!(pair[0].quality <= pair[1].quality);
        }
        // Among right models of one query, no oracle pays more than the last.
        prop_assert!(found.stages[3].cost <= found.stages[2].cost || prediction > 0);

        let whole = evaluate(&truth, scores, &options).unwrap();
        prop_assert_eq!(found.stages[0].nauc_shared, value(&whole, "nauc_shared"));
        if budget.is_none() {
            prop_assert_eq!(over_budget, 0);
            prop_assert_eq!((found.stages[0].quality, found.stages[0].cost), (value(&whole, "quality"), value(&whole, "cost")));
        }
    }

    #[test]
    fn the_oracle_has_no_causes(quality in (1_usize..20, 2_usize..6).prop_flat_map(|(n, m)| coarse(n, m, 3))) {
        // Where the strongest model is the dearest on every query, the cheapest of the best is always right.
        let cost = Array2::from_shape_fn(quality.dim(), |(row, model)| model as f64 * 10.0 + (row % 7) as f64);
        let truth = Truth::new(quality.view(), cost.view()).unwrap();
        let found = decompose(&truth, &oracle(&truth), &EvaluationOptions::default(), &Default::default()).unwrap();
        prop_assert_eq!(counts(&found), [quality.nrows(), 0, 0, 0, 0]);
        prop_assert_eq!(found.band, 0.0);
        for stage in &found.stages[1..] {
            prop_assert_eq!((stage.quality, stage.cost), (found.stages[0].quality, found.stages[0].cost));
        }
    }

    #[test]
    fn the_order_of_models_does_not_matter(
        case in tied_case(),
        band in 0.0..0.8,
        turn in 0_usize..6,
    ) {
        // Costs and predictions are made distinct within a query, so that no decision falls to an index.
        let (n, m) = case.quality.dim();
        let nudge = Array2::from_shape_fn((n, m), |(_, model)| model as f64 * 1e-6);
        let order: Vec<usize> = (0..m).map(|model| (model + turn) % m).collect();
        let parts = |order: &[usize]| {
            let pick = |matrix: &Array2<f64>| matrix.select(Axis(1), order);
            let (quality, cost) = (pick(&case.quality), pick(&(&case.cost + &nudge)));
            let truth = Truth::new(quality.view(), cost.view()).unwrap();
            let scores = Scores::new(pick(&(&case.scores.quality + &nudge)), pick(&(&case.scores.cost + &nudge))).unwrap();
            let found = decompose(&truth, &scores, &EvaluationOptions::default(), &at(None, band)).unwrap();
            let stages: Vec<_> = found.stages.iter().map(|s| (s.quality, s.cost, s.rci, s.nauc_shared)).collect();
            (found.queries, found.gaps, stages)
        };
        let straight: Vec<usize> = (0..m).collect();
        prop_assert_eq!(parts(&straight), parts(&order));
    }
}
