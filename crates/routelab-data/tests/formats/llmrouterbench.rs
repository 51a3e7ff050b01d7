//! LLMRouterBench.

use crate::common::fails;
use crate::{Twin, fixture};
use ndarray::array;
use routelab_data::{DataSpec, load};

#[test]
fn fixture_reads() {
    let loaded = load(&DataSpec::new("llmrouterbench", fixture("llmrouterbench"))).unwrap();
    let table = &loaded.table;
    assert_eq!(table.models(), ["gpt-5", "qwen3-235b-a22b-2507"]);
    assert_eq!(table.ids(), ["aime/test/1", "aime/test/2", "gpqa/test/1"]);
    assert_eq!(table.tasks(), ["aime", "aime", "gpqa"]);
    assert_eq!(table.prompts()[1], "How many positive divisors has 36?");
    assert_eq!(
        table.prompts()[2],
        r#"{"question":"Which gas is noble?","options":["Ne","O2"]}"#
    );
    assert_eq!(table.quality(), array![[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]]);
    assert_eq!(
        table.cost(),
        array![[0.01, 0.0005], [0.02, 0.001], [0.01, 0.0005]]
    );
    assert_eq!(loaded.report.files.len(), 4);
    assert_eq!(
        loaded.report.notes,
        ["2 files of earlier or trial runs were not used"]
    );
}

#[test]
fn one_task_and_one_model_can_be_read() {
    let spec = DataSpec {
        tasks: Some(vec!["gpqa".to_owned()]),
        models: Some(vec!["gpt-5".to_owned()]),
        ..DataSpec::new("llmrouterbench", fixture("llmrouterbench"))
    };
    let loaded = load(&spec).unwrap();
    assert_eq!(loaded.table.quality(), array![[1.0]]);
    assert_eq!(loaded.report.files.len(), 2);
    let spec = DataSpec {
        tasks: Some(vec!["hle".to_owned()]),
        ..spec
    };
    fails(
        &spec,
        &["has no task \"hle\" (asked for by `tasks`); its tasks are \"aime\", \"gpqa\""],
    );
}

#[test]
fn malformed_twins() {
    let file = "gpqa/test/gpt-5/gpqa-test-gpt-5-20251001_120000.json";
    let twin = |from, to| Twin::of("llmrouterbench", file, from, to);
    let name = "gpqa-test-gpt-5-20251001_120000.json";
    for (from, to, parts) in [
        (
            "\"records\"",
            "\"results\"",
            vec![name, "missing field `records`"],
        ),
        (
            "\"index\"",
            "\"number\"",
            vec![name, "missing field `index`"],
        ),
        (
            "\"score\": 1.0",
            "\"score\": \"good\"",
            vec![name, "row 1, column \"score\": found \"good\""],
        ),
        (
            "\"score\": 1.0",
            "\"score\": 85",
            vec![name, "found 85, expected a quality from 0 to 1"],
        ),
        (
            "\"score\": 1.0",
            "\"score\": null",
            vec![name, "column \"score\": the value is missing"],
        ),
        (
            "\"cost\": 0.01,\n   \"raw",
            "\"cost\": -1,\n   \"raw",
            vec![name, "found -1, expected a finite cost"],
        ),
        (
            "Ne\",",
            "Xe\",",
            vec!["query \"gpqa/test/1\" has another prompt here than in its first row"],
        ),
    ] {
        fails(
            &DataSpec::new("llmrouterbench", &twin(from, to).path),
            &parts,
        );
    }
    let gone = twin("records", "records");
    std::fs::remove_file(gone.path.join(file)).unwrap();
    fails(
        &DataSpec::new("llmrouterbench", &gone.path),
        &["query \"gpqa/test/1\" has no quality for model \"gpt-5\""],
    );
    fails(
        &DataSpec::new("llmrouterbench", gone.path.join("gpqa")),
        &["has no file DATASET/SPLIT/MODEL/TIME.json"],
    );
    fails(
        &DataSpec::new("llmrouterbench", fixture("mixinstruct.json")),
        &["mixinstruct.json is not a folder; give the folder of the results"],
    );
}
