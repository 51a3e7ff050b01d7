//! A finished figure, and how its files are written.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::canvas::{Canvas, Mark};
use crate::{PlotError, Style, pdf, raster, sheet, svg, text};

/// Characters that a note names.
const NAMED: usize = 12;

/// Says which characters no font has, and what to do about it.
pub fn missing_note(missing: &[char]) -> String {
    let named = missing.iter().take(NAMED);
    let named: Vec<String> = named.map(|&c| format!("U+{:04X}", u32::from(c))).collect();
    let more = match missing.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!(
        "Boxes: no font here has {}{more}. Install one that does, name it in ROUTELAB_FONTS, or give short names: `names` in \
         [figures] for models, `label` for routers.",
        named.join(", ")
    )
}

/// A finished figure: can be had as SVG, PDF or PNG, with the numbers that it draws as CSV.
#[derive(Debug, Clone)]
pub struct Drawing {
    marks: Vec<Mark>,
    size: (i32, i32),
    title: String,
    csv: Vec<u8>,
    dpi: u32,
    missing: Vec<char>,
}

impl Drawing {
    pub(crate) fn new(canvas: Canvas, title: String, csv: Vec<u8>, style: &Style) -> Self {
        let (marks, size) = canvas.finish();
        let mut drawing = Drawing {
            marks,
            size,
            title,
            csv,
            dpi: style.dpi,
            missing: Vec::new(),
        };
        drawing.say_what_is_missing();
        drawing
    }

    #[cfg(test)]
    pub(crate) fn marks(&self) -> (&[Mark], (i32, i32)) {
        (&self.marks, self.size)
    }

    /// The figure as one `<svg>` element that needs nothing else: texts are outlines that carry their words in
    /// `aria-label`, and there are no ids, so that many figures can stand in one HTML page.
    pub fn svg(&self) -> String {
        svg::write(&self.marks, self.size, &self.title)
    }

    /// The figure as a PDF of one page of its size, with the glyphs of its words embedded; equal figures give equal
    /// bytes.
    ///
    /// # Errors
    /// When the font cannot be embedded.
    pub fn pdf(&self) -> Result<Vec<u8>, PlotError> {
        pdf::write(&self.marks, self.size, &self.title)
    }

    /// The figure as PNG, RGB without alpha, at the resolution of its style.
    ///
    /// # Errors
    /// When the picture does not fit into memory.
    pub fn png(&self) -> Result<Vec<u8>, PlotError> {
        raster::png(&self.marks, self.size, self.dpi)
    }

    /// The numbers drawn, as UTF-8 CSV with a header row.
    pub fn csv(&self) -> &[u8] {
        &self.csv
    }

    /// What the figure shows, in one line.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// The characters that no font here has a picture of, in the order in which they first occur. Boxes stand for them, and a
    /// note below the figure names them.
    pub fn missing(&self) -> &[char] {
        &self.missing
    }

    /// Adds a note below the figure where boxes stand for characters.
    fn say_what_is_missing(&mut self) {
        for mark in &self.marks {
            if let Mark::Text(words) = mark {
                for c in text::missing(&words.text, words.weight) {
                    if !self.missing.contains(&c) {
                        self.missing.push(c);
                    }
                }
            }
        }
        if self.missing.is_empty() {
            return;
        }
        let (width, height) = self.size;
        let lines = sheet::lines(&missing_note(&self.missing), width);
        let (marks, added) = sheet::more_notes(&lines, (width, height));
        self.size.1 += added;
        // The white of the sheet comes first.
        if let Some(Mark::Fill { points, .. }) = self.marks.first_mut() {
            for (_, y) in points.iter_mut().filter(|(_, y)| *y == height) {
                *y += added;
            }
        }
        self.marks.extend(marks);
    }

    /// Writes `stem.csv`, `stem.svg`, `stem.pdf` and `stem.png` into an existing folder; each appears whole.
    ///
    /// # Errors
    /// When the picture cannot be made, before any file is written; and when a file cannot be written.
    pub fn save(&self, folder: &Path, stem: &str) -> Result<Vec<PathBuf>, PlotError> {
        let (png, pdf) = (self.png()?, self.pdf()?);
        let svg = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{}", self.svg());
        [
            ("csv", self.csv()),
            ("svg", svg.as_bytes()),
            ("pdf", &pdf),
            ("png", &png),
        ]
        .into_iter()
        .map(|(extension, bytes)| {
            let path = folder.join(format!("{stem}.{extension}"));
            write_whole(&path, bytes).map_err(|source| PlotError::Write {
                path: path.clone(),
                source,
            })?;
            Ok(path)
        })
        .collect()
    }
}

/// Writes beside the final name, then renames, so that nobody ever reads half a file.
fn write_whole(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let unfinished = path.with_file_name(format!(".routelab-{}-{name}.tmp", std::process::id()));
    let written = fs::File::create(&unfinished)
        .and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()
        })
        .and_then(|()| fs::rename(&unfinished, path));
    if written.is_err() {
        // The first error is the one to report; what is left behind may never have been created.
        let _ = fs::remove_file(&unfinished);
    }
    written
}

/// Gives a chart its `save`.
macro_rules! saved {
    ($chart:ty) => {
        impl $chart {
            /// Draws the chart in the default style and writes `stem.csv`, `stem.svg`, `stem.pdf` and `stem.png` into an
            /// existing folder; each file appears whole. For another style: `chart.draw(&style)?.save(folder, stem)`.
            ///
            /// Returns the paths written.
            ///
            /// # Errors
            /// As [`draw`](Self::draw), before any file is written; and when a file cannot be written.
            pub fn save(
                &self,
                folder: &std::path::Path,
                stem: &str,
            ) -> Result<Vec<std::path::PathBuf>, $crate::PlotError> {
                self.draw(&$crate::Style::default())?.save(folder, stem)
            }
        }
    };
}
pub(crate) use saved;
