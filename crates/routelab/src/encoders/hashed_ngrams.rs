//! Hashed n-grams, fitted on the training prompts of every split.

use std::path::Path;

use routelab_encode::{EncodeError, Encoder, HashedConfig, HashedNgrams};
use routelab_heads::Backend;
use serde::Deserialize;

use super::{EncoderInfo, EncoderSpec, FitEncoder, FittedEncoder, Source, read_as};
use crate::failure::Outcome;

/// The encoder.
pub const ENCODER: EncoderInfo = EncoderInfo {
    name: "hashed-ngrams",
    images: false,
    weights: None,
    id: "hashed-ngrams",
    read: read_as::<Ngrams>,
    restore: |_, _| Box::new(Ngrams::default()),
};

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Ngrams {
    /// Its settings.
    #[serde(default)]
    settings: HashedConfig,
}

impl EncoderSpec for Ngrams {
    fn resolve(&mut self, _: &Path) -> Result<(), String> {
        self.settings.validate().map_err(|error| error.to_string())
    }

    fn build(&self, _: &Backend) -> Outcome<Source> {
        Ok(Source::Fitted(Box::new(self.clone())))
    }
}

impl FitEncoder for Ngrams {
    fn fit(&self, prompts: &[&str]) -> Result<Box<dyn FittedEncoder>, EncodeError> {
        Ok(Box::new(HashedNgrams::fit(prompts, &self.settings)?))
    }

    fn load(&self, path: &Path) -> Result<Box<dyn Encoder>, EncodeError> {
        Ok(Box::new(HashedNgrams::load(path)?))
    }
}

impl FittedEncoder for HashedNgrams {
    fn save(&self, path: &Path) -> Result<(), EncodeError> {
        self.save(path)
    }
}
