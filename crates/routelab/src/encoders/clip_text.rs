//! The text tower of a CLIP.

use std::path::{Path, PathBuf};

use routelab_data::resolve_path;
use routelab_encode::ClipTextEncoder;
use routelab_heads::Backend;
use serde::Deserialize;

use super::{EncoderInfo, EncoderSpec, Source, clip_failure, read_as};
use crate::failure::Outcome;

/// The encoder.
pub const ENCODER: EncoderInfo = EncoderInfo {
    name: "clip-text",
    images: false,
    weights: Some(|weights| &weights.clip),
    id: "clip-text",
    read: read_as::<ClipText>,
    restore: |_, weights| {
        Box::new(ClipText {
            weights: weights.clip.clone(),
        })
    },
};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ClipText {
    /// Folder of the weights.
    weights: PathBuf,
}

impl EncoderSpec for ClipText {
    fn resolve(&mut self, folder: &Path) -> Result<(), String> {
        self.weights = resolve_path(folder, &self.weights);
        Ok(())
    }

    fn build(&self, backend: &Backend) -> Outcome<Source> {
        let encoder = ClipTextEncoder::load(&self.weights, backend.device());
        Ok(Source::Ready(Box::new(encoder.map_err(clip_failure)?)))
    }
}
