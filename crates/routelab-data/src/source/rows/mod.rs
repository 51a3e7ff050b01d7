//! Rows of tabular files, one at a time whatever the file is, so that memory does not grow with the file; only a pickle
//! has to be held as a whole.

mod csv;
mod json;
mod parquet;
mod python_json;

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use crate::cell::{Cell, EachRow};
use crate::error::DataError;
use crate::input::{Head, Packing, without_packing};
use crate::schema::FileKind;
use crate::source::pickle::frame::Frame;

pub(crate) use json::{Object, for_each_object, value_cell, whole_json};
pub(crate) use parquet::key_value;

/// A tabular file whose columns are known.
pub(crate) struct Rows {
    path: PathBuf,
    columns: Vec<String>,
    kind: Kind,
    suspicion: csv::Suspicion,
}

enum Kind {
    Csv {
        separator: u8,
    },
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
        Self::open_separated(path, kind, None)
    }

    /// As [`Self::open`], with a separator of the cells of CSV; by default a tab for `.tsv`, otherwise a comma.
    pub(crate) fn open_separated(
        path: &Path,
        kind: Option<FileKind>,
        separator: Option<char>,
    ) -> Result<Self, DataError> {
        let (kind, head) = kind_of(path, kind)?;
        let mut suspicion = None;
        let (columns, kind) = match kind {
            FileKind::Csv => {
                let separator = separator_of(path, separator)?;
                let (columns, found) = csv::columns(path, separator, &head.bytes)?;
                suspicion = found;
                (columns, Kind::Csv { separator })
            }
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
                suspicion,
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

    /// Whether there is a column of this name.
    pub(crate) fn has(&self, column: &str) -> bool {
        self.columns.iter().any(|name| name == column)
    }

    /// Position of a column.
    pub(crate) fn index(&self, column: &str, purpose: &'static str) -> Result<usize, DataError> {
        let found = self.columns.iter().position(|name| name == column);
        found.ok_or_else(|| match &self.suspicion {
            Some((problem, remedy)) => DataError::Unreadable {
                path: self.path.clone(),
                problem: format!("there is no column {column:?}, and {problem}"),
                remedy: remedy.clone(),
            },
            None => DataError::MissingColumn {
                path: self.path.clone(),
                column: column.to_owned(),
                purpose,
                available: self.columns.clone(),
            },
        })
    }

    /// Reads all rows, of which only the `wanted` columns are decoded.
    pub(crate) fn for_each(
        &self,
        wanted: &[usize],
        each: &mut EachRow<'_>,
    ) -> Result<(), DataError> {
        match &self.kind {
            Kind::Csv { separator } => {
                csv::for_each(&self.path, *separator, &self.columns, wanted, each)
            }
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

/// How a file is written, by its extension, before that of its compression.
fn kind_by_extension(path: &Path) -> Result<FileKind, DataError> {
    let inner = without_packing(path);
    let extension = inner
        .extension()
        .and_then(|extension| extension.to_str())
        .unwrap_or_default();
    match extension.to_ascii_lowercase().as_str() {
        "csv" | "tsv" => Ok(FileKind::Csv),
        "jsonl" | "ndjson" => Ok(FileKind::JsonLines),
        "json" => Ok(FileKind::Json),
        "parquet" => Ok(FileKind::Parquet),
        "pkl" | "pickle" => Ok(FileKind::Pickle),
        _ => Err(DataError::spec(
            "path",
            format!(
                "{} does not end in .csv, .tsv, .jsonl, .ndjson, .json, .parquet or .pkl",
                path.display()
            ),
            "say how it is written: `file = \"csv\"` in its schema (or json-lines, json, parquet, pickle)",
        )),
    }
}

/// How a file is written: as declared or by its extension, except that a file with an object in place of the array is JSON
/// Lines, and the reverse. Refuses what its first bytes say to be something else.
fn kind_of(path: &Path, declared: Option<FileKind>) -> Result<(FileKind, Head), DataError> {
    let metadata = std::fs::metadata(path).map_err(|source| DataError::io(path, source))?;
    if metadata.is_dir() {
        return Err(DataError::NotAFile {
            path: path.to_owned(),
        });
    }
    let head = Head::of(path)?;
    let kind = match declared {
        Some(kind) => kind,
        None => kind_by_extension(path)?,
    };
    if head.bytes.is_empty() {
        return Err(DataError::EmptyFile {
            path: path.to_owned(),
            expected: match kind {
                FileKind::Csv => "a header and one row per query",
                FileKind::JsonLines => "one JSON object per line",
                FileKind::Json => "a JSON array of objects",
                FileKind::Parquet => "a Parquet file",
                FileKind::Pickle => "a pickled pandas DataFrame",
            },
        });
    }
    let start = head.bytes.trim_ascii_start();
    let found = match head.bytes.as_slice() {
        [b'P', b'A', b'R', b'1', ..] => Some(FileKind::Parquet),
        [0x80, 2..=5, ..] => Some(FileKind::Pickle),
        _ if start.starts_with(b"[{") => Some(FileKind::Json),
        _ if start.starts_with(b"{\"") => Some(FileKind::JsonLines),
        _ => None,
    };
    let is_json = |kind| matches!(kind, FileKind::Json | FileKind::JsonLines);
    let kind = match (found, start.first()) {
        (_, Some(b'[')) if is_json(kind) => FileKind::Json,
        (_, Some(b'{')) if is_json(kind) => FileKind::JsonLines,
        (Some(found), _) if found != kind => {
            let name = |kind| match kind {
                FileKind::Csv => ("CSV", "csv", "csv"),
                FileKind::JsonLines => ("JSON Lines", "json-lines", "jsonl"),
                FileKind::Json => ("JSON", "json", "json"),
                FileKind::Parquet => ("Parquet", "parquet", "parquet"),
                FileKind::Pickle => ("a pickle", "pickle", "pkl"),
            };
            let ((found, setting, extension), (wanted, ..)) = (name(found), name(kind));
            return Err(DataError::Unreadable {
                path: path.to_owned(),
                problem: format!("its content is {found}, but it was to be read as {wanted}"),
                remedy: format!(
                    "call it .{extension}, or set `file = \"{setting}\"` in its schema"
                ),
            });
        }
        _ => kind,
    };
    if kind == FileKind::Parquet && head.packing != Packing::Plain {
        return Err(DataError::Unreadable {
            path: path.to_owned(),
            problem: "it is a Parquet file that was compressed as a whole".to_owned(),
            remedy: "unpack it with `gunzip -k` or `unzstd` and name the new file; Parquet compresses by itself".to_owned(),
        });
    }
    Ok((kind, head))
}

/// Whether a file is a JSON array or JSON Lines.
pub(crate) fn json_kind(path: &Path) -> Result<FileKind, DataError> {
    kind_of(path, None).map(|(kind, _)| kind)
}

fn separator_of(path: &Path, declared: Option<char>) -> Result<u8, DataError> {
    let Some(declared) = declared else {
        let tabs = without_packing(path)
            .extension()
            .is_some_and(|extension| extension.eq_ignore_ascii_case("tsv"));
        return Ok(if tabs { b'\t' } else { b',' });
    };
    match u8::try_from(declared) {
        Ok(separator)
            if separator.is_ascii()
                && !separator.is_ascii_alphanumeric()
                && !matches!(separator, b'"' | b'\n' | b'\r') =>
        {
            Ok(separator)
        }
        _ => Err(DataError::spec(
            "schema",
            format!("{declared:?} cannot separate cells"),
            "give one character such as `separator = \";\"` or `separator = \"\\t\"`",
        )),
    }
}
