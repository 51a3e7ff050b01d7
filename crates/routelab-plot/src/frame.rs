//! A plot area with its grid, axes and ticks.

use plotters::coord::CoordTranslate;
use plotters::coord::cartesian::Cartesian2d;

use crate::PlotError;
use crate::axis::{Axis, Scale, Tick};
use crate::canvas::{Anchor, Area, Canvas};
use crate::style::{BLACK, GRID, INK, Look, WHITE, pt, size};
use crate::text::{self, Weight};

/// Width that the labels of a vertical axis and its title take left of the plot area.
pub(crate) fn left_margin(axis: &Axis, height: i32) -> i32 {
    size::PAD + size::AXIS_TITLE + pt(6.0) + label_margin(axis, height)
}

/// Width that the labels of a vertical axis take left of the plot area.
pub(crate) fn label_margin(axis: &Axis, height: i32) -> i32 {
    let labels = axis
        .ticks(height, false, i32::MAX)
        .iter()
        .filter_map(|t| t.label.as_deref())
        .map(label_width)
        .max();
    labels.unwrap_or(0) + pt(2.5) + size::TICK_LENGTH
}

/// Height that the labels of a horizontal axis and its title take below the plot area.
pub(crate) const BOTTOM_MARGIN: i32 =
    size::TICK_LENGTH + pt(3.0) + size::TICK + pt(5.0) + size::AXIS_TITLE + pt(2.0);

fn label_width(label: &str) -> i32 {
    text::width(label, size::TICK, Weight::Regular)
}

/// A plot area and the coordinates in it.
pub(crate) struct Frame {
    pub area: Area,
    coordinates: Cartesian2d<Scale, Scale>,
    x_ticks: Vec<Tick>,
    y_ticks: Vec<Tick>,
}

impl Frame {
    /// `overhang` is how far labels of the horizontal axis may reach beyond its ends.
    pub fn new(area: Area, x: &Axis, y: &Axis, overhang: i32) -> Frame {
        let coordinates = Cartesian2d::new(
            x.scale,
            y.scale,
            (area.left..area.right, area.bottom..area.top),
        );
        Frame {
            area,
            coordinates,
            x_ticks: x.ticks(area.width(), true, overhang),
            y_ticks: y.ticks(area.height(), false, i32::MAX),
        }
    }

    /// The same with other ticks on the horizontal axis.
    pub fn with_x_ticks(self, x_ticks: Vec<Tick>) -> Frame {
        Frame { x_ticks, ..self }
    }

    /// Where a pair of values stands on the sheet.
    pub fn at(&self, x: f64, y: f64) -> (i32, i32) {
        self.coordinates.translate(&(x, y))
    }

    /// Light lines behind the data, at the labelled ticks.
    pub fn grid(&self, canvas: &Canvas) -> Result<(), PlotError> {
        self.x_grid(canvas)?;
        let Area { left, right, .. } = self.area;
        for tick in self.y_ticks.iter().filter(|t| t.label.is_some()) {
            let (_, y) = self.at(0.0, tick.value);
            canvas.stroke(&[(left, y), (right, y)], GRID, size::GRID)?;
        }
        Ok(())
    }

    /// The vertical ones of these lines.
    pub fn x_grid(&self, canvas: &Canvas) -> Result<(), PlotError> {
        let Area { top, bottom, .. } = self.area;
        for tick in self.x_ticks.iter().filter(|t| t.label.is_some()) {
            let (x, _) = self.at(tick.value, 0.0);
            canvas.stroke(&[(x, top), (x, bottom)], GRID, size::GRID)?;
        }
        Ok(())
    }

    /// The horizontal axis with its ticks; labels where wanted.
    pub fn x_axis(&self, canvas: &Canvas, labels: bool) -> Result<(), PlotError> {
        let Area {
            left,
            right,
            bottom,
            ..
        } = self.area;
        canvas.stroke(&[(left, bottom), (right, bottom)], INK, size::SPINE)?;
        for tick in &self.x_ticks {
            let (x, _) = self.at(tick.value, 0.0);
            let length = if tick.label.is_some() {
                size::TICK_LENGTH
            } else {
                size::MINOR_TICK_LENGTH
            };
            canvas.stroke(&[(x, bottom), (x, bottom + length)], INK, size::SPINE)?;
            if let (true, Some(label)) = (labels, &tick.label) {
                let y = bottom + size::TICK_LENGTH + pt(3.0);
                canvas.text(label, (x, y), Anchor::Top, size::TICK, Weight::Regular, INK)?;
            }
        }
        if let Some(place) = self.coordinates.x_spec().break_at() {
            let x = left + (f64::from(right - left) * place) as i32;
            let (w, h) = (pt(1.3), pt(2.6));
            canvas.fill(
                &[
                    (x - 2 * w, bottom + h),
                    (x, bottom - h),
                    (x + 2 * w, bottom - h),
                    (x, bottom + h),
                ],
                WHITE,
                1.0,
            )?;
            for x in [x - w, x + w] {
                canvas.stroke(
                    &[(x - w, bottom + h), (x + w, bottom - h)],
                    INK,
                    size::SPINE,
                )?;
            }
        }
        Ok(())
    }

    /// The vertical axis with its ticks; labels where wanted.
    pub fn y_axis(&self, canvas: &Canvas, labels: bool) -> Result<(), PlotError> {
        let Area {
            left, top, bottom, ..
        } = self.area;
        canvas.stroke(&[(left, top), (left, bottom)], INK, size::SPINE)?;
        for tick in &self.y_ticks {
            let (_, y) = self.at(0.0, tick.value);
            canvas.stroke(
                &[(left - size::TICK_LENGTH, y), (left, y)],
                INK,
                size::SPINE,
            )?;
            if let (true, Some(label)) = (labels, &tick.label) {
                let x = left - size::TICK_LENGTH - pt(2.5);
                canvas.text(
                    label,
                    (x, y),
                    Anchor::Right,
                    size::TICK,
                    Weight::Regular,
                    INK,
                )?;
            }
        }
        Ok(())
    }

    /// Both axes with labels and titles. The vertical title stands at the left edge of the sheet.
    pub fn axes(&self, canvas: &Canvas, x: &Axis, y: &Axis) -> Result<(), PlotError> {
        self.x_axis(canvas, true)?;
        self.y_axis(canvas, true)?;
        titles(canvas, self.area, &x.title, &y.title)
    }

    /// A curve in its look, through points on the sheet; `turn` of `turns` shifts its markers so that those of
    /// neighbouring curves do not fall together.
    pub fn curve(
        &self,
        canvas: &Canvas,
        points: &[(i32, i32)],
        look: &Look,
        (turn, turns): (usize, usize),
    ) -> Result<(), PlotError> {
        canvas.dashed(points, look.colour, look.width, look.dash)?;
        let Some(marker) = look.marker else {
            // A line through one point cannot be seen.
            return match points {
                [only] => canvas.marker(*only, crate::style::Marker::Circle, look.colour, true),
                _ => Ok(()),
            };
        };
        for at in marked(points, turn, turns) {
            canvas.marker(at, marker, look.colour, look.solid)?;
        }
        Ok(())
    }
}

/// Titles of both axes, in the middle of an area's sides or as near to it as the sheet allows. Too long ones are
/// shortened; empty ones are left out.
pub(crate) fn titles(canvas: &Canvas, area: Area, x: &str, y: &str) -> Result<(), PlotError> {
    titles_at(canvas, area, x, y, (0, canvas.size().0))
}

/// The same for one of several plot areas, on a part of the sheet between two `sides`.
pub(crate) fn titles_at(
    canvas: &Canvas,
    area: Area,
    x: &str,
    y: &str,
    (left, right): (i32, i32),
) -> Result<(), PlotError> {
    let fitted = |title: &str, middle: i32, room: i32| {
        let text = text::fit(
            title,
            size::AXIS_TITLE,
            Weight::Regular,
            room - 2 * size::PAD,
        );
        let half = text::width(&text, size::AXIS_TITLE, Weight::Regular) / 2 + size::PAD;
        (text, middle.clamp(half, (room - half).max(half)))
    };
    let (x, middle) = fitted(x, (area.left + area.right) / 2 - left, right - left);
    let top = area.bottom + size::TICK_LENGTH + pt(3.0) + size::TICK + pt(5.0);
    canvas.text(
        &x,
        (left + middle, top),
        Anchor::Top,
        size::AXIS_TITLE,
        Weight::Regular,
        INK,
    )?;
    let (y, middle) = fitted(y, (area.top + area.bottom) / 2, area.bottom + BOTTOM_MARGIN);
    canvas.upright_text(
        &y,
        (left + size::PAD + size::AXIS_TITLE / 2, middle),
        size::AXIS_TITLE,
    )
}

/// The points of a curve that get a marker: all of a short curve, else one in 60 points of its length, so that steep
/// stretches get some too.
fn marked(points: &[(i32, i32)], turn: usize, turns: usize) -> Vec<(i32, i32)> {
    let Some((first, last)) = points.first().zip(points.last()) else {
        return Vec::new();
    };
    if points.len() <= 8 || last.0 - first.0 <= pt(30.0) {
        let every = points.len().div_ceil(8).max(1);
        return points.iter().copied().step_by(every).collect();
    }
    let length = |a: (i32, i32), b: (i32, i32)| f64::from(b.0 - a.0).hypot(f64::from(b.1 - a.1));
    let whole: f64 = points.windows(2).map(|pair| length(pair[0], pair[1])).sum();
    let gap = f64::from(pt(60.0)).min(whole / 3.0);
    let mut next = gap * (2 * turn + 1) as f64 / (2 * turns.max(1)) as f64;
    let mut out = Vec::new();
    for pair in points.windows(2) {
        let ((x0, y0), step) = (pair[0], length(pair[0], pair[1]));
        while next < step {
            // On the line between its neighbours, so that sparse points do not pull markers together.
            let along =
                |from: i32, to: i32| from + (f64::from(to - from) * next / step).round() as i32;
            out.push((along(x0, pair[1].0), along(y0, pair[1].1)));
            next += gap;
        }
        next -= step;
    }
    out
}

/// A short piece of a curve for a legend.
pub(crate) fn sample(
    canvas: &Canvas,
    (left, y): (i32, i32),
    width: i32,
    look: &Look,
) -> Result<(), PlotError> {
    if look.width > 0 {
        let line = [(left, y), (left + width, y)];
        canvas.dashed(&line, look.colour, look.width, look.dash)?;
    }
    match look.marker {
        Some(marker) => canvas.marker((left + width / 2, y), marker, look.colour, look.solid),
        None => Ok(()),
    }
}

/// A point with a label of its own: a black diamond with a white rim.
pub(crate) fn model_point(canvas: &Canvas, at: (i32, i32)) -> Result<(), PlotError> {
    canvas.marker(at, crate::style::Marker::Diamond, BLACK, true)
}
