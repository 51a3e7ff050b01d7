//! The decision `argmax q̂ - λ ĉ` with one price `λ` for all queries, at every mean budget at once.
//!
//! As the price falls from infinity to 0, a query walks along the upper convex hull of its points `(ĉ, q̂)`, from its
//! cheapest model to its best one: it crosses an edge once `λ` falls below the edge's slope `Δq̂ / Δĉ`. So the edges of all
//! queries in descending order of slope are the whole family of decisions, and a budget is a place in that list.

use rayon::prelude::*;

use crate::exact::FixedPoint;
use crate::path::{GrowingPath, Paths};
use crate::rule::{ByCost, Candidate, fallback};

use crate::{Rule, Scores};

/// What one query can be given.
struct Row {
    /// While the budget is below the mean of the cheapest models.
    unaffordable: usize,
    /// Models in ascending order of both `ĉ` and `q̂`, with descending slopes between them.
    hull: Vec<usize>,
}

/// A step along the hull of a query.
struct Edge {
    row: usize,
    slope: f64,
    from: usize,
    to: usize,
}

/// Every query's choices over `budgets`, ascending and not empty. `O(N M (log N M + log K))`.
pub(crate) fn paths(scores: &Scores, budgets: &[f64], rule: &Rule) -> Paths {
    let rows: Vec<Row> = (0..scores.queries())
        .into_par_iter()
        .with_min_len(256)
        .map_init(ByCost::default, |by_cost, row| {
            let order = by_cost.of(scores, row);
            Row {
                unaffordable: fallback(rule, order),
                hull: hull(scores, row, order),
            }
        })
        .collect();
    let mut edges: Vec<Edge> = (rows.iter().enumerate())
        .flat_map(|(row, models)| {
            models.hull.windows(2).map(move |pair| Edge {
                row,
                slope: slope(scores, row, pair[0], pair[1]),
                from: pair[0],
                to: pair[1],
            })
        })
        .collect();
    // The sort is stable, and slopes descend along a hull: the edges of one query stay in order.
    edges.sort_by(|a, b| b.slope.total_cmp(&a.slope));

    let scale = FixedPoint::for_sum_of(scores.queries(), scores.cost.view());
    let cost = |row: usize, model: usize| scale.encode(scores.cost[[row, model]]);
    // The position of the first budget that is not below the mean.
    let affordable_at = |sum: i128| {
        let mean = scale.mean(sum, scores.queries());
        budgets.partition_point(|&budget| budget < mean)
    };
    let cheapest = rows.iter().enumerate().map(|(row, r)| cost(row, r.hull[0]));
    let mut sum: i128 = cheapest.sum();
    let start = affordable_at(sum);
    let mut rows: Vec<GrowingPath> = rows
        .iter()
        .map(|row| {
            let mut path = GrowingPath::starting_with(row.unaffordable);
            if start < budgets.len() {
                path.push(start, row.hull[0]);
            }
            path
        })
        .collect();
    let mut prices = vec![None; budgets.len()];
    let mut priced = start;
    // No price is between equal slopes: such edges are crossed together or not at all.
    for tied in edges.chunk_by(|a, b| a.slope == b.slope) {
        for edge in tied {
            sum += cost(edge.row, edge.to) - cost(edge.row, edge.from);
        }
        let at = affordable_at(sum);
        // At a price equal to the slope both ends are worth the same, and the cheaper one is kept.
        prices[priced..at].fill(Some(tied[0].slope));
        priced = at;
        if at == budgets.len() {
            break;
        }
        for edge in tied {
            rows[edge.row].push(at, edge.to);
        }
    }
    prices[priced..].fill(Some(0.0));
    let mut paths = Paths::with(prices);
    rows.iter().for_each(|path| paths.push(path));
    paths
}

/// The models that are best at some price, from the dearest price to price 0; `order` is ascending in `ĉ`. Of models on one
/// straight line only the ends are, since equal values go to the cheaper one.
fn hull(scores: &Scores, row: usize, order: &[Candidate]) -> Vec<usize> {
    let quality = |model: usize| scores.quality[[row, model]];
    let mut hull: Vec<usize> = Vec::new();
    for &Candidate { model, .. } in order {
        if (hull.last()).is_some_and(|&last| quality(model) <= quality(last)) {
            continue;
        }
        while let [.., before, last] = hull[..]
            && slope(scores, row, before, last) <= slope(scores, row, last, model)
        {
            hull.pop();
        }
        hull.push(model);
    }
    hull
}

/// `Δq̂ / Δĉ`, above 0; no difference is infinite, so that no slope is undefined.
fn slope(scores: &Scores, row: usize, from: usize, to: usize) -> f64 {
    let rise = scores.quality[[row, to]] - scores.quality[[row, from]];
    let run = scores.cost[[row, to]] - scores.cost[[row, from]];
    rise.min(f64::MAX) / run.min(f64::MAX)
}
