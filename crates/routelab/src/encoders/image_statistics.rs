//! Colour and gradient statistics of images.

use routelab_encode::{ImageStatistics as Statistics, MissingImage};
use routelab_heads::Backend;
use serde::Deserialize;

use super::{EncoderInfo, EncoderSpec, Source, missing_image, read_as};
use crate::failure::Outcome;

/// The encoder.
pub const ENCODER: EncoderInfo = EncoderInfo {
    name: "image-statistics",
    images: true,
    weights: None,
    id: "image-statistics",
    read: read_as::<ImageStatistics>,
    restore: |id, _| {
        Box::new(ImageStatistics {
            missing_image: missing_image(id),
        })
    },
};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ImageStatistics {
    /// What a query without an image gets.
    #[serde(default)]
    missing_image: MissingImage,
}

impl EncoderSpec for ImageStatistics {
    fn build(&self, _: &Backend) -> Outcome<Source> {
        Ok(Source::Ready(Box::new(Statistics {
            missing_image: self.missing_image,
        })))
    }
}
