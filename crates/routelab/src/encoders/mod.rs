//! From a name to an encoder. An encoder is one file here and one line in [`ENCODERS`].

mod clip_image;
mod clip_text;
mod hashed_ngrams;
mod image_statistics;
mod minilm;
#[cfg(test)]
mod prompt_length;

use std::fmt::Debug;
use std::path::{Path, PathBuf};

use routelab_data::{Embeddings, RoutingTable};
use routelab_encode::{
    Cache, CachedEncoder, Concat, EncodeError, Encoder, MissingImage, Query, embed_queries,
    embed_table,
};
use routelab_heads::Backend;
use serde::de::DeserializeOwned;

use crate::failure::{Failure, Outcome, bad_request};
use crate::output::{Output, Watch};

/// An encoder that the program knows.
pub struct EncoderInfo {
    /// Its name in experiment files and on the command line.
    pub name: &'static str,
    /// Whether it reads the queries' images, and not their prompts.
    pub images: bool,
    /// The folder of its weights, where nothing else is said; none for an encoder without weights.
    pub weights: Option<fn(&Weights) -> &Path>,
    /// What the ids of such encoders begin with.
    id: &'static str,
    /// Its settings, without the name; paths are relative to the folder.
    read: fn(toml::Table, &Path) -> Specified,
    /// The settings of an encoder with this id.
    restore: fn(&str, &Weights) -> Box<dyn EncoderSpec>,
}

/// All encoders.
const ENCODERS: &[EncoderInfo] = &[
    minilm::ENCODER,
    hashed_ngrams::ENCODER,
    clip_text::ENCODER,
    clip_image::ENCODER,
    image_statistics::ENCODER,
    #[cfg(test)]
    prompt_length::ENCODER,
];

/// The settings of an encoder, or what is wrong with them.
type Specified = Result<Box<dyn EncoderSpec>, String>;

/// The settings of an encoder.
pub trait EncoderSpec: Debug + Send + Sync {
    /// Checks ranges, and makes paths relative to `folder` such that they can be opened.
    fn resolve(&mut self, _folder: &Path) -> Result<(), String> {
        Ok(())
    }

    /// The encoder.
    ///
    /// # Errors
    ///
    /// Weights that cannot be read.
    fn build(&self, backend: &Backend) -> Outcome<Source>;
}

/// How embeddings come about.
pub enum Source {
    /// By an encoder that is ready to use.
    Ready(Box<dyn Encoder>),
    /// By one that is fitted on the training prompts of every split.
    Fitted(Box<dyn FitEncoder>),
}

/// An encoder that has to see training prompts first.
pub trait FitEncoder: Send + Sync {
    /// Fits it.
    fn fit(&self, prompts: &[&str]) -> Result<Box<dyn FittedEncoder>, EncodeError>;

    /// Loads it from the file where [`FittedEncoder::save`] put it.
    fn load(&self, path: &Path) -> Result<Box<dyn Encoder>, EncodeError>;
}

/// An encoder that was fitted.
pub trait FittedEncoder: Encoder {
    /// Keeps it in a file.
    fn save(&self, path: &Path) -> Result<(), EncodeError>;
}

/// The encoder that `table` names under `encoder`.
///
/// # Errors
///
/// In words: an unknown name, an unknown key, a setting out of range.
pub fn read(
    mut table: toml::Table,
    folder: &Path,
) -> Result<(&'static EncoderInfo, Box<dyn EncoderSpec>), String> {
    let info = match table.remove("encoder") {
        Some(toml::Value::String(name)) => find(&name)?,
        _ => return Err("`encoder` must be the name of an encoder".into()),
    };
    let spec = (info.read)(table, folder)
        .map_err(|reason| format!("encoder `{}`: {reason}", info.name))?;
    Ok((info, spec))
}

/// The encoder with this name.
///
/// # Errors
///
/// In words, with the names that there are.
pub fn find(name: &str) -> Result<&'static EncoderInfo, String> {
    (ENCODERS.iter())
        .find(|info| info.name == name)
        .ok_or_else(|| {
            let known: Vec<&str> = ENCODERS.iter().map(|info| info.name).collect();
            format!(
                "unknown encoder `{name}`: expected one of {}",
                known.join(", ")
            )
        })
}

/// Settings from their table.
fn read_as<S: EncoderSpec + DeserializeOwned + 'static>(
    table: toml::Table,
    folder: &Path,
) -> Specified {
    let mut spec: S =
        (table.try_into()).map_err(|error: toml::de::Error| error.message().to_owned())?;
    spec.resolve(folder)?;
    Ok(Box::new(spec))
}

/// Embeds every query of a table, through the cache.
pub fn embed(
    encoder: Box<dyn Encoder>,
    table: &RoutingTable,
    output: &Output,
) -> Outcome<Embeddings> {
    through_cache(encoder, table.len(), output, |encoder, progress| {
        embed_table(encoder, table, progress)
    })
}

/// Embeds queries by the encoder that `settings` name under `encoder`, as `[embeddings]` of an experiment file does, through the
/// cache. An encoder that is fitted on prompts first sees those of `fit`; paths are as they are.
///
/// # Errors
///
/// An unknown encoder or setting, weights that cannot be read, a query that cannot be embedded, and prompts to fit on where there is
/// nothing to fit, or none where there is.
pub fn encode(
    queries: &[Query],
    settings: toml::Table,
    fit: Option<&[&str]>,
    backend: &Backend,
    watch: &Watch,
) -> Outcome<Embeddings> {
    let output = Output::new(true, false).watched(watch);
    if queries.is_empty() {
        return Err(bad_request!(
            "there are no queries: give at least one prompt or image"
        ));
    }
    let with_weights = with_usual_weights(settings).map_err(|reason| bad_request!("{reason}"))?;
    let (info, spec) =
        read(with_weights, Path::new("")).map_err(|reason| bad_request!("{reason}"))?;
    let encoder = match (spec.build(backend)?, fit) {
        (Source::Ready(encoder), None) => encoder,
        (Source::Fitted(encoder), Some(prompts)) => {
            let fitted = encoder.fit(prompts).map_err(Failure::request)?;
            let values = fitted.encode(queries).map_err(Failure::request)?;
            return Embeddings::new(values, fitted.id()).map_err(Failure::request);
        }
        (Source::Ready(_), Some(_)) => {
            return Err(bad_request!(
                "encoder `{}` has nothing to fit: leave out the prompts to fit on",
                info.name
            ));
        }
        (Source::Fitted(_), None) => {
            return Err(bad_request!(
                "encoder `{}` is fitted on prompts first: give those of the training queries",
                info.name
            ));
        }
    };
    watch.run(|| {
        through_cache(encoder, queries.len(), &output, |encoder, progress| {
            embed_queries(encoder, queries, progress)
        })
    })
}

/// Settings of an encoder with the usual folder of its weights, where none is given.
fn with_usual_weights(mut settings: toml::Table) -> Result<toml::Table, String> {
    let name = settings.get("encoder").and_then(toml::Value::as_str);
    let info = find(name.unwrap_or_default())?;
    if let Some(weights) = info.weights
        && !settings.contains_key("weights")
    {
        let usual = weights(&Weights::default()).to_string_lossy().into_owned();
        settings.insert("weights".into(), usual.into());
    }
    Ok(settings)
}

/// What `embed` makes with the encoder behind the cache; it is told of progress, over `queries`, as [`embed_queries`] is.
fn through_cache(
    encoder: Box<dyn Encoder>,
    queries: usize,
    output: &Output,
    embed: impl FnOnce(&dyn Encoder, &dyn Fn(usize, usize)) -> Result<Embeddings, EncodeError>,
) -> Outcome<Embeddings> {
    let cache = Cache::open_default().map_err(Failure::request)?;
    let encoder = CachedEncoder::new(encoder, cache);
    let bar = output.bar(queries as u64);
    bar.set_message("embedding");
    let progress = |done, _| {
        output.leave_if_stopped();
        bar.set_position(done as u64);
    };
    let embeddings = embed(&encoder, &progress).map_err(|error| match error {
        EncodeError::AtQuery { .. } => Failure::request(error),
        error => Failure::failed(error),
    })?;
    bar.finish_and_clear();
    let report = encoder.report();
    for warning in &report.warnings {
        output.note(format!("warning: {warning}"));
    }
    output.note(format!(
        "{}: embedded {} queries ({} from the cache)",
        encoder.id(),
        queries,
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
        let info = (ENCODERS.iter())
            .find(|info| id.starts_with(info.id))
            .ok_or_else(|| {
                bad_request!(
                    "the router reads embeddings of {id:?}, which cannot be computed here\nhelp: fit it on an encoder of \
                     RouteLab's, see docs/encoders.md"
                )
            })?;
        parts.push(match (info.restore)(id, weights).build(backend)? {
            Source::Fitted(encoder) => encoder.load(fitted).map_err(Failure::request)?,
            Source::Ready(encoder) => {
                if let (Some(used), Some(found)) = (weights_hash(id), weights_hash(&encoder.id()))
                    && used != found
                {
                    return Err(bad_request!(
                        "the router was fitted on embeddings of other weights: {id}, not {}\nhelp: name the folder of those \
                         weights",
                        encoder.id()
                    ));
                }
                encoder
            }
        });
    }
    if parts.len() == 1 {
        return Ok(parts.remove(0));
    }
    Ok(Box::new(Concat::new(parts).map_err(Failure::request)?))
}

/// The part of an encoder's id that is the hash of its weights.
fn weights_hash(id: &str) -> Option<&str> {
    id.split('-')
        .find(|part| part.len() == 16 && part.chars().all(|digit| digit.is_ascii_hexdigit()))
}

/// What an encoder with this id does with queries without an image.
fn missing_image(id: &str) -> MissingImage {
    if id.ends_with("-missing-zeros") {
        MissingImage::Zeros
    } else {
        MissingImage::Error
    }
}

fn clip_failure(error: EncodeError) -> Failure {
    let told = format!("{error}\nhelp: docs/encoders.md says where to get the weights of CLIP");
    Failure::because(error, told)
}
