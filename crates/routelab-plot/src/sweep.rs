//! Metrics against a parameter that is varied.

use crate::axis::{Axis, Numbers, Scale};
use crate::canvas::Canvas;
use crate::check::Check;
use crate::drawing::saved;
use crate::frame::{BOTTOM_MARGIN, Frame, label_margin, titles};
use crate::legend::Legend;
use crate::panels::Panels;
use crate::positions::{Positions, Ticks};
use crate::series::{Lines, Series};
use crate::sheet::{self, Notes};
use crate::style::{ColumnWidth, Look, QUIET, pt, size};
use crate::table::{Table, number};
use crate::{Drawing, Estimate, PlotError, Quantity, Role, Style};

/// One or several metrics against a parameter, a line per router: noise, a weight of a loss, the size of the pool, a
/// scale of prices, a share of the training data, a dimension.
#[derive(Debug, Clone, PartialEq)]
pub struct SweepChart {
    /// The parameter, with its unit: the title of the horizontal axis.
    pub parameter: String,
    /// Its `K` values.
    pub positions: Positions,
    /// The `S` routers.
    pub series: Vec<SweepSeries>,
    /// One panel per metric, beside and below each other, sharing the horizontal axis.
    pub panels: Vec<SweepPanel>,
    /// A remark set small under the plot.
    pub note: Option<String>,
}

/// One router on a [`SweepChart`].
#[derive(Debug, Clone, PartialEq)]
pub struct SweepSeries {
    /// The router's name, as it shall stand in the legend.
    pub name: String,
    /// How its line is drawn.
    pub role: Role,
}

/// One metric on a [`SweepChart`].
#[derive(Debug, Clone, PartialEq)]
pub struct SweepPanel {
    /// The metric, the title of the panel.
    pub metric: Quantity,
    /// Whether the vertical axis is logarithmic, for values that span decades; they are at least 0 then.
    pub log: bool,
    /// `values[series][position]`: `S` rows of `K` values; `None` where there is none, for example because a run failed.
    /// Intervals are bands, or whiskers where there are categories or fewer than four positions.
    pub values: Vec<Vec<Option<Estimate>>>,
}

saved!(SweepChart);

impl SweepChart {
    /// Draws the chart in a style.
    ///
    /// # Errors
    /// When there is nothing to draw or a number is not what its field asks for; the message names the series.
    pub fn draw(&self, style: &Style) -> Result<Drawing, PlotError> {
        style.check()?;
        self.check()?;
        let x = Axis {
            scale: self.positions.scale(),
            title: self.parameter.clone(),
            numbers: Numbers::Plain,
        };
        let ys: Vec<Axis> = self.panels.iter().map(SweepPanel::axis).collect();
        let series: Vec<Series> = self
            .series
            .iter()
            .map(|s| Series::new(s.role, &s.name))
            .collect();
        let lines = Lines::new(&series);

        let height = match (style.width, self.panels.len()) {
            (_, 1) => style.width.plot_height() * 4 / 5,
            _ => pt(105.0),
        };
        let margin = ys
            .iter()
            .map(|y| label_margin(y, height))
            .max()
            .unwrap_or(0);
        let sides = (
            size::PAD + margin,
            style.width.units() - size::PAD - pt(12.0),
        );
        let columns = columns(self.panels.len(), style.width);
        let panels = Panels::new(self.panels.len(), columns, sides, margin + pt(12.0), height);
        let ticks = Ticks::new(
            &self.positions,
            &x,
            panels.area(0).width(),
            margin / 2 + pt(6.0),
        );

        let whole = panels.whole();
        let legend = Legend::below(lines.entries, None, style.width);
        let notes = Notes::new(style.width, lines.note.iter().chain(&self.note));
        let legend_top = whole.bottom + BOTTOM_MARGIN + ticks.extra;
        let canvas = sheet::below(style.width, whole, legend_top, &legend, &notes)?;
        for (i, (panel, y)) in self.panels.iter().zip(&ys).enumerate() {
            let frame = ticks.frame(Frame::new(panels.area(i), &x, y, margin / 2 + pt(6.0)));
            frame.grid(&canvas)?;
            panels.title(&canvas, i, &panel.metric.title())?;
            let asides = self.asides(&frame, &lines.looks);
            self.intervals(&canvas, &frame, panel, &lines.looks, &asides)?;
            for (turn, &s) in lines.order.iter().rev().enumerate() {
                let turn = (turn, lines.order.len());
                self.line(
                    &canvas,
                    &frame,
                    (asides[s], &panel.values[s]),
                    &lines.looks[s],
                    turn,
                )?;
            }
            frame.y_axis(&canvas, true)?;
            frame.x_axis(&canvas, panels.lowest(i) && !ticks.upright)?;
            if ticks.upright && panels.lowest(i) {
                ticks.write(&canvas, &frame)?;
            }
        }
        let below = crate::canvas::Area {
            bottom: whole.bottom + ticks.extra,
            ..whole
        };
        titles(&canvas, below, &x.title, "")?;
        let metrics: Vec<&str> = self.panels.iter().map(|p| p.metric.name.as_str()).collect();
        let title = format!("{} against {}", metrics.join(", "), self.parameter);
        Ok(Drawing::new(canvas, title, self.csv()?, style))
    }

    /// How far each series is moved aside so that whiskers of neighbours stay apart; 0 where there are bands.
    fn asides(&self, frame: &Frame, looks: &[Look]) -> Vec<i32> {
        let told = |look: &&Look| **look != QUIET;
        let count = looks.iter().filter(told).count() as i32;
        let slot = frame.area.width() / self.positions.len().max(2) as i32;
        let step = pt(4.0).min(slot * 7 / 10 / count.max(1));
        let mut seen = 0;
        looks
            .iter()
            .map(|look| {
                if self.banded() || !told(&look) {
                    return 0;
                }
                seen += 1;
                (2 * (seen - 1) - (count - 1)) * step / 2
            })
            .collect()
    }

    fn banded(&self) -> bool {
        !matches!(self.positions, Positions::Categories(_)) && self.positions.len() >= 4
    }

    /// The stretches of a series without gaps, as `(place on the sheet, value)`.
    fn stretches<'a>(
        &self,
        frame: &Frame,
        aside: i32,
        values: &'a [Option<Estimate>],
    ) -> Vec<Vec<(i32, &'a Estimate)>> {
        let mut stretches = vec![Vec::new()];
        for (k, value) in values.iter().enumerate() {
            match (value, stretches.last_mut()) {
                (Some(value), Some(last)) => {
                    let x = frame.at(self.positions.at(k), value.value).0;
                    let area = frame.area;
                    last.push(((x + aside).clamp(area.left, area.right), value));
                }
                _ => stretches.push(Vec::new()),
            }
        }
        stretches.retain(|stretch| !stretch.is_empty());
        stretches
    }

    fn intervals(
        &self,
        canvas: &Canvas,
        frame: &Frame,
        panel: &SweepPanel,
        looks: &[Look],
        asides: &[i32],
    ) -> Result<(), PlotError> {
        for ((values, look), &aside) in panel.values.iter().zip(looks).zip(asides) {
            if *look == QUIET {
                continue;
            }
            for stretch in self.stretches(frame, aside, values) {
                let y = |value: f64| frame.at(0.0, value).1;
                let ends = |&(x, e): &(i32, &Estimate)| e.interval.map(|(l, h)| (x, y(l), y(h)));
                let known: Vec<(i32, i32, i32)> = stretch.iter().filter_map(ends).collect();
                if self.banded() && known.len() == stretch.len() {
                    let mut outline: Vec<_> = known.iter().map(|&(x, _, high)| (x, high)).collect();
                    outline.extend(known.iter().rev().map(|&(x, low, _)| (x, low)));
                    canvas.fill(&outline, look.colour, 0.14)?;
                    continue;
                }
                for (x, low, high) in known {
                    canvas.stroke(&[(x, low), (x, high)], look.colour, pt(0.7))?;
                }
            }
        }
        Ok(())
    }

    fn line(
        &self,
        canvas: &Canvas,
        frame: &Frame,
        (aside, values): (i32, &[Option<Estimate>]),
        look: &Look,
        turn: (usize, usize),
    ) -> Result<(), PlotError> {
        for stretch in self.stretches(frame, aside, values) {
            let points: Vec<(i32, i32)> = stretch
                .iter()
                .map(|&(x, estimate)| (x, frame.at(0.0, estimate.value).1))
                .collect();
            frame.curve(canvas, &points, look, turn)?;
        }
        Ok(())
    }

    fn check(&self) -> Result<(), PlotError> {
        let check = Check("sweep chart");
        match &self.positions {
            Positions::Linear(values) => check.ascending(values, "positions")?,
            Positions::Log(values) => {
                check.ascending(values, "positions")?;
                check.positive(values.iter().copied(), || "positions".into())?;
            }
            Positions::Categories(names) => check.some(names, "the list of positions")?,
        }
        check.some(&self.series, "the list of routers")?;
        check.some(&self.panels, "the list of metrics")?;
        for panel in &self.panels {
            let metric = &panel.metric.name;
            let rows = panel.values.len();
            check.length(rows, self.series.len(), || format!("the table of {metric}"))?;
            for (series, values) in self.series.iter().zip(&panel.values) {
                let what = || format!("{metric} of \"{}\"", series.name);
                check.length(values.len(), self.positions.len(), what)?;
                let numbers = || values.iter().flatten().flat_map(Estimate::numbers);
                check.finite(numbers(), what)?;
                if panel.log {
                    check.positive(numbers(), what)?;
                }
            }
        }
        Ok(())
    }

    fn csv(&self) -> Result<Vec<u8>, PlotError> {
        let mut table = Table::new(&[
            "router", "role", "metric", "position", "value", "low", "high",
        ])?;
        for panel in &self.panels {
            for (series, values) in self.series.iter().zip(&panel.values) {
                for (k, estimate) in values.iter().enumerate() {
                    let (low, high) = estimate.map_or((None, None), |e| e.ends());
                    table.row([
                        &series.name,
                        series.role.name(),
                        &panel.metric.name,
                        &self.positions.name(k),
                        &number(estimate.map(|e| e.value)),
                        &number(low),
                        &number(high),
                    ])?;
                }
            }
        }
        table.finish()
    }
}

impl SweepPanel {
    fn axis(&self) -> Axis {
        let numbers = self
            .values
            .iter()
            .flatten()
            .flatten()
            .flat_map(Estimate::numbers);
        Axis {
            scale: if self.log {
                Scale::log(numbers, 0.05)
            } else {
                Scale::around(numbers, 0.06)
            },
            title: String::new(),
            numbers: self.metric.numbers(),
        }
    }
}

fn columns(panels: usize, width: ColumnWidth) -> usize {
    match (width, panels) {
        (ColumnWidth::Single, _) => 1,
        (_, 2 | 4) => 2,
        (ColumnWidth::Page | ColumnWidth::Double, _) => panels.clamp(1, 3),
    }
}
