//! One metric of every router on every data set, as a coloured table.

use crate::canvas::{Anchor, Area, Canvas};
use crate::check::Check;
use crate::drawing::saved;
use crate::legend::Legend;
use crate::sheet::{self, Notes};
use crate::style::{BLACK, FAINT, INK, Rgb, WHITE, pt, size};
use crate::table::{Table, number};
use crate::text::{self, Weight};
use crate::{Better, Drawing, PlotError, Quantity, Role, Style};

/// A metric of each router (rows) on each data set (columns), written into cells that are the darker the better a value
/// is within its column. The best of a column are framed. Oracles take no part in that.
#[derive(Debug, Clone, PartialEq)]
pub struct HeatChart {
    /// What the cells hold.
    pub metric: Quantity,
    /// The `C` data sets from the left, at most 14.
    pub columns: Vec<String>,
    /// The routers from above.
    pub rows: Vec<HeatRow>,
    /// A remark set small under the table.
    pub note: Option<String>,
}

/// One router on a [`HeatChart`].
#[derive(Debug, Clone, PartialEq)]
pub struct HeatRow {
    /// The router's name.
    pub name: String,
    /// What it is; oracles are not compared with the others.
    pub role: Role,
    /// Its value on each data set, `C` cells.
    pub cells: Vec<HeatCell>,
}

/// One cell of a [`HeatChart`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum HeatCell {
    /// A finite value.
    Value(f64),
    /// The router was run and failed.
    Failed,
    /// The router was not run, or the metric does not exist here.
    Missing,
}

impl HeatCell {
    fn value(self) -> Option<f64> {
        match self {
            HeatCell::Value(value) => Some(value),
            HeatCell::Failed | HeatCell::Missing => None,
        }
    }
}

saved!(HeatChart);

impl HeatChart {
    /// Draws the chart in a style.
    ///
    /// # Errors
    /// When there is nothing to draw or a number is not what its field asks for; the message names row and column.
    pub fn draw(&self, style: &Style) -> Result<Drawing, PlotError> {
        style.check()?;
        self.check()?;
        let layout = Layout::new(self, style);
        let plot = layout.table;
        let rule = "Darker: better within the column; framed: best of the column.".to_owned();
        let notes = Notes::new(style.width, [&rule].into_iter().chain(&self.note));
        let legend = Legend::below(Vec::new(), None, style.width);
        let canvas = sheet::below(style.width, plot, plot.bottom + pt(2.0), &legend, &notes)?;
        let at = (size::PAD, size::PAD + pt(4.0));
        let title = text::fit(
            &self.metric.title(),
            size::PANEL_TITLE,
            Weight::SemiBold,
            style.width.units() - 2 * size::PAD,
        );
        canvas.text(
            &title,
            at,
            Anchor::Left,
            size::PANEL_TITLE,
            Weight::SemiBold,
            INK,
        )?;
        for (column, name) in self.columns.iter().enumerate() {
            layout.header(&canvas, column, name)?;
        }
        for (row, HeatRow { name, .. }) in self.rows.iter().enumerate() {
            let cell = layout.cell(row, 0);
            let at = (plot.left - pt(4.0), (cell.top + cell.bottom) / 2);
            let name = text::fit(name, size::TICK, Weight::Regular, layout.names);
            canvas.text(&name, at, Anchor::Right, size::TICK, Weight::Regular, INK)?;
        }
        let ranges: Vec<Option<(f64, f64)>> = (0..self.columns.len())
            .map(|column| self.range(column))
            .collect();
        for (r, row) in self.rows.iter().enumerate() {
            for (c, &cell) in row.cells.iter().enumerate() {
                let good = cell.value().zip(ranges[c]).map(|(value, (worst, best))| {
                    // All the same: all are the best.
                    let share = (value - worst) / (best - worst);
                    if best == worst { 1.0 } else { share }
                });
                let framed = self.framed(row, cell, ranges[c]);
                let area = layout.cell(r, c);
                layout.fill(&canvas, area, good, framed, &self.written(cell))?;
            }
        }
        // Frames last, so that no neighbour covers them.
        for (r, row) in self.rows.iter().enumerate() {
            for (c, &cell) in row.cells.iter().enumerate() {
                if !self.framed(row, cell, ranges[c]) {
                    continue;
                }
                let Area {
                    left,
                    top,
                    right,
                    bottom,
                } = layout.cell(r, c);
                let i = pt(0.6);
                let (l, t, r, b) = (left + i, top + i, right - i, bottom - i);
                let frame = [(l, t), (r, t), (r, b), (l, b), (l, t), (r, t)];
                canvas.stroke(&frame, BLACK, pt(1.2))?;
            }
        }
        let title = format!("{} of every router on every data set", self.metric.name);
        Ok(Drawing::new(canvas, title, self.csv()?, style))
    }

    /// Whether a cell is the best of its column.
    fn framed(&self, row: &HeatRow, cell: HeatCell, range: Option<(f64, f64)>) -> bool {
        let best = range.map(|(_, best)| best);
        row.role != Role::Oracle && best.is_some() && cell.value() == best
    }

    /// The worst and the best value of a column, oracles aside.
    fn range(&self, column: usize) -> Option<(f64, f64)> {
        let compared = || self.rows.iter().filter(|row| row.role != Role::Oracle);
        let values = || compared().filter_map(move |row| row.cells[column].value());
        let low = values().reduce(f64::min)?;
        let high = values().reduce(f64::max)?;
        Some(match self.metric.better {
            Better::Higher | Better::Neither => (low, high),
            Better::Lower => (high, low),
        })
    }

    fn written(&self, cell: HeatCell) -> String {
        match cell {
            HeatCell::Value(value) => self.metric.write(value),
            HeatCell::Failed => "failed".into(),
            HeatCell::Missing => "–".into(),
        }
    }

    fn check(&self) -> Result<(), PlotError> {
        let check = Check("heat chart");
        check.some(&self.rows, "the list of routers")?;
        check.some(&self.columns, "the list of data sets")?;
        check.at_most(self.columns.len(), MOST_COLUMNS, "data sets")?;
        for HeatRow { name, cells, .. } in &self.rows {
            let what = || format!("the row of \"{name}\"");
            check.length(cells.len(), self.columns.len(), what)?;
            for (column, cell) in self.columns.iter().zip(cells) {
                check.finite(cell.value(), || format!("\"{name}\" on \"{column}\""))?;
            }
        }
        Ok(())
    }

    fn csv(&self) -> Result<Vec<u8>, PlotError> {
        let mut table = Table::new(&["router", "role", "data_set", "value", "state"])?;
        for HeatRow { name, role, cells } in &self.rows {
            for (column, cell) in self.columns.iter().zip(cells) {
                let state = match cell {
                    HeatCell::Value(_) => "value",
                    HeatCell::Failed => "failed",
                    HeatCell::Missing => "missing",
                };
                table.row([name, role.name(), column, &number(cell.value()), state])?;
            }
        }
        table.finish()
    }
}

/// More columns have no room for a digit.
const MOST_COLUMNS: usize = 14;
const WIDEST: i32 = pt(64.0);

/// Where the table stands, and how its numbers fit.
struct Layout {
    table: Area,
    column: i32,
    row: i32,
    /// Most width of a row's name.
    names: i32,
    /// Numbers read from bottom to top, since columns are narrow.
    upright: bool,
    /// So do the names of the columns.
    upright_names: bool,
}

impl Layout {
    fn new(chart: &HeatChart, style: &Style) -> Layout {
        let width = style.width.units();
        let wide = |text: &str, at: i32| text::width(text, at, Weight::Regular);
        let longest = chart.rows.iter().map(|r| wide(&r.name, size::TICK)).max();
        let names = longest.unwrap_or(0).min(width * 3 / 10);
        let left = size::PAD + names + pt(5.0);
        let column = ((width - size::PAD - left) / chart.columns.len() as i32).min(WIDEST);
        let cells = chart.rows.iter().flat_map(|row| &row.cells);
        let digits = cells
            .map(|&cell| text::width(&chart.written(cell), size::CELL, Weight::SemiBold))
            .max()
            .unwrap_or(0);
        let upright = digits + pt(3.0) > column;
        let head = chart
            .columns
            .iter()
            .map(|name| wide(name, size::TICK))
            .max()
            .unwrap_or(0);
        let upright_names = head + pt(4.0) > column;
        let header = if upright_names {
            head.min(LONGEST_HEAD) + pt(4.0)
        } else {
            pt(11.0)
        };
        let row = if upright { digits + pt(5.0) } else { pt(13.0) };
        let top = size::PAD + pt(12.0) + header;
        Layout {
            table: Area {
                left,
                top,
                right: left + column * chart.columns.len() as i32,
                bottom: top + row * chart.rows.len() as i32,
            },
            column,
            row,
            names,
            upright,
            upright_names,
        }
    }

    fn cell(&self, row: usize, column: usize) -> Area {
        let left = self.table.left + column as i32 * self.column;
        let top = self.table.top + row as i32 * self.row;
        Area {
            left,
            top,
            right: left + self.column,
            bottom: top + self.row,
        }
    }

    fn header(&self, canvas: &Canvas, column: usize, name: &str) -> Result<(), PlotError> {
        let cell = self.cell(0, column);
        let x = (cell.left + cell.right) / 2;
        if self.upright_names {
            let name = text::fit(name, size::TICK, Weight::Regular, LONGEST_HEAD);
            let half = text::width(&name, size::TICK, Weight::Regular) / 2;
            return canvas.upright_text(&name, (x, cell.top - pt(3.0) - half), size::TICK);
        }
        let at = (x, cell.top - pt(6.0));
        canvas.text(name, at, Anchor::Middle, size::TICK, Weight::Regular, INK)
    }

    /// `good` is 1 for the best of the column and 0 for the worst.
    fn fill(
        &self,
        canvas: &Canvas,
        cell: Area,
        good: Option<f64>,
        bold: bool,
        words: &str,
    ) -> Result<(), PlotError> {
        let Area {
            left,
            top,
            right,
            bottom,
        } = cell;
        let corners = [(left, top), (right, top), (right, bottom), (left, bottom)];
        let (fill, ink) = match good {
            Some(share) => shade(share),
            None => (WHITE, FAINT),
        };
        canvas.fill(&corners, fill, 1.0)?;
        let mut edge = corners.to_vec();
        edge.extend([corners[0], corners[1]]);
        canvas.stroke(&edge, WHITE, pt(0.8))?;
        let weight = if bold {
            Weight::SemiBold
        } else {
            Weight::Regular
        };
        let at = ((left + right) / 2, (top + bottom) / 2);
        if self.upright {
            canvas.upright(words, at, size::CELL, weight, ink)
        } else {
            canvas.text(words, at, Anchor::Middle, size::CELL, weight, ink)
        }
    }
}

const LONGEST_HEAD: i32 = pt(70.0);

/// The fill for a share of goodness, and the ink that is legible on it: from near white to dark blue, ever darker, so
/// that the order survives in grey.
fn shade(share: f64) -> (Rgb, Rgb) {
    const STOPS: [(f64, f64, f64); 3] = [
        (240.0, 246.0, 251.0),
        (120.0, 180.0, 217.0),
        (12.0, 76.0, 140.0),
    ];
    let place = share.clamp(0.0, 1.0) * 2.0;
    let (from, to) = if place < 1.0 {
        (STOPS[0], STOPS[1])
    } else {
        (STOPS[1], STOPS[2])
    };
    let t = place - place.floor().min(1.0);
    let mix = |a: f64, b: f64| (a + (b - a) * t).round() as u8;
    let fill = (mix(from.0, to.0), mix(from.1, to.1), mix(from.2, to.2));
    (fill, if share > 0.68 { WHITE } else { INK })
}
