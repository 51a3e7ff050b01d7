//! How close the two best models are, in truth and as predicted.

use std::path::{Path, PathBuf};

use crate::{Drawing, PlotError, Style};

/// Cumulative distribution of top-two margins, real and predicted (SPEC §4).
///
/// A margin is the best minus the second-best quality of a query.
#[derive(Debug, Clone, PartialEq)]
pub struct MarginChart {
    /// Real margins, one per query, ≥ 0.
    pub real: Vec<f64>,
    /// Per router its name and its predicted margins, one per query, ≥ 0.
    pub predicted: Vec<(String, Vec<f64>)>,
    /// The margin up to which two models count as close (the paper: 0.05); > 0.
    pub threshold: f64,
}

impl MarginChart {
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
