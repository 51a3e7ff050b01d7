//! `routelab embed`: the embeddings of a data set, stored beside it.

use routelab_data::{DataSpec, Precision};
use routelab_heads::Backend;
use serde_json::json;

use crate::cli::EmbedArgs;
use crate::failure::{Failure, Outcome, bad_request};
use crate::output::Output;
use crate::run::{embed, minilm};

/// Embeds every query of a data set.
pub fn run(args: &EmbedArgs, output: &Output) -> Outcome {
    if args.encoder != "minilm" {
        return Err(bad_request!(
            "unknown encoder {:?}: expected `minilm`\nhelp: hashed n-grams are fitted on training prompts, so they are \
             computed while an experiment runs",
            args.encoder
        ));
    }
    let backend = Backend::from_name(&args.backend).map_err(Failure::request)?;
    let spec = DataSpec::read(&args.dataset).map_err(Failure::request)?;
    let loaded = routelab_data::load(&spec).map_err(Failure::request)?;
    let encoder = minilm(&args.weights, args.keep_end, &backend)?;
    let embeddings = embed(encoder, &loaded.table, output)?;
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
