//! The routing collapse index of every router, split by cause.

use crate::check::Check;
use crate::drawing::saved;
use crate::table::{Table, number};
use crate::{Better, Drawing, PlotError, Quantity, StackedBar, StackedBars, Style};

/// Horizontal bars of the routing collapse index, RCI = wasteful + wrong; lowest on top.
#[derive(Debug, Clone, PartialEq)]
pub struct RciChart {
    /// One bar per router, in any order.
    pub bars: Vec<RciBar>,
    /// A remark set small under the plot, for example that prices are assumed.
    pub note: Option<String>,
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
        let bars = self
            .sorted()
            .into_iter()
            .map(|bar| StackedBar {
                name: bar.name.clone(),
                values: vec![bar.wasteful, bar.wrong],
                interval: bar.low.zip(bar.high),
            })
            .collect();
        let chart = StackedBars {
            metric: Quantity {
                name: "Routing collapse index".into(),
                percent: true,
                better: Better::Lower,
            },
            parts: vec![
                "wasteful: a cheaper model was as good".into(),
                "wrong: not among the best".into(),
            ],
            bars,
            note: self.note.clone(),
        };
        let canvas = chart.canvas(style)?;
        Ok(Drawing::new(
            canvas,
            "Routing collapse index of every router".into(),
            self.csv()?,
            style,
        ))
    }
}

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
