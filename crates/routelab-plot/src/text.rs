//! The embedded font, with others for what it lacks: widths of texts, and their outlines.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use ab_glyph::{Font, FontRef, OutlineCurve};

use crate::fallback::{self, Face};
pub(crate) use crate::glyph::{Step, Weight};

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

/// Part of a text that one font draws.
pub(crate) enum Part<'a> {
    /// The embedded font.
    Own(&'a str),
    /// Another one.
    Other(&'static Face, &'a str),
    /// A character that no font here has; a box stands for it.
    Missing(char),
}

/// Width of the box that stands for a missing character, in thousandths of an em.
const BOX: f32 = 640.0;

fn has(c: char, weight: Weight) -> bool {
    font(weight).glyph_id(c).0 != 0
}

/// What joins or selects other characters and has no picture of its own.
fn is_unseen(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{e0001}'..='\u{e01ef}')
}

/// The characters of a text that no font here has, in their order, each once.
pub(crate) fn missing(text: &str, weight: Weight) -> Vec<char> {
    let mut missing = Vec::new();
    for part in parts(text, weight) {
        if let Part::Missing(c) = part
            && !missing.contains(&c)
        {
            missing.push(c);
        }
    }
    missing
}

/// A text by the fonts that draw it.
pub(crate) fn parts(text: &str, weight: Weight) -> Vec<Part<'_>> {
    let foreign: BTreeSet<char> = text
        .chars()
        .filter(|&c| !has(c, weight) && !is_unseen(c) && !c.is_control())
        .collect();
    if foreign.is_empty() {
        return vec![Part::Own(text)];
    }
    let fonts = fallback::fonts(&foreign, weight);
    let other = |c: char| fonts.get(&c).copied().flatten();
    let same = |a: &'static Face, b: &'static Face| std::ptr::eq(a, b);
    let mut parts: Vec<Part> = Vec::new();
    // Where the last part begins.
    let mut start = 0;
    for (at, c) in text.char_indices() {
        let end = at + c.len_utf8();
        let last = parts.last_mut();
        match (last, other(c)) {
            (Some(Part::Other(face, text_of)), Some(next)) if same(face, next) => {
                *text_of = &text[start..end];
            }
            (_, Some(next)) => {
                start = at;
                parts.push(Part::Other(next, &text[at..end]));
            }
            // Spaces between words, and joiners between letters, belong to them: some scripts run from right to left.
            (Some(Part::Other(face, text_of)), None)
                if is_unseen(c)
                    || c == ' '
                        && text[end..]
                            .chars()
                            .find(|&next| next != ' ')
                            .and_then(other)
                            .is_some_and(|next| same(face, next)) =>
            {
                *text_of = &text[start..end];
            }
            (_, None) if is_unseen(c) => {}
            (_, None) if foreign.contains(&c) => parts.push(Part::Missing(c)),
            (Some(Part::Own(text_of)), None) => *text_of = &text[start..end],
            (_, None) => {
                start = at;
                parts.push(Part::Own(&text[at..end]));
            }
        }
    }
    parts
}

/// Advance width of a text in the unit of `size`, its size in em.
pub(crate) fn width(text: &str, size: i32, weight: Weight) -> i32 {
    let parts = parts(text, weight).into_iter();
    let ems: f32 = parts.map(|part| part.ems(weight)).sum();
    (ems * size as f32).ceil() as i32
}

impl Part<'_> {
    /// Advance width in em.
    pub fn ems(&self, weight: Weight) -> f32 {
        match self {
            Part::Own(text) => {
                let font = font(weight);
                let units: f32 = text
                    .chars()
                    .map(|c| font.h_advance_unscaled(font.glyph_id(c)))
                    .sum();
                units / units_per_em(weight)
            }
            Part::Other(face, text) => face.width(text) / 1000.0,
            Part::Missing(_) => BOX / 1000.0,
        }
    }

    /// The outlines, from `start` on, in thousandths of an em.
    pub fn outline(&self, start: f32, weight: Weight, steps: &mut Vec<Step>) {
        match self {
            Part::Own(text) => own_outline(text, start, weight, steps),
            Part::Other(face, text) => {
                face.outline(text, start, steps);
            }
            Part::Missing(_) => empty_box(start, steps),
        }
    }
}

/// A box as high as a capital letter.
fn empty_box(start: f32, steps: &mut Vec<Step>) {
    let high = -CAP_HEIGHT as f32 * 1000.0;
    let (left, right, line) = (start + 60.0, start + BOX - 60.0, 60.0);
    let mut corners = |corners: [(f32, f32); 4]| {
        steps.push(Step::Move(corners[0]));
        steps.extend(corners[1..].iter().map(|&corner| Step::Line(corner)));
        steps.push(Step::Close);
    };
    corners([(left, 0.0), (left, high), (right, high), (right, 0.0)]);
    // The other way round, so that the inside is left out.
    let (left, right, low, high) = (left + line, right - line, -line, high + line);
    corners([(left, low), (right, low), (right, high), (left, high)]);
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

/// The outlines of a text, to be filled by the non-zero rule.
pub(crate) fn outline(text: &str, weight: Weight) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut start = 0.0;
    for part in parts(text, weight) {
        part.outline(start, weight, &mut steps);
        start += part.ems(weight) * 1000.0;
    }
    steps
}

fn own_outline(text: &str, start: f32, weight: Weight, steps: &mut Vec<Step>) {
    let font = font(weight);
    let scale = 1000.0 / units_per_em(weight);
    let from = start;
    let mut pen = 0.0;
    for c in text.chars() {
        let id = font.glyph_id(c);
        if let Some(outline) = font.outline(id) {
            let at = |p: ab_glyph::Point| (from + (pen + p.x) * scale, -p.y * scale);
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
