//! Sums that do not depend on the order of their terms.
//!
//! Thresholds such as "quality reaches the best single model's" compare two means. When a router sends every query
//! to that model the two are the same number, yet floating-point sums in different orders differ in the last bits
//! and the threshold would be missed by chance. Values are therefore added as integers, in units of a power of two
//! small enough to lose nothing that matters: sums are then independent of order, of threads and of how a sweep
//! gets to its points.

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

    pub fn encode(self, value: f64) -> i128 {
        (value * self.factor) as i128
    }

    /// The mean of `terms` values whose integers add up to `sum`.
    pub fn mean(self, sum: i128, terms: usize) -> f64 {
        sum as f64 / self.factor / terms as f64
    }
}
