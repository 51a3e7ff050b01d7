//! The log of decisions: JSON Lines that RouteLab reads as a table.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc;

use routelab_data::write_atomically;
use serde_json::{Map, Value};

use crate::error::ServiceError;

/// A log that is open. Lines are written by a thread of its own.
pub struct DecisionLog {
    lines: Option<mpsc::Sender<String>>,
    writer: Option<std::thread::JoinHandle<()>>,
    /// Whether prompts are kept.
    pub prompts: bool,
}

impl DecisionLog {
    /// Opens a log or goes on with one, and writes beside it how it is read as a table: `decisions.toml` for `decisions.jsonl`.
    ///
    /// # Errors
    ///
    /// A file that cannot be written.
    pub fn open(path: &Path, prompts: bool) -> Result<Self, ServiceError> {
        let failed = |error: &std::io::Error| ServiceError::io(path, error);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|error| failed(&error))?;
        }
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(|error| failed(&error))?;
        end_line(&mut file).map_err(|error| failed(&error))?;
        let table = table_of(path);
        write_atomically(&table, how_to_read(path).as_bytes())
            .map_err(|error| ServiceError::io(&table, &error))?;
        let (lines, waiting) = mpsc::channel::<String>();
        let writer = std::thread::spawn(move || {
            let mut file = BufWriter::new(file);
            while let Ok(line) = waiting.recv() {
                // A disk that is full takes the log, and not the service.
                let _ = writeln!(file, "{line}");
                for line in waiting.try_iter() {
                    let _ = writeln!(file, "{line}");
                }
                let _ = file.flush();
            }
        });
        Ok(Self {
            lines: Some(lines),
            writer: Some(writer),
            prompts,
        })
    }

    /// Adds a line.
    pub fn add(&self, line: &Map<String, Value>) {
        if let (Some(lines), Ok(line)) = (&self.lines, serde_json::to_string(line)) {
            let _ = lines.send(line);
        }
    }
}

impl Drop for DecisionLog {
    /// What was added is written.
    fn drop(&mut self) {
        self.lines = None;
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
    }
}

/// A kill may have cut the last line off: the next one begins on a line of its own, and the cut one is taken away.
fn end_line(file: &mut File) -> std::io::Result<()> {
    let mut end = file.seek(SeekFrom::End(0))?;
    let mut byte = [0];
    while end > 0 {
        file.seek(SeekFrom::Start(end - 1))?;
        file.read_exact(&mut byte)?;
        if byte == *b"\n" {
            break;
        }
        end -= 1;
    }
    file.set_len(end)?;
    file.seek(SeekFrom::End(0)).map(|_| ())
}

/// Where it is said how a log is read.
pub fn table_of(path: &Path) -> PathBuf {
    path.with_extension("toml")
}

fn how_to_read(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    format!(
        r#"# What the router predicted for every model, as a table: `routelab data inspect` on this file.
format = "tabular"
path = {name:?}
name = "decisions"
# Predictions are no measurements: a score may leave [0, 1], and requests for a model by its name have none.
out_of_range = "clamp"
missing = "mask"

[schema]
file = "json-lines"
id = ["id"]
prompt = ["prompt"]
layout.wide = {{ quality = "{{model}}|quality", cost = "{{model}}|cost" }}
"#
    )
}
