//! Fills of areas, told apart by colour and, for grey prints and long lists, by texture.

use crate::PlotError;
use crate::canvas::{Area, Canvas};
use crate::style::{FILLS, INK, OTHER, PARTS, Rgb, WHITE, pt};

/// What lies over the colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Texture {
    None,
    Lines,
    /// Lines with gaps.
    Dashes,
}

/// How an area is filled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fill {
    colour: Rgb,
    texture: Texture,
}

/// How many models a figure tells apart; beyond that, legends help nobody.
pub(crate) const COUNT: usize = 14;

impl Fill {
    /// The fill of number `index`, from 0. Colours that are alike in grey have different textures.
    pub fn number(index: usize) -> Fill {
        Fill {
            colour: FILLS[index % FILLS.len()],
            texture: [Texture::None, Texture::Lines, Texture::Dashes][index % 3],
        }
    }

    /// The fill of all models that have none of their own.
    pub fn other() -> Fill {
        Fill {
            colour: OTHER,
            texture: Texture::None,
        }
    }

    /// A plain colour.
    pub fn plain(colour: Rgb) -> Fill {
        Fill {
            colour,
            texture: Texture::None,
        }
    }

    /// The fill of part `index` of a bar, from 0: plain and lined in turn, so that neighbours differ in grey too.
    pub fn part(index: usize) -> Fill {
        let texture = if index.is_multiple_of(2) {
            Texture::None
        } else {
            Texture::Lines
        };
        Fill {
            colour: PARTS[index % PARTS.len()],
            texture,
        }
    }
}

/// The area between two lines, given as `(x, lower y, upper y)` from left to right; y grows downwards.
pub(crate) fn band(
    canvas: &Canvas,
    edges: &[(i32, i32, i32)],
    fill: &Fill,
) -> Result<(), PlotError> {
    if edges.iter().all(|&(_, lower, upper)| lower == upper) {
        return Ok(());
    }
    let mut outline: Vec<_> = edges.iter().map(|&(x, _, upper)| (x, upper)).collect();
    outline.extend(edges.iter().rev().map(|&(x, lower, _)| (x, lower)));
    canvas.fill(&outline, fill.colour, 1.0)?;
    if fill.texture == Texture::None {
        return Ok(());
    }
    for pair in edges.windows(2) {
        let ((x0, lower0, upper0), (x1, lower1, upper1)) = (pair[0], pair[1]);
        // Lines stand on a grid of the whole sheet, so that those of neighbouring pieces keep step.
        let mut x = x0.div_euclid(STEP) * STEP;
        while x < x1 {
            if x >= x0 {
                let share = f64::from(x - x0) / f64::from(x1 - x0);
                let lower = lower0 + (f64::from(lower1 - lower0) * share) as i32;
                let upper = upper0 + (f64::from(upper1 - upper0) * share) as i32;
                if lower - upper > pt(1.2) {
                    textured(canvas, x, (upper, lower), fill.texture)?;
                }
            }
            x += STEP;
        }
    }
    Ok(())
}

/// Space between the lines of a texture.
const STEP: i32 = pt(2.8);

/// One line of a texture.
fn textured(
    canvas: &Canvas,
    x: i32,
    (upper, lower): (i32, i32),
    texture: Texture,
) -> Result<(), PlotError> {
    if texture != Texture::Dashes {
        return canvas.stroke(&[(x, upper), (x, lower)], WHITE, pt(0.7));
    }
    let (period, dash) = (pt(3.4), pt(1.2));
    // Dashes of neighbouring lines stand between each other.
    let shift = if (x / STEP) % 2 == 0 { 0 } else { period / 2 };
    let mut y = (upper - shift).div_euclid(period) * period + shift;
    while y < lower {
        let (from, to) = (y.max(upper), (y + dash).min(lower));
        if to > from {
            canvas.stroke(&[(x, from), (x, to)], WHITE, pt(1.0))?;
        }
        y += period;
    }
    Ok(())
}

/// A horizontal bar with sides.
pub(crate) fn bar(
    canvas: &Canvas,
    (left, right): (i32, i32),
    (top, bottom): (i32, i32),
    fill: &Fill,
) -> Result<(), PlotError> {
    if right <= left {
        return Ok(());
    }
    band(canvas, &[(left, bottom, top), (right, bottom, top)], fill)?;
    if fill.texture == Texture::Lines {
        // The lines of the filling may end at a side, which then could not be seen.
        let sides = [(left, bottom), (right, bottom), (right, top), (left, top)];
        canvas.stroke(&sides, fill.colour, pt(0.5))?;
    }
    Ok(())
}

/// A small box for a legend.
pub(crate) fn swatch(canvas: &Canvas, area: Area, fill: &Fill) -> Result<(), PlotError> {
    let Area {
        left,
        top,
        right,
        bottom,
    } = area;
    band(canvas, &[(left, bottom, top), (right, bottom, top)], fill)?;
    canvas.stroke(
        &[
            (left, top),
            (right, top),
            (right, bottom),
            (left, bottom),
            (left, top),
            (right, top),
        ],
        INK,
        pt(0.3),
    )
}
