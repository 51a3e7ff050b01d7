//! The routing collapse index of every router, split by cause.

use crate::axis::{Axis, Numbers, Scale};
use crate::canvas::{Anchor, Area, Canvas};
use crate::check::Check;
use crate::drawing::saved;
use crate::fill::{self, Fill};
use crate::frame::{BOTTOM_MARGIN, Frame, titles};
use crate::legend::{Key, Legend};
use crate::style::{BLACK, INK, SKY, VERMILION, WHITE, pt, size};
use crate::table::{Table, number};
use crate::text::{self, Weight};
use crate::{Drawing, PlotError, Style};

/// Horizontal bars of the routing collapse index, RCI = wasteful + wrong; lowest on top.
#[derive(Debug, Clone, PartialEq)]
pub struct RciChart {
    /// One bar per router, in any order.
    pub bars: Vec<RciBar>,
}

/// One router's bar on an [`RciChart`]. All numbers are shares of queries, in [0, 1].
#[derive(Debug, Clone, PartialEq)]
pub struct RciBar {
    /// The router's name.
    pub name: String,
    /// Share of queries sent to a strongest model although a cheaper model was as good.
    pub wasteful: f64,
    /// Share of queries sent to a model that is not among the best.
    pub wrong: f64,
    /// Lower end of an interval of RCI; drawn as a whisker when `high` is given too.
    pub low: Option<f64>,
    /// Upper end of that interval.
    pub high: Option<f64>,
}

saved!(RciChart);

impl RciChart {
    /// Draws the chart in a style.
    ///
    /// # Errors
    /// When there is nothing to draw or a number is not what its field asks for; the message names the series.
    pub fn draw(&self, style: &Style) -> Result<Drawing, PlotError> {
        style.check()?;
        self.check()?;
        let bars = self.sorted();
        let width = style.width.units();
        let longest = width * 3 / 10;
        let names: Vec<String> = bars
            .iter()
            .map(|b| text::fit(&b.name, size::TICK, Weight::Regular, longest))
            .collect();
        let name_width = names
            .iter()
            .map(|n| text::width(n, size::TICK, Weight::Regular))
            .max()
            .unwrap_or(0);
        let (wasteful, wrong) = (Fill::plain(VERMILION), Fill::lined(SKY));
        let entries = vec![
            (
                Key::Area(wasteful),
                "wasteful: a cheaper model was as good".to_owned(),
            ),
            (Key::Area(wrong), "wrong: not among the best".to_owned()),
        ];
        let legend = Legend::below(entries, None, style.width);

        let top = size::PAD + pt(2.0);
        let plot = Area {
            left: size::PAD + name_width + pt(6.0),
            top,
            right: width - size::PAD - VALUE_ROOM,
            bottom: top + bars.len() as i32 * ROW + pt(4.0),
        };
        let legend_top = plot.bottom + BOTTOM_MARGIN;
        let canvas = Canvas::new(width, legend_top + legend.below_height() + size::PAD)?;
        let x = Axis {
            scale: Scale::Linear {
                low: 0.0,
                high: self.right_end(),
            },
            title: "Routing collapse index (% of queries)".into(),
            numbers: Numbers::Percent,
        };
        let rows = Axis {
            scale: Scale::Linear {
                low: bars.len() as f64,
                high: 0.0,
            },
            title: String::new(),
            numbers: Numbers::Plain,
        };
        let frame = Frame::new(plot, &x, &rows, i32::MAX);
        frame.x_grid(&canvas)?;
        for (i, (bar, name)) in bars.iter().zip(&names).enumerate() {
            let y = plot.top + pt(2.0) + i as i32 * ROW + ROW / 2;
            let at = |share: f64| frame.at(share, 0.0).0;
            let (low, high) = (y + THICK / 2, y - THICK / 2);
            fill::band(
                &canvas,
                &[(at(0.0), low, high), (at(bar.wasteful), low, high)],
                &wasteful,
            )?;
            fill::band(
                &canvas,
                &[(at(bar.wasteful), low, high), (at(bar.rci()), low, high)],
                &wrong,
            )?;
            // The lines of the filling may end at a side, which then could not be seen.
            let sides = [
                (at(bar.wasteful), low),
                (at(bar.rci()), low),
                (at(bar.rci()), high),
                (at(bar.wasteful), high),
            ];
            canvas.stroke(&sides, SKY, pt(0.5))?;
            let mut end = at(bar.rci());
            if let (Some(from), Some(to)) = (bar.low, bar.high) {
                let (from, to) = (at(from), at(to));
                canvas.stroke(&[(from, y), (to, y)], WHITE, pt(2.2))?;
                canvas.stroke(&[(from, y), (to, y)], BLACK, pt(0.9))?;
                for x in [from, to] {
                    canvas.stroke(&[(x, y - pt(2.2)), (x, y + pt(2.2))], BLACK, pt(0.9))?;
                }
                end = end.max(to);
            }
            let value = format!("{:.1}", bar.rci() * 100.0);
            canvas.text(
                &value,
                (end + pt(3.5), y),
                Anchor::Left,
                size::TICK,
                Weight::Regular,
                INK,
            )?;
            canvas.text(
                name,
                (plot.left - pt(4.0), y),
                Anchor::Right,
                size::TICK,
                Weight::Regular,
                INK,
            )?;
        }
        canvas.stroke(
            &[(plot.left, plot.top), (plot.left, plot.bottom)],
            INK,
            size::SPINE,
        )?;
        frame.x_axis(&canvas, true)?;
        titles(&canvas, plot, &x.title, "")?;
        legend.draw(&canvas, plot, legend_top, width)?;
        Ok(Drawing::new(
            canvas,
            "Routing collapse index of every router".into(),
            self.csv()?,
            style,
        ))
    }
}

const ROW: i32 = pt(13.0);
const THICK: i32 = pt(8.5);
/// Room right of the plot area for the number behind the longest bar.
const VALUE_ROOM: i32 = pt(26.0);

impl RciBar {
    fn rci(&self) -> f64 {
        self.wasteful + self.wrong
    }
}

impl RciChart {
    fn check(&self) -> Result<(), PlotError> {
        let check = Check("RCI chart");
        check.some(&self.bars, "the list of routers")?;
        for bar in &self.bars {
            let name = &bar.name;
            check.shares([bar.wasteful], || {
                format!("the wasteful share of \"{name}\"")
            })?;
            check.shares([bar.wrong], || format!("the wrong share of \"{name}\""))?;
            check.shares([bar.rci()], || format!("the RCI of \"{name}\""))?;
            check.finite(bar.low, || format!("the lower interval end of \"{name}\""))?;
            check.finite(bar.high, || format!("the upper interval end of \"{name}\""))?;
        }
        Ok(())
    }

    /// Ascending; equal ones by name, so that the figure does not depend on the order given.
    fn sorted(&self) -> Vec<&RciBar> {
        let mut bars: Vec<&RciBar> = self.bars.iter().collect();
        bars.sort_by(|a, b| {
            a.rci()
                .total_cmp(&b.rci())
                .then_with(|| a.name.cmp(&b.name))
        });
        bars
    }

    /// A whole tenth that nothing drawn passes.
    fn right_end(&self) -> f64 {
        let most = self
            .bars
            .iter()
            .map(|b| b.rci().max(b.high.unwrap_or(0.0)))
            .fold(0.0, f64::max);
        ((most * 10.0 - 1e-9).ceil() / 10.0).clamp(0.1, 1.0)
    }

    fn csv(&self) -> Result<Vec<u8>, PlotError> {
        let mut table = Table::new(&["router", "rci", "wasteful", "wrong", "low", "high"])?;
        for bar in self.sorted() {
            let numbers = [
                Some(bar.rci()),
                Some(bar.wasteful),
                Some(bar.wrong),
                bar.low,
                bar.high,
            ]
            .map(number);
            let [rci, wasteful, wrong, low, high] = &numbers;
            table.row([&bar.name, rci, wasteful, wrong, low, high])?;
        }
        table.finish()
    }
}
