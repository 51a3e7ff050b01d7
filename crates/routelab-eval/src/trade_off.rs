//! The decision `argmax q̂ - λ ĉ` with one price `λ` for all queries, at every mean budget at once.
//!
//! As the price falls from infinity to 0, a query walks along the upper convex hull of its points `(ĉ, q̂)`, from its
//! cheapest model to its best one: it crosses an edge once `λ` falls below the edge's slope `Δq̂ / Δĉ`. So the edges of all
//! queries in descending order of slope are the whole family of decisions, and a budget is a place in that list.

use rayon::prelude::*;

use crate::exact::FixedPoint;
use crate::matrices::largest_magnitude;
use crate::path::{GrowingPath, Paths};
use crate::rule::{ascending, order_key};
use crate::{Infeasible, Rule, Scores};

/// What one query can be given.
struct Row {
    /// While the budget is below the mean of the cheapest models.
    unaffordable: usize,
    /// Models in ascending order of both `ĉ` and `q̂`, with descending slopes between them.
    hull: Vec<Candidate>,
}

/// A step along the hull of a query.
struct Edge {
    row: usize,
    slope: f64,
    from: Candidate,
    to: Candidate,
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
                hull: hull(order),
            }
        })
        .collect();
    let mut edges: Vec<Edge> = (rows.iter().enumerate())
        .flat_map(|(row, models)| {
            models.hull.windows(2).map(move |pair| Edge {
                row,
                slope: slope(pair[0], pair[1]),
                from: pair[0],
                to: pair[1],
            })
        })
        .collect();
    // The sort is stable, and slopes descend along a hull: the edges of one query stay in order.
    edges.sort_by(|a, b| b.slope.total_cmp(&a.slope));

    let scale = FixedPoint::for_sum_of(scores.queries(), largest_magnitude(scores.cost.view()));
    let cost = |candidate: Candidate| scale.encode(candidate.cost);
    // The position of the first budget that is not below the mean.
    let affordable_at = |sum: i128| {
        let mean = scale.mean(sum, scores.queries());
        budgets.partition_point(|&budget| budget < mean)
    };
    let mut sum: i128 = rows.iter().map(|row| cost(row.hull[0])).sum();
    let start = affordable_at(sum);
    let mut rows: Vec<GrowingPath> = rows
        .iter()
        .map(|row| {
            let mut path = GrowingPath::starting_with(row.unaffordable);
            if start < budgets.len() {
                path.push(start, row.hull[0].model);
            }
            path
        })
        .collect();
    let mut prices = vec![None; budgets.len()];
    let mut priced = start;
    // No price is between equal slopes: such edges are crossed together or not at all.
    for tied in edges.chunk_by(|a, b| a.slope == b.slope) {
        for edge in tied {
            sum += cost(edge.to) - cost(edge.from);
        }
        let at = affordable_at(sum);
        // At a price equal to the slope both ends are worth the same, and the cheaper one is kept.
        prices[priced..at].fill(Some(tied[0].slope));
        priced = at;
        if at == budgets.len() {
            break;
        }
        for edge in tied {
            rows[edge.row].push(at, edge.to.model);
        }
    }
    prices[priced..].fill(Some(0.0));
    let mut paths = Paths::with(prices);
    rows.iter().for_each(|path| paths.push(path));
    paths
}

/// The models that are best at some price, from the dearest price to price 0; `order` is ascending in `ĉ`. Of models on one
/// straight line only the ends are, since equal values go to the cheaper one.
fn hull(order: &[Candidate]) -> Vec<Candidate> {
    let mut hull: Vec<Candidate> = Vec::new();
    for &candidate in order {
        if (hull.last()).is_some_and(|last| candidate.quality <= last.quality) {
            continue;
        }
        while let [.., before, last] = hull[..]
            && slope(before, last) <= slope(last, candidate)
        {
            hull.pop();
        }
        hull.push(candidate);
    }
    hull
}

/// `Δq̂ / Δĉ`, above 0; no difference is infinite, so that no slope is undefined.
fn slope(from: Candidate, to: Candidate) -> f64 {
    let (rise, run) = (to.quality - from.quality, to.cost - from.cost);
    rise.min(f64::MAX) / run.min(f64::MAX)
}

/// What is predicted about a model for one query.
#[derive(Clone, Copy)]
struct Candidate {
    model: usize,
    quality: f64,
    cost: f64,
}

/// Space for the models of a query in order, so that nothing is allocated once per query.
#[derive(Default)]
struct ByCost {
    keys: Vec<u64>,
    order: Vec<Candidate>,
}

impl ByCost {
    /// The models of a query in ascending order of `ĉ`; of equal ones the larger `q̂` first, then the smaller index.
    fn of(&mut self, scores: &Scores, row: usize) -> &[Candidate] {
        // Integers are sorted without branches: the cost but for its last bits, where the model stands.
        let mask = (scores.models() as u64).next_power_of_two() - 1;
        let costs = scores.cost.row(row);
        self.keys.clear();
        self.keys
            .extend((costs.iter().zip(0_u64..)).map(|(&cost, model)| {
                // Signed order as unsigned order.
                let key = order_key(cost) as u64 ^ (1 << 63);
                (key & !mask) | model
            }));
        self.keys.sort_unstable();
        self.order.clear();
        self.order.extend(self.keys.iter().map(|key| {
            let model = (key & mask) as usize;
            Candidate {
                model,
                quality: scores.quality[[row, model]],
                cost: scores.cost[[row, model]],
            }
        }));
        // Nearly always done already.
        self.order.sort_by(|a, b| {
            ascending(a.cost, b.cost)
                .then_with(|| ascending(b.quality, a.quality))
                .then(a.model.cmp(&b.model))
        });
        &self.order
    }
}

/// The choice of a query while nothing is affordable; `order` from [`ByCost::of`].
fn fallback(rule: &Rule, order: &[Candidate]) -> usize {
    match rule.infeasible {
        Infeasible::First => 0,
        Infeasible::Cheapest => {
            let cheapest = order_key(order[0].cost);
            let equal = (order.iter()).take_while(|model| order_key(model.cost) == cheapest);
            equal.map(|model| model.model).min().unwrap_or(0)
        }
    }
}
