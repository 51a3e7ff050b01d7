//! Queries without an image, for the encoders that look at images.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::{EncodeError, Query};

/// What an image encoder does about a query without an image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MissingImage {
    /// Stop with an error that names the query.
    #[default]
    Error,
    /// Give the query an embedding of zeros.
    Zeros,
}

impl MissingImage {
    /// What distinguishes the encoder's id.
    pub(super) fn suffix(self) -> &'static str {
        match self {
            Self::Error => "",
            Self::Zeros => "-missing-zeros",
        }
    }
}

/// The queries that have an image, by their position.
pub(super) fn image_rows<'a>(
    queries: &[Query<'a>],
    missing: MissingImage,
    encoder: &str,
) -> Result<Vec<(usize, &'a Path)>, EncodeError> {
    let mut rows = Vec::with_capacity(queries.len());
    for (index, query) in queries.iter().enumerate() {
        match (query.image, missing) {
            (Some(path), _) => rows.push((index, path)),
            (None, MissingImage::Zeros) => {}
            (None, MissingImage::Error) => {
                let encoder = encoder.to_owned();
                return Err(EncodeError::NoImage { encoder }.at_query(index));
            }
        }
    }
    Ok(rows)
}
