//! The sheet that a figure is drawn on.

use std::cell::RefCell;
use std::rc::Rc;

use plotters::coord::Shift;
use plotters::drawing::{DrawingArea, IntoDrawingArea};
use plotters::element::{Circle, Drawable, PathElement, PointCollection, Polygon, Text};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{
    Color, FontDesc, FontFamily, FontStyle, FontTransform, RGBAColor, RGBColor, TextStyle,
};
use plotters_backend::BackendCoord;

use crate::PlotError;
use crate::recorder::Recorder;
pub(crate) use crate::recorder::{Ink, Mark, Words};
use crate::style::{INK, Marker, Rgb, WHITE, pt, size};
use crate::text::Weight;

/// Where a text stands in relation to its point.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Anchor {
    /// The text's left end, at half the height of its capitals.
    Left,
    /// Its middle.
    Middle,
    /// Its right end, at half the height of its capitals.
    Right,
    /// The middle of its capitals' upper edge.
    Top,
}

/// The sheet that a figure is drawn on.
pub(crate) struct Canvas {
    area: DrawingArea<Recorder, Shift>,
    marks: Rc<RefCell<Vec<Mark>>>,
    size: (i32, i32),
}

fn colour((r, g, b): Rgb) -> RGBColor {
    RGBColor(r, g, b)
}

impl Canvas {
    /// A white sheet of `width` by `height` grid units.
    pub fn new(width: i32, height: i32) -> Result<Self, PlotError> {
        let marks = Rc::new(RefCell::new(Vec::new()));
        let size = (width as u32, height as u32);
        let area = Recorder {
            size,
            marks: Rc::clone(&marks),
        }
        .into_drawing_area();
        let canvas = Canvas {
            area,
            marks,
            size: (width, height),
        };
        canvas.fill(
            &[(0, 0), (width, 0), (width, height), (0, height)],
            WHITE,
            1.0,
        )?;
        Ok(canvas)
    }

    /// Width and height in grid units.
    pub fn size(&self) -> (i32, i32) {
        self.size
    }

    /// What was drawn, in order, and the size of the sheet.
    pub fn finish(self) -> (Vec<Mark>, (i32, i32)) {
        (self.marks.take(), self.size)
    }

    fn draw<'a, E>(&self, element: &'a E) -> Result<(), PlotError>
    where
        &'a E: PointCollection<'a, BackendCoord>,
        E: Drawable<Recorder>,
    {
        self.area
            .draw(element)
            .map_err(|e| PlotError::Backend(e.to_string()))
    }

    /// A line through points.
    pub fn stroke(&self, points: &[BackendCoord], ink: Rgb, width: i32) -> Result<(), PlotError> {
        self.draw(&PathElement::new(
            points.to_vec(),
            Color::stroke_width(&colour(ink), width as u32),
        ))
    }

    /// A line through points, cut into dashes; `pattern` as in [`crate::style::Look::dash`].
    pub fn dashed(
        &self,
        points: &[BackendCoord],
        ink: Rgb,
        width: i32,
        pattern: &[f64],
    ) -> Result<(), PlotError> {
        if pattern.is_empty() {
            return self.stroke(points, ink, width);
        }
        for dash in dashes(points, pattern) {
            self.stroke(&dash, ink, width)?;
        }
        Ok(())
    }

    /// A filled polygon; `alpha` from 0 (unseen) to 1.
    pub fn fill(&self, points: &[BackendCoord], ink: Rgb, alpha: f64) -> Result<(), PlotError> {
        let ink: RGBAColor = colour(ink).mix(alpha);
        self.draw(&Polygon::new(points.to_vec(), ink))
    }

    /// A line of text that reads from left to right.
    pub fn text(
        &self,
        text: &str,
        at: BackendCoord,
        anchor: Anchor,
        size: i32,
        weight: Weight,
        ink: Rgb,
    ) -> Result<(), PlotError> {
        let (h, v) = match anchor {
            Anchor::Left => (HPos::Left, VPos::Center),
            Anchor::Middle => (HPos::Center, VPos::Center),
            Anchor::Right => (HPos::Right, VPos::Center),
            Anchor::Top => (HPos::Center, VPos::Top),
        };
        self.draw(&Text::new(
            text.to_owned(),
            at,
            text_style(size, weight, ink).pos(Pos::new(h, v)),
        ))
    }

    /// A line of text that reads from bottom to top, with its middle at a point.
    pub fn upright_text(&self, text: &str, at: BackendCoord, size: i32) -> Result<(), PlotError> {
        self.upright(text, at, size, Weight::Regular, INK)
    }

    /// The same in any weight and ink.
    pub fn upright(
        &self,
        text: &str,
        at: BackendCoord,
        size: i32,
        weight: Weight,
        ink: Rgb,
    ) -> Result<(), PlotError> {
        let style = text_style(size, weight, ink)
            .transform(FontTransform::Rotate270)
            .pos(Pos::new(HPos::Center, VPos::Center));
        self.draw(&Text::new(text.to_owned(), at, style))
    }

    /// A filled circle.
    pub fn dot(&self, at: BackendCoord, radius: i32, ink: Rgb) -> Result<(), PlotError> {
        self.draw(&Circle::new(at, radius, colour(ink).filled()))
    }

    /// A marker of a curve; hollow ones are filled with white.
    pub fn marker(
        &self,
        (x, y): BackendCoord,
        marker: Marker,
        ink: Rgb,
        solid: bool,
    ) -> Result<(), PlotError> {
        let r = size::MARKER;
        let edge = pt(0.8);
        let polygon = |corners: &[(f64, f64)]| -> Result<(), PlotError> {
            let at = |&(dx, dy): &(f64, f64)| {
                (
                    x + (dx * f64::from(r)).round() as i32,
                    y + (dy * f64::from(r)).round() as i32,
                )
            };
            let mut points: Vec<_> = corners.iter().map(at).collect();
            self.fill(&points, if solid { ink } else { WHITE }, 1.0)?;
            points.push(points[0]);
            points.push(points[1]);
            self.stroke(
                &points,
                if solid { WHITE } else { ink },
                if solid { pt(0.3) } else { edge },
            )
        };
        match marker {
            Marker::Circle => {
                let (outer, inner) = if solid { (WHITE, ink) } else { (ink, WHITE) };
                let rim = if solid { pt(0.2) } else { edge };
                self.draw(&Circle::new((x, y), r + pt(0.2), colour(outer).filled()))?;
                self.draw(&Circle::new(
                    (x, y),
                    r + pt(0.2) - rim,
                    colour(inner).filled(),
                ))
            }
            Marker::Square => {
                polygon(&[(-0.85, -0.85), (0.85, -0.85), (0.85, 0.85), (-0.85, 0.85)])
            }
            Marker::Up => polygon(&[(0.0, -1.15), (1.1, 0.8), (-1.1, 0.8)]),
            Marker::Down => polygon(&[(0.0, 1.15), (1.1, -0.8), (-1.1, -0.8)]),
            Marker::Diamond => polygon(&[(0.0, -1.25), (1.25, 0.0), (0.0, 1.25), (-1.25, 0.0)]),
            Marker::Plus | Marker::Cross => {
                let r = f64::from(r) * if marker == Marker::Plus { 1.25 } else { 0.95 };
                let r = r as i32;
                let arms = if marker == Marker::Plus {
                    [[(x - r, y), (x + r, y)], [(x, y - r), (x, y + r)]]
                } else {
                    [
                        [(x - r, y - r), (x + r, y + r)],
                        [(x - r, y + r), (x + r, y - r)],
                    ]
                };
                let thick = if solid { pt(1.5) } else { pt(0.8) };
                for arm in &arms {
                    self.stroke(arm, WHITE, thick + pt(0.8))?;
                }
                arms.iter().try_for_each(|arm| self.stroke(arm, ink, thick))
            }
        }
    }
}

fn text_style(size: i32, weight: Weight, ink: Rgb) -> TextStyle<'static> {
    let cut = if weight == Weight::SemiBold {
        FontStyle::Bold
    } else {
        FontStyle::Normal
    };
    FontDesc::new(FontFamily::Name("Inter"), f64::from(size), cut).color(&colour(ink))
}

/// A rectangle with sides along the axes; `top <= bottom`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Area {
    pub left: i32,
    pub top: i32,
    pub right: i32,
    pub bottom: i32,
}

impl Area {
    pub fn width(&self) -> i32 {
        self.right - self.left
    }

    pub fn height(&self) -> i32 {
        self.bottom - self.top
    }
}

/// Cuts a line into dashes along its length.
fn dashes(points: &[BackendCoord], pattern: &[f64]) -> Vec<Vec<BackendCoord>> {
    let mut out = Vec::new();
    let mut current = Vec::new();
    let (mut phase, mut left) = (0, pattern[0] * 20.0);
    for pair in points.windows(2) {
        let (a, b) = (
            (f64::from(pair[0].0), f64::from(pair[0].1)),
            (f64::from(pair[1].0), f64::from(pair[1].1)),
        );
        let length = (b.0 - a.0).hypot(b.1 - a.1);
        let at = |t: f64| {
            let share = if length > 0.0 { t / length } else { 0.0 };
            (
                (a.0 + (b.0 - a.0) * share).round() as i32,
                (a.1 + (b.1 - a.1) * share).round() as i32,
            )
        };
        let mut done = 0.0;
        loop {
            let drawn = phase % 2 == 0;
            if drawn && current.is_empty() {
                current.push(at(done));
            }
            let step = left.min(length - done);
            done += step;
            left -= step;
            if drawn {
                current.push(at(done));
            }
            if left > 0.0 {
                break;
            }
            if drawn {
                out.push(std::mem::take(&mut current));
            }
            phase = (phase + 1) % pattern.len();
            left = pattern[phase] * 20.0;
        }
    }
    if current.len() > 1 {
        out.push(current);
    }
    out
}
