//! Cost–quality curves of routers, with the single models as labelled points.

use crate::axis::{Axis, Numbers, Scale};
use crate::check::Check;
use crate::drawing::saved;
use crate::legend::{Key, Legend};
use crate::point_names::PointNames;
use crate::series::{Lines, Series};
use crate::sheet::Notes;
use crate::table::{Table, number};
use crate::{Drawing, PlotError, Role, Style, frame, sheet};

/// Mean quality against mean cost per query: routers as curves, single models as points.
#[derive(Debug, Clone, PartialEq)]
pub struct CostQualityChart {
    /// One curve per router, usually its Pareto front.
    pub curves: Vec<Curve>,
    /// The candidate models, each at its own mean cost and mean quality. Where names would lie on curves, they get
    /// numbers that a note explains.
    pub models: Vec<LabelledPoint>,
    /// Unit of the costs, for example "US dollars".
    pub cost_unit: String,
    /// A remark set small under the plot, for example that prices are assumed.
    pub note: Option<String>,
}

/// One router's curve on a [`CostQualityChart`].
#[derive(Debug, Clone, PartialEq)]
pub struct Curve {
    /// The router's name, as it shall stand in the legend.
    pub name: String,
    /// `(cost, quality)`: mean cost per query ≥ 0, mean quality in [0, 1]; joined in the order given.
    pub points: Vec<(f64, f64)>,
    /// How the curve is drawn.
    pub role: Role,
}

/// One model on a [`CostQualityChart`].
#[derive(Debug, Clone, PartialEq)]
pub struct LabelledPoint {
    /// The model's name, written beside the point.
    pub name: String,
    /// Mean cost per query, ≥ 0.
    pub cost: f64,
    /// Mean quality, in [0, 1].
    pub quality: f64,
}

saved!(CostQualityChart);

impl CostQualityChart {
    /// Draws the chart in a style.
    ///
    /// # Errors
    /// When there is nothing to draw or a number is not what its field asks for; the message names the series.
    pub fn draw(&self, style: &Style) -> Result<Drawing, PlotError> {
        style.check()?;
        self.check()?;
        let points = || {
            let curves = self.curves.iter().flat_map(|c| c.points.iter().copied());
            curves.chain(self.models.iter().map(|m| (m.cost, m.quality)))
        };
        let scale = Scale::for_costs(points().map(|p| p.0), 0.05);
        let x = Axis::costs(scale, "Mean cost per query", &self.cost_unit);
        let y = Axis {
            scale: Scale::for_shares(points().map(|p| p.1)),
            title: "Mean quality".into(),
            numbers: Numbers::Plain,
        };
        let series: Vec<Series> = self
            .curves
            .iter()
            .map(|c| Series::new(c.role, &c.name))
            .collect();
        let Lines {
            looks,
            order,
            mut entries,
            note,
        } = Lines::new(&series);
        if !self.models.is_empty() {
            entries.push((Key::Point, "single model".into()));
        }
        let legend = Legend::new(entries, None, style.width, style.width.plot_height());
        let frame = sheet::frame(style.width, &x, &y, &legend);
        let lines: Vec<Vec<(i32, i32)>> = self
            .curves
            .iter()
            .map(|c| {
                c.points
                    .iter()
                    .map(|&(cost, q)| frame.at(cost, q))
                    .collect()
            })
            .collect();
        let models: Vec<(String, (i32, i32))> = self
            .models
            .iter()
            .map(|m| (m.name.clone(), frame.at(m.cost, m.quality)))
            .collect();
        let mut names = PointNames::place(&models, &lines, frame.area);
        let mut notes: Vec<String> = note.into_iter().chain(self.note.clone()).collect();
        if !names.clear {
            let numbered: Vec<(String, (i32, i32))> = models
                .iter()
                .enumerate()
                .map(|(i, &(_, point))| ((i + 1).to_string(), point))
                .collect();
            names = PointNames::place(&numbered, &lines, frame.area);
            let key: Vec<String> = numbered
                .iter()
                .zip(&models)
                .map(|((number, _), (name, _))| format!("{number}\u{a0}{name}"))
                .collect();
            notes.insert(0, format!("Models: {}.", key.join(", ")));
        }
        let crowded = names.missing();
        if !crowded.is_empty() {
            notes.push(format!("No room for the numbers: {}.", crowded.join(", ")));
        }
        let notes = Notes::new(style.width, &notes);
        let canvas = sheet::around(style.width, &frame, &x, &y, &legend, &notes)?;

        for (turn, &i) in order.iter().rev().enumerate() {
            frame.curve(&canvas, &lines[i], &looks[i], (turn, order.len()))?;
        }
        names.draw(&canvas)?;
        for &(_, point) in &models {
            frame::model_point(&canvas, point)?;
        }
        Ok(Drawing::new(
            canvas,
            "Mean quality against mean cost".into(),
            self.csv()?,
            style,
        ))
    }
}

impl CostQualityChart {
    fn check(&self) -> Result<(), PlotError> {
        let check = Check("cost–quality chart");
        if self.models.is_empty() {
            check.some(&self.curves, "the list of curves and models")?;
        }
        for curve in &self.curves {
            let name = &curve.name;
            check.some(&curve.points, format!("the curve of \"{name}\""))?;
            check.positive(curve.points.iter().map(|p| p.0), || {
                format!("the cost of \"{name}\"")
            })?;
            check.shares(curve.points.iter().map(|p| p.1), || {
                format!("the quality of \"{name}\"")
            })?;
        }
        for model in &self.models {
            check.positive([model.cost], || {
                format!("the cost of model \"{}\"", model.name)
            })?;
            check.shares([model.quality], || {
                format!("the quality of model \"{}\"", model.name)
            })?;
        }
        Ok(())
    }

    fn csv(&self) -> Result<Vec<u8>, PlotError> {
        let mut table = Table::new(&["name", "role", "cost", "quality"])?;
        for curve in &self.curves {
            for &(cost, quality) in &curve.points {
                table.row([
                    &curve.name,
                    curve.role.name(),
                    &number(cost),
                    &number(quality),
                ])?;
            }
        }
        for model in &self.models {
            table.row([
                &model.name,
                "model",
                &number(model.cost),
                &number(model.quality),
            ])?;
        }
        table.finish()
    }
}
