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
    let mut values = Array2::zeros((queries.len(), encoder.dim()));
    progress(0, queries.len());
    for (chunk, queries) in queries.chunks(CHUNK).enumerate() {
        let start = chunk * CHUNK;
        let done = start + queries.len();
        let embedded = encoder.encode(queries).map_err(|error| match error {
            EncodeError::AtQuery { index, cause } => EncodeError::AtRow {
                row: start + index,
                id: table.ids()[start + index].clone(),
                cause,
            },
            other => other,
        })?;
        values
            .slice_axis_mut(Axis(0), Slice::from(start..done))
            .assign(&embedded);
        progress(done, table.len());
    }
    Ok(Embeddings::new(values, encoder.id())?)
}
