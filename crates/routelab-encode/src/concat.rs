//! Several encoders side by side, such as text and image.

use ndarray::{Array2, Axis, Slice};

use crate::{EncodeError, Encoder, Query, normalise};

/// Embeddings of several encoders side by side, each part scaled to length 1 (a part of zeros stays zero).
pub struct Concat {
    parts: Vec<Box<dyn Encoder>>,
}

impl Concat {
    /// Puts the embeddings of `parts` side by side, in this order.
    ///
    /// # Errors
    ///
    /// No part at all.
    pub fn new(parts: Vec<Box<dyn Encoder>>) -> Result<Self, EncodeError> {
        if parts.is_empty() {
            return Err(EncodeError::BadSetting {
                setting: "number of encoders",
                value: "0".to_owned(),
                expected: "at least 1".to_owned(),
            });
        }
        Ok(Self { parts })
    }
}

impl Encoder for Concat {
    fn id(&self) -> String {
        let ids: Vec<String> = self.parts.iter().map(|part| part.id()).collect();
        ids.join("+")
    }

    fn dim(&self) -> usize {
        self.parts.iter().map(|part| part.dim()).sum()
    }

    fn uses_images(&self) -> bool {
        self.parts.iter().any(|part| part.uses_images())
    }

    fn encode(&self, queries: &[Query]) -> Result<Array2<f32>, EncodeError> {
        let parts = self.parts.iter().map(|part| part.encode(queries));
        Ok(side_by_side(&parts.collect::<Result<Vec<_>, _>>()?))
    }
}

/// Embeddings `[queries, dimension]` of the same queries side by side, each part's rows scaled to length 1 (rows of zeros stay).
///
/// # Panics
///
/// Parts with different numbers of rows.
pub fn side_by_side(parts: &[Array2<f32>]) -> Array2<f32> {
    let rows = parts.first().map_or(0, Array2::nrows);
    let mut embeddings = Array2::zeros((rows, parts.iter().map(Array2::ncols).sum()));
    let mut start = 0;
    for part in parts {
        let end = start + part.ncols();
        let mut columns = embeddings.slice_axis_mut(Axis(1), Slice::from(start..end));
        for (mut to, from) in columns.rows_mut().into_iter().zip(part.rows()) {
            let mut from = from.to_vec();
            normalise(&mut from);
            to.assign(&ndarray::aview1(&from));
        }
        start = end;
    }
    embeddings
}
