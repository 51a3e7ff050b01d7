//! The values of a parameter that is varied, and ticks at them.

use crate::PlotError;
use crate::axis::{Axis, Tick};
use crate::canvas::Canvas;
use crate::frame::Frame;
use crate::scale::Scale;
use crate::style::{pt, size};
use crate::table::number;
use crate::text::{self, Weight};

/// The values of a parameter.
#[derive(Debug, Clone, PartialEq)]
pub enum Positions {
    /// Finite numbers, ascending, on a linear axis.
    Linear(Vec<f64>),
    /// Numbers ≥ 0, ascending, on a logarithmic axis; 0 stands left of the rest, behind a break.
    Log(Vec<f64>),
    /// Names, evenly spaced in the order given.
    Categories(Vec<String>),
}

impl Positions {
    pub(crate) fn len(&self) -> usize {
        match self {
            Positions::Linear(values) | Positions::Log(values) => values.len(),
            Positions::Categories(names) => names.len(),
        }
    }

    /// Where a position stands on the axis.
    pub(crate) fn at(&self, index: usize) -> f64 {
        match self {
            Positions::Linear(values) | Positions::Log(values) => values[index],
            Positions::Categories(_) => index as f64,
        }
    }

    pub(crate) fn name(&self, index: usize) -> String {
        match self {
            Positions::Linear(values) | Positions::Log(values) => number(values[index]),
            Positions::Categories(names) => names[index].clone(),
        }
    }

    pub(crate) fn scale(&self) -> Scale {
        match self {
            Positions::Linear(values) => Scale::around(values.iter().copied(), 0.04),
            Positions::Log(values) => Scale::log(values.iter().copied(), 0.04),
            Positions::Categories(names) => Scale::Linear {
                low: -0.5,
                high: names.len() as f64 - 0.5,
            },
        }
    }
}

/// The ticks of the horizontal axis: at the positions if their labels fit, else where the axis would have them.
pub(crate) struct Ticks {
    own: Option<Vec<Tick>>,
    /// Labels read from bottom to top.
    pub upright: bool,
    /// Height that they need beyond a line of text.
    pub extra: i32,
}

const LONGEST_LABEL: i32 = pt(70.0);

impl Ticks {
    pub fn new(positions: &Positions, x: &Axis, length: i32, overhang: i32) -> Ticks {
        let own: Vec<Tick> = (0..positions.len())
            .map(|k| Tick {
                value: positions.at(k),
                label: Some(positions.name(k)),
            })
            .collect();
        let fits = x.fits(&own, length, overhang);
        match positions {
            _ if fits => Ticks {
                own: Some(own),
                upright: false,
                extra: 0,
            },
            Positions::Linear(_) | Positions::Log(_) => Ticks {
                own: None,
                upright: false,
                extra: 0,
            },
            Positions::Categories(_) => {
                let fitted =
                    |label: String| text::fit(&label, size::TICK, Weight::Regular, LONGEST_LABEL);
                let own: Vec<Tick> = own
                    .into_iter()
                    .map(|tick| Tick {
                        label: tick.label.map(fitted),
                        ..tick
                    })
                    .collect();
                let width = |tick: &Tick| {
                    text::width(
                        tick.label.as_deref().unwrap_or(""),
                        size::TICK,
                        Weight::Regular,
                    )
                };
                let longest = own.iter().map(width).max().unwrap_or(0);
                Ticks {
                    own: Some(own),
                    upright: true,
                    extra: (longest - size::TICK).max(0),
                }
            }
        }
    }

    pub fn frame(&self, frame: Frame) -> Frame {
        match &self.own {
            Some(ticks) => frame.with_x_ticks(ticks.clone()),
            None => frame,
        }
    }

    pub fn write(&self, canvas: &Canvas, frame: &Frame) -> Result<(), PlotError> {
        for tick in self.own.iter().flatten() {
            let Some(label) = &tick.label else { continue };
            let half = text::width(label, size::TICK, Weight::Regular) / 2;
            let x = frame.at(tick.value, 0.0).0;
            let top = frame.area.bottom + size::TICK_LENGTH + pt(3.0);
            canvas.upright_text(label, (x, top + half), size::TICK)?;
        }
        Ok(())
    }
}
