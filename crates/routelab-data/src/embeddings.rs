//! One vector per query, and its safetensors file.

use std::collections::HashMap;
use std::fs;
use std::io::Write;
use std::path::Path;

use half::f16;
use ndarray::{Array2, ArrayView2, Axis};
use safetensors::{Dtype, SafeTensors};
use serde_json::json;

use crate::atomic::write_atomically_with;
use crate::digest::ContentHash;
use crate::error::DataError;

/// Name of the tensor in the file.
const TENSOR: &str = "embeddings";

/// How an embeddings file stores its numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// Half precision: half the size, about three digits.
    F16,
    /// Single precision.
    F32,
}

/// Embeddings `x`, `N x D`, of a table's queries in the order of its rows; finite.
#[derive(Clone, Debug, PartialEq)]
pub struct Embeddings {
    values: Array2<f32>,
    encoder: String,
}

impl Embeddings {
    /// Checks `values` (`N x D`). `encoder` says what made them, as the encoder names itself.
    ///
    /// # Errors
    /// [`DataError::BadEmbeddings`] when there is no row or column, or a number is not finite.
    pub fn new(values: Array2<f32>, encoder: impl Into<String>) -> Result<Self, DataError> {
        let encoder = encoder.into();
        if values.is_empty() {
            let (rows, columns) = values.dim();
            let detail = format!(
                "{encoder} gave a {rows} x {columns} matrix; expected at least one row and one column"
            );
            return Err(DataError::BadEmbeddings { detail });
        }
        if let Some(((row, column), value)) =
            values.indexed_iter().find(|(_, value)| !value.is_finite())
        {
            let detail = format!(
                "{encoder} gave {value} in row {}, dimension {}; expected a finite number",
                row + 1,
                column + 1
            );
            return Err(DataError::BadEmbeddings { detail });
        }
        Ok(Self { values, encoder })
    }

    /// `N x D`.
    pub fn values(&self) -> ArrayView2<'_, f32> {
        self.values.view()
    }

    /// What made the embeddings.
    pub fn encoder(&self) -> &str {
        &self.encoder
    }

    /// Dimension `D`, at least 1.
    pub fn dim(&self) -> usize {
        self.values.ncols()
    }

    /// Number of queries `N`, at least 1.
    #[expect(clippy::len_without_is_empty, reason = "embeddings are never empty")]
    pub fn len(&self) -> usize {
        self.values.nrows()
    }

    /// The embeddings of the given rows, in the given order.
    ///
    /// # Panics
    /// When a row does not exist: that is a mistake of the calling code.
    pub fn select(&self, rows: &[usize]) -> Embeddings {
        Self {
            values: self.values.select(Axis(0), rows),
            encoder: self.encoder.clone(),
        }
    }

    /// SHA-256 (hexadecimal) of the encoder's name, the shape and the numbers.
    pub fn content_hash(&self) -> String {
        let mut hash = ContentHash::new("routelab embeddings 1");
        hash.text(&self.encoder);
        hash.count(self.len());
        hash.count(self.dim());
        for value in &self.values {
            hash.bytes(&value.to_le_bytes());
        }
        hash.finish()
    }

    /// Reads the embeddings of the queries `ids`, in that order, from a file written by [`Embeddings::write`]; the file may
    /// hold more queries, in any order.
    ///
    /// # Errors
    /// [`DataError::Io`]; [`DataError::Embeddings`] when the file is damaged or of another kind;
    /// [`DataError::NoEmbedding`] names the first id that it does not have.
    pub fn read<'a>(
        path: &Path,
        ids: impl IntoIterator<Item = &'a String>,
    ) -> Result<Embeddings, DataError> {
        let bytes = fs::read(path).map_err(|source| DataError::io(path, source))?;
        let wrong = |detail: String| DataError::Embeddings {
            path: path.to_owned(),
            detail,
        };
        let file = EmbeddingsFile::parse(&bytes).map_err(wrong)?;
        let row_of: HashMap<&str, usize> = file
            .ids
            .iter()
            .enumerate()
            .map(|(row, id)| (id.as_str(), row))
            .collect();
        if row_of.len() != file.ids.len() {
            return Err(wrong("an id occurs twice in its list of ids".to_owned()));
        }
        let (mut rows, mut missing) = (Vec::new(), Vec::new());
        for id in ids {
            match row_of.get(id.as_str()) {
                Some(&row) => rows.push(row),
                None => missing.push(id),
            }
        }
        if let Some(&first) = missing.first() {
            return Err(DataError::NoEmbedding {
                path: path.to_owned(),
                id: first.clone(),
                missing: missing.len(),
                wanted: rows.len() + missing.len(),
            });
        }
        Embeddings::new(file.values.select(Axis(0), &rows), file.encoder).map_err(|error| {
            match error {
                DataError::BadEmbeddings { detail } => wrong(detail),
                other => other,
            }
        })
    }

    /// Writes a safetensors file: tensor `embeddings` `[N, D]`, metadata `encoder` (text) and `ids` (JSON list of `N` texts).
    /// Equal embeddings give equal bytes.
    ///
    /// # Errors
    /// [`DataError::BadEmbeddings`] when `ids` are not one per row or a number is too large for half precision;
    /// [`DataError::Io`].
    pub fn write<'a>(
        &self,
        path: &Path,
        ids: impl IntoIterator<Item = &'a String>,
        precision: Precision,
    ) -> Result<(), DataError> {
        let ids: Vec<&String> = ids.into_iter().collect();
        if ids.len() != self.len() {
            let detail = format!(
                "{} ids for {} rows; expected one id per row",
                ids.len(),
                self.len()
            );
            return Err(DataError::BadEmbeddings { detail });
        }
        let largest = self
            .values
            .iter()
            .fold(0.0_f32, |largest, value| largest.max(value.abs()));
        if precision == Precision::F16 && !f16::from_f32(largest).is_finite() {
            let detail =
                format!("{largest} does not fit half precision; write single precision instead");
            return Err(DataError::BadEmbeddings { detail });
        }
        let header = header(&self.encoder, &ids, self.values.dim(), precision);
        write_atomically_with(path, |file| {
            file.write_all(&(header.len() as u64).to_le_bytes())?;
            file.write_all(header.as_bytes())?;
            for &value in &self.values {
                match precision {
                    Precision::F16 => file.write_all(&f16::from_f32(value).to_le_bytes())?,
                    Precision::F32 => file.write_all(&value.to_le_bytes())?,
                }
            }
            Ok(())
        })
        .map_err(|source| DataError::io(path, source))
    }
}

/// The JSON header. Written here and not by the `safetensors` crate, whose metadata is a hash map and comes out in a
/// different order every time.
fn header(
    encoder: &str,
    ids: &[&String],
    (rows, columns): (usize, usize),
    precision: Precision,
) -> String {
    let (dtype, width) = match precision {
        Precision::F16 => ("F16", 2),
        Precision::F32 => ("F32", 4),
    };
    let header = json!({
        "__metadata__": { "encoder": encoder, "ids": json!(ids).to_string() },
        TENSOR: { "dtype": dtype, "shape": [rows, columns], "data_offsets": [0, rows * columns * width] },
    });
    let mut text = header.to_string();
    // The numbers start at a multiple of eight bytes.
    text.push_str(&" ".repeat(text.len().next_multiple_of(8) - text.len()));
    text
}

struct EmbeddingsFile {
    ids: Vec<String>,
    encoder: String,
    values: Array2<f32>,
}

impl EmbeddingsFile {
    fn parse(bytes: &[u8]) -> Result<Self, String> {
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(|error| error.to_string())?;
        let metadata = header.metadata().as_ref().ok_or("it has no metadata")?;
        let encoder = metadata
            .get("encoder")
            .ok_or("its metadata has no `encoder`")?
            .clone();
        let ids = metadata.get("ids").ok_or("its metadata has no `ids`")?;
        let ids: Vec<String> = serde_json::from_str(ids)
            .map_err(|error| format!("its `ids` are not a JSON list: {error}"))?;
        let tensors = SafeTensors::deserialize(bytes).map_err(|error| error.to_string())?;
        let tensor = tensors.tensor(TENSOR).map_err(|error| error.to_string())?;
        let &[rows, columns] = tensor.shape() else {
            return Err(format!(
                "`{TENSOR}` has the shape {:?}; expected two dimensions",
                tensor.shape()
            ));
        };
        if rows != ids.len() {
            return Err(format!("it has {rows} rows but {} ids", ids.len()));
        }
        let values: Vec<f32> = match tensor.dtype() {
            Dtype::F16 => tensor
                .data()
                .chunks_exact(2)
                .map(|b| f16::from_le_bytes([b[0], b[1]]).to_f32())
                .collect(),
            Dtype::F32 => tensor
                .data()
                .chunks_exact(4)
                .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
                .collect(),
            other => {
                return Err(format!(
                    "`{TENSOR}` has the type {other:?}; expected F16 or F32"
                ));
            }
        };
        let values =
            Array2::from_shape_vec((rows, columns), values).map_err(|error| error.to_string())?;
        Ok(Self {
            ids,
            encoder,
            values,
        })
    }
}
