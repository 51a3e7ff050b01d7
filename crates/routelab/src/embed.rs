//! `routelab embed`: the embeddings of a data set, stored beside it.

use routelab_data::{DataSpec, Precision};
use serde_json::json;

use crate::backends;
use crate::cli::EmbedArgs;
use crate::encoders;
use crate::experiment::EncoderSpec;
use crate::failure::{Failure, Outcome, bad_request};
use crate::output::Output;

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
    let encoder = encoders::build(&spec_of(args)?, &backend)?;
    let embeddings = encoders::embed(encoder, &loaded.table, output)?;
    let folder = match args.dataset.is_dir() {
        true => args.dataset.clone(),
        false => args
            .dataset
            .parent()
            .map(ToOwned::to_owned)
            .unwrap_or_default(),
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

/// The encoder that the arguments ask for, the same as an experiment file would.
fn spec_of(args: &EmbedArgs) -> Outcome<EncoderSpec> {
    let mut table = toml::Table::new();
    table.insert("encoder".into(), args.encoder.clone().into());
    let default_weights = match args.encoder.as_str() {
        "minilm" => Some("models/all-MiniLM-L6-v2"),
        "clip-text" | "clip-image" => Some("models/clip-vit-base-patch16"),
        _ => None,
    };
    let given = args.weights.as_ref().map(|path| path.to_string_lossy());
    if let Some(weights) = given.as_deref().or(default_weights) {
        table.insert("weights".into(), weights.into());
    }
    if args.keep_end {
        table.insert("keep_end".into(), true.into());
    }
    if args.missing_image_zeros {
        table.insert("missing_image".into(), "zeros".into());
    }
    table.try_into().map_err(|error: toml::de::Error| {
        bad_request!(
            "`--encoder {}`: {}\nhelp: docs/encoders.md describes the encoders and their settings",
            args.encoder,
            error.message()
        )
    })
}
