//! The candidate models of a data set: what they cost, how good they are, how often each is the best.

use crate::axis::{Axis, Numbers, Scale};
use crate::canvas::{Anchor, Area, Canvas};
use crate::check::Check;
use crate::drawing::saved;
use crate::fill::{self, Fill};
use crate::frame::{BOTTOM_MARGIN, Frame, left_margin, titles_at};
use crate::legend::{Key, Legend};
use crate::point_names::PointNames;
use crate::rows::Rows;
use crate::sheet::{self, Notes};
use crate::style::{BLACK, ColumnWidth, FAINT, INK, Look, Marker, Rgb, VERMILION, pt, size};
use crate::table::{Table, number};
use crate::text::Weight;
use crate::{Drawing, PlotError, Style};

/// Mean quality against mean cost of every model of a pool, with the Pareto front of single models and the oracle; beside
/// it, how often each model is among the best and how often it is the only best one.
///
/// Where the names have no room at the points, points and names get numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct PoolChart {
    /// The candidate models, in any order.
    pub models: Vec<PoolModel>,
    /// Mean cost and mean quality of the oracle that picks the cheapest of the best models for every query.
    pub oracle: Option<(f64, f64)>,
    /// Unit of the costs, for example "US dollars".
    pub cost_unit: String,
    /// A remark set small under the plot, for example that prices are assumed.
    pub note: Option<String>,
}

/// One model on a [`PoolChart`].
#[derive(Debug, Clone, PartialEq)]
pub struct PoolModel {
    /// The model's name.
    pub name: String,
    /// Mean cost per query, ≥ 0.
    pub cost: f64,
    /// Mean quality, in [0, 1].
    pub quality: f64,
    /// Share of queries on which no model is better, in [0, 1]. Ties count for each, so that these may add up to more
    /// than 1.
    pub best: f64,
    /// Share of queries on which every other model is worse, in [0, `best`].
    pub only_best: f64,
}

saved!(PoolChart);

const AMONG: Rgb = (158, 202, 225);
const ONLY: Rgb = (8, 69, 148);
/// Room right of the bars for the longest number.
const VALUE_ROOM: i32 = pt(26.0);

impl PoolChart {
    /// Draws the chart in a style.
    ///
    /// # Errors
    /// When there is nothing to draw or a number is not what its field asks for; the message names the model.
    pub fn draw(&self, style: &Style) -> Result<Drawing, PlotError> {
        style.check()?;
        self.check()?;
        let models = self.sorted();
        let width = style.width.units();
        let points = || {
            models
                .iter()
                .map(|m| (m.cost, m.quality))
                .chain(self.oracle)
        };
        let x = Axis::costs(
            Scale::for_costs(points().map(|p| p.0), 0.07),
            "Mean cost per query",
            &self.cost_unit,
        );
        let y = Axis {
            scale: Scale::for_shares(points().map(|p| p.1)),
            title: "Mean quality".into(),
            numbers: Numbers::Plain,
        };
        let top = size::PAD + pt(3.0);
        let beside = style.width != ColumnWidth::Single;
        let (scatter_right, bars_left) = if beside {
            (width / 2, width / 2 + pt(18.0))
        } else {
            (width - size::PAD - pt(8.0), size::PAD)
        };
        let rows_at = |top: i32, names: &[String]| {
            let names = names.iter().map(String::as_str);
            Rows::new(
                names,
                (bars_left, width - size::PAD - VALUE_ROOM),
                top,
                0.58,
            )
        };
        let mut names: Vec<String> = models.iter().map(|m| m.name.clone()).collect();
        let mut height = style.width.plot_height() * 9 / 10;
        if beside {
            height = height.max(rows_at(top, &names).plot.height());
        }
        let left = left_margin(&y, height);
        let area = Area {
            left,
            top,
            right: scatter_right,
            bottom: top + height,
        };
        let frame = Frame::new(area, &x, &y, pt(12.0));
        let front = self.front(&frame);
        let at = |p: (f64, f64)| frame.at(p.0, p.1);
        let mut labels: Vec<(String, (i32, i32))> = models
            .iter()
            .map(|m| (m.name.clone(), at((m.cost, m.quality))))
            .collect();
        labels.extend(self.oracle.map(|oracle| ("oracle".to_owned(), at(oracle))));
        let lines = std::slice::from_ref(&front);
        let mut written = PointNames::place(&labels, lines, area);
        if !written.clear {
            for (i, (name, label)) in names.iter_mut().zip(&mut labels).enumerate() {
                *name = format!("{}  {name}", i + 1);
                label.0 = (i + 1).to_string();
            }
            written = PointNames::place(&labels, lines, area);
        }
        let rows = rows_at(
            if beside {
                top
            } else {
                area.bottom + BOTTOM_MARGIN + pt(6.0)
            },
            &names,
        );

        let bottom = area.bottom.max(rows.plot.bottom) + BOTTOM_MARGIN;
        let legend = Legend::below(self.entries(), None, style.width);
        let missing = written.missing();
        let crowded = (!missing.is_empty())
            .then(|| format!("No room for the numbers: {}.", missing.join(", ")));
        let notes = Notes::new(style.width, crowded.iter().chain(&self.note));
        let canvas = sheet::below(style.width, area, bottom, &legend, &notes)?;
        frame.grid(&canvas)?;
        frame.x_axis(&canvas, true)?;
        frame.y_axis(&canvas, true)?;
        titles_at(
            &canvas,
            area,
            &x.title,
            &y.title,
            (0, if beside { bars_left } else { width }),
        )?;
        canvas.stroke(&front, FAINT, pt(0.9))?;
        written.draw(&canvas)?;
        for model in &models {
            let front = self.on_front(model);
            canvas.marker(
                at((model.cost, model.quality)),
                Marker::Diamond,
                BLACK,
                front,
            )?;
        }
        if let Some(oracle) = self.oracle {
            canvas.marker(at(oracle), Marker::Square, VERMILION, true)?;
        }
        let left = if beside { bars_left } else { 0 };
        self.bars(&canvas, &rows, &models, (left, width))?;
        Ok(Drawing::new(
            canvas,
            "Models of the pool".into(),
            self.csv()?,
            style,
        ))
    }

    fn entries(&self) -> Vec<(Key, String)> {
        let look = |marker, colour, solid, width| {
            Key::Curve(Look {
                colour,
                width,
                dash: &[],
                marker,
                solid,
            })
        };
        let mut entries = vec![
            (look(None, FAINT, true, pt(0.9)), "Pareto front".to_owned()),
            (
                look(Some(Marker::Diamond), BLACK, true, 0),
                "model on the front".to_owned(),
            ),
        ];
        if self.models.iter().any(|m| !self.on_front(m)) {
            let key = look(Some(Marker::Diamond), BLACK, false, 0);
            entries.push((key, "dominated model".to_owned()));
        }
        if self.oracle.is_some() {
            let key = look(Some(Marker::Square), VERMILION, true, 0);
            entries.push((key, "oracle".to_owned()));
        }
        entries.push((Key::Area(Fill::plain(AMONG)), "among the best".to_owned()));
        entries.push((Key::Area(Fill::plain(ONLY)), "the only best".to_owned()));
        entries
    }

    fn bars(
        &self,
        canvas: &Canvas,
        rows: &Rows,
        models: &[&PoolModel],
        sides: (i32, i32),
    ) -> Result<(), PlotError> {
        let most = models.iter().map(|m| m.best).fold(0.0, f64::max);
        let x = Axis {
            scale: Scale::Linear {
                low: 0.0,
                high: ((most * 10.0 - 1e-9).ceil() / 10.0).clamp(0.1, 1.0),
            },
            title: "Queries (%)".into(),
            numbers: Numbers::Percent,
        };
        let frame = rows.frame(&x, i32::MAX);
        frame.x_grid(canvas)?;
        for (i, model) in models.iter().enumerate() {
            let y = rows.y(i);
            let at = |share: f64| frame.at(share, 0.0).0;
            for (share, colour, thick) in [
                (model.best, AMONG, rows.thick),
                (model.only_best, ONLY, rows.thick / 2),
            ] {
                let across = (y - thick / 2, y + thick / 2);
                fill::bar(canvas, (at(0.0), at(share)), across, &Fill::plain(colour))?;
            }
            let value = format!("{:.1}", model.best * 100.0);
            let at = (at(model.best) + pt(3.5), y);
            canvas.text(&value, at, Anchor::Left, size::TICK, Weight::Regular, INK)?;
        }
        rows.draw(canvas)?;
        frame.x_axis(canvas, true)?;
        titles_at(canvas, rows.plot, &x.title, "", sides)
    }

    /// No other model is as good for less or better for as much. Of models with equal cost and quality all are on it.
    fn on_front(&self, model: &PoolModel) -> bool {
        !self.models.iter().any(|other| {
            other.cost <= model.cost
                && other.quality >= model.quality
                && (other.cost < model.cost || other.quality > model.quality)
        })
    }

    /// The quality that a single model gives for at most some cost: a staircase on the sheet.
    fn front(&self, frame: &Frame) -> Vec<(i32, i32)> {
        let mut front: Vec<&PoolModel> = self.models.iter().filter(|m| self.on_front(m)).collect();
        front.sort_by(|a, b| a.cost.total_cmp(&b.cost));
        let mut corners: Vec<(i32, i32)> = Vec::new();
        for model in front {
            let (x, y) = frame.at(model.cost, model.quality);
            if let Some(&(_, before)) = corners.last() {
                corners.push((x, before));
            }
            corners.push((x, y));
        }
        if let Some(&(_, y)) = corners.last() {
            corners.push((frame.area.right, y));
        }
        corners
    }

    /// Most often among the best first; equal ones by name, so that the figure does not depend on the order given.
    fn sorted(&self) -> Vec<&PoolModel> {
        let mut models: Vec<&PoolModel> = self.models.iter().collect();
        models.sort_by(|a, b| b.best.total_cmp(&a.best).then_with(|| a.name.cmp(&b.name)));
        models
    }

    fn check(&self) -> Result<(), PlotError> {
        let check = Check("pool chart");
        check.some(&self.models, "the list of models")?;
        for model in &self.models {
            let of = |what: &str| format!("the {what} of model \"{}\"", model.name);
            check.positive([model.cost], || of("cost"))?;
            check.shares([model.quality], || of("quality"))?;
            check.shares([model.best], || of("share of queries among the best"))?;
            check.shares([model.only_best], || {
                of("share of queries as the only best")
            })?;
            check.positive([model.best - model.only_best + 1e-9], || {
                of("share among the best minus that as the only best")
            })?;
        }
        check.positive(self.oracle.map(|o| o.0), || "the cost of the oracle".into())?;
        check.shares(self.oracle.map(|o| o.1), || {
            "the quality of the oracle".into()
        })
    }

    fn csv(&self) -> Result<Vec<u8>, PlotError> {
        let mut table = Table::new(&["name", "cost", "quality", "best", "only_best", "on_front"])?;
        for model in self.sorted() {
            let numbers = [model.cost, model.quality, model.best, model.only_best].map(number);
            let [cost, quality, best, only] = &numbers;
            let front = self.on_front(model).to_string();
            table.row([&model.name, cost, quality, best, only, &front])?;
        }
        if let Some((cost, quality)) = self.oracle {
            table.row(["oracle", &number(cost), &number(quality), "", "", ""])?;
        }
        table.finish()
    }
}
