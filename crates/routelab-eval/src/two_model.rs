//! RouteLLM's metrics for a pool of one weak and one strong model (Ong et al. 2024, arXiv 2406.18665).

use serde::{Deserialize, Serialize};

use crate::rule::ascending;
use crate::{Scores, Truth};

/// How a router recovers the gap between two models as it may call the strong one more often.
///
/// The router is read as RouteLLM reads it: queries are sent to the strong model in descending order of the predicted
/// gain `q̂_strong - q̂_weak`. Queries with equal gain go together, in random order, which makes the curve a
/// straight line across them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TwoModel {
    /// Index of the model with the larger mean real quality.
    pub strong: usize,
    /// Index of the other.
    pub weak: usize,
    /// Corners `(share of calls to the strong model, PGR)`, from (0, 0) to (1, 1).
    pub curve: Vec<(f64, f64)>,
    /// APGR: mean PGR over all call shares from 0 to 1. 0.5 is what a random router reaches.
    pub apgr: f64,
    /// CPT(50 %): smallest share of calls to the strong model with PGR >= 0.5.
    pub cpt_50: f64,
    /// CPT(80 %).
    pub cpt_80: f64,
}

/// A threshold on the predicted gain `q̂_strong - q̂_weak`: queries with at least that gain go to the strong model.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct CallShare {
    /// The share of calls to the strong model that was asked for.
    pub share: f64,
    /// The threshold.
    pub threshold: f64,
    /// The share of these queries that reaches it: the nearest to `share` that there is, the smaller of two.
    pub calls: f64,
    /// Mean real quality of the choices.
    pub quality: f64,
    /// Mean real cost of the choices.
    pub cost: f64,
}

/// PGR, the performance gap recovered: 0 at the weak model's quality and 1 at the strong model's. `None` if both are
/// equally good.
pub fn pgr(quality: f64, weak: f64, strong: f64) -> Option<f64> {
    (strong != weak).then(|| (quality - weak) / (strong - weak))
}

impl TwoModel {
    /// `None` unless there are exactly two models, with different mean quality.
    pub fn of(truth: &Truth, scores: &Scores) -> Option<Self> {
        if truth.models() != 2 || scores.quality.dim() != truth.quality.dim() {
            return None;
        }
        let queries = truth.queries() as f64;
        let mean = |model: usize| truth.quality.column(model).sum() / queries;
        let strong = usize::from(mean(1) > mean(0));
        let weak = 1 - strong;
        let gap = mean(strong) - mean(weak);
        if gap <= 0.0 {
            return None;
        }
        let gain = |row: usize| scores.quality[[row, strong]] - scores.quality[[row, weak]];
        let rows = descending(scores.queries(), gain);
        let mut curve = vec![(0.0, 0.0)];
        let (mut calls, mut recovered) = (0, 0.0);
        for tied in rows.chunk_by(|&a, &b| gain(a) == gain(b)) {
            calls += tied.len();
            recovered += tied
                .iter()
                .map(|&row| truth.quality[[row, strong]] - truth.quality[[row, weak]])
                .sum::<f64>();
            curve.push((calls as f64 / queries, recovered / queries / gap));
        }
        // By definition; the sum above may miss it by a rounding error.
        if let Some(end) = curve.last_mut() {
            *end = (1.0, 1.0);
        }
        let apgr = curve
            .windows(2)
            .map(|pair| (pair[1].0 - pair[0].0) * (pair[0].1 + pair[1].1) / 2.0)
            .sum();
        Some(TwoModel {
            strong,
            weak,
            apgr,
            cpt_50: cpt(&curve, 0.5),
            cpt_80: cpt(&curve, 0.8),
            curve,
        })
    }

    /// The thresholds at which shares in (0, 1] of the queries go to the strong model. Costs have no say in them, so there is one
    /// where no budget divides the queries. Queries of equal gain go together; `truth` and `scores` are those of [`TwoModel::of`].
    pub fn thresholds(&self, truth: &Truth, scores: &Scores, shares: &[f64]) -> Vec<CallShare> {
        let gain =
            |row: usize| scores.quality[[row, self.strong]] - scores.quality[[row, self.weak]];
        let rows = descending(scores.queries(), gain);
        let queries = rows.len() as f64;
        let mut ends: Vec<usize> = Vec::new();
        for tied in rows.chunk_by(|&a, &b| gain(a) == gain(b)) {
            ends.push(ends.last().copied().unwrap_or(0) + tied.len());
        }
        let at = |&share: &f64| {
            let distance = |end: usize| (end as f64 / queries - share).abs();
            let end = ends
                .iter()
                .copied()
                .min_by(|&a, &b| distance(a).total_cmp(&distance(b)))?;
            let mean = |of: &dyn Fn(usize, usize) -> f64| {
                let strong = rows[..end].iter().map(|&row| of(row, self.strong));
                let weak = rows[end..].iter().map(|&row| of(row, self.weak));
                strong.chain(weak).sum::<f64>() / queries
            };
            Some(CallShare {
                share,
                threshold: gain(rows[end - 1]),
                calls: end as f64 / queries,
                quality: mean(&|row, model| truth.quality[[row, model]]),
                cost: mean(&|row, model| truth.cost[[row, model]]),
            })
        };
        shares.iter().filter_map(at).collect()
    }

    /// CPT(p), the call-performance threshold: the smallest share of calls to the strong model with PGR >= `p`, for
    /// `p` in [0, 1].
    pub fn cpt(&self, p: f64) -> f64 {
        cpt(&self.curve, p)
    }
}

/// Queries in descending order of gain.
fn descending(queries: usize, gain: impl Fn(usize) -> f64) -> Vec<usize> {
    let mut rows: Vec<usize> = (0..queries).collect();
    rows.sort_by(|&a, &b| ascending(gain(b), gain(a)));
    rows
}

fn cpt(curve: &[(f64, f64)], p: f64) -> f64 {
    if p <= 0.0 {
        return 0.0;
    }
    for pair in curve.windows(2) {
        let ((calls, before), (more_calls, after)) = (pair[0], pair[1]);
        if after >= p {
            return calls + (more_calls - calls) * (p - before) / (after - before);
        }
    }
    1.0
}
