//! Sums that do not depend on the order of their terms.
//!
//! Thresholds such as "quality reaches the best single model's" compare two means. When a router sends every query
//! to that model the two are the same number, yet floating-point sums in different orders differ in the last bits
//! and the threshold would be missed by chance. Values are therefore added as integers, in units of a power of two
//! small enough to lose nothing that matters: sums are then independent of order, of threads and of how a sweep
//! gets to its points.

use ndarray::ArrayView2;

use crate::matrices::Largest;
use crate::{CurvePoint, SharedInterval, Truth};

/// A common scale for a set of values: integers in units of `2^-shift`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FixedPoint {
    /// `2^shift`
    factor: f64,
}

impl FixedPoint {
    /// A scale on which `terms` values of up to `largest` in magnitude can be added within 120 bits.
    pub fn for_sum_of(terms: usize, largest: f64) -> Self {
        if largest == 0.0 {
            return Self { factor: 1.0 };
        }
        let bits = largest.log2().ceil() as i32 + (terms.max(1) as f64).log2().ceil() as i32;
        // 2^1000 is close to the largest power of two that is a number.
        Self {
            factor: 2.0_f64.powi((120 - bits).clamp(-1000, 1000)),
        }
    }

    /// The scaled value, rounded towards 0; not the saturating conversion of the standard library, which takes twice as long and asks
    /// whether the value fits: it does.
    #[inline(always)]
    pub fn encode(self, value: f64) -> i128 {
        let bits = (value * self.factor).to_bits();
        let exponent = (bits >> 52 & 0x7ff) as u32;
        let mantissa = i128::from(bits & ((1 << 52) - 1) | 1 << 52);
        // 1.0 has the exponent 1023, and the mantissa counts 2^-52 of it.
        let magnitude = match exponent {
            ..1023 => 0,
            1023..1075 => mantissa >> (1075 - exponent),
            _ => mantissa << (exponent - 1075).min(127),
        };
        let sign = i128::from(bits as i64 >> 63);
        (magnitude ^ sign) - sign
    }

    /// The mean of `terms` values whose integers add up to `sum`.
    pub fn mean(self, sum: i128, terms: usize) -> f64 {
        sum as f64 / self.factor / terms as f64
    }
}

/// Real costs and qualities in fixed point; see [`FixedPoint`].
pub(crate) struct ExactTruth<'a> {
    truth: Truth<'a>,
    pub cost_scale: FixedPoint,
    pub quality_scale: FixedPoint,
}

impl<'a> ExactTruth<'a> {
    pub fn new(truth: &Truth<'a>) -> Self {
        Self::with(truth, Largest::of(truth))
    }

    /// `largest` magnitudes in `truth`.
    pub fn with(truth: &Truth<'a>, largest: Largest) -> Self {
        Self {
            truth: *truth,
            cost_scale: FixedPoint::for_sum_of(truth.queries(), largest.cost),
            quality_scale: FixedPoint::for_sum_of(truth.queries(), largest.quality),
        }
    }

    pub fn queries(&self) -> usize {
        self.truth.queries()
    }

    pub fn models(&self) -> usize {
        self.truth.models()
    }

    pub fn cost(&self, row: usize, model: usize) -> i128 {
        self.cost_scale.encode(self.truth.cost[[row, model]])
    }

    pub fn quality(&self, row: usize, model: usize) -> i128 {
        self.quality_scale.encode(self.truth.quality[[row, model]])
    }

    /// Of every model over all queries.
    pub fn total_costs(&self) -> Vec<i128> {
        totals(self.cost_scale, self.truth.cost)
    }

    /// Of every model over all queries.
    pub fn total_qualities(&self) -> Vec<i128> {
        totals(self.quality_scale, self.truth.quality)
    }

    /// Mean cost and mean quality of `choices`, one model per query.
    pub fn mean_of(&self, choices: impl Iterator<Item = usize>) -> (f64, f64) {
        let (mut cost, mut quality) = (0, 0);
        for (row, model) in choices.enumerate() {
            cost += self.cost(row, model);
            quality += self.quality(row, model);
        }
        (
            self.cost_scale.mean(cost, self.queries()),
            self.quality_scale.mean(quality, self.queries()),
        )
    }

    /// The interval of costs that all routers on these queries share.
    pub fn interval(&self, extremes: &Extremes) -> SharedInterval {
        let (low, quality) = self.mean_of(extremes.cheapest.iter().copied());
        let (high, _) = self.mean_of(extremes.dearest.iter().copied());
        SharedInterval {
            low,
            high,
            anchor: CurvePoint { cost: low, quality },
        }
    }
}

fn totals(scale: FixedPoint, values: ArrayView2<f64>) -> Vec<i128> {
    let mut totals = vec![0; values.ncols()];
    for row in values.rows() {
        for (total, &value) in totals.iter_mut().zip(row) {
            *total += scale.encode(value);
        }
    }
    totals
}

/// Every query's really cheapest and really dearest model; the first of several.
pub(crate) struct Extremes {
    pub cheapest: Vec<usize>,
    pub dearest: Vec<usize>,
}

impl Extremes {
    pub fn of(truth: &Truth) -> Self {
        let rows = || truth.cost.rows().into_iter();
        let first = |better: fn(f64, f64) -> bool| {
            rows()
                .map(|row| {
                    (1..row.len()).fold(
                        0,
                        |m, next| if better(row[next], row[m]) { next } else { m },
                    )
                })
                .collect()
        };
        Self {
            cheapest: first(|a, b| a < b),
            dearest: first(|a, b| a > b),
        }
    }
}

pub(crate) fn first_largest(totals: &[i128]) -> usize {
    (1..totals.len()).fold(0, |best, m| if totals[m] > totals[best] { m } else { best })
}

#[cfg(test)]
mod tests {
    use super::FixedPoint;

    #[test]
    fn values_are_encoded_as_by_a_conversion() {
        for factor in [1.0, 2.0_f64.powi(60), 2.0_f64.powi(-60)] {
            let values = (-500..66).map(f64::from).map(|power| 1.1 * power.exp2());
            for value in values.flat_map(|value| [value, -value, 0.0, -0.0, f64::MIN_POSITIVE]) {
                let encoded = FixedPoint { factor }.encode(value);
                assert_eq!(encoded, (value * factor) as i128, "{value} x {factor}");
            }
        }
    }
}
