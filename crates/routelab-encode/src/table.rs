//! Embeddings of a whole routing table.

use ndarray::{Array2, Axis, Slice};
use routelab_data::{Embeddings, RoutingTable};

use crate::{EncodeError, Encoder, Query};

/// Queries per call of the encoder: enough to keep every thread busy, few enough for lively progress.
const CHUNK: usize = 256;

/// Embeds every query of `table`, row-aligned. `progress` is told how many queries of how many are done.
///
/// # Errors
///
/// [`EncodeError::AtRow`] names the row and its id; any other variant where the encoder as a whole is at fault.
pub fn embed_table(
    encoder: &dyn Encoder,
    table: &RoutingTable,
    progress: &dyn Fn(usize, usize),
) -> Result<Embeddings, EncodeError> {
    let image = |row: usize| table.images().and_then(|images| images[row].as_deref());
    let queries: Vec<Query> = table
        .prompts()
        .iter()
        .enumerate()
        .map(|(row, text)| Query {
            text,
            image: image(row),
        })
        .collect();
    embed_queries(encoder, &queries, progress).map_err(|error| match error {
        EncodeError::AtQuery { index, cause } => EncodeError::AtRow {
            row: index,
            id: table.ids()[index].clone(),
            cause,
        },
        other => other,
    })
}

/// Embeds queries, `[queries, dimension]`; there is at least one. `progress` is told how many queries of how many are done.
///
/// # Errors
///
/// [`EncodeError::AtQuery`] counts the query among all; any other variant where the encoder as a whole is at fault.
pub fn embed_queries(
    encoder: &dyn Encoder,
    queries: &[Query],
    progress: &dyn Fn(usize, usize),
) -> Result<Embeddings, EncodeError> {
    let mut values = Array2::zeros((queries.len(), encoder.dim()));
    progress(0, queries.len());
    for (chunk, part) in queries.chunks(CHUNK).enumerate() {
        let start = chunk * CHUNK;
        let done = start + part.len();
        let embedded = encoder.encode(part).map_err(|error| match error {
            EncodeError::AtQuery { index, cause } => EncodeError::AtQuery {
                index: start + index,
                cause,
            },
            other => other,
        })?;
        values
            .slice_axis_mut(Axis(0), Slice::from(start..done))
            .assign(&embedded);
        progress(done, queries.len());
    }
    Ok(Embeddings::new(values, encoder.id())?)
}
