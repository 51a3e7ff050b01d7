//! Neighbours and what they say: tables worked out by hand, and what holds for every table.

use ndarray::{Array2, Axis, array};
use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use routelab_eval::predictability::cover_hart;
use routelab_eval::{
    EvalError, Neighbours, Predictability, PredictabilityOptions, Truth, answer_noise,
    predictability,
};

use crate::common::near;

fn options(counts: &[usize], bins: usize) -> PredictabilityOptions {
    PredictabilityOptions {
        counts: counts.to_vec(),
        bins,
        replicates: 50,
        seed: 3,
    }
}

#[test]
fn neighbours_are_others_nearest_first_with_ties_to_the_smaller_index() {
    let x = array![[0.0_f32], [1.0], [3.0], [1.0], [2.0]];
    let found = Neighbours::find(x.view(), 3, None).unwrap();
    assert_eq!(
        found.index(),
        array![[1, 3, 4], [3, 0, 4], [4, 1, 3], [1, 0, 4], [1, 2, 3]]
    );
    assert_eq!(found.distance().row(1), array![0.0, 1.0, 1.0]);
    assert_eq!(found.distance().row(4), array![1.0, 1.0, 1.0]);

    // Rows 1 and 3 are one group: neither is a neighbour of the other.
    let found = Neighbours::find(x.view(), 3, Some(&[0, 1, 2, 1, 3])).unwrap();
    assert_eq!(found.index().row(1), array![0, 4, 2]);
    assert_eq!(found.index().row(3), array![0, 4, 2]);
    assert_eq!(found.index().row(0), array![1, 3, 4]);
}

#[test]
fn close_neighbours_far_from_the_origin_are_told_apart() {
    // Products in single precision lose all these differences.
    let x = Array2::from_shape_fn((300, 8), |(row, column)| {
        4096.0
            + if column == 3 {
                (row * row) as f32 / 1024.0
            } else {
                0.0
            }
    });
    let found = Neighbours::find(x.view(), 2, None).unwrap();
    for row in 3..299 {
        assert_eq!(found.index().row(row), array![row - 1, row + 1]);
        near(found.distance()[[row, 0]], (2 * row - 1) as f64 / 1024.0);
    }
}

#[test]
fn impossible_neighbours_are_refused() {
    let x = array![[0.0_f32], [1.0], [3.0]];
    let name = |result: Result<Neighbours, EvalError>| match result {
        Err(EvalError::Option { option, .. }) => option,
        other => panic!("{other:?}"),
    };
    assert_eq!(name(Neighbours::find(x.view(), 0, None)), "neighbours");
    assert_eq!(name(Neighbours::find(x.view(), 3, None)), "neighbours");
    let groups = |groups: &[usize], k| name(Neighbours::find(x.view(), k, Some(groups)));
    assert_eq!(groups(&[7, 7, 1], 2), "neighbours");
    assert_eq!(groups(&[7, 7, 7], 1), "neighbours");
    assert_eq!(groups(&[7, 7], 1), "groups");
    for bad in [f32::NAN, f32::INFINITY, 1e19] {
        let x = array![[0.0], [bad], [3.0]];
        assert_eq!(name(Neighbours::find(x.view(), 1, None)), "embeddings");
    }
    let none = Neighbours::find(Array2::zeros((3, 0)).view(), 1, None);
    assert!(matches!(none, Err(EvalError::Empty { .. })));
}

/// Six queries on a line, at 0, 1, 3, 7, 7 and 12, and three models of cost 1, 2 and 3.
///
/// | query | x | quality | truly best | label | nearest, second |
/// | --- | --- | --- | --- | --- | --- |
/// | 0 | 0 | 1 1 0 | 0 1 | 0 | 1, 2 |
/// | 1 | 1 | 0 1 0 | 1 | 1 | 0, 2 |
/// | 2 | 3 | 0 0 1 | 2 | 2 | 1, 0 |
/// | 3 | 7 | 1 0 0 | 0 | 0 | 4, 2 |
/// | 4 | 7 | 1 0 1 | 0 2 | 0 | 3, 2 |
/// | 5 | 12 | 0 0 .5 | 2 | 2 | 3, 4 |
fn line() -> (Neighbours, Array2<f64>, Array2<f64>) {
    let x = array![[0.0_f32], [1.0], [3.0], [7.0], [7.0], [12.0]];
    let quality = array![
        [1.0, 1.0, 0.0],
        [0.0, 1.0, 0.0],
        [0.0, 0.0, 1.0],
        [1.0, 0.0, 0.0],
        [1.0, 0.0, 1.0],
        [0.0, 0.0, 0.5],
    ];
    let cost = Array2::from_shape_fn((6, 3), |(_, model)| model as f64 + 1.0);
    let neighbours = Neighbours::find(x.view(), 2, None).unwrap();
    (neighbours, quality, cost)
}

#[test]
fn six_queries_on_a_line() {
    let (neighbours, quality, cost) = line();
    assert_eq!(
        neighbours.index(),
        array![[1, 2], [0, 2], [1, 0], [4, 2], [3, 2], [3, 4]]
    );
    let truth = Truth::new(quality.view(), cost.view()).unwrap();
    let found = predictability(&neighbours, &truth, &options(&[2, 1, 2], 2)).unwrap();

    assert_eq!(found.labels, [0, 1, 2, 0, 0, 2]);
    assert_eq!(found.classes, 3);
    // Labels 3, 1 and 2 times: 3·2 + 0 + 2·1 of 30 ordered pairs agree.
    near(found.chance, 22.0 / 30.0);
    near(found.majority_error, 0.5);
    // Queries 0, 1, 2 and 5 have another label than their nearest neighbour: d = 2/3 is all that three labels can have.
    near(found.bayes_upper.mean, 4.0 / 6.0);
    near(found.bayes_lower.mean, 2.0 / 3.0);
    assert!(found.bayes_lower.low <= found.bayes_lower.mean);

    near(found.oracle_quality, 5.5 / 6.0);
    near(found.oracle_cost, (1.0 + 2.0 + 3.0 + 1.0 + 1.0 + 3.0) / 6.0);
    assert_eq!(found.best_single_model, 0);
    near(found.best_single_quality, 0.5);
    near(found.best_single_cost, 1.0);

    let [one, two] = &found.counts[..] else {
        panic!("{:?}", found.counts)
    };
    assert_eq!((one.k, two.k), (1, 2));
    near(one.disagreement.mean, 4.0 / 6.0);
    near(one.vote_error.mean, 4.0 / 6.0);
    // Queries 0 and 1 have model 1 in common, 3 and 4 model 0; 2 and 5 have nothing in common with theirs.
    near(one.disjoint.mean, 2.0 / 6.0);
    // Policy: 1; 0 of 0 and 1, better elsewhere; 1; 2 of 0 and 2, since on the others they add up to 2 and 2.5; 0; 0.
    near(one.quality.mean, 2.0 / 6.0);
    near(one.cost, 10.0 / 6.0);
    near(one.recovered.unwrap().mean, (2.0 - 3.0) / (5.5 - 3.0));

    // Per query, of two neighbours: 2 2 2 1 1 2 have other labels.
    near(two.disagreement.mean, 10.0 / 12.0);
    // 0: only 2; 1: only 2; 2: both; 3: only 2; 4: none, as model 2 is best on 2 as well; 5: only 3.
    near(two.disjoint.mean, 6.0 / 12.0);
    // Every vote is a tie and goes to the nearest, but for query 5, with two votes for 0.
    near(two.vote_error.mean, 4.0 / 6.0);
    // Sums over neighbours: 0: (0 1 1) takes 2, with 2.5 elsewhere; 1: (1 1 1) takes 0, with 3; 2: (1 2 0) takes 1;
    // 3: (1 0 2) takes 2; 4: (1 0 1) takes 0, with 2 against 1.5; 5: (2 0 1) takes 0. Only query 4 earns.
    near(two.quality.mean, 1.0 / 6.0);
    near(two.cost, 11.0 / 6.0);
    near(two.recovered.unwrap().mean, (1.0 - 3.0) / (5.5 - 3.0));
    assert_eq!(found.best_count, 1);

    // Duplicates 3 and 4; then distances 1, 1 (0 and 1) and 2, 5 (2 and 5).
    let bins: Vec<_> = (found.by_distance.iter())
        .map(|bin| (bin.low, bin.high, bin.queries))
        .collect();
    assert_eq!(bins, [(0.0, 0.0, 2), (1.0, 1.0, 2), (2.0, 5.0, 2)]);
    let means = |at: usize| {
        let bin = &found.by_distance[at];
        (bin.disagreement.mean, bin.disjoint.mean, bin.regret.mean)
    };
    assert_eq!(means(0), (0.0, 0.0, 0.0));
    let chances: Vec<f64> = found.by_distance.iter().map(|bin| bin.chance).collect();
    assert_eq!(chances, [0.6, 0.8, 0.8]);
    // Query 0 loses nothing by the label of query 1, query 1 everything by that of query 0.
    assert_eq!(means(1), (1.0, 0.0, 0.5));
    assert_eq!(means(2), (1.0, 1.0, 0.75));

    let json = serde_json::to_string(&found).unwrap();
    assert_eq!(
        serde_json::from_str::<Predictability>(&json).unwrap(),
        found
    );
}

#[test]
fn equal_distances_share_a_bin() {
    let (neighbours, quality, cost) = line();
    let truth = Truth::new(quality.view(), cost.view()).unwrap();
    // Four queries in four bins: the first bin takes both of distance 1, and the second is left empty.
    let found = predictability(&neighbours, &truth, &options(&[1], 4)).unwrap();
    let sizes: Vec<usize> = found.by_distance.iter().map(|bin| bin.queries).collect();
    assert_eq!(sizes, [2, 2, 1, 1]);
}

#[test]
fn bad_requests_are_named() {
    let (neighbours, quality, cost) = line();
    let truth = Truth::new(quality.view(), cost.view()).unwrap();
    let name = |truth: &Truth, options: &PredictabilityOptions| match predictability(
        &neighbours,
        truth,
        options,
    ) {
        Err(EvalError::Option { option, .. }) => option,
        other => panic!("{other:?}"),
    };
    assert_eq!(name(&truth, &options(&[3], 2)), "counts");
    assert_eq!(name(&truth, &options(&[0, 1], 2)), "counts");
    assert_eq!(name(&truth, &options(&[], 2)), "counts");
    assert_eq!(name(&truth, &options(&[1], 0)), "bins");
    let mut without = options(&[1], 2);
    without.replicates = 0;
    assert_eq!(name(&truth, &without), "replicates");
    let (fewer, less) = (
        quality.select(Axis(0), &[0, 1]),
        cost.select(Axis(0), &[0, 1]),
    );
    let fewer = Truth::new(fewer.view(), less.view()).unwrap();
    assert_eq!(name(&fewer, &options(&[1], 2)), "neighbours");
}

#[test]
fn the_bound_of_cover_and_hart() {
    // Two labels: (1 - √(1 - 2 d)) / 2.
    near(cover_hart(0.32, 2), 0.2);
    near(cover_hart(0.5, 2), 0.5);
    near(cover_hart(0.9, 2), 0.5);
    // Three: 2/3 (1 - √(1 - 1.5 · 0.5)).
    near(cover_hart(0.5, 3), 1.0 / 3.0);
    near(cover_hart(0.0, 7), 0.0);
    near(cover_hart(0.0, 1), 0.0);
}

/// Qualities in which exactly the given model succeeds, and equal costs.
fn one_winner(labels: &[usize], models: usize) -> (Array2<f64>, Array2<f64>) {
    let shape = (labels.len(), models);
    let quality = Array2::from_shape_fn(shape, |(row, m)| f64::from(labels[row] == m));
    (quality, Array2::ones(shape))
}

#[test]
fn random_labels_disagree_by_chance_and_clusters_do_not() {
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    let (n, models) = (4_000, 4);
    let labels: Vec<usize> = (0..n).map(|_| rng.random_range(0..models)).collect();
    let noise = Array2::from_shape_fn((n, 6), |_| rng.random_range(-1.0_f32..1.0));
    let measure = |x: &Array2<f32>| {
        let neighbours = Neighbours::find(x.view(), 10, None).unwrap();
        let (quality, cost) = one_winner(&labels, models);
        let truth = Truth::new(quality.view(), cost.view()).unwrap();
        predictability(&neighbours, &truth, &options(&[1, 10], 5)).unwrap()
    };
    let random = measure(&noise);
    // d is 3/4 with a standard error of 0.007; the bound's slope is infinite there, so it is only near 3/4.
    assert!((random.bayes_upper.mean - 0.75).abs() < 0.03);
    assert!((random.chance - 0.75).abs() < 0.01);
    assert!(random.bayes_lower.mean > 0.6);
    assert!(random.counts[1].recovered.unwrap().mean.abs() < 0.05);
    for bin in &random.by_distance {
        assert!((bin.disagreement.mean - 0.75).abs() < 0.08);
    }

    let mut clustered = noise;
    for (mut row, &label) in clustered.rows_mut().into_iter().zip(&labels) {
        row[0] += 10.0 * label as f32;
    }
    let clear = measure(&clustered);
    assert_eq!((clear.bayes_lower.high, clear.bayes_upper.high), (0.0, 0.0));
    assert_eq!(clear.counts[1].vote_error.mean, 0.0);
    near(clear.counts[1].recovered.unwrap().mean, 1.0);
    assert_eq!((clear.best_count, clear.oracle_quality), (1, 1.0));
}

#[test]
fn groups_take_the_easy_neighbours_away() {
    // Pairs of duplicates with equal labels, far from everything else; pairs alternate between two models.
    let x = Array2::from_shape_fn((20, 1), |(row, _)| (row / 2) as f32);
    let labels: Vec<usize> = (0..20).map(|row| row / 2 % 2).collect();
    let groups: Vec<usize> = (0..20).map(|row| row / 2).collect();
    let (quality, cost) = one_winner(&labels, 2);
    let truth = Truth::new(quality.view(), cost.view()).unwrap();
    let d = |groups| {
        let neighbours = Neighbours::find(x.view(), 1, groups).unwrap();
        let found = predictability(&neighbours, &truth, &options(&[1], 3)).unwrap();
        (found.bayes_upper.mean, found.by_distance[0].high)
    };
    assert_eq!(d(None), (0.0, 0.0));
    assert_eq!(d(Some(&groups)), (1.0, 1.0));
}

#[test]
fn one_model_leaves_nothing_to_predict() {
    let x = array![[0.0_f32], [1.0], [2.0]];
    let (quality, cost) = one_winner(&[0, 0, 0], 1);
    let truth = Truth::new(quality.view(), cost.view()).unwrap();
    let neighbours = Neighbours::find(x.view(), 1, None).unwrap();
    let found = predictability(&neighbours, &truth, &options(&[1], 1)).unwrap();
    assert_eq!(
        (found.classes, found.chance, found.majority_error),
        (1, 0.0, 0.0)
    );
    assert_eq!((found.bayes_lower.mean, found.bayes_upper.mean), (0.0, 0.0));
    assert_eq!(found.counts[0].recovered, None);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn neighbours_equal_a_search_of_all_pairs(
        (x, groups) in (2_usize..200, 1_usize..12).prop_flat_map(|(n, d)| (
            prop::collection::vec(-3_i32..=3, n * d)
                .prop_map(move |v| Array2::from_shape_vec((n, d), v.iter().map(|&v| v as f32 * 0.37).collect()).unwrap()),
            prop::collection::vec(0_usize..n, n),
        )),
        k in 1_usize..6,
        grouped in any::<bool>(),
    ) {
        let n = x.nrows();
        let groups = grouped.then_some(&groups[..]);
        let mut all = Vec::new();
        for row in 0..n {
            let mut others: Vec<(f64, usize)> = (0..n)
                .filter(|&o| o != row && groups.is_none_or(|g| g[o] != g[row]))
                .map(|o| {
                    let squares = x.row(row).into_iter().zip(x.row(o)).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2));
                    (squares.sum(), o)
                })
                .collect();
            others.sort_by(|a, b| a.0.total_cmp(&b.0));
            all.push(others);
        }
        let found = Neighbours::find(x.view(), k, groups);
        if all.iter().any(|others| others.len() < k) {
            prop_assert!(found.is_err());
            return Ok(());
        }
        let found = found.unwrap();
        for (row, others) in all.iter().enumerate() {
            for (rank, other) in others.iter().take(k).enumerate() {
                // The sums here run in another order, which can part distances that are equal.
                let distance = found.distance()[[row, rank]];
                prop_assert!((distance - other.0.sqrt()).abs() < 1e-9);
                let named = found.index()[[row, rank]];
                prop_assert!(others.iter().any(|o| o.1 == named && (o.0.sqrt() - distance).abs() < 1e-9));
            }
            let mut named = found.index().row(row).to_vec();
            named.sort_unstable();
            named.dedup();
            prop_assert_eq!(named.len(), k);
        }
    }

    #[test]
    fn shares_and_bounds_are_in_range_and_the_order_of_models_does_not_matter(
        (x, quality, cost) in (6_usize..30, 1_usize..5).prop_flat_map(|(n, m)| (
            prop::collection::vec(0_i32..6, n * 2),
            prop::collection::vec(0_i32..=3, n * m),
            Just(n * m).prop_flat_map(|all| Just((1..=all).collect::<Vec<_>>()).prop_shuffle()),
        )),
        turn in 0_usize..5,
    ) {
        let n = x.len() / 2;
        let m = quality.len() / n;
        let x = Array2::from_shape_vec((n, 2), x.iter().map(|&v| v as f32).collect()).unwrap();
        let quality = Array2::from_shape_vec((n, m), quality.iter().map(|&v| f64::from(v) / 3.0).collect()).unwrap();
        // Distinct costs: nothing falls to an index.
        let cost = Array2::from_shape_vec((n, m), cost.iter().map(|&v| v as f64 + 1.0 / v as f64).collect()).unwrap();
        let neighbours = Neighbours::find(x.view(), 5, None).unwrap();
        let measure = |order: &[usize]| {
            let (quality, cost) = (quality.select(Axis(1), order), cost.select(Axis(1), order));
            let truth = Truth::new(quality.view(), cost.view()).unwrap();
            predictability(&neighbours, &truth, &options(&[1, 3, 5], 3)).unwrap()
        };
        let order: Vec<usize> = (0..m).map(|model| (model + turn) % m).collect();
        let (found, turned) = (measure(&(0..m).collect::<Vec<_>>()), measure(&order));

        prop_assert_eq!(found.by_distance.iter().map(|bin| bin.queries).sum::<usize>(), n);
        let chance: f64 = found.by_distance.iter().map(|bin| bin.chance * bin.queries as f64).sum();
        prop_assert!((chance / n as f64 - found.chance).abs() < 1e-12);
        prop_assert!(found.by_distance.windows(2).all(|pair| pair[0].high < pair[1].low));
        prop_assert!(found.bayes_lower.mean <= found.bayes_upper.mean + 1e-12);
        prop_assert_eq!(found.bayes_upper, found.counts[0].disagreement);
        prop_assert_eq!(found.bayes_upper, found.counts[0].vote_error);
        for at in &found.counts {
            prop_assert!(at.disjoint.mean <= at.disagreement.mean + 1e-12);
            prop_assert!((0.0..=1.0).contains(&at.disagreement.mean));
            prop_assert!(at.quality.mean <= found.oracle_quality + 1e-12);
            prop_assert!(at.recovered.is_none_or(|share| share.mean <= 1.0 + 1e-12));
        }

        prop_assert_eq!(&found.by_distance, &turned.by_distance);
        prop_assert_eq!((found.bayes_lower, found.chance, found.classes), (turned.bayes_lower, turned.chance, turned.classes));
        for (a, b) in found.counts.iter().zip(&turned.counts) {
            prop_assert_eq!((a.disagreement, a.disjoint, a.vote_error), (b.disagreement, b.disjoint, b.vote_error));
            prop_assert_eq!((a.quality, a.cost), (b.quality, b.cost));
        }
        let names: Vec<usize> = turned.labels.iter().map(|&label| order[label]).collect();
        prop_assert_eq!(&found.labels, &names);
    }
}

#[test]
fn answers_that_differ_are_worked_out_by_hand() {
    let cost = array![[1.0, 2.0], [1.0, 2.0]];
    let (first, second) = (
        array![[1.0, 0.0], [1.0, 1.0]],
        array![[0.0, 1.0], [1.0, 1.0]],
    );
    let truth = |quality| Truth::new(quality, cost.view()).unwrap();
    let answers = [truth(first.view()), truth(second.view())];
    let found = answer_noise(&answers, 50, 3).unwrap();
    assert_eq!(
        (found.answers, found.queries, found.best_single_model),
        (2, 2, 0)
    );
    near(found.variance.mean, 0.25);
    near(found.disagreement.mean, 0.5);
    near(found.oracle_seen.mean, 0.75);
    near(found.oracle_unseen.mean, 0.5);
    near(found.best_single_quality, 0.75);
    assert!(answer_noise(&answers[..1], 50, 3).is_err());
}

#[test]
fn the_true_oracle_lies_between_the_two() {
    let (queries, models) = (4000, 4);
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let chance = Array2::from_shape_fn((queries, models), |_| rng.random_range(0.0..1.0));
    let best = |row: ndarray::ArrayView1<f64>| row.iter().copied().fold(0.0, f64::max);
    let oracle = chance.rows().into_iter().map(best).sum::<f64>() / queries as f64;
    let variance = chance.mapv(|p: f64| p * (1.0 - p)).mean().unwrap();
    let cost = Array2::from_elem((queries, models), 1.0);
    for count in [2, 3, 6] {
        let answers: Vec<Array2<f64>> = (0..count)
            .map(|_| chance.mapv(|p| f64::from(u8::from(rng.random_range(0.0..1.0) < p))))
            .collect();
        let truths: Vec<Truth> = answers
            .iter()
            .map(|quality| Truth::new(quality.view(), cost.view()).unwrap())
            .collect();
        let found = answer_noise(&truths, 50, 3).unwrap();
        assert!(
            found.oracle_unseen.mean < oracle && oracle < found.oracle_seen.mean,
            "{count} answers: {found:?}, truly {oracle}"
        );
        assert!(
            (found.variance.mean - variance).abs() < 0.01,
            "{found:?}, truly {variance}"
        );
    }
}
