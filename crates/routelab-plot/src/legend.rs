//! Legends beside or below the plot area, never on it.

use crate::PlotError;
use crate::canvas::{Anchor, Area, Canvas};
use crate::fill::{self, Fill};
use crate::frame;
use crate::style::{ColumnWidth, INK, Look, pt, size};
use crate::text::{self, Weight};

const ROW: i32 = pt(10.5);
const KEY: i32 = pt(20.0);
const KEY_GAP: i32 = pt(4.0);
const COLUMN_GAP: i32 = pt(12.0);
/// Space between the legend and what it stands beside.
const DISTANCE: i32 = pt(10.0);
const LONGEST_BESIDE: i32 = pt(115.0);
const LONGEST_BELOW: i32 = pt(160.0);

/// What stands before a name.
pub(crate) enum Key {
    Curve(Look),
    Area(Fill),
    Point,
}

/// The entries of a legend, laid out.
pub(crate) struct Legend {
    title: Option<String>,
    entries: Vec<(Key, String)>,
    column: i32,
    columns: usize,
    beside: bool,
}

impl Legend {
    /// Lays a legend out right of a plot area of `height` if it fits there in one column and the figure is wide, else
    /// below it in as many columns as fit.
    pub fn new(
        entries: Vec<(Key, String)>,
        title: Option<String>,
        width: ColumnWidth,
        height: i32,
    ) -> Legend {
        let rows = entries.len() as i32 + i32::from(title.is_some());
        if width == ColumnWidth::Single || rows * ROW > height {
            return Legend::below(entries, title, width);
        }
        let entries = shortened(entries, LONGEST_BESIDE);
        let title_width = title
            .as_ref()
            .map_or(0, |t| text::width(t, size::LEGEND, Weight::SemiBold));
        let column = column_width(&entries).max(title_width);
        Legend {
            title,
            entries,
            column,
            columns: 1,
            beside: true,
        }
    }

    /// Lays a legend out below, in as many columns as fit.
    pub fn below(entries: Vec<(Key, String)>, title: Option<String>, width: ColumnWidth) -> Legend {
        let entries = shortened(entries, LONGEST_BELOW);
        let column = column_width(&entries);
        let room = width.units() - 2 * size::PAD - pt(8.0);
        let fitting = ((room + COLUMN_GAP) / (column + COLUMN_GAP)).max(1) as usize;
        // As even as the number of rows allows.
        let rows = entries.len().div_ceil(fitting).max(1);
        let columns = entries.len().div_ceil(rows).max(1);
        Legend {
            title,
            entries,
            column,
            columns,
            beside: false,
        }
    }

    /// Width that it takes at the right of the plot area.
    pub fn right_width(&self) -> i32 {
        if self.beside {
            DISTANCE + self.column
        } else {
            0
        }
    }

    /// Height that it takes below the axis title.
    pub fn below_height(&self) -> i32 {
        if self.beside || self.entries.is_empty() {
            0
        } else {
            pt(6.0) + self.rows() * ROW
        }
    }

    fn rows(&self) -> i32 {
        self.entries.len().div_ceil(self.columns) as i32 + i32::from(self.title.is_some())
    }

    /// Draws it, right of `plot` or below `bottom`.
    pub fn draw(
        &self,
        canvas: &Canvas,
        plot: Area,
        bottom: i32,
        sheet_width: i32,
    ) -> Result<(), PlotError> {
        let whole = self.columns as i32 * (self.column + COLUMN_GAP) - COLUMN_GAP;
        let (left, mut top) = if self.beside {
            (plot.right + DISTANCE, plot.top)
        } else {
            ((sheet_width - whole) / 2, bottom + pt(6.0))
        };
        if let Some(title) = &self.title {
            let at = (left, top + ROW / 2);
            canvas.text(title, at, Anchor::Left, size::LEGEND, Weight::SemiBold, INK)?;
            top += ROW;
        }
        let rows = self.entries.len().div_ceil(self.columns).max(1);
        for (i, (key, name)) in self.entries.iter().enumerate() {
            let x = left + (i / rows) as i32 * (self.column + COLUMN_GAP);
            let y = top + (i % rows) as i32 * ROW + ROW / 2;
            match key {
                Key::Curve(look) => frame::sample(canvas, (x, y), KEY, look)?,
                Key::Area(fill) => {
                    let box_ = Area {
                        left: x + pt(4.0),
                        top: y - pt(3.4),
                        right: x + KEY,
                        bottom: y + pt(3.4),
                    };
                    fill::swatch(canvas, box_, fill)?;
                }
                Key::Point => frame::model_point(canvas, (x + KEY / 2, y))?,
            }
            canvas.text(
                name,
                (x + KEY + KEY_GAP, y),
                Anchor::Left,
                size::LEGEND,
                Weight::Regular,
                INK,
            )?;
        }
        Ok(())
    }
}

fn shortened(entries: Vec<(Key, String)>, longest: i32) -> Vec<(Key, String)> {
    entries
        .into_iter()
        .map(|(key, name)| {
            (
                key,
                text::fit(&name, size::LEGEND, Weight::Regular, longest),
            )
        })
        .collect()
}

fn column_width(entries: &[(Key, String)]) -> i32 {
    let longest = entries
        .iter()
        .map(|(_, name)| text::width(name, size::LEGEND, Weight::Regular))
        .max();
    KEY + KEY_GAP + longest.unwrap_or(0)
}
