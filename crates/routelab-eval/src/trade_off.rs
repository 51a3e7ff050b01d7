//! The decision `argmax q̂ - λ ĉ` with one price `λ` for all queries, at every mean budget at once.
//!
//! As the price falls from infinity to 0, a query walks along the upper convex hull of its points `(ĉ, q̂)`, from its
//! cheapest model to its best one: it crosses an edge once `λ` falls below the edge's slope `Δq̂ / Δĉ`. So the edges of all
//! queries in descending order of slope are the whole family of decisions, and a budget is a place in that list
//! ([`PriceCurve`]). Given the price, a query is decided by itself ([`Row::steps`]).

use ndarray::{Array2, ArrayView2};
use rayon::prelude::*;

use crate::exact::FixedPoint;
use crate::matrices::largest_magnitude;
use crate::path::Paths;
use crate::rule::{ascending, order_key};
use crate::{EvalError, Infeasible, Rule, Scores};

/// What one query can be given.
struct Row {
    /// While the budget is below the mean of the cheapest models.
    unaffordable: usize,
    /// Models in ascending order of both `ĉ` and `q̂`, with descending slopes between them.
    hull: Vec<Candidate>,
}

impl Row {
    /// Where in descending prices other models are chosen, and which; what is unaffordable comes before all of them. `None`, where
    /// nothing is affordable, comes before all prices.
    fn steps(&self, prices: &[Option<f64>]) -> Vec<(usize, usize)> {
        let affordable = prices.partition_point(|price| price.is_none());
        let mut steps = vec![(affordable, self.hull[0].model)];
        for edge in self.hull.windows(2) {
            // At a price equal to the slope both ends are worth the same, and the cheaper one is kept.
            let slope = slope(edge[0], edge[1]);
            let crossed = prices.partition_point(|price| price.is_none_or(|price| price >= slope));
            steps.push((crossed, edge[1].model));
        }
        steps.retain(|&(at, _)| at < prices.len());
        steps
    }
}

fn rows(scores: &Scores, rule: &Rule) -> Vec<Row> {
    (0..scores.queries())
        .into_par_iter()
        .with_min_len(256)
        .map_init(ByCost::default, |by_cost, row| {
            let order = by_cost.of(scores, row);
            Row {
                unaffordable: fallback(rule, order),
                hull: hull(order),
            }
        })
        .collect()
}

/// The price of [`Decision::TradeOff`](crate::Decision::TradeOff) at every mean budget, found on some queries. Others that come
/// one by one are decided by the price alone ([`choose_at`](crate::choose_at)), and spend the budget on average if they are like
/// those.
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
        Self::of_rows(&rows(scores, &Rule::default()), scores)
    }

    fn of_rows(rows: &[Row], scores: &Scores) -> Self {
        let scale = FixedPoint::for_sum_of(scores.queries(), largest_magnitude(scores.cost.view()));
        let cost = |candidate: Candidate| scale.encode(candidate.cost);
        let mean = |sum: i128| scale.mean(sum, scores.queries());
        // Every step along a hull: its slope, and what it adds to the costs.
        let mut edges: Vec<(f64, i128)> = (rows.iter())
            .flat_map(|row| row.hull.windows(2))
            .map(|edge| (slope(edge[0], edge[1]), cost(edge[1]) - cost(edge[0])))
            .collect();
        edges.sort_by(|a, b| b.0.total_cmp(&a.0));
        let mut sum: i128 = rows.iter().map(|row| cost(row.hull[0])).sum();
        let (mut means, mut prices) = (vec![mean(sum)], Vec::new());
        // No price is between equal slopes: such edges are crossed together or not at all.
        for tied in edges.chunk_by(|a, b| a.0 == b.0) {
            sum += tied.iter().map(|edge| edge.1).sum::<i128>();
            prices.push(tied[0].0);
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
}

/// Every query's choices over `budgets`, ascending and not empty. `O(N M (log N M + log K))`.
pub(crate) fn paths(scores: &Scores, budgets: &[f64], rule: &Rule) -> Paths {
    let rows = rows(scores, rule);
    let curve = PriceCurve::of_rows(&rows, scores);
    let prices: Vec<_> = budgets.iter().map(|&budget| curve.price(budget)).collect();
    let steps: Vec<_> = rows.par_iter().map(|row| row.steps(&prices)).collect();
    let mut paths = Paths::with(prices);
    for (row, steps) in rows.iter().zip(steps) {
        paths.push(row.unaffordable, steps.into_iter().rev(), budgets.len());
    }
    paths
}

/// The model chosen for every query, each by itself, at one price of [`Decision::TradeOff`](crate::Decision::TradeOff) (whatever
/// the rule's decision): `argmax q̂ - λ ĉ`, and the rule's [`Infeasible`] where there is no price.
pub fn choose_at(scores: &Scores, price: Option<f64>, rule: &Rule) -> Vec<usize> {
    let choice = |row: &Row| {
        row.steps(&[price])
            .last()
            .map_or(row.unaffordable, |step| step.1)
    };
    rows(scores, rule).par_iter().map(choice).collect()
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
