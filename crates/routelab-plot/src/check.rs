//! Checks of the numbers that a figure is given.

use crate::PlotError;

/// Names the figure in every message.
#[derive(Clone, Copy)]
pub(crate) struct Check(pub &'static str);

/// Room for rounding in sums of shares.
const ROUNDING: f64 = 1e-9;

impl Check {
    /// At least one.
    pub fn some<T>(self, list: &[T], what: impl Into<String>) -> Result<(), PlotError> {
        if list.is_empty() {
            Err(PlotError::Empty {
                figure: self.0,
                what: what.into(),
            })
        } else {
            Ok(())
        }
    }

    /// As many as expected.
    pub fn length(
        self,
        found: usize,
        expected: usize,
        what: impl FnOnce() -> String,
    ) -> Result<(), PlotError> {
        if found == expected {
            Ok(())
        } else {
            Err(PlotError::Length {
                figure: self.0,
                what: what(),
                found,
                expected,
            })
        }
    }

    /// No more than can be drawn.
    pub fn at_most(self, found: usize, most: usize, what: &'static str) -> Result<(), PlotError> {
        if found <= most {
            Ok(())
        } else {
            Err(PlotError::TooMany {
                figure: self.0,
                what,
                found,
                most,
            })
        }
    }

    fn each(
        self,
        values: impl IntoIterator<Item = f64>,
        what: impl Fn() -> String,
        expected: &'static str,
        good: impl Fn(f64) -> bool,
    ) -> Result<(), PlotError> {
        for (index, value) in values.into_iter().enumerate() {
            if !value.is_finite() {
                return Err(PlotError::NotFinite {
                    figure: self.0,
                    what: what(),
                    index,
                    value,
                });
            }
            if !good(value) {
                return Err(PlotError::OutOfRange {
                    figure: self.0,
                    what: what(),
                    index,
                    value,
                    expected,
                });
            }
        }
        Ok(())
    }

    /// Finite.
    pub fn finite(
        self,
        values: impl IntoIterator<Item = f64>,
        what: impl Fn() -> String,
    ) -> Result<(), PlotError> {
        self.each(values, what, "", |_| true)
    }

    /// Finite and ≥ 0.
    pub fn positive(
        self,
        values: impl IntoIterator<Item = f64>,
        what: impl Fn() -> String,
    ) -> Result<(), PlotError> {
        self.each(values, what, "a number of at least 0", |v| v >= 0.0)
    }

    /// In [0, 1].
    pub fn shares(
        self,
        values: impl IntoIterator<Item = f64>,
        what: impl Fn() -> String,
    ) -> Result<(), PlotError> {
        self.each(values, what, "a number from 0 to 1", |v| {
            (-ROUNDING..=1.0 + ROUNDING).contains(&v)
        })
    }

    /// Finite and > 0.
    pub fn above_zero(self, value: f64, what: impl Fn() -> String) -> Result<(), PlotError> {
        self.each([value], what, "a number above 0", |v| v > 0.0)
    }

    /// 1, within what rounding in other programs may do.
    pub fn whole(self, value: f64, what: impl Fn() -> String) -> Result<(), PlotError> {
        self.each([value], what, "1", |v| (v - 1.0).abs() <= 1e-3)
    }

    /// Finite, ≥ 0 and ascending; at least one.
    pub fn budgets(self, budgets: &[f64]) -> Result<(), PlotError> {
        self.ascending(budgets, "budgets")?;
        self.positive(budgets.iter().copied(), || "budgets".into())
    }

    /// Finite and ascending; at least one.
    pub fn ascending(self, values: &[f64], what: &str) -> Result<(), PlotError> {
        self.some(values, format!("the list of {what}"))?;
        self.finite(values.iter().copied(), || what.into())?;
        match values.windows(2).position(|pair| pair[1] < pair[0]) {
            None => Ok(()),
            Some(i) => Err(PlotError::OutOfRange {
                figure: self.0,
                what: what.into(),
                index: i + 1,
                value: values[i + 1],
                expected: "no less than the one before (sort them)",
            }),
        }
    }
}
