//! Figures of routing experiments: data in, SVG, PNG and CSV out.
//!
//! Each figure is a plain struct of the numbers it shows, with `draw` and `save`. Names are drawn as given: shorten
//! vendor prefixes before. The font is part of the crate, so that figures look the same on every machine.

mod axis;
mod call_mix;
mod call_rate;
mod canvas;
mod check;
mod cost_quality;
mod drawing;
mod error;
mod fill;
mod frame;
mod label;
#[cfg(test)]
mod layout_tests;
mod legend;
mod margin;
mod raster;
mod rci;
mod sheet;
mod style;
mod svg;
mod table;
mod text;

pub use call_mix::{CallMixChart, MixPanel};
pub use call_rate::{CallRateChart, RateSeries};
pub use cost_quality::{CostQualityChart, Curve, LabelledPoint};
pub use drawing::Drawing;
pub use error::PlotError;
pub use margin::{MarginChart, MarginSeries};
pub use rci::{RciBar, RciChart};
pub use style::{ColumnWidth, Role, Style};
