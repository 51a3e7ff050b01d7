//! Differences of routers to one router, with intervals.

use crate::axis::{Axis, Scale};
use crate::canvas::Anchor;
use crate::check::Check;
use crate::drawing::saved;
use crate::frame::{BOTTOM_MARGIN, titles};
use crate::legend::Legend;
use crate::rows::Rows;
use crate::sheet::{self, Notes};
use crate::style::{BLACK, ColumnWidth, FAINT, INK, Marker, VERMILION, pt, size};
use crate::table::{Table, number};
use crate::text::{self, Weight};
use crate::{Better, Drawing, PlotError, Quantity, Style};

/// Paired differences of a metric, router minus reference, each with an interval: a row per router.
///
/// Where the interval excludes 0 the point is filled.
#[derive(Debug, Clone, PartialEq)]
pub struct ForestChart {
    /// The metric whose differences are drawn; of a metric in per cent they are percentage points.
    pub metric: Quantity,
    /// Name of the router that the others are compared with.
    pub reference: String,
    /// The rows from above.
    pub rows: Vec<ForestRow>,
    /// A remark set small under the plot.
    pub note: Option<String>,
}

/// One router's row on a [`ForestChart`].
#[derive(Debug, Clone, PartialEq)]
pub struct ForestRow {
    /// The router's name.
    pub name: String,
    /// The router's value minus that of the reference.
    pub difference: f64,
    /// Lower end of the interval, at most `high`.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
    /// The p-value of the test, in [0, 1], if there was one; say in the note whether it is corrected.
    pub p: Option<f64>,
}

saved!(ForestChart);

impl ForestChart {
    /// Draws the chart in a style.
    ///
    /// # Errors
    /// When there is nothing to draw or a number is not what its field asks for; the message names the router.
    pub fn draw(&self, style: &Style) -> Result<Drawing, PlotError> {
        style.check()?;
        self.check()?;
        let width = style.width.units();
        let small = |text: &str| text::width(text, size::TICK, Weight::Regular);
        // Columns of text right of the plot area, from the left.
        let columns: Vec<Vec<String>> = [
            self.rows.iter().map(|r| self.written(r, style)).collect(),
            self.rows.iter().map(|r| p_value(r.p)).collect(),
        ]
        .into_iter()
        .filter(|column: &Vec<String>| column.iter().any(|cell| !cell.is_empty()))
        .collect();
        let widths: Vec<i32> = columns
            .iter()
            .map(|column| column.iter().map(|cell| small(cell)).max().unwrap_or(0) + pt(7.0))
            .collect();
        let right = width - size::PAD - widths.iter().sum::<i32>();
        let names = self.rows.iter().map(|row| row.name.as_str());
        let top = size::PAD + HINTS;
        let rows = Rows::new(names, (size::PAD, right), top, 0.45);

        let x = Axis {
            scale: self.scale(),
            title: self.title(),
            numbers: self.metric.numbers(),
        };
        let frame = rows.frame(&x, i32::MAX);
        let legend_top = rows.plot.bottom + BOTTOM_MARGIN;
        let filled = "Filled points: the interval excludes 0.".to_owned();
        let notes = Notes::new(style.width, [&filled].into_iter().chain(&self.note));
        let legend = Legend::below(Vec::new(), None, style.width);
        let canvas = sheet::below(style.width, rows.plot, legend_top, &legend, &notes)?;
        frame.x_grid(&canvas)?;
        let zero = frame.at(0.0, 0.0).0;
        let line = [(zero, rows.plot.top), (zero, rows.plot.bottom)];
        canvas.stroke(&line, INK, pt(0.8))?;

        for (i, row) in self.rows.iter().enumerate() {
            let y = rows.y(i);
            let at = |value: f64| frame.at(value, 0.0).0;
            let clear = row.low > 0.0 || row.high < 0.0;
            let ink = if clear { VERMILION } else { BLACK };
            canvas.stroke(&[(at(row.low), y), (at(row.high), y)], ink, pt(1.1))?;
            for end in [at(row.low), at(row.high)] {
                canvas.stroke(&[(end, y - pt(2.0)), (end, y + pt(2.0))], ink, pt(1.1))?;
            }
            canvas.marker((at(row.difference), y), Marker::Square, ink, clear)?;
            let mut edge = right;
            for (column, column_width) in columns.iter().zip(&widths) {
                edge += column_width;
                let at = (edge, y);
                canvas.text(
                    &column[i],
                    at,
                    Anchor::Right,
                    size::TICK,
                    Weight::Regular,
                    INK,
                )?;
            }
        }
        let (left, right) = match self.metric.better {
            Better::Higher => ("← worse", "better →"),
            Better::Lower => ("← better", "worse →"),
            Better::Neither => ("← less", "more →"),
        };
        let room = pt(4.0);
        let y = rows.plot.top - HINTS / 2;
        for (hint, anchor, x) in [
            (left, Anchor::Right, zero - room),
            (right, Anchor::Left, zero + room),
        ] {
            // Nothing else stands at this height, so that they may reach beyond the plot area.
            let side = match anchor {
                Anchor::Right => zero,
                _ => width - zero,
            } - size::PAD;
            if side >= text::width(hint, size::POINT_LABEL, Weight::Regular) + room {
                canvas.text(
                    hint,
                    (x, y),
                    anchor,
                    size::POINT_LABEL,
                    Weight::Regular,
                    FAINT,
                )?;
            }
        }
        rows.draw(&canvas)?;
        frame.x_axis(&canvas, true)?;
        titles(&canvas, rows.plot, &x.title, "")?;
        let title = format!("Differences in {} to {}", self.metric.name, self.reference);
        Ok(Drawing::new(canvas, title, self.csv()?, style))
    }

    fn title(&self) -> String {
        let unit = if self.metric.percent { " (points)" } else { "" };
        format!(
            "{} minus that of {}{unit}",
            self.metric.name, self.reference
        )
    }

    /// A difference in digits; where there is room with its interval.
    fn written(&self, row: &ForestRow, style: &Style) -> String {
        let signed = |value: f64| {
            let text = self.metric.write(value.abs());
            match value {
                v if v < 0.0 => format!("−{text}"),
                _ => format!("+{text}"),
            }
        };
        let value = signed(row.difference);
        match style.width {
            ColumnWidth::Single => value,
            _ => format!("{value} [{}, {}]", signed(row.low), signed(row.high)),
        }
    }

    fn scale(&self) -> Scale {
        let ends = self.rows.iter().flat_map(|r| [r.low, r.high, r.difference]);
        Scale::around(ends.chain([0.0]), 0.06)
    }

    fn check(&self) -> Result<(), PlotError> {
        let check = Check("forest chart");
        check.some(&self.rows, "the list of routers")?;
        for row in &self.rows {
            let what = || format!("the difference of \"{}\"", row.name);
            check.finite([row.difference, row.low, row.high], what)?;
            let length = row.high - row.low;
            check.positive([length], || {
                format!("the length of the interval of \"{}\"", row.name)
            })?;
            check.shares(row.p, || format!("the p-value of \"{}\"", row.name))?;
        }
        Ok(())
    }

    fn csv(&self) -> Result<Vec<u8>, PlotError> {
        let mut table = Table::new(&["router", "reference", "difference", "low", "high", "p"])?;
        for row in &self.rows {
            let numbers = [Some(row.difference), Some(row.low), Some(row.high), row.p];
            let [difference, low, high, p] = &numbers.map(number);
            table.row([&row.name, &self.reference, difference, low, high, p])?;
        }
        table.finish()
    }
}

/// Height of the words above the plot area.
const HINTS: i32 = pt(11.0);

fn p_value(p: Option<f64>) -> String {
    match p {
        None => String::new(),
        Some(p) if p < 0.001 => "p < 0.001".into(),
        Some(p) => format!("p = {p:.3}"),
    }
}
