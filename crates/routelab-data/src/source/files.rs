//! Which files of a folder belong to a data set.

use std::path::{Path, PathBuf};

use crate::error::DataError;
use crate::input::without_packing;

/// `path` itself, or the first of the named files that the folder `path` has.
pub(super) fn one_of(path: &Path, names: &[&str]) -> Result<PathBuf, DataError> {
    if !path.is_dir() {
        return Ok(path.to_owned());
    }
    names
        .iter()
        .find_map(|name| in_folder(path, name))
        .ok_or_else(|| no_files(path, format!("file {}", names.join(" or "))))
}

/// `path` itself, or those of the named files that the folder `path` has, in the order of the names.
pub(super) fn all_of(path: &Path, names: &[&str]) -> Result<Vec<PathBuf>, DataError> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let files: Vec<PathBuf> = names
        .iter()
        .filter_map(|name| in_folder(path, name))
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
        let has_it = |file: &Path| has_extension(file, extension);
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

/// The file of this name, as it is or compressed.
fn in_folder(folder: &Path, name: &str) -> Option<PathBuf> {
    ["", ".gz", ".zst"]
        .map(|packing| folder.join(format!("{name}{packing}")))
        .into_iter()
        .find(|file| file.is_file())
}

/// Whether a file has this extension, before that of its compression.
pub(super) fn has_extension(file: &Path, extension: &str) -> bool {
    without_packing(file)
        .extension()
        .is_some_and(|found| found == extension)
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

/// The name of a file without its extension, and without that of its compression.
pub(super) fn stem(path: &Path) -> String {
    without_packing(path)
        .file_stem()
        .map(|stem| stem.to_string_lossy().into_owned())
        .unwrap_or_default()
}
