//! What the headers of a column's pages claim, looked at before anything is decoded.
//!
//! The decoder makes room for as many bytes and dictionary entries as a header says. In a damaged file that can be all the
//! memory there is, so every claim is first held against the bytes that are there. The headers are Thrift structures in the
//! compact protocol: <https://parquet.apache.org/docs/file-format/data-pages/>.

use std::fs::File;
use std::io::{self, BufReader, Read as _, Seek as _, SeekFrom};

use parquet::file::metadata::ColumnChunkMetaData;

/// Bytes that a page may take in memory, and how many times its size in the file it may take beyond that.
const SMALL_PAGE: u64 = 16 << 20;
const EXPANSION: u64 = 1024;
/// Bytes that are read at once: a header or two.
const HEADER: usize = 256;
/// Structures within structures; a header has three.
const DEPTH: usize = 8;

/// The type of a field, in the compact protocol.
const STOP: u8 = 0;
const TRUE: u8 = 1;
const FALSE: u8 = 2;
const BYTE: u8 = 3;
const I16: u8 = 4;
const I32: u8 = 5;
const I64: u8 = 6;
const DOUBLE: u8 = 7;
const BINARY: u8 = 8;
const STRUCT: u8 = 12;

/// What is wrong with a column.
type Checked<T> = Result<T, String>;

/// Looks at the pages of a column until they hold all of its values. The error says what is wrong.
pub(super) fn check(file: &File, chunk: &ColumnChunkMetaData) -> Checked<()> {
    let length = file.metadata().map_err(said)?.len();
    let start = chunk
        .dictionary_page_offset()
        .unwrap_or(chunk.data_page_offset());
    let (Ok(start), Ok(size)) = (u64::try_from(start), u64::try_from(chunk.compressed_size()))
    else {
        return Err("has a negative place or size".to_owned());
    };
    if start.checked_add(size).is_none_or(|end| end > length) {
        return Err(format!(
            "should be {size} bytes from byte {start} on, but the file has {length} bytes"
        ));
    }
    let mut pages = Pages {
        file: BufReader::with_capacity(HEADER, file),
        left: size,
    };
    pages.file.seek(SeekFrom::Start(start)).map_err(said)?;
    let mut values = 0;
    while pages.left > 0 && values < chunk.num_values() {
        let page = pages.header()?;
        if page.stored > pages.left {
            return Err("has a page that is longer than the column".to_owned());
        }
        if page.size > SMALL_PAGE.saturating_add(page.stored.saturating_mul(EXPANSION)) {
            return Err(format!(
                "has a page of {} bytes that claims to hold {}",
                page.stored, page.size
            ));
        }
        // Every entry takes a byte at least.
        if page.entries > page.size {
            return Err(format!(
                "has a dictionary of {} bytes that claims to hold {} entries",
                page.size, page.entries
            ));
        }
        values += page.values;
        pages.skip(page.stored)?;
    }
    Ok(())
}

fn said(error: io::Error) -> String {
    format!("cannot be read: {error}")
}

fn spoilt() -> String {
    "has a page header that cannot be read".to_owned()
}

/// What a page's header says.
#[derive(Default)]
struct Page {
    /// Bytes in the file.
    stored: u64,
    /// Bytes in memory.
    size: u64,
    /// Values of a page of data.
    values: i64,
    /// Entries of a dictionary.
    entries: u64,
}

impl Page {
    /// Keeps the number at a place in the header: the fields' numbers, from the outermost structure on.
    fn set(&mut self, place: &[i64], number: i64) -> Checked<()> {
        let claim = || u64::try_from(number).map_err(|_| spoilt());
        match place {
            [2] => self.size = claim()?,
            [3] => self.stored = claim()?,
            // A page of data in the first version and in the second.
            [5 | 8, 1] => self.values = number,
            [7, 1] => self.entries = claim()?,
            _ => {}
        }
        Ok(())
    }
}

struct Pages<'a> {
    file: BufReader<&'a File>,
    /// Bytes of the column that are still ahead.
    left: u64,
}

impl Pages<'_> {
    fn header(&mut self) -> Checked<Page> {
        let mut page = Page::default();
        self.fields(&mut Vec::new(), &mut page)?;
        Ok(page)
    }

    /// The fields of the structure at `place`.
    fn fields(&mut self, place: &mut Vec<i64>, page: &mut Page) -> Checked<()> {
        let mut id = 0_i64;
        loop {
            let head = self.byte()?;
            // Four bits say how far the field's number is from the last one, or that it follows; four say its type.
            id = match (head & 15, head >> 4) {
                (STOP, _) => return Ok(()),
                (_, 0) => self.integer()?,
                (_, step) => id.saturating_add(step.into()),
            };
            place.push(id);
            match head & 15 {
                TRUE | FALSE => {}
                I16 | I32 | I64 => {
                    let number = self.integer()?;
                    page.set(place, number)?;
                }
                BYTE => self.skip(1)?,
                DOUBLE => self.skip(8)?,
                BINARY => {
                    let length = self.varint()?;
                    self.skip(length)?;
                }
                STRUCT if place.len() < DEPTH => self.fields(place, page)?,
                // Headers have no lists and no maps.
                _ => return Err(spoilt()),
            }
            place.pop();
        }
    }

    fn byte(&mut self) -> Checked<u8> {
        self.take(1)?;
        let mut byte = [0];
        self.file.read_exact(&mut byte).map_err(said)?;
        Ok(byte[0])
    }

    /// Seven bits per byte, the low ones first; the high bit says that more follow.
    fn varint(&mut self) -> Checked<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(spoilt())
    }

    /// A signed number, whose sign is the lowest bit.
    fn integer(&mut self) -> Checked<i64> {
        let number = self.varint()?;
        Ok((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
    }

    fn skip(&mut self, bytes: u64) -> Checked<()> {
        self.take(bytes)?;
        let bytes = i64::try_from(bytes).map_err(|_| spoilt())?;
        self.file.seek_relative(bytes).map_err(said)
    }

    fn take(&mut self, bytes: u64) -> Checked<()> {
        self.left = self.left.checked_sub(bytes).ok_or_else(spoilt)?;
        Ok(())
    }
}
