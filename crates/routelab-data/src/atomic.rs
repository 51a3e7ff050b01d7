//! Files that appear whole or not at all.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// Writes `bytes` to a temporary name in the folder of `path` and renames it, so that a reader sees the old file or the
/// whole new one.
///
/// # Errors
/// Whatever the file system answers: the folder is missing or cannot be written, the disk is full.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write_atomically_with(path, |file| file.write_all(bytes))
}

/// As [`write_atomically`], for content that is produced piece by piece. When `write` fails nothing is left behind.
///
/// # Errors
/// The error of `write`, or an [`io::Error`] of the file system converted into it.
pub fn write_atomically_with<E: From<io::Error>>(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<&mut File>) -> Result<(), E>,
) -> Result<(), E> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let mut builder = tempfile::Builder::new();
    builder.prefix(".routelab-").suffix(".tmp");
    // A temporary file is private by default; a result should be as readable as any file of the user.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut temporary = builder.tempfile_in(folder)?;
    let mut buffered = BufWriter::new(temporary.as_file_mut());
    write(&mut buffered)?;
    buffered.flush()?;
    drop(buffered);
    temporary.persist(path).map_err(|failed| failed.error)?;
    Ok(())
}
