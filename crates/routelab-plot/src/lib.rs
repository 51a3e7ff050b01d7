//! Figures of routing experiments: data in, SVG, PNG and CSV out.
//!
//! Each figure is a plain struct of the numbers it shows, with `draw` and `save`. Names are drawn as given: shorten
//! vendor prefixes before. The font is part of the crate, so that figures look the same on every machine.

mod call_mix;
mod call_rate;
mod cost_quality;
mod drawing;
mod error;
mod margin;
mod rci;
mod style;

pub use call_mix::{CallMixChart, MixPanel};
pub use call_rate::{CallRateChart, RateSeries};
pub use cost_quality::{CostQualityChart, Curve, LabelledPoint};
pub use drawing::Drawing;
pub use error::PlotError;
pub use margin::MarginChart;
pub use rci::{RciBar, RciChart};
pub use style::{ColumnWidth, Role, Style};
