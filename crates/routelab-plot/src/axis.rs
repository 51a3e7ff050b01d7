//! Axes and their ticks.

use std::ops::Range;

pub(crate) use crate::scale::Scale;
use crate::scale::linear_steps;
use crate::style::{pt, size};
use crate::text::{self, Weight};

/// How the values of an axis are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Numbers {
    /// As they are.
    Plain,
    /// With a dollar sign.
    Dollars,
    /// Shares, as per cent without the sign (the axis title has it).
    Percent,
}

impl Numbers {
    /// How costs in a unit are written.
    pub fn for_unit(unit: &str) -> Numbers {
        let unit = unit.to_lowercase();
        if unit.contains("dollar") || unit.contains("usd") || unit == "$" {
            Numbers::Dollars
        } else {
            Numbers::Plain
        }
    }

    fn write(self, value: f64, decimals: usize) -> String {
        match self {
            Numbers::Plain => grouped(value, decimals),
            Numbers::Dollars => format!("${}", grouped(value, decimals)),
            Numbers::Percent => grouped(value * 100.0, decimals.saturating_sub(2)),
        }
    }
}

/// Decimal notation with commas between thousands from 10,000 on.
fn grouped(value: f64, decimals: usize) -> String {
    // A minus sign is as wide as a digit, a hyphen is not.
    let text = format!("{value:.decimals$}").replace('-', "−");
    if value.abs() < 10_000.0 {
        return text;
    }
    let (whole, rest) = text
        .split_once('.')
        .map_or((text.as_str(), None), |(w, r)| (w, Some(r)));
    let mut out = String::new();
    for (i, c) in whole.chars().enumerate() {
        let left = whole.chars().count() - i;
        if i > 0 && left.is_multiple_of(3) && !out.ends_with('−') {
            out.push(',');
        }
        out.push(c);
    }
    if let Some(rest) = rest {
        out.push('.');
        out.push_str(rest);
    }
    out
}

/// Decades from which on an axis has ticks at whole decades only.
const MANY_DECADES: i32 = 40;

/// A mark on an axis; minor ones have no label.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Tick {
    pub value: f64,
    pub label: Option<String>,
}

/// One axis.
#[derive(Debug, Clone)]
pub(crate) struct Axis {
    pub scale: Scale,
    pub title: String,
    pub numbers: Numbers,
}

impl Axis {
    /// An axis of costs, its title `what` with the unit behind it.
    pub fn costs(scale: Scale, what: &str, unit: &str) -> Axis {
        Axis {
            scale,
            title: format!("{what} ({unit})"),
            numbers: Numbers::for_unit(unit),
        }
    }

    /// The ticks of an axis of some length, their labels `along` a horizontal axis or beside a vertical one: as many as
    /// stand apart. No label reaches further than `overhang` beyond an end of the axis.
    pub fn ticks(&self, length: i32, along: bool, overhang: i32) -> Vec<Tick> {
        let mut choices = match self.scale {
            Scale::Linear { low, high } => (2..=7)
                .rev()
                .map(|n| self.linear_ticks(low..high, n))
                .collect(),
            Scale::Log { low, high } => self.log_ticks(low, high, false),
            Scale::LogWithZero { low, high } => self.log_ticks(low, high, true),
        };
        for tick in choices.iter_mut().flatten() {
            if !self.inside(tick, length, along, overhang) {
                tick.label = None;
            }
        }
        let fits = |ticks: &&Vec<Tick>| self.apart(ticks, length, along);
        let labels = |ticks: &Vec<Tick>| ticks.iter().filter(|t| t.label.is_some()).count();
        // An axis with fewer than two labels says little.
        let fitting: Vec<&Vec<Tick>> = choices.iter().filter(fits).collect();
        let best = [2, 1, 0]
            .iter()
            .find_map(|least| fitting.iter().find(|ticks| labels(ticks) >= *least));
        best.map(|ticks| (*ticks).clone()).unwrap_or_default()
    }

    /// Whether all labels of ticks along a horizontal axis can be written.
    pub fn fits(&self, ticks: &[Tick], length: i32, overhang: i32) -> bool {
        let inside = |tick: &Tick| self.inside(tick, length, true, overhang);
        ticks.iter().all(inside) && self.apart(ticks, length, true)
    }

    /// Where a label begins and ends.
    fn span(&self, tick: &Tick, length: i32, along: bool) -> Option<(i32, i32)> {
        let label = tick.label.as_deref()?;
        let extent = if along {
            text::width(label, size::TICK, Weight::Regular)
        } else {
            size::TICK
        };
        let start = (f64::from(length) * self.scale.place(tick.value)) as i32 - extent / 2;
        Some((start, start + extent))
    }

    fn inside(&self, tick: &Tick, length: i32, along: bool, overhang: i32) -> bool {
        let span = self.span(tick, length, along);
        span.is_none_or(|(start, end)| -start <= overhang && end - length <= overhang)
    }

    fn apart(&self, ticks: &[Tick], length: i32, along: bool) -> bool {
        let apart = if along { pt(5.0) } else { pt(6.0) };
        let spans: Vec<(i32, i32)> = ticks
            .iter()
            .filter_map(|tick| self.span(tick, length, along))
            .collect();
        spans.windows(2).all(|pair| pair[1].0 - pair[0].1 >= apart)
    }

    fn linear_ticks(&self, range: Range<f64>, at_most: usize) -> Vec<Tick> {
        let (values, decimals) = linear_steps(range, at_most);
        values
            .into_iter()
            .map(|value| Tick {
                value,
                label: Some(self.numbers.write(value, decimals)),
            })
            .collect()
    }

    /// Choices of ticks from dense to sparse: labels at 1, 2 and 5 in each decade, 1 and 3, 1, then every second decade,
    /// every third, …; unlabelled ticks at all other whole multiples.
    fn log_ticks(&self, low: f64, high: f64, zero: bool) -> Vec<Vec<Tick>> {
        let decades = low.log10().floor() as i32..=high.log10().ceil() as i32;
        // Beyond these, decimal notation is mostly zeros.
        let powers = *decades.start() < -6 || *decades.end() > 7;
        let count = decades.end() - decades.start() + 1;
        let choice = |labelled: &[i32], every: i32| {
            let mut ticks = Vec::new();
            if zero {
                ticks.push(Tick {
                    value: 0.0,
                    label: Some("0".into()),
                });
            }
            for decade in decades.clone() {
                // Over hundreds of decades there is no room for ticks inside of them.
                for multiple in 1..=if count > MANY_DECADES { 1 } else { 9 } {
                    // Parsing gives the nearest number; 3 * 10^-4 by multiplication does not always.
                    let value: f64 = format!("{multiple}e{decade}").parse().unwrap_or(f64::NAN);
                    if !(low * (1.0 - 1e-9)..=high * (1.0 + 1e-9)).contains(&value) {
                        continue;
                    }
                    let label = labelled.contains(&multiple) && decade.rem_euclid(every) == 0;
                    ticks.push(Tick {
                        value,
                        label: label.then(|| self.log_label(multiple, decade, value, powers)),
                    });
                }
            }
            ticks
        };
        let mut choices = Vec::new();
        if high / low < 1000.0 {
            choices.push(choice(&[1, 2, 5], 1));
            choices.push(choice(&[1, 3], 1));
        }
        let every: Vec<i32> = if count > MANY_DECADES {
            vec![10, 20, 50, 100, 200, 500]
        } else {
            (1..=count).collect()
        };
        choices.extend(every.into_iter().map(|every| choice(&[1], every)));
        if zero {
            // The label of 0 may leave no room for that of the first decade.
            let without_first = |ticks: &Vec<Tick>| {
                let mut ticks = ticks.clone();
                let first = ticks
                    .iter_mut()
                    .find(|t| t.value > 0.0 && t.label.is_some());
                if let Some(first) = first {
                    first.label = None;
                }
                ticks
            };
            choices = choices
                .iter()
                .flat_map(|ticks| [ticks.clone(), without_first(ticks)])
                .collect();
        }
        choices
    }

    fn log_label(&self, multiple: i32, decade: i32, value: f64, powers: bool) -> String {
        if !powers {
            return self
                .numbers
                .write(value, usize::try_from(-decade).unwrap_or(0));
        }
        let sign = if self.numbers == Numbers::Dollars {
            "$"
        } else {
            ""
        };
        let times = if multiple == 1 {
            String::new()
        } else {
            format!("{multiple}×")
        };
        let raised: String = decade
            .to_string()
            .chars()
            .map(|c| match c {
                '-' => '⁻',
                c => ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹']
                    [c.to_digit(10).unwrap_or(0) as usize],
            })
            .collect();
        format!("{sign}{times}10{raised}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(scale: Scale, numbers: Numbers, length: i32) -> Vec<String> {
        let axis = Axis {
            scale,
            title: String::new(),
            numbers,
        };
        axis.ticks(length, true, i32::MAX)
            .into_iter()
            .filter_map(|t| t.label)
            .collect()
    }

    #[test]
    fn decades_of_dollars_are_labelled_plainly() {
        let scale = Scale::for_costs([3e-5, 5e-3, 0.4], 0.0);
        assert_eq!(
            labels(scale, Numbers::Dollars, pt(300.0)),
            ["$0.0001", "$0.001", "$0.01", "$0.1"]
        );
    }

    #[test]
    fn labels_never_overlap_and_never_vanish() {
        for (low, high) in [
            (1e-9, 1e9),
            (2.0, 30.0),
            (1.1e-4, 1.9e-3),
            (0.9, 9.5),
            (3e-5, 5e-3),
        ] {
            for length in [pt(40.0), pt(90.0), pt(400.0)] {
                let axis = Axis {
                    scale: Scale::for_costs([low, high], 0.02),
                    title: String::new(),
                    numbers: Numbers::Dollars,
                };
                let ticks = axis.ticks(length, true, i32::MAX);
                let shown: Vec<_> = ticks.iter().filter(|t| t.label.is_some()).collect();
                assert!(!shown.is_empty(), "no label on {low}..{high}");
                if length == pt(400.0) {
                    assert!(shown.len() >= 2, "one label on {low}..{high}");
                }
            }
        }
    }

    #[test]
    fn zero_has_a_place_before_the_logarithm() {
        let scale = Scale::for_costs([0.0, 1e-4, 1.0], 0.0);
        assert!(matches!(scale, Scale::LogWithZero { .. }));
        assert!(
            scale.place(0.0) < scale.break_at().unwrap()
                && scale.break_at().unwrap() < scale.place(1e-4)
        );
        assert_eq!(scale.place(1.0), 1.0);
        assert_eq!(labels(scale, Numbers::Dollars, pt(400.0))[0], "0");
    }

    #[test]
    fn less_than_a_decade_is_linear_and_constants_have_room() {
        assert!(matches!(
            Scale::for_costs([1.0, 9.0], 0.0),
            Scale::Linear { .. }
        ));
        assert_eq!(
            Scale::for_costs([2.0, 2.0], 0.0),
            Scale::Linear {
                low: 1.0,
                high: 3.0
            }
        );
        assert_eq!(
            Scale::for_costs([0.0], 0.0),
            Scale::Linear {
                low: 0.0,
                high: 1.0
            }
        );
        assert_eq!(
            labels(
                Scale::Linear {
                    low: 0.0,
                    high: 1.0
                },
                Numbers::Percent,
                pt(300.0)
            ),
            ["0", "20", "40", "60", "80", "100"]
        );
    }

    #[test]
    fn large_numbers_are_grouped() {
        assert_eq!(grouped(1_234_567.0, 0), "1,234,567");
        assert_eq!(grouped(9_999.0, 0), "9999");
        assert_eq!(grouped(12_345.5, 1), "12,345.5");
    }
}
