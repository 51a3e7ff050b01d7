//! The models that are worth their price, found for eight queries side by side.

use rayon::prelude::*;
use routelab_kernels::vectorised;

use crate::rule::{ascending, order_key};
use crate::{Infeasible, Rule, Scores};

/// Queries that are worked on together.
pub(super) const BLOCK: usize = 512;

/// Queries side by side.
const LANES: usize = 8;

/// What is predicted about a model for one query.
#[derive(Clone, Copy)]
pub(super) struct Candidate {
    pub model: usize,
    pub quality: f64,
    pub cost: f64,
}

/// The models of a block of queries that are better than all cheaper ones, query by query, ascending in both `ĉ` and `q̂`. No other
/// model is best at any price, whatever is affordable; of equal ones the smaller index is there.
#[derive(Default)]
pub(super) struct Candidates {
    /// The first query.
    pub row: usize,
    queries: Vec<Query>,
    models: Vec<Candidate>,
}

struct Query {
    /// What is taken while nothing is affordable.
    unaffordable: usize,
    /// Where its models end; they start where those of the query before end.
    end: usize,
}

impl Candidates {
    /// All queries, block by block.
    pub fn blocks<'a>(
        scores: &'a Scores,
        rule: &'a Rule,
    ) -> impl IndexedParallelIterator<Item = Self> + 'a {
        let starts = (0..scores.queries()).into_par_iter().step_by(BLOCK);
        starts.map(|start| Self::of_block(scores, rule, start))
    }

    /// For every query what is taken while nothing is affordable, and its models, at least one.
    pub fn queries(&self) -> impl Iterator<Item = (usize, &[Candidate])> {
        self.queries.iter().scan(0, |start, query| {
            let start = std::mem::replace(start, query.end);
            Some((query.unaffordable, &self.models[start..query.end]))
        })
    }

    fn of_block(scores: &Scores, rule: &Rule, start: usize) -> Self {
        let rows = start..scores.queries().min(start + BLOCK);
        let mut found = Self {
            row: start,
            ..Self::default()
        };
        let models = scores.models();
        let network = sorting_network(models);
        // Integers are sorted without branches: the cost but for its last bits, where the model stands.
        let mask = models.next_power_of_two() as i64 - 1;
        let mut keys = vec![[0_i64; LANES]; models];
        let mut order = Vec::with_capacity(models);
        for first in rows.clone().step_by(LANES) {
            let lanes = LANES.min(rows.end - first);
            for lane in 0..lanes {
                let costs = scores.cost.row(first + lane);
                for ((keys, &cost), model) in keys.iter_mut().zip(costs).zip(0..) {
                    keys[lane] = (order_key(cost) & !mask) | model;
                }
            }
            vectorised(
                #[inline(always)]
                || {
                    for &(low, high) in &network {
                        let (a, b) = (keys[low], keys[high]);
                        for lane in 0..LANES {
                            let less = a[lane] < b[lane];
                            keys[low][lane] = if less { a[lane] } else { b[lane] };
                            keys[high][lane] = if less { b[lane] } else { a[lane] };
                        }
                    }
                },
            );
            for lane in 0..lanes {
                let row = first + lane;
                let (quality, cost) = (scores.quality.row(row), scores.cost.row(row));
                order.clear();
                order.extend(keys.iter().map(|keys| {
                    let model = (keys[lane] & mask) as usize;
                    Candidate {
                        model,
                        quality: quality[model],
                        cost: cost[model],
                    }
                }));
                let close = |pair: &[[i64; LANES]]| (pair[0][lane] ^ pair[1][lane]) & !mask == 0;
                if keys.windows(2).any(close) {
                    order.sort_by(|a: &Candidate, b| {
                        ascending(a.cost, b.cost)
                            .then_with(|| ascending(b.quality, a.quality))
                            .then(a.model.cmp(&b.model))
                    });
                }
                found.push(&order, rule);
            }
        }
        found
    }

    /// Adds a query with its models in ascending order of `ĉ`; of equal ones the larger `q̂` first, then the smaller index.
    fn push(&mut self, order: &[Candidate], rule: &Rule) {
        // Written whether it is better or not, since whether it is cannot be foreseen.
        let start = self.models.len();
        let (mut end, mut best) = (start, f64::NEG_INFINITY);
        self.models.extend_from_slice(order);
        for &candidate in order {
            self.models[end] = candidate;
            let better = (candidate.quality > best) | (end == start);
            best = if better { candidate.quality } else { best };
            end += usize::from(better);
        }
        self.models.truncate(end);
        let unaffordable = match rule.infeasible {
            Infeasible::First => 0,
            Infeasible::Cheapest => {
                let cheapest = order_key(order[0].cost);
                let equal = (order.iter()).take_while(|model| order_key(model.cost) == cheapest);
                equal.map(|model| model.model).min().unwrap_or(0)
            }
        };
        self.queries.push(Query {
            unaffordable,
            end: self.models.len(),
        });
    }
}

/// Pairs of positions of `length` items that, each put in order one after another, sort them: Batcher's merge exchange (Knuth, The
/// Art of Computer Programming, volume 3, algorithm 5.2.2M).
fn sorting_network(length: usize) -> Vec<(usize, usize)> {
    let mut network = Vec::new();
    let top = length.next_power_of_two() / 2;
    let mut p = top;
    while p > 0 {
        let (mut q, mut r, mut d) = (top, 0, p);
        loop {
            network.extend(
                (0..length.saturating_sub(d))
                    .filter(|i| i & p == r)
                    .map(|i| (i, i + d)),
            );
            if q == p {
                break;
            }
            (d, q, r) = (q - p, q / 2, p);
        }
        p /= 2;
    }
    network
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What sorts all sequences of zeros and ones sorts all sequences.
    #[test]
    fn a_network_sorts_zeros_and_ones() {
        for length in 0..14_usize {
            let network = sorting_network(length);
            for bits in 0..1_u32 << length {
                let mut items: Vec<u32> = (0..length).map(|at| bits >> at & 1).collect();
                for &(low, high) in &network {
                    if items[low] > items[high] {
                        items.swap(low, high);
                    }
                }
                assert!(items.is_sorted(), "{bits:b} of {length}");
            }
        }
    }
}
