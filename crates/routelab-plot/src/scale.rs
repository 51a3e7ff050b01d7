//! Scales: how values go to places along an axis.

use std::ops::Range;

use plotters::coord::ranged1d::{DefaultFormatting, KeyPointHint, Ranged};

/// How values go to places along an axis.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Scale {
    /// Even in the value.
    Linear { low: f64, high: f64 },
    /// Even in the logarithm; `0 < low < high`.
    Log { low: f64, high: f64 },
    /// As `Log`, with a place for 0 of its own left of it, behind a break of the axis.
    LogWithZero { low: f64, high: f64 },
}

/// The smallest number that is told apart from 0.
const SMALLEST: f64 = 1e-300;

/// Share of a [`Scale::LogWithZero`] axis at which the logarithmic part begins.
const LOG_STARTS: f64 = 0.07;
/// Share of it at which 0 stands.
const ZERO_STANDS: f64 = 0.02;

impl Scale {
    /// The scale for costs or budgets, all finite and ≥ 0: logarithmic when the positive ones span more than a decade,
    /// with a place for 0 if some are 0; otherwise linear. `pad` is the share of the axis left free at each end.
    pub fn for_costs(values: impl IntoIterator<Item = f64>, pad: f64) -> Scale {
        let (mut low, high, zero) = positive_range(values);
        if low > high {
            return Scale::Linear {
                low: 0.0,
                high: 1.0,
            };
        }
        if high / low > 10.0 {
            return Scale::log_between(low, high, zero, pad);
        }
        if zero {
            low = 0.0;
        }
        if low == high {
            return Scale::Linear {
                low: low * 0.5,
                high: (high * 1.5).min(f64::MAX),
            };
        }
        let room = (high - low) * pad;
        Scale::Linear {
            low: (low - room).max(0.0),
            high: (high + room).min(f64::MAX),
        }
    }

    /// A logarithmic scale for finite values ≥ 0, with a place for 0 if some are 0; `pad` as above.
    pub fn log(values: impl IntoIterator<Item = f64>, pad: f64) -> Scale {
        let (low, high, zero) = positive_range(values);
        if low < high {
            Scale::log_between(low, high, zero, pad)
        } else if low == high {
            // One value stands in the middle of two octaves.
            Scale::log_between(low / 2.0, high * 2.0, zero, 0.0)
        } else {
            Scale::Linear {
                low: 0.0,
                high: 1.0,
            }
        }
    }

    fn log_between(low: f64, high: f64, zero: bool, pad: f64) -> Scale {
        let stretch = match high / low {
            ratio if ratio.is_finite() => ratio.powf(pad),
            _ => ((high.ln() - low.ln()) * pad).exp(),
        };
        // Numbers at the ends of what there are have no room beside them.
        let (low, high) = (
            (low / stretch).max(f64::MIN_POSITIVE),
            (high * stretch).min(f64::MAX),
        );
        if zero {
            Scale::LogWithZero { low, high }
        } else {
            Scale::Log { low, high }
        }
    }

    /// A linear scale around finite values; `pad` is the share of the axis left free at each end.
    pub fn around(values: impl IntoIterator<Item = f64>, pad: f64) -> Scale {
        let (low, high) = values
            .into_iter()
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), v| {
                (a.min(v), b.max(v))
            });
        if low > high {
            return Scale::Linear {
                low: 0.0,
                high: 1.0,
            };
        }
        let span = high - low;
        // Values that are all the same stand in the middle.
        let room = if span > 0.0 {
            span * pad
        } else {
            (low.abs() * 0.1).max(1e-3)
        };
        Scale::Linear {
            low: (low - room).max(f64::MIN),
            high: (high + room).min(f64::MAX),
        }
    }

    /// A linear scale around finite values, cut to `[0, 1]`; at least 0.02 wide.
    pub fn for_shares(values: impl IntoIterator<Item = f64>) -> Scale {
        let (low, high) = values
            .into_iter()
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), v| {
                (a.min(v), b.max(v))
            });
        let (low, high) = if low > high { (0.0, 1.0) } else { (low, high) };
        let room = ((high - low) * 0.06).max(0.01);
        Scale::Linear {
            low: (low - room).max(0.0),
            high: (high + room).min(1.0),
        }
    }

    /// Where a value stands, 0 at the start of the axis and 1 at its end; values outside stand at the ends.
    pub fn place(&self, value: f64) -> f64 {
        let share = match *self {
            Scale::Linear { low, high } => (value - low) / (high - low),
            Scale::Log { low, high } => log_ratio(value.max(low), low) / log_ratio(high, low),
            Scale::LogWithZero { .. } if value <= 0.0 => ZERO_STANDS,
            Scale::LogWithZero { low, high } => {
                LOG_STARTS
                    + (1.0 - LOG_STARTS) * log_ratio(value.max(low), low) / log_ratio(high, low)
            }
        };
        share.clamp(0.0, 1.0)
    }

    /// Where the break of a [`Scale::LogWithZero`] axis stands.
    pub fn break_at(&self) -> Option<f64> {
        matches!(self, Scale::LogWithZero { .. }).then_some((ZERO_STANDS + LOG_STARTS) / 2.0)
    }
}

impl Ranged for Scale {
    type FormatOption = DefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, (start, end): (i32, i32)) -> i32 {
        start + (f64::from(end - start) * self.place(*value)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        linear_steps(self.range(), hint.max_num_points()).0
    }

    fn range(&self) -> Range<f64> {
        match *self {
            Scale::Linear { low, high } | Scale::Log { low, high } => low..high,
            Scale::LogWithZero { high, .. } => 0.0..high,
        }
    }
}

/// Logarithm of `a / b`, both above 0, of whatever size.
fn log_ratio(a: f64, b: f64) -> f64 {
    let ratio = a / b;
    if ratio.is_finite() {
        ratio.ln()
    } else {
        a.ln() - b.ln()
    }
}

/// The smallest and the largest of the positive values, the first above the second if there are none; and whether any
/// other occurs.
fn positive_range(values: impl IntoIterator<Item = f64>) -> (f64, f64, bool) {
    let none = (f64::INFINITY, f64::NEG_INFINITY, false);
    values.into_iter().fold(none, |(low, high, zero), value| {
        // Smaller ones are 0 to every reader, and have too few digits to divide.
        if value >= SMALLEST {
            (low.min(value), high.max(value), zero)
        } else {
            (low, high, true)
        }
    })
}

/// Multiples of 1, 2 or 5 times a power of ten inside a range, at most `at_most` (at least 2), and the decimals that
/// they need.
pub(crate) fn linear_steps(range: Range<f64>, at_most: usize) -> (Vec<f64>, usize) {
    let span = range.end - range.start;
    if !(span >= SMALLEST && span.is_finite()) {
        return (vec![range.start], 2);
    }
    let rough = span / at_most.max(2) as f64;
    let mut exponent = rough.log10().floor() as i32;
    let mut step = 1.0;
    for multiple in [1, 2, 5, 10] {
        step = f64::from(multiple) * 10f64.powi(exponent);
        if step >= rough * (1.0 - 1e-9) {
            if multiple == 10 {
                exponent += 1;
            }
            break;
        }
    }
    let first = (range.start / step - 1e-9).ceil() as i64;
    let last = (range.end / step + 1e-9).floor() as i64;
    // Values that differ in their last digits only have no whole multiples of a step between them that could be counted.
    if last.saturating_sub(first) > at_most.max(2) as i64 + 1 {
        return (vec![range.start], 2);
    }
    let decimals = usize::try_from(-exponent).unwrap_or(0);
    ((first..=last).map(|i| i as f64 * step).collect(), decimals)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Costs at the ends of what numbers there are: every scale has finite ends, places in order, and few steps.
    #[test]
    fn any_costs_have_a_scale() {
        let numbers = [
            0.0,
            5e-324,
            1e-310,
            1e-300,
            1.0,
            1.0 + f64::EPSILON,
            3.0,
            1e15,
            1e300,
        ];
        for &a in &numbers {
            for &b in numbers.iter().filter(|&&b| b >= a) {
                for scale in [
                    Scale::for_costs([a, b], 0.02),
                    Scale::log([a, b], 0.02),
                    Scale::around([a, b], 0.02),
                ] {
                    let (low, high) = (scale.place(a), scale.place(b));
                    assert!(
                        low <= high,
                        "{a}, {b}: {scale:?} puts them at {low}, {high}"
                    );
                    let (steps, _) = linear_steps(scale.range(), 7);
                    assert!((1..=9).contains(&steps.len()), "{a}, {b}: {steps:?}");
                    assert!(steps.iter().all(|step| step.is_finite()));
                }
            }
        }
    }
}
