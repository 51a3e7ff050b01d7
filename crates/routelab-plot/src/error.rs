//! What can be wrong with the data of a figure, or with writing it.

use std::path::PathBuf;

/// Why a figure could not be drawn or written. Each message names the figure and the series.
#[derive(Debug, thiserror::Error)]
pub enum PlotError {
    /// Nothing to draw.
    #[error("{figure}: {what} is empty; give at least one")]
    Empty {
        /// The figure, for example "call-rate chart".
        figure: &'static str,
        /// What is empty, for example "the list of routers".
        what: String,
    },
    /// More than a figure can show.
    #[error(
        "{figure}: {found} {what}, at most {most} can be told apart; leave some out or join them"
    )]
    TooMany {
        /// The figure.
        figure: &'static str,
        /// What there is too much of.
        what: &'static str,
        /// How many were given.
        found: usize,
        /// How many can be drawn.
        most: usize,
    },
    /// Two lists that must agree have different lengths.
    #[error("{figure}: {what} has {found} values, expected {expected}")]
    Length {
        /// The figure.
        figure: &'static str,
        /// The list, with the name of its series.
        what: String,
        /// Its length.
        found: usize,
        /// The length of the list that it goes with.
        expected: usize,
    },
    /// A number that is NaN or infinite.
    #[error(
        "{figure}: {what}, value {index} (counted from 0) is {value}, expected a finite number"
    )]
    NotFinite {
        /// The figure.
        figure: &'static str,
        /// The list, with the name of its series.
        what: String,
        /// Position in the list, from 0.
        index: usize,
        /// The value found.
        value: f64,
    },
    /// A number outside of the range that its meaning allows.
    #[error("{figure}: {what}, value {index} (counted from 0) is {value}, expected {expected}")]
    OutOfRange {
        /// The figure.
        figure: &'static str,
        /// The list, with the name of its series.
        what: String,
        /// Position in the list, from 0.
        index: usize,
        /// The value found.
        value: f64,
        /// The range in words.
        expected: &'static str,
    },
    /// A style that cannot be drawn.
    #[error("style: resolution is {found} dots per inch, expected 36 to 1200")]
    Resolution {
        /// The value found.
        found: u32,
    },
    /// A width that no figure has.
    #[error("style: width is \"{found}\", expected \"single\", \"page\" or \"double\"")]
    Width {
        /// The name found.
        found: String,
    },
    /// The picture cannot be made at this size.
    #[error(
        "cannot make a picture of {width} by {height} pixels: {reason}; choose a lower resolution"
    )]
    Raster {
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
        /// What failed.
        reason: String,
    },
    /// The drawing library refused an operation.
    #[error("cannot draw: {0}")]
    Backend(String),
    /// The PDF could not be built.
    #[error("cannot write a figure as PDF: {0}")]
    Pdf(String),
    /// The CSV could not be built.
    #[error("cannot write the numbers of a figure as CSV: {0}")]
    Csv(#[from] csv::Error),
    /// A file could not be written.
    #[error("cannot write {path}: {source}; check that the folder exists and is writable", path = path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
}
