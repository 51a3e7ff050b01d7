//! Comma- or tab-separated values with a header.

use std::borrow::Cow;
use std::fs::File;
use std::path::Path;

use csv::{ByteRecord, ErrorKind, Reader, ReaderBuilder};

use super::{Cell, EachRow};
use crate::error::{DataError, Place};

fn open(path: &Path) -> Result<Reader<File>, DataError> {
    let file = File::open(path).map_err(|source| DataError::Io {
        path: path.to_owned(),
        source,
    })?;
    let tabs = path
        .extension()
        .is_some_and(|extension| extension.eq_ignore_ascii_case("tsv"));
    Ok(ReaderBuilder::new()
        .delimiter(if tabs { b'\t' } else { b',' })
        .buffer_capacity(1 << 16)
        .from_reader(file))
}

pub(super) fn columns(path: &Path) -> Result<Vec<String>, DataError> {
    let mut reader = open(path)?;
    let header = reader.byte_headers().map_err(|error| {
        wrong(
            path,
            Place {
                row: 0,
                line: Some(1),
            },
            error,
        )
    })?;
    let name = |(index, bytes): (usize, &[u8])| {
        std::str::from_utf8(bytes)
            .map(str::to_owned)
            .map_err(|_| DataError::NotUtf8 {
                path: path.to_owned(),
                place: Place {
                    row: 0,
                    line: Some(1),
                },
                column: format!("number {}", index + 1),
            })
    };
    header.iter().enumerate().map(name).collect()
}

pub(super) fn for_each(
    path: &Path,
    columns: &[String],
    wanted: &[usize],
    each: &mut EachRow<'_>,
) -> Result<(), DataError> {
    let mut reader = open(path)?;
    let mut record = ByteRecord::new();
    for row in 1.. {
        let here = |line: u64| Place {
            row,
            line: Some(line),
        };
        let line = reader.position().line();
        if !reader
            .read_byte_record(&mut record)
            .map_err(|error| wrong(path, here(line), error))?
        {
            break;
        }
        let place = here(record.position().map_or(line, csv::Position::line));
        let cell = |&column: &usize| match std::str::from_utf8(&record[column]) {
            Ok("") => Ok(Cell::Missing),
            Ok(text) => Ok(Cell::Text(Cow::Borrowed(text))),
            Err(_) => Err(DataError::NotUtf8 {
                path: path.to_owned(),
                place,
                column: columns[column].clone(),
            }),
        };
        let cells = wanted.iter().map(cell).collect::<Result<Vec<_>, _>>()?;
        each(place, &cells)?;
    }
    Ok(())
}

fn wrong(path: &Path, place: Place, error: csv::Error) -> DataError {
    let path = path.to_owned();
    match error.into_kind() {
        ErrorKind::Io(source) => DataError::Io { path, source },
        ErrorKind::UnequalLengths {
            pos,
            expected_len,
            len,
        } => {
            let line = pos.map(|position| position.line()).or(place.line);
            DataError::Ragged {
                path,
                place: Place { line, ..place },
                expected: expected_len,
                found: len,
            }
        }
        // Byte records are neither decoded nor deserialised, so nothing else happens; should it, the reader still says so.
        other => DataError::Io {
            path,
            source: std::io::Error::other(format!("{other:?}")),
        },
    }
}
