//! What happened while data was read.

use std::fs::File;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::digest::sha256_of;
use crate::error::DataError;
use crate::table::RoutingTable;

/// A table together with the account of how it was read.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The table.
    pub table: RoutingTable,
    /// Files, dropped queries, assumptions.
    pub report: LoadReport,
}

/// One input file as it was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputFile {
    /// Path as given.
    pub path: PathBuf,
    /// SHA-256 of its content, hexadecimal.
    pub sha256: String,
    /// Length in bytes.
    pub bytes: u64,
}

impl InputFile {
    /// Hashes a file without holding it in memory.
    ///
    /// # Errors
    /// [`DataError::Io`] when it cannot be read, [`DataError::NotAFile`] for a folder.
    pub fn of(path: &Path) -> Result<Self, DataError> {
        if path.is_dir() {
            return Err(DataError::NotAFile {
                path: path.to_owned(),
            });
        }
        let io = |source| DataError::io(path, source);
        let (sha256, bytes) = sha256_of(File::open(path).map_err(io)?).map_err(io)?;
        Ok(Self {
            path: path.to_owned(),
            sha256,
            bytes,
        })
    }
}

/// What was read, left out and assumed. Serialised into the manifest of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadReport {
    /// Name of the format.
    pub format: String,
    /// Every file that was read, except images.
    pub files: Vec<InputFile>,
    /// Rows or records read, before anything was left out.
    pub rows_read: usize,
    /// Queries left out because of missing cells (`missing = "drop-query"`), or because nothing was measured (`"mask"`).
    pub dropped_queries: usize,
    /// Queries of the table on which every model was measured.
    #[serde(default)]
    pub complete_queries: usize,
    /// Queries of the table on which some model was not (`missing = "mask"`).
    #[serde(default)]
    pub incomplete_queries: usize,
    /// Missing cells met.
    pub missing_cells: usize,
    /// Decisions that a reader of the results must know, such as an assumed price list or decoded prompts.
    pub notes: Vec<String>,
}
