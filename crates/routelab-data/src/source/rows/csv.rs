//! Values separated by commas, tabs or another character, with a header.

use std::borrow::Cow;
use std::io::Read;
use std::path::Path;

use csv::{ByteRecord, ErrorKind, Reader, ReaderBuilder};

use crate::cell::{Cell, EachRow};
use crate::error::{DataError, Place};
use crate::input::{encoding_remedy, failed, open_text};

/// Separators that are recognised where another one was expected, with their names and how the setting is written.
const KNOWN: [(u8, &str, &str); 4] = [
    (b',', "commas", ","),
    (b';', "semicolons", ";"),
    (b'\t', "tabs", "\\t"),
    (b'|', "vertical bars", "|"),
];

fn open(path: &Path, separator: u8) -> Result<Reader<impl Read + use<>>, DataError> {
    Ok(ReaderBuilder::new()
        .delimiter(separator)
        .buffer_capacity(1 << 16)
        .from_reader(open_text(path)?))
}

/// Why a column may not be found: what is wrong, and what to do.
pub(super) type Suspicion = Option<(String, String)>;

/// The names in the header, and whether they may be cut at the wrong character. `head` is the beginning of the file.
pub(super) fn columns(
    path: &Path,
    separator: u8,
    head: &[u8],
) -> Result<(Vec<String>, Suspicion), DataError> {
    let suspicion = check_separator(path, separator, head)?;
    let mut reader = open(path, separator)?;
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
                at: Place {
                    row: 0,
                    line: Some(1),
                }
                .cell(path, format!("number {}", index + 1)),
                remedy: encoding_remedy(path),
            })
    };
    let names = header.iter().enumerate().map(name);
    Ok((names.collect::<Result<_, _>>()?, suspicion))
}

/// Refuses a file whose header is plainly separated by something else than expected.
fn check_separator(path: &Path, separator: u8, head: &[u8]) -> Result<Suspicion, DataError> {
    let refuse = |problem: String, remedy: String| {
        Err(DataError::Unreadable {
            path: path.to_owned(),
            problem,
            remedy,
        })
    };
    // Excel's own way to name the separator.
    if let Some([declared, end, ..]) = head.strip_prefix(b"sep=")
        && matches!(end, b'\n' | b'\r')
    {
        let name = KNOWN.iter().find(|(known, ..)| known == declared);
        let setting = name.map_or_else(
            || char::from(*declared).to_string(),
            |name| name.2.to_owned(),
        );
        return refuse(
            "the first line is `sep=` of Excel, which is no header".to_owned(),
            format!("remove that line, and set `separator = \"{setting}\"` in the schema"),
        );
    }
    let counts = KNOWN.map(|(byte, ..)| count_outside_quotes(head, byte));
    let expected = count_outside_quotes(head, separator);
    let most = (0..KNOWN.len()).max_by_key(|&index| (counts[index], KNOWN.len() - index));
    let Some(most) = most.filter(|&most| counts[most] > 0 && KNOWN[most].0 != separator) else {
        return Ok(None);
    };
    let (_, found, setting) = KNOWN[most];
    let name = KNOWN.iter().find(|(byte, ..)| *byte == separator);
    let name = name.map_or_else(
        || format!("{:?}", char::from(separator)),
        |name| name.1.to_owned(),
    );
    let problem = format!("the cells are separated by {found}, expected {name}");
    let remedy = format!(
        "set `separator = \"{setting}\"` in the schema (format `tabular`), or save the file with {name}"
    );
    if expected == 0 {
        return refuse(problem, remedy);
    }
    // Names may have any of these characters, so this only tells why a column is not found.
    Ok((counts[most] > expected).then_some((problem, remedy)))
}

/// How often a byte is in the first line that is not blank, outside of quotes.
fn count_outside_quotes(head: &[u8], byte: u8) -> usize {
    let (mut quoted, mut count) = (false, 0);
    for &found in head.trim_ascii_start() {
        match found {
            b'"' => quoted = !quoted,
            b'\n' | b'\r' if !quoted => break,
            _ => count += usize::from(found == byte && !quoted),
        }
    }
    count
}

pub(super) fn for_each(
    path: &Path,
    separator: u8,
    columns: &[String],
    wanted: &[usize],
    each: &mut EachRow<'_>,
) -> Result<(), DataError> {
    let mut reader = open(path, separator)?;
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
                at: place.cell(path, &columns[column]),
                remedy: encoding_remedy(path),
            }),
        };
        let cells = wanted.iter().map(cell).collect::<Result<Vec<_>, _>>()?;
        each(place, &cells)?;
    }
    Ok(())
}

fn wrong(path: &Path, place: Place, error: csv::Error) -> DataError {
    match error.into_kind() {
        ErrorKind::Io(source) => failed(path, source),
        ErrorKind::UnequalLengths {
            pos,
            expected_len,
            len,
        } => {
            let line = pos.map(|position| position.line()).or(place.line);
            DataError::Ragged {
                path: path.to_owned(),
                place: Place { line, ..place },
                expected: expected_len,
                found: len,
            }
        }
        // Byte records are neither decoded nor deserialised, so nothing else happens; should it, the reader still says so.
        other => DataError::io(path, std::io::Error::other(format!("{other:?}"))),
    }
}
