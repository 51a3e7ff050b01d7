//! Rows of tabular files, one at a time whatever the file is, so that memory does not grow with the file; only a pickle
//! has to be held as a whole.

mod csv;
mod json;
mod parquet;

use std::borrow::Cow;
use std::collections::HashSet;
use std::path::{Path, PathBuf};

use crate::error::{DataError, Place};
use crate::source::pickle::frame::Frame;
use crate::source::tabular::FileKind;

pub(crate) use json::{Object, for_each_object, value_cell};
pub(crate) use parquet::key_value;

/// One value of a row.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Cell<'a> {
    /// Blank, null, or a column that the row does not have.
    Missing,
    Text(Cow<'a, str>),
    Integer(i128),
    Number(f64),
    Truth(bool),
}

impl Cell<'_> {
    /// The value as text; `None` where it is missing.
    pub(crate) fn text(&self) -> Option<Cow<'_, str>> {
        match self {
            Cell::Missing => None,
            Cell::Text(text) if text.is_empty() => None,
            Cell::Text(text) => Some(Cow::Borrowed(text)),
            Cell::Integer(number) => Some(Cow::Owned(number.to_string())),
            Cell::Number(number) => Some(Cow::Owned(number.to_string())),
            Cell::Truth(truth) => Some(Cow::Owned(truth.to_string())),
        }
    }

    /// The value as a number, true being 1. `Ok(None)` where it is missing or NaN; the text where it is no number.
    pub(crate) fn number(&self) -> Result<Option<f64>, &str> {
        let number = match self {
            Cell::Missing => return Ok(None),
            Cell::Text(text) => match text.trim() {
                "" => return Ok(None),
                "true" | "True" | "TRUE" => 1.0,
                "false" | "False" | "FALSE" => 0.0,
                trimmed => trimmed.parse().map_err(|_| text.as_ref())?,
            },
            Cell::Integer(number) => *number as f64,
            Cell::Number(number) => *number,
            Cell::Truth(truth) => f64::from(u8::from(*truth)),
        };
        Ok((!number.is_nan()).then_some(number))
    }
}

/// What is done with each row: its place, and the wanted cells in the order in which they were asked for.
pub(crate) type EachRow<'a> = dyn FnMut(Place, &[Cell<'_>]) -> Result<(), DataError> + 'a;

/// A tabular file whose columns are known.
pub(crate) struct Rows {
    path: PathBuf,
    columns: Vec<String>,
    kind: Kind,
}

enum Kind {
    Csv,
    Json {
        file: FileKind,
        keys: Vec<json::KeyPath>,
    },
    Parquet,
    Pickle(Box<Frame>),
}

impl Rows {
    /// Opens a file; `kind` by its extension unless given. JSON is read through once to learn the columns of all its records.
    pub(crate) fn open(path: &Path, kind: Option<FileKind>) -> Result<Self, DataError> {
        let kind = match kind {
            Some(kind) => kind,
            None => kind_by_extension(path)?,
        };
        check_not_empty(path, kind)?;
        let (columns, kind) = match kind {
            FileKind::Csv => (csv::columns(path)?, Kind::Csv),
            FileKind::Parquet => (parquet::columns(path)?, Kind::Parquet),
            FileKind::Pickle => {
                let frame = Frame::read(path)?;
                (frame.columns().to_vec(), Kind::Pickle(Box::new(frame)))
            }
            FileKind::Json | FileKind::JsonLines => {
                let keys = json::columns(path, kind)?;
                (
                    keys.iter().map(|key| key.join(".")).collect(),
                    Kind::Json { file: kind, keys },
                )
            }
        };
        let mut seen = HashSet::new();
        match columns.iter().find(|column| !seen.insert(column.as_str())) {
            Some(column) => Err(DataError::DuplicateColumn {
                path: path.to_owned(),
                column: column.clone(),
            }),
            None => Ok(Self {
                path: path.to_owned(),
                columns,
                kind,
            }),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Names of the columns. Fields of nested JSON objects and Parquet groups are joined by dots.
    pub(crate) fn columns(&self) -> &[String] {
        &self.columns
    }

    /// Position of a column.
    pub(crate) fn index(&self, column: &str, purpose: &'static str) -> Result<usize, DataError> {
        self.columns
            .iter()
            .position(|name| name == column)
            .ok_or_else(|| DataError::MissingColumn {
                path: self.path.clone(),
                column: column.to_owned(),
                purpose,
                available: self.columns.clone(),
            })
    }

    /// Reads all rows, of which only the `wanted` columns are decoded.
    pub(crate) fn for_each(
        &self,
        wanted: &[usize],
        each: &mut EachRow<'_>,
    ) -> Result<(), DataError> {
        match &self.kind {
            Kind::Csv => csv::for_each(&self.path, &self.columns, wanted, each),
            Kind::Parquet => parquet::for_each(&self.path, wanted, each),
            Kind::Pickle(frame) => frame.for_each(wanted, each),
            Kind::Json { file, keys } => {
                let keys: Vec<&json::KeyPath> =
                    wanted.iter().map(|&column| &keys[column]).collect();
                for_each_object(&self.path, *file, &mut |place, object| {
                    let cells: Vec<Cell<'_>> =
                        keys.iter().map(|key| json::cell(object, key)).collect();
                    each(place, &cells)
                })
            }
        }
    }
}

/// How a file is written, by its extension.
pub(crate) fn kind_by_extension(path: &Path) -> Result<FileKind, DataError> {
    let extension = path
        .extension()
        .and_then(|extension| extension.to_str())
        .unwrap_or_default();
    match extension.to_ascii_lowercase().as_str() {
        "csv" | "tsv" => Ok(FileKind::Csv),
        "jsonl" | "ndjson" => Ok(FileKind::JsonLines),
        "json" => Ok(FileKind::Json),
        "parquet" => Ok(FileKind::Parquet),
        "pkl" | "pickle" => Ok(FileKind::Pickle),
        _ => Err(DataError::Spec {
            key: "path",
            problem: format!("{} does not end in .csv, .tsv, .jsonl, .ndjson, .json, .parquet or .pkl", path.display()),
            remedy: "say how it is written: `file = \"csv\"` in its schema (or json-lines, json, parquet, pickle)".to_owned(),
        }),
    }
}

fn check_not_empty(path: &Path, kind: FileKind) -> Result<(), DataError> {
    let metadata = std::fs::metadata(path).map_err(|source| DataError::Io {
        path: path.to_owned(),
        source,
    })?;
    if metadata.is_dir() {
        return Err(DataError::NotAFile {
            path: path.to_owned(),
        });
    }
    let expected = match kind {
        FileKind::Csv => "a header and one row per query",
        FileKind::JsonLines => "one JSON object per line",
        FileKind::Json => "a JSON array of objects",
        FileKind::Parquet => "a Parquet file",
        FileKind::Pickle => "a pickled pandas DataFrame",
    };
    if metadata.len() == 0 {
        Err(DataError::EmptyFile {
            path: path.to_owned(),
            expected,
        })
    } else {
        Ok(())
    }
}
