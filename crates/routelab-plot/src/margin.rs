//! How close the two best models are, in truth and as predicted.

use crate::axis::{Axis, Numbers, Scale};
use crate::canvas::Anchor;
use crate::check::Check;
use crate::drawing::saved;
use crate::legend::{Key, Legend};
use crate::series::{Lines, Series};
use crate::sheet::Notes;
use crate::style::{BLACK, INK, Look, pt, size};
use crate::table::{Table, number};
use crate::text::Weight;
use crate::{Drawing, PlotError, Role, Style, sheet};

/// Cumulative distribution of top-two margins, real and predicted.
///
/// A margin is the best minus the second-best quality of a query.
#[derive(Debug, Clone, PartialEq)]
pub struct MarginChart {
    /// Real margins, one per query, ≥ 0.
    pub real: Vec<f64>,
    /// Predicted margins of each router.
    pub predicted: Vec<MarginSeries>,
    /// The margin up to which two models count as close (the paper: 0.05); > 0.
    pub threshold: f64,
    /// A remark set small under the plot, for example that prices are assumed.
    pub note: Option<String>,
}

/// One router's margins on a [`MarginChart`].
#[derive(Debug, Clone, PartialEq)]
pub struct MarginSeries {
    /// The router's name, as it shall stand in the legend.
    pub name: String,
    /// Its predicted margins, one per query, ≥ 0.
    pub margins: Vec<f64>,
    /// How the curve is drawn.
    pub role: Role,
}

saved!(MarginChart);

impl MarginChart {
    /// Draws the chart in a style.
    ///
    /// # Errors
    /// When there is nothing to draw or a number is not what its field asks for; the message names the series.
    pub fn draw(&self, style: &Style) -> Result<Drawing, PlotError> {
        style.check()?;
        self.check()?;
        let curves: Vec<Distribution> = std::iter::once(("real", &self.real))
            .chain(self.predicted.iter().map(|s| (s.name.as_str(), &s.margins)))
            .map(|(name, margins)| Distribution::new(name, margins, self.threshold))
            .collect();
        let scale = self.scale();
        let x = Axis {
            scale,
            title: "Margin between the two best models".into(),
            numbers: Numbers::Plain,
        };
        let y = Axis {
            // Room for the lines that run along the ends.
            scale: Scale::Linear {
                low: -0.02,
                high: 1.02,
            },
            title: "Queries with at most that margin (%)".into(),
            numbers: Numbers::Percent,
        };
        let real = Look {
            colour: BLACK,
            width: pt(1.8),
            dash: &[],
            marker: None,
            solid: true,
        };
        let label = |curve: &Distribution| format!("{}: {:.1} %", curve.name, curve.share * 100.0);
        let series: Vec<Series> = self
            .predicted
            .iter()
            .zip(&curves[1..])
            .map(|(s, curve)| Series {
                label: label(curve),
                ..Series::new(s.role, &s.name)
            })
            .collect();
        let Lines {
            looks,
            order,
            mut entries,
            note,
        } = Lines::new(&series);
        entries.insert(0, (Key::Curve(real), label(&curves[0])));
        let title = format!("Share with margin ≤ {}", self.threshold);
        let legend = Legend::new(entries, Some(title), style.width, style.width.plot_height());
        let notes = Notes::new(style.width, note.iter().chain(&self.note));
        let (canvas, frame) = sheet::with_one_plot(style.width, &x, &y, &legend, &notes)?;

        let (at, _) = frame.at(self.threshold, 0.0);
        canvas.dashed(
            &[(at, frame.area.top), (at, frame.area.bottom)],
            INK,
            pt(0.8),
            &[2.0, 2.0],
        )?;
        let predicted = order.iter().rev().map(|&i| (&curves[i + 1], &looks[i]));
        let all = predicted.chain([(&curves[0], &real)]);
        for (turn, (curve, look)) in all.enumerate() {
            let steps = curve.steps(|m, s| frame.at(m, s));
            frame.curve(&canvas, &steps, look, (turn, curves.len()))?;
        }
        let label = (at, frame.area.top - pt(4.2));
        let text = format!("{}", self.threshold);
        canvas.text(
            &text,
            label,
            Anchor::Middle,
            size::POINT_LABEL,
            Weight::Regular,
            INK,
        )?;
        Ok(Drawing::new(
            canvas,
            "Distribution of top-two margins".into(),
            Self::csv(&curves)?,
            style,
        ))
    }
}

/// Smallest margin that a logarithmic axis shows; smaller ones stand at its start.
const SMALLEST: f64 = 1e-4;
/// Most places at which a distribution is drawn and written.
const PLACES: usize = 400;

/// The curve of a [`MarginChart`]: margins ascending, each with the share of queries that have at most that margin. There must be
/// at least one margin.
pub fn margin_curve(margins: &[f64], threshold: f64) -> Vec<(f64, f64)> {
    Distribution::new("", margins, threshold).points
}

/// A cumulative distribution at some margins.
struct Distribution<'a> {
    name: &'a str,
    /// `(margin, share of queries with at most that margin)`, margins ascending.
    points: Vec<(f64, f64)>,
    /// Share of queries with at most the threshold.
    share: f64,
}

impl<'a> Distribution<'a> {
    /// At every value that occurs if there are few, else at evenly spaced ranks; always at 0, at the threshold and at
    /// the largest.
    fn new(name: &'a str, margins: &[f64], threshold: f64) -> Self {
        let mut sorted = margins.to_vec();
        sorted.sort_by(f64::total_cmp);
        let mut distinct = sorted.clone();
        distinct.dedup();
        let mut places: Vec<f64> = if distinct.len() <= PLACES {
            distinct
        } else {
            (0..PLACES)
                .map(|i| distinct[i * (distinct.len() - 1) / (PLACES - 1)])
                .collect()
        };
        places.extend([0.0, threshold]);
        places.sort_by(f64::total_cmp);
        places.dedup();
        let share = |at: f64| sorted.partition_point(|&m| m <= at) as f64 / sorted.len() as f64;
        Distribution {
            name,
            share: share(threshold),
            points: places.into_iter().map(|m| (m, share(m))).collect(),
        }
    }

    /// The corners of its steps on the sheet, from the first that rises to the right end of the axis.
    fn steps(&self, at: impl Fn(f64, f64) -> (i32, i32)) -> Vec<(i32, i32)> {
        let mut corners = Vec::with_capacity(2 * self.points.len() + 1);
        let mut before = 0.0;
        for &(margin, share) in self.points.iter().skip_while(|p| p.1 == 0.0) {
            corners.push(at(margin, before));
            corners.push(at(margin, share));
            before = share;
        }
        corners.push(at(f64::MAX, before));
        corners.dedup();
        corners
    }
}

impl MarginChart {
    fn check(&self) -> Result<(), PlotError> {
        let check = Check("margin chart");
        check.some(&self.real, "the list of real margins")?;
        check.positive(self.real.iter().copied(), || "the real margin".into())?;
        for MarginSeries { name, margins, .. } in &self.predicted {
            check.some(
                margins,
                format!("the list of predicted margins of \"{name}\""),
            )?;
            check.positive(margins.iter().copied(), || {
                format!("the predicted margin of \"{name}\"")
            })?;
        }
        check.above_zero(self.threshold, || "the threshold".into())
    }

    /// Logarithmic from [`SMALLEST`] or the smallest margin, with a place for exact ties, so that the threshold and what
    /// lies below it can be seen. Linear where margins span less than a decade.
    fn scale(&self) -> Scale {
        let all = || {
            self.real
                .iter()
                .chain(self.predicted.iter().flat_map(|s| &s.margins))
                .copied()
        };
        Scale::for_costs(
            all()
                .chain([self.threshold, 0.0])
                .map(|m| if m > 0.0 { m.max(SMALLEST) } else { m }),
            0.0,
        )
    }

    fn csv(curves: &[Distribution]) -> Result<Vec<u8>, PlotError> {
        let mut table = Table::new(&["name", "margin", "share"])?;
        for curve in curves {
            for &(margin, share) in &curve.points {
                table.row([curve.name, &number(margin), &number(share)])?;
            }
        }
        table.finish()
    }
}
