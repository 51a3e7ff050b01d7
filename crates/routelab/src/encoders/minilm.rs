//! all-MiniLM-L6-v2.

use std::path::{Path, PathBuf};

use routelab_data::resolve_path;
use routelab_encode::MiniLm;
use routelab_heads::Backend;
use serde::Deserialize;

use super::{EncoderInfo, EncoderSpec, Source, read_as};
use crate::failure::{Failure, Outcome};

/// The encoder.
pub const ENCODER: EncoderInfo = EncoderInfo {
    name: "minilm",
    images: false,
    weights: Some(|weights| &weights.minilm),
    id: "all-MiniLM-L6-v2",
    read: read_as::<Minilm>,
    restore: |id, weights| {
        Box::new(Minilm {
            weights: weights.minilm.clone(),
            keep_end: id.ends_with("-end"),
        })
    },
};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Minilm {
    /// Folder of the weights.
    weights: PathBuf,
    /// Whether long prompts are cut at their beginning.
    #[serde(default)]
    keep_end: bool,
}

impl EncoderSpec for Minilm {
    fn resolve(&mut self, folder: &Path) -> Result<(), String> {
        self.weights = resolve_path(folder, &self.weights);
        Ok(())
    }

    fn build(&self, backend: &Backend) -> Outcome<Source> {
        let encoder = MiniLm::load(&self.weights, backend.device()).map_err(|error| {
            let told = format!(
                "{error}\nhelp: `python3 scripts/get-minilm.py` fetches the weights of all-MiniLM-L6-v2"
            );
            Failure::because(error, told)
        })?;
        Ok(Source::Ready(Box::new(if self.keep_end {
            encoder.keep_end()
        } else {
            encoder
        })))
    }
}
