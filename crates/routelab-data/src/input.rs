//! Files as people really have them: compressed, with a byte order mark, in another encoding. Everything that is read as text
//! or as a pickle comes through here; [`read_text`] is for small files that are held as a whole.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;

use crate::error::DataError;

/// Bytes that are looked at to learn what a file is.
const HEAD: usize = 4096;
/// A compressed file may always unpack to this much.
const ALWAYS_ALLOWED: u64 = 64 << 20;
/// Beyond that, to this many times its size. Tables of scores reach some 50; a file made to exhaust the machine, thousands.
const MOST_EXPANSION: u64 = 250;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// How a file is compressed, by its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Packing {
    Plain,
    Gzip,
    Zstd,
}

impl Packing {
    /// The command that writes the unpacked bytes to its standard output.
    fn command(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Gzip => Some("gzip -dc"),
            Self::Zstd => Some("zstd -dc"),
        }
    }
}

/// What the first bytes of a file say.
pub(crate) struct Head {
    pub(crate) packing: Packing,
    /// The first bytes after unpacking, without a byte order mark. Empty only where the file has no content.
    pub(crate) bytes: Vec<u8>,
}

impl Head {
    /// Looks at the beginning of a file.
    pub(crate) fn of(path: &Path) -> Result<Self, DataError> {
        let (packing, mut reader) = open_unpacked(path)?;
        let bytes = beginning(path, &mut reader)?;
        let bytes = bytes
            .strip_prefix(BYTE_ORDER_MARK)
            .map_or_else(|| bytes.clone(), <[u8]>::to_vec);
        Ok(Self { packing, bytes })
    }
}

/// Reads a whole text file: UTF-8, with or without a byte order mark, which is left out; gzip and Zstandard are unpacked.
///
/// # Errors
/// [`DataError::Io`] when it cannot be read; [`DataError::NotAFile`] for a folder; [`DataError::Unreadable`] when it is in
/// another encoding or packed in another way, with a command that converts it.
pub fn read_text(path: &Path) -> Result<String, DataError> {
    let mut bytes = Vec::new();
    let read = open_text(path)?.read_to_end(&mut bytes);
    read.map_err(|error| failed(path, error))?;
    String::from_utf8(bytes).map_err(|error| {
        let line = 1 + error.as_bytes()[..error.utf8_error().valid_up_to()]
            .iter()
            .filter(|&&byte| byte == b'\n')
            .count();
        DataError::Unreadable {
            path: path.to_owned(),
            problem: format!("the text is not UTF-8 (line {line})"),
            remedy: encoding_remedy(path),
        }
    })
}

/// Opens a text file for reading piece by piece: unpacked, without a byte order mark. Errors of the reader are to be
/// translated by [`failed`].
pub(crate) fn open_text(path: &Path) -> Result<impl BufRead + use<>, DataError> {
    let (packing, mut reader) = open_unpacked(path)?;
    let bytes = beginning(path, &mut reader)?;
    check_text(path, packing, &bytes)?;
    let mut bytes = Cursor::new(bytes);
    if bytes.get_ref().starts_with(BYTE_ORDER_MARK) {
        bytes.set_position(BYTE_ORDER_MARK.len() as u64);
    }
    Ok(BufReader::with_capacity(1 << 16, bytes.chain(reader)))
}

/// Reads a file into memory, unpacked.
pub(crate) fn read_bytes(path: &Path) -> Result<Vec<u8>, DataError> {
    let (_, mut reader) = open_unpacked(path)?;
    let mut bytes = Vec::new();
    match reader.read_to_end(&mut bytes) {
        Ok(_) => Ok(bytes),
        Err(error) => Err(failed(path, error)),
    }
}

/// The error of a reader that [`open_text`] gave, about the file at `path`.
pub(crate) fn failed(path: &Path, error: io::Error) -> DataError {
    let path = path.to_owned();
    match error.downcast::<Fault>() {
        Ok(Fault { problem, remedy }) => DataError::Unreadable {
            path,
            problem,
            remedy,
        },
        Err(source) => DataError::Io { path, source },
    }
}

/// What is wrong with a compressed stream, on its way through [`io::Error`].
#[derive(Debug, thiserror::Error)]
#[error("{problem}; {remedy}")]
struct Fault {
    problem: String,
    remedy: String,
}

impl Fault {
    fn io(problem: String, remedy: String) -> io::Error {
        io::Error::other(Self { problem, remedy })
    }
}

type Unpacked = Box<dyn Read + Send>;

fn open_unpacked(path: &Path) -> Result<(Packing, Unpacked), DataError> {
    let io = |source| DataError::io(path, source);
    if path.is_dir() {
        return Err(DataError::NotAFile {
            path: path.to_owned(),
        });
    }
    let mut file = File::open(path).map_err(io)?;
    let length = file.metadata().map_err(io)?.len();
    let mut magic = Vec::with_capacity(8);
    file.by_ref().take(8).read_to_end(&mut magic).map_err(io)?;
    file.seek(SeekFrom::Start(0)).map_err(io)?;
    let file = BufReader::with_capacity(1 << 16, file);
    let packing = packing(path, &magic)?;
    let inner: Unpacked = match packing {
        Packing::Plain => return Ok((packing, Box::new(file))),
        Packing::Gzip => Box::new(MultiGzDecoder::new(file)),
        Packing::Zstd => Box::new(zstd::stream::read::Decoder::with_buffer(file).map_err(io)?),
    };
    let limit = ALWAYS_ALLOWED.saturating_add(length.saturating_mul(MOST_EXPANSION));
    Ok((
        packing,
        Box::new(Limited {
            inner,
            packing,
            path: path.to_owned(),
            limit,
            given: 0,
        }),
    ))
}

/// The compression that the first bytes say; an error for one that is not unpacked here.
fn packing(path: &Path, magic: &[u8]) -> Result<Packing, DataError> {
    let name = quoted(path);
    let (found, remedy) = match magic {
        [0x1f, 0x8b, ..] => return Ok(Packing::Gzip),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => return Ok(Packing::Zstd),
        [b'B', b'Z', b'h', b'1'..=b'9', ..] => (
            "it is compressed with bzip2, which is not read",
            format!("unpack it with `bunzip2 -k {name}` and name the new file"),
        ),
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => (
            "it is compressed with xz, which is not read",
            format!("unpack it with `xz -dk {name}` and name the new file"),
        ),
        [0x04, 0x22, 0x4d, 0x18, ..] => (
            "it is compressed with LZ4, which is not read",
            format!("unpack it with `lz4 -dk {name}` and name the new file"),
        ),
        [b'7', b'z', 0xbc, 0xaf, 0x27, 0x1c, ..] => (
            "it is a 7z archive",
            format!("unpack it with `7z x {name}` and name the file in it"),
        ),
        [b'P', b'K', 3, 4, ..] => (
            "it is a zip archive or an Excel workbook",
            format!(
                "unpack it with `unzip {name}` and name the file in it; save a workbook as CSV in the program that wrote it"
            ),
        ),
        _ => return Ok(Packing::Plain),
    };
    Err(DataError::Unreadable {
        path: path.to_owned(),
        problem: found.to_owned(),
        remedy,
    })
}

/// A compressed stream that may not grow without bounds.
struct Limited {
    inner: Unpacked,
    packing: Packing,
    path: PathBuf,
    limit: u64,
    given: u64,
}

impl Read for Limited {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let command = self.packing.command().unwrap_or("gzip -dc");
        let read = self.inner.read(buffer).map_err(|error| {
            let name = match self.packing {
                Packing::Zstd => "Zstandard",
                _ => "gzip",
            };
            if error.to_string().contains("too much memory") {
                return Fault::io(
                    format!("its {name} stream needs more memory than is given to one file"),
                    format!(
                        "unpack it with `zstd -d --memory=2048MB {}` and name the new file",
                        quoted(&self.path)
                    ),
                );
            }
            let what = match error.kind() {
                io::ErrorKind::UnexpectedEof => "ends in the middle",
                _ => "is damaged",
            };
            Fault::io(
                format!("it is compressed with {name}, and the compressed stream {what} ({error})"),
                format!(
                    "copy or download it again; `{command} {} > /dev/null` tests it",
                    quoted(&self.path)
                ),
            )
        })?;
        self.given += read as u64;
        if self.given <= self.limit {
            return Ok(read);
        }
        Err(Fault::io(
            format!(
                "it unpacks to more than {MOST_EXPANSION} times its size (and {} MiB), which no table does",
                ALWAYS_ALLOWED >> 20
            ),
            format!(
                "if you trust it, unpack it with `{command} {} > {}` and name the new file",
                quoted(&self.path),
                quoted(&without_packing(&self.path))
            ),
        ))
    }
}

/// Up to [`HEAD`] bytes, fewer only at the end of the file.
fn beginning(path: &Path, reader: &mut impl Read) -> Result<Vec<u8>, DataError> {
    let mut bytes = Vec::with_capacity(HEAD);
    let read = reader.take(HEAD as u64).read_to_end(&mut bytes);
    read.map_err(|error| failed(path, error))?;
    Ok(bytes)
}

/// Refuses what is no text in UTF-8, as far as its beginning tells.
fn check_text(path: &Path, packing: Packing, bytes: &[u8]) -> Result<(), DataError> {
    let encoding = match bytes {
        [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] => Some("UTF-32"),
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => Some("UTF-16"),
        _ if zeros(bytes, 1) => Some("UTF-16LE"),
        _ if zeros(bytes, 0) => Some("UTF-16BE"),
        _ => None,
    };
    let (problem, remedy) = if let Some(encoding) = encoding {
        let problem = format!("the text is {encoding}, expected UTF-8");
        (problem, conversion(path, packing, encoding))
    } else if bytes.starts_with(b"version https://git-lfs") {
        let problem = "it is a pointer of Git LFS, not the file itself".to_owned();
        (problem, "fetch the file with `git lfs pull`".to_owned())
    } else if is_web_page(bytes) {
        let problem = "it is a web page, not data".to_owned();
        let remedy = "download the file itself, not the page about it".to_owned();
        (problem, remedy)
    } else {
        return Ok(());
    };
    Err(DataError::Unreadable {
        path: path.to_owned(),
        problem,
        remedy,
    })
}

/// Whether every second byte is zero, beginning with `first`, and the others are not, as in Latin text in UTF-16.
fn zeros(bytes: &[u8], first: usize) -> bool {
    let bytes = &bytes[..bytes.len().min(64) & !1];
    let count = |first: usize| {
        bytes
            .iter()
            .skip(first)
            .step_by(2)
            .filter(|&&byte| byte == 0)
            .count()
    };
    bytes.len() >= 4 && 10 * count(first) >= 9 * bytes.len() / 2 && count(1 - first) == 0
}

fn is_web_page(bytes: &[u8]) -> bool {
    let start: Vec<u8> = bytes
        .trim_ascii_start()
        .iter()
        .take(14)
        .map(u8::to_ascii_lowercase)
        .collect();
    start.starts_with(b"<!doctype html") || start.starts_with(b"<html")
}

/// What to do about text in an encoding that cannot be told from its bytes.
pub(crate) fn encoding_remedy(path: &Path) -> String {
    let packing = Head::of(path).map_or(Packing::Plain, |head| head.packing);
    format!(
        "{}; WINDOWS-1252 is what Western European programs write, others are WINDOWS-1251, GB18030, SHIFT_JIS",
        conversion(path, packing, "WINDOWS-1252")
    )
}

/// The command that converts a file to UTF-8.
fn conversion(path: &Path, packing: Packing, encoding: &str) -> String {
    let unpacked = without_packing(path);
    let extension = unpacked.extension().map_or_else(
        || "utf8".to_owned(),
        |extension| format!("utf8.{}", extension.to_string_lossy()),
    );
    let (from, to) = (quoted(path), quoted(&unpacked.with_extension(extension)));
    match packing.command() {
        None => {
            format!(
                "convert it with `iconv -f {encoding} -t UTF-8 {from} > {to}` and name the new file"
            )
        }
        Some(command) => format!(
            "convert it with `{command} {from} | iconv -f {encoding} -t UTF-8 > {to}` and name the new file"
        ),
    }
}

/// The path without an extension that only says how the file is compressed.
pub(crate) fn without_packing(path: &Path) -> PathBuf {
    let packed = path.extension().and_then(|extension| extension.to_str());
    match packed.map(str::to_ascii_lowercase).as_deref() {
        Some("gz" | "gzip" | "zst" | "zstd") => path.with_extension(""),
        _ => path.to_owned(),
    }
}

/// A path as a shell takes it.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |character: char| character.is_alphanumeric() || "/._-+=:@%,".contains(character);
    if text.chars().all(plain) && !text.is_empty() {
        text
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

/// The place of `path`, relative to `folder`, which may be written as on Windows: where there is no such file, backslashes
/// count as slashes.
pub fn resolve_path(folder: &Path, path: &Path) -> PathBuf {
    let joined = folder.join(path);
    match path.to_str() {
        Some(text) if cfg!(not(windows)) && text.contains('\\') && !joined.exists() => {
            folder.join(text.replace('\\', "/"))
        }
        _ => joined,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_survives_blanks_and_quotes_in_a_name() {
        assert_eq!(quoted(Path::new("a/b-1.csv")), "a/b-1.csv");
        assert_eq!(quoted(Path::new("it's a.csv")), r"'it'\''s a.csv'");
        let command = conversion(Path::new("my scores.csv.gz"), Packing::Gzip, "UTF-16");
        assert_eq!(
            command,
            "convert it with `gzip -dc 'my scores.csv.gz' | iconv -f UTF-16 -t UTF-8 > 'my scores.utf8.csv'` and name the new file"
        );
    }

    #[test]
    fn latin_text_in_utf_16_is_told_from_other_bytes() {
        assert!(zeros(b"i\0d\0,\0p\0", 1) && !zeros(b"i\0d\0,\0p\0", 0));
        assert!(zeros(b"\0i\0d\0,\0p", 0));
        assert!(!zeros(b"id,prompt\n", 1) && !zeros(b"\0\0\0\0\0\0", 1));
    }
}
