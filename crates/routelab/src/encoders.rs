//! From a name to an encoder.

use std::path::{Path, PathBuf};

use routelab_data::{Embeddings, RoutingTable};
use routelab_encode::{
    Cache, CachedEncoder, ClipImage, ClipTextEncoder, Concat, EncodeError, Encoder, HashedNgrams,
    ImageStatistics, MiniLm, MissingImage, embed_table,
};
use routelab_heads::Backend;

use crate::experiment::EncoderSpec;
use crate::failure::{Failure, Outcome, bad_request};
use crate::output::Output;

/// The encoder that `spec` names, ready to use.
///
/// # Errors
///
/// Weights that cannot be read, and hashed n-grams, which have to be fitted on training prompts first.
pub fn build(spec: &EncoderSpec, backend: &Backend) -> Outcome<Box<dyn Encoder>> {
    let device = backend.device();
    Ok(match spec {
        EncoderSpec::Minilm { weights, keep_end } => {
            let encoder = MiniLm::load(weights, device).map_err(|error| {
                bad_request!(
                    "{error}\nhelp: `python3 scripts/get-minilm.py` fetches the weights of all-MiniLM-L6-v2"
                )
            })?;
            Box::new(match keep_end {
                true => encoder.keep_end(),
                false => encoder,
            })
        }
        EncoderSpec::ClipText { weights } => {
            Box::new(ClipTextEncoder::load(weights, device).map_err(clip_failure)?)
        }
        EncoderSpec::ClipImage {
            weights,
            missing_image,
        } => Box::new(ClipImage::load(weights, *missing_image, device).map_err(clip_failure)?),
        EncoderSpec::ImageStatistics { missing_image } => Box::new(ImageStatistics {
            missing_image: *missing_image,
        }),
        EncoderSpec::HashedNgrams { .. } => {
            return Err(bad_request!(
                "`hashed-ngrams` is fitted on the training prompts of every split\nhelp: name it in an experiment file; \
                 it is computed while the experiment runs"
            ));
        }
    })
}

fn clip_failure(error: EncodeError) -> Failure {
    bad_request!("{error}\nhelp: docs/encoders.md says where to get the weights of CLIP")
}

/// Embeds every query of a table, through the cache.
pub fn embed(
    encoder: Box<dyn Encoder>,
    table: &RoutingTable,
    output: &Output,
) -> Outcome<Embeddings> {
    let cache = Cache::open_default().map_err(Failure::request)?;
    let encoder = CachedEncoder::new(encoder, cache);
    let bar = output.bar(table.len() as u64);
    bar.set_message("embedding");
    let embeddings = embed_table(&encoder, table, &|done, _| bar.set_position(done as u64))
        .map_err(Failure::failed)?;
    bar.finish_and_clear();
    let report = encoder.report();
    for warning in &report.warnings {
        output.note(format!("warning: {warning}"));
    }
    output.note(format!(
        "{}: embedded {} queries ({} from the cache)",
        encoder.id(),
        table.len(),
        report.hits
    ));
    Ok(embeddings)
}

/// Folders of published weights, for the encoders that need them.
#[derive(Clone, Debug)]
pub struct Weights {
    /// Of all-MiniLM-L6-v2.
    pub minilm: PathBuf,
    /// Of a CLIP.
    pub clip: PathBuf,
}

impl Default for Weights {
    fn default() -> Self {
        Self {
            minilm: "models/all-MiniLM-L6-v2".into(),
            clip: "models/clip-vit-base-patch16".into(),
        }
    }
}

/// The encoder whose parts have these ids, as a run's manifest names them. `fitted` is the file of the part that was fitted
/// on training prompts.
///
/// # Errors
///
/// Embeddings that came from elsewhere, and weights other than those that were used.
pub fn restore(
    ids: &[String],
    fitted: &Path,
    weights: &Weights,
    backend: &Backend,
) -> Outcome<Box<dyn Encoder>> {
    let mut parts = Vec::new();
    for id in ids {
        let missing_image = match id.ends_with("-missing-zeros") {
            true => MissingImage::Zeros,
            false => MissingImage::Error,
        };
        let spec = if id.starts_with("hashed-ngrams") {
            parts.push(
                Box::new(HashedNgrams::load(fitted).map_err(Failure::request)?) as Box<dyn Encoder>,
            );
            continue;
        } else if id.starts_with("all-MiniLM-L6-v2") {
            EncoderSpec::Minilm {
                weights: weights.minilm.clone(),
                keep_end: id.ends_with("-end"),
            }
        } else if id.starts_with("clip-text") {
            EncoderSpec::ClipText {
                weights: weights.clip.clone(),
            }
        } else if id.starts_with("clip-image") {
            EncoderSpec::ClipImage {
                weights: weights.clip.clone(),
                missing_image,
            }
        } else if id.starts_with("image-statistics") {
            EncoderSpec::ImageStatistics { missing_image }
        } else {
            return Err(bad_request!(
                "the router reads embeddings of {id:?}, which cannot be computed here\nhelp: fit it on an encoder of \
                 RouteLab's, see docs/encoders.md"
            ));
        };
        let encoder = build(&spec, backend)?;
        if let (Some(used), Some(found)) = (weights_hash(id), weights_hash(&encoder.id()))
            && used != found
        {
            return Err(bad_request!(
                "the router was fitted on embeddings of other weights: {id}, not {}\nhelp: name the folder of those weights",
                encoder.id()
            ));
        }
        parts.push(encoder);
    }
    Ok(match parts.len() {
        1 => parts.remove(0),
        _ => Box::new(Concat::new(parts).map_err(Failure::request)?),
    })
}

/// The part of an encoder's id that is the hash of its weights.
fn weights_hash(id: &str) -> Option<&str> {
    id.split('-')
        .find(|part| part.len() == 16 && part.chars().all(|digit| digit.is_ascii_hexdigit()))
}
