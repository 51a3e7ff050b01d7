//! Queries for which a router chooses another model in the second run.

use std::collections::{BTreeMap, HashMap};

use routelab_eval::choose;

use super::side::{Predictions, Side};

/// Where choices are compared.
#[derive(Clone)]
pub struct OperatingPoint {
    /// Its name in files.
    pub name: &'static str,
    /// The budget, in the unit of the costs; infinite at the largest, where every model is affordable.
    pub budget: f64,
}

/// The largest budget, and the middle of the first run's shared grid.
pub fn operating_points(run: &Side) -> Vec<OperatingPoint> {
    let mut points = vec![OperatingPoint {
        name: "largest",
        budget: f64::INFINITY,
    }];
    points.extend(
        (run.results.budgets)
            .get(run.results.budgets.len() / 2)
            .map(|&budget| OperatingPoint {
                name: "middle",
                budget,
            }),
    );
    points
}

/// A test query of a seed whose chosen model differs.
pub struct Flip {
    /// The seed.
    pub seed: u64,
    /// The query's row in the table.
    pub row: usize,
    /// The model that the first run's router chose.
    pub from: usize,
    /// The model that the second run's router chose.
    pub to: usize,
    /// Quality of the second choice less that of the first.
    pub quality: f64,
    /// The same of the cost.
    pub cost: f64,
}

/// A router's flips at one operating point.
pub struct Flips {
    /// Where.
    pub point: OperatingPoint,
    /// Test queries that both runs have on a seed, summed over the seeds.
    pub queries: usize,
    /// Those whose choice differs, by seed and row.
    pub flips: Vec<Flip>,
}

/// From one model to another.
pub struct Move {
    /// The first run's model.
    pub from: usize,
    /// The second run's model.
    pub to: usize,
    /// How often.
    pub count: usize,
    /// Sum of the differences of quality.
    pub quality: f64,
    /// Sum of the differences of cost.
    pub cost: f64,
}

/// What the flips of one query come to.
pub struct Effect {
    /// The query's row in the table.
    pub row: usize,
    /// On how many seeds its choice differs.
    pub seeds: usize,
    /// Sum of the differences of quality over the seeds.
    pub quality: f64,
    /// Sum of the differences of cost over the seeds.
    pub cost: f64,
}

/// Compares the choices on the test queries that both runs have; their tables must be the same.
pub fn flips(
    (a, predicted_a): (&Side, &Predictions),
    (b, predicted_b): (&Side, &Predictions),
    point: OperatingPoint,
) -> Flips {
    let mut found = Flips {
        point,
        queries: 0,
        flips: Vec::new(),
    };
    let (quality, cost) = (&a.truth.quality, &a.truth.cost);
    for (&seed, of_a) in predicted_a {
        let Some(of_b) = predicted_b.get(&seed) else {
            continue;
        };
        // A rule may look at all test queries at once: each run decides on all of its own.
        let choices = |run: &Side, (scores, decision): &(_, _)| {
            let rule = run.evaluation.rule(*decision);
            choose(scores, found.point.budget, &rule)
        };
        let (choices_a, choices_b) = (choices(a, of_a), choices(b, of_b));
        let in_b: HashMap<usize, usize> = b.truth.tests[&seed]
            .iter()
            .copied()
            .zip(choices_b)
            .collect();
        let mut rows: Vec<(usize, usize)> = a.truth.tests[&seed]
            .iter()
            .copied()
            .zip(choices_a)
            .collect();
        rows.sort_unstable();
        for (row, from) in rows {
            let Some(&to) = in_b.get(&row) else { continue };
            found.queries += 1;
            if from != to {
                found.flips.push(Flip {
                    seed,
                    row,
                    from,
                    to,
                    quality: quality[[row, to]] - quality[[row, from]],
                    cost: cost[[row, to]] - cost[[row, from]],
                });
            }
        }
    }
    found
}

impl Flips {
    /// Share of the queries whose choice differs.
    pub fn share(&self) -> f64 {
        self.per_query(|_| 1.0)
    }

    /// Share of the queries whose flip satisfies a condition.
    pub fn share_of(&self, condition: impl Fn(&Flip) -> bool) -> f64 {
        self.per_query(|flip| f64::from(u8::from(condition(flip))))
    }

    /// A sum over the flips, per query that was compared: what they add to the mean.
    pub fn per_query(&self, value: impl Fn(&Flip) -> f64) -> f64 {
        match self.queries {
            0 => 0.0,
            // From 0: the sum of nothing is -0.
            queries => self.flips.iter().map(value).fold(0.0, |sum, x| sum + x) / queries as f64,
        }
    }

    /// The pairs of models, the most frequent first.
    pub fn moves(&self) -> Vec<Move> {
        let mut sums: BTreeMap<(usize, usize), (usize, f64, f64)> = BTreeMap::new();
        for flip in &self.flips {
            let sum = sums.entry((flip.from, flip.to)).or_default();
            *sum = (sum.0 + 1, sum.1 + flip.quality, sum.2 + flip.cost);
        }
        let mut moves: Vec<Move> = sums
            .into_iter()
            .map(|((from, to), (count, quality, cost))| Move {
                from,
                to,
                count,
                quality,
                cost,
            })
            .collect();
        moves.sort_by_key(|pair| std::cmp::Reverse(pair.count));
        moves
    }

    /// The queries, the largest effect on quality first, then on cost.
    pub fn effects(&self) -> Vec<Effect> {
        let mut sums: BTreeMap<usize, Effect> = BTreeMap::new();
        for flip in &self.flips {
            let sum = sums.entry(flip.row).or_insert(Effect {
                row: flip.row,
                seeds: 0,
                quality: 0.0,
                cost: 0.0,
            });
            sum.seeds += 1;
            sum.quality += flip.quality;
            sum.cost += flip.cost;
        }
        let mut effects: Vec<Effect> = sums.into_values().collect();
        effects.sort_by(|one, other| {
            let size = |effect: &Effect| (effect.quality.abs(), effect.cost.abs());
            let (one, other) = (size(one), size(other));
            other.0.total_cmp(&one.0).then(other.1.total_cmp(&one.1))
        });
        effects
    }
}
