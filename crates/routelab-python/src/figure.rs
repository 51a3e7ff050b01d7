//! The figures of a run, for predictions from anywhere.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use pyo3::prelude::*;
use routelab::{Evaluated, Plotted};
use routelab_data::write_atomically;
use routelab_plot::{Drawing, Style};

use crate::errors::{raised, refused, wrong};

/// A figure. Notebooks show it; `save` writes it as SVG, PDF, PNG or the CSV that it draws.
#[pyclass(frozen, module = "routelab")]
pub struct Figure {
    drawing: Drawing,
}

/// The endings of files that a figure can be saved as.
const ENDINGS: &str = ".svg, .pdf, .png or .csv";

#[pymethods]
impl Figure {
    /// One `<svg>` element that needs nothing else.
    #[getter]
    fn svg(&self) -> String {
        self.drawing.svg()
    }

    /// What it shows, in one line.
    #[getter]
    fn title(&self) -> &str {
        self.drawing.title()
    }

    /// The numbers that are drawn, as CSV.
    #[getter]
    fn csv(&self) -> String {
        String::from_utf8_lossy(self.drawing.csv()).into_owned()
    }

    /// Writes it to a file whose ending says how: `.svg`, `.pdf`, `.png` or `.csv`.
    fn save(&self, py: Python<'_>, path: PathBuf) -> PyResult<()> {
        let bytes = py.detach(|| -> Result<Vec<u8>, PyErr> {
            match ending(&path) {
                Some("svg") => Ok(self.drawing.svg().into_bytes()),
                Some("pdf") => self.drawing.pdf().map_err(refused),
                Some("png") => self.drawing.png().map_err(refused),
                Some("csv") => Ok(self.drawing.csv().to_vec()),
                _ => Err(wrong(format!(
                    "{}: a figure is saved as {ENDINGS}",
                    path.display()
                ))),
            }
        })?;
        Ok(write_atomically(&path, &bytes)?)
    }

    fn _repr_svg_(&self) -> String {
        self.drawing.svg()
    }

    fn __repr__(&self) -> String {
        format!("<routelab.Figure: {}>", self.drawing.title())
    }
}

fn ending(path: &Path) -> Option<&str> {
    path.extension()?.to_str()
}

/// Label, kind and evaluations of every line.
pub type Lines = [(String, String, Vec<Arc<Evaluated>>)];

/// Draws a figure.
pub fn drawn(
    py: Python<'_>,
    figure: &str,
    lines: &Lines,
    reference: Option<&str>,
    width: &str,
) -> PyResult<Figure> {
    let style = Style {
        width: width.parse().map_err(refused)?,
        ..Style::default()
    };
    let drawing = py.detach(|| {
        let plotted: Vec<Plotted> = lines
            .iter()
            .map(|(label, kind, splits)| Plotted {
                label: label.clone(),
                kind: kind.clone(),
                splits: splits.iter().map(|split| &**split).collect(),
            })
            .collect();
        routelab::plot(figure, &plotted, reference, &style)
    });
    Ok(Figure {
        drawing: drawing.map_err(raised)?,
    })
}
