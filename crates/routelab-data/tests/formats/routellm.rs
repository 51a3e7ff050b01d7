//! RouteLLM.

use crate::common::{File, fails};
use crate::{Twin, fixture, uniform};
use ndarray::array;
use routelab_data::load;

const MIXTRAL: &str = "mistralai/Mixtral-8x7B-Instruct-v0.1";

#[test]
fn fixture_reads() {
    let loaded = load(&uniform("routellm", fixture("routellm"))).unwrap();
    let table = &loaded.table;
    assert_eq!(table.models(), [MIXTRAL, "gpt-4-1106-preview"]);
    assert_eq!(table.ids()[2], "mmlu_astronomy_1");
    assert_eq!(table.tasks()[2], "mmlu_astronomy");
    assert_eq!(
        table.prompts()[1],
        "\"What is in mmlu_anatomy?\"\nA. 1\nB. 4\nAnswer:"
    );
    assert_eq!(
        table.quality(),
        array![[1.0, 1.0], [0.0, 1.0], [1.0, 1.0], [0.0, 1.0]]
    );
    let loaded = load(&uniform("routellm", fixture("gsm8k_responses.csv"))).unwrap();
    assert_eq!(loaded.table.models(), [MIXTRAL, "gpt-4-1106-preview"]);
    assert_eq!(loaded.table.quality(), array![[1.0, 1.0], [0.0, 1.0]]);
    assert_eq!(loaded.table.tasks(), ["gsm8k_responses", "gsm8k_responses"]);
}

#[test]
fn malformed_twins() {
    let twin = |from, to| Twin::of("routellm", "mmlu_astronomy.csv", from, to);
    let spec = |twin: &Twin| uniform("routellm", &twin.path);
    fails(
        &spec(&twin("False", "wrong")),
        &[
            "mmlu_astronomy.csv, row 2 (line 6), column \"mistralai/Mixtral-8x7B-Instruct-v0.1\": found \"wrong\"",
        ],
    );
    fails(
        &spec(&twin("prompt", "question")),
        &["mmlu_astronomy.csv has no column \"prompt\""],
    );
    fails(
        &spec(&twin("gpt-4-1106-preview", "gpt-4o")),
        &["query \"mmlu_anatomy_1\" has no quality for model \"gpt-4o\""],
    );
    let file = File::new("t.csv", "prompt,m_response\np,r\n");
    fails(
        &uniform("routellm", &file.path),
        &["t.csv has no column of the form \"{model}\", so no model was found"],
    );
}
