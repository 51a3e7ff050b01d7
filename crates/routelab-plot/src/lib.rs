//! Figures of routing experiments: data in, SVG, PDF, PNG and CSV out.
//!
//! Each figure is a plain struct of the numbers it shows, with `draw` and `save`. Names are drawn as given: shorten
//! vendor prefixes before. The font is part of the crate, so that figures look the same on every machine.
//!
//! A [`Style`] says what a figure is for: its width in print ([`ColumnWidth`]) and the resolution of the PNG. Texts have
//! 6 to 8 points at every width. Series differ in colour, dashes and markers, areas in colour and texture, so that they
//! survive grey prints and colour blindness.
//!
//! Axes of costs and budgets are logarithmic where the positive values span more than a decade, and linear otherwise.
//! On a logarithmic axis a 0 stands left of the rest, behind a break of the axis. Legends stand right of the plot
//! area, or below it where there is no room; names that are too long are shortened inside by an ellipsis. Every figure
//! takes a note that is set small below it.
//!
//! ```no_run
//! use routelab_plot::{RciBar, RciChart, Style};
//!
//! let bars = vec![RciBar { name: "kNN".into(), wasteful: 0.61, wrong: 0.12, low: Some(0.70), high: Some(0.76) }];
//! let style = Style { width: "single".parse()?, dpi: 300 };
//! let files = RciChart { bars, note: None }.draw(&style)?.save("figures".as_ref(), "rci")?; // rci.csv, .svg, .pdf, .png
//! # Ok::<(), routelab_plot::PlotError>(())
//! ```

mod axis;
mod backends;
mod call_mix;
mod call_rate;
mod canvas;
mod check;
mod cost_quality;
mod drawing;
mod error;
mod fallback;
mod fill;
mod forest;
mod frame;
mod glyph;
mod heat;
mod label;
#[cfg(test)]
mod layout_tests;
mod legend;
mod margin;
mod palette;
mod panels;
mod pdf;
mod pdf_font;
mod point_names;
mod pool;
mod positions;
mod quantity;
mod raster;
mod rci;
mod recorder;
mod rows;
mod scale;
mod series;
mod sheet;
mod stacked;
mod style;
mod svg;
mod sweep;
mod table;
mod text;
mod tuning;

pub use backends::{BackendRow, BackendsChart};
pub use call_mix::{CallMixChart, MixPanel};
pub use call_rate::{CallRateChart, RateSeries};
pub use cost_quality::{CostQualityChart, Curve, LabelledPoint};
pub use drawing::{Drawing, missing_note};
pub use error::PlotError;
pub use forest::{ForestChart, ForestRow};
pub use heat::{HeatCell, HeatChart, HeatRow};
pub use margin::{MarginChart, MarginSeries, margin_curve};
pub use palette::{FillLook, LineLook, fill_looks, line_looks};
pub use pool::{PoolChart, PoolModel};
pub use positions::Positions;
pub use quantity::{Better, Estimate, Quantity};
pub use rci::{RciBar, RciChart};
pub use stacked::{StackedBar, StackedBars};
pub use style::{ColumnWidth, Role, Style};
pub use sweep::{SweepChart, SweepPanel, SweepSeries};
pub use tuning::{TuningChart, TuningSearch};
