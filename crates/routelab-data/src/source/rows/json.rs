//! JSON Lines, and JSON arrays of objects, without holding the file in memory.

use std::borrow::Cow;
use std::fmt;
use std::io::{BufRead, BufReader};
use std::path::Path;

use serde::de::{DeserializeOwned, DeserializeSeed, Error as _, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::python_json::PythonNumbers;
use crate::cell::Cell;
use crate::error::{DataError, Place};
use crate::input::{encoding_remedy, failed, open_text};
use crate::schema::FileKind;

/// What a file of records is.
const EXPECTED: &str = "a JSON array of objects, or one JSON object per line";

/// Keys that lead to a value in nested objects.
pub(super) type KeyPath = Vec<String>;

/// A record.
pub(crate) type Object = Map<String, Value>;
type EachObject<'a> = dyn FnMut(Place, &Object) -> Result<(), DataError> + 'a;

/// Reads every record of a JSON array or of JSON Lines.
pub(crate) fn for_each_object(
    path: &Path,
    kind: FileKind,
    each: &mut EachObject<'_>,
) -> Result<(), DataError> {
    let reader = open_text(path)?;
    match kind {
        FileKind::JsonLines => lines(path, reader, each),
        _ => array(path, reader, each),
    }
}

fn lines(
    path: &Path,
    mut reader: impl BufRead,
    each: &mut EachObject<'_>,
) -> Result<(), DataError> {
    let mut bytes = Vec::new();
    let mut row = 0;
    for line in 1.. {
        bytes.clear();
        let length = reader
            .read_until(b'\n', &mut bytes)
            .map_err(|error| failed(path, error))?;
        if length == 0 {
            break;
        }
        if bytes.trim_ascii().is_empty() {
            continue;
        }
        row += 1;
        let place = Place {
            row,
            line: Some(line),
        };
        let object = line_object(&bytes);
        let object = object.map_err(|error| wrong(path, place, &error, EXPECTED))?;
        each(place, &object)?;
    }
    Ok(())
}

/// The object of a line. Python's numbers are rare, so only a line that is no JSON is looked at a second time.
fn line_object(bytes: &[u8]) -> Result<Object, serde_json::Error> {
    serde_json::from_slice(bytes)
        .or_else(|error| serde_json::from_reader(PythonNumbers::new(bytes)).map_err(|_| error))
}

fn array(path: &Path, reader: impl BufRead, each: &mut EachObject<'_>) -> Result<(), DataError> {
    let mut elements = Elements {
        row: 0,
        each,
        failed: None,
    };
    let mut parser =
        serde_json::Deserializer::from_reader(BufReader::new(PythonNumbers::new(reader)));
    let outcome = (&mut elements)
        .deserialize(&mut parser)
        .and_then(|()| parser.end());
    match (elements.failed, outcome) {
        (Some(error), _) => Err(error),
        (None, Ok(())) => Ok(()),
        (None, Err(error)) => {
            let place = Place {
                row: elements.row + 1,
                line: Some(error.line() as u64),
            };
            Err(reader_failed(path, place, error, EXPECTED))
        }
    }
}

/// Reads a file that is one JSON value.
pub(crate) fn whole_json<T: DeserializeOwned>(
    path: &Path,
    expected: &'static str,
) -> Result<T, DataError> {
    let reader = BufReader::new(PythonNumbers::new(open_text(path)?));
    serde_json::from_reader(reader).map_err(|error| {
        let place = Place {
            row: 0,
            line: Some(error.line() as u64),
        };
        reader_failed(path, place, error, expected)
    })
}

/// The error of a parser that reads a file by itself.
fn reader_failed(
    path: &Path,
    place: Place,
    error: serde_json::Error,
    expected: &'static str,
) -> DataError {
    if error.is_io() {
        return failed(path, error.into());
    }
    wrong(path, place, &error, expected)
}

fn wrong(
    path: &Path,
    place: Place,
    error: &serde_json::Error,
    expected: &'static str,
) -> DataError {
    let detail = error.to_string();
    if detail.contains("invalid unicode code point") {
        return DataError::Unreadable {
            path: path.to_owned(),
            problem: format!("{place}: the text is not UTF-8"),
            remedy: encoding_remedy(path),
        };
    }
    DataError::Json {
        path: path.to_owned(),
        place,
        detail,
        expected,
    }
}

/// Takes the elements of an array one after the other. An error of the callback is kept aside, because the parser can
/// only carry errors of its own.
struct Elements<'a, 'b> {
    row: u64,
    each: &'a mut EachObject<'b>,
    failed: Option<DataError>,
}

impl<'de> DeserializeSeed<'de> for &mut Elements<'_, '_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for &mut Elements<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON array of objects")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<(), A::Error> {
        while let Some(object) = sequence.next_element::<Object>()? {
            self.row += 1;
            if let Err(error) = (self.each)(
                Place {
                    row: self.row,
                    line: None,
                },
                &object,
            ) {
                self.failed = Some(error);
                return Err(A::Error::custom("stopped by the reader"));
            }
        }
        Ok(())
    }
}

/// The key paths of all records, in the order in which they first occur. Objects are entered, arrays are not.
pub(super) fn columns(path: &Path, kind: FileKind) -> Result<Vec<KeyPath>, DataError> {
    let mut found = Vec::new();
    let mut known = std::collections::HashSet::new();
    for_each_object(path, kind, &mut |_, object| {
        walk(object, &mut Vec::new(), &mut |key| {
            if !known.contains(key) {
                known.insert(key.to_vec());
                found.push(key.to_vec());
            }
        });
        Ok(())
    })?;
    Ok(found)
}

fn walk(object: &Object, prefix: &mut Vec<String>, leaf: &mut impl FnMut(&[String])) {
    for (key, value) in object {
        prefix.push(key.clone());
        match value {
            Value::Object(inner) => walk(inner, prefix, leaf),
            _ => leaf(prefix),
        }
        prefix.pop();
    }
}

/// The value at a key path. An array comes as its JSON text.
pub(super) fn cell<'a>(object: &'a Object, path: &KeyPath) -> Cell<'a> {
    let mut keys = path.iter();
    let mut value = keys.next().and_then(|key| object.get(key));
    for key in keys {
        value = value.and_then(|inner| inner.get(key));
    }
    value.map_or(Cell::Missing, value_cell)
}

/// A JSON value. An array or an object comes as its JSON text.
pub(crate) fn value_cell(value: &Value) -> Cell<'_> {
    match value {
        Value::Null => Cell::Missing,
        Value::Bool(truth) => Cell::Truth(*truth),
        Value::String(text) => Cell::Text(Cow::Borrowed(text)),
        Value::Number(number) => match (number.as_i128(), number.as_f64()) {
            (Some(integer), _) => Cell::Integer(integer),
            (None, Some(float)) => Cell::Number(float),
            (None, None) => Cell::Text(Cow::Owned(number.to_string())),
        },
        nested => Cell::Text(Cow::Owned(nested.to_string())),
    }
}
