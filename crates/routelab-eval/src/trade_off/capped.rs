//! One price for the mean of all queries, and a cap on each.
//!
//! With the budget `B` a query's affordable models are those with `ĉ <= κ B`: in ascending order of `ĉ`, one joins after another,
//! and the hull is built just so, point by point from the left. Every edge is there from the budget with which its right end joins
//! to the one with which a later model makes it superfluous. A query begins at its cheapest model, whether that is affordable or
//! not, so that only edges change the mean. Over ascending budgets edges come and go in a list that is sorted by slope once; the
//! place where the mean meets the budget is found by sums over parts of that list.

use std::cmp::Reverse;

use rayon::prelude::*;

use super::{BLOCK, ByCost, Candidate, fallback, scale_of, slope};
use crate::path::{Change, Paths};
use crate::{Rule, Scores};

/// The decision on some queries, before budgets are known.
pub(super) struct Capped<'a> {
    scores: &'a Scores,
    rule: &'a Rule,
}

/// A step along a hull, at the budgets from one position up to another. Few bytes are sorted fast.
struct Edge {
    slope: f64,
    /// `ĉ` at its ends.
    costs: [f64; 2],
    from: u32,
    to: u32,
}

/// An edge comes or goes.
#[derive(Clone, Copy, Default)]
struct Event {
    edge: u32,
    /// The rank of its slope.
    rank: u32,
    comes: bool,
}

/// Slopes whose sums are added up together.
const PART: usize = 256;

impl<'a> Capped<'a> {
    /// The rule has a cap.
    pub fn new(scores: &'a Scores, rule: &'a Rule) -> Self {
        Self { scores, rule }
    }

    /// The position of the first of `limits` that affords `cost`; their number if none does.
    fn joins(limits: &[f64], cost: f64) -> usize {
        limits.partition_point(|&limit| limit < cost)
    }

    fn limits(&self, budgets: &[f64]) -> Vec<f64> {
        let limit = |&budget: &f64| self.rule.decision.limit(budget);
        budgets.iter().map(limit).collect()
    }

    /// The price at every budget, ascending. `O(N M log N M + K N^½)`.
    pub fn prices(&self, budgets: &[f64]) -> Vec<Option<f64>> {
        let (scores, limits) = (self.scores, self.limits(budgets));
        let scale = scale_of(scores);
        let starts = (0..scores.queries()).into_par_iter().step_by(BLOCK);
        let block = |start: usize| {
            let (mut by_cost, mut hull) = (ByCost::default(), Hull::default());
            let (mut cheapest, mut edges) = (0, Vec::new());
            for row in start..scores.queries().min(start + BLOCK) {
                let order = by_cost.of(scores, row);
                cheapest += scale.encode(order[0].cost);
                hull.corners.clear();
                let mut leaves = |from: Corner, edge: Corner, to: usize| {
                    if edge.joined < to {
                        edges.push(Edge {
                            slope: edge.slope,
                            costs: [from.candidate.cost, edge.candidate.cost],
                            from: edge.joined as u32,
                            to: to as u32,
                        });
                    }
                };
                for &candidate in order {
                    let joined = Self::joins(&limits, candidate.cost);
                    if joined == limits.len() {
                        break;
                    }
                    hull.join(candidate, joined, &mut leaves);
                }
                for edge in hull.corners.windows(2) {
                    leaves(edge[0], edge[1], limits.len());
                }
            }
            (cheapest, edges)
        };
        let blocks: Vec<(i128, Vec<Edge>)> = starts.map(block).collect();
        let cheapest: i128 = blocks.iter().map(|block| block.0).sum();
        let mut edges: Vec<Edge> = blocks.into_iter().flat_map(|block| block.1).collect();
        // Slopes are above 0, where bits are in the order of numbers.
        edges.par_sort_unstable_by_key(|edge| Reverse(edge.slope.to_bits()));

        // What comes and goes, position by position: first how much, then where the next one stands, in the end where they end.
        let mut ends = vec![0; budgets.len() + 1];
        for edge in &edges {
            ends[edge.from as usize] += 1;
            ends[edge.to as usize] += 1;
        }
        let mut total = 0;
        for end in &mut ends {
            total += std::mem::replace(end, total);
        }
        let mut slopes: Vec<f64> = Vec::new();
        let mut events = vec![Event::default(); total];
        for (index, edge) in edges.iter().enumerate() {
            if slopes.last() != Some(&edge.slope) {
                slopes.push(edge.slope);
            }
            let rank = slopes.len() as u32 - 1;
            for (at, comes) in [(edge.from, true), (edge.to, false)] {
                let next = &mut ends[at as usize];
                events[*next] = Event {
                    edge: index as u32,
                    rank,
                    comes,
                };
                *next += 1;
            }
        }
        let mut sums = vec![0_i128; slopes.len()];
        let mut parts = vec![0_i128; slopes.len().div_ceil(PART)];
        let mut start = 0;
        (budgets.iter().zip(&ends))
            .map(|(&budget, &end)| {
                for event in &events[std::mem::replace(&mut start, end)..end] {
                    let [low, high] = edges[event.edge as usize].costs.map(|c| scale.encode(c));
                    let cost = if event.comes { high - low } else { low - high };
                    let rank = event.rank as usize;
                    sums[rank] += cost;
                    parts[rank / PART] += cost;
                }
                let fits = |sum: i128| scale.mean(sum, scores.queries()) <= budget;
                let mut sum = cheapest;
                if !fits(sum) {
                    return None;
                }
                // No sum is negative: whole parts first, then slope by slope. Equal slopes are crossed together or not at all.
                let mut part = 0;
                while part < parts.len() && fits(sum + parts[part]) {
                    sum += parts[part];
                    part += 1;
                }
                let mut rank = part * PART;
                while rank < slopes.len() && fits(sum + sums[rank]) {
                    sum += sums[rank];
                    rank += 1;
                }
                Some(slopes.get(rank).copied().unwrap_or(0.0))
            })
            .collect()
    }

    /// The choices at `budgets` and their `prices`, block by block, each with its first row. `O(N (M log M + K log M))`.
    pub fn blocks(
        &self,
        budgets: &[f64],
        prices: Vec<Option<f64>>,
    ) -> impl ParallelIterator<Item = (usize, Paths)> {
        let (scores, limits) = (self.scores, self.limits(budgets));
        let starts = (0..scores.queries()).into_par_iter().step_by(BLOCK);
        starts.map(move |start| {
            let (mut by_cost, mut hull) = (ByCost::default(), Hull::default());
            let (mut paths, mut changes) = (Paths::with(Vec::new()), Vec::<Change>::new());
            for row in start..scores.queries().min(start + BLOCK) {
                let order = by_cost.of(scores, row);
                let unaffordable = fallback(self.rule, order);
                hull.corners.clear();
                changes.clear();
                let mut next = 0;
                for (at, (price, &limit)) in prices.iter().zip(&limits).enumerate() {
                    while next < order.len() && order[next].cost <= limit {
                        hull.join(order[next], at, |_, _, _| ());
                        next += 1;
                    }
                    let choice = (price.and_then(|price| hull.at(price))).unwrap_or(unaffordable);
                    if changes.last().is_none_or(|last| last.1 != choice) {
                        changes.push((at, choice));
                    }
                }
                let mut changes = changes.drain(..);
                let first = changes.next().map_or(unaffordable, |(_, model)| model);
                paths.push_path(first, changes);
            }
            (start, paths)
        })
    }
}

/// A hull that grows to the right.
#[derive(Default)]
struct Hull {
    corners: Vec<Corner>,
}

#[derive(Clone, Copy)]
struct Corner {
    candidate: Candidate,
    /// From the corner before; infinite for the first.
    slope: f64,
    /// The position of the budget with which it joined.
    joined: usize,
}

impl Hull {
    /// A model joins that is not cheaper than those before. `leaves` hears of every edge that goes: the corner before, that at its
    /// end, and the position at which it does.
    fn join(
        &mut self,
        candidate: Candidate,
        joined: usize,
        mut leaves: impl FnMut(Corner, Corner, usize),
    ) {
        let new = |slope| Corner {
            candidate,
            slope,
            joined,
        };
        let Some(last) = self.corners.last() else {
            self.corners.push(new(f64::INFINITY));
            return;
        };
        if candidate.quality <= last.candidate.quality {
            return;
        }
        loop {
            let last = self.corners[self.corners.len() - 1];
            let to = slope(last.candidate, candidate);
            match self.corners[..] {
                [.., before, _] if last.slope <= to => {
                    leaves(before, last, joined);
                    self.corners.pop();
                }
                _ => {
                    self.corners.push(new(to));
                    return;
                }
            }
        }
    }

    /// The choice at a price; `None` without models.
    fn at(&self, price: f64) -> Option<usize> {
        // The slopes fall along the hull; the first corner needs none.
        let mut corners = self.corners.iter().enumerate().rev();
        let taken = corners.find(|&(at, corner)| at == 0 || corner.slope > price);
        taken.map(|(_, corner)| corner.candidate.model)
    }
}
