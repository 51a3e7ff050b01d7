//! The decision `argmax q̂ - λ ĉ` with one price `λ` for all queries, at every mean budget at once.
//!
//! As the price falls from infinity to 0, a query walks along the upper convex hull of its points `(ĉ, q̂)`, from its
//! cheapest model to its best one: it crosses an edge once `λ` falls below the edge's slope `Δq̂ / Δĉ`. So the edges of all
//! queries in descending order of slope are the whole family of decisions, and a budget is a place in that list
//! ([`PriceCurve`]). Given the price, a query is decided by itself.
//!
//! With a cap, the models of a query and so its hull grow with the budget: see [`capped`].

use ndarray::{Array2, ArrayView2};
use rayon::iter::Either;
use rayon::prelude::*;

use crate::buckets::{Buckets, Ranges};
use crate::budget::sorted_distinct;
use crate::descent::Ladder;
use crate::exact::FixedPoint;
use crate::matrices::largest_magnitude;
use crate::path::Paths;
use crate::rule::{Decision, Swept};
use crate::{Budgets, EvalError, Rule, Scores};

mod candidates;
mod capped;
mod hull;

use candidates::{BLOCK, Candidate, Candidates};
use capped::Capped;
use hull::Hull;

/// The decision on some queries, before budgets are known.
pub(crate) struct TradeOff<'a> {
    scores: &'a Scores,
    rule: &'a Rule,
    /// The queries block by block.
    hulls: Vec<Hulls>,
    curve: PriceCurve,
    capped: Option<Capped<'a>>,
}

impl<'a> TradeOff<'a> {
    /// `O(N M log N M)`
    pub fn new(scores: &'a Scores, rule: &'a Rule) -> Self {
        let capped = match rule.decision {
            Decision::TradeOff { cap: Some(_), .. } => Some(Capped::new(scores, rule)),
            _ => None,
        };
        let hulls = match &capped {
            Some(capped) => capped.candidates.par_iter().map(Hulls::of).collect(),
            None => hulls(scores, rule),
        };
        Self {
            scores,
            rule,
            curve: PriceCurve::of_hulls(&hulls, scores),
            hulls,
            capped,
        }
    }

    /// At most `levels` budgets, ascending, each once.
    pub fn budgets(&self, levels: usize) -> Vec<f64> {
        let costs = |levels| Budgets::Quantiles(levels).resolve(self.scores.cost.view());
        match self.rule.decision {
            Decision::TradeOff {
                cap: Some(cap),
                swept: Swept::Curve,
            } => {
                // A quotient may be rounded down, below what affords the model.
                let affords = |cost: &f64| (cost / cap).next_up();
                let budgets = if levels < 4 {
                    let places = self.curve.places(2);
                    let costs = self.scores.cost.iter().map(affords);
                    vec![places[0], costs.fold(places[places.len() - 1], f64::max)]
                } else {
                    let of_costs = costs(levels / 2);
                    let places = self.curve.places(levels - levels / 2);
                    [places, of_costs.iter().map(affords).collect()].concat()
                };
                sorted_distinct(&budgets)
            }
            Decision::TradeOff {
                cap: None,
                swept: Swept::Curve,
            } => self.curve.places(levels),
            _ => costs(levels),
        }
    }

    /// The price at every budget.
    pub fn prices(&self, budgets: &[f64]) -> Vec<Option<f64>> {
        match &self.capped {
            Some(capped) => capped.prices(budgets),
            None => budgets
                .iter()
                .map(|&budget| self.curve.price(budget))
                .collect(),
        }
    }

    /// The choices at `budgets`, ascending and not empty, and their `prices`, block by block, each with its first row.
    pub fn blocks<'b>(
        &'b self,
        budgets: &'b [f64],
        prices: Vec<Option<f64>>,
    ) -> impl ParallelIterator<Item = (usize, Paths)> + 'b {
        match &self.capped {
            Some(capped) => Either::Left(capped.blocks(budgets, prices)),
            None => {
                let falling = Falling::new(&prices);
                let starts = (0..self.hulls.len()).into_par_iter();
                let blocks =
                    starts.map(move |block| (block * BLOCK, self.hulls[block].paths(&falling)));
                Either::Right(blocks)
            }
        }
    }
}

/// Prices that fall with the budget, to be searched.
struct Falling {
    count: usize,
    /// The first budget that has a price.
    first: usize,
    least: f64,
    /// The prices with the other sign.
    ladder: Ladder,
}

impl Falling {
    fn new(prices: &[Option<f64>]) -> Self {
        let rising: Vec<f64> = prices
            .iter()
            .map(|price| price.map_or(f64::NEG_INFINITY, |price| -price))
            .collect();
        Self {
            count: prices.len(),
            first: prices.partition_point(Option::is_none),
            least: prices.last().copied().flatten().unwrap_or(f64::INFINITY),
            ladder: Ladder::new(&rising),
        }
    }

    /// The first position with a price below `slope`, if there is one. At a price equal to the slope both ends of an edge are worth
    /// the same, and the cheaper one is kept.
    fn first_below(&self, slope: f64) -> Option<usize> {
        (self.least < slope).then(|| self.ladder.first_at_least((-slope).next_up()))
    }
}

/// What queries can be given, one query after another.
#[derive(Default)]
struct Hulls {
    queries: Vec<Query>,
    corners: Vec<Corner>,
}

/// One query.
struct Query {
    /// While nothing is affordable.
    unaffordable: usize,
    /// Where its corners end; they start where those of the query before end.
    end: usize,
}

/// A model that is best at some price. Those of a query ascend in both `ĉ` and `q̂`, with descending slopes between them.
struct Corner {
    model: usize,
    /// From the corner before; the first comes from itself, with an infinite slope.
    edge: Edge,
}

impl Hulls {
    fn of(candidates: &Candidates) -> Self {
        let (mut found, mut hull) = (Self::default(), Hull::default());
        for (unaffordable, candidates) in candidates.queries() {
            hull.become_of(candidates);
            let mut from = candidates[0].cost;
            found.corners.extend(hull.corners.iter().map(|corner| {
                let to = corner.candidate.cost;
                Corner {
                    model: corner.candidate.model,
                    edge: Edge {
                        slope: corner.slope,
                        from: std::mem::replace(&mut from, to),
                        to,
                    },
                }
            }));
            found.queries.push(Query {
                unaffordable,
                end: found.corners.len(),
            });
        }
        found
    }

    /// The corners of every query.
    fn corners(&self) -> impl Iterator<Item = &[Corner]> {
        (self.queries.iter()).scan(0, |start, query| {
            let start = std::mem::replace(start, query.end);
            Some(&self.corners[start..query.end])
        })
    }

    fn edges(&self) -> impl Iterator<Item = Edge> {
        let edges = self.corners.iter().map(|corner| corner.edge);
        edges.filter(|edge| edge.from < edge.to)
    }

    fn paths(&self, prices: &Falling) -> Paths {
        let mut paths = Paths::with(Vec::new());
        for (query, corners) in self.queries.iter().zip(self.corners()) {
            let steps = corners.iter().enumerate().rev().filter_map(|(at, corner)| {
                let from = match at {
                    0 => Some(prices.first),
                    _ => prices.first_below(corner.edge.slope),
                };
                from.map(|from| (from, corner.model))
            });
            paths.push(query.unaffordable, steps, prices.count);
        }
        paths
    }
}

/// The queries block by block.
fn hulls(scores: &Scores, rule: &Rule) -> Vec<Hulls> {
    Candidates::blocks(scores, rule)
        .map(|candidates| Hulls::of(&candidates))
        .collect()
}

/// A step along a hull.
#[derive(Clone, Copy, Default)]
struct Edge {
    slope: f64,
    /// `ĉ` at its ends.
    from: f64,
    to: f64,
}

/// Buckets of edges that are worked on together.
const BUCKETS: usize = 64;

impl Edge {
    /// Slopes are above 0, where bits are in the order of numbers: descending.
    fn key(&self) -> i64 {
        -(self.slope.to_bits() as i64)
    }

    /// The edges of all queries.
    fn in_buckets(hulls: &[Hulls]) -> Buckets<Self> {
        /// About how many edges fall into a bucket.
        const SIZE: usize = 32;
        let count = |hulls: &Hulls| hulls.corners.len() - hulls.queries.len();
        let count = hulls.iter().map(count).sum();
        let sample = hulls.iter().flat_map(|hulls| hulls.edges().step_by(61));
        let ranges = Ranges::of(sample.map(|edge| edge.key()).collect(), count, SIZE);
        let part = hulls.len().div_ceil(Buckets::<Self>::parts_for(count));
        Buckets::new(
            hulls.par_chunks(part.max(1)),
            |hulls| hulls.iter().flat_map(Hulls::edges),
            Self::key,
            ranges,
        )
    }
}

/// The price of [`Decision::PRICE`] at every mean budget, found on some queries. Others that come one by one are decided by the price
/// alone ([`choose_at`]), and spend the budget on average if they are like those.
#[derive(Debug, Clone, PartialEq)]
pub struct PriceCurve {
    /// Mean `ĉ` of what is taken, ascending.
    means: Vec<f64>,
    /// The price from each mean on, in units of `q̂` per unit of `ĉ`, descending to 0.
    prices: Vec<f64>,
}

impl PriceCurve {
    /// The curve of these predictions. `O(N M log N M)`.
    pub fn of(scores: &Scores) -> Self {
        Self::of_hulls(&hulls(scores, &Rule::default()), scores)
    }

    fn of_hulls(hulls: &[Hulls], scores: &Scores) -> Self {
        let scale = scale_of(scores);
        let mean = |sum: i128| scale.mean(sum, scores.queries());
        let cheapest = |hulls: &Hulls| -> i128 {
            let corners = hulls.corners();
            let costs = corners.map(|corners| scale.encode(corners[0].edge.to));
            costs.sum()
        };
        let cheapest: i128 = hulls.par_iter().map(cheapest).sum();
        let edges = Edge::in_buckets(hulls);
        // The slopes in descending order, each with what all edges of it and of those before in its piece add. No price is between
        // equal slopes: such edges are crossed together or not at all.
        let piece = |first: usize| {
            let (mut tied, mut crossed) = (Vec::new(), Vec::new());
            let mut sum = 0;
            for bucket in first..edges.count().min(first + BUCKETS) {
                edges.gather(bucket, &mut tied);
                tied.sort_unstable_by_key(Edge::key);
                for tied in tied.chunk_by(|a, b| a.slope == b.slope) {
                    for edge in tied {
                        sum += scale.encode(edge.to) - scale.encode(edge.from);
                    }
                    crossed.push((tied[0].slope, sum));
                }
            }
            crossed
        };
        let firsts = (0..edges.count()).into_par_iter().step_by(BUCKETS);
        let pieces: Vec<Vec<(f64, i128)>> = firsts.map(piece).collect();
        let starts: Vec<i128> = (pieces.iter())
            .scan(cheapest, |sum, piece| {
                let start = *sum;
                *sum += piece.last().map_or(0, |last| last.1);
                Some(start)
            })
            .collect();
        let columns = |(piece, start): (&Vec<(f64, i128)>, &i128)| -> (Vec<f64>, Vec<f64>) {
            let columns = piece.iter();
            columns
                .map(|&(slope, sum)| (mean(start + sum), slope))
                .unzip()
        };
        let columns: Vec<_> = pieces.par_iter().zip(&starts).map(columns).collect();
        let slopes = pieces.iter().map(Vec::len).sum::<usize>();
        let mut means = Vec::with_capacity(slopes + 1);
        let mut prices = Vec::with_capacity(slopes + 1);
        means.push(mean(cheapest));
        for (of_means, of_prices) in columns {
            means.extend(of_means);
            prices.extend(of_prices);
        }
        prices.push(0.0);
        Self { means, prices }
    }

    /// A curve from its [`points`](Self::points).
    ///
    /// # Errors
    /// [`EvalError::Option`] unless there are two columns and a row, means rise, and prices fall to 0.
    pub fn from_points(points: ArrayView2<f64>) -> Result<Self, EvalError> {
        let column = |at: usize| match points.ncols() {
            2 => points.column(at).to_vec(),
            _ => Vec::new(),
        };
        let (means, prices) = (column(0), column(1));
        if means.is_sorted() && prices.is_sorted_by(|a, b| a >= b) && prices.last() == Some(&0.0) {
            return Ok(Self { means, prices });
        }
        Err(EvalError::Option {
            option: "prices",
            value: format!("{} x {} numbers", points.nrows(), points.ncols()),
            expected: "rising means beside prices that fall to 0",
        })
    }

    /// Mean `ĉ` and the price from there on, `P x 2`.
    pub fn points(&self) -> Array2<f64> {
        let columns = [&self.means, &self.prices];
        Array2::from_shape_fn((self.means.len(), 2), |(row, column)| columns[column][row])
    }

    /// The smallest price at which the mean `ĉ` of what is taken is at most `budget`; `None` where even that of the cheapest
    /// models is above it.
    pub fn price(&self, budget: f64) -> Option<f64> {
        let reached = self.means.partition_point(|&mean| mean <= budget);
        reached.checked_sub(1).map(|last| self.prices[last])
    }

    /// At most `levels >= 2` of the means, ascending, each once: all of them, or those at equally spaced ranks with both ends.
    pub fn places(&self, levels: usize) -> Vec<f64> {
        let mut places = self.means.clone();
        places.dedup();
        let (last, steps) = (places.len() - 1, levels.max(2) - 1);
        if last <= steps {
            return places;
        }
        (0..=steps).map(|k| places[k * last / steps]).collect()
    }
}

/// The prices of [`Decision::TradeOff`] at every budget, found on some queries, for others that come one by one.
#[derive(Debug, Clone, PartialEq)]
pub enum Prices {
    /// Without a cap.
    Curve(PriceCurve),
    /// With a cap the price may rise with the budget, since dearer models become affordable: it is found again for every budget.
    Capped {
        /// Predictions for those queries.
        scores: Scores,
        /// `κ`, at least 1.
        cap: f64,
    },
}

impl Prices {
    /// The prices on the queries of `scores`, for a decision with this cap.
    pub fn of(scores: Scores, cap: Option<f64>) -> Self {
        match cap {
            None => Self::Curve(PriceCurve::of(&scores)),
            Some(cap) => Self::Capped { scores, cap },
        }
    }

    /// The price at a budget; `None` where even the cheapest models are above it on average. `O(log N M)` without a cap,
    /// `O(N M log N M)` with one.
    pub fn price(&self, budget: f64) -> Option<f64> {
        match self {
            Self::Curve(curve) => curve.price(budget),
            Self::Capped { scores, cap } => {
                let rule = Rule {
                    decision: Decision::capped_price(*cap),
                    ..Rule::default()
                };
                Capped::new(scores, &rule).prices(&[budget])[0]
            }
        }
    }
}

/// The model chosen for every query, each by itself, at a budget and one price of [`Decision::TradeOff`] for it: `argmax q̂ - λ ĉ`
/// among the models within the cap of the rule's decision, if it has one, and the rule's [`Infeasible`](crate::Infeasible) where there is no price or
/// no such model.
pub fn choose_at(scores: &Scores, budget: f64, price: Option<f64>, rule: &Rule) -> Vec<usize> {
    let limit = rule.decision.limit(budget);
    let block = |candidates: Candidates| -> Vec<usize> {
        let mut hull = Hull::default();
        let choice = |(unaffordable, candidates): (usize, &[Candidate])| {
            let affordable = candidates.partition_point(|candidate| candidate.cost <= limit);
            let Some(price) = price.filter(|_| affordable > 0) else {
                return unaffordable;
            };
            hull.become_of(&candidates[..affordable]);
            hull.corners[hull.at(price)].candidate.model
        };
        candidates.queries().map(choice).collect()
    };
    let chosen: Vec<Vec<usize>> = Candidates::blocks(scores, rule).map(block).collect();
    chosen.concat()
}

/// A scale for sums of `ĉ` over the queries.
fn scale_of(scores: &Scores) -> FixedPoint {
    FixedPoint::for_sum_of(scores.queries(), largest_magnitude(scores.cost.view()))
}
