//! One look for every figure.

/// How wide a figure is in print.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnWidth {
    /// One column of a two-column page, 3.5 inches.
    Single,
    /// Both columns, 7.2 inches.
    Double,
}

/// What a figure is drawn for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// Width in print.
    pub width: ColumnWidth,
    /// Resolution of the PNG in dots per inch, 36 to 1200.
    pub dpi: u32,
}

impl Default for Style {
    /// Both columns, 200 dots per inch.
    fn default() -> Self {
        Self { width: ColumnWidth::Double, dpi: 200 }
    }
}

/// What a curve stands for; decides how it is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// The oracle: black, dashed.
    Oracle,
    /// The router that the figure is about: thick, vermilion.
    Highlight,
    /// A learned router: a colour, a dash and a marker of its own.
    Router,
    /// A fixed policy such as random or cheapest: grey.
    Baseline,
}
