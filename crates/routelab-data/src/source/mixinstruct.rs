//! MixInstruct (Jiang, Ren & Lin 2023, LLM-Blender): records with `id`, `instruction`, `input`, and `candidates`, each of
//! which has `model`, `text` and `scores`.

use serde_json::Value as Json;

use crate::builder::{Query, TableBuilder};
use crate::cell::Cell;
use crate::error::{DataError, Place};
use crate::report::Loaded;
use crate::source::rows::{Object, for_each_object, json_kind, value_cell};
use crate::spec::DataSpec;
use crate::table::CostUnit;

/// The score that is the quality. BERTScore is the one that was published on a scale from 0 to 1 for every candidate.
const QUALITY: &str = "bertscore";

/// Billions of parameters of models whose names do not say it.
const SIZES: [(&str, f64); 3] = [
    ("alpaca-native", 7.0),
    ("flan-t5-xxl", 11.0),
    ("moss-moon-003-sft", 16.0),
];

/// Reads a JSON array or JSON Lines. Without an assumed cost, a call costs the model's size.
pub(super) fn read(spec: &DataSpec) -> Result<Loaded, DataError> {
    let by_size = spec.cost.is_none();
    let unit = by_size.then(|| CostUnit {
        name: "billion parameters".to_owned(),
        assumption: Some(
            "a call costs the number of the model's parameters; costs were not recorded".to_owned(),
        ),
    });
    let mut builder = TableBuilder::new(spec, unit)?;
    builder.start_file(&spec.path)?;
    let kind = json_kind(&spec.path)?;
    for_each_object(&spec.path, kind, &mut |place, record| {
        builder.count_row();
        let query = query(spec, place, record)?;
        let Some(Json::Array(candidates)) = record.get("candidates") else {
            return Err(unexpected(
                spec,
                place,
                "candidates",
                record.get("candidates"),
                "a list",
            ));
        };
        for candidate in candidates {
            let Some(Json::String(model)) = candidate.get("model") else {
                let found = candidate.get("model");
                return Err(unexpected(
                    spec,
                    place,
                    "candidates.model",
                    found,
                    "the name of a model",
                ));
            };
            let score = candidate
                .get("scores")
                .and_then(|scores| scores.get(QUALITY));
            let quality = value_cell(score.unwrap_or(&Json::Null));
            let size = by_size.then(|| size(spec, model)).transpose()?;
            let size = size.map(Cell::Number);
            builder.add_pair(
                place,
                query.clone(),
                "input",
                model,
                (&quality, &format!("candidates.scores.{QUALITY} of {model}")),
                size.as_ref().map(|size| (size, "size")),
            )?;
        }
        Ok(())
    })?;
    builder.finish()
}

/// The instruction, then the input where there is one. What comes before the first slash of the id is where the record was
/// taken from, and is the task.
fn query(spec: &DataSpec, place: Place, record: &Object) -> Result<Query, DataError> {
    let text = |key: &'static str| match record.get(key) {
        None | Some(Json::Null) => Ok(""),
        Some(Json::String(text)) => Ok(text.as_str()),
        found => Err(unexpected(spec, place, key, found, "a text")),
    };
    let id = text("id")?;
    if id.is_empty() {
        return Err(DataError::Blank {
            at: place.cell(&spec.path, "id"),
            expected: "an id",
        });
    }
    let pieces = [text("instruction")?, text("input")?];
    let pieces: Vec<&str> = pieces
        .into_iter()
        .filter(|piece| !piece.is_empty())
        .collect();
    Ok(Query {
        id: id.to_owned(),
        prompt: pieces.join("\n"),
        task: id.split_once('/').map(|(source, _)| source.to_owned()),
        ..Query::default()
    })
}

/// Billions of parameters: from the list, or the number before a `b` in the name, as in `vicuna-13b-1.1`.
fn size(spec: &DataSpec, model: &str) -> Result<f64, DataError> {
    let known = SIZES.iter().find(|(name, _)| *name == model);
    if let Some((_, size)) = known {
        return Ok(*size);
    }
    let named = model.split(['-', '_']).find_map(|word| {
        let digits = word.strip_suffix(['b', 'B'])?;
        digits.parse().ok().filter(|size: &f64| *size > 0.0)
    });
    named.ok_or_else(|| {
        DataError::spec(
            "cost",
            format!(
                "{}: the size of the model {model:?} is not known",
                spec.path.display()
            ),
            "give the cost of one call of every model with `cost = { kind = \"per-call\", … }`, or leave the model out \
             with `exclude_models`",
        )
    })
}

fn unexpected(
    spec: &DataSpec,
    place: Place,
    column: &str,
    found: Option<&Json>,
    expected: &str,
) -> DataError {
    DataError::Unexpected {
        at: place.cell(&spec.path, column),
        value: found.map(Json::to_string).unwrap_or_default(),
        expected: expected.to_owned(),
    }
}
