//! What a run depends on: with an equal manifest a run gives equal results.

use routelab_data::InputFile;
use routelab_heads::Backend;
use serde_json::{Value, json};

use super::inputs::Inputs;
use crate::experiment::Experiment;

/// The manifest of a run. It names inputs by file name and content, not by place.
pub fn manifest(experiment: &Experiment, inputs: &Inputs, backend: &Backend) -> Value {
    let file = |input: &InputFile| {
        json!({
            "file": input.path.file_name().map(|name| name.to_string_lossy()),
            "sha256": input.sha256,
            "bytes": input.bytes,
        })
    };
    let mut manifest = json!({
        "routelab": env!("CARGO_PKG_VERSION"),
        "burn": routelab_heads::BURN_VERSION,
        "backend": backend.identity(),
        "experiment": experiment.resolved,
        "data": {
            "name": inputs.table.name(),
            "format": inputs.report.format,
            "queries": inputs.table.len(),
            "models": inputs.table.models(),
            "cost_unit": inputs.table.cost_unit().label(),
            "cost_assumption": inputs.table.cost_unit().assumption,
            "rows_read": inputs.report.rows_read,
            "dropped_queries": inputs.report.dropped_queries,
            "missing_cells": inputs.report.missing_cells,
            "notes": inputs.report.notes,
            "files": inputs.report.files.iter().map(file).collect::<Vec<_>>(),
            "table_sha256": inputs.table.content_hash(),
        },
        "embeddings": {
            "encoders": inputs.encoders(),
            "files": inputs.embeddings_files.iter().map(file).collect::<Vec<_>>(),
            "sha256": inputs.embeddings_hash(),
            "distinct": inputs.distinct_embeddings(),
        },
        "splits": inputs.splits.iter().zip(&experiment.seeds).map(|(split, seed)| json!({
            "seed": seed,
            "train": split.train.len(),
            "test": split.test.len(),
        })).collect::<Vec<_>>(),
    });
    // Only where some models were measured on some queries only: every other manifest stays what it was.
    if inputs.table.measured().is_some() {
        let (data, report) = (&mut manifest["data"], &inputs.report);
        data["complete_queries"] = report.complete_queries.into();
        data["incomplete_queries"] = report.incomplete_queries.into();
        let splits = manifest["splits"].as_array_mut().into_iter().flatten();
        for ((value, split), left_out) in splits.zip(&inputs.splits).zip(&inputs.incomplete_tests) {
            let complete = inputs.table.select(&split.train).complete_rows().len();
            value["train_complete"] = complete.into();
            value["test_left_out"] = (*left_out).into();
        }
    }
    manifest
}
