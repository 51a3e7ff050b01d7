//! What holds for every table and every router.

use ndarray::{Array2, Axis};
use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use routelab_eval::bootstrap;
use routelab_eval::{
    Budgets, Choices, Decision, EvaluationOptions, Infeasible, Metric, Point, PriceCurve, Prices,
    Rule, Scores, Strongest, Sweep, Swept, Ties, Truth, choose, choose_at, evaluate, oracle,
    prices, sweep,
};

use crate::common::{Case, coarse, tied_case, value};

/// All values different.
fn distinct(rows: usize, columns: usize) -> impl Strategy<Value = Array2<f64>> {
    let all: Vec<usize> = (0..rows * columns).collect();
    Just(all).prop_shuffle().prop_map(move |order| {
        let values = order
            .iter()
            .map(|&v| (v as f64 + 0.5) / order.len() as f64)
            .collect();
        Array2::from_shape_vec((rows, columns), values).unwrap()
    })
}

fn distinct_case() -> impl Strategy<Value = Case> {
    (1_usize..20, 2_usize..6).prop_flat_map(|(n, m)| {
        (
            coarse(n, m, 3),
            distinct(n, m),
            distinct(n, m),
            distinct(n, m),
        )
            .prop_map(|(quality, cost, predicted, predicted_cost)| Case {
                quality,
                cost,
                scores: Scores::new(predicted, predicted_cost).unwrap(),
            })
    })
}

/// More queries than one thread takes at a time, more models than lanes of a vector.
fn many_queries() -> impl Strategy<Value = Case> {
    any::<u64>().prop_map(|seed| {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut matrix = |steps| {
            let value = |_| f64::from(rng.random_range(0..steps)) / f64::from(steps);
            Array2::from_shape_fn((600, 11), value)
        };
        Case {
            quality: matrix(3),
            cost: matrix(7),
            scores: Scores::new(matrix(40), matrix(40)).unwrap(),
        }
    })
}

fn any_rule() -> impl Strategy<Value = Rule> {
    (
        prop_oneof![Just(Infeasible::Cheapest), Just(Infeasible::First)],
        prop_oneof![Just(Ties::Cheapest), Just(Ties::First)],
        prop_oneof![Just(0.0), Just(0.1), Just(0.2), Just(0.45), Just(5.0)],
    )
        .prop_map(|(infeasible, ties, margin)| Rule {
            infeasible,
            ties,
            decision: Decision::WithinBudget { margin },
        })
}

fn within_budget(rule: Rule) -> Rule {
    Rule {
        decision: Decision::default(),
        ..rule
    }
}

/// A trade-off, with a cap or without.
fn any_trade_off() -> impl Strategy<Value = Rule> {
    const CAPS: [Option<f64>; 5] = [None, Some(1.0), Some(1.5), Some(2.0), Some(4.0)];
    let swept = prop_oneof![Just(Swept::Costs), Just(Swept::Curve)];
    (any_rule(), prop::sample::select(&CAPS[..]), swept).prop_map(|(rule, cap, swept)| Rule {
        decision: Decision::TradeOff { cap, swept },
        ..rule
    })
}

fn trade_off(rule: Rule) -> Rule {
    Rule {
        decision: Decision::PRICE_OVER_COSTS,
        ..rule
    }
}

/// The decision as its definition reads.
fn decide(scores: &Scores, row: usize, budget: f64, rule: &Rule) -> usize {
    let quality = scores.quality.row(row);
    let cost = scores.cost.row(row);
    let by_cost = |&a: &usize, &b: &usize| cost[a].total_cmp(&cost[b]);
    let feasible: Vec<usize> = (0..cost.len()).filter(|&m| cost[m] <= budget).collect();
    if feasible.is_empty() {
        return match rule.infeasible {
            Infeasible::First => 0,
            Infeasible::Cheapest => (0..cost.len()).min_by(by_cost).unwrap(),
        };
    }
    let Decision::WithinBudget { margin } = rule.decision else {
        panic!("a trade-off is not decided query by query");
    };
    let best = feasible
        .iter()
        .map(|&m| quality[m])
        .fold(f64::NEG_INFINITY, f64::max);
    let mut good = feasible
        .into_iter()
        .filter(|&m| quality[m] >= best - margin);
    if margin == 0.0 && rule.ties == Ties::First {
        return good.next().unwrap();
    }
    good.min_by(|a, b| by_cost(a, b).then(quality[*b].total_cmp(&quality[*a])))
        .unwrap()
}

/// Whole numbers, so that a scan of prices can be exact.
fn whole(rows: usize, columns: usize, most: i64) -> impl Strategy<Value = Array2<i64>> {
    prop::collection::vec(0..=most, rows * columns)
        .prop_map(move |values| Array2::from_shape_vec((rows, columns), values).unwrap())
}

/// The trade-off as its definition reads: the smallest price, among 0 and all at which a choice can change, whose choices
/// are affordable on average. A price is a fraction of whole numbers. With a cap, a query chooses among what is within it.
fn scan_prices(
    quality: &Array2<i64>,
    cost: &Array2<i64>,
    budget: f64,
    infeasible: Infeasible,
    cap: Option<f64>,
) -> Vec<usize> {
    let (n, m) = quality.dim();
    let cheapest = |row: usize| (0..m).min_by_key(|&model| cost[[row, model]]).unwrap();
    let limit = cap.map_or(f64::INFINITY, |cap| cap * budget);
    let within = |row: usize| (0..m).filter(move |&model| cost[[row, model]] as f64 <= limit);
    let unaffordable = |row: usize| match infeasible {
        Infeasible::First => 0,
        Infeasible::Cheapest => cheapest(row),
    };
    let mut prices = vec![(0, 1), (1000, 1)];
    for row in 0..n {
        for (a, b) in (0..m).flat_map(|a| (0..m).map(move |b| (a, b))) {
            let run = cost[[row, b]] - cost[[row, a]];
            let rise = quality[[row, b]] - quality[[row, a]];
            if run > 0 && rise > 0 {
                prices.push((rise, run));
            }
        }
    }
    prices.sort_by(|a, b| (a.0 * b.1).cmp(&(b.0 * a.1)));
    for (rise, run) in prices {
        let choices: Vec<Option<usize>> = (0..n)
            .map(|row| {
                let value = |model: usize| quality[[row, model]] * run - rise * cost[[row, model]];
                within(row).min_by_key(|&model| (-value(model), cost[[row, model]], model))
            })
            .collect();
        let spent: i64 = (choices.iter().enumerate())
            .map(|(row, choice)| cost[[row, choice.unwrap_or_else(|| cheapest(row))]])
            .sum();
        if spent as f64 <= budget * n as f64 {
            let chosen = choices.iter().enumerate();
            return chosen
                .map(|(row, choice)| choice.unwrap_or_else(|| unaffordable(row)))
                .collect();
        }
    }
    (0..n).map(unaffordable).collect()
}

fn naive_sweep(case: &Case, budgets: &[f64], rule: &Rule) -> Vec<Point> {
    let (n, m) = case.quality.dim();
    budgets
        .iter()
        .map(|&budget| {
            let mut point = Point {
                budget,
                cost: 0.0,
                quality: 0.0,
                call_rates: vec![0.0; m],
            };
            for row in 0..n {
                let model = decide(&case.scores, row, budget, rule);
                point.cost += case.cost[[row, model]] / n as f64;
                point.quality += case.quality[[row, model]] / n as f64;
                point.call_rates[model] += 1.0 / n as f64;
            }
            point
        })
        .collect()
}

fn close(a: f64, b: f64) -> bool {
    a == b || (a - b).abs() <= 1e-12 * (1.0 + a.abs().max(b.abs()))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(256) })]

    #[test]
    fn fast_sweep_equals_the_definition(
        case in prop_oneof![4 => tied_case(), 4 => distinct_case(), 1 => many_queries()],
        rule in any_rule(),
        levels in 2_usize..30,
        extra in prop::collection::vec(-0.2_f64..1.2, 0..4),
    ) {
        let mut budgets = Budgets::Quantiles(levels).resolve(case.scores.cost.view());
        budgets.extend(extra);
        budgets.sort_by(f64::total_cmp);
        budgets.dedup();
        let fast = sweep(&case.truth(), &case.scores, &budgets, &rule).unwrap();
        let naive = naive_sweep(&case, &budgets, &rule);
        prop_assert_eq!(fast.len(), naive.len());
        for (fast, naive) in fast.iter().zip(&naive) {
            prop_assert_eq!(fast.budget, naive.budget);
            prop_assert!(close(fast.cost, naive.cost) && close(fast.quality, naive.quality));
            for (a, b) in fast.call_rates.iter().zip(&naive.call_rates) {
                prop_assert!(close(*a, *b));
            }
            let choices = choose(&case.scores, fast.budget, &rule);
            for (row, &choice) in choices.iter().enumerate() {
                prop_assert_eq!(choice, decide(&case.scores, row, fast.budget, &rule));
            }
        }
    }

    #[test]
    fn fast_trade_offs_equal_a_scan_of_all_prices(
        quality in (1_usize..8, 1_usize..6).prop_flat_map(|(n, m)| whole(n, m, 6)),
        seed in any::<u64>(),
        rule in any_trade_off(),
    ) {
        let (n, m) = quality.dim();
        let Decision::TradeOff { cap, .. } = rule.decision else { unreachable!("it is a trade-off") };
        // Costs from the same few numbers, some of them below 0, as regressions give them.
        let mut state = seed;
        let cost = quality.mapv(|_: i64| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 33) as i64 % 7 - 1
        });
        let scores = Scores::new(quality.mapv(|v| v as f64), cost.mapv(|v| v as f64)).unwrap();
        let budgets: Vec<f64> = (-6..=28).map(|quarter| f64::from(quarter) / 4.0).collect();
        let zeros = Array2::zeros((n, m));
        let truth = Truth::new(scores.quality.view(), zeros.view()).unwrap();
        let fast = sweep(&truth, &scores, &budgets, &rule).unwrap();
        let curve = PriceCurve::of(&scores);
        prop_assert_eq!(&PriceCurve::from_points(curve.points().view()).unwrap(), &curve);
        let found = Prices::of(scores.clone(), cap);
        let choices = Choices::new(&scores, &budgets, &rule);
        for (at, (point, &budget)) in fast.iter().zip(&budgets).enumerate() {
            let expected = scan_prices(&quality, &cost, budget, rule.infeasible, cap);
            prop_assert_eq!(&choices.at(at), &expected, "budget {}", budget);
            prop_assert_eq!(&choose(&scores, budget, &rule), &expected, "budget {}", budget);
            // Given the price, a query needs no others.
            let price = found.price(budget);
            prop_assert_eq!(price, choices.prices()[at]);
            if cap.is_none() {
                prop_assert_eq!(&[price][..], prices(&scores, &[budget]));
            }
            for (row, &choice) in expected.iter().enumerate() {
                let one = |values: &Array2<f64>| values.select(Axis(0), &[row]);
                let alone = Scores::new(one(&scores.quality), one(&scores.cost)).unwrap();
                prop_assert_eq!(choose_at(&alone, budget, price, &rule), [choice]);
            }
            for (model, rate) in point.call_rates.iter().enumerate() {
                let calls = expected.iter().filter(|&&choice| choice == model).count();
                prop_assert!(close(*rate, calls as f64 / n as f64));
            }
        }
    }

    #[test]
    fn trade_offs_spend_more_only_for_more(case in distinct_case(), extra in 0.0_f64..2.0) {
        let rule = trade_off(Rule::default());
        let mut budgets = Budgets::Quantiles(30).resolve(case.scores.cost.view());
        budgets.push(1.0 + extra);
        let n = case.quality.nrows() as f64;
        let mean = |values: &Array2<f64>, choices: &[usize]| {
            choices.iter().enumerate().map(|(row, &model)| values[[row, model]]).sum::<f64>() / n
        };
        let mut before = (0.0, f64::NEG_INFINITY, f64::NEG_INFINITY);
        let cheapest = mean(&case.scores.cost, &choose(&case.scores, f64::NEG_INFINITY, &rule));
        for &budget in &budgets {
            let choices = choose(&case.scores, budget, &rule);
            let (cost, quality) = (mean(&case.scores.cost, &choices), mean(&case.scores.quality, &choices));
            prop_assert!(cost <= budget + 1e-12 || (budget < cheapest && close(cost, cheapest)));
            prop_assert!(cost >= before.1 - 1e-12 && quality >= before.2 - 1e-12);
            before = (budget, cost, quality);
        }
        // No limit: everybody's best model, whatever its price.
        let best = choose(&case.scores, f64::INFINITY, &Rule::default());
        prop_assert_eq!(choose(&case.scores, f64::INFINITY, &rule), best);
    }

    /// Every place of the price curve is a budget that is spent to the last, and between two of them nothing changes.
    #[test]
    fn sweeps_along_the_curve_visit_its_places(
        case in prop_oneof![tied_case(), distinct_case()],
        levels in 2_usize..40,
        cap in prop_oneof![Just(None), (1.0_f64..5.0).prop_map(Some)],
    ) {
        let rule = Rule { decision: Decision::TradeOff { cap, swept: Swept::Curve }, ..Rule::default() };
        let options = EvaluationOptions { rule, budgets: Budgets::Quantiles(levels), ..Default::default() };
        let budgets: Vec<f64> = evaluate(&case.truth(), &case.scores, &options).unwrap().points.iter().map(|p| p.budget).collect();
        prop_assert!(budgets.len() <= levels && budgets.is_sorted_by(|a, b| a < b));
        let curve = PriceCurve::of(&case.scores);
        let means = curve.points().column(0).to_vec();
        let last = *budgets.last().unwrap();
        prop_assert_eq!(budgets[0], means[0].min(budgets[0]));
        if cap.is_none() {
            prop_assert!(budgets.iter().all(|budget| means.contains(budget)));
            prop_assert_eq!((budgets[0], last), (means[0], means[means.len() - 1]));
            let mut distinct = means.clone();
            distinct.dedup();
            if distinct.len() <= levels {
                prop_assert_eq!(&budgets, &distinct);
            }
        }
        // At the last budget nothing is limited.
        let free = choose(&case.scores, f64::INFINITY, &Rule::default());
        prop_assert_eq!(choose(&case.scores, last, &rule), free);
    }

    #[test]
    fn permuting_models_permutes_call_rates(case in distinct_case(), shift in 0_usize..6, margin in 0.0_f64..0.4) {
        let m = case.quality.ncols();
        let order: Vec<usize> = (0..m).map(|k| (m - 1 - k + shift) % m).collect();
        let rule = Rule { decision: Decision::WithinBudget { margin }, ..Rule::default() };
        let budgets = Budgets::Quantiles(10).resolve(case.scores.cost.view());
        let original = sweep(&case.truth(), &case.scores, &budgets, &rule).unwrap();
        let other = case.select(Axis(1), &order);
        let permuted = sweep(&other.truth(), &other.scores, &budgets, &rule).unwrap();
        for (a, b) in original.iter().zip(&permuted) {
            let moved: Vec<f64> = order.iter().map(|&model| a.call_rates[model]).collect();
            prop_assert_eq!(&moved, &b.call_rates);
            prop_assert_eq!((a.cost, a.quality), (b.cost, b.quality));
        }
    }

    #[test]
    fn evaluation_is_coherent(case in tied_case(), rule in prop_oneof![any_rule(), any_trade_off()]) {
        let options = EvaluationOptions { rule, ..Default::default() };
        let result = evaluate(&case.truth(), &case.scores, &options).unwrap();
        prop_assert!(close(value(&result, "rci"), value(&result, "rci_wasteful") + value(&result, "rci_wrong")));
        prop_assert!(close(result.call_rates.iter().sum(), 1.0));
        prop_assert!(value(&result, "effective_models") >= 1.0 - 1e-12);
        prop_assert!(value(&result, "effective_models") <= case.quality.ncols() as f64 + 1e-9);
        let last = result.points.last().unwrap();
        prop_assert_eq!((last.cost, last.quality), (value(&result, "cost"), value(&result, "quality")));
        prop_assert_eq!(&last.call_rates, &result.call_rates);
        prop_assert!(value(&result, "regret") >= 0.0 && value(&result, "flip_share") <= 1.0);
        let interval = result.shared_interval;
        for point in &result.points {
            prop_assert!(interval.low <= point.cost && point.cost <= interval.high);
        }
        prop_assert!(value(&result, "nauc_shared") <= value(&result, "aiq") + 1e-12);
        prop_assert!(value(&result, "aiq") <= value(&result, "peak").max(interval.anchor.quality) + 1e-12);
        prop_assert!(value(&result, "qnc").is_infinite() || value(&result, "peak") >= result.best_single_quality);
        for share in [result.get(Metric::known("pair_accuracy")), result.get(Metric::known("ndcg")), result.get(Metric::known("real_margin_share"))].into_iter().flatten() {
            prop_assert!((0.0..=1.0 + 1e-12).contains(&share));
        }
        prop_assert!(result.get(Metric::known("kendall_tau_b")).is_none_or(|tau| tau.abs() <= 1.0 + 1e-12));
    }

    #[test]
    fn a_router_that_always_takes_the_best_single_model_reaches_its_quality(case in distinct_case()) {
        let options = EvaluationOptions::default();
        let best = evaluate(&case.truth(), &case.scores, &options).unwrap().best_single_model;
        let mut fixed = case.scores.clone();
        fixed.quality.column_mut(best).fill(9.0);
        let result = evaluate(&case.truth(), &fixed, &options).unwrap();
        prop_assert_eq!(value(&result, "quality"), result.best_single_quality);
        prop_assert_eq!(value(&result, "cost"), result.best_single_cost);
        prop_assert!(value(&result, "qnc").is_finite());
    }

    #[test]
    fn a_larger_pool_never_lowers_the_oracle(case in tied_case()) {
        let options = EvaluationOptions::default();
        let mut before = f64::NEG_INFINITY;
        for size in 1..=case.quality.ncols() {
            let pool = case.select(Axis(1), &(0..size).collect::<Vec<_>>());
            let truth = pool.truth();
            let result = evaluate(&truth, &oracle(&truth), &options).unwrap();
            prop_assert!(value(&result, "quality") >= before);
            before = value(&result, "quality");
        }
    }

    #[test]
    fn larger_budgets_only_add_feasible_models(case in tied_case(), rule in any_rule()) {
        // A scalar router's predicted quality can only grow with its budget, since nothing becomes unaffordable.
        let rule = within_budget(rule);
        let budgets = Budgets::Quantiles(20).resolve(case.scores.cost.view());
        for row in 0..case.quality.nrows() {
            let mut before = (0, f64::NEG_INFINITY);
            for &budget in &budgets {
                let feasible = case.scores.cost.row(row).iter().filter(|&&c| c <= budget).count();
                let chosen = case.scores.quality[[row, choose(&case.scores, budget, &rule)[row]]];
                prop_assert!(feasible >= before.0);
                if before.0 > 0 {
                    prop_assert!(chosen >= before.1);
                }
                before = (feasible, chosen);
            }
        }
    }

    #[test]
    fn the_oracle_does_not_collapse(quality in (1_usize..20, 2_usize..6).prop_flat_map(|(n, m)| coarse(n, m, 3))) {
        // Where the strongest model is the dearest on every query, the cheapest of the best is always right.
        let cost = Array2::from_shape_fn(quality.dim(), |(row, model)| model as f64 * 10.0 + (row % 7) as f64);
        let truth = Truth::new(quality.view(), cost.view()).unwrap();
        let result = evaluate(&truth, &oracle(&truth), &EvaluationOptions::default()).unwrap();
        prop_assert_eq!((value(&result, "rci"), value(&result, "rci_wasteful"), value(&result, "rci_wrong")), (0.0, 0.0, 0.0));
        prop_assert_eq!(value(&result, "regret"), 0.0);
    }

    #[test]
    fn a_bootstrap_interval_contains_its_mean_and_repeats(
        values in prop::collection::vec(0.0_f64..1.0, 1..60),
        seed in any::<u64>(),
    ) {
        let first = bootstrap::mean(&values, 400, seed).unwrap();
        prop_assert!(first.low <= first.mean + 1e-12 && first.mean <= first.high + 1e-12);
        prop_assert_eq!(first, bootstrap::mean(&values, 400, seed).unwrap());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    #[test]
    fn weighted_replicates_equal_evaluating_the_resampled_rows(
        case in prop_oneof![tied_case(), distinct_case()],
        rule in any_rule(),
        seed in any::<u64>(),
    ) {
        let truth = case.truth();
        let options = EvaluationOptions { rule, budgets: Budgets::Quantiles(12), ..Default::default() };
        let full = evaluate(&truth, &case.scores, &options).unwrap();
        let sweep = Sweep::new(&truth, &case.scores, &options).unwrap();
        let replicates = sweep.replicates(6, seed, None).unwrap();
        for metric in Metric::resampled() {
            let mean = replicates.interval(metric).unwrap().mean;
            prop_assert!(close(mean, full.get(metric).unwrap()), "{}", metric.name);
        }
        let fixed = EvaluationOptions {
            budgets: Budgets::Grid(options.budgets.resolve(case.scores.cost.view())),
            // Which models are strongest is held fixed.
            strongest: Strongest::Models(full.strongest.clone()),
            ..options.clone()
        };
        for replicate in 0..6 {
            let rows = bootstrap::resample(case.quality.nrows(), seed, replicate);
            let drawn = case.select(Axis(0), &rows);
            let brute = evaluate(&drawn.truth(), &drawn.scores, &fixed).unwrap();
            for metric in Metric::resampled() {
                let fast = replicates.draws(metric).unwrap()[replicate as usize];
                let slow = brute.get(metric).unwrap();
                prop_assert!(close(fast, slow), "{}: {} and {}", metric.name, fast, slow);
            }
        }
    }
}
