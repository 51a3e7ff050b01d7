//! What fonts are asked for, and what they give.

/// Which cut of the font.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Weight {
    Regular,
    SemiBold,
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
