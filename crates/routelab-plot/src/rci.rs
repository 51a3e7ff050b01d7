//! The routing collapse index of every router, split by cause.

use std::path::{Path, PathBuf};

use crate::{Drawing, PlotError, Style};

/// Horizontal bars of the routing collapse index, RCI = wasteful + wrong (SPEC §4); lowest on top.
#[derive(Debug, Clone, PartialEq)]
pub struct RciChart {
    /// One bar per router, in any order.
    pub bars: Vec<RciBar>,
}

/// One router's bar on an [`RciChart`]. All numbers are shares of queries, in [0, 1].
#[derive(Debug, Clone, PartialEq)]
pub struct RciBar {
    /// The router's name.
    pub name: String,
    /// Share of queries sent to a strongest model although a cheaper model was as good.
    pub wasteful: f64,
    /// Share of queries sent to a model that is not among the best.
    pub wrong: f64,
    /// Lower end of an interval of RCI; drawn as a whisker when `high` is given too.
    pub low: Option<f64>,
    /// Upper end of that interval.
    pub high: Option<f64>,
}

impl RciChart {
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
