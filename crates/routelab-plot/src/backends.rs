//! The same fits on several backends.

use crate::axis::{Axis, Numbers, Scale};
use crate::canvas::{Anchor, Area, Canvas};
use crate::check::Check;
use crate::drawing::saved;
use crate::frame::{BOTTOM_MARGIN, Frame, label_margin, titles_at};
use crate::legend::Legend;
use crate::positions::{Positions, Ticks};
use crate::rows::Rows;
use crate::sheet::{self, Notes};
use crate::style::{ColumnWidth, INK, Look, WHITE, looks, pt, size};
use crate::table::{Table, number};
use crate::text::{self, Weight};
use crate::{Better, Drawing, Estimate, PlotError, Quantity, Role, Style};

/// Time, throughput, memory and agreement of backends that fitted the same network: four panels, in each of which a
/// backend has the same colour and marker.
#[derive(Debug, Clone, PartialEq)]
pub struct BackendsChart {
    /// What was fitted.
    pub router: String,
    /// The `B` batch sizes of [`BackendRow::throughput`], at least 1, ascending.
    pub batch_sizes: Vec<usize>,
    /// The backends from above; the others are compared with the first.
    pub rows: Vec<BackendRow>,
    /// A remark set small under the plot.
    pub note: Option<String>,
}

/// One backend on a [`BackendsChart`].
#[derive(Debug, Clone, PartialEq)]
pub struct BackendRow {
    /// Its name.
    pub name: String,
    /// Seconds per epoch, at least 0, with the range that they were in.
    pub epoch: Estimate,
    /// Training queries per second, above 0, at each of the `B` batch sizes; `None` where it was not measured.
    pub throughput: Vec<Option<f64>>,
    /// Peak memory of the process in MiB, if it is known.
    pub memory: Option<f64>,
    /// Peak memory of the device in MiB, if it has one that is known.
    pub device_memory: Option<f64>,
    /// Largest difference of a score to that of the first backend, in standard deviations of the first one's scores.
    pub difference: f64,
    /// Share of the decisions that are equal to the first backend's, in [0, 1].
    pub decisions: f64,
}

saved!(BackendsChart);

/// Space above a panel for its title, clear of a number at the upper end of a vertical axis.
const TITLE: i32 = pt(15.5);
/// Panels are at least as high as this, for the lines of the throughput.
const HEIGHT: i32 = pt(86.0);
/// Space between the plot area and what is written right of it.
const VALUE_GAP: i32 = pt(7.0);
/// Space between the columns of panels.
const GAP: i32 = pt(12.0);
/// Height of the numbers of a horizontal axis, and of the space under them.
const NUMBERS: i32 = size::TICK_LENGTH + pt(3.0) + size::TICK + pt(6.0);
/// How far these numbers reach beyond the ends of the axis.
const OVERHANG: i32 = pt(6.0);

const EPOCH: &str = "Seconds per epoch";
const THROUGHPUT: &str = "Training queries per second";
const MEMORY: &str = "Peak memory (MiB)";
const DIFFERENCE: &str = "Score difference (σ), equal decisions";

/// A panel with a row per backend.
struct Panel {
    title: String,
    scale: Scale,
    points: Vec<Point>,
}

/// What stands in such a row.
struct Point {
    /// A line from the lowest to the highest value.
    range: Option<(f64, f64)>,
    /// An upright bar.
    bar: Option<f64>,
    marker: Option<f64>,
    /// Written right of the plot area.
    written: String,
}

/// Where a panel stands.
struct Place {
    rows: Rows,
    /// Left and right edge of all that belongs to it.
    sides: (i32, i32),
}

impl BackendsChart {
    /// Draws the chart in a style.
    ///
    /// # Errors
    /// When there is nothing to draw or a number is not what its field asks for; the message names the backend.
    pub fn draw(&self, style: &Style) -> Result<Drawing, PlotError> {
        style.check()?;
        self.check()?;
        let looks = looks(self.rows.iter().map(|_| Role::Router));
        let panels = self.panels();
        let (positions, x, y) = self.throughput_axes();
        let (places, bottom) = self.places(style.width, &panels, label_margin(&y, HEIGHT));

        let reference = &self.rows[0].name;
        let explained = format!(
            "Score difference: the largest to a score of {reference}, in standard deviations of its scores; beside it the share \
             of equal decisions."
        );
        let bars = "Memory: markers stand for the process, bars for what the device holds for it."
            .to_owned();
        let bars = self
            .rows
            .iter()
            .any(|row| row.device_memory.is_some())
            .then_some(&bars);
        let notes = Notes::new(
            style.width,
            [&explained].into_iter().chain(bars).chain(&self.note),
        );
        let legend = Legend::below(Vec::new(), None, style.width);
        let whole = Area {
            left: 0,
            top: 0,
            right: style.width.units(),
            bottom,
        };
        let canvas = sheet::below(style.width, whole, bottom, &legend, &notes)?;

        let [epoch, throughput, memory, agreement] = &places;
        for (place, panel) in [epoch, memory, agreement].into_iter().zip(&panels) {
            place.title(&canvas, &panel.title)?;
            panel.draw(&canvas, place, &looks)?;
        }

        let title = quantity(THROUGHPUT, Better::Higher).title();
        throughput.title(&canvas, &title)?;
        let area = throughput.rows.plot;
        let ticks = Ticks::new(&positions, &x, area.width(), OVERHANG);
        let frame = ticks.frame(Frame::new(area, &x, &y, OVERHANG));
        frame.grid(&canvas)?;
        for (turn, (row, look)) in self.rows.iter().zip(&looks).enumerate().rev() {
            let measured = row.throughput.iter().zip(&self.batch_sizes);
            let at =
                |(value, &size): (&Option<f64>, &usize)| Some(frame.at(size as f64, (*value)?));
            let points: Vec<(i32, i32)> = measured.filter_map(at).collect();
            frame.curve(&canvas, &points, look, (turn, looks.len()))?;
        }
        frame.y_axis(&canvas, true)?;
        frame.x_axis(&canvas, true)?;
        titles_at(&canvas, area, &x.title, "", throughput.sides)?;
        let title = format!("{} on {} backends", self.router, self.rows.len());
        Ok(Drawing::new(canvas, title, self.csv()?, style))
    }

    /// The panels of time, memory and agreement.
    fn panels(&self) -> [Panel; 3] {
        let rows = || self.rows.iter();
        let memories = rows()
            .flat_map(|row| [row.memory, row.device_memory])
            .flatten();
        [
            Panel {
                title: quantity(EPOCH, Better::Lower).title(),
                scale: from_zero(rows().flat_map(|row| row.epoch.numbers())),
                points: rows()
                    .map(|row| Point {
                        range: row.epoch.interval,
                        bar: None,
                        marker: Some(row.epoch.value),
                        written: short(row.epoch.value),
                    })
                    .collect(),
            },
            Panel {
                title: quantity(MEMORY, Better::Lower).title(),
                scale: from_zero(memories),
                points: rows()
                    .map(|row| Point {
                        range: None,
                        bar: row.device_memory,
                        marker: row.memory,
                        written: match (row.memory, row.device_memory) {
                            (None, None) => "?".into(),
                            (Some(value), None) => short(value),
                            (None, Some(device)) => format!("? | {}", short(device)),
                            (Some(value), Some(device)) => {
                                format!("{} | {}", short(value), short(device))
                            }
                        },
                    })
                    .collect(),
            },
            Panel {
                title: quantity(DIFFERENCE, Better::Neither).title(),
                scale: Scale::log(rows().map(|row| row.difference), 0.06),
                points: rows()
                    .map(|row| Point {
                        range: None,
                        bar: None,
                        marker: Some(row.difference),
                        written: format!("{:.2} %", row.decisions * 100.0),
                    })
                    .collect(),
            },
        ]
    }

    /// The axes of the panel of throughput, and the places on its horizontal one.
    fn throughput_axes(&self) -> (Positions, Axis, Axis) {
        let sizes = self.batch_sizes.iter().map(|&size| size as f64);
        let positions = Positions::Log(sizes.collect());
        let x = Axis {
            scale: positions.scale(),
            title: "Queries per batch".into(),
            numbers: Numbers::Plain,
        };
        let values = self
            .rows
            .iter()
            .flat_map(|row| row.throughput.iter().flatten());
        let y = Axis {
            scale: Scale::log(values.copied(), 0.06),
            title: String::new(),
            numbers: Numbers::Plain,
        };
        (positions, x, y)
    }

    /// Where the panels stand: time, throughput, memory, agreement; and where the last ends. `labels` is the width of the
    /// numbers of the vertical axis.
    fn places(&self, width: ColumnWidth, panels: &[Panel; 3], labels: i32) -> ([Place; 4], i32) {
        let values = |panel: &Panel| {
            let widths = panel
                .points
                .iter()
                .map(|point| text::width(&point.written, size::TICK, Weight::Regular));
            widths.max().unwrap_or(0) + VALUE_GAP
        };
        let [epoch, memory, agreement] = [&panels[0], &panels[1], &panels[2]].map(values);
        let (left, right) = (size::PAD, width.units() - size::PAD);
        let names = || self.rows.iter().map(|row| row.name.as_str());
        let named = |sides: (i32, i32), top: i32, values: i32| Place {
            rows: Rows::new(names(), (sides.0, sides.1 - values), top, 0.45).at_least(HEIGHT),
            sides,
        };
        let nameless = |(left, right): (i32, i32), top: i32, values: i32, margin: i32| Place {
            rows: Rows::new(names().map(|_| ""), (left, right - values), top, 0.45)
                .at_least(HEIGHT)
                .from(left + margin),
            sides: (left, right),
        };
        let top = size::PAD + TITLE;
        match width {
            ColumnWidth::Single => {
                let values = epoch.max(memory).max(agreement);
                let below = |place: &Place, margin: i32| place.rows.plot.bottom + margin + TITLE;
                let first = named((left, right), top, values);
                let margin = labels.max(first.rows.plot.left - left);
                let second = nameless((left, right), below(&first, NUMBERS), values, margin);
                let third = named(
                    (left, right),
                    below(&second, BOTTOM_MARGIN + pt(4.0)),
                    values,
                );
                let fourth = named((left, right), below(&third, NUMBERS), values);
                let bottom = fourth.rows.plot.bottom + NUMBERS;
                ([first, second, third, fourth], bottom)
            }
            ColumnWidth::Page | ColumnWidth::Double => {
                // The names stand in the left column only, so that it is the wider one.
                let middle = left + (right - left) * 54 / 100;
                let (west, east) = ((left, middle - GAP / 2), (middle + GAP / 2, right));
                let first = named(west, top, epoch.max(memory));
                let second = nameless(east, top, agreement, labels);
                let top = first.rows.plot.bottom + BOTTOM_MARGIN + pt(4.0) + TITLE;
                let third = named(west, top, epoch.max(memory));
                let fourth = nameless(east, top, agreement, labels);
                let bottom = fourth.rows.plot.bottom + NUMBERS;
                ([first, second, third, fourth], bottom)
            }
        }
    }

    fn check(&self) -> Result<(), PlotError> {
        let check = Check("chart of backends");
        check.some(&self.rows, "the list of backends")?;
        let sizes: Vec<f64> = self.batch_sizes.iter().map(|&size| size as f64).collect();
        check.ascending(&sizes, "batch sizes")?;
        check.above_zero(sizes[0], || "the smallest batch size".into())?;
        for row in &self.rows {
            let of = |what: &str| format!("the {what} of \"{}\"", row.name);
            check.positive(row.epoch.numbers(), || of("time"))?;
            let throughput = || of("throughput");
            check.length(row.throughput.len(), sizes.len(), throughput)?;
            (row.throughput.iter().flatten())
                .try_for_each(|&value| check.above_zero(value, throughput))?;
            (row.memory.iter().chain(&row.device_memory))
                .try_for_each(|&value| check.above_zero(value, || of("memory")))?;
            check.positive([row.difference], || of("difference"))?;
            check.shares([row.decisions], || of("share of equal decisions"))?;
        }
        Ok(())
    }

    fn csv(&self) -> Result<Vec<u8>, PlotError> {
        let mut table = Table::new(&[
            "router",
            "backend",
            "quantity",
            "batch_size",
            "value",
            "low",
            "high",
        ])?;
        for row in &self.rows {
            let mut line = |quantity: &str,
                            size: &str,
                            value: Option<f64>,
                            ends: (Option<f64>, Option<f64>)| {
                let [value, low, high] = &[value, ends.0, ends.1].map(number);
                table.row([&self.router, &row.name, quantity, size, value, low, high])
            };
            let alone = (None, None);
            line(
                "seconds_per_epoch",
                "",
                Some(row.epoch.value),
                row.epoch.ends(),
            )?;
            for (size, value) in self.batch_sizes.iter().zip(&row.throughput) {
                line(
                    "training_queries_per_second",
                    &size.to_string(),
                    *value,
                    alone,
                )?;
            }
            line("memory_mib", "", row.memory, alone)?;
            line("device_memory_mib", "", row.device_memory, alone)?;
            line("score_difference", "", Some(row.difference), alone)?;
            line("equal_decisions", "", Some(row.decisions), alone)?;
        }
        table.finish()
    }
}

impl Panel {
    fn draw(&self, canvas: &Canvas, place: &Place, looks: &[Look]) -> Result<(), PlotError> {
        let axis = Axis {
            scale: self.scale,
            title: String::new(),
            numbers: Numbers::Plain,
        };
        let frame = place.rows.frame(&axis, OVERHANG);
        frame.x_grid(canvas)?;
        for (i, (point, look)) in self.points.iter().zip(looks).enumerate() {
            let y = place.rows.y(i);
            let x = |value: f64| frame.at(value, 0.0).0;
            if let Some((low, high)) = point.range {
                canvas.stroke(&[(x(low), y), (x(high), y)], look.colour, pt(0.9))?;
            }
            if let Some(value) = point.bar {
                let bar = [(x(value), y - pt(3.6)), (x(value), y + pt(3.6))];
                canvas.stroke(&bar, WHITE, pt(2.6))?;
                canvas.stroke(&bar, look.colour, pt(1.6))?;
            }
            if let (Some(value), Some(marker)) = (point.marker, look.marker) {
                canvas.marker((x(value), y), marker, look.colour, look.solid)?;
            }
            let at = (place.sides.1, y);
            canvas.text(
                &point.written,
                at,
                Anchor::Right,
                size::TICK,
                Weight::Regular,
                INK,
            )?;
        }
        place.rows.draw(canvas)?;
        frame.x_axis(canvas, true)
    }
}

impl Place {
    /// Writes the title over the plot area, as near to its middle as the room allows.
    fn title(&self, canvas: &Canvas, title: &str) -> Result<(), PlotError> {
        let ((left, right), plot) = (self.sides, self.rows.plot);
        let title = text::fit(title, size::PANEL_TITLE, Weight::SemiBold, right - left);
        let half = text::width(&title, size::PANEL_TITLE, Weight::SemiBold) / 2;
        let middle = (plot.left + plot.right) / 2;
        let middle = middle.clamp(left + half, (right - half).max(left + half));
        let at = (middle, plot.top - pt(9.0));
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

fn quantity(name: &str, better: Better) -> Quantity {
    Quantity {
        name: name.into(),
        percent: false,
        better,
    }
}

/// A logarithmic scale where values span more than a decade, else one from 0 on, so that small differences look small.
fn from_zero(values: impl IntoIterator<Item = f64>) -> Scale {
    match Scale::for_costs(values, 0.06) {
        Scale::Linear { high, .. } => Scale::Linear { low: 0.0, high },
        scale => scale,
    }
}

/// A value ≥ 0 in three significant digits, without a fraction from 100 on.
fn short(value: f64) -> String {
    let decimals = match value {
        v if v > 0.0 => (2 - v.log10().floor() as i32).clamp(0, 12) as usize,
        _ => 0,
    };
    format!("{value:.decimals$}")
}
