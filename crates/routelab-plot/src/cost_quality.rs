//! Cost–quality curves of routers, with the single models as labelled points.

use std::path::{Path, PathBuf};

use crate::{Drawing, PlotError, Role, Style};

/// Mean quality against mean cost per query (SPEC §3): routers as curves, single models as points.
#[derive(Debug, Clone, PartialEq)]
pub struct CostQualityChart {
    /// One curve per router, usually its Pareto front.
    pub curves: Vec<Curve>,
    /// The candidate models, each at its own mean cost and mean quality.
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

impl CostQualityChart {
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
