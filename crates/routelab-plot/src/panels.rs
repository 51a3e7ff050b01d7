//! Panels of one size, in rows and columns, with titles.

use crate::PlotError;
use crate::canvas::{Anchor, Area, Canvas};
use crate::style::{INK, pt, size};
use crate::text::{self, Weight};

/// Space above a panel for its title.
const TITLE: i32 = pt(13.0);
/// Space below a panel, above the title of the next.
const ROW_GAP: i32 = pt(6.0);

/// Where panels stand.
pub(crate) struct Panels {
    count: usize,
    pub columns: usize,
    first: Area,
    gap: i32,
    below: i32,
}

impl Panels {
    /// `count` panels in `columns` between `left` and `right`, `gap` apart, each `height` high, from the top of the sheet.
    pub fn new(
        count: usize,
        columns: usize,
        (left, right): (i32, i32),
        gap: i32,
        height: i32,
    ) -> Panels {
        let width = (right - left - (columns as i32 - 1) * gap) / columns as i32;
        let top = size::PAD + TITLE;
        Panels {
            count,
            columns,
            first: Area {
                left,
                top,
                right: left + width,
                bottom: top + height,
            },
            gap,
            below: ROW_GAP,
        }
    }

    /// The plot area of a panel.
    pub fn area(&self, index: usize) -> Area {
        let (row, column) = ((index / self.columns) as i32, (index % self.columns) as i32);
        let right = column * (self.first.width() + self.gap);
        let down = row * (self.first.height() + TITLE + self.below);
        Area {
            left: self.first.left + right,
            top: self.first.top + down,
            right: self.first.right + right,
            bottom: self.first.bottom + down,
        }
    }

    /// The area around the plot areas of all panels.
    pub fn whole(&self) -> Area {
        let last = self.area(self.count.div_ceil(self.columns) * self.columns - 1);
        Area {
            right: last.right,
            bottom: last.bottom,
            ..self.first
        }
    }

    /// Whether a panel is the leftmost of its row.
    pub fn leftmost(&self, index: usize) -> bool {
        index.is_multiple_of(self.columns)
    }

    /// Whether a panel is the lowest of its column.
    pub fn lowest(&self, index: usize) -> bool {
        index + self.columns >= self.count
    }

    /// Writes the title of a panel.
    pub fn title(&self, canvas: &Canvas, index: usize, title: &str) -> Result<(), PlotError> {
        self.title_with(canvas, index, title, "")
    }

    /// Writes the title of a panel with an end that is never shortened.
    pub fn title_with(
        &self,
        canvas: &Canvas,
        index: usize,
        title: &str,
        end: &str,
    ) -> Result<(), PlotError> {
        let area = self.area(index);
        let at = ((area.left + area.right) / 2, area.top - TITLE / 2);
        // A title may use the space between panels.
        let room = area.width() + self.gap.min(pt(8.0));
        let room = room - text::width(end, size::PANEL_TITLE, Weight::SemiBold);
        let title = text::fit(title, size::PANEL_TITLE, Weight::SemiBold, room) + end;
        canvas.text(
            &title,
            at,
            Anchor::Middle,
            size::PANEL_TITLE,
            Weight::SemiBold,
            INK,
        )
    }
}
