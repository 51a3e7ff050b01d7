//! The columns of a pandas data frame: NumPy arrays, and pandas' own arrays of texts, categories and numbers with gaps, which
//! may lie in the memory layout of Apache Arrow (<https://arrow.apache.org/docs/format/Columnar.html>).

use std::borrow::Cow;

use super::numpy::{self, Array};
use super::{Global, Pickle, Span, Value, count};
use crate::cell::Cell;
use crate::error::DataError;

/// Columns of one type.
pub(in crate::source) enum Block {
    /// One or several columns.
    Numpy(Array),
    /// One column, in pieces.
    Arrow(Vec<Chunk>),
    /// One column, and where it has gaps.
    Masked { values: Array, missing: Array },
    /// One column of numbers of categories, -1 for a gap.
    Categories {
        codes: Array,
        categories: Box<Block>,
    },
    /// The whole numbers from `start`.
    Range {
        start: i128,
        step: i128,
        length: usize,
    },
    /// Columns of a type that no table needs, such as times; they only matter if a cell of them is wanted.
    Unread,
}

impl Block {
    /// Reads the array that `value` stands for; `what` names it in errors.
    pub(in crate::source) fn read(
        pickle: &Pickle,
        value: Value,
        what: &str,
    ) -> Result<Self, DataError> {
        let wrong = |detail: &str| pickle.wrong(format!("{what}: {detail}"));
        let Some((class, arguments, state)) = pickle.object(value) else {
            return Err(wrong("expected an array"));
        };
        match class {
            Global::ArrowArray => {
                let content = pickle
                    .get(state, "_pa_array")
                    .or_else(|| pickle.get(state, "_data"))
                    .ok_or_else(|| wrong("the Arrow array has no content"))?;
                arrow(pickle, content).map_err(wrong)
            }
            Global::MaskedArray => {
                let part = |key| {
                    let part = pickle.get(state, key);
                    part.ok_or_else(|| wrong("the array with gaps has no content"))
                };
                let values = Array::read(pickle, part("_data")?, what)?;
                let missing = Array::read(pickle, part("_mask")?, what)?;
                match (values.shape(), missing.shape()) {
                    ([values], [missing]) if values == missing => {}
                    _ => return Err(wrong("the gaps do not fit the values")),
                }
                Ok(Self::Masked { values, missing })
            }
            Global::Categorical => categorical(pickle, state, what),
            Global::UnpickleArray => {
                let class = pickle.items(arguments).and_then(<[Value]>::first);
                match class {
                    Some(Value::Global(Global::Categorical)) => categorical(pickle, state, what),
                    Some(Value::Global(Global::Other)) => Ok(Self::Unread),
                    _ => Array::read(pickle, value, what).map(Self::Numpy),
                }
            }
            Global::Other => Ok(Self::Unread),
            _ if numpy::has_other_type(pickle, value) => Ok(Self::Unread),
            _ => Array::read(pickle, value, what).map(Self::Numpy),
        }
    }

    /// Reads the labels of an index.
    pub(in crate::source) fn labels(
        pickle: &Pickle,
        index: Value,
        what: &str,
    ) -> Result<Self, DataError> {
        // `_new_Index(class, {"data": array, "name": …})`
        let content = match pickle.object(index) {
            Some((Global::NewIndex, arguments, _)) => pickle.items(arguments),
            _ => None,
        };
        let block = match content {
            Some([Value::Global(Global::Index), content]) => match pickle.get(*content, "data") {
                Some(data) if !is_categorical(pickle, data) => {
                    Some(Self::read(pickle, data, what)?)
                }
                _ => None,
            },
            Some([Value::Global(Global::RangeIndex), content]) => range(pickle, *content),
            _ => None,
        };
        block.ok_or_else(|| pickle.wrong(format!("{what}: expected a plain list of labels")))
    }

    /// Columns and rows; `None` where they are not known.
    pub(in crate::source) fn shape(&self) -> Option<(usize, usize)> {
        let array = match self {
            Self::Arrow(chunks) => {
                return Some((1, chunks.iter().map(|chunk| chunk.length).sum()));
            }
            Self::Range { length, .. } => return Some((1, *length)),
            Self::Unread => return None,
            Self::Numpy(array) => array,
            Self::Masked { values, .. } => values,
            Self::Categories { codes, .. } => codes,
        };
        Some(match *array.shape() {
            [lines, length] => (lines, length),
            [length] => (1, length),
            _ => (0, 0),
        })
    }

    /// A cell; the indices must be in range. An error says what is there that is neither text, number nor truth value.
    pub(in crate::source) fn cell<'p>(
        &'p self,
        pickle: &'p Pickle,
        line: usize,
        row: usize,
    ) -> Result<Cell<'p>, &'static str> {
        match self {
            Self::Numpy(array) => array.cell(pickle, line, row),
            Self::Arrow(chunks) => {
                let mut row = row;
                for chunk in chunks {
                    if row < chunk.length {
                        return chunk.cell(pickle, row);
                    }
                    row -= chunk.length;
                }
                Err("nothing")
            }
            Self::Masked { values, missing } => match missing.cell(pickle, 0, row)? {
                Cell::Truth(true) => Ok(Cell::Missing),
                _ => values.cell(pickle, 0, row),
            },
            Self::Categories { codes, categories } => {
                let Cell::Integer(code) = codes.cell(pickle, 0, row)? else {
                    return Err("a category without a number");
                };
                let length = categories.shape().map_or(0, |(_, length)| length);
                match usize::try_from(code) {
                    Err(_) => Ok(Cell::Missing),
                    Ok(code) if code < length => categories.cell(pickle, 0, code),
                    Ok(_) => Err("a category that does not exist"),
                }
            }
            Self::Range { start, step, .. } => Ok(Cell::Integer(start + step * row as i128)),
            Self::Unread => Err("a time, a list or another type"),
        }
    }
}

fn is_categorical(pickle: &Pickle, value: Value) -> bool {
    match pickle.object(value) {
        Some((Global::Categorical, ..)) => true,
        Some((Global::UnpickleArray, arguments, _)) => {
            let class = pickle.items(arguments).and_then(<[Value]>::first);
            matches!(class, Some(Value::Global(Global::Categorical)))
        }
        _ => false,
    }
}

/// A RangeIndex: `{"start": …, "stop": …, "step": …}`.
fn range(pickle: &Pickle, content: Value) -> Option<Block> {
    let number = |key| match pickle.get(content, key) {
        Some(Value::Integer(number)) => i64::try_from(number).ok().map(i128::from),
        _ => None,
    };
    let (start, stop, step) = (number("start")?, number("stop")?, number("step")?);
    let length = match step {
        0 => return None,
        _ => ((stop - start) as f64 / step as f64).ceil().max(0.0),
    };
    Some(Block::Range {
        start,
        step,
        length: length as usize,
    })
}

/// The state of pandas' Categorical: its type, which has the categories, and the number of each row's category; as a tuple in
/// either order, or as a dictionary.
fn categorical(pickle: &Pickle, state: Value, what: &str) -> Result<Block, DataError> {
    let items: Vec<Value> = match (pickle.items(state), pickle.entries(state)) {
        (Some(items), _) => items.to_vec(),
        (None, Some(entries)) => entries.iter().map(|(_, value)| *value).collect(),
        (None, None) => Vec::new(),
    };
    let class = |value: &Value| pickle.object(*value).map(|(class, ..)| class);
    let find = |wanted: &dyn Fn(Global) -> bool| {
        let found = items.iter().find(|item| class(item).is_some_and(wanted));
        found.copied()
    };
    let codes = find(&|class| matches!(class, Global::Reconstruct | Global::FromBuffer));
    let dtype = find(&|class| class == Global::CategoricalDtype);
    let (Some(codes), Some(dtype)) = (codes, dtype) else {
        return Err(pickle.wrong(format!("{what}: the categories have no content")));
    };
    let codes = Array::read(pickle, codes, what)?;
    // `CategoricalDtype(categories, ordered)`, or an empty one and a state with the same.
    let categories = match pickle.object(dtype) {
        Some((_, arguments, state)) => pickle.get(state, "categories").or_else(|| {
            let arguments = pickle.items(arguments)?;
            arguments.first().copied()
        }),
        None => None,
    };
    let categories =
        categories.ok_or_else(|| pickle.wrong(format!("{what}: there are no categories")))?;
    if codes.shape().len() != 1 {
        return Err(pickle.wrong(format!("{what}: the categories are no column")));
    }
    Ok(Block::Categories {
        codes,
        categories: Box::new(Block::labels(pickle, categories, what)?),
    })
}

/// A piece of a column in the layout of Arrow.
pub(in crate::source) struct Chunk {
    kind: Kind,
    length: usize,
    /// Elements that are left out at the beginning of the buffers.
    offset: usize,
    /// One bit per element, 1 where there is a value. None where all have one.
    valid: Option<Span>,
    /// Positions in the text, or the values.
    values: Option<Span>,
    text: Option<Span>,
}

#[derive(Clone, Copy)]
enum Kind {
    Null,
    Truth,
    /// As NumPy calls it, and its bytes.
    Number(u8, usize),
    /// Bytes of a position.
    Text(usize),
}

impl Kind {
    fn of(alias: &str) -> Option<Self> {
        Some(match alias {
            "null" => Self::Null,
            "bool" => Self::Truth,
            "int8" => Self::Number(b'i', 1),
            "int16" => Self::Number(b'i', 2),
            "int32" => Self::Number(b'i', 4),
            "int64" => Self::Number(b'i', 8),
            "uint8" => Self::Number(b'u', 1),
            "uint16" => Self::Number(b'u', 2),
            "uint32" => Self::Number(b'u', 4),
            "uint64" => Self::Number(b'u', 8),
            "halffloat" | "float16" => Self::Number(b'f', 2),
            "float" | "float32" => Self::Number(b'f', 4),
            "double" | "float64" => Self::Number(b'f', 8),
            "string" | "utf8" => Self::Text(4),
            "large_string" | "large_utf8" => Self::Text(8),
            _ => return None,
        })
    }
}

/// An array of pyarrow, or a list of them; unread where its type is none of a table's.
fn arrow(pickle: &Pickle, value: Value) -> Result<Block, &'static str> {
    const NO_CONTENT: &str = "the Arrow array has no content";
    let (class, arguments, _) = pickle.object(value).ok_or(NO_CONTENT)?;
    let arguments = pickle.items(arguments).ok_or(NO_CONTENT)?;
    let arrays = match (class, arguments) {
        (Global::RestoreArray, _) => vec![value],
        // `chunked_array([array, …], type)`
        (Global::ChunkedArray, [arrays, ..]) => pickle.items(*arrays).ok_or(NO_CONTENT)?.to_vec(),
        _ => return Err("expected an Arrow array"),
    };
    let chunks = arrays.into_iter().map(|array| Chunk::read(pickle, array));
    let chunks: Option<Vec<Chunk>> = chunks.collect::<Result<_, _>>()?;
    Ok(chunks.map_or(Block::Unread, Block::Arrow))
}

impl Chunk {
    /// Reads `_restore_array((type, length, nulls, offset, [buffer, …], children, dictionary))`; `None` for another type.
    fn read(pickle: &Pickle, value: Value) -> Result<Option<Self>, &'static str> {
        let arguments = match pickle.object(value) {
            Some((Global::RestoreArray, arguments, _)) => pickle.items(arguments),
            _ => None,
        };
        let Some([content]) = arguments else {
            return Err("expected an Arrow array");
        };
        let Some([kind, length, _, offset, buffers, ..]) = pickle.items(*content) else {
            return Err("the Arrow array has no content");
        };
        let alias = match pickle.object(*kind) {
            Some((Global::ArrowType, arguments, _)) => pickle.items(arguments),
            _ => return Ok(None),
        };
        let kind = match alias.and_then(<[Value]>::first) {
            Some(&alias) => pickle.text(alias).and_then(Kind::of),
            None => None,
        };
        let Some(kind) = kind else {
            return Ok(None);
        };
        let (Some(length), Some(offset)) = (count(*length), count(*offset)) else {
            return Err("the length of the Arrow array is no number");
        };
        let buffers = pickle
            .items(*buffers)
            .ok_or("the Arrow array has no buffers")?;
        let buffer = |index: usize| match buffers.get(index) {
            None | Some(Value::None) => Ok(None),
            // `py_buffer(bytes)`
            Some(&buffer) => match pickle.object(buffer) {
                Some((Global::Buffer, arguments, _)) => match pickle.items(arguments) {
                    Some([Value::Bytes(span)]) => Ok(Some(*span)),
                    _ => Err("a buffer of the Arrow array has no content"),
                },
                _ => Err("a buffer of the Arrow array is something else"),
            },
        };
        let chunk = Self {
            kind,
            length,
            offset,
            valid: buffer(0)?,
            values: buffer(1)?,
            text: buffer(2)?,
        };
        if chunk.fits(pickle) {
            Ok(Some(chunk))
        } else {
            Err("the buffers of the Arrow array are too short")
        }
    }

    /// Whether the buffers hold as many elements as the length says.
    fn fits(&self, pickle: &Pickle) -> bool {
        let Some(end) = self.offset.checked_add(self.length) else {
            return false;
        };
        let holds = |span: Option<Span>, bytes: Option<usize>| {
            let held = span.map_or(0, |span| span.length);
            bytes.is_some_and(|bytes| bytes <= held)
        };
        let values = match self.kind {
            // A column of nulls takes no bytes at all, so only the file bounds it.
            Kind::Null => return end <= pickle.bytes.len(),
            Kind::Truth => Some(end.div_ceil(8)),
            Kind::Number(_, size) => end.checked_mul(size),
            Kind::Text(_) if self.length == 0 => Some(0),
            Kind::Text(size) => end.checked_add(1).and_then(|end| end.checked_mul(size)),
        };
        holds(self.values, values)
            && (self.valid.is_none() || holds(self.valid, Some(end.div_ceil(8))))
    }

    fn cell<'p>(&self, pickle: &'p Pickle, row: usize) -> Result<Cell<'p>, &'static str> {
        const TOO_SHORT: &str = "an Arrow array that ends early";
        let index = self.offset + row;
        let bit = |span: Span| pickle.slice(span)[index / 8] >> (index % 8) & 1 == 1;
        if matches!(self.kind, Kind::Null) || self.valid.is_some_and(|valid| !bit(valid)) {
            return Ok(Cell::Missing);
        }
        let values = self.values.ok_or(TOO_SHORT)?;
        let raw =
            |index: usize, size: usize| &pickle.slice(values)[index * size..(index + 1) * size];
        Ok(match self.kind {
            Kind::Null => Cell::Missing,
            Kind::Truth => Cell::Truth(bit(values)),
            Kind::Number(kind, size) => numpy::number(kind, raw(index, size)),
            Kind::Text(size) => {
                let place = |index| {
                    let place = numpy::little_endian(raw(index, size));
                    usize::try_from(place).map_err(|_| TOO_SHORT)
                };
                let (start, end) = (place(index)?, place(index + 1)?);
                let text = self.text.map_or(&[][..], |text| pickle.slice(text));
                let bytes = text.get(start..end).ok_or(TOO_SHORT)?;
                let text = std::str::from_utf8(bytes).map_err(|_| "text that is not UTF-8")?;
                Cell::Text(Cow::Borrowed(text))
            }
        })
    }
}
