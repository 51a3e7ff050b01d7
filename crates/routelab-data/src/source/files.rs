//! Which files of a folder belong to a data set.

use std::path::{Path, PathBuf};

use crate::error::DataError;

/// `path` itself, or the first of the named files that the folder `path` has.
pub(super) fn one_of(path: &Path, names: &[&str]) -> Result<PathBuf, DataError> {
    if !path.is_dir() {
        return Ok(path.to_owned());
    }
    names
        .iter()
        .map(|name| path.join(name))
        .find(|file| file.is_file())
        .ok_or_else(|| no_files(path, format!("file {}", names.join(" or "))))
}

/// `path` itself, or those of the named files that the folder `path` has, in the order of the names.
pub(super) fn all_of(path: &Path, names: &[&str]) -> Result<Vec<PathBuf>, DataError> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let files: Vec<PathBuf> = names
        .iter()
        .map(|name| path.join(name))
        .filter(|file| file.is_file())
        .collect();
    if files.is_empty() {
        return Err(no_files(path, format!("file {}", names.join(" or "))));
    }
    Ok(files)
}

/// `path` itself, or all files in the folder `path` (not deeper) with the first of the extensions that any has, in the order
/// of their names.
pub(super) fn with_extension(path: &Path, extensions: &[&str]) -> Result<Vec<PathBuf>, DataError> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let all = entries(path)?;
    for extension in extensions {
        let has_it = |file: &Path| file.extension().is_some_and(|found| found == *extension);
        let files: Vec<PathBuf> = all
            .iter()
            .filter(|file| file.is_file() && has_it(file))
            .cloned()
            .collect();
        if !files.is_empty() {
            return Ok(files);
        }
    }
    Err(no_files(
        path,
        format!("file ending in .{}", extensions.join(" or .")),
    ))
}

/// What a folder holds, in the order of the names.
pub(super) fn entries(folder: &Path) -> Result<Vec<PathBuf>, DataError> {
    let io = |source| DataError::Io {
        path: folder.to_owned(),
        source,
    };
    let mut entries = std::fs::read_dir(folder)
        .map_err(io)?
        .map(|entry| Ok(entry.map_err(io)?.path()))
        .collect::<Result<Vec<_>, DataError>>()?;
    entries.sort();
    Ok(entries)
}

pub(super) fn no_files(path: &Path, expected: String) -> DataError {
    DataError::NoFiles {
        path: path.to_owned(),
        expected,
    }
}

/// The name of a file without its extension.
pub(super) fn stem(path: &Path) -> String {
    path.file_stem()
        .map(|stem| stem.to_string_lossy().into_owned())
        .unwrap_or_default()
}
