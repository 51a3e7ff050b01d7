//! One price for the mean of all queries, and a cap on each.
//!
//! With the budget `B` a query's affordable models are those with `ĉ <= κ B`: in ascending order of `ĉ`, one joins after another,
//! and the hull is built just so, point by point from the left. Every edge is there from the budget with which its right end joins
//! to the one with which a later model makes it superfluous. A query begins at its cheapest model, whether that is affordable or
//! not, so that only edges change the mean. Edges go to buckets of descending slopes; what the edges of a bucket add to the mean at
//! every budget says in which bucket the mean meets the budget, and only the edges there are put in order.

use rayon::prelude::*;
use routelab_kernels::vectorised;

use super::candidates::{Candidate, Candidates};
use super::hull::{Corner, Hull};
use super::scale_of;
use crate::buckets::{Buckets, Ranges};
use crate::descent::Ladder;
use crate::exact::FixedPoint;
use crate::path::{Change, Paths};
use crate::{Rule, Scores};

/// The decision on some queries, before budgets are known.
pub(super) struct Capped<'a> {
    scores: &'a Scores,
    rule: &'a Rule,
    /// The queries block by block.
    pub candidates: Vec<Candidates>,
    scale: FixedPoint,
}

/// A step along a hull, at the budgets from one position up to another.
#[derive(Clone, Copy, Default)]
struct Edge {
    slope: f64,
    from: u32,
    to: u32,
    /// The difference in `ĉ`, in the unit of the scale.
    step: i128,
}

impl Edge {
    /// Slopes are above 0, where bits are in the order of numbers: descending.
    fn key(&self) -> i64 {
        -(self.slope.to_bits() as i64)
    }
}

/// The most that models may cost at every budget, to be searched.
struct Limits {
    count: usize,
    highest: f64,
    ladder: Ladder,
}

impl Limits {
    /// For each of `candidates`, ascending in `ĉ`, the position of the first limit that affords it, while there is one.
    fn joins(&self, candidates: &[Candidate], joins: &mut Vec<usize>) {
        joins.clear();
        let affordable = candidates.iter().take_while(|one| one.cost <= self.highest);
        vectorised(
            #[inline(always)]
            || joins.extend(affordable.map(|one| self.ladder.first_at_least(one.cost))),
        );
    }
}

impl<'a> Capped<'a> {
    /// The rule has a cap.
    pub fn new(scores: &'a Scores, rule: &'a Rule) -> Self {
        Self {
            scores,
            rule,
            candidates: Candidates::blocks(scores, rule).collect(),
            scale: scale_of(scores),
        }
    }

    /// `budgets` are not empty.
    fn limits(&self, budgets: &[f64]) -> Limits {
        let limit = |&budget: &f64| self.rule.decision.limit(budget);
        let limits: Vec<f64> = budgets.iter().map(limit).collect();
        Limits {
            count: limits.len(),
            highest: limits[limits.len() - 1],
            ladder: Ladder::new(&limits),
        }
    }

    /// The `ĉ` of every query's cheapest model, added up in the unit of [`scale_of`], and all edges at `budgets`, block by block.
    fn edges(&self, budgets: &[f64]) -> (i128, Vec<Vec<Edge>>) {
        let (scale, limits) = (self.scale, self.limits(budgets));
        let block = |candidates: &Candidates| {
            let (mut cheapest, mut edges, mut hull) = (0, Vec::new(), Hull::default());
            let mut joins = Vec::new();
            for (_, candidates) in candidates.queries() {
                cheapest += scale.encode(candidates[0].cost);
                hull.corners.clear();
                let mut leaves = |from: Corner, edge: Corner, to: usize| {
                    if edge.joined < to {
                        edges.push(Edge {
                            slope: edge.slope,
                            from: edge.joined as u32,
                            to: to as u32,
                            step: scale.encode(edge.candidate.cost)
                                - scale.encode(from.candidate.cost),
                        });
                    }
                };
                limits.joins(candidates, &mut joins);
                for (&candidate, &joined) in candidates.iter().zip(&joins) {
                    hull.join(candidate, joined, &mut leaves);
                }
                for edge in hull.corners.windows(2) {
                    leaves(edge[0], edge[1], limits.count);
                }
            }
            (cheapest, edges)
        };
        let found: Vec<(i128, Vec<Edge>)> = self.candidates.par_iter().map(block).collect();
        let (cheapest, edges): (Vec<i128>, _) = found.into_iter().unzip();
        (cheapest.iter().sum(), edges)
    }

    /// The price at every budget, ascending and not empty. `O(N M log M)` and, for `K` budgets, `O(K² log K)`.
    pub fn prices(&self, budgets: &[f64]) -> Vec<Option<f64>> {
        let scale = self.scale;
        let (cheapest, found) = self.edges(budgets);
        // As many edges in a bucket as keep the sums of all buckets at all budgets below the edges themselves.
        let size = (2 * budgets.len()).max(256);
        let count = found.iter().map(Vec::len).sum();
        let sample = found.iter().flat_map(|edges| edges.iter().step_by(61));
        let sample: Vec<i64> = sample.map(Edge::key).collect();
        let part = found.len().div_ceil(Buckets::<Edge>::parts_for(count));
        let edges = Buckets::new(
            found.par_chunks(part.max(1)),
            |edges| edges.iter().flatten().copied(),
            Edge::key,
            Ranges::of(sample, count, size),
        );

        // The mean at every budget with the edges of all buckets up to one.
        let of_bucket = |bucket: usize| {
            let mut sums = vec![0_i128; budgets.len() + 1];
            for edge in edges.of(bucket).flatten() {
                sums[edge.from as usize] += edge.step;
                sums[edge.to as usize] -= edge.step;
            }
            let mut sum = 0;
            for at in &mut sums {
                sum += *at;
                *at = sum;
            }
            sums
        };
        let buckets = (0..edges.count()).into_par_iter();
        let mut sums: Vec<Vec<i128>> = buckets.map(of_bucket).collect();
        let mut before = vec![cheapest; budgets.len() + 1];
        for sums in &mut sums {
            for (sum, before) in sums.iter_mut().zip(&mut before) {
                *sum += *before;
                *before = *sum;
            }
        }

        let price = |(at, &budget): (usize, &f64)| {
            let fits = |sum: i128| scale.mean(sum, self.scores.queries()) <= budget;
            if !fits(cheapest) {
                return None;
            }
            // No step is negative.
            let bucket = sums.partition_point(|sums| fits(sums[at]));
            if bucket == sums.len() {
                return Some(0.0);
            }
            let present = |edge: &&Edge| (edge.from..edge.to).contains(&(at as u32));
            let mut crossed: Vec<&Edge> = edges.of(bucket).flatten().filter(present).collect();
            crossed.sort_unstable_by_key(|edge| edge.key());
            let mut sum = bucket
                .checked_sub(1)
                .map_or(cheapest, |last| sums[last][at]);
            // Equal slopes are crossed together or not at all.
            let mut slopes = crossed.chunk_by(|a, b| a.slope == b.slope);
            let first_out = slopes.find(|tied| {
                sum += tied.iter().map(|edge| edge.step).sum::<i128>();
                !fits(sum)
            });
            first_out.map(|tied| tied[0].slope)
        };
        budgets.par_iter().enumerate().map(price).collect()
    }

    /// The choices at `budgets` and their `prices`, block by block, each with its first row. `O(N M log M + N K)`.
    pub fn blocks(
        &self,
        budgets: &[f64],
        prices: Vec<Option<f64>>,
    ) -> impl ParallelIterator<Item = (usize, Paths)> {
        let limits = self.limits(budgets);
        // There is a price from some budget on.
        let priced = prices.partition_point(Option::is_none);
        let prices: Vec<f64> =
            (prices.iter().map(|price| price.unwrap_or(f64::INFINITY))).collect();
        self.candidates.par_iter().map(move |block| {
            let (mut paths, mut hull) = (Paths::with(Vec::new()), Hull::default());
            let (mut joins, mut changes) = (Vec::new(), Vec::<Change>::new());
            for (unaffordable, candidates) in block.queries() {
                let mut choice = unaffordable;
                hull.corners.clear();
                limits.joins(candidates, &mut joins);
                let mut joining = candidates.iter().zip(joins.iter().copied()).peekable();
                let mut at = joins
                    .first()
                    .map_or(limits.count, |&first| first.max(priced));
                while at < limits.count {
                    while let Some((&candidate, joined)) = joining.next_if(|next| next.1 <= at) {
                        hull.join(candidate, joined, |_, _, _| ());
                    }
                    let next = joining.peek().map_or(limits.count, |next| next.1);
                    let corner = hull.at(prices[at]);
                    let model = hull.corners[corner].candidate.model;
                    if choice != model {
                        choice = model;
                        changes.push((at, model));
                    }
                    // Until its edges are crossed or a model joins.
                    let above = (hull.corners.get(corner + 1)).map_or(0.0, |next| next.slope);
                    let below = hull.corners[corner].slope;
                    let other = |&price: &f64| price < above || (price >= below && corner > 0);
                    let stays = prices[at..next].iter().position(other);
                    at = stays.map_or(next, |stays| at + stays);
                }
                let mut changes = changes.drain(..).peekable();
                let first = changes
                    .next_if(|change| change.0 == 0)
                    .map_or(unaffordable, |change| change.1);
                paths.push_path(first, changes);
            }
            (block.row, paths)
        })
    }
}
