//! A fitted router on disk: `router.json` says what it is, `.safetensors` files hold its numbers.

use std::collections::BTreeMap;
use std::path::Path;

use ndarray::Array2;
use routelab_data::{read_matrix, write_atomically, write_matrices};
use safetensors::SafeTensors;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::{FittedRouter, RouterError};

const DESCRIPTION: &str = "router.json";

/// Everything that a fitted router needs to come back.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Archive {
    /// The router's kind.
    pub(crate) kind: String,
    /// Settings and sizes.
    values: Map<String, Value>,
    /// Weights of networks and matrices, as safetensors, by name.
    blobs: BTreeMap<String, Vec<u8>>,
    /// Archives of the routers that this one is made of.
    parts: BTreeMap<String, Archive>,
}

impl Archive {
    /// An archive of a fitted router.
    ///
    /// # Errors
    ///
    /// Weights that cannot be encoded.
    pub(crate) fn of(kind: &str, fitted: &dyn FittedRouter) -> Result<Self, RouterError> {
        let mut archive = Self {
            kind: kind.to_owned(),
            ..Self::default()
        };
        fitted.save(&mut archive)?;
        Ok(archive)
    }

    /// The kind of the router.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// Stores a setting or a size.
    pub fn put<T: Serialize>(&mut self, name: &str, value: &T) {
        let value = serde_json::to_value(value).expect("settings are plain data");
        self.values.insert(name.to_owned(), value);
    }

    /// Reads a setting or a size.
    ///
    /// # Errors
    ///
    /// [`RouterError::Archive`] if there is none of this name and type.
    pub fn get<T: DeserializeOwned>(&self, name: &str) -> Result<T, RouterError> {
        let value = self
            .values
            .get(name)
            .ok_or_else(|| self.broken(name, "is missing"))?;
        serde_json::from_value(value.clone()).map_err(|error| self.broken(name, &error.to_string()))
    }

    /// Reads a setting that need not be there.
    ///
    /// # Errors
    ///
    /// [`RouterError::Archive`] if it is of another type.
    pub fn get_if_any<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, RouterError> {
        (self.values.contains_key(name).then(|| self.get(name))).transpose()
    }

    /// Reads a size, at least 1.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get), and for 0.
    pub fn size(&self, name: &str) -> Result<usize, RouterError> {
        match self.get(name)? {
            0 => Err(self.broken(name, "is 0 instead of a size")),
            size => Ok(size),
        }
    }

    /// Stores the bytes of a safetensors file.
    pub fn put_bytes(&mut self, name: &str, bytes: Vec<u8>) {
        self.blobs.insert(name.to_owned(), bytes);
    }

    /// Reads the bytes of a safetensors file.
    ///
    /// # Errors
    ///
    /// [`RouterError::Archive`] if there is none of this name.
    pub fn bytes(&self, name: &str) -> Result<&[u8], RouterError> {
        let bytes = self
            .blobs
            .get(name)
            .ok_or_else(|| self.broken(name, "is missing"))?;
        Ok(bytes)
    }

    /// Whether there is a safetensors file of this name.
    pub fn has(&self, name: &str) -> bool {
        self.blobs.contains_key(name)
    }

    /// Stores a matrix `[rows, columns]` in double precision.
    pub fn put_matrix(&mut self, name: &str, matrix: &Array2<f64>) {
        self.put_bytes(name, write_matrices(&[(name, matrix.view())]));
    }

    /// Reads a matrix `[rows, columns]`.
    ///
    /// # Errors
    ///
    /// [`RouterError::Archive`] if there is none of this name, or it is not a matrix in double precision.
    pub fn matrix(&self, name: &str) -> Result<Array2<f64>, RouterError> {
        let file = SafeTensors::deserialize(self.bytes(name)?)
            .map_err(|error| self.broken(name, &error.to_string()))?;
        read_matrix(&file, name).map_err(|reason| self.broken(name, &reason))
    }

    /// Reads a matrix, each side of which has the given length or, for `None`, any but 0.
    ///
    /// # Errors
    ///
    /// As [`matrix`](Self::matrix), and for a matrix of another shape.
    pub fn matrix_with(
        &self,
        name: &str,
        rows: Option<usize>,
        columns: Option<usize>,
    ) -> Result<Array2<f64>, RouterError> {
        let matrix = self.matrix(name)?;
        let fits =
            |found: usize, expected: Option<usize>| expected.map_or(found > 0, |n| n == found);
        if fits(matrix.nrows(), rows) && fits(matrix.ncols(), columns) {
            return Ok(matrix);
        }
        let side = |length: Option<usize>| length.map_or("any".to_owned(), |n| n.to_string());
        let (found_rows, found_columns) = matrix.dim();
        Err(self.broken(
            name,
            &format!(
                "is a matrix of {found_rows} x {found_columns} instead of {} x {}",
                side(rows),
                side(columns)
            ),
        ))
    }

    /// Stores a router that this one is made of.
    pub fn put_part(&mut self, name: &str, part: Archive) {
        self.parts.insert(name.to_owned(), part);
    }

    /// Reads a router that this one is made of.
    ///
    /// # Errors
    ///
    /// [`RouterError::Archive`] if there is none of this name.
    pub fn part(&self, name: &str) -> Result<&Archive, RouterError> {
        let part = self
            .parts
            .get(name)
            .ok_or_else(|| self.broken(name, "is missing"))?;
        Ok(part)
    }

    /// Writes the archive as a folder; every file appears whole, the description last.
    ///
    /// # Errors
    ///
    /// [`RouterError::Io`].
    pub fn write(&self, folder: &Path) -> Result<(), RouterError> {
        std::fs::create_dir_all(folder).map_err(RouterError::io(folder))?;
        for (name, bytes) in &self.blobs {
            let path = folder.join(format!("{name}.safetensors"));
            write_atomically(&path, bytes).map_err(RouterError::io(&path))?;
        }
        for (name, part) in &self.parts {
            part.write(&folder.join(name))?;
        }
        let description = serde_json::json!({
            "kind": self.kind,
            "settings": self.values,
            "files": self.blobs.keys().collect::<Vec<_>>(),
            "parts": self.parts.keys().collect::<Vec<_>>(),
        });
        let path = folder.join(DESCRIPTION);
        let text = format!("{description:#}\n");
        write_atomically(&path, text.as_bytes()).map_err(RouterError::io(&path))
    }

    /// Reads a folder that [`write`](Self::write) made.
    ///
    /// # Errors
    ///
    /// [`RouterError::Io`], or [`RouterError::Archive`] for a description that is not one.
    pub fn read(folder: &Path) -> Result<Self, RouterError> {
        #[derive(serde::Deserialize)]
        struct Description {
            kind: String,
            settings: Map<String, Value>,
            files: Vec<String>,
            parts: Vec<String>,
        }
        let path = folder.join(DESCRIPTION);
        let text = std::fs::read(&path).map_err(RouterError::io(&path))?;
        let description: Description =
            serde_json::from_slice(&text).map_err(|error| RouterError::Archive {
                path: path.clone(),
                reason: error.to_string(),
            })?;
        // A name is a file of this folder; a damaged description must not lead out of it.
        let plain = |name: &&String| {
            !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        };
        let names = description.files.iter().chain(&description.parts);
        if let Some(name) = names.clone().find(|name| !plain(name)) {
            let reason = format!("`{name}` is not the name of a part");
            return Err(RouterError::Archive { path, reason });
        }
        let mut archive = Archive {
            kind: description.kind,
            values: description.settings,
            ..Archive::default()
        };
        for name in description.files {
            let path = folder.join(format!("{name}.safetensors"));
            let bytes = std::fs::read(&path).map_err(RouterError::io(&path))?;
            archive.blobs.insert(name, bytes);
        }
        for name in description.parts {
            let part = Archive::read(&folder.join(&name))?;
            archive.parts.insert(name, part);
        }
        Ok(archive)
    }

    /// The error about something in the archive that cannot be.
    pub fn broken(&self, name: &str, reason: &str) -> RouterError {
        RouterError::Archive {
            path: format!("{}/{name}", self.kind).into(),
            reason: reason.to_owned(),
        }
    }
}
