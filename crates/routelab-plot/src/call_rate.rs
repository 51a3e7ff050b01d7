//! Call rate of the strongest model against budget: the chart on which collapse shows.

use std::path::{Path, PathBuf};

use crate::{Drawing, PlotError, Role, Style};

/// Call rate of the strongest model `m*` against the budget per query, every router on one chart
/// (SPEC §4; Figure 1 of EquiRouter, Lai & Ye 2026).
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

impl CallRateChart {
    /// Draws the chart in a style.
    ///
    /// # Errors
    /// When there is nothing to draw or a number is not what its field asks for; the message names the series.
    pub fn draw(&self, style: &Style) -> Result<Drawing, PlotError> {
        Drawing::blank(style)
    }

    /// Draws the chart in the default style and writes `stem.csv`, `stem.svg` and `stem.png` into an existing folder.
    ///
    /// Each file appears whole. Returns the paths written.
    ///
    /// # Errors
    /// As [`draw`](Self::draw), before any file is written; and when a file cannot be written.
    pub fn save(&self, folder: &Path, stem: &str) -> Result<Vec<PathBuf>, PlotError> {
        self.draw(&Style::default())?.save(folder, stem)
    }
}
