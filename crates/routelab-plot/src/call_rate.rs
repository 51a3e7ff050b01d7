//! Call rate of the strongest model against budget: the chart on which collapse shows.

use crate::axis::{Axis, Numbers, Scale};
use crate::check::Check;
use crate::drawing::saved;
use crate::legend::Legend;
use crate::series::{Lines, Series};
use crate::sheet::Notes;
use crate::style::{Look, QUIET};
use crate::table::{Table, number};
use crate::{Drawing, PlotError, Role, Style, sheet};

/// Call rate of the strongest model `m*` against the budget per query, every router on one chart
/// (Figure 1 of EquiRouter, Lai & Ye 2026, arXiv 2602.03478).
///
/// Collapse is a router's curve going to 100 % while the oracle's stays low.
#[derive(Debug, Clone, PartialEq)]
pub struct CallRateChart {
    /// Budgets per query, `K` values, ascending, each ≥ 0, in `cost_unit`.
    pub budgets: Vec<f64>,
    /// One curve per router.
    pub series: Vec<RateSeries>,
    /// The strongest model's name, as it shall stand in the axis title.
    pub model: String,
    /// Unit of the budgets, for example "US dollars".
    pub cost_unit: String,
    /// A remark set small under the plot, for example that prices are assumed.
    pub note: Option<String>,
}

/// One router's curve on a [`CallRateChart`].
#[derive(Debug, Clone, PartialEq)]
pub struct RateSeries {
    /// The router's name, as it shall stand in the legend.
    pub name: String,
    /// Call rate at each budget, `K` values in [0, 1].
    pub rate: Vec<f64>,
    /// Lower ends of an interval over seeds, `K` values; drawn as a band when `high` is given too.
    pub low: Option<Vec<f64>>,
    /// Upper ends of that interval, `K` values.
    pub high: Option<Vec<f64>>,
    /// How the curve is drawn.
    pub role: Role,
}

saved!(CallRateChart);

impl CallRateChart {
    /// Draws the chart in a style.
    ///
    /// # Errors
    /// When there is nothing to draw or a number is not what its field asks for; the message names the series.
    pub fn draw(&self, style: &Style) -> Result<Drawing, PlotError> {
        style.check()?;
        self.check()?;
        let x = Axis::costs(
            Scale::for_costs(self.budgets.iter().copied(), 0.015),
            "Budget per query",
            &self.cost_unit,
        );
        let y = Axis {
            // Room for the lines that run along the ends.
            scale: Scale::Linear {
                low: -0.02,
                high: 1.02,
            },
            title: format!("Call rate of {} (%)", self.model),
            numbers: Numbers::Percent,
        };
        let series: Vec<Series> = self
            .series
            .iter()
            .map(|s| Series::new(s.role, &s.name))
            .collect();
        let Lines {
            looks,
            order,
            entries,
            note,
        } = Lines::new(&series);
        let legend = Legend::new(entries, None, style.width, style.width.plot_height());
        let notes = Notes::new(style.width, note.iter().chain(&self.note));
        let (canvas, frame) = sheet::with_one_plot(style.width, &x, &y, &legend, &notes)?;

        let line = |values: &[f64]| -> Vec<(i32, i32)> {
            self.budgets
                .iter()
                .zip(values)
                .map(|(&b, &v)| frame.at(b, v))
                .collect()
        };
        let told = |look: &Look| *look != QUIET;
        for (series, look) in self.series.iter().zip(&looks).filter(|(_, l)| told(l)) {
            if let (Some(low), Some(high)) = (&series.low, &series.high) {
                let mut outline = line(high);
                outline.extend(line(low).into_iter().rev());
                canvas.fill(&outline, look.colour, 0.14)?;
            }
        }
        for (turn, &i) in order.iter().rev().enumerate() {
            frame.curve(
                &canvas,
                &line(&self.series[i].rate),
                &looks[i],
                (turn, order.len()),
            )?;
        }
        let title = format!("Call rate of {} against budget", self.model);
        Ok(Drawing::new(canvas, title, self.csv()?, style))
    }
}

impl CallRateChart {
    fn check(&self) -> Result<(), PlotError> {
        let check = Check("call-rate chart");
        check.budgets(&self.budgets)?;
        check.some(&self.series, "the list of routers")?;
        for series in &self.series {
            let name = &series.name;
            check.length(series.rate.len(), self.budgets.len(), || {
                format!("the call rate of \"{name}\"")
            })?;
            check.shares(series.rate.iter().copied(), || {
                format!("the call rate of \"{name}\"")
            })?;
            for (ends, which) in [(&series.low, "lower"), (&series.high, "upper")] {
                if let Some(ends) = ends {
                    check.length(ends.len(), self.budgets.len(), || {
                        format!("the {which} interval ends of \"{name}\"")
                    })?;
                    check.finite(ends.iter().copied(), || {
                        format!("the {which} interval ends of \"{name}\"")
                    })?;
                }
            }
        }
        Ok(())
    }

    fn csv(&self) -> Result<Vec<u8>, PlotError> {
        let mut table = Table::new(&["router", "role", "budget", "call_rate", "low", "high"])?;
        for series in &self.series {
            let end = |ends: &Option<Vec<f64>>, i: usize| number(ends.as_ref().map(|e| e[i]));
            for (i, (&budget, &rate)) in self.budgets.iter().zip(&series.rate).enumerate() {
                let (low, high) = (end(&series.low, i), end(&series.high, i));
                table.row([
                    &series.name,
                    series.role.name(),
                    &number(budget),
                    &number(rate),
                    &low,
                    &high,
                ])?;
            }
        }
        table.finish()
    }
}
