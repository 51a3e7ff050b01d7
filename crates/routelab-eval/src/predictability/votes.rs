//! What the neighbours of one query say.

use ndarray::ArrayView1;

use crate::Truth;
use crate::exact::ExactTruth;
use crate::rule::ascending;

/// The really cheapest truly best model of every query; of equal costs the smaller index.
pub(super) fn labels(truth: &Truth) -> Vec<usize> {
    (truth.quality.rows().into_iter())
        .zip(truth.cost.rows())
        .map(|(quality, cost)| {
            (1..quality.len()).fold(0, |best, m| {
                let better = ascending(quality[best], quality[m])
                    .then(ascending(cost[m], cost[best]))
                    .is_lt();
                if better { m } else { best }
            })
        })
        .collect()
}

/// Whether some model is truly best on both queries.
pub(super) fn share_a_best(truth: &Truth, labels: &[usize], row: usize, other: usize) -> bool {
    let (here, there) = (truth.quality.row(row), truth.quality.row(other));
    (here.iter().zip(there)).any(|(q, p)| *q == here[labels[row]] && *p == there[labels[other]])
}

/// The `k` nearest others of a query, for one `k`.
#[derive(Clone, Copy)]
pub(super) struct Vote {
    /// Neighbours with another label.
    pub disagreeing: usize,
    /// Neighbours without a truly best model in common.
    pub disjoint: usize,
    /// Whether the commonest label is not the query's.
    pub is_wrong: bool,
    /// The model that is best on the neighbours; see [`super::AtCount::quality`].
    pub policy: usize,
}

/// One vote per number in `counts`, with the models' `totals` of quality over all queries. The counts are ascending and at most as many as there are `neighbours`, nearest first.
pub(super) fn votes(
    row: usize,
    neighbours: ArrayView1<usize>,
    truth: &Truth,
    exact: &ExactTruth,
    totals: &[i128],
    labels: &[usize],
    counts: &[usize],
) -> Vec<Vote> {
    let models = 0..exact.models();
    // Exact sums, or equally good models would be told apart by rounding.
    let (mut quality, mut cost) = (vec![0_i128; models.len()], vec![0_i128; models.len()]);
    let mut named = vec![0_usize; models.len()];
    let (mut disagreeing, mut disjoint, mut seen) = (0, 0, 0);
    (counts.iter())
        .map(|&k| {
            for &other in neighbours.slice(ndarray::s![seen..k]) {
                for m in models.clone() {
                    quality[m] += exact.quality(other, m);
                    cost[m] += exact.cost(other, m);
                }
                named[labels[other]] += 1;
                disagreeing += usize::from(labels[other] != labels[row]);
                disjoint += usize::from(!share_a_best(truth, labels, row, other));
            }
            seen = k;
            let most = named.iter().copied().max();
            let commonest = (neighbours.iter().map(|&other| labels[other]))
                .find(|&label| Some(named[label]) == most);
            // On all queries but this one, where the neighbours have no preference.
            let elsewhere = |m: usize| totals[m] - exact.quality(row, m);
            let policy = (models.clone()).min_by(|&a, &b| {
                (quality[b].cmp(&quality[a]))
                    .then(elsewhere(b).cmp(&elsewhere(a)))
                    .then(cost[a].cmp(&cost[b]))
            });
            Vote {
                disagreeing,
                disjoint,
                is_wrong: commonest != Some(labels[row]),
                policy: policy.unwrap_or(0),
            }
        })
        .collect()
}
