//! Which files of a folder belong to a data set.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::error::DataError;
use crate::input::without_packing;

/// Which files of a folder are a data set. A path that is no folder is meant itself.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Files {
    /// None: the path is a file.
    #[default]
    Path,
    /// The first of these names that the folder has.
    First(Vec<String>),
    /// Those of these names that the folder has, in this order.
    All(Vec<String>),
    /// All files in the folder (not deeper) with the first of these extensions that any has, in the order of their names.
    Extension(Vec<String>),
}

impl Files {
    /// The files, at least one.
    pub(super) fn of(&self, path: &Path) -> Result<Vec<PathBuf>, DataError> {
        if !path.is_dir() {
            return Ok(vec![path.to_owned()]);
        }
        let named = |names: &[String]| -> Vec<PathBuf> {
            names
                .iter()
                .filter_map(|name| in_folder(path, name))
                .collect()
        };
        let (found, expected) = match self {
            Self::Path => (vec![path.to_owned()], String::new()),
            Self::First(names) => {
                let first = named(names).into_iter().take(1).collect();
                (first, format!("file {}", names.join(" or ")))
            }
            Self::All(names) => (named(names), format!("file {}", names.join(" or "))),
            Self::Extension(extensions) => {
                let all = entries(path)?;
                let with = |extension: &String| -> Vec<PathBuf> {
                    let has_it = |file: &&PathBuf| file.is_file() && has_extension(file, extension);
                    all.iter().filter(has_it).cloned().collect()
                };
                let found = extensions.iter().map(with).find(|files| !files.is_empty());
                let expected = format!("file ending in .{}", extensions.join(" or ."));
                (found.unwrap_or_default(), expected)
            }
        };
        if found.is_empty() {
            return Err(no_files(path, expected));
        }
        Ok(found)
    }
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
    let io = |source| DataError::io(folder, source);
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
