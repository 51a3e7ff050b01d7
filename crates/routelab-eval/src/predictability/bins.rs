//! Queries by distance to their nearest neighbour.

use serde::{Deserialize, Serialize};

use crate::bootstrap::Interval;
use crate::{EvalError, Neighbours};

/// Queries whose nearest neighbour is about equally far. Exact duplicates (distance 0) are a bin of their own, and equal
/// distances are never split, so bins may differ in size or be fewer than asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DistanceBin {
    /// Smallest Euclidean distance.
    pub low: f64,
    /// Largest Euclidean distance.
    pub high: f64,
    /// How many queries.
    pub queries: usize,
    /// Share with another label than their nearest neighbour.
    pub disagreement: Interval,
    /// Share of all other queries with another label, averaged over these: their disagreement if neighbours said nothing.
    /// Near and far queries come from different tasks, so bins are to be compared by how far they are below it.
    pub chance: f64,
    /// Share without a truly best model in common with it.
    pub disjoint: Interval,
    /// Mean quality lost by calling the neighbour's label: best real quality minus that of this model.
    pub regret: Interval,
}

/// Exact duplicates first, then `count` bins; `measure` makes one of its rows, its lowest and its highest distance.
pub(super) fn by_distance(
    neighbours: &Neighbours,
    count: usize,
    measure: impl Fn(&[usize], f64, f64) -> Result<DistanceBin, EvalError>,
) -> Result<Vec<DistanceBin>, EvalError> {
    let distance = neighbours.distance().column(0).to_vec();
    let mut order: Vec<usize> = (0..distance.len()).collect();
    order.sort_by(|&a, &b| distance[a].total_cmp(&distance[b]));
    let duplicates = order.partition_point(|&row| distance[row] == 0.0);
    let (same, apart) = order.split_at(duplicates);

    let mut ends: Vec<usize> = vec![0];
    for bin in 1..=count {
        let end = bin * apart.len() / count;
        // Equal distances stay together, in the bin of the first of them.
        let last = end.checked_sub(1).map(|last| distance[apart[last]]);
        let end = apart.partition_point(|&row| last.is_some_and(|last| distance[row] <= last));
        ends.push(end);
    }
    let bins = ends.windows(2).map(|pair| &apart[pair[0]..pair[1]]);
    (std::iter::once(same).chain(bins))
        .filter_map(|rows| {
            let (low, high) = (distance[*rows.first()?], distance[*rows.last()?]);
            Some(measure(rows, low, high))
        })
        .collect()
}
