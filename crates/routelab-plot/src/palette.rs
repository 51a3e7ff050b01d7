//! The looks of the figures, for whoever draws the same data elsewhere.

use crate::Role;
use crate::fill::COUNT;
use crate::style::{FILLS, OTHER, Rgb, looks, pt};

/// How a curve looks.
#[derive(Debug, Clone, PartialEq)]
pub struct LineLook {
    /// `#rrggbb`.
    pub colour: String,
    /// Stroke width in points.
    pub width: f64,
    /// Lengths of dash and gap in turn, in points; empty for a whole line.
    pub dash: &'static [f64],
}

/// How the area of a model looks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FillLook {
    /// `#rrggbb`.
    pub colour: String,
    /// Whether the colour is that of a model before it, so that lines over it must tell them apart. Figures for print have
    /// more textures, since they may be copied in grey.
    pub lined: bool,
}

/// One look per curve, as the figures give them to curves of these roles in this order.
pub fn line_looks(roles: impl IntoIterator<Item = Role>) -> Vec<LineLook> {
    let looks = looks(roles).into_iter();
    looks
        .map(|look| LineLook {
            colour: hex(look.colour),
            width: f64::from(look.width) / f64::from(pt(1.0)),
            dash: look.dash,
        })
        .collect()
}

/// The looks of the models that a figure tells apart, in their order, and the look of all others.
pub fn fill_looks() -> (Vec<FillLook>, FillLook) {
    let own = (0..COUNT).map(|model| FillLook {
        colour: hex(FILLS[model % FILLS.len()]),
        lined: model >= FILLS.len(),
    });
    let other = FillLook {
        colour: hex(OTHER),
        lined: false,
    };
    (own.collect(), other)
}

/// `#rrggbb`.
pub(crate) fn hex((r, g, b): Rgb) -> String {
    format!("#{r:02x}{g:02x}{b:02x}")
}
