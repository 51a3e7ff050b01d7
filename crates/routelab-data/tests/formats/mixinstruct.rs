//! MixInstruct.

use crate::common::{File, fails};
use crate::{fixture, uniform};
use routelab_data::{DataSpec, load};

#[test]
fn fixture_reads() {
    let loaded = load(&DataSpec::new("mixinstruct", fixture("mixinstruct.json"))).unwrap();
    let table = &loaded.table;
    assert_eq!(table.quality().dim(), (2, 12));
    assert_eq!(table.ids(), ["unified_chip2/10", "dolly_15k/open_qa/3"]);
    assert_eq!(table.tasks(), ["unified_chip2", "dolly_15k"]);
    assert_eq!(table.prompts()[0], "Why is the sky blue?");
    assert_eq!(
        table.prompts()[1],
        "Answer in one word.\nWhat is the capital of Peru?"
    );
    assert_eq!(table.quality()[[0, 1]], 0.65);
    assert_eq!(
        table.cost().row(0).to_vec(),
        [
            12.0, 7.0, 7.0, 7.0, 11.0, 7.0, 13.0, 12.0, 16.0, 6.0, 7.0, 7.0
        ]
    );
    assert_eq!(table.cost_unit().name, "billion parameters");
    assert!(table.cost_unit().assumption.is_some());
}

#[test]
fn json_lines_and_assumed_costs() {
    let record = r#"{"id": "a/1", "instruction": "p", "input": null, "candidates": [{"model": "unknown", "scores": {"bertscore": 0.5}}]}"#;
    let file = File::new("t.jsonl", record);
    fails(
        &file.spec("mixinstruct"),
        &[
            "the size of the model \"unknown\" is not known",
            "kind = \"per-call\"",
        ],
    );
    let loaded = load(&uniform("mixinstruct", &file.path)).unwrap();
    assert_eq!(loaded.table.cost_unit().name, "calls");
}

#[test]
fn malformed_twins() {
    let record = |text: &str| File::new("t.json", format!("[{text}]"));
    for (text, part) in [
        (
            r#"{"id": "a", "input": "p"}"#,
            "t.json, row 1, column \"candidates\": found \"\", expected a list",
        ),
        (
            r#"{"id": "a", "input": 3, "candidates": []}"#,
            "column \"input\": found \"3\", expected a text",
        ),
        (
            r#"{"input": "p", "candidates": []}"#,
            "column \"id\": the cell is blank; expected an id",
        ),
        (
            r#"{"id": "a", "input": "p", "candidates": [{"scores": {}}]}"#,
            "column \"candidates.model\": found \"\", expected the name of a model",
        ),
        (
            r#"{"id": "a", "input": "p", "candidates": [{"model": "m-7b", "scores": {"bleu": 3}}]}"#,
            "column \"candidates.scores.bertscore of m-7b\": the value is missing",
        ),
        (
            r#"{"id": "a", "input": "p", "candidates": [{"model": "m-7b", "scores": {"bertscore": -0.1}}]}"#,
            "found -0.1, expected a quality from 0 to 1",
        ),
        (
            r#"{"id": "a", "input": "p", "candidates": [{"model": "m-7b", "scores": {"bertscore": 1}}, {"model": "m-7b", "scores": {"bertscore": 1}}]}"#,
            "query \"a\" has a second row for model \"m-7b\"",
        ),
        (r#"{"id": "a""#, "expected a JSON array of objects"),
    ] {
        fails(&record(text).spec("mixinstruct"), &[part]);
    }
}
