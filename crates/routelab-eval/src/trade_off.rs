//! The decision `argmax q̂ - λ ĉ` with one price `λ` for all queries, at every mean budget at once.
//!
//! As the price falls from infinity to 0, a query walks along the upper convex hull of its points `(ĉ, q̂)`, from its
//! cheapest model to its best one: it crosses an edge once `λ` falls below the edge's slope `Δq̂ / Δĉ`. So the edges of all
//! queries in descending order of slope are the whole family of decisions, and a budget is a place in that list
//! ([`PriceCurve`]). Given the price, a query is decided by itself.
//!
//! With a cap, the models of a query and so its hull grow with the budget: see [`capped`].

use std::cmp::Reverse;

use ndarray::{Array2, ArrayView2};
use rayon::iter::Either;
use rayon::prelude::*;

use crate::budget::sorted_distinct;
use crate::descent::Ladder;
use crate::exact::FixedPoint;
use crate::matrices::largest_magnitude;
use crate::path::Paths;
use crate::rule::{Decision, Swept, ascending, order_key};
use crate::{Budgets, EvalError, Infeasible, Rule, Scores};

mod capped;

use capped::Capped;

/// Queries that are worked on together.
const BLOCK: usize = 512;

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
        let hulls = hulls(scores, rule);
        let capped = match rule.decision {
            Decision::TradeOff { cap: Some(_), .. } => Some(Capped::new(scores, rule)),
            _ => None,
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
    queries: Vec<Hull>,
    corners: Vec<Corner>,
}

/// One query.
struct Hull {
    /// While nothing is affordable.
    unaffordable: usize,
    /// Where its corners end; they start where those of the query before end.
    end: usize,
}

/// A model that is best at some price. Those of a query ascend in both `ĉ` and `q̂`, with descending slopes between them.
struct Corner {
    model: usize,
    cost: f64,
    /// From the corner before; infinite for the first.
    slope: f64,
}

impl Hulls {
    /// The corners of every query.
    fn corners(&self) -> impl Iterator<Item = &[Corner]> {
        (self.queries.iter()).scan(0, |start, query| {
            let start = std::mem::replace(start, query.end);
            Some(&self.corners[start..query.end])
        })
    }

    fn paths(&self, prices: &Falling) -> Paths {
        let mut paths = Paths::with(Vec::new());
        for (query, corners) in self.queries.iter().zip(self.corners()) {
            let steps = corners.iter().enumerate().rev().filter_map(|(at, corner)| {
                let from = match at {
                    0 => Some(prices.first),
                    _ => prices.first_below(corner.slope),
                };
                from.map(|from| (from, corner.model))
            });
            paths.push(query.unaffordable, steps, prices.count);
        }
        paths
    }
}

fn hulls(scores: &Scores, rule: &Rule) -> Vec<Hulls> {
    let starts = (0..scores.queries()).into_par_iter().step_by(BLOCK);
    let block = |start: usize| {
        let (mut by_cost, mut hull) = (ByCost::default(), Vec::new());
        let mut found = Hulls::default();
        for row in start..scores.queries().min(start + BLOCK) {
            let order = by_cost.of(scores, row);
            hull_of(order, &mut hull);
            let mut slope_to = f64::INFINITY;
            for (at, candidate) in hull.iter().enumerate() {
                if at > 0 {
                    slope_to = slope(hull[at - 1], *candidate);
                }
                found.corners.push(Corner {
                    model: candidate.model,
                    cost: candidate.cost,
                    slope: slope_to,
                });
            }
            found.queries.push(Hull {
                unaffordable: fallback(rule, order),
                end: found.corners.len(),
            });
        }
        found
    };
    starts.map(block).collect()
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
        struct Edge {
            slope: f64,
            from: f64,
            to: f64,
        }
        let scale = scale_of(scores);
        let mean = |sum: i128| scale.mean(sum, scores.queries());
        // Every step along a hull.
        let (mut edges, mut sum) = (Vec::with_capacity(4 * scores.queries()), 0);
        for corners in hulls.iter().flat_map(Hulls::corners) {
            sum += scale.encode(corners[0].cost);
            edges.extend(corners.windows(2).map(|edge| Edge {
                slope: edge[1].slope,
                from: edge[0].cost,
                to: edge[1].cost,
            }));
        }
        // Slopes are above 0, where bits are in the order of numbers.
        edges.par_sort_unstable_by_key(|edge| Reverse(edge.slope.to_bits()));
        let (mut means, mut prices) = (
            Vec::with_capacity(edges.len() + 1),
            Vec::with_capacity(edges.len() + 1),
        );
        means.push(mean(sum));
        // No price is between equal slopes: such edges are crossed together or not at all.
        for tied in edges.chunk_by(|a, b| a.slope == b.slope) {
            sum += (tied
                .iter()
                .map(|edge| scale.encode(edge.to) - scale.encode(edge.from)))
            .sum::<i128>();
            prices.push(tied[0].slope);
            means.push(mean(sum));
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
/// among the models within the cap of the rule's decision, if it has one, and the rule's [`Infeasible`] where there is no price or
/// no such model.
pub fn choose_at(scores: &Scores, budget: f64, price: Option<f64>, rule: &Rule) -> Vec<usize> {
    let limit = rule.decision.limit(budget);
    let space = || (ByCost::default(), Vec::new());
    let choice = |(by_cost, hull): &mut (ByCost, Vec<Candidate>), row: usize| {
        let order = by_cost.of(scores, row);
        let affordable = order.partition_point(|candidate| candidate.cost <= limit);
        let Some(price) = price.filter(|_| affordable > 0) else {
            return fallback(rule, order);
        };
        hull_of(&order[..affordable], hull);
        let crossed = (hull.windows(2)).take_while(|edge| slope(edge[0], edge[1]) > price);
        hull[crossed.count()].model
    };
    let rows = (0..scores.queries()).into_par_iter().with_min_len(256);
    rows.map_init(space, |space, row| choice(space, row))
        .collect()
}

/// A scale for sums of `ĉ` over the queries.
fn scale_of(scores: &Scores) -> FixedPoint {
    FixedPoint::for_sum_of(scores.queries(), largest_magnitude(scores.cost.view()))
}

/// The models that are best at some price, from the dearest price to price 0; `order` is ascending in `ĉ`. Of models on one
/// straight line only the ends are, since equal values go to the cheaper one.
fn hull_of(order: &[Candidate], hull: &mut Vec<Candidate>) {
    hull.clear();
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
}

/// `Δq̂ / Δĉ`, above 0 even where the quotient is not; no difference is infinite, so that no slope is undefined.
fn slope(from: Candidate, to: Candidate) -> f64 {
    let (rise, run) = (to.quality - from.quality, to.cost - from.cost);
    (rise.min(f64::MAX) / run.min(f64::MAX)).max(f64::MIN_POSITIVE)
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
