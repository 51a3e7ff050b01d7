//! What queries choose as a budget that limits each of them falls, eight queries side by side.
//!
//! From the best model that the largest budget affords, the choice changes when this model becomes unaffordable: then it
//! is the best of those that cost less, and so on down to the cheapest. No order of the models is needed, and all queries
//! take the same steps, in the lanes of vectors and without branches.

use crate::{Infeasible, Rule, Ties};

/// Queries side by side.
pub(crate) const LANES: usize = 8;

type Lanes<T> = [T; LANES];

/// The choices of [`LANES`] queries at a time.
pub(crate) struct Descent<'a> {
    /// `q̂` and `ĉ` for all queries, row by row.
    predicted: [&'a [f64]; 2],
    rule: &'a Rule,
    margin: f64,
    /// Ascending, not empty.
    budgets: &'a [f64],
    /// Predictions for the queries at hand, model by model; what is beyond the last query costs infinitely much.
    quality: Vec<Lanes<f64>>,
    cost: Vec<Lanes<f64>>,
    /// What is taken while nothing is affordable.
    pub unaffordable: Lanes<usize>,
    steps: Vec<Step>,
}

/// Models of the queries, each taken from its budget on, up to that of the step before.
struct Step {
    /// Infinity after the last step of a query.
    from: Lanes<f64>,
    model: Lanes<usize>,
}

impl<'a> Descent<'a> {
    /// `predicted` are `q̂` and `ĉ`, row by row.
    pub fn new(
        predicted: [&'a [f64]; 2],
        models: usize,
        rule: &'a Rule,
        margin: f64,
        budgets: &'a [f64],
    ) -> Self {
        let nothing = vec![[0.0; LANES]; models];
        Self {
            predicted,
            rule,
            margin,
            budgets,
            quality: nothing.clone(),
            cost: nothing,
            unaffordable: [0; LANES],
            steps: Vec::new(),
        }
    }

    /// Goes to the queries from `row` on.
    #[inline(always)]
    pub fn at(&mut self, row: usize) {
        let models = self.cost.len();
        let rows = self.predicted.map(|all| &all[row * models..]);
        for lane in 0..LANES {
            let first = lane * models;
            if first < rows[0].len() {
                let [quality, cost] = rows.map(|rows| &rows[first..first + models]);
                for (model, (&quality, &cost)) in quality.iter().zip(cost).enumerate() {
                    self.quality[model][lane] = quality;
                    self.cost[model][lane] = cost;
                }
            } else {
                (self.cost.iter_mut()).for_each(|cost| cost[lane] = f64::INFINITY);
            }
        }
        // No step below the cheapest model is needed where this is what is taken without a budget.
        let mut lowest = [usize::MAX; LANES];
        if self.rule.infeasible == Infeasible::Cheapest {
            self.unaffordable = cheapest(&self.cost);
            lowest = self.unaffordable;
        }
        self.steps.clear();
        // The largest budget affords what costs as much.
        let (smallest, largest) = (self.budgets[0], self.budgets[self.budgets.len() - 1]);
        let mut limit = [largest.next_up(); LANES];
        let cheaper_of_equal = self.rule.ties == Ties::Cheapest || self.margin > 0.0;
        let mut more = true;
        while more {
            let (mut from, model) = if cheaper_of_equal {
                best_below::<true>(&self.quality, &self.cost, limit, self.margin)
            } else {
                best_below::<false>(&self.quality, &self.cost, limit, self.margin)
            };
            more = false;
            for lane in 0..LANES {
                let new = model[lane] != lowest[lane];
                from[lane] = if new { from[lane] } else { f64::INFINITY };
                let below = new & (from[lane] < f64::INFINITY) & (from[lane] > smallest);
                limit[lane] = if below { from[lane] } else { f64::NEG_INFINITY };
                more |= below;
            }
            self.steps.push(Step { from, model });
        }
    }

    /// The choices of one query: `(ĉ, choice from this budget on)`, from the largest budget down.
    #[inline(always)]
    pub fn steps(&self, lane: usize) -> impl Iterator<Item = (f64, usize)> {
        (self.steps.iter())
            .map(move |step| (step.from[lane], step.model[lane]))
            .take_while(|&(from, _)| from < f64::INFINITY)
    }
}

/// Ascending numbers that are searched without branches.
pub(crate) struct Ladder {
    /// From the last list, the numbers in blocks, upwards: every list has the last numbers of the blocks of the one below.
    lists: Vec<Vec<[f64; Self::BLOCK]>>,
}

impl Ladder {
    const BLOCK: usize = 16;

    pub fn new(numbers: &[f64]) -> Self {
        let block = |numbers: &[f64]| {
            // Adding zero makes both zeros the same.
            std::array::from_fn(|at| numbers.get(at).map_or(f64::INFINITY, |number| number + 0.0))
        };
        let blocks = |numbers: &[f64]| numbers.chunks(Self::BLOCK).map(block).collect();
        let mut lists: Vec<Vec<[f64; Self::BLOCK]>> = vec![blocks(numbers)];
        while lists[0].len() > 1 {
            let last: Vec<f64> = lists[0]
                .iter()
                .map(|block| block[Self::BLOCK - 1])
                .collect();
            lists.insert(0, blocks(&last));
        }
        Self { lists }
    }

    /// The position of the first number that is not below `bound`, which is not above the last.
    #[inline(always)]
    pub fn first_at_least(&self, bound: f64) -> usize {
        (self.lists.iter()).fold(0, |block, list| {
            // The sign of the difference, in what the compiler can add side by side.
            let below: u64 = (list[block].iter())
                .map(|number| (number - bound).to_bits() >> 63)
                .sum();
            block * Self::BLOCK + below as usize
        })
    }
}

#[inline(always)]
fn cheapest(cost: &[Lanes<f64>]) -> Lanes<usize> {
    let (mut smallest, mut found) = ([f64::INFINITY; LANES], [0; LANES]);
    for (model, cost) in cost.iter().enumerate() {
        for lane in 0..LANES {
            let less = cost[lane] < smallest[lane];
            smallest[lane] = if less { cost[lane] } else { smallest[lane] };
            found[lane] = if less { model } else { found[lane] };
        }
    }
    found
}

/// The choices when only models below `limit` are affordable, and the smallest budgets at which they are: infinity if none is.
#[inline(always)]
fn best_below<const CHEAPEST: bool>(
    quality: &[Lanes<f64>],
    cost: &[Lanes<f64>],
    limit: Lanes<f64>,
    margin: f64,
) -> (Lanes<f64>, Lanes<usize>) {
    let mut best = [f64::NEG_INFINITY; LANES];
    let (mut from, mut chosen) = ([f64::INFINITY; LANES], [0; LANES]);
    for (model, (quality, cost)) in quality.iter().zip(cost).enumerate() {
        for lane in 0..LANES {
            let (q, c) = (quality[lane], cost[lane]);
            let tie = CHEAPEST & (q == best[lane]) & (c < from[lane]);
            let taken = (c < limit[lane]) & ((q > best[lane]) | tie);
            best[lane] = if taken { q } else { best[lane] };
            from[lane] = if taken { c } else { from[lane] };
            chosen[lane] = if taken { model } else { chosen[lane] };
        }
    }
    if margin > 0.0 {
        let (mut least, mut of_least) = ([f64::INFINITY; LANES], best);
        for (model, (quality, cost)) in quality.iter().zip(cost).enumerate() {
            for lane in 0..LANES {
                let (q, c) = (quality[lane], cost[lane]);
                let better = (c < least[lane]) | ((c == least[lane]) & (q > of_least[lane]));
                let taken = better & (c < limit[lane]) & (q >= best[lane] - margin);
                least[lane] = if taken { c } else { least[lane] };
                of_least[lane] = if taken { q } else { of_least[lane] };
                chosen[lane] = if taken { model } else { chosen[lane] };
            }
        }
    }
    (from, chosen)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ladder_finds_what_a_search_finds() {
        for length in [1, 2, 15, 16, 17, 255, 256, 257, 5000] {
            let mut numbers: Vec<f64> = (0..length).map(|i| f64::from(i * i) - 40.0).collect();
            numbers[0] = f64::NEG_INFINITY;
            if length > 2 {
                numbers[length as usize - 1] = f64::INFINITY;
            }
            let ladder = Ladder::new(&numbers);
            let last = numbers[numbers.len() - 1];
            let bounds = numbers
                .iter()
                .flat_map(|&n| [n.next_down(), n, n.next_up()]);
            for bound in bounds.filter(|&bound| bound <= last && bound.is_finite()) {
                let expected = numbers.partition_point(|&number| number < bound);
                assert_eq!(
                    ladder.first_at_least(bound),
                    expected,
                    "{bound} of {length}"
                );
            }
        }
    }

    #[test]
    fn zeros_are_equal() {
        for (number, bound) in [(0.0, -0.0), (-0.0, 0.0)] {
            assert_eq!(Ladder::new(&[number]).first_at_least(bound), 0);
        }
    }
}
