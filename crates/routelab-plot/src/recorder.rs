//! A plotters backend that keeps what is drawn, so that one drawing gives SVG, PDF and PNG alike.

use std::cell::RefCell;
use std::convert::Infallible;
use std::rc::Rc;

use plotters::style::FontStyle;
use plotters::style::FontTransform;
use plotters::style::text_anchor::{HPos, VPos};
use plotters_backend::{
    BackendColor, BackendCoord, BackendStyle, BackendTextStyle, DrawingBackend, DrawingErrorKind,
};

use crate::style::Rgb;
use crate::text::Weight;

/// A colour and how much it covers, from 0 (nothing) to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Ink {
    pub rgb: Rgb,
    pub alpha: f64,
}

impl From<BackendColor> for Ink {
    fn from(BackendColor { rgb, alpha }: BackendColor) -> Self {
        Ink { rgb, alpha }
    }
}

/// One thing that was drawn; lengths in grid units.
#[derive(Debug, Clone)]
pub(crate) enum Mark {
    Stroke {
        points: Vec<BackendCoord>,
        ink: Ink,
        width: u32,
    },
    Fill {
        points: Vec<BackendCoord>,
        ink: Ink,
    },
    Disc {
        centre: BackendCoord,
        radius: u32,
        ink: Ink,
    },
    Ring {
        centre: BackendCoord,
        radius: u32,
        ink: Ink,
        width: u32,
    },
    Text(Words),
}

/// A line of text; `at` is where its baseline starts.
#[derive(Debug, Clone)]
pub(crate) struct Words {
    pub text: String,
    pub at: BackendCoord,
    pub size: i32,
    pub weight: Weight,
    pub ink: Ink,
    /// Reads from bottom to top.
    pub upright: bool,
}

/// Keeps marks in the order of drawing.
pub(crate) struct Recorder {
    pub size: (u32, u32),
    pub marks: Rc<RefCell<Vec<Mark>>>,
}

impl Recorder {
    fn keep(&mut self, mark: Mark) -> Result<(), DrawingErrorKind<Infallible>> {
        self.marks.borrow_mut().push(mark);
        Ok(())
    }
}

impl DrawingBackend for Recorder {
    type ErrorType = Infallible;

    fn get_size(&self) -> (u32, u32) {
        self.size
    }

    fn ensure_prepared(&mut self) -> Result<(), DrawingErrorKind<Infallible>> {
        Ok(())
    }

    fn present(&mut self) -> Result<(), DrawingErrorKind<Infallible>> {
        Ok(())
    }

    fn draw_pixel(
        &mut self,
        point: BackendCoord,
        ink: BackendColor,
    ) -> Result<(), DrawingErrorKind<Infallible>> {
        self.keep(Mark::Disc {
            centre: point,
            radius: 1,
            ink: ink.into(),
        })
    }

    fn draw_line<S: BackendStyle>(
        &mut self,
        from: BackendCoord,
        to: BackendCoord,
        style: &S,
    ) -> Result<(), DrawingErrorKind<Infallible>> {
        self.draw_path([from, to], style)
    }

    fn draw_rect<S: BackendStyle>(
        &mut self,
        (left, top): BackendCoord,
        (right, bottom): BackendCoord,
        style: &S,
        fill: bool,
    ) -> Result<(), DrawingErrorKind<Infallible>> {
        let corners = [
            (left, top),
            (right, top),
            (right, bottom),
            (left, bottom),
            (left, top),
        ];
        if fill {
            self.fill_polygon(corners, style)
        } else {
            self.draw_path(corners, style)
        }
    }

    fn draw_path<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(
        &mut self,
        path: I,
        style: &S,
    ) -> Result<(), DrawingErrorKind<Infallible>> {
        let points = without_stops(path);
        self.keep(Mark::Stroke {
            points,
            ink: style.color().into(),
            width: style.stroke_width(),
        })
    }

    fn draw_circle<S: BackendStyle>(
        &mut self,
        centre: BackendCoord,
        radius: u32,
        style: &S,
        fill: bool,
    ) -> Result<(), DrawingErrorKind<Infallible>> {
        let ink = style.color().into();
        self.keep(if fill {
            Mark::Disc {
                centre,
                radius,
                ink,
            }
        } else {
            Mark::Ring {
                centre,
                radius,
                ink,
                width: style.stroke_width(),
            }
        })
    }

    fn fill_polygon<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(
        &mut self,
        vertices: I,
        style: &S,
    ) -> Result<(), DrawingErrorKind<Infallible>> {
        let points = without_stops(vertices);
        self.keep(Mark::Fill {
            points,
            ink: style.color().into(),
        })
    }

    fn draw_text<T: BackendTextStyle>(
        &mut self,
        text: &str,
        style: &T,
        (x, y): BackendCoord,
    ) -> Result<(), DrawingErrorKind<Infallible>> {
        let size = style.size() as i32;
        let weight = if matches!(style.style(), FontStyle::Bold) {
            Weight::SemiBold
        } else {
            Weight::Regular
        };
        let along = match style.anchor().h_pos {
            HPos::Left => 0,
            HPos::Center => -crate::text::width(text, size, weight) / 2,
            HPos::Right => -crate::text::width(text, size, weight),
        };
        let cap = (f64::from(size) * crate::text::CAP_HEIGHT) as i32;
        let across = match style.anchor().v_pos {
            VPos::Top => cap,
            VPos::Center => cap / 2,
            VPos::Bottom => 0,
        };
        let upright = matches!(style.transform(), FontTransform::Rotate270);
        let at = if upright {
            (x + across, y - along)
        } else {
            (x + along, y + across)
        };
        if text.trim().is_empty() {
            return Ok(());
        }
        // XML cannot carry control characters, and no font has a picture of them.
        let text = text
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect();
        self.keep(Mark::Text(Words {
            text,
            at,
            size,
            weight,
            ink: style.color().into(),
            upright,
        }))
    }
}

/// Leaves out points that repeat the one before or stand on a level or upright run between their neighbours.
fn without_stops(path: impl IntoIterator<Item = BackendCoord>) -> Vec<BackendCoord> {
    let between = |a: i32, b: i32, c: i32| (a <= b && b <= c) || (a >= b && b >= c);
    let mut points: Vec<BackendCoord> = Vec::new();
    for point in path {
        match points[..] {
            [.., last] if last == point => continue,
            [.., before, last] => {
                let level =
                    before.1 == last.1 && last.1 == point.1 && between(before.0, last.0, point.0);
                let upright =
                    before.0 == last.0 && last.0 == point.0 && between(before.1, last.1, point.1);
                if level || upright {
                    points.pop();
                }
            }
            _ => {}
        }
        points.push(point);
    }
    points
}
