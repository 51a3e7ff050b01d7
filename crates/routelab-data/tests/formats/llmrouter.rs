//! LLMRouter.

use crate::common::fails;
use crate::{Twin, fixture, uniform};
use ndarray::array;
use routelab_data::{CostAssumption, DataSpec, load};

#[test]
fn fixture_reads() {
    let spec = DataSpec {
        cost: Some(CostAssumption::Prices {
            file: fixture("multimodal/prices.toml"),
            table: None,
        }),
        ..DataSpec::new("llmrouter", fixture("llmrouter"))
    };
    let loaded = load(&spec).unwrap();
    let table = &loaded.table;
    assert_eq!(
        table.models(),
        [
            "llama3-chatqa-1.5-8b",
            "qwen2.5-7b-instruct",
            "gemma-2-9b-it"
        ]
    );
    assert_eq!(table.ids(), ["train_1", "train_2", "test_1"]);
    assert_eq!(
        table.quality(),
        array![[0.0, 0.5, 1.0], [0.0, 1.0, 1.0], [0.0, 0.5, 1.0]]
    );
    // 23 characters are 6 tokens, and an answer has 10.
    assert_eq!(table.prompts()[0], "Q: question 0 of train?");
    assert!((table.cost()[[0, 0]] - 16.0 * 0.2 / 1e6).abs() < 1e-18);
    assert_eq!(loaded.report.notes[0], "columns not used: cluster_id");
}

#[test]
fn malformed_twins() {
    let twin = |from, to| Twin::of("llmrouter", "test.json", from, to);
    let spec = |twin: &Twin| uniform("llmrouter", &twin.path);
    fails(
        &spec(&twin("\"question\"", "\"query\"")),
        &["test.json has no column \"question\" (the prompt)"],
    );
    fails(
        &spec(&twin("\"scores\"", "\"score\"")),
        &["test.json has no column of the form \"scores.{model}\", so no model was found"],
    );
    fails(
        &spec(&twin("0.5", "5")),
        &["test.json, row 1, column \"scores.qwen2.5-7b-instruct\": found 5, expected a quality"],
    );
    fails(
        &spec(&twin("gemma-2-9b-it", "gemma")),
        &["query \"train_1\" has no quality for model \"gemma\""],
    );
    fails(
        &spec(&twin("[", "")),
        &["test.json, row 1", "expected a JSON array of objects"],
    );
}
