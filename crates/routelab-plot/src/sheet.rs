//! The sheet of a figure with one plot area: axes, legend and remarks around it.

use crate::PlotError;
use crate::axis::Axis;
use crate::canvas::{Anchor, Area, Canvas, Ink, Mark, Words};
use crate::frame::{BOTTOM_MARGIN, Frame, left_margin};
use crate::legend::Legend;
use crate::style::{ColumnWidth, FAINT, pt, size};
use crate::text::{self, Weight};

/// Draws everything but the data: grid, axes, legend and remarks, on a sheet that is as high as it must be.
pub(crate) fn with_one_plot(
    width: ColumnWidth,
    x: &Axis,
    y: &Axis,
    legend: &Legend,
    notes: &Notes,
) -> Result<(Canvas, Frame), PlotError> {
    let frame = frame(width, x, y, legend);
    let canvas = around(width, &frame, x, y, legend, notes)?;
    Ok((canvas, frame))
}

/// Where the plot area of such a sheet stands.
pub(crate) fn frame(width: ColumnWidth, x: &Axis, y: &Axis, legend: &Legend) -> Frame {
    let height = width.plot_height();
    let top = size::PAD + pt(3.0);
    let left = left_margin(y, height);
    // Room for half of a label under the right end of the axis.
    let right = size::PAD + legend.right_width().max(pt(15.0));
    let area = Area {
        left,
        top,
        right: width.units() - right,
        bottom: top + height,
    };
    Frame::new(area, x, y, i32::MAX)
}

/// The sheet around a plot area, with remarks below.
pub(crate) fn around(
    width: ColumnWidth,
    frame: &Frame,
    x: &Axis,
    y: &Axis,
    legend: &Legend,
    notes: &Notes,
) -> Result<Canvas, PlotError> {
    let legend_top = frame.area.bottom + BOTTOM_MARGIN;
    let canvas = below(width, frame.area, legend_top, legend, notes)?;
    frame.grid(&canvas)?;
    frame.axes(&canvas, x, y)?;
    Ok(canvas)
}

/// A sheet that ends with a legend, right of `plot` or from `top` on, and remarks below it.
pub(crate) fn below(
    width: ColumnWidth,
    plot: Area,
    top: i32,
    legend: &Legend,
    notes: &Notes,
) -> Result<Canvas, PlotError> {
    let notes_top = top + legend.below_height();
    let canvas = Canvas::new(width.units(), notes_top + notes.height() + size::PAD)?;
    legend.draw(&canvas, plot, top, width.units())?;
    notes.draw(&canvas, notes_top)?;
    Ok(canvas)
}

const NOTE_ROW: i32 = pt(9.0);
/// Space above the first note.
const NOTE_GAP: i32 = pt(4.0);

/// Remarks below everything else, small, broken into lines.
pub(crate) struct Notes(Vec<String>);

impl Notes {
    pub fn new<'a>(width: ColumnWidth, notes: impl IntoIterator<Item = &'a String>) -> Notes {
        let room = width.units() - 2 * size::PAD;
        Notes(
            notes
                .into_iter()
                .flat_map(|note| wrap(note, room))
                .collect(),
        )
    }

    fn height(&self) -> i32 {
        match self.0.len() as i32 {
            0 => 0,
            lines => NOTE_GAP + lines * NOTE_ROW,
        }
    }

    fn draw(&self, canvas: &Canvas, top: i32) -> Result<(), PlotError> {
        for (i, line) in self.0.iter().enumerate() {
            let at = (
                size::PAD,
                top + NOTE_GAP + i as i32 * NOTE_ROW + NOTE_ROW / 2,
            );
            canvas.text(line, at, Anchor::Left, size::NOTE, Weight::Regular, FAINT)?;
        }
        Ok(())
    }
}

/// A note that was not known when the figure was laid out, in lines as wide as the sheet.
pub(crate) fn lines(note: &str, width: i32) -> Vec<String> {
    wrap(note, width - 2 * size::PAD)
}

/// Such a note below a sheet of some size, and how much higher it makes the sheet.
pub(crate) fn more_notes(lines: &[String], (_, height): (i32, i32)) -> (Vec<Mark>, i32) {
    let cap = (f64::from(size::NOTE) * text::CAP_HEIGHT) as i32;
    let marks = (0..).zip(lines).map(|(i, line)| {
        Mark::Text(Words {
            text: line.clone(),
            at: (size::PAD, height + i * NOTE_ROW + NOTE_ROW / 2 + cap / 2),
            size: size::NOTE,
            weight: Weight::Regular,
            ink: Ink {
                rgb: FAINT,
                alpha: 1.0,
            },
            upright: false,
        })
    });
    (marks.collect(), lines.len() as i32 * NOTE_ROW + size::PAD)
}

/// Breaks a text into lines at spaces, though not at no-break spaces; a word longer than a line is shortened.
fn wrap(text: &str, room: i32) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text
        .split([' ', '\n', '\t'])
        .filter(|word| !word.is_empty())
    {
        let longer = lines.last().map(|line| format!("{line} {word}"));
        match longer {
            Some(line) if text::width(&line, size::NOTE, Weight::Regular) <= room => {
                if let Some(last) = lines.last_mut() {
                    *last = line;
                }
            }
            _ => lines.push(text::fit(word, size::NOTE, Weight::Regular, room)),
        }
    }
    lines
}
