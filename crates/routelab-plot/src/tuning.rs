//! Searches of hyper-parameters: every trial and the best so far.

use crate::axis::{Axis, Numbers, Scale};
use crate::canvas::{Area, Canvas};
use crate::check::Check;
use crate::drawing::saved;
use crate::frame::{BOTTOM_MARGIN, Frame, left_margin, titles};
use crate::legend::{Key, Legend};
use crate::panels::Panels;
use crate::sheet::{self, Notes};
use crate::style::{BLACK, ColumnWidth, Look, Marker, SKY, VERMILION, pt, size};
use crate::table::{Table, number};
use crate::{Better, Drawing, PlotError, Quantity, Style};

/// Trials of a hyper-parameter search, one panel per router: the value of each trial as a point, and the best so far as
/// a line. All panels share both axes.
///
/// The vertical axis shows the better nine tenths of all trials; worse ones, and trials that failed, stand at its end.
#[derive(Debug, Clone, PartialEq)]
pub struct TuningChart {
    /// The metric that the search optimises, on the validation rows.
    pub metric: Quantity,
    /// One panel per router.
    pub searches: Vec<TuningSearch>,
    /// A remark set small under the plot.
    pub note: Option<String>,
}

/// One router's search on a [`TuningChart`].
#[derive(Debug, Clone, PartialEq)]
pub struct TuningSearch {
    /// The router's name, the panel's title.
    pub name: String,
    /// The value of each trial in the order of the search, at least one; `None` for a trial that failed.
    pub trials: Vec<Option<f64>>,
}

impl TuningSearch {
    /// The best value up to each trial; `None` before the first that worked.
    fn best(&self, better: Better) -> Vec<Option<f64>> {
        let so_far = |best: &mut Option<f64>, &trial: &Option<f64>| {
            *best = match (*best, trial) {
                (Some(a), Some(b)) => Some(better.of(a, b)),
                (a, b) => a.or(b),
            };
            Some(*best)
        };
        self.trials.iter().scan(None, so_far).collect()
    }
}

saved!(TuningChart);

const BEST: Look = Look {
    colour: VERMILION,
    width: pt(1.5),
    dash: &[],
    marker: None,
    solid: true,
};
const TRIAL: Look = Look {
    colour: SKY,
    width: 0,
    dash: &[],
    marker: Some(Marker::Circle),
    solid: true,
};
const WORSE: Look = Look {
    colour: BLACK,
    width: 0,
    dash: &[],
    marker: Some(Marker::Cross),
    solid: false,
};
const PANEL_HEIGHT: i32 = pt(68.0);
const GAP: i32 = pt(12.0);

impl TuningChart {
    /// Draws the chart in a style.
    ///
    /// # Errors
    /// When there is nothing to draw or a number is not what its field asks for; the message names the router.
    pub fn draw(&self, style: &Style) -> Result<Drawing, PlotError> {
        style.check()?;
        self.check()?;
        let most = self
            .searches
            .iter()
            .map(|s| s.trials.len())
            .max()
            .unwrap_or(1);
        let x = Axis {
            scale: Scale::Linear {
                low: 0.5,
                high: most as f64 + 0.5,
            },
            title: "Trial".into(),
            numbers: Numbers::Plain,
        };
        let y = Axis {
            scale: self.scale(),
            title: format!("Validation {}", self.metric.title()),
            numbers: self.metric.numbers(),
        };
        let left = left_margin(&y, PANEL_HEIGHT);
        let sides = (left, style.width.units() - size::PAD - pt(10.0));
        let columns = match style.width {
            ColumnWidth::Single => self.searches.len().min(2),
            ColumnWidth::Page => self.searches.len().min(3),
            ColumnWidth::Double => self.searches.len().min(4),
        };
        let panels = Panels::new(self.searches.len(), columns, sides, GAP, PANEL_HEIGHT);
        let mut entries = vec![
            (Key::Curve(BEST), "best so far".to_owned()),
            (Key::Curve(TRIAL), "trial".to_owned()),
        ];
        let outside = |value: &Option<f64>| value.is_none_or(|v| self.beyond(&y.scale, v));
        if self.searches.iter().flat_map(|s| &s.trials).any(outside) {
            entries.push((Key::Curve(WORSE), "failed or beyond the axis".to_owned()));
        }
        let legend = Legend::below(entries, None, style.width);
        let notes = Notes::new(style.width, &self.note);
        let whole = panels.whole();
        let canvas = sheet::below(
            style.width,
            whole,
            whole.bottom + BOTTOM_MARGIN,
            &legend,
            &notes,
        )?;
        for (i, search) in self.searches.iter().enumerate() {
            let frame = Frame::new(panels.area(i), &x, &y, GAP / 2 - pt(1.0));
            frame.grid(&canvas)?;
            self.trials(&canvas, &frame, search, &y.scale)?;
            frame.y_axis(&canvas, panels.leftmost(i))?;
            frame.x_axis(&canvas, panels.lowest(i))?;
            let best = search.best(self.metric.better).last().copied().flatten();
            let best = best.map_or("failed".to_owned(), |v| self.metric.write(v));
            panels.title_with(&canvas, i, &search.name, &format!(": {best}"))?;
        }
        titles(&canvas, whole, &x.title, &y.title)?;
        let title = format!("Trials of every search, validation {}", self.metric.name);
        Ok(Drawing::new(canvas, title, self.csv()?, style))
    }

    fn trials(
        &self,
        canvas: &Canvas,
        frame: &Frame,
        search: &TuningSearch,
        scale: &Scale,
    ) -> Result<(), PlotError> {
        let Area { top, bottom, .. } = frame.area;
        let worst = match self.metric.better {
            Better::Higher | Better::Neither => bottom - pt(3.0),
            Better::Lower => top + pt(3.0),
        };
        let x = |i: usize| frame.at((i + 1) as f64, 0.0).0;
        let y = |value: f64| frame.at(0.0, value).1;
        for (i, trial) in search.trials.iter().enumerate() {
            match trial {
                Some(value) if !self.beyond(scale, *value) => {
                    canvas.dot((x(i), y(*value)), pt(1.4), SKY)?;
                }
                _ => {
                    let (x, r) = (x(i), pt(1.5));
                    for arm in [
                        [(x - r, worst - r), (x + r, worst + r)],
                        [(x - r, worst + r), (x + r, worst - r)],
                    ] {
                        canvas.stroke(&arm, BLACK, pt(0.6))?;
                    }
                }
            }
        }
        let mut steps: Vec<(i32, i32)> = Vec::new();
        for (i, best) in search.best(self.metric.better).iter().enumerate() {
            let Some(best) = best else { continue };
            if let Some(&(_, before)) = steps.last() {
                steps.push((x(i), before));
            }
            steps.push((x(i), y(*best)));
        }
        match steps[..] {
            [] => Ok(()),
            [only] => canvas.dot(only, pt(2.0), VERMILION),
            _ => canvas.stroke(&steps, BEST.colour, BEST.width),
        }
    }

    /// Whether a value is worse than all that the axis shows.
    fn beyond(&self, scale: &Scale, value: f64) -> bool {
        let Scale::Linear { low, high } = *scale else {
            return false;
        };
        match self.metric.better {
            Better::Higher | Better::Neither => value < low,
            Better::Lower => value > high,
        }
    }

    /// Around the better nine tenths of all trials and the best of each search.
    fn scale(&self) -> Scale {
        let better = self.metric.better;
        let mut values: Vec<f64> = self
            .searches
            .iter()
            .flat_map(|search| search.trials.iter().flatten().copied())
            .collect();
        values.sort_by(f64::total_cmp);
        if better != Better::Lower {
            values.reverse();
        }
        values.truncate((values.len() * 9).div_ceil(10));
        let bests = self
            .searches
            .iter()
            .filter_map(|search| search.best(better).last().copied().flatten());
        Scale::around(values.into_iter().chain(bests), 0.1)
    }

    fn check(&self) -> Result<(), PlotError> {
        let check = Check("tuning chart");
        check.some(&self.searches, "the list of routers")?;
        for search in &self.searches {
            let what = format!("the list of trials of \"{}\"", search.name);
            check.some(&search.trials, what)?;
            check.finite(search.trials.iter().flatten().copied(), || {
                format!("the trials of \"{}\"", search.name)
            })?;
        }
        Ok(())
    }

    fn csv(&self) -> Result<Vec<u8>, PlotError> {
        let mut table = Table::new(&["router", "trial", "value", "best_so_far"])?;
        for search in &self.searches {
            let best = search.best(self.metric.better);
            for (i, (&value, best)) in search.trials.iter().zip(best).enumerate() {
                let trial = (i + 1).to_string();
                table.row([&search.name, &trial, &number(value), &number(best)])?;
            }
        }
        table.finish()
    }
}
