//! Some columns of a tabular file as text, for programs whose rows are not queries with qualities.

use std::path::Path;

use crate::error::{DataError, Place};
use crate::source::rows::Rows;

/// Columns of a file as text.
#[derive(Clone, Debug)]
pub struct Texts {
    /// The names of all columns of the file.
    pub columns: Vec<String>,
    /// Where each row stands, and the cells of the wanted columns; `None` for those that are blank or missing.
    pub rows: Vec<(Place, Vec<Option<String>>)>,
}

/// Reads some columns of a file as text: CSV, JSON Lines, JSON, Parquet or a pickle, by its ending. A column that the file does not
/// have is blank in every row.
///
/// # Errors
/// [`DataError`] names the file, the row and what is wrong.
pub fn read_texts(path: &Path, wanted: &[&str]) -> Result<Texts, DataError> {
    let rows = Rows::open(path, None)?;
    let place = |name: &&str| rows.columns().iter().position(|column| column == name);
    let places: Vec<Option<usize>> = wanted.iter().map(place).collect();
    let there: Vec<usize> = places.iter().copied().flatten().collect();
    let mut found = Vec::new();
    rows.for_each(&there, &mut |place, cells| {
        let mut cells = cells.iter();
        let texts = places.iter().map(|column| {
            let cell = column.and_then(|_| cells.next())?;
            cell.text().map(std::borrow::Cow::into_owned)
        });
        found.push((place, texts.collect()));
        Ok(())
    })?;
    Ok(Texts {
        columns: rows.columns().to_vec(),
        rows: found,
    })
}
