//! Stacked horizontal bars: totals split into named parts.

use crate::axis::{Axis, Scale};
use crate::canvas::{Anchor, Canvas};
use crate::check::Check;
use crate::drawing::saved;
use crate::fill::{self, Fill};
use crate::frame::{BOTTOM_MARGIN, titles};
use crate::legend::{Key, Legend};
use crate::rows::{Rows, whisker};
use crate::sheet::{self, Notes};
use crate::style::{INK, pt, size};
use crate::table::{Table, number};
use crate::text::Weight;
use crate::{Drawing, PlotError, Quantity, Style};

/// One horizontal bar per router, split into parts; for example the routing collapse index by cause.
#[derive(Debug, Clone, PartialEq)]
pub struct StackedBars {
    /// What the bars measure.
    pub metric: Quantity,
    /// The `P` parts, from the left, at most 8.
    pub parts: Vec<String>,
    /// The bars from above.
    pub bars: Vec<StackedBar>,
    /// A remark set small under the plot.
    pub note: Option<String>,
}

/// One bar of [`StackedBars`].
#[derive(Debug, Clone, PartialEq)]
pub struct StackedBar {
    /// The router's name.
    pub name: String,
    /// The size of each part, `P` values ≥ 0; their sum is the bar.
    pub values: Vec<f64>,
    /// An interval of the sum, drawn as a whisker.
    pub interval: Option<(f64, f64)>,
}

saved!(StackedBars);

impl StackedBars {
    /// Draws the chart in a style.
    ///
    /// # Errors
    /// When there is nothing to draw or a number is not what its field asks for; the message names the series.
    pub fn draw(&self, style: &Style) -> Result<Drawing, PlotError> {
        style.check()?;
        self.check()?;
        let title = format!("{} by part", self.metric.name);
        Ok(Drawing::new(self.canvas(style)?, title, self.csv()?, style))
    }

    /// The sheet, for data that are known to be sound.
    pub(crate) fn canvas(&self, style: &Style) -> Result<Canvas, PlotError> {
        let width = style.width.units();
        let names = self.bars.iter().map(|bar| bar.name.as_str());
        let sides = (size::PAD, width - size::PAD - VALUE_ROOM);
        let rows = Rows::new(names, sides, size::PAD + pt(2.0), 0.33);
        let fills: Vec<Fill> = (0..self.parts.len()).map(Fill::part).collect();
        let entries = fills
            .iter()
            .zip(&self.parts)
            .map(|(&fill, part)| (Key::Area(fill), part.clone()))
            .collect();
        let legend = Legend::below(entries, None, style.width);
        let notes = Notes::new(style.width, &self.note);
        let legend_top = rows.plot.bottom + BOTTOM_MARGIN;
        let canvas = sheet::below(style.width, rows.plot, legend_top, &legend, &notes)?;
        let x = Axis {
            scale: Scale::Linear {
                low: 0.0,
                high: self.right_end(),
            },
            title: self.metric.title(),
            numbers: self.metric.numbers(),
        };
        let frame = rows.frame(&x, i32::MAX);
        frame.x_grid(&canvas)?;
        for (i, bar) in self.bars.iter().enumerate() {
            let y = rows.y(i);
            let at = |value: f64| frame.at(value, 0.0).0;
            let (low, high) = (y + rows.thick / 2, y - rows.thick / 2);
            let mut sum = 0.0;
            for (value, fill) in bar.values.iter().zip(&fills) {
                let (left, right) = (at(sum), at(sum + value));
                fill::bar(&canvas, (left, right), (high, low), fill)?;
                sum += value;
            }
            let mut end = at(sum);
            if let Some((from, to)) = bar.interval {
                whisker(&canvas, (at(from), at(to)), y)?;
                end = end.max(at(to));
            }
            canvas.text(
                &self.metric.write(sum),
                (end + pt(3.5), y),
                Anchor::Left,
                size::TICK,
                Weight::Regular,
                INK,
            )?;
        }
        rows.draw(&canvas)?;
        frame.x_axis(&canvas, true)?;
        titles(&canvas, rows.plot, &x.title, "")?;
        Ok(canvas)
    }

    fn check(&self) -> Result<(), PlotError> {
        let check = Check("stacked bars");
        check.some(&self.parts, "the list of parts")?;
        check.at_most(self.parts.len(), MOST_PARTS, "parts")?;
        check.some(&self.bars, "the list of routers")?;
        for bar in &self.bars {
            let what = || format!("the parts of \"{}\"", bar.name);
            check.length(bar.values.len(), self.parts.len(), what)?;
            check.positive(bar.values.iter().copied(), what)?;
            let ends = bar.interval.iter().flat_map(|&(low, high)| [low, high]);
            check.finite(ends, || format!("the interval of \"{}\"", bar.name))?;
        }
        Ok(())
    }

    /// A round number that nothing drawn passes; of shares at most 1.
    fn right_end(&self) -> f64 {
        let most = self
            .bars
            .iter()
            .map(|bar| {
                let end = bar.interval.map_or(0.0, |interval| interval.1);
                bar.values.iter().sum::<f64>().max(end)
            })
            .fold(0.0, f64::max);
        let (least, limit) = if self.metric.percent {
            (0.1, 1.0)
        } else {
            (f64::MIN_POSITIVE, f64::INFINITY)
        };
        if most <= least {
            return if self.metric.percent { least } else { 1.0 };
        }
        let step = 10f64.powf(most.log10().floor());
        ((most / step - 1e-9).ceil() * step).min(limit.max(most))
    }

    fn csv(&self) -> Result<Vec<u8>, PlotError> {
        let mut table = Table::new(&["router", "part", "value", "total_low", "total_high"])?;
        for bar in &self.bars {
            let low = number(bar.interval.map(|i| i.0));
            let high = number(bar.interval.map(|i| i.1));
            for (part, &value) in self.parts.iter().zip(&bar.values) {
                table.row([&bar.name, part, &number(value), &low, &high])?;
            }
        }
        table.finish()
    }
}

/// Parts that can be told apart.
const MOST_PARTS: usize = 8;
/// Room right of the plot area for the number behind the longest bar.
const VALUE_ROOM: i32 = pt(26.0);
