//! The image tower of a CLIP.

use std::path::{Path, PathBuf};

use routelab_data::resolve_path;
use routelab_encode::{ClipImage as Tower, MissingImage};
use routelab_heads::Backend;
use serde::Deserialize;

use super::{EncoderInfo, EncoderSpec, Source, clip_failure, missing_image, read_as};
use crate::failure::Outcome;

/// The encoder.
pub const ENCODER: EncoderInfo = EncoderInfo {
    name: "clip-image",
    images: true,
    weights: Some(|weights| &weights.clip),
    id: "clip-image",
    read: read_as::<ClipImage>,
    restore: |id, weights| {
        Box::new(ClipImage {
            weights: weights.clip.clone(),
            missing_image: missing_image(id),
        })
    },
};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ClipImage {
    /// Folder of the weights.
    weights: PathBuf,
    /// What a query without an image gets.
    #[serde(default)]
    missing_image: MissingImage,
}

impl EncoderSpec for ClipImage {
    fn resolve(&mut self, folder: &Path) -> Result<(), String> {
        self.weights = resolve_path(folder, &self.weights);
        Ok(())
    }

    fn build(&self, backend: &Backend) -> Outcome<Source> {
        let encoder = Tower::load(&self.weights, self.missing_image, backend.device());
        Ok(Source::Ready(Box::new(encoder.map_err(clip_failure)?)))
    }
}
