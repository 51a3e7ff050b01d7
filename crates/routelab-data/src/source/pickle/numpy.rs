//! NumPy arrays in a pickle.

use std::borrow::Cow;

use half::f16;

use super::{Global, Pickle, Span, Value, count};
use crate::cell::Cell;
use crate::error::DataError;

/// An array of one or two dimensions.
#[derive(Debug)]
pub(in crate::source) struct Array {
    /// `[length]` or `[rows, columns]`.
    shape: Vec<usize>,
    /// Column by column instead of row by row.
    fortran: bool,
    data: Data,
}

#[derive(Clone, Copy, Debug)]
enum Data {
    Raw {
        dtype: Dtype,
        bytes: Span,
    },
    /// A list of Python values.
    Objects(Value),
}

/// Type of an element: `f` float, `i` integer, `u` unsigned, `b` truth value, `U` text of UTF-32, `O` Python value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Dtype {
    kind: u8,
    size: usize,
    big_endian: bool,
}

impl Array {
    /// Reads the array that `value` stands for; `what` names it in errors.
    pub(in crate::source) fn read(
        pickle: &Pickle,
        value: Value,
        what: &str,
    ) -> Result<Self, DataError> {
        let wrong = |detail: &str| pickle.wrong(format!("{what}: {detail}"));
        let Some((class, arguments, state)) = pickle.object(value) else {
            return Err(wrong("expected a NumPy array"));
        };
        let array = match class {
            Global::Reconstruct => {
                // (version, shape, dtype, is Fortran, data)
                let Some([_, shape, dtype, Value::Truth(fortran), data]) = pickle.items(state)
                else {
                    return Err(wrong("the array has no content"));
                };
                let dtype = Dtype::read(pickle, *dtype).ok_or_else(|| wrong(UNKNOWN_TYPE))?;
                let data = match (*data, dtype.kind) {
                    (Value::Bytes(bytes), kind) if kind != b'O' => Data::Raw { dtype, bytes },
                    (list, b'O') => Data::Objects(list),
                    _ => return Err(wrong("the content does not fit the type")),
                };
                Self::shaped(pickle, *shape, *fortran, data)
            }
            Global::FromBuffer => {
                // (bytes, dtype, shape, order)
                let Some([Value::Bytes(bytes), dtype, shape, order]) = pickle.items(arguments)
                else {
                    return Err(wrong("the array has no content"));
                };
                let dtype = Dtype::read(pickle, *dtype)
                    .filter(|dtype| dtype.kind != b'O')
                    .ok_or_else(|| wrong(UNKNOWN_TYPE))?;
                let data = Data::Raw {
                    dtype,
                    bytes: *bytes,
                };
                Self::shaped(pickle, *shape, pickle.text(*order) == Some("F"), data)
            }
            // pandas' array of texts: (dtype, array)
            Global::UnpickleArray => match pickle.items(state) {
                // The array inside must be a NumPy array, so this goes one step down at most.
                Some([_, inner])
                    if pickle
                        .object(*inner)
                        .is_some_and(|(class, ..)| class != Global::UnpickleArray) =>
                {
                    return Self::read(pickle, *inner, what);
                }
                _ => return Err(wrong("the array of texts has no content")),
            },
            _ => return Err(wrong("expected a NumPy array")),
        };
        array.ok_or_else(|| wrong("the shape does not fit the content"))
    }

    /// The array, where its shape holds exactly as many elements as there are.
    fn shaped(pickle: &Pickle, shape: Value, fortran: bool, data: Data) -> Option<Self> {
        let shape: Vec<usize> = pickle
            .items(shape)?
            .iter()
            .map(|&length| count(length))
            .collect::<Option<_>>()?;
        let elements = shape
            .iter()
            .try_fold(1_usize, |product, &length| product.checked_mul(length))?;
        let found = match data {
            Data::Raw { dtype, bytes } => {
                (elements.checked_mul(dtype.size)? == bytes.length).then_some(elements)?
            }
            Data::Objects(list) => pickle.items(list)?.len(),
        };
        ((1..=2).contains(&shape.len()) && found == elements).then_some(Self {
            shape,
            fortran,
            data,
        })
    }

    /// `[length]` or `[rows, columns]`.
    pub(in crate::source) fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// An element of a two-dimensional array, or of a one-dimensional array as if it were one row. The indices must be in
    /// range. An error says what is there that is neither text, number nor truth value.
    pub(in crate::source) fn cell<'p>(
        &self,
        pickle: &'p Pickle,
        row: usize,
        column: usize,
    ) -> Result<Cell<'p>, &'static str> {
        let flat = match *self.shape.as_slice() {
            [rows, _] if self.fortran => column * rows + row,
            [_, columns] => row * columns + column,
            _ => column,
        };
        match self.data {
            Data::Raw { dtype, bytes } => {
                let start = flat * dtype.size;
                Ok(dtype.cell(&pickle.slice(bytes)[start..start + dtype.size]))
            }
            Data::Objects(list) => {
                let item = pickle.items(list).and_then(|items| items.get(flat));
                cell(pickle, *item.ok_or("nothing")?)
            }
        }
    }
}

/// Whether an array has elements of a type that is known to NumPy but is no text, number or truth value, such as times.
pub(super) fn has_other_type(pickle: &Pickle, array: Value) -> bool {
    let dtype = match pickle.object(array) {
        Some((Global::Reconstruct, _, state)) => pickle.items(state).and_then(|state| state.get(2)),
        Some((Global::FromBuffer, arguments, _)) => pickle
            .items(arguments)
            .and_then(|arguments| arguments.get(1)),
        _ => None,
    };
    let name = dtype.and_then(|dtype| match pickle.object(*dtype)? {
        (Global::Dtype, arguments, _) => pickle.text(*pickle.items(arguments)?.first()?),
        _ => None,
    });
    name.is_some_and(|name| {
        matches!(
            name.as_bytes().first(),
            Some(b'M' | b'm' | b'c' | b'S' | b'V')
        )
    })
}

const UNKNOWN_TYPE: &str =
    "cannot read the type of its elements; expected numbers, truth values or texts";

impl Dtype {
    fn read(pickle: &Pickle, value: Value) -> Option<Self> {
        let (Global::Dtype, arguments, state) = pickle.object(value)? else {
            return None;
        };
        let name = pickle.text(*pickle.items(arguments)?.first()?)?;
        // The state is (version, byte order, …); `|` and `=` mean that there is none or the machine's own.
        let order = pickle
            .items(state)
            .and_then(|state| pickle.text(*state.get(1)?));
        let kind = *name.as_bytes().first()?;
        let number: usize = name.get(1..)?.parse().ok()?;
        let size = match (kind, number) {
            (b'f', 2 | 4 | 8) | (b'i' | b'u', 1 | 2 | 4 | 8) | (b'b', 1) | (b'O', 8) => number,
            // A code point takes four bytes, and texts of length 0 would make any number of elements fit.
            (b'U', 1..) => number.checked_mul(4)?,
            _ => return None,
        };
        Some(Self {
            kind,
            size,
            big_endian: order == Some(">"),
        })
    }

    /// The value of `size` bytes.
    fn cell(self, raw: &[u8]) -> Cell<'static> {
        if self.kind == b'U' {
            return Cell::Text(Cow::Owned(utf32(raw, self.big_endian)));
        }
        if self.big_endian {
            let reversed: Vec<u8> = raw.iter().rev().copied().collect();
            return number(self.kind, &reversed);
        }
        number(self.kind, raw)
    }
}

/// Up to eight bytes, least significant first.
pub(super) fn little_endian(raw: &[u8]) -> u64 {
    let mut bytes = [0; 8];
    bytes[..raw.len()].copy_from_slice(raw);
    u64::from_le_bytes(bytes)
}

/// The value of an element of the kind `f`, `i`, `u` or `b`, in up to eight bytes, least significant first.
pub(super) fn number(kind: u8, raw: &[u8]) -> Cell<'static> {
    let number = little_endian(raw);
    match (kind, raw.len()) {
        (b'f', 2) => Cell::Number(f16::from_bits(number as u16).to_f64()),
        (b'f', 4) => Cell::Number(f32::from_bits(number as u32).into()),
        (b'f', _) => Cell::Number(f64::from_bits(number)),
        (b'b', _) => Cell::Truth(number != 0),
        (b'u', _) => Cell::Integer(number.into()),
        (_, size) => {
            let unused = 64 - 8 * size as u32;
            Cell::Integer((number.cast_signed() << unused >> unused).into())
        }
    }
}

/// The text of a fixed number of code points, without the zeros that fill it up.
fn utf32(raw: &[u8], big_endian: bool) -> String {
    let (points, _) = raw.as_chunks::<4>();
    let points = points.iter().map(|&bytes| {
        if big_endian {
            u32::from_be_bytes(bytes)
        } else {
            u32::from_le_bytes(bytes)
        }
    });
    let text: String = points
        .map(|point| char::from_u32(point).unwrap_or(char::REPLACEMENT_CHARACTER))
        .collect();
    text.trim_end_matches('\0').to_owned()
}

/// A Python value as a cell.
pub(in crate::source) fn cell(pickle: &Pickle, value: Value) -> Result<Cell<'_>, &'static str> {
    Ok(match value {
        Value::None => Cell::Missing,
        Value::Truth(truth) => Cell::Truth(truth),
        Value::Integer(number) => Cell::Integer(number),
        Value::Number(number) => Cell::Number(number),
        Value::Text(_) => Cell::Text(Cow::Borrowed(pickle.text(value).unwrap_or_default())),
        Value::Bytes(_) => return Err("bytes"),
        Value::Global(Global::NotAvailable) => Cell::Missing,
        Value::Global(_) => return Err("a class"),
        Value::Node(_) => match pickle.object(value) {
            // NumPy's scalars, such as `numpy.float64(0.5)`: (dtype, bytes)
            Some((Global::Scalar, arguments, _)) => match pickle.items(arguments) {
                Some([dtype, Value::Bytes(bytes)]) => match Dtype::read(pickle, *dtype) {
                    Some(dtype) if dtype.kind != b'O' && dtype.size == bytes.length => {
                        dtype.cell(pickle.slice(*bytes))
                    }
                    _ => return Err("a NumPy scalar of another type"),
                },
                _ => return Err("a NumPy scalar without content"),
            },
            // `Decimal("0.25")`
            Some((Global::Decimal, arguments, _)) => match pickle.items(arguments) {
                Some([number @ Value::Text(_)]) => {
                    Cell::Text(Cow::Borrowed(pickle.text(*number).unwrap_or_default()))
                }
                _ => return Err("a decimal number without content"),
            },
            Some(_) => return Err("an object"),
            None if pickle.items(value).is_some() => return Err("a list"),
            None => return Err("a dictionary"),
        },
    })
}
