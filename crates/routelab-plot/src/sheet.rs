//! The sheet of a figure with one plot area: axes, legend and remarks around it.

use crate::PlotError;
use crate::axis::Axis;
use crate::canvas::{Anchor, Area, Canvas};
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
) -> Result<(Canvas, Frame), PlotError> {
    let frame = frame(width, x, y, legend);
    let canvas = around(width, &frame, x, y, legend, &[])?;
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
    notes: &[String],
) -> Result<Canvas, PlotError> {
    let lines: Vec<String> = notes
        .iter()
        .flat_map(|note| wrap(note, width.units() - 2 * size::PAD))
        .collect();
    let legend_top = frame.area.bottom + BOTTOM_MARGIN;
    let notes_top = legend_top + legend.below_height() + if lines.is_empty() { 0 } else { pt(4.0) };
    let bottom = notes_top + lines.len() as i32 * NOTE_ROW + size::PAD;

    let canvas = Canvas::new(width.units(), bottom)?;
    frame.grid(&canvas)?;
    frame.axes(&canvas, x, y)?;
    legend.draw(&canvas, frame.area, legend_top, width.units())?;
    for (i, line) in lines.iter().enumerate() {
        let at = (size::PAD, notes_top + i as i32 * NOTE_ROW + NOTE_ROW / 2);
        canvas.text(line, at, Anchor::Left, size::NOTE, Weight::Regular, FAINT)?;
    }
    Ok(canvas)
}

const NOTE_ROW: i32 = pt(9.0);

/// Breaks a text into lines at spaces; a word longer than a line is shortened.
fn wrap(text: &str, room: i32) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
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
