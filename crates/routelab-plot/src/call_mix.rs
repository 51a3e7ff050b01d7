//! Which models a router calls at each budget: stacked call rates, one panel per router.

use std::path::{Path, PathBuf};

use crate::{Drawing, PlotError, Style};

/// Call rates of all models against the budget per query, stacked, one panel per router (SPEC §2).
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
}

/// One router's panel on a [`CallMixChart`].
#[derive(Debug, Clone, PartialEq)]
pub struct MixPanel {
    /// The router's name, the panel's title.
    pub name: String,
    /// `rates[budget][model]`: `K` rows of `M` call rates in [0, 1], each row adding up to 1.
    pub rates: Vec<Vec<f64>>,
}

impl CallMixChart {
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
