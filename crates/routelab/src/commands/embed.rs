//! `routelab embed`: the embeddings of a data set, stored beside it.

use clap::Args;
use routelab_data::{DataSpec, Precision};
use routelab_encode::Encoder;
use routelab_heads::Backend;
use serde_json::json;
use std::path::{Path, PathBuf};

use super::backends;
use crate::encoders::{self, Source, Weights};
use crate::failure::{Failure, Outcome, bad_request};
use crate::output::Output;

/// Arguments of `embed`.
#[derive(Args)]
pub struct EmbedArgs {
    /// A data set: a folder with a `dataset.toml`.
    pub dataset: PathBuf,
    /// The encoder: `minilm`, `clip-text`, `clip-image` or `image-statistics`.
    #[arg(long, default_value = "minilm")]
    pub encoder: String,
    /// Folder of the encoder's weights; by default models/all-MiniLM-L6-v2 or models/clip-vit-base-patch16.
    #[arg(long)]
    pub weights: Option<PathBuf>,
    /// Give queries without an image an embedding of zeros; by default they are an error.
    #[arg(long)]
    pub missing_image_zeros: bool,
    /// Cut long prompts at their beginning: for few-shot prompts, whose question stands at the end.
    #[arg(long)]
    pub keep_end: bool,
    /// The file to write; by default ENCODER.safetensors in the data set's folder.
    #[arg(long)]
    pub out: Option<PathBuf>,
    /// Embed a random sample of the queries only, the one that `sample` in an experiment file takes.
    #[arg(long)]
    pub sample: Option<usize>,
    /// Store half-precision numbers: half the size, about three digits.
    #[arg(long)]
    pub half: bool,
    /// Where the encoder runs.
    #[arg(long, default_value = routelab_heads::backend::DEFAULT)]
    pub backend: String,
}

/// Embeds every query of a data set.
pub fn run(args: &EmbedArgs, output: &Output) -> Outcome {
    let backend = backends::open(&args.backend, output)?;
    if backend.precision() != routelab_heads::Precision::F32 {
        return Err(bad_request!(
            "encoders compute in single precision\nhelp: leave out `@{}`",
            backend.precision()
        ));
    }
    let mut spec = DataSpec::read(&args.dataset).map_err(Failure::request)?;
    if args.sample.is_some() {
        spec.sample = args.sample;
    }
    let loaded = routelab_data::load(&spec).map_err(Failure::request)?;
    let encoder = encoder(args, &backend)?;
    let embeddings = encoders::embed(encoder, &loaded.table, output)?;
    let folder = if args.dataset.is_dir() {
        args.dataset.clone()
    } else {
        args.dataset
            .parent()
            .map(ToOwned::to_owned)
            .unwrap_or_default()
    };
    let path = args
        .out
        .clone()
        .unwrap_or_else(|| folder.join(format!("{}.safetensors", args.encoder)));
    let precision = if args.half {
        Precision::F16
    } else {
        Precision::F32
    };
    embeddings
        .write(&path, loaded.table.ids(), precision)
        .map_err(Failure::failed)?;
    output.say(format!(
        "{}: {} × {}",
        path.display(),
        embeddings.len(),
        embeddings.dim()
    ));
    output.result(&json!({
        "file": path,
        "queries": embeddings.len(),
        "dimension": embeddings.dim(),
        "encoder": embeddings.encoder(),
    }));
    Ok(())
}

/// The encoder that the arguments ask for, as an experiment file would.
fn encoder(args: &EmbedArgs, backend: &Backend) -> Outcome<Box<dyn Encoder>> {
    let wrong = |reason: String| {
        bad_request!(
            "`--encoder {}`: {reason}\nhelp: docs/encoders.md describes the encoders and their settings",
            args.encoder
        )
    };
    let info = encoders::find(&args.encoder).map_err(wrong)?;
    let mut table = toml::Table::new();
    table.insert("encoder".into(), args.encoder.clone().into());
    let usual = Weights::default();
    let usual = info.weights.map(|weights| weights(&usual));
    if let Some(weights) = args.weights.as_deref().or(usual) {
        table.insert("weights".into(), weights.to_string_lossy().as_ref().into());
    }
    if args.keep_end {
        table.insert("keep_end".into(), true.into());
    }
    if args.missing_image_zeros {
        table.insert("missing_image".into(), "zeros".into());
    }
    let (_, spec) = encoders::read(table, Path::new("")).map_err(wrong)?;
    match spec.build(backend)? {
        Source::Ready(encoder) => Ok(encoder),
        Source::Fitted(_) => Err(bad_request!(
            "`{}` is fitted on the training prompts of every split\nhelp: name it in an experiment file; it is computed while the \
             experiment runs",
            args.encoder
        )),
    }
}
