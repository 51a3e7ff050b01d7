//! What Burn's GPU runtimes keep on disk from one process to the next: compiled kernels, and which variants were the fastest.

use std::path::{Path, PathBuf};
use std::{fs, io};

use serde::Serialize;

/// The files in which kernels are kept.
#[derive(Clone, Debug, Serialize)]
pub struct KeptKernels {
    /// The folder.
    pub folder: PathBuf,
    /// The bytes in it.
    pub bytes: u64,
    #[serde(skip)]
    files: Vec<PathBuf>,
}

/// Keeps kernels in `folder`, from the first device that is opened afterwards.
///
/// What a `cubecl.toml` or `burn.toml` of the user says, in this folder or one above, and CubeCL's environment variables stay as they
/// are; but compiled kernels are kept always, and `target`, CubeCL's own choice of a folder, means this one. Does nothing in a
/// build without such a runtime, nor where the process has configured CubeCL before.
pub fn keep_kernels(folder: &Path) {
    #[cfg(feature = "cubecl")]
    {
        use burn::cubecl::config::cache::CacheConfig;
        use burn::cubecl::config::{CubeClRuntimeConfig, RuntimeConfig};

        let mut config = CubeClRuntimeConfig::from_current_dir().override_from_env();
        config.compilation.cache = true;
        if matches!(config.environment.path, CacheConfig::Target) {
            config.environment.path = CacheConfig::Directory(folder.to_owned());
        }
        CubeClRuntimeConfig::try_set(config);
    }
    #[cfg(not(feature = "cubecl"))]
    let _ = folder;
}

/// The kernels that are kept where this process keeps them. `None` in a build that keeps none.
///
/// # Errors
///
/// A folder that cannot be read. One that does not exist is empty.
pub fn kept_kernels() -> io::Result<Option<KeptKernels>> {
    #[cfg(feature = "cubecl")]
    {
        use burn::cubecl::config::{CubeClRuntimeConfig, RuntimeConfig};

        // Sets the folder, if that has not been done.
        CubeClRuntimeConfig::get();
        files_in(burn::cubecl::environment::root()).map(Some)
    }
    #[cfg(not(feature = "cubecl"))]
    Ok(None)
}

impl KeptKernels {
    /// Deletes them. A process that runs meanwhile goes on, and keeps nothing more.
    ///
    /// # Errors
    ///
    /// A file that cannot be deleted, with its path.
    pub fn clear(&self) -> Result<(), (PathBuf, io::Error)> {
        for file in &self.files {
            match fs::remove_file(file) {
                // Another process was faster.
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err((file.clone(), error));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// The databases in a folder, `NAME.db`, and what lies beside them, `NAME.db-wal` and the like. Other files may be the user's.
#[cfg(any(feature = "cubecl", test))]
fn files_in(folder: PathBuf) -> io::Result<KeptKernels> {
    let mut kept = KeptKernels {
        folder,
        bytes: 0,
        files: Vec::new(),
    };
    let entries = match fs::read_dir(&kept.folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(kept),
        entries => entries?,
    };
    for entry in entries {
        let path = entry?.path();
        let extension = path.extension().and_then(|extension| extension.to_str());
        if extension.is_some_and(|extension| extension == "db" || extension.starts_with("db-")) {
            kept.bytes += fs::metadata(&path)?.len();
            kept.files.push(path);
        }
    }
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn databases_are_counted_and_deleted_and_nothing_else_is() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("kernels");
        assert_eq!(files_in(folder.clone()).unwrap().bytes, 0);
        fs::create_dir(&folder).unwrap();
        for (name, bytes) in [("default.db", 7), ("default.db-wal", 20), ("notes.txt", 5)] {
            fs::write(folder.join(name), vec![0; bytes]).unwrap();
        }
        let kept = files_in(folder.clone()).unwrap();
        assert_eq!(kept.bytes, 27);
        kept.clear().unwrap();
        assert_eq!(files_in(folder.clone()).unwrap().bytes, 0);
        assert!(folder.join("notes.txt").exists());
        // Gone already.
        kept.clear().unwrap();
    }
}
