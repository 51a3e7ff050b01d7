//! What a search for better settings may change.

use std::collections::BTreeMap;

use rand::Rng;
use rand::seq::IndexedRandom;
use serde::{Deserialize, Serialize};
use toml::Value;

/// The settings that a search may change, by their name, and the values that it tries.
pub type SearchSpace = BTreeMap<String, Values>;

/// The values of one setting.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(
    untagged,
    expecting = "expected a list of values, or a range such as { low = 1e-4, high = 1e-2, log = true }"
)]
pub enum Values {
    /// One of these, each as likely.
    OneOf(Vec<Value>),
    /// A number in a range.
    Range(Range),
}

/// A range of numbers, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Range {
    /// The smallest.
    pub low: f64,
    /// The largest, above `low`.
    pub high: f64,
    /// Whether the number's logarithm is drawn uniformly, and not the number; `low` is above 0 then.
    #[serde(default)]
    pub log: bool,
    /// Whether the number is rounded to an integer.
    #[serde(default)]
    pub integer: bool,
}

impl Values {
    /// One of these integers.
    pub fn integers(values: impl IntoIterator<Item = i64>) -> Self {
        Self::OneOf(values.into_iter().map(Value::from).collect())
    }

    /// One of these numbers.
    pub fn numbers(values: impl IntoIterator<Item = f64>) -> Self {
        Self::OneOf(values.into_iter().map(Value::from).collect())
    }

    /// One of these words.
    pub fn words<'a>(values: impl IntoIterator<Item = &'a str>) -> Self {
        Self::OneOf(values.into_iter().map(Value::from).collect())
    }

    /// A number whose logarithm is uniform.
    pub fn log(low: f64, high: f64) -> Self {
        Self::Range(Range {
            low,
            high,
            log: true,
            integer: false,
        })
    }

    /// A number, uniform.
    pub fn uniform(low: f64, high: f64) -> Self {
        Self::Range(Range {
            low,
            high,
            log: false,
            integer: false,
        })
    }

    /// Checks the range; the error says what was expected.
    pub fn validate(&self) -> Result<(), String> {
        match self {
            Self::OneOf(values) if values.is_empty() => Err("has no values to try".into()),
            Self::Range(range) if !(range.low < range.high && range.high.is_finite()) => {
                Err(format!(
                    "`low` must be below `high`, not {} and {}",
                    range.low, range.high
                ))
            }
            Self::Range(range) if range.log && range.low <= 0.0 => Err(format!(
                "`low` must be above 0 with `log = true`, not {}",
                range.low
            )),
            _ => Ok(()),
        }
    }

    /// Draws a value.
    pub fn draw(&self, rng: &mut impl Rng) -> Value {
        use rand::RngExt;
        match self {
            Self::OneOf(values) => values
                .choose(rng)
                .cloned()
                .expect("a checked list has values"),
            Self::Range(range) => {
                let Range { low, high, .. } = *range;
                let number = if range.log {
                    let number: f64 = rng.random_range(low.ln()..=high.ln());
                    number.exp().clamp(low, high)
                } else {
                    rng.random_range(low..=high)
                };
                if range.integer {
                    Value::from(number.round() as i64)
                } else {
                    Value::from(number)
                }
            }
        }
    }
}

/// A search space from names and values.
pub(crate) fn space<const N: usize>(settings: [(&str, Values); N]) -> SearchSpace {
    settings
        .into_iter()
        .map(|(name, values)| (name.to_owned(), values))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    #[test]
    fn draws_stay_inside_and_reach_every_part() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let log = Values::log(1e-4, 1e-2);
        let draws: Vec<f64> = (0..200)
            .map(|_| log.draw(&mut rng).as_float().unwrap())
            .collect();
        assert!(draws.iter().all(|&value| (1e-4..=1e-2).contains(&value)));
        let below = draws.iter().filter(|&&value| value < 1e-3).count();
        assert!(
            (60..140).contains(&below),
            "half lie in each decade: {below}"
        );
        let integers = Values::Range(Range {
            low: 1.0,
            high: 3.0,
            log: false,
            integer: true,
        });
        for value in 1..=3 {
            assert!((0..100).any(|_| integers.draw(&mut rng) == Value::from(value)));
        }
        let words = Values::words(["a", "b"]);
        assert!((0..50).any(|_| words.draw(&mut rng) == Value::from("b")));
    }

    #[test]
    fn impossible_ranges_are_refused() {
        assert!(
            Values::log(0.0, 1.0)
                .validate()
                .unwrap_err()
                .contains("above 0")
        );
        assert!(
            Values::uniform(2.0, 1.0)
                .validate()
                .unwrap_err()
                .contains("below")
        );
        assert!(Values::integers([]).validate().is_err());
        assert!(Values::uniform(f64::NAN, 1.0).validate().is_err());
    }
}
