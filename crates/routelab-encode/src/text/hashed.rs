//! A text encoder without weights: hashed n-grams.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use ndarray::Array2;
use rayon::prelude::*;
use routelab_data::{hex, write_atomically};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::features::{features, mix};
use super::tokens::read;
use crate::{EncodeError, Encoder, Query, normalise};

/// Settings of [`HashedNgrams`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HashedConfig {
    /// Dimension of the embeddings, 1 to 65,536. Default 1024.
    pub dim: usize,
    /// Shortest character n-gram, at least 1. Default 3.
    pub char_min: usize,
    /// Longest character n-gram, from `char_min` to 16. Default 5.
    pub char_max: usize,
    /// Counters for document frequencies, 1 to 2²⁴: features that fall on one counter share their IDF. Default 2¹⁸.
    pub df_slots: usize,
    /// Characters that are read of a text; the rest is ignored. At least 1. Default 65,536.
    pub max_chars: usize,
}

impl Default for HashedConfig {
    fn default() -> Self {
        Self {
            dim: 1024,
            char_min: 3,
            char_max: 5,
            df_slots: 1 << 18,
            max_chars: 1 << 16,
        }
    }
}

impl HashedConfig {
    /// Checks the ranges.
    ///
    /// # Errors
    ///
    /// [`EncodeError::BadSetting`] names the first setting out of range.
    pub fn validate(&self) -> Result<(), EncodeError> {
        let checks = [
            ("dim", self.dim, 1, 1 << 16),
            ("char_min", self.char_min, 1, 16),
            ("char_max", self.char_max, self.char_min, 16),
            ("df_slots", self.df_slots, 1, 1 << 24),
            ("max_chars", self.max_chars, 1, usize::MAX),
        ];
        for (setting, value, least, most) in checks {
            if !(least..=most).contains(&value) {
                return Err(EncodeError::BadSetting {
                    setting,
                    value: value.to_string(),
                    expected: format!("between {least} and {most}"),
                });
            }
        }
        Ok(())
    }
}

/// Hashed word and character n-grams with TF-IDF weights: no download, no network, the same everywhere.
///
/// Features of a lower-cased text, in three families: words (runs of letters and digits; any other visible character
/// alone), pairs of adjacent words, and character n-grams of `char_min` to `char_max` characters of each word with a blank
/// on both sides. Every feature `f` has a 64-bit hash (FNV-1a, finalised as in MurmurHash3), which gives its dimension
/// `h mod dim`, its sign (the highest bit) and its frequency counter.
///
/// - weight of a feature: `w(f) = (1 + ln tf(f)) · idf(f)`, `tf` the count in the text;
/// - `idf(f) = ln((1 + N) / (1 + df(f))) + 1` over the `N` texts given to [`fit`](HashedNgrams::fit); `df` is the number of
///   them with a feature on the same counter;
/// - a family's vector is `Σ sign(f) · w(f) · e[h(f) mod dim]`, scaled to length 1; the embedding is the sum of the three
///   families' vectors, scaled to length 1. A text without visible characters has the embedding 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HashedNgrams {
    config: HashedConfig,
    documents: u32,
    df: Vec<u32>,
    /// Made once: it hashes all counters, which a single prompt should not wait for.
    id: String,
}

/// Name of the tensor with the counters in the file.
const DF: &str = "document_frequency";
/// Key of the settings in the file's metadata.
const SETTINGS: &str = "hashed-ngrams";

#[derive(Serialize, Deserialize)]
struct Settings {
    config: HashedConfig,
    documents: u32,
}

impl HashedNgrams {
    /// Counts in how many of `texts` every feature occurs. Give it training texts only. Without any text every IDF is 1.
    ///
    /// # Errors
    ///
    /// A setting out of range, or more than 2³² − 1 texts.
    pub fn fit(texts: &[&str], config: &HashedConfig) -> Result<Self, EncodeError> {
        config.validate()?;
        let documents = u32::try_from(texts.len()).map_err(|_| EncodeError::BadSetting {
            setting: "number of texts",
            value: texts.len().to_string(),
            expected: format!("at most {}", u32::MAX),
        })?;
        let mut encoder = Self {
            config: config.clone(),
            documents,
            df: vec![0; config.df_slots],
            id: String::new(),
        };
        let occupied: Vec<Vec<usize>> = texts
            .par_iter()
            .map(|text| encoder.occupied_slots(text))
            .collect();
        for slot in occupied.into_iter().flatten() {
            encoder.df[slot] += 1;
        }
        Ok(encoder.identified())
    }

    /// The settings.
    pub fn config(&self) -> &HashedConfig {
        &self.config
    }

    /// Writes the fitted encoder as a safetensors file; equal encoders give equal bytes.
    ///
    /// # Errors
    ///
    /// A file that cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), EncodeError> {
        let bytes: Vec<u8> = self.df.iter().flat_map(|n| n.to_le_bytes()).collect();
        let failed = |reason: String| EncodeError::bad_file(path, "hashed n-gram encoder", reason);
        let view = TensorView::new(Dtype::U32, vec![self.df.len()], &bytes)
            .map_err(|e| failed(e.to_string()))?;
        // One key only: a map of several would be written in a different order every time.
        let metadata = HashMap::from([(SETTINGS.to_owned(), self.settings())]);
        let file = safetensors::serialize(BTreeMap::from([(DF, view)]), Some(metadata))
            .map_err(|e| failed(e.to_string()))?;
        write_atomically(path, &file).map_err(|e| EncodeError::io(path, "write", e))
    }

    /// Reads what [`save`](Self::save) wrote.
    ///
    /// # Errors
    ///
    /// A file that is missing, damaged or of another kind.
    pub fn load(path: &Path) -> Result<Self, EncodeError> {
        let bad = |reason: String| EncodeError::bad_file(path, "hashed n-gram encoder", reason);
        let bytes = read(path)?;
        let file = SafeTensors::deserialize(&bytes).map_err(|e| bad(e.to_string()))?;
        let (_, header) = SafeTensors::read_metadata(&bytes).map_err(|e| bad(e.to_string()))?;
        let settings = header
            .metadata()
            .as_ref()
            .and_then(|metadata| metadata.get(SETTINGS))
            .ok_or_else(|| bad(format!("its metadata has no `{SETTINGS}`")))?;
        let Settings { config, documents } =
            serde_json::from_str(settings).map_err(|e| bad(e.to_string()))?;
        config.validate()?;
        let df = file.tensor(DF).map_err(|e| bad(e.to_string()))?;
        if df.dtype() != Dtype::U32 || df.shape() != [config.df_slots] {
            return Err(bad(format!(
                "`{DF}` is {:?} {:?}; expected U32 [{}]",
                df.dtype(),
                df.shape(),
                config.df_slots
            )));
        }
        let (counts, _) = df.data().as_chunks::<4>();
        let df: Vec<u32> = counts
            .iter()
            .map(|count| u32::from_le_bytes(*count))
            .collect();
        if let Some(count) = df.iter().find(|&&count| count > documents) {
            return Err(bad(format!(
                "a feature occurs in {count} of {documents} texts"
            )));
        }
        Ok(Self {
            config,
            documents,
            df,
            id: String::new(),
        }
        .identified())
    }

    /// With its id, after which nothing is changed.
    fn identified(mut self) -> Self {
        let mut hash = Sha256::new();
        hash.update(self.settings());
        for count in &self.df {
            hash.update(count.to_le_bytes());
        }
        self.id = format!("hashed-ngrams-{}", &hex(&hash.finalize())[..16]);
        self
    }

    fn settings(&self) -> String {
        let settings = Settings {
            config: self.config.clone(),
            documents: self.documents,
        };
        // Plain numbers under fixed names always have a JSON text.
        serde_json::to_string(&settings).expect("numbers serialise")
    }

    fn slot(&self, hash: u64) -> usize {
        // Mixed once more, so that features of one dimension do not share a counter.
        (mix(hash) % self.config.df_slots as u64) as usize
    }

    fn features(&self, text: &str) -> [Vec<(u64, u32)>; 3] {
        let chars = [self.config.char_min, self.config.char_max];
        features(text, chars, self.config.max_chars)
    }

    fn occupied_slots(&self, text: &str) -> Vec<usize> {
        let features = self.features(text);
        let mut slots: Vec<usize> = features
            .iter()
            .flatten()
            .map(|&(hash, _)| self.slot(hash))
            .collect();
        slots.sort_unstable();
        slots.dedup();
        slots
    }

    fn embed(&self, text: &str) -> Vec<f32> {
        let dim = self.config.dim;
        let mut embedding = vec![0.0_f32; dim];
        for family in self.features(text) {
            let mut vector = vec![0.0_f64; dim];
            for (hash, count) in family {
                let weight = (1.0 + f64::from(count).ln()) * self.idf(hash);
                let sign = if hash >> 63 == 0 { 1.0 } else { -1.0 };
                vector[(hash % dim as u64) as usize] += sign * weight;
            }
            let norm = vector.iter().map(|v| v * v).sum::<f64>().sqrt();
            if norm > 0.0 {
                for (sum, value) in embedding.iter_mut().zip(vector) {
                    *sum += (value / norm) as f32;
                }
            }
        }
        normalise(&mut embedding);
        embedding
    }

    fn idf(&self, hash: u64) -> f64 {
        let df = self.df[self.slot(hash)];
        ((1.0 + f64::from(self.documents)) / (1.0 + f64::from(df))).ln() + 1.0
    }
}

impl Encoder for HashedNgrams {
    fn id(&self) -> String {
        self.id.clone()
    }

    fn dim(&self) -> usize {
        self.config.dim
    }

    fn encode(&self, queries: &[Query]) -> Result<Array2<f32>, EncodeError> {
        let dim = self.config.dim;
        let mut embeddings = vec![0.0_f32; queries.len() * dim];
        embeddings
            .par_chunks_exact_mut(dim)
            .zip(queries)
            .for_each(|(row, query)| row.copy_from_slice(&self.embed(query.text)));
        // The buffer was made with exactly this shape.
        Ok(Array2::from_shape_vec((queries.len(), dim), embeddings).expect("shape fits"))
    }
}
