//! A value of a tabular file, whatever the file is.

use std::borrow::Cow;

use crate::blank::is_blank;
use crate::error::{DataError, Place};

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
    /// The value as text; `None` where it is missing or blank.
    pub(crate) fn text(&self) -> Option<Cow<'_, str>> {
        match self {
            Cell::Missing => None,
            Cell::Text(text) if is_blank(text) => None,
            Cell::Text(text) => Some(Cow::Borrowed(text)),
            Cell::Integer(number) => Some(Cow::Owned(number.to_string())),
            Cell::Number(number) => Some(Cow::Owned(number.to_string())),
            Cell::Truth(truth) => Some(Cow::Owned(truth.to_string())),
        }
    }

    /// The value as a number, true being 1. `Ok(None)` where it is missing or NaN; the text where it is no number.
    /// `decimal_comma` is about numbers in text.
    pub(crate) fn number(&self, decimal_comma: bool) -> Result<Option<f64>, &str> {
        let number = match self {
            Cell::Missing => return Ok(None),
            Cell::Text(text) if is_blank(text) => return Ok(None),
            Cell::Text(text) => match text.trim() {
                "true" | "True" | "TRUE" => 1.0,
                "false" | "False" | "FALSE" => 0.0,
                trimmed if decimal_comma && trimmed.contains('.') => return Err(text),
                trimmed if decimal_comma => {
                    let point = trimmed.replace(',', ".");
                    point.parse().map_err(|_| text.as_ref())?
                }
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
