//! One look for every figure: sizes, colours, dashes and markers.
//!
//! Lengths are in grid units of a twentieth of a point; a figure is laid out on a grid of them, and the grid is the same
//! for SVG and PNG.

use std::ops::RangeInclusive;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::PlotError;

/// Grid units per inch; 20 to the point.
pub(crate) const UNITS_PER_INCH: i32 = 1440;

/// Converts points to grid units.
pub(crate) const fn pt(points: f64) -> i32 {
    (points * 20.0 + 0.5) as i32
}

/// How wide a figure is in print. Include it at this width, unscaled: its texts then have 6 to 8 points.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnWidth {
    /// One column of a two-column page, 3.3 inches (ACM 3.33, ICML 3.25, IEEE 3.5).
    Single,
    /// The text of a one-column page, 5.5 inches (NeurIPS, ICLR).
    Page,
    /// Both columns of a two-column page, 7 inches (ACM 7.0, ICML 6.75, IEEE 7.16).
    Double,
}

impl ColumnWidth {
    /// Every width.
    pub const ALL: [ColumnWidth; 3] = [ColumnWidth::Single, ColumnWidth::Page, ColumnWidth::Double];

    /// As it stands in experiment files: "single", "page" or "double"; [`str::parse`] reads it.
    pub const fn name(self) -> &'static str {
        match self {
            ColumnWidth::Single => "single",
            ColumnWidth::Page => "page",
            ColumnWidth::Double => "double",
        }
    }

    /// Width in inches.
    pub const fn inches(self) -> f64 {
        match self {
            ColumnWidth::Single => 3.3,
            ColumnWidth::Page => 5.5,
            ColumnWidth::Double => 7.0,
        }
    }

    pub(crate) const fn units(self) -> i32 {
        pt(self.inches() * 72.0)
    }

    /// Height of the plot area of a figure with one panel.
    pub(crate) const fn plot_height(self) -> i32 {
        match self {
            ColumnWidth::Single => pt(150.0),
            ColumnWidth::Page => pt(190.0),
            ColumnWidth::Double => pt(225.0),
        }
    }
}

impl FromStr for ColumnWidth {
    type Err = PlotError;

    fn from_str(name: &str) -> Result<Self, PlotError> {
        ColumnWidth::ALL
            .into_iter()
            .find(|width| width.name() == name)
            .ok_or_else(|| PlotError::Width { found: name.into() })
    }
}

/// What a figure is drawn for: `chart.draw(&style)?.save(folder, stem)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// Width in print.
    pub width: ColumnWidth,
    /// Resolution of the PNG in dots per inch, within [`Style::DPI`]; print wants 300. SVG and PDF have none.
    pub dpi: u32,
}

impl Style {
    /// The resolutions that can be asked for.
    pub const DPI: RangeInclusive<u32> = 36..=1200;

    /// Whether figures can be drawn in this style, to find out before long work.
    ///
    /// # Errors
    /// When the resolution lies outside of [`Style::DPI`].
    pub fn check(&self) -> Result<(), PlotError> {
        if Style::DPI.contains(&self.dpi) {
            Ok(())
        } else {
            Err(PlotError::Resolution { found: self.dpi })
        }
    }
}

impl Default for Style {
    /// Both columns, 200 dots per inch.
    fn default() -> Self {
        Self {
            width: ColumnWidth::Double,
            dpi: 200,
        }
    }
}

/// What a curve stands for; decides how it is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// The oracle: black, dashed.
    Oracle,
    /// A router that the figure is about: thick, vermilion.
    Highlight,
    /// A learned router: a colour, a dash and a marker of its own. Beside a highlighted one, more than 12 of them become
    /// thin grey lines with one entry in the legend; a note names them.
    Router,
    /// A fixed policy such as random or cheapest: grey.
    Baseline,
}

impl Role {
    /// As it stands in CSV.
    pub const fn name(self) -> &'static str {
        match self {
            Role::Oracle => "oracle",
            Role::Highlight => "highlight",
            Role::Router => "router",
            Role::Baseline => "baseline",
        }
    }
}

/// Red, green, blue.
pub(crate) type Rgb = (u8, u8, u8);

pub(crate) const BLACK: Rgb = (0, 0, 0);
pub(crate) const WHITE: Rgb = (255, 255, 255);
/// Text and axes.
pub(crate) const INK: Rgb = (34, 34, 34);
/// Leaders and remarks.
pub(crate) const FAINT: Rgb = (120, 120, 120);
pub(crate) const GRID: Rgb = (228, 228, 228);
pub(crate) const VERMILION: Rgb = (213, 94, 0);
pub(crate) const SKY: Rgb = (86, 180, 233);

/// Colours of learned routers: Okabe and Ito's without yellow (too pale for a line) and vermilion (the highlight),
/// then four darker ones that keep apart from them under the common forms of colour blindness.
const LINES: [Rgb; 9] = [
    (0, 114, 178),
    (0, 158, 115),
    (230, 159, 0),
    (204, 121, 167),
    SKY,
    (51, 34, 136),
    (136, 34, 85),
    (138, 132, 30),
    (115, 77, 38),
];

/// Fills of models: Okabe and Ito's colours and darker ones, in an order in which every third differs in lightness.
pub(crate) const FILLS: [Rgb; 10] = [
    (0, 114, 178),
    (230, 159, 0),
    (0, 158, 115),
    (204, 121, 167),
    (51, 34, 136),
    SKY,
    (240, 228, 66),
    (122, 117, 30),
    (136, 34, 85),
    VERMILION,
];

/// Fills of the parts of a bar; neighbours differ in lightness.
pub(crate) const PARTS: [Rgb; 8] = [
    VERMILION,
    SKY,
    (51, 34, 136),
    (230, 159, 0),
    (0, 114, 178),
    (204, 121, 167),
    (115, 77, 38),
    (0, 158, 115),
];

/// Fill of everything that got no fill of its own.
pub(crate) const OTHER: Rgb = (190, 190, 190);

/// Sizes of text, widths of strokes, gaps; all in grid units.
pub(crate) mod size {
    use super::pt;
    pub const AXIS_TITLE: i32 = pt(8.0);
    pub const TICK: i32 = pt(7.0);
    pub const LEGEND: i32 = pt(7.0);
    pub const PANEL_TITLE: i32 = pt(7.5);
    pub const POINT_LABEL: i32 = pt(6.5);
    pub const CELL: i32 = pt(6.5);
    pub const NOTE: i32 = pt(6.5);
    pub const PAD: i32 = pt(4.0);
    pub const TICK_LENGTH: i32 = pt(2.8);
    pub const MINOR_TICK_LENGTH: i32 = pt(1.6);
    pub const SPINE: i32 = pt(0.6);
    pub const GRID: i32 = pt(0.4);
    pub const MARKER: i32 = pt(2.3);
}

/// A small shape that tells curves apart without colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Marker {
    Circle,
    Square,
    Up,
    Diamond,
    Down,
    Plus,
    Cross,
}

/// How a curve is drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Look {
    pub colour: Rgb,
    /// Stroke width in grid units; 0 for markers without a line.
    pub width: i32,
    /// Lengths of dash and gap in turn, in points; empty for a whole line.
    pub dash: &'static [f64],
    pub marker: Option<Marker>,
    /// Whether the marker is filled with the colour or with white.
    pub solid: bool,
}

/// A curve among too many to tell apart.
pub(crate) const QUIET: Look = Look {
    colour: (178, 178, 178),
    width: pt(0.6),
    dash: &[],
    marker: None,
    solid: true,
};

const MARKERS: [Marker; 7] = [
    Marker::Circle,
    Marker::Square,
    Marker::Up,
    Marker::Diamond,
    Marker::Down,
    Marker::Plus,
    Marker::Cross,
];
const DASHES: [&[f64]; 4] = [&[], &[4.0, 1.6], &[1.3, 1.3], &[5.0, 1.4, 1.3, 1.4]];
const ORACLE_DASHES: [&[f64]; 3] = [&[5.0, 2.5], &[2.0, 1.5], &[7.0, 2.0, 1.5, 2.0]];

/// One look per curve. A look depends on the role and on how many curves of that role came before.
///
/// Learned routers: 9 colours, 7 markers that are solid, then hollow, and 4 dashes; the first 252 differ.
pub(crate) fn looks(roles: impl IntoIterator<Item = Role>) -> Vec<Look> {
    let mut seen = [0usize; 4];
    roles
        .into_iter()
        .map(|role| {
            let i = seen[role as usize];
            seen[role as usize] += 1;
            match role {
                Role::Oracle => Look {
                    colour: BLACK,
                    width: pt(1.6),
                    dash: ORACLE_DASHES[i % ORACLE_DASHES.len()],
                    marker: None,
                    solid: true,
                },
                Role::Highlight => Look {
                    colour: VERMILION,
                    width: pt(2.2),
                    dash: DASHES[i % DASHES.len()],
                    marker: (i >= DASHES.len()).then(|| MARKERS[i % MARKERS.len()]),
                    solid: true,
                },
                Role::Router => Look {
                    colour: LINES[i % LINES.len()],
                    width: pt(1.1),
                    // Not in step with the markers, so that the first 28 differ in grey too.
                    dash: DASHES[i % DASHES.len()],
                    marker: Some(MARKERS[i % MARKERS.len()]),
                    solid: (i / MARKERS.len()).is_multiple_of(2),
                },
                Role::Baseline => Look {
                    colour: (128, 128, 128),
                    width: pt(1.0),
                    dash: DASHES[(i + 1) % DASHES.len()],
                    marker: (i >= DASHES.len()).then(|| MARKERS[i % MARKERS.len()]),
                    solid: false,
                },
            }
        })
        .collect()
}
