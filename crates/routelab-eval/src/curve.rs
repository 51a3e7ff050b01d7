//! Metrics of a cost-quality curve.

use serde::{Deserialize, Serialize};

/// One operating point of a router.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// The budget per query, in the unit of `ĉ`; null in JSON if there is no limit.
    #[serde(with = "crate::unbounded")]
    pub budget: f64,
    /// Mean real cost of the chosen models.
    pub cost: f64,
    /// Mean real quality of the chosen models.
    pub quality: f64,
    /// Share of the queries sent to each of the `M` models; adds up to 1.
    pub call_rates: Vec<f64>,
}

/// A policy's mean real cost and mean real quality.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct CurvePoint {
    /// Mean cost per query.
    pub cost: f64,
    /// Mean quality per query.
    pub quality: f64,
}

impl From<&Point> for CurvePoint {
    fn from(point: &Point) -> Self {
        CurvePoint {
            cost: point.cost,
            quality: point.quality,
        }
    }
}

/// The interval of mean costs that all routers of one test set share, and the policy at its left end.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct SharedInterval {
    /// Mean over queries of the cheapest model's real cost.
    pub low: f64,
    /// Mean over queries of the dearest model's real cost.
    pub high: f64,
    /// The policy that takes every query's really cheapest model (the first of several): its cost is `low`.
    pub anchor: CurvePoint,
}

/// The Pareto front: ascending in cost and strictly ascending in quality. At equal cost the better point stays; a
/// point that costs more must be better than all cheaper ones.
pub fn pareto_front(points: &[CurvePoint]) -> Vec<CurvePoint> {
    let mut sorted = points.to_vec();
    sorted
        .sort_by(|a, b| (a.cost.total_cmp(&b.cost)).then_with(|| b.quality.total_cmp(&a.quality)));
    let mut front: Vec<CurvePoint> = Vec::new();
    for point in sorted {
        if front.last().is_none_or(|last| point.quality > last.quality) {
            front.push(point);
        }
    }
    front
}

/// nAUC, convention `shared` (ORBIT since 2026-08): the area under the front of `points` and the anchor over
/// the shared interval, by trapezoids, divided by its width. Points dearer than the interval add nothing; from the last
/// affordable point to the right end the quality stays. On an interval without width it is the best quality there.
pub fn nauc_shared(points: &[CurvePoint], interval: &SharedInterval) -> f64 {
    mean_height(&within(points, interval), interval)
}

/// nAUC, convention `legacy` (ORBIT before 2026-08): to the front is added a point with the cost of the best single
/// model and the quality of the last point of the sweep; costs are divided by the largest of them;
/// the area by trapezoids from the first point on, not divided by its width. 0 if there is only one cost.
pub fn nauc_legacy(points: &[CurvePoint], best_single_cost: f64) -> f64 {
    let Some(last) = points.last() else {
        return 0.0;
    };
    let mut curve = pareto_front(points);
    curve.push(CurvePoint {
        cost: best_single_cost,
        quality: last.quality,
    });
    curve.sort_by(|a, b| (a.cost.total_cmp(&b.cost)).then(a.quality.total_cmp(&b.quality)));
    let largest = curve.last().map_or(0.0, |point| point.cost);
    if largest > 0.0 {
        area(&curve) / largest
    } else {
        0.0
    }
}

/// nAUC, convention `own-range` (MMR-Bench): the mean height of the front over its own range of costs. A front of
/// one point has that point's quality.
pub fn nauc_own_range(front: &[CurvePoint]) -> f64 {
    match front {
        [] => 0.0,
        [only] => only.quality,
        [first, .., last] => area(front) / (last.cost - first.cost),
    }
}

/// AIQ (RouterBench): the mean height, over the shared interval, of the non-decreasing upper convex hull of `points`
/// and the anchor. A point on the hull between two others is reached by mixing their policies at random.
pub fn aiq(points: &[CurvePoint], interval: &SharedInterval) -> f64 {
    mean_height(&upper_hull(&within(points, interval)), interval)
}

/// Peak score `P_s`: the largest quality on a front.
pub fn peak(front: &[CurvePoint]) -> f64 {
    front.last().map_or(0.0, |point| point.quality)
}

/// QNC: the smallest cost on the front whose quality reaches the best single model's, over that model's cost.
/// `None` when unreachable, which is an infinite QNC. A best single model that is free counts as 1 when reached at no
/// cost and as unreachable otherwise.
pub fn qnc(front: &[CurvePoint], best_single: CurvePoint) -> Option<f64> {
    let reached = front
        .iter()
        .find(|point| point.quality >= best_single.quality)?
        .cost;
    if best_single.cost > 0.0 {
        Some(reached / best_single.cost)
    } else {
        (reached == 0.0).then_some(1.0)
    }
}

/// PerfGain (LLMRouterBench): `P_s / q_b - 1`. `None` if the best single model never succeeds.
pub fn perf_gain(peak: f64, best_single_quality: f64) -> Option<f64> {
    (best_single_quality > 0.0).then(|| peak / best_single_quality - 1.0)
}

/// CostSave (LLMRouterBench): `1 - QNC`; `None` when the quality is unreachable.
pub fn cost_save(qnc: Option<f64>) -> Option<f64> {
    qnc.map(|qnc| 1.0 - qnc)
}

/// ParetoDist (LLMRouterBench) of every router: the mean distance of its points to the front of all routers'
/// points together, after both axes are scaled so that all points span [0, 1]. The front is taken as the broken line
/// through its points, and the distance is Euclidean. A router without points has `None`.
pub fn pareto_dist(routers: &[Vec<CurvePoint>]) -> Vec<Option<f64>> {
    let everything = routers.concat();
    let scale_cost = unit_scale(everything.iter().map(|point| point.cost));
    let scale_quality = unit_scale(everything.iter().map(|point| point.quality));
    let scaled = |point: &CurvePoint| CurvePoint {
        cost: scale_cost(point.cost),
        quality: scale_quality(point.quality),
    };
    let front: Vec<CurvePoint> = pareto_front(&everything).iter().map(scaled).collect();
    routers
        .iter()
        .map(|points| {
            let total: f64 = points
                .iter()
                .map(|point| distance_to_line(scaled(point), &front))
                .sum();
            (!points.is_empty()).then(|| total / points.len() as f64)
        })
        .collect()
}

/// The part of the front of points and anchor that the interval can afford.
fn within(points: &[CurvePoint], interval: &SharedInterval) -> Vec<CurvePoint> {
    let mut affordable = points.to_vec();
    affordable.push(interval.anchor);
    affordable.retain(|point| point.cost <= interval.high);
    for point in &mut affordable {
        point.cost = point.cost.max(interval.low);
    }
    pareto_front(&affordable)
}

/// Mean height over the interval of a curve that begins at its left end and stays level after its last point.
fn mean_height(curve: &[CurvePoint], interval: &SharedInterval) -> f64 {
    let Some(last) = curve.last() else {
        return interval.anchor.quality;
    };
    let width = interval.high - interval.low;
    if width <= 0.0 {
        return last.quality;
    }
    (area(curve) + (interval.high - last.cost) * last.quality) / width
}

fn area(curve: &[CurvePoint]) -> f64 {
    curve
        .windows(2)
        .map(|pair| (pair[1].cost - pair[0].cost) * (pair[0].quality + pair[1].quality) / 2.0)
        .sum()
}

/// Upper convex hull of a front; it cannot decrease, because a front does not.
fn upper_hull(front: &[CurvePoint]) -> Vec<CurvePoint> {
    let mut hull: Vec<CurvePoint> = Vec::with_capacity(front.len());
    for &point in front {
        while let [.., a, b] = hull[..] {
            let above = (b.cost - a.cost) * (point.quality - a.quality)
                < (b.quality - a.quality) * (point.cost - a.cost);
            if above {
                break;
            }
            hull.pop();
        }
        hull.push(point);
    }
    hull
}

/// The map that sends the values' range to [0, 1]; without a range, everything goes to 0.
fn unit_scale(values: impl Iterator<Item = f64>) -> impl Fn(f64) -> f64 {
    let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
        (low.min(value), high.max(value))
    });
    move |value| {
        if high > low {
            (value - low) / (high - low)
        } else {
            0.0
        }
    }
}

fn distance_to_line(point: CurvePoint, line: &[CurvePoint]) -> f64 {
    let to = |end: &CurvePoint| (point.cost - end.cost).hypot(point.quality - end.quality);
    let corners = line.iter().map(to).fold(f64::INFINITY, f64::min);
    line.windows(2)
        .map(|pair| {
            let (along_cost, along_quality) = (
                pair[1].cost - pair[0].cost,
                pair[1].quality - pair[0].quality,
            );
            let length = along_cost.powi(2) + along_quality.powi(2);
            let part = ((point.cost - pair[0].cost) * along_cost
                + (point.quality - pair[0].quality) * along_quality)
                / length;
            let part = part.clamp(0.0, 1.0);
            to(&CurvePoint {
                cost: pair[0].cost + part * along_cost,
                quality: pair[0].quality + part * along_quality,
            })
        })
        .fold(corners, f64::min)
}
