//! What the values of a figure measure.

use crate::axis::Numbers;

/// Which of two values of a quantity is the better one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Better {
    /// The higher one, as of quality.
    Higher,
    /// The lower one, as of cost or the routing collapse index.
    Lower,
    /// Neither, as of a share of variance.
    Neither,
}

impl Better {
    /// The better of two values.
    pub(crate) fn of(self, a: f64, b: f64) -> f64 {
        match self {
            Better::Higher | Better::Neither => a.max(b),
            Better::Lower => a.min(b),
        }
    }
}

/// What a figure measures, as it names and writes it: a metric, seconds, memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quantity {
    /// Its name, for example "nAUC".
    pub name: String,
    /// Whether values are shares that are written as per cent: 0.25 stands as 25.0.
    pub percent: bool,
    /// Which values are better.
    pub better: Better,
}

impl Quantity {
    /// The name with the unit and an arrow towards better values.
    pub(crate) fn title(&self) -> String {
        let unit = if self.percent { " (%)" } else { "" };
        let arrow = match self.better {
            Better::Higher => " ↑",
            Better::Lower => " ↓",
            Better::Neither => "",
        };
        format!("{}{unit}{arrow}", self.name)
    }

    pub(crate) fn numbers(&self) -> Numbers {
        if self.percent {
            Numbers::Percent
        } else {
            Numbers::Plain
        }
    }

    /// A value as it stands in a figure: per cent with one decimal, others with three.
    pub(crate) fn write(&self, value: f64) -> String {
        if self.percent {
            format!("{:.1}", value * 100.0)
        } else {
            format!("{value:.3}")
        }
    }
}

/// A value, with an interval if there is one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// The value, finite.
    pub value: f64,
    /// Lower and upper end of an interval, finite.
    pub interval: Option<(f64, f64)>,
}

impl Estimate {
    /// The value and the ends of its interval.
    pub(crate) fn numbers(&self) -> impl Iterator<Item = f64> + use<> {
        let ends = self.interval.map(|(low, high)| [low, high]);
        std::iter::once(self.value).chain(ends.into_iter().flatten())
    }

    /// Both ends of the interval, as options for CSV.
    pub(crate) fn ends(&self) -> (Option<f64>, Option<f64>) {
        (self.interval.map(|i| i.0), self.interval.map(|i| i.1))
    }
}
