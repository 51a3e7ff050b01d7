//! US dollars, exactly: sums of millions of small prices neither lose nor gain anything.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Parts of a dollar that are counted. The price of one token in them is the price of a million tokens in dollars × 10⁶.
const PARTS: f64 = 1e12;

/// An amount of US dollars in whole picodollars, up to 18 million dollars. Sums stop there instead of overflowing.
///
/// In JSON it is a number of dollars, from which the same amount is read again below 9,000 dollars.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Money(u64);

impl Money {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// The nearest amount; `None` for what is negative, no number, or above a million dollars.
    pub fn from_dollars(dollars: f64) -> Option<Self> {
        (0.0..=1e6)
            .contains(&dollars)
            .then(|| Self((dollars * PARTS).round() as u64))
    }

    /// In dollars.
    pub fn dollars(self) -> f64 {
        self.0 as f64 / PARTS
    }

    /// So many times the amount.
    pub fn times(self, count: u64) -> Self {
        Self(self.0.saturating_mul(count))
    }

    /// What is left after an amount is taken, at least nothing.
    pub fn less(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl Add for Money {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl AddAssign for Money {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sum for Money {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::ZERO, Self::add)
    }
}

impl fmt::Display for Money {
    /// Dollars with at least two decimals, and as many as a small amount needs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => f.write_str("0.00"),
            1..10_000_000_000 => write!(f, "{:.6}", self.dollars()),
            10_000_000_000..1_000_000_000_000 => write!(f, "{:.4}", self.dollars()),
            _ => write!(f, "{:.2}", self.dollars()),
        }
    }
}

impl Serialize for Money {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.dollars())
    }
}

impl<'de> Deserialize<'de> for Money {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let dollars = f64::deserialize(deserializer)?;
        Self::from_dollars(dollars)
            .ok_or_else(|| serde::de::Error::custom(format!("{dollars} is no amount of dollars")))
    }
}

/// Prices of a model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prices {
    /// US dollars for a million tokens of the prompt.
    pub input: f64,
    /// US dollars for a million tokens of the answer.
    pub output: f64,
    /// US dollars for a call, beside its tokens.
    #[serde(default)]
    pub call: f64,
}

impl Prices {
    /// The key whose price cannot be counted exactly, and why.
    pub(crate) fn problem(&self) -> Option<(&'static str, &'static str)> {
        [
            ("input", self.input, 1e6),
            ("output", self.output, 1e6),
            ("call", self.call, PARTS),
        ]
        .into_iter()
        .find_map(|(key, price, parts)| {
            if !(0.0..=1e5).contains(&price) {
                return Some((key, "expected US dollars between 0 and 100000"));
            }
            let counted = price * parts;
            ((counted - counted.round()).abs() > 1e-3)
                .then_some((key, "expected at most 6 decimals"))
        })
    }

    /// What a call costs, in whole picodollars.
    pub fn cost(&self, prompt_tokens: u64, answer_tokens: u64) -> Money {
        let token = |price: f64| Money((price * 1e6).round() as u64);
        let call = Money((self.call * PARTS).round() as u64);
        token(self.input).times(prompt_tokens) + token(self.output).times(answer_tokens) + call
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_prices_add_up_exactly() {
        let prices = Prices {
            input: 0.0375,
            output: 0.15,
            call: 0.0,
        };
        assert_eq!(prices.problem(), None);
        let one = prices.cost(1, 1);
        assert_eq!(one, Money(37_500 + 150_000));
        let many: Money = std::iter::repeat_n(one, 1_000_000).sum();
        assert_eq!(many.dollars(), 0.1875);
        let text = serde_json::to_string(&one).unwrap();
        assert_eq!(serde_json::from_str::<Money>(&text).unwrap(), one);
    }

    #[test]
    fn what_is_no_price_is_refused() {
        let prices = |input| Prices {
            input,
            output: 0.0,
            call: 0.0,
        };
        assert_eq!(prices(-1.0).problem().unwrap().0, "input");
        assert_eq!(prices(f64::NAN).problem().unwrap().0, "input");
        assert_eq!(prices(0.000_000_1).problem().unwrap().0, "input");
        assert_eq!(Money::from_dollars(-0.1), None);
        assert_eq!(Money(u64::MAX) + Money(1), Money(u64::MAX));
    }

    #[test]
    fn amounts_are_written_with_the_digits_that_matter() {
        let written = |dollars| Money::from_dollars(dollars).unwrap().to_string();
        assert_eq!(written(0.0), "0.00");
        assert_eq!(written(0.000_123), "0.000123");
        assert_eq!(written(0.25), "0.2500");
        assert_eq!(written(12.345), "12.35");
    }
}
