//! RouterArena.

use std::path::PathBuf;

use crate::common::fails;
use crate::{Twin, fixture};
use ndarray::array;
use routelab_data::{DataSpec, OutOfRange, load};

fn clamped(path: PathBuf) -> DataSpec {
    DataSpec {
        out_of_range: OutOfRange::Clamp,
        ..DataSpec::new("routerarena", path)
    }
}

#[test]
fn fixture_reads() {
    let loaded = load(&clamped(fixture("routerarena"))).unwrap();
    let table = &loaded.table;
    assert_eq!(
        table.models(),
        ["claude-3-haiku-20240307", "gemini-2.0-flash-001"]
    );
    assert_eq!(table.ids()[1], "MMLUPro_computer science_7");
    assert_eq!(
        table.tasks(),
        ["AIME", "MMLUPro_computer science", "WMT19-gu-en"]
    );
    assert_eq!(
        table.quality(),
        array![[0.0, 1.0], [1.0, 1.0], [0.0, 0.625]]
    );
    assert_eq!(table.cost().row(2).to_vec(), [0.00003, 0.00006]);
    let notes = &loaded.report.notes;
    assert_eq!(notes.len(), 2);
    assert_eq!(
        notes[1],
        "1 of 6 qualities were outside [0, 1], between -0.05 and 1, and were clamped (`out_of_range = \"clamp\"`)"
    );
    assert_eq!(loaded.report.rows_read, 6);
}

#[test]
fn malformed_twins() {
    fails(
        &DataSpec::new("routerarena", fixture("routerarena")),
        &[
            "claude-3-haiku-20240307.jsonl, row 3 (line 3), column \"evaluation_result.score\": found -0.05",
            "out_of_range = \"clamp\"",
        ],
    );
    let file = "gemini-2.0-flash-001.jsonl";
    let twin = |from, to| Twin::of("routerarena", file, from, to);
    for (from, to, part) in [
        (
            "\"score\": 1.0",
            "\"score\": null",
            "column \"evaluation_result.score\": the value is missing",
        ),
        (
            "\"llm_selected\": \"gemini-2.0-flash-001\"",
            "\"llm_selected\": \"\"",
            "expected the name of a model",
        ),
        (
            "\"AIME_112\"",
            "\"AIME_113\"",
            "query \"AIME_112\" has no quality for model \"gemini-2.0-flash-001\"",
        ),
        (
            "What is 600 + 10?",
            "What is 10?",
            "query \"AIME_112\" has another prompt here",
        ),
        (
            "{\"global_index\": \"MMLU",
            "{\"global_index\" \"MMLU",
            "row 2 (line 2): expected `:`",
        ),
    ] {
        fails(&clamped(twin(from, to).path), &[part]);
    }
    fails(
        &clamped(fixture("embedllm")),
        &["has no file ending in .jsonl"],
    );
}
