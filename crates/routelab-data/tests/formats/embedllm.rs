//! EmbedLLM.

use crate::common::{File, fails};
use crate::{Twin, fixture, uniform};
use routelab_data::{DataSpec, load};

#[test]
fn fixture_reads() {
    let loaded = load(&uniform("embedllm", fixture("embedllm"))).unwrap();
    let table = &loaded.table;
    assert_eq!(table.quality().dim(), (4, 3));
    assert_eq!(table.models()[0], "01-ai/Yi-34B-Chat");
    assert_eq!(table.ids(), ["0", "1", "2", "3"]);
    assert_eq!(table.tasks(), ["mmlu", "gsm8k", "mmlu", "gsm8k"]);
    assert_eq!(
        table.prompts()[3],
        "Question 3, with a comma\nand a second line?"
    );
    // The second row of question 1 and the last model says that it was right.
    assert_eq!(table.quality().row(1).to_vec(), [1.0, 1.0, 1.0]);
    assert_eq!(table.quality().row(0).to_vec(), [0.0, 1.0, 1.0]);
    let note = "1 rows repeated a query and model; the best of them counts".to_owned();
    assert!(loaded.report.notes.contains(&note));
    assert_eq!(loaded.report.files.len(), 3);
    let part = load(&uniform("embedllm", fixture("embedllm/val.csv"))).unwrap();
    assert_eq!(part.table.ids(), ["2"]);
}

#[test]
fn model_numbers_will_do() {
    let file = File::new("t.csv", "prompt_id,model_id,prompt,label\n1,7,p,1\n");
    assert_eq!(
        load(&uniform("embedllm", &file.path))
            .unwrap()
            .table
            .models(),
        ["7"]
    );
}

#[test]
fn malformed_twins() {
    let twin = |from, to| Twin::of("embedllm", "val.csv", from, to);
    let spec = |twin: &Twin| uniform("embedllm", &twin.path);
    fails(
        &spec(&twin("prompt_id", "question_id")),
        &["val.csv has no column \"prompt_id\" (the query's id)"],
    );
    fails(
        &spec(&twin("label", "right")),
        &["val.csv has no column \"label\" (the quality)"],
    );
    fails(
        &spec(&twin("2,1,0,0", "2,1,0,2")),
        &["val.csv, row 2 (line 4), column \"label\": found 2, expected a quality"],
    );
    fails(
        &spec(&twin("Question 2", "Question 9")),
        &["query \"2\" has another prompt here"],
    );
    fails(
        &DataSpec::new("embedllm", fixture("embedllm")),
        &["records no costs, so they must be assumed"],
    );
    fails(
        &uniform("embedllm", fixture("routerarena")),
        &["has no file train.csv or val.csv or test.csv"],
    );
}
