//! Parquet, in batches of rows, without Arrow.

mod pages;

use std::any::Any;
use std::borrow::Cow;
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use half::f16;
use parquet::basic::{Compression, ConvertedType, LogicalType, Type as Physical};
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::{ByteArray, DataType};
use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::schema::types::ColumnDescriptor;

use crate::cell::{Cell, EachRow};
use crate::digest::hex;
use crate::error::{DataError, Place};

/// Rows that are decoded at a time.
const BATCH: usize = 1024;

type Reader = SerializedFileReader<File>;

fn open(path: &Path) -> Result<(File, Reader), DataError> {
    let io = |source| DataError::io(path, source);
    let file = File::open(path).map_err(io)?;
    let again = file.try_clone().map_err(io)?;
    Ok((file, guarded(path, || SerializedFileReader::new(again))?))
}

/// Runs a piece of Parquet decoding. A damaged file must not end the program, so a panic of the decoder becomes an error.
fn guarded<T>(
    path: &Path,
    decode: impl FnOnce() -> Result<T, ParquetError>,
) -> Result<T, DataError> {
    let detail = match catch_unwind(AssertUnwindSafe(decode)) {
        Ok(Ok(value)) => return Ok(value),
        Ok(Err(error)) => error.to_string(),
        Err(payload) => panic_text(payload.as_ref()),
    };
    Err(DataError::Parquet {
        path: path.to_owned(),
        detail,
    })
}

fn panic_text(payload: &(dyn Any + Send)) -> String {
    let text = payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("its content contradicts itself").to_owned()
}

pub(super) fn columns(path: &Path) -> Result<Vec<String>, DataError> {
    let (_, reader) = open(path)?;
    let schema = reader.metadata().file_metadata().schema_descr_ptr();
    let root = |column: &ColumnDescriptor| column.path().parts().first().cloned();
    let name = |column: &ColumnDescriptor| {
        let leaves = schema
            .columns()
            .iter()
            .filter(|other| root(other) == root(column));
        match root(column) {
            // A list is called by its own name, not by that of its elements.
            Some(root) if column.max_rep_level() > 0 && leaves.count() == 1 => root,
            _ => column.path().parts().join("."),
        }
    };
    Ok(schema.columns().iter().map(|column| name(column)).collect())
}

/// The value of a key in the file's own metadata.
pub(crate) fn key_value(path: &Path, key: &str) -> Result<Option<String>, DataError> {
    let (_, reader) = open(path)?;
    let pairs = reader.metadata().file_metadata().key_value_metadata();
    Ok(pairs
        .into_iter()
        .flatten()
        .find(|pair| pair.key == key)
        .and_then(|pair| pair.value.clone()))
}

pub(super) fn for_each(
    path: &Path,
    wanted: &[usize],
    each: &mut EachRow<'_>,
) -> Result<(), DataError> {
    let (file, reader) = open(path)?;
    let schema = reader.metadata().file_metadata().schema_descr_ptr();
    for &column in wanted {
        check_type(path, &schema.column(column))?;
    }
    let mut row = 0;
    for index in 0..reader.num_row_groups() {
        check_chunks(path, &file, &reader, index, wanted)?;
        let group = guarded(path, || reader.get_row_group(index))?;
        let mut left = usize::try_from(group.metadata().num_rows()).unwrap_or_default();
        let mut readers = guarded(path, || {
            wanted
                .iter()
                .map(|&column| group.get_column_reader(column))
                .collect::<Result<Vec<_>, _>>()
        })?;
        while left > 0 {
            let rows = left.min(BATCH);
            let batches = readers.iter_mut().zip(wanted).map(|(reader, &column)| {
                let batch = guarded(path, || Batch::read(reader, &schema.column(column), rows))?;
                if batch.len() == rows {
                    return Ok(batch);
                }
                let name = schema.column(column).name().to_owned();
                Err(DataError::Parquet {
                    path: path.to_owned(),
                    detail: format!("column {name:?} ends before the last row"),
                })
            });
            let batches = batches.collect::<Result<Vec<_>, _>>()?;
            for offset in 0..rows {
                row += 1;
                let place = Place { row, line: None };
                let mut cells = Vec::with_capacity(wanted.len());
                for (batch, &column) in batches.iter().zip(wanted) {
                    cells.push(batch.cell(offset).map_err(|()| DataError::Unexpected {
                        at: place.cell(path, schema.column(column).path().parts().join(".")),
                        value: "bytes that are not UTF-8".to_owned(),
                        expected: "text; write the column as strings".to_owned(),
                    })?);
                }
                each(place, &cells)?;
            }
            left -= rows;
        }
    }
    Ok(())
}

/// Refuses what cannot be read as one text, number or truth value per row.
fn check_type(path: &Path, column: &ColumnDescriptor) -> Result<(), DataError> {
    let physical = column.physical_type();
    let fits = match column.logical_type_ref() {
        // A column of nulls.
        Some(LogicalType::Unknown) => true,
        Some(LogicalType::Float16) => column.type_length() == 2,
        Some(LogicalType::Uuid) => column.type_length() == 16,
        Some(LogicalType::Decimal(_)) => physical != Physical::INT96,
        Some(
            LogicalType::String | LogicalType::Enum | LogicalType::Json | LogicalType::Integer(_),
        ) => !matches!(physical, Physical::INT96 | Physical::FIXED_LEN_BYTE_ARRAY),
        Some(_) => false,
        None => {
            let converted = column.converted_type();
            let plain =
                converted == ConvertedType::NONE || is_text(converted) || is_integer(converted);
            let single = !matches!(physical, Physical::INT96 | Physical::FIXED_LEN_BYTE_ARRAY);
            (plain && single)
                || (converted == ConvertedType::DECIMAL && physical != Physical::INT96)
        }
    };
    if fits && column.max_rep_level() == 0 {
        return Ok(());
    }
    let list = if column.max_rep_level() > 0 {
        "a list of "
    } else {
        ""
    };
    let found = match column.logical_type_ref() {
        Some(logical) => format!("{list}{physical} ({logical:?})"),
        None => format!("{list}{physical} ({})", column.converted_type()),
    };
    let name = column.path().parts().first().cloned().unwrap_or_default();
    let remedy = if column.max_rep_level() > 0 {
        format!(
            "make it one text per row, in pandas `df[{name:?}] = df[{name:?}].map(lambda x: \"\\n\".join(map(str, x)))`, and write the file again"
        )
    } else {
        format!(
            "cast it, in pandas `df[{name:?}] = df[{name:?}].astype(str)` (or `float`), and write the file again"
        )
    };
    Err(DataError::ColumnType {
        path: path.to_owned(),
        column: column.path().parts().join("."),
        found,
        remedy,
    })
}

fn is_half(column: &ColumnDescriptor) -> bool {
    matches!(column.logical_type_ref(), Some(LogicalType::Float16))
}

/// Decimals of a DECIMAL column; `None` for other columns.
fn decimals(column: &ColumnDescriptor) -> Option<i32> {
    match column.logical_type_ref() {
        Some(LogicalType::Decimal(decimal)) => Some(decimal.scale),
        None if column.converted_type() == ConvertedType::DECIMAL => Some(column.type_scale()),
        _ => None,
    }
}

/// `unscaled / 10^decimals`, rounded once as if the number had been written in full.
fn decimal_number(unscaled: i128, decimals: i32) -> Option<f64> {
    format!("{unscaled}e{}", -i64::from(decimals)).parse().ok()
}

/// A signed number of up to 32 bytes, big end first, divided by `10^decimals`. NaN, which counts as missing, where a number
/// has no bytes.
fn decimal_bytes(bytes: &[u8], decimals: i32) -> f64 {
    let negative = bytes.first().is_some_and(|first| first & 0x80 != 0);
    if bytes.len() <= 16 {
        let mut number = if negative { -1_i128 } else { 0 };
        for &byte in bytes {
            number = number << 8 | i128::from(byte);
        }
        return match bytes {
            [] => f64::NAN,
            _ => decimal_number(number, decimals).unwrap_or(f64::NAN),
        };
    }
    // More digits than a float has: the sum of the bytes is as exact as the result can be.
    let sum = bytes
        .iter()
        .fold(if negative { -1.0 } else { 0.0 }, |sum, &byte| {
            sum * 256.0 + f64::from(byte)
        });
    sum / 10_f64.powi(decimals)
}

/// The text of a UUID.
fn uuid(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(36);
    for (index, byte) in bytes.iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        text.push_str(&hex(&[*byte]));
    }
    text
}

fn is_text(converted: ConvertedType) -> bool {
    matches!(
        converted,
        ConvertedType::UTF8 | ConvertedType::ENUM | ConvertedType::JSON
    )
}

fn is_integer(converted: ConvertedType) -> bool {
    use ConvertedType::{INT_8, INT_16, INT_32, INT_64, UINT_8, UINT_16, UINT_32, UINT_64};
    matches!(
        converted,
        INT_8 | INT_16 | INT_32 | INT_64 | UINT_8 | UINT_16 | UINT_32 | UINT_64
    )
}

/// Refuses what the decoder would stumble over: compressions that are not built in, and sizes that cannot be.
fn check_chunks(
    path: &Path,
    file: &File,
    reader: &Reader,
    group: usize,
    wanted: &[usize],
) -> Result<(), DataError> {
    let columns = reader.metadata().row_group(group).columns();
    for &column in wanted {
        let Some(chunk) = columns.get(column) else {
            let detail = format!("row group {} has fewer columns than the schema", group + 1);
            return Err(DataError::Parquet {
                path: path.to_owned(),
                detail,
            });
        };
        if !matches!(
            chunk.compression(),
            Compression::UNCOMPRESSED
                | Compression::SNAPPY
                | Compression::GZIP(_)
                | Compression::BROTLI(_)
                | Compression::LZ4
                | Compression::LZ4_RAW
                | Compression::ZSTD(_)
        ) {
            return Err(DataError::ParquetCodec {
                path: path.to_owned(),
                codec: chunk.compression().to_string(),
            });
        }
        pages::check(file, chunk).map_err(|wrong| DataError::Parquet {
            path: path.to_owned(),
            detail: format!("column {:?} {wrong}", chunk.column_path().string()),
        })?;
    }
    Ok(())
}

/// Decoded values of one column; `None` where null.
enum Batch {
    Text(Vec<Option<ByteArray>>),
    Integer(Vec<Option<i128>>),
    Number(Vec<Option<f64>>),
    Truth(Vec<Option<bool>>),
}

impl Batch {
    fn read(
        reader: &mut ColumnReader,
        column: &ColumnDescriptor,
        rows: usize,
    ) -> Result<Self, ParquetError> {
        let most = column.max_def_level();
        let unsigned = matches!(
            column.converted_type(),
            ConvertedType::UINT_8
                | ConvertedType::UINT_16
                | ConvertedType::UINT_32
                | ConvertedType::UINT_64
        ) || matches!(column.logical_type_ref(), Some(LogicalType::Integer(integer)) if !integer.is_signed);
        if let Some(decimals) = decimals(column) {
            return Self::read_decimal(reader, decimals, most, rows);
        }
        Ok(match reader {
            ColumnReader::BoolColumnReader(reader) => {
                Self::Truth(values(reader, most, rows, |truth| truth)?)
            }
            ColumnReader::Int32ColumnReader(reader) if unsigned => {
                Self::Integer(values(reader, most, rows, |number| {
                    i128::from(number.cast_unsigned())
                })?)
            }
            ColumnReader::Int32ColumnReader(reader) => {
                Self::Integer(values(reader, most, rows, i128::from)?)
            }
            ColumnReader::Int64ColumnReader(reader) if unsigned => {
                Self::Integer(values(reader, most, rows, |number| {
                    i128::from(number.cast_unsigned())
                })?)
            }
            ColumnReader::Int64ColumnReader(reader) => {
                Self::Integer(values(reader, most, rows, i128::from)?)
            }
            ColumnReader::FloatColumnReader(reader) => {
                Self::Number(values(reader, most, rows, f64::from)?)
            }
            ColumnReader::DoubleColumnReader(reader) => {
                Self::Number(values(reader, most, rows, |number| number)?)
            }
            ColumnReader::ByteArrayColumnReader(reader) => {
                Self::Text(values(reader, most, rows, |bytes| bytes)?)
            }
            ColumnReader::FixedLenByteArrayColumnReader(reader) if is_half(column) => {
                Self::Number(values(reader, most, rows, |bytes| match bytes.data() {
                    &[low, high] => f16::from_le_bytes([low, high]).to_f64(),
                    _ => f64::NAN,
                })?)
            }
            ColumnReader::FixedLenByteArrayColumnReader(reader) if column.type_length() == 16 => {
                Self::Text(values(reader, most, rows, |bytes| {
                    ByteArray::from(uuid(bytes.data()).as_str())
                })?)
            }
            ColumnReader::Int96ColumnReader(_) | ColumnReader::FixedLenByteArrayColumnReader(_) => {
                return Err(ParquetError::General(format!(
                    "column {:?} has an unreadable type",
                    column.name()
                )));
            }
        })
    }

    /// Numbers in place of the unscaled integers that are stored.
    fn read_decimal(
        reader: &mut ColumnReader,
        decimals: i32,
        most: i16,
        rows: usize,
    ) -> Result<Self, ParquetError> {
        let number = |unscaled: i128| decimal_number(unscaled, decimals).unwrap_or(f64::NAN);
        Ok(match reader {
            // Whole numbers stay exact, since they may be ids.
            ColumnReader::Int32ColumnReader(reader) if decimals == 0 => {
                Self::Integer(values(reader, most, rows, i128::from)?)
            }
            ColumnReader::Int64ColumnReader(reader) if decimals == 0 => {
                Self::Integer(values(reader, most, rows, i128::from)?)
            }
            ColumnReader::Int32ColumnReader(reader) => {
                Self::Number(values(reader, most, rows, |unscaled| {
                    number(unscaled.into())
                })?)
            }
            ColumnReader::Int64ColumnReader(reader) => {
                Self::Number(values(reader, most, rows, |unscaled| {
                    number(unscaled.into())
                })?)
            }
            ColumnReader::ByteArrayColumnReader(reader) => {
                Self::Number(values(reader, most, rows, |bytes| {
                    decimal_bytes(bytes.data(), decimals)
                })?)
            }
            ColumnReader::FixedLenByteArrayColumnReader(reader) => {
                Self::Number(values(reader, most, rows, |bytes| {
                    decimal_bytes(bytes.data(), decimals)
                })?)
            }
            _ => {
                return Err(ParquetError::General(
                    "a DECIMAL column has an unreadable type".to_owned(),
                ));
            }
        })
    }

    fn len(&self) -> usize {
        match self {
            Self::Text(values) => values.len(),
            Self::Integer(values) => values.len(),
            Self::Number(values) => values.len(),
            Self::Truth(values) => values.len(),
        }
    }

    /// The value of a row; an error where text is not UTF-8.
    fn cell(&self, row: usize) -> Result<Cell<'_>, ()> {
        let cell = match self {
            Self::Text(values) => match &values[row] {
                Some(bytes) => Some(Cell::Text(Cow::Borrowed(
                    std::str::from_utf8(bytes.data()).map_err(|_| ())?,
                ))),
                None => None,
            },
            Self::Integer(values) => values[row].map(Cell::Integer),
            Self::Number(values) => values[row].map(Cell::Number),
            Self::Truth(values) => values[row].map(Cell::Truth),
        };
        Ok(cell.unwrap_or(Cell::Missing))
    }
}

/// Up to `rows` values; fewer only where the column ends. A value is null where its definition level is below `most`.
fn values<T: DataType, V>(
    reader: &mut ColumnReaderImpl<T>,
    most: i16,
    rows: usize,
    convert: impl Fn(T::T) -> V,
) -> Result<Vec<Option<V>>, ParquetError> {
    let mut levels = Vec::with_capacity(rows);
    let mut present = Vec::with_capacity(rows);
    let mut read = 0;
    while read < rows {
        let (records, ..) =
            reader.read_records(rows - read, Some(&mut levels), None, &mut present)?;
        if records == 0 {
            break;
        }
        read += records;
    }
    let mut present = present.into_iter().map(convert);
    if most == 0 {
        return Ok(present.map(Some).collect());
    }
    Ok(levels
        .into_iter()
        .map(|level| if level == most { present.next() } else { None })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_the_numbers_that_were_written() {
        assert_eq!(decimal_number(118, 6), Some(0.000118));
        assert_eq!(decimal_number(-5, 1), Some(-0.5));
        assert_eq!(decimal_bytes(&[0x00, 0x76], 6), 0.000118);
        assert_eq!(decimal_bytes(&[0xff, 0xfb], 1), -0.5);
        assert_eq!(decimal_bytes(&[0xff; 20], 0), -1.0);
        let mut wide = [0; 20];
        wide[19] = 118;
        assert_eq!(decimal_bytes(&wide, 6), 0.000118);
        assert!(decimal_bytes(&[], 6).is_nan());
    }

    #[test]
    fn a_uuid_is_its_text() {
        let bytes: Vec<u8> = (0..16).collect();
        assert_eq!(uuid(&bytes), "00010203-0405-0607-0809-0a0b0c0d0e0f");
    }
}
