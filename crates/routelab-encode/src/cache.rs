//! A store of embeddings on disk, addressed by what they are made from.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use ndarray::{Array2, ArrayView1};
use rayon::prelude::*;
use routelab_data::{hex, write_atomically};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::{EncodeError, Encoder, Query};

/// Environment variable that names the cache's folder.
const VARIABLE: &str = "ROUTELAB_CACHE";

/// First bytes of an entry; the digit is the format's version.
const MAGIC: [u8; 8] = *b"rlembed1";

/// A folder of embeddings, one small file per query.
///
/// An entry's name is the SHA-256 of encoder id, text and image content, so it never goes stale: another encoder, setting,
/// backend, text or image is another entry. Entries lie in 256 subfolders. They appear whole (temporary name, then
/// rename), so any number of processes may share a cache; two that compute the same entry write the same bytes.
/// An entry is the magic, its key, the dimension (u32), the values (f32) and the SHA-256 of all that, little-endian.
#[derive(Clone, Debug)]
pub struct Cache {
    folder: PathBuf,
}

type Key = [u8; 32];

/// What looking up an entry gave.
enum Found {
    Embedding(Vec<f32>),
    Nothing,
    Damaged(String),
}

/// A folder of this user for what can be computed again: `part` in `$ROUTELAB_CACHE` if set, else in `routelab` in `%LOCALAPPDATA%` on
/// Windows and in `$XDG_CACHE_HOME` or `~/.cache` elsewhere. `None` where none of these is set.
pub fn user_folder(part: &str) -> Option<PathBuf> {
    let base = if cfg!(windows) {
        variable("LOCALAPPDATA")
    } else {
        variable("XDG_CACHE_HOME").or_else(|| variable("HOME").map(|home| home.join(".cache")))
    };
    let folder = variable(VARIABLE).or_else(|| base.map(|base| base.join("routelab")));
    folder.map(|folder| folder.join(part))
}

/// A variable of the environment that is set and names something.
fn variable(name: &str) -> Option<PathBuf> {
    let value = std::env::var_os(name).filter(|value| !value.is_empty());
    value.map(PathBuf::from)
}

impl Cache {
    /// Opens the cache in `folder`, which is made if it does not exist.
    ///
    /// # Errors
    ///
    /// A folder that cannot be made.
    pub fn open(folder: impl Into<PathBuf>) -> Result<Self, EncodeError> {
        let folder = folder.into();
        fs::create_dir_all(&folder).map_err(|e| EncodeError::io(&folder, "make the folder", e))?;
        Ok(Self { folder })
    }

    /// Opens the cache of this user: [`user_folder`]'s `embeddings`, but `$ROUTELAB_CACHE` itself.
    ///
    /// # Errors
    ///
    /// No such folder is known, or it cannot be made.
    pub fn open_default() -> Result<Self, EncodeError> {
        match variable(VARIABLE).or_else(|| user_folder("embeddings")) {
            Some(folder) => Self::open(folder),
            None => Err(EncodeError::BadSetting {
                setting: VARIABLE,
                value: "not set, and no home folder is known".to_owned(),
                expected: "a folder for the cache".to_owned(),
            }),
        }
    }

    /// The cache's folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    fn path(&self, key: &Key) -> PathBuf {
        let name = hex(key);
        self.folder.join(&name[..2]).join(&name[2..])
    }

    fn get(&self, key: &Key, dim: usize) -> Found {
        let path = self.path(key);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Found::Nothing,
            Err(e) => return Found::Damaged(format!("{}: cannot read: {e}", path.display())),
        };
        match unpack(&bytes, key, dim) {
            Some(embedding) => Found::Embedding(embedding),
            None => Found::Damaged(format!(
                "{}: damaged entry, computed again and replaced",
                path.display()
            )),
        }
    }

    fn put(&self, key: &Key, embedding: &[f32]) -> Result<(), String> {
        let path = self.path(key);
        let write = || {
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder)?;
            }
            write_atomically(&path, &pack(key, embedding))
        };
        write().map_err(|e| format!("{}: cannot write: {e}", path.display()))
    }
}

/// The key of a text, and of an image where the encoder looks at images; every text is preceded by its length, so that no
/// two queries run together.
fn key(encoder: &str, text: &str, image: Option<&Path>) -> Result<Key, EncodeError> {
    let mut hash = Sha256::new();
    for part in [encoder, text] {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    if let Some(path) = image {
        hash.update(file_digest(path).map_err(|e| EncodeError::io(path, "read", e))?);
    }
    Ok(hash.finalize().into())
}

fn file_digest(path: &Path) -> io::Result<[u8; 32]> {
    let mut hash = Sha256::new();
    let mut file = fs::File::open(path)?;
    let mut buffer = vec![0; 1 << 16];
    loop {
        match io::Read::read(&mut file, &mut buffer)? {
            0 => return Ok(hash.finalize().into()),
            n => hash.update(&buffer[..n]),
        }
    }
}

fn pack(key: &Key, embedding: &[f32]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(embedding.len() * 4 + 76);
    bytes.extend(MAGIC);
    bytes.extend(key);
    bytes.extend((embedding.len() as u32).to_le_bytes());
    bytes.extend(embedding.iter().flat_map(|value| value.to_le_bytes()));
    bytes.extend(Sha256::digest(&bytes));
    bytes
}

/// The embedding in an entry, if the entry is whole and is this key's.
fn unpack(bytes: &[u8], key: &Key, dim: usize) -> Option<Vec<f32>> {
    let (content, checksum) = bytes.split_at_checked(bytes.len().checked_sub(32)?)?;
    if Sha256::digest(content).as_slice() != checksum {
        return None;
    }
    let content = content.strip_prefix(&MAGIC)?.strip_prefix(key)?;
    let values = content.strip_prefix(&(dim as u32).to_le_bytes())?;
    let (values, rest) = values.as_chunks::<4>();
    (rest.is_empty() && values.len() == dim)
        .then(|| values.iter().map(|v| f32::from_le_bytes(*v)).collect())
}

/// What a [`CachedEncoder`] has done so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CacheReport {
    /// Queries answered from the cache.
    pub hits: usize,
    /// Queries computed.
    pub misses: usize,
    /// Entries that were damaged and computed again, and entries that could not be written; for the user to read.
    pub warnings: Vec<String>,
}

/// An encoder that looks into a [`Cache`] first and adds to it what it had to compute.
pub struct CachedEncoder {
    encoder: Box<dyn Encoder>,
    id: String,
    cache: Cache,
    report: Mutex<CacheReport>,
}

impl CachedEncoder {
    /// Puts `cache` in front of `encoder`.
    pub fn new(encoder: Box<dyn Encoder>, cache: Cache) -> Self {
        Self {
            id: encoder.id(),
            encoder,
            cache,
            report: Mutex::default(),
        }
    }

    /// Hits, misses and warnings since this encoder was made.
    pub fn report(&self) -> CacheReport {
        self.locked().clone()
    }

    fn locked(&self) -> MutexGuard<'_, CacheReport> {
        // Counts are whole even if another thread panicked between two of them.
        self.report.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn look_up(&self, queries: &[Query]) -> Result<Vec<(Key, Found)>, EncodeError> {
        queries
            .par_iter()
            .enumerate()
            .map(|(index, query)| {
                let image = query.image.filter(|_| self.encoder.uses_images());
                let key = key(&self.id, query.text, image).map_err(|e| e.at_query(index))?;
                Ok((key, self.cache.get(&key, self.dim())))
            })
            .collect()
    }

    /// Writes the computed rows; returns the warnings of those that could not be written.
    fn store(&self, keys: &[Key], computed: &Array2<f32>) -> Vec<String> {
        keys.par_iter()
            .enumerate()
            .filter_map(|(row, key)| self.cache.put(key, &computed.row(row).to_vec()).err())
            .collect()
    }
}

impl Encoder for CachedEncoder {
    fn id(&self) -> String {
        self.id.clone()
    }

    fn dim(&self) -> usize {
        self.encoder.dim()
    }

    fn uses_images(&self) -> bool {
        self.encoder.uses_images()
    }

    /// A damaged entry is computed again, and an entry that cannot be written is only not remembered: both are in the
    /// [`report`](CachedEncoder::report).
    fn encode(&self, queries: &[Query]) -> Result<Array2<f32>, EncodeError> {
        let mut embeddings = Array2::zeros((queries.len(), self.dim()));
        let mut warnings = Vec::new();
        let mut missing: Vec<(usize, Key)> = Vec::new();
        for (row, (key, found)) in self.look_up(queries)?.into_iter().enumerate() {
            match found {
                Found::Embedding(values) => {
                    embeddings.row_mut(row).assign(&ArrayView1::from(&values))
                }
                Found::Nothing => missing.push((row, key)),
                Found::Damaged(warning) => {
                    warnings.push(warning);
                    missing.push((row, key));
                }
            }
        }
        if !missing.is_empty() {
            let (rows, keys): (Vec<usize>, Vec<Key>) = missing.into_iter().unzip();
            let wanted: Vec<Query> = rows.iter().map(|&row| queries[row]).collect();
            let computed = self.encoder.encode(&wanted).map_err(|error| match error {
                // The index counts the missing queries only; the caller knows all of them.
                EncodeError::AtQuery { index, cause } => cause.at_query(rows[index]),
                other => other,
            })?;
            warnings.extend(self.store(&keys, &computed));
            for (&row, values) in rows.iter().zip(computed.rows()) {
                embeddings.row_mut(row).assign(&values);
            }
            self.locked().misses += rows.len();
            self.locked().hits += queries.len() - rows.len();
        } else {
            self.locked().hits += queries.len();
        }
        self.locked().warnings.extend(warnings);
        Ok(embeddings)
    }
}
