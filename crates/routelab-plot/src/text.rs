//! The embedded font: widths of texts, and their outlines.

use std::sync::LazyLock;

use ab_glyph::{Font, FontRef, OutlineCurve};

/// Which cut of the font.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Weight {
    Regular,
    SemiBold,
}

// The files are part of the crate and tests read them, so that `expect` cannot meet a user.
static REGULAR: LazyLock<FontRef<'static>> = LazyLock::new(|| parsed(Weight::Regular));
static SEMI_BOLD: LazyLock<FontRef<'static>> = LazyLock::new(|| parsed(Weight::SemiBold));

fn parsed(weight: Weight) -> FontRef<'static> {
    FontRef::try_from_slice(file(weight)).expect("the embedded font is sound")
}

/// The OpenType file of a cut, with outlines in the Compact Font Format.
pub(crate) fn file(weight: Weight) -> &'static [u8] {
    match weight {
        Weight::Regular => include_bytes!("../fonts/Inter-Regular-subset.otf"),
        Weight::SemiBold => include_bytes!("../fonts/Inter-SemiBold-subset.otf"),
    }
}

/// Height of a capital letter, as a share of the em.
pub(crate) const CAP_HEIGHT: f64 = 2048.0 / 2816.0;

fn font(weight: Weight) -> &'static FontRef<'static> {
    match weight {
        Weight::Regular => &REGULAR,
        Weight::SemiBold => &SEMI_BOLD,
    }
}

fn units_per_em(weight: Weight) -> f32 {
    font(weight)
        .units_per_em()
        .expect("the embedded font states its units")
}

/// Advance width of a text in the unit of `size`, its size in em.
pub(crate) fn width(text: &str, size: i32, weight: Weight) -> i32 {
    let font = font(weight);
    let units: f32 = text
        .chars()
        .map(|c| font.h_advance_unscaled(font.glyph_id(c)))
        .sum();
    (units / units_per_em(weight) * size as f32).ceil() as i32
}

/// The number of a character's glyph in its font, 0 for the empty box of unknown ones, and its advance width in
/// thousandths of an em.
pub(crate) fn glyph(c: char, weight: Weight) -> (u16, f32) {
    let id = font(weight).glyph_id(c);
    let advance = font(weight).h_advance_unscaled(id);
    (id.0, advance * 1000.0 / units_per_em(weight))
}

/// How far the font reaches above and below the baseline (the second number is negative), in thousandths of an em.
pub(crate) fn reach(weight: Weight) -> (f32, f32) {
    let scale = 1000.0 / units_per_em(weight);
    let font = font(weight);
    (
        font.ascent_unscaled() * scale,
        font.descent_unscaled() * scale,
    )
}

/// One step along an outline. The first number of each pair goes right, the second down, from the start of the text
/// on its line, in thousandths of an em.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Step {
    Move((f32, f32)),
    Line((f32, f32)),
    Quad((f32, f32), (f32, f32)),
    Cubic((f32, f32), (f32, f32), (f32, f32)),
    Close,
}

/// The outlines of a text, to be filled by the non-zero rule.
pub(crate) fn outline(text: &str, weight: Weight) -> Vec<Step> {
    let font = font(weight);
    let scale = 1000.0 / units_per_em(weight);
    let mut steps = Vec::new();
    let mut pen = 0.0;
    for c in text.chars() {
        let id = font.glyph_id(c);
        if let Some(outline) = font.outline(id) {
            let at = |p: ab_glyph::Point| ((pen + p.x) * scale, -p.y * scale);
            let mut end = None;
            for curve in outline.curves {
                let start = match curve {
                    OutlineCurve::Line(a, _)
                    | OutlineCurve::Quad(a, ..)
                    | OutlineCurve::Cubic(a, ..) => a,
                };
                if end != Some(start) {
                    if end.is_some() {
                        steps.push(Step::Close);
                    }
                    steps.push(Step::Move(at(start)));
                }
                end = Some(match curve {
                    OutlineCurve::Line(_, b) => {
                        steps.push(Step::Line(at(b)));
                        b
                    }
                    OutlineCurve::Quad(_, b, c) => {
                        steps.push(Step::Quad(at(b), at(c)));
                        c
                    }
                    OutlineCurve::Cubic(_, b, c, d) => {
                        steps.push(Step::Cubic(at(b), at(c), at(d)));
                        d
                    }
                });
            }
            if end.is_some() {
                steps.push(Step::Close);
            }
        }
        pen += font.h_advance_unscaled(id);
    }
    steps
}

/// Shortens a text to a width by an ellipsis inside it, so that both ends stay readable.
pub(crate) fn fit(text: &str, size: i32, weight: Weight, limit: i32) -> String {
    if width(text, size, weight) <= limit {
        return text.to_owned();
    }
    let chars: Vec<char> = text.chars().collect();
    for kept in (1..chars.len()).rev() {
        // Names differ most often at their ends (sizes, versions), and are recognised by their beginnings.
        let head = (kept * 3).div_ceil(5);
        let short: String = chars[..head]
            .iter()
            .chain(&['…'])
            .chain(&chars[chars.len() - (kept - head)..])
            .collect();
        if width(&short, size, weight) <= limit {
            return short;
        }
    }
    "…".to_owned()
}
