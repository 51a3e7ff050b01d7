//! One row per name: names at the left, a plot area at the right.

use crate::PlotError;
use crate::axis::{Axis, Numbers, Scale};
use crate::canvas::{Anchor, Area, Canvas};
use crate::frame::Frame;
use crate::style::{BLACK, INK, WHITE, pt, size};
use crate::text::{self, Weight};

/// More rows than this are set closer.
const LOOSE: usize = 20;
/// Space above the first row and below the last.
const EDGE: i32 = pt(2.0);

/// Names from above, laid out.
pub(crate) struct Rows {
    names: Vec<String>,
    /// Height of a row.
    row: i32,
    /// Height of a bar in it.
    pub thick: i32,
    /// The plot area right of them.
    pub plot: Area,
}

impl Rows {
    /// Rows between `left` and `right` from `top` on; a name gets at most a share `most` of that width.
    pub fn new<'a>(
        names: impl IntoIterator<Item = &'a str>,
        (left, right): (i32, i32),
        top: i32,
        most: f64,
    ) -> Rows {
        let longest = (f64::from(right - left) * most) as i32;
        let names: Vec<String> = names
            .into_iter()
            .map(|name| text::fit(name, size::TICK, Weight::Regular, longest))
            .collect();
        let (row, thick) = if names.len() <= LOOSE {
            (pt(13.0), pt(8.5))
        } else {
            (pt(10.4), pt(7.0))
        };
        let widths = names
            .iter()
            .map(|name| text::width(name, size::TICK, Weight::Regular));
        let plot = Area {
            left: left + widths.max().unwrap_or(0) + pt(6.0),
            top,
            right,
            bottom: top + names.len() as i32 * row + 2 * EDGE,
        };
        Rows {
            names,
            row,
            thick,
            plot,
        }
    }

    /// The same with rows so far apart that the plot area is at least as high as this.
    pub fn at_least(self, height: i32) -> Rows {
        let count = self.names.len() as i32;
        let row = self.row.max((height - 2 * EDGE) / count.max(1));
        let plot = Area {
            bottom: self.plot.top + count * row + 2 * EDGE,
            ..self.plot
        };
        Rows { row, plot, ..self }
    }

    /// The same with a plot area that begins at `left`.
    pub fn from(self, left: i32) -> Rows {
        let plot = Area { left, ..self.plot };
        Rows { plot, ..self }
    }

    /// The middle of a row.
    pub fn y(&self, index: usize) -> i32 {
        self.plot.top + EDGE + index as i32 * self.row + self.row / 2
    }

    /// The coordinates along the rows; `overhang` as in [`Frame::new`].
    pub fn frame(&self, x: &Axis, overhang: i32) -> Frame {
        let rows = Axis {
            scale: Scale::Linear {
                low: self.names.len() as f64,
                high: 0.0,
            },
            title: String::new(),
            numbers: Numbers::Plain,
        };
        Frame::new(self.plot, x, &rows, overhang)
    }

    /// Writes the names and the line that separates them from the plot area.
    pub fn draw(&self, canvas: &Canvas) -> Result<(), PlotError> {
        for (i, name) in self.names.iter().enumerate() {
            let at = (self.plot.left - pt(4.0), self.y(i));
            canvas.text(name, at, Anchor::Right, size::TICK, Weight::Regular, INK)?;
        }
        let Area {
            left, top, bottom, ..
        } = self.plot;
        canvas.stroke(&[(left, top), (left, bottom)], INK, size::SPINE)
    }
}

/// An interval along a row, legible on every fill.
pub(crate) fn whisker(canvas: &Canvas, (from, to): (i32, i32), y: i32) -> Result<(), PlotError> {
    canvas.stroke(&[(from, y), (to, y)], WHITE, pt(2.2))?;
    canvas.stroke(&[(from, y), (to, y)], BLACK, pt(0.9))?;
    [from, to]
        .into_iter()
        .try_for_each(|x| canvas.stroke(&[(x, y - pt(2.2)), (x, y + pt(2.2))], BLACK, pt(0.9)))
}
