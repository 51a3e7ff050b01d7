//! The length of a prompt: the encoder of docs/add-an-encoder.md, which is known in tests only.

use ndarray::Array2;
use routelab_encode::{EncodeError, Encoder, Query};
use routelab_heads::Backend;
use serde::Deserialize;

use super::{EncoderInfo, EncoderSpec, Source, read_as};
use crate::failure::Outcome;

/// The encoder.
pub const ENCODER: EncoderInfo = EncoderInfo {
    name: "prompt-length",
    images: false,
    weights: None,
    id: "prompt-length",
    read: read_as::<PromptLength>,
    restore: |_, _| Box::new(PromptLength {}),
};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PromptLength {}

impl EncoderSpec for PromptLength {
    fn build(&self, _: &Backend) -> Outcome<Source> {
        Ok(Source::Ready(Box::new(PromptLength {})))
    }
}

impl Encoder for PromptLength {
    fn id(&self) -> String {
        "prompt-length".to_owned()
    }

    fn dim(&self) -> usize {
        1
    }

    fn encode(&self, queries: &[Query]) -> Result<Array2<f32>, EncodeError> {
        Ok(Array2::from_shape_fn((queries.len(), 1), |(row, _)| {
            queries[row].text.chars().count() as f32
        }))
    }
}
