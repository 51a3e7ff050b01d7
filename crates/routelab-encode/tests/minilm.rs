//! all-MiniLM-L6-v2: golden numbers with the real weights, properties and bad files with tiny random ones.

mod common;

use std::fs;
use std::path::Path;

use burn::tensor::Device;
use common::{WORDS, devices, golden, largest_difference, minilm_folder, numbers, tiny_bert};
use routelab_data::{DataSpec, Embeddings, load};
use routelab_encode::{Encoder, MAX_TOKENS, MiniLm, Query, embed_table};
use serde_json::Value;

fn is_minilm(value: &Value) -> bool {
    value["model"]
        .as_str()
        .is_some_and(|model| model.contains("all-MiniLM-L6-v2"))
        && value["cases"][0]["token_ids"].is_array()
}

#[test]
fn golden_token_ids_and_embeddings() {
    let files = golden(is_minilm);
    let Some(folder) = minilm_folder() else {
        return;
    };
    for device in devices() {
        let encoder = MiniLm::load(&folder, &device).unwrap();
        assert_eq!(encoder.dim(), 384);
        for (path, golden) in &files {
            assert_eq!(golden["max_tokens"], MAX_TOKENS);
            let cases = golden["cases"].as_array().unwrap();
            let texts: Vec<&str> = cases.iter().map(|c| c["text"].as_str().unwrap()).collect();
            let queries: Vec<Query> = texts.iter().map(|text| Query::text(text)).collect();
            let embeddings = encoder.encode(&queries).unwrap();
            for (case, (text, row)) in cases.iter().zip(texts.iter().zip(embeddings.rows())) {
                let ids: Vec<u32> = serde_json::from_value(case["token_ids"].clone()).unwrap();
                assert_eq!(
                    encoder.token_ids(text).unwrap(),
                    ids,
                    "{}: {text}",
                    path.display()
                );
                let difference = largest_difference(row, &numbers(&case["embedding"]));
                assert!(
                    difference <= 1e-4,
                    "{}: {text}: differs by {difference} on {}",
                    path.display(),
                    encoder.id()
                );
            }
        }
    }
}

#[test]
fn real_weights_give_the_same_embedding_alone_and_in_a_batch() {
    let Some(folder) = minilm_folder() else {
        return;
    };
    let encoder = MiniLm::load(&folder, &Device::flex()).unwrap();
    let long = "a long text ".repeat(500);
    let texts = [
        "",
        "short",
        "a somewhat longer text, of a few words",
        &long,
        "short",
    ];
    check_alone_and_in_batch(&encoder, &texts);
}

#[test]
fn an_embedding_does_not_depend_on_the_batch() {
    let folder = tempfile::tempdir().unwrap();
    tiny_bert(folder.path());
    // Lengths from 0 to beyond the limit of 32 tokens, in an order that sorting by length changes.
    let texts: Vec<String> = (0..120)
        .map(|n| {
            let words = (0..(n * 7) % 41).map(|w| WORDS[(w * n + w) % WORDS.len()]);
            words.collect::<Vec<_>>().join(" ")
        })
        .collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    for device in devices() {
        let encoder = MiniLm::load(folder.path(), &device).unwrap();
        check_alone_and_in_batch(&encoder, &texts);
    }
}

fn check_alone_and_in_batch(encoder: &MiniLm, texts: &[&str]) {
    let queries: Vec<Query> = texts.iter().map(|text| Query::text(text)).collect();
    let together = encoder.encode(&queries).unwrap();
    assert_eq!(together.dim(), (texts.len(), encoder.dim()));
    for (query, row) in queries.iter().zip(together.rows()) {
        let alone = encoder.encode(&[*query]).unwrap();
        let difference = largest_difference(&alone, row);
        assert!(difference <= 1e-6, "{:?}: {difference}", query.text);
        let norm = row.iter().map(|v| v * v).sum::<f32>().sqrt();
        assert!((norm - 1.0).abs() < 1e-5, "length {norm}");
    }
    assert_eq!(encoder.encode(&[]).unwrap().dim(), (0, encoder.dim()));
}

#[test]
fn a_text_is_cut_after_the_limit_and_ends_with_its_separator() {
    let folder = tempfile::tempdir().unwrap();
    tiny_bert(folder.path());
    let encoder = MiniLm::load(folder.path(), &Device::flex()).unwrap();
    let ids = encoder.token_ids(&"red ".repeat(100)).unwrap();
    assert_eq!((ids.len(), ids[0], ids[31]), (32, 2, 3));
    assert_eq!(encoder.token_ids("green unheard").unwrap(), [2, 5, 1, 3]);
}

#[test]
fn the_id_follows_weights_and_tokenizer() {
    let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    tiny_bert(a.path());
    let mut tensors = tiny_bert(b.path());
    let id = |folder: &Path| MiniLm::load(folder, &Device::flex()).unwrap().id();
    assert_eq!(id(a.path()), id(b.path()));
    assert!(id(a.path()).ends_with("-flex"));
    tensors
        .get_mut("encoder.layer.1.output.dense.bias")
        .unwrap()
        .1[0] += 1.0;
    common::write_safetensors(&b.path().join("model.safetensors"), &tensors);
    assert_ne!(id(a.path()), id(b.path()));
}

/// The message of the error that `spoil` causes.
fn failure(spoil: impl FnOnce(&Path, common::Tensors)) -> String {
    let folder = tempfile::tempdir().unwrap();
    let tensors = tiny_bert(folder.path());
    spoil(folder.path(), tensors);
    match MiniLm::load(folder.path(), &Device::flex()) {
        Ok(_) => panic!("a spoilt model was loaded"),
        Err(error) => error.to_string(),
    }
}

#[track_caller]
fn assert_names(message: &str, parts: &[&str]) {
    for part in parts {
        assert!(message.contains(part), "`{part}` is not in: {message}");
    }
}

#[test]
fn missing_files_are_named() {
    for file in ["model.safetensors", "tokenizer.json"] {
        let message = failure(|folder, _| fs::remove_file(folder.join(file)).unwrap());
        assert_names(&message, &[file, "cannot read"]);
    }
}

#[test]
fn truncated_weights_are_refused() {
    for keep in [0, 5, 200, 4000] {
        let message = failure(|folder, _| {
            let path = folder.join("model.safetensors");
            let bytes = fs::read(&path).unwrap();
            fs::write(&path, &bytes[..keep]).unwrap();
        });
        assert_names(
            &message,
            &["model.safetensors", "safetensors", &format!("{keep} bytes")],
        );
    }
}

#[test]
fn wrong_and_missing_tensors_are_named_with_their_shapes() {
    let message = failure(|folder, mut tensors| {
        let query = tensors
            .get_mut("encoder.layer.1.attention.self.query.weight")
            .unwrap();
        query.0 = vec![4, 16];
        common::write_safetensors(&folder.join("model.safetensors"), &tensors);
    });
    assert_names(
        &message,
        &[
            "encoder.layer.1.attention.self.query.weight",
            "[4, 16]",
            "[8, 8]",
        ],
    );
    let message = failure(|folder, mut tensors| {
        tensors.remove("encoder.layer.0.output.LayerNorm.bias");
        common::write_safetensors(&folder.join("model.safetensors"), &tensors);
    });
    assert_names(&message, &["encoder.layer.0.output.LayerNorm.bias", "[8]"]);
    let message = failure(|folder, mut tensors| {
        tensors.get_mut("embeddings.LayerNorm.bias").unwrap().1[3] = f32::NAN;
        common::write_safetensors(&folder.join("model.safetensors"), &tensors);
    });
    assert_names(&message, &["embeddings.LayerNorm.bias", "NaN", "3"]);
}

#[test]
fn broken_tokenizers_and_configurations_are_refused() {
    let message = failure(|folder, _| fs::write(folder.join("tokenizer.json"), "{\"a\"").unwrap());
    assert_names(&message, &["tokenizer.json", "tokenizer"]);
    let message = failure(|folder, _| {
        let path = folder.join("tokenizer.json");
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, text.replace("\"of\":11", "\"of\":16")).unwrap();
    });
    assert_names(&message, &["tokenizer.json", "16", "belong together"]);
    let changes = [
        ("\"hidden_act\":\"gelu\"", "\"hidden_act\":\"relu\"", "relu"),
        (
            "\"num_attention_heads\":2",
            "\"num_attention_heads\":3",
            "multiple",
        ),
        ("\"hidden_size\":8,", "", "hidden_size"),
    ];
    for (from, to, named) in changes {
        let message = failure(|folder, _| {
            let path = folder.join("config.json");
            let text = fs::read_to_string(&path).unwrap();
            assert!(text.contains(from));
            fs::write(&path, text.replace(from, to)).unwrap();
        });
        assert_names(&message, &["config.json", named]);
    }
}

#[test]
fn the_shipped_embeddings_are_those_of_the_shipped_prompts() {
    let folder = common::root().join("datasets/routerbench-slice");
    let table = load(&DataSpec::read(&folder).unwrap()).unwrap().table;
    let shipped = Embeddings::read(&folder.join("minilm.safetensors"), table.ids()).unwrap();
    assert_eq!(shipped.values().dim(), (table.len(), 384));
    for row in shipped.values().rows() {
        assert!(
            (row.dot(&row) - 1.0).abs() < 1e-2,
            "length {}",
            row.dot(&row)
        );
    }
    let Some(folder) = minilm_folder() else {
        return;
    };
    let encoder = MiniLm::load(&folder, &Device::flex()).unwrap();
    assert_eq!(shipped.encoder(), encoder.id());
    // A few rows spread over the table; half precision keeps three digits.
    let rows: Vec<usize> = (0..table.len()).step_by(table.len() / 8).collect();
    let computed = embed_table(&encoder, &table.select(&rows), &|_, _| ()).unwrap();
    for (computed, shipped) in computed
        .values()
        .rows()
        .into_iter()
        .zip(shipped.select(&rows).values().rows())
    {
        assert!(largest_difference(computed, shipped) < 2e-4);
    }
}
