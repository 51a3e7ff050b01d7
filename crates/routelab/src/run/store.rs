//! A run's folder while the run is at work in it.

use std::fs::{self, File, TryLockError};
use std::io::{ErrorKind, Write};
use std::ops::Deref;
use std::path::Path;

use serde_json::Value;

use crate::experiment::Experiment;
use crate::failure::{Failure, Outcome, bad_request};
use crate::folder::{
    EXPERIMENT, LOG, MANIFEST, RunFolder, STUDY_MARK, differences, is_used, remove_temporary,
};

/// What becomes of a run that an earlier call left in the folder. One with the same settings is always continued.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reopen {
    /// It is continued if it had the same settings, and an error if it had others.
    #[default]
    IfSame,
    /// It must be there.
    Resume,
    /// It is thrown away if it had other settings.
    Overwrite,
}

/// The folder of a run, opened for writing.
pub struct Store {
    folder: RunFolder,
    /// Locked: one process at a time works in the folder.
    log: File,
}

impl Deref for Store {
    type Target = RunFolder;

    fn deref(&self) -> &RunFolder {
        &self.folder
    }
}

impl Store {
    /// Opens the folder of a run inside `out`: a new one, or one that an earlier run with the same manifest left.
    pub fn open(
        out: &Path,
        reopen: Reopen,
        experiment: &Experiment,
        manifest: &Value,
    ) -> Outcome<Self> {
        let folder = RunFolder::at(out.join(&experiment.name));
        let place = folder.path().display();
        let unusable = |error: std::io::Error| {
            bad_request!(
                "cannot use {place} for the run: {error}\nhelp: choose another folder with `--out`"
            )
        };
        let text = format!("{manifest:#}\n");
        match fs::read_to_string(folder.file(MANIFEST)) {
            Ok(earlier) if earlier == text => {}
            Ok(_) if reopen == Reopen::Overwrite => folder.remove().map_err(unusable)?,
            Ok(earlier) => {
                return Err(bad_request!(
                    "{place} holds a run with other {}\nhelp: `--overwrite` throws it away, `--out` chooses another folder",
                    differences(&earlier, manifest)
                ));
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                if reopen == Reopen::Resume && !out.join(STUDY_MARK).exists() {
                    return Err(bad_request!(
                        "there is no run to resume in {place}\nhelp: leave out `--resume` to start one"
                    ));
                }
                if is_used(folder.path()) && reopen != Reopen::Overwrite {
                    return Err(bad_request!(
                        "{place} exists and is not the folder of a run\nhelp: choose another folder with `--out`"
                    ));
                }
            }
            Err(error) => return Err(unusable(error)),
        }
        fs::create_dir_all(folder.path()).map_err(unusable)?;
        // The manifest first: by it a folder is known as a run's, whatever happens next.
        folder.write(MANIFEST, text.as_bytes())?;
        let log = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(folder.file(LOG))
            .map_err(unusable)?;
        // A file system without locks is no reason to stop.
        if let Err(TryLockError::WouldBlock) = log.try_lock() {
            return Err(bad_request!(
                "another process is at work on the run in {place}\nhelp: wait for it, or choose another folder with `--out`"
            ));
        }
        remove_temporary(folder.path()).map_err(unusable)?;
        let resolved = toml::to_string(&experiment.resolved).map_err(Failure::failed)?;
        folder.write(EXPERIMENT, resolved.as_bytes())?;
        Ok(Self { folder, log })
    }

    /// Adds a line to the run's log.
    pub fn log(&self, line: String) -> Outcome {
        (&self.log)
            .write_all(format!("{line}\n").as_bytes())
            .map_err(|error| Failure::write(&self.file(LOG), error))
    }
}
