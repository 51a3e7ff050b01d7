//! Bootstrap replicates of a whole evaluation at the price of a few additions per query.
//!
//! Resampling queries does not change what the router does on a query, only how often the query counts. So
//! the choices over all budgets are worked out once; a replicate adds, for every drawn query, its changes of cost
//! and quality at the budgets where its choice changes, times the number of draws. That is `O(changes + K log K)` per
//! replicate instead of a new sweep.

use ndarray::Array2;
use rand::RngExt;
use rayon::prelude::*;

use crate::collapse::{self, Rci, Verdict};
use crate::curve::{self, SharedInterval};
use crate::exact::{ExactTruth, first_largest};
use crate::metric::Means;
use crate::{CurvePoint, EvalError, METRICS, Metric, Sweep, Value};

use super::{Interval, Paired, check_request, interval_from, paired_from, replicate_rng};

/// How many metrics are resampled.
const COUNT: usize = {
    let (mut count, mut at) = (0, 0);
    while at < METRICS.len() {
        count += METRICS[at].is_resampled() as usize;
        at += 1;
    }
    count
};

/// Every metric of [`Metric::resampled`] on all queries and on `B` resamples of them.
///
/// Held fixed over the replicates are the router's budgets (they are its operating points) and which models are
/// strongest (a property of the pool). Everything else is recomputed: the shared interval and its anchor, the best single model, the front.
#[derive(Debug, Clone)]
pub struct Replicates {
    queries: usize,
    seed: u64,
    estimate: [f64; COUNT],
    draws: Vec<[f64; COUNT]>,
}

impl Replicates {
    /// The mean over several results, replicate by replicate: one router on several splits of a table.
    ///
    /// # Errors
    /// [`EvalError::Option`] without parts, or unless all come from the same seed and number of replicates.
    pub fn mean_of(parts: &[Replicates]) -> Result<Self, EvalError> {
        let same = |part: &Replicates| (part.seed, part.draws.len());
        let Some(first) = parts
            .first()
            .filter(|first| parts.iter().all(|p| same(p) == same(first)))
        else {
            return Err(EvalError::Option {
                option: "replicates to average",
                value: format!("{:?}", parts.iter().map(same).collect::<Vec<_>>()),
                expected: "at least one, all with the same seed and number of replicates",
            });
        };
        let mean = |value: &dyn Fn(&Replicates) -> [f64; COUNT]| {
            let mut mean = [0.0; COUNT];
            for part in parts {
                for (mean, value) in mean.iter_mut().zip(value(part)) {
                    *mean += value / parts.len() as f64;
                }
            }
            mean
        };
        Ok(Self {
            queries: parts.iter().map(|part| part.queries).sum(),
            seed: first.seed,
            estimate: mean(&|part| part.estimate),
            draws: (0..first.draws.len())
                .map(|draw| mean(&|part| part.draws[draw]))
                .collect(),
        })
    }

    /// The estimate of a metric with its interval.
    ///
    /// # Errors
    /// [`EvalError::Option`] unless the metric is one of [`Metric::resampled`].
    pub fn interval(&self, metric: &Metric) -> Result<Interval, EvalError> {
        let at = position(metric)?;
        Ok(interval_from(self.estimate[at], self.draws(metric)?))
    }

    /// The metric on every resample. An unreachable QNC is infinite.
    ///
    /// # Errors
    /// As for [`Replicates::interval`].
    pub fn draws(&self, metric: &Metric) -> Result<Vec<f64>, EvalError> {
        let at = position(metric)?;
        Ok(self.draws.iter().map(|draw| draw[at]).collect())
    }

    /// Paired comparison, `self - other`. Where QNC is unreachable for both, they do not differ.
    ///
    /// # Errors
    /// [`EvalError::Option`] unless both come from the same seed, number of queries and number of replicates, and the metric is one of
    /// [`Metric::resampled`].
    pub fn compare(&self, other: &Replicates, metric: &Metric) -> Result<Paired, EvalError> {
        let key = |r: &Replicates| (r.queries, r.seed, r.draws.len());
        if key(self) != key(other) {
            let (queries, seed, replicates) = key(other);
            return Err(EvalError::Option {
                option: "replicates to compare with",
                value: format!("{replicates} replicates of {queries} queries, seed {seed}"),
                expected: "the same number of replicates, queries and the same seed on both sides",
            });
        }
        let at = position(metric)?;
        let difference = |a: f64, b: f64| if a == b { 0.0 } else { a - b };
        let draws = (self.draws.iter())
            .zip(&other.draws)
            .map(|(a, b)| difference(a[at], b[at]))
            .collect();
        Ok(paired_from(
            difference(self.estimate[at], other.estimate[at]),
            draws,
        ))
    }
}

impl Sweep<'_> {
    /// The metrics on `replicates` resamples of a table that the queries are part of, of the queries alone if none is given. They are
    /// the same for every router under the same `seed` and table. A query counts as often as it was drawn: test sets of several
    /// splits of a table overlap, and the same queries then come and go in all of them, so that [`Replicates::mean_of`] is as
    /// uncertain as it should be.
    ///
    /// # Errors
    /// [`EvalError::Option`] without replicates, or unless `population` names one row below its size per query.
    pub fn replicates(
        &self,
        replicates: usize,
        seed: u64,
        population: Option<Population>,
    ) -> Result<Replicates, EvalError> {
        let queries = self.truth.queries();
        check_request(queries, replicates)?;
        let rows: Vec<usize> = (0..queries).collect();
        let population = population.unwrap_or(Population {
            rows: &rows,
            size: queries,
        });
        population.check(queries)?;
        let weighted = WeightedSweep::new(self);
        let draws = (0..replicates as u64)
            .into_par_iter()
            .map_init(
                || (vec![0; population.size], vec![0; queries]),
                |(drawn, counts), replicate| {
                    population.resample(drawn, counts, seed, replicate);
                    weighted.metrics(counts)
                },
            )
            .collect();
        Ok(Replicates {
            queries,
            seed,
            estimate: weighted.metrics(&vec![1; queries]),
            draws,
        })
    }
}

/// Where a metric stands among those that are resampled.
fn position(metric: &Metric) -> Result<usize, EvalError> {
    let at = Metric::resampled().position(|other| other == metric);
    at.ok_or_else(|| EvalError::Option {
        option: "metric to resample",
        value: metric.name.to_owned(),
        expected: "one that is computed from means over queries",
    })
}

/// Where queries stand in the table that is resampled.
#[derive(Debug, Clone, Copy)]
pub struct Population<'a> {
    /// The row of every query, in the order of the queries.
    pub rows: &'a [usize],
    /// Rows of the table.
    pub size: usize,
}

impl Population<'_> {
    fn check(&self, queries: usize) -> Result<(), EvalError> {
        if self.rows.len() == queries && self.rows.iter().all(|&row| row < self.size) {
            return Ok(());
        }
        Err(EvalError::Option {
            option: "population",
            value: format!("{} rows of a table of {}", self.rows.len(), self.size),
            expected: "one row of the table per query",
        })
    }

    /// How often every query is drawn; at least one is, or no metric would be defined.
    fn resample(&self, drawn: &mut [u32], counts: &mut [u32], seed: u64, replicate: u64) {
        let mut rng = replicate_rng(seed, replicate);
        loop {
            drawn.fill(0);
            for _ in 0..self.size {
                drawn[rng.random_range(0..self.size)] += 1;
            }
            for (count, &row) in counts.iter_mut().zip(self.rows) {
                *count = drawn[row];
            }
            if counts.iter().any(|&count| count > 0) {
                return;
            }
        }
    }
}

/// A router's sweep, ready to be weighted.
struct WeightedSweep<'a, 't> {
    truth: &'a ExactTruth<'t>,
    /// Real costs and qualities, encoded once for all replicates.
    cost: Array2<i128>,
    quality: Array2<i128>,
    budgets: usize,
    rows: Vec<Row>,
    changes: Vec<Change>,
}

/// What one query contributes.
struct Row {
    /// Cost and quality at the smallest budget.
    first: (i128, i128),
    /// Its changes are `changes[from..to]`.
    from: usize,
    to: usize,
    cheapest: (i128, i128),
    dearest_cost: i128,
    regret: i128,
    verdict: Verdict,
    strongest: bool,
}

struct Change {
    at: usize,
    cost: i128,
    quality: i128,
}

impl<'a, 't> WeightedSweep<'a, 't> {
    fn new(sweep: &'a Sweep<'t>) -> Self {
        let (truth, exact, strongest) = (&sweep.truth, &sweep.exact, &sweep.strongest);
        let choices = sweep.own().last();
        let verdicts = collapse::verdicts(truth, &choices, strongest);
        let extremes = &sweep.extremes;
        let mut changes = Vec::new();
        let rows = (sweep.own().paths().rows().enumerate())
            .map(|(row, path)| {
                let value = |model| (exact.cost(row, model), exact.quality(row, model));
                let from = changes.len();
                let mut before = value(path.first);
                for &(at, model) in path.changes {
                    let after = value(model);
                    changes.push(Change {
                        at,
                        cost: after.0 - before.0,
                        quality: after.1 - before.1,
                    });
                    before = after;
                }
                let best = (0..exact.models()).map(|m| exact.quality(row, m)).max();
                Row {
                    first: value(path.first),
                    from,
                    to: changes.len(),
                    cheapest: value(extremes.cheapest[row]),
                    dearest_cost: value(extremes.dearest[row]).0,
                    regret: best.unwrap_or(before.1) - before.1,
                    verdict: verdicts[row],
                    strongest: strongest.contains(&choices[row]),
                }
            })
            .collect();
        Self {
            cost: truth.cost.mapv(|cost| exact.cost_scale.encode(cost)),
            quality: truth
                .quality
                .mapv(|quality| exact.quality_scale.encode(quality)),
            truth: exact,
            budgets: sweep.own().budgets().len(),
            rows,
            changes,
        }
    }

    /// All metrics when query `n` counts `counts[n]` times; at least one count is above 0.
    fn metrics(&self, counts: &[u32]) -> [f64; COUNT] {
        let mut cost = vec![0_i128; self.budgets];
        let mut quality = vec![0_i128; self.budgets];
        let mut single = vec![0_i128; self.truth.models()];
        let (mut low, mut anchor, mut high, mut regret) = (0, 0, 0, 0);
        let (mut wasteful, mut wrong, mut strongest) = (0, 0, 0);
        let drawn = || counts.iter().enumerate().filter(|&(_, &count)| count > 0);
        for (index, &count) in drawn() {
            let (row, times) = (&self.rows[index], i128::from(count));
            cost[0] += times * row.first.0;
            quality[0] += times * row.first.1;
            for change in &self.changes[row.from..row.to] {
                cost[change.at] += times * change.cost;
                quality[change.at] += times * change.quality;
            }
            for (total, value) in single.iter_mut().zip(self.quality.row(index)) {
                *total += times * value;
            }
            low += times * row.cheapest.0;
            anchor += times * row.cheapest.1;
            high += times * row.dearest_cost;
            regret += times * row.regret;
            match row.verdict {
                Verdict::Right => {}
                Verdict::Wasteful => wasteful += count,
                Verdict::Wrong => wrong += count,
            }
            strongest += if row.strongest { count } else { 0 };
        }
        let best_single = first_largest(&single);
        let best_single_cost = drawn()
            .map(|(index, &count)| i128::from(count) * self.cost[[index, best_single]])
            .sum();

        let queries = counts.iter().map(|&count| count as usize).sum();
        let mean_cost = |sum| self.truth.cost_scale.mean(sum, queries);
        let mean_quality = |sum| self.truth.quality_scale.mean(sum, queries);
        let share = |count: u32| f64::from(count) / queries as f64;
        let (mut total_cost, mut total_quality) = (0, 0);
        let curve: Vec<CurvePoint> = cost
            .iter()
            .zip(&quality)
            .map(|(cost, quality)| {
                total_cost += cost;
                total_quality += quality;
                CurvePoint {
                    cost: mean_cost(total_cost),
                    quality: mean_quality(total_quality),
                }
            })
            .collect();
        let interval = SharedInterval {
            low: mean_cost(low),
            high: mean_cost(high),
            anchor: CurvePoint {
                cost: mean_cost(low),
                quality: mean_quality(anchor),
            },
        };
        let best_single = CurvePoint {
            cost: mean_cost(best_single_cost),
            quality: mean_quality(single[best_single]),
        };
        let means = Means {
            front: curve::pareto_front(&curve),
            curve,
            interval,
            best_single,
            rci: Rci {
                rci: share(wasteful + wrong),
                wasteful: share(wasteful),
                wrong: share(wrong),
            },
            strongest: share(strongest),
            regret: mean_quality(regret),
        };
        let mut values = [0.0; COUNT];
        let of_means = METRICS.iter().filter_map(|metric| match metric.value {
            Value::Means(of) => Some(of),
            _ => None,
        });
        for (value, of) in values.iter_mut().zip(of_means) {
            *value = of(&means);
        }
        values
    }
}
