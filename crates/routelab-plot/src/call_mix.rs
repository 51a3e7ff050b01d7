//! Which models a router calls at each budget: stacked call rates, one panel per router.

use crate::axis::{Axis, Numbers, Scale};
use crate::canvas::Canvas;
use crate::check::Check;
use crate::drawing::saved;
use crate::fill::{self, Fill};
use crate::frame::{BOTTOM_MARGIN, Frame, left_margin, titles};
use crate::legend::{Key, Legend};
use crate::panels::Panels;
use crate::sheet::{self, Notes};
use crate::style::{ColumnWidth, WHITE, pt, size};
use crate::table::{Table, number};
use crate::{Drawing, PlotError, Style};

/// Call rates of all models against the budget per query, stacked, one panel per router.
///
/// Of more than 14 models the 13 most used, over all panels, are drawn and the others as one; the CSV has them all.
#[derive(Debug, Clone, PartialEq)]
pub struct CallMixChart {
    /// Budgets per query, `K` values, ascending, each ≥ 0, in `cost_unit`.
    pub budgets: Vec<f64>,
    /// The `M` candidate models, stacked from the bottom in this order.
    pub models: Vec<String>,
    /// One panel per router.
    pub panels: Vec<MixPanel>,
    /// Unit of the budgets, for example "US dollars".
    pub cost_unit: String,
    /// A remark set small under the plot, for example that prices are assumed.
    pub note: Option<String>,
}

/// One router's panel on a [`CallMixChart`].
#[derive(Debug, Clone, PartialEq)]
pub struct MixPanel {
    /// The router's name, the panel's title.
    pub name: String,
    /// `rates[budget][model]`: `K` rows of `M` call rates in [0, 1], each row adding up to 1.
    pub rates: Vec<Vec<f64>>,
}

saved!(CallMixChart);

impl CallMixChart {
    /// Draws the chart in a style.
    ///
    /// # Errors
    /// When there is nothing to draw or a number is not what its field asks for; the message names the series.
    pub fn draw(&self, style: &Style) -> Result<Drawing, PlotError> {
        style.check()?;
        self.check()?;
        let x = Axis::costs(
            Scale::for_costs(self.budgets.iter().copied(), 0.0),
            "Budget per query",
            &self.cost_unit,
        );
        let y = Axis {
            scale: Scale::Linear {
                low: 0.0,
                high: 1.0,
            },
            title: "Call rate (%)".into(),
            numbers: Numbers::Percent,
        };
        let layers = self.layers();
        // The legend reads as the stack does, from above.
        let entries = layers
            .iter()
            .rev()
            .map(|l| (Key::Area(l.fill), l.name.clone()))
            .collect();
        let legend = Legend::below(entries, None, style.width);

        let width = style.width.units();
        let columns = columns(self.panels.len(), style.width);
        let left = left_margin(&y, PANEL_HEIGHT);
        let right = width - size::PAD - pt(10.0);
        let count = self.panels.len();
        let panels = Panels::new(count, columns, (left, right), GAP, PANEL_HEIGHT);
        let whole = panels.whole();
        let legend_top = whole.bottom + BOTTOM_MARGIN;
        let notes = Notes::new(style.width, &self.note);
        let canvas = sheet::below(style.width, whole, legend_top, &legend, &notes)?;
        for (i, mix) in self.panels.iter().enumerate() {
            let frame = Frame::new(panels.area(i), &x, &y, GAP / 2 - pt(1.0));
            self.stack(&canvas, &frame, mix, &layers)?;
            // Shared axes: numbers stand at the left, and below the last panel of each column.
            frame.y_axis(&canvas, panels.leftmost(i))?;
            frame.x_axis(&canvas, panels.lowest(i))?;
            panels.title(&canvas, i, &mix.name)?;
        }
        titles(&canvas, whole, &x.title, &y.title)?;
        Ok(Drawing::new(
            canvas,
            "Call rates of all models against budget".into(),
            self.csv()?,
            style,
        ))
    }
}

const PANEL_HEIGHT: i32 = pt(78.0);
const GAP: i32 = pt(12.0);

/// Panels per row.
fn columns(panels: usize, width: ColumnWidth) -> usize {
    match (width, panels) {
        (ColumnWidth::Single, _) => panels.clamp(1, 2),
        (ColumnWidth::Page, _) => panels.clamp(1, 3),
        (ColumnWidth::Double, 4) => 2,
        (ColumnWidth::Double, 5 | 6 | 9) => 3,
        (ColumnWidth::Double, _) => panels.clamp(1, 4),
    }
}

/// Models that are drawn as one area.
struct Layer {
    name: String,
    models: Vec<usize>,
    fill: Fill,
}

impl CallMixChart {
    fn check(&self) -> Result<(), PlotError> {
        let check = Check("call-mix chart");
        check.budgets(&self.budgets)?;
        check.some(&self.models, "the list of models")?;
        check.some(&self.panels, "the list of routers")?;
        for panel in &self.panels {
            let name = &panel.name;
            check.length(panel.rates.len(), self.budgets.len(), || {
                format!("the call rates of \"{name}\"")
            })?;
            for (k, rates) in panel.rates.iter().enumerate() {
                let what = || format!("the call rates of \"{name}\" at budget {}", self.budgets[k]);
                check.length(rates.len(), self.models.len(), what)?;
                check.shares(rates.iter().copied(), what)?;
                check.whole(rates.iter().sum(), || format!("the sum of {}", what()))?;
            }
        }
        Ok(())
    }

    /// The layers from the bottom, in the order of the models, so that a model looks the same on every chart of the same
    /// models. When there are more models than fills, the least used ones share one.
    fn layers(&self) -> Vec<Layer> {
        let mut own: Vec<usize> = (0..self.models.len()).collect();
        let mut shared = Vec::new();
        if own.len() > fill::COUNT {
            let used = |m: usize| {
                self.panels
                    .iter()
                    .flat_map(|p| &p.rates)
                    .map(|rates| rates[m])
                    .sum::<f64>()
            };
            let mut by_use: Vec<(usize, f64)> = own.iter().map(|&m| (m, used(m))).collect();
            by_use.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
            own = by_use.iter().map(|&(m, _)| m).collect();
            shared = own.split_off(fill::COUNT - 1);
            own.sort_unstable();
        }
        let mut layers: Vec<Layer> = own
            .into_iter()
            .enumerate()
            .map(|(i, m)| Layer {
                name: self.models[m].clone(),
                models: vec![m],
                fill: Fill::number(i),
            })
            .collect();
        if !shared.is_empty() {
            let name = format!("other ({} models)", shared.len());
            layers.push(Layer {
                name,
                models: shared,
                fill: Fill::other(),
            });
        }
        layers
    }

    fn stack(
        &self,
        canvas: &Canvas,
        frame: &Frame,
        mix: &MixPanel,
        layers: &[Layer],
    ) -> Result<(), PlotError> {
        // One budget has no width of its own: its mix is a bar around it.
        let columns: Vec<(i32, &Vec<f64>)> = match (&self.budgets[..], &mix.rates[..]) {
            ([budget], [only]) => {
                let (x, half) = (frame.at(*budget, 0.0).0, frame.area.width() / 6);
                let (left, right) = (frame.area.left, frame.area.right);
                vec![((x - half).max(left), only), ((x + half).min(right), only)]
            }
            (budgets, rates) => budgets
                .iter()
                .map(|&b| frame.at(b, 0.0).0)
                .zip(rates)
                .collect(),
        };
        let mut below = vec![0.0; columns.len()];
        let mut edges = Vec::new();
        for layer in layers {
            let share = |rates: &[f64]| layer.models.iter().map(|&m| rates[m]).sum::<f64>();
            let above: Vec<f64> = columns
                .iter()
                .zip(&below)
                .map(|((_, rates), low)| low + share(rates))
                .collect();
            let height = |share: f64| frame.at(0.0, share).1;
            let seen = below
                .iter()
                .zip(&above)
                .any(|(&low, &high)| height(low) - height(high) > pt(0.3));
            let edge: Vec<(i32, i32)> = columns
                .iter()
                .zip(&above)
                .map(|(&(x, _), &high)| (x, height(high)))
                .collect();
            if seen {
                edges.push((edge, &layer.fill));
            }
            below = above;
        }
        // From the highest down, each over the one before: half as many corners, and no seam between neighbours.
        for (edge, fill) in edges.iter().rev() {
            let band: Vec<_> = edge
                .iter()
                .map(|&(x, upper)| (x, frame.area.bottom, upper))
                .collect();
            fill::band(canvas, &band, fill)?;
        }
        // A white line on each layer tells neighbours apart where colour does not. Where a layer has no height it
        // falls on that of the layer below.
        for (edge, _) in &edges {
            for inside in edge.split(|&(_, y)| y <= frame.area.top + 1) {
                canvas.stroke(inside, WHITE, pt(0.45))?;
            }
        }
        Ok(())
    }

    fn csv(&self) -> Result<Vec<u8>, PlotError> {
        let mut table = Table::new(&["router", "budget", "model", "call_rate"])?;
        for panel in &self.panels {
            for (&budget, rates) in self.budgets.iter().zip(&panel.rates) {
                for (model, &rate) in self.models.iter().zip(rates) {
                    table.row([&panel.name, &number(budget), model, &number(rate)])?;
                }
            }
        }
        table.finish()
    }
}
