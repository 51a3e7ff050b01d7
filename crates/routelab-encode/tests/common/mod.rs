//! What several test files need: golden files, the installed weights, and a tiny BERT with random weights.

#![allow(
    dead_code,
    reason = "every test file compiles this module and uses a part of it"
)]
#![allow(clippy::print_stderr, reason = "a test prints as it likes")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use routelab_heads::Backend;
use routelab_heads::backend::{BACKENDS, Place};
use safetensors::tensor::{Dtype, TensorView};
use serde_json::{Value, json};

/// The processors of this build, and its graphics cards. With `ROUTELAB_GPU_TESTS=1` a backend that finds none is a failure, but for WebGPU,
/// which no program outside a browser finds.
pub fn devices() -> Vec<Device> {
    let must = std::env::var_os("ROUTELAB_GPU_TESTS").is_some();
    let mut devices = Vec::new();
    for info in BACKENDS
        .iter()
        .filter(|info| info.built && info.place != Place::Network)
    {
        match Backend::from_name(info.name) {
            Ok(backend) => devices.push(backend.device().clone()),
            Err(error) => {
                assert!(!must || info.name == "webgpu", "{error}");
                eprintln!("skipped on `{}`: {error}", info.name);
            }
        }
    }
    devices
}

/// The repository's root.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Every JSON file under the golden folder (`$ROUTELAB_GOLDEN`, else `tests/golden`) that `is_of_kind` recognises.
pub fn golden(is_of_kind: impl Fn(&Value) -> bool) -> Vec<(PathBuf, Value)> {
    let folder = std::env::var_os("ROUTELAB_GOLDEN")
        .map(PathBuf::from)
        .unwrap_or_else(|| root().join("tests/golden"));
    let mut folders = vec![folder.clone()];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
        for path in entries.map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ext| ext == "json") {
                let value: Value = serde_json::from_slice(&fs::read(&path).unwrap())
                    .unwrap_or_else(|e| panic!("{}: {e}", path.display()));
                if is_of_kind(&value) {
                    found.push((path, value));
                }
            }
        }
    }
    assert!(
        !found.is_empty(),
        "no golden file of this kind in {}",
        folder.display()
    );
    found
}

/// The folder with all-MiniLM-L6-v2 (`$ROUTELAB_MINILM`, else `models/all-MiniLM-L6-v2`), or `None` after a loud notice.
/// With the variable `CI` set, missing weights are a failure.
pub fn minilm_folder() -> Option<PathBuf> {
    let folder = std::env::var_os("ROUTELAB_MINILM")
        .map(PathBuf::from)
        .unwrap_or_else(|| root().join("models/all-MiniLM-L6-v2"));
    if folder.join("model.safetensors").exists() {
        return Some(folder);
    }
    let notice = format!(
        "SKIPPED: all-MiniLM-L6-v2 is not in {}; install it with `python3 scripts/get-minilm.py` \
         or set ROUTELAB_MINILM to its folder",
        folder.display()
    );
    assert!(std::env::var_os("CI").is_none(), "{notice}");
    eprintln!("\n*** {notice} ***\n");
    None
}

/// The numbers of a JSON array.
pub fn numbers(value: &Value) -> Vec<f32> {
    value
        .as_array()
        .unwrap()
        .iter()
        .map(|v| v.as_f64().unwrap() as f32)
        .collect()
}

/// The largest difference of two vectors of one length.
pub fn largest_difference<'a>(
    a: impl IntoIterator<Item = &'a f32>,
    b: impl IntoIterator<Item = &'a f32>,
) -> f32 {
    let (a, b): (Vec<_>, Vec<_>) = (a.into_iter().collect(), b.into_iter().collect());
    assert_eq!(a.len(), b.len(), "vectors of different lengths");
    a.iter()
        .zip(b)
        .map(|(a, b)| (*a - b).abs())
        .fold(0.0, f32::max)
}

/// Tensors by name: shape and values.
pub type Tensors = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

/// Writes tensors as a single-precision safetensors file.
pub fn write_safetensors(path: &Path, tensors: &Tensors) {
    let bytes: BTreeMap<&String, Vec<u8>> = tensors
        .iter()
        .map(|(name, (_, values))| (name, values.iter().flat_map(|v| v.to_le_bytes()).collect()))
        .collect();
    let views: BTreeMap<&String, TensorView> = tensors
        .iter()
        .map(|(name, (shape, _))| {
            let view = TensorView::new(Dtype::F32, shape.clone(), &bytes[name]).unwrap();
            (name, view)
        })
        .collect();
    fs::write(path, safetensors::serialize(views, None).unwrap()).unwrap();
}

/// Random-looking numbers in [-0.5, 0.5), the same on every machine.
pub fn noise(count: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2) + 1;
    (0..count)
        .map(|_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / (1 << 24) as f32 - 0.5
        })
        .collect()
}

/// Words that the tiny tokenizer knows.
pub const WORDS: [&str; 8] = ["red", "green", "blue", "one", "two", "three", "sum", "of"];

/// A BERT of width 8 with 2 layers, 2 heads and random weights, in the files of a published model.
pub fn tiny_bert(folder: &Path) -> Tensors {
    let config = json!({
        "hidden_act": "gelu", "hidden_size": 8, "intermediate_size": 16, "layer_norm_eps": 1e-12,
        "max_position_embeddings": 32, "num_attention_heads": 2, "num_hidden_layers": 2,
        "type_vocab_size": 2, "vocab_size": 16,
    });
    fs::write(folder.join("config.json"), config.to_string()).unwrap();
    fs::write(folder.join("tokenizer.json"), tiny_tokenizer().to_string()).unwrap();
    let mut shapes: Vec<(String, Vec<usize>)> = vec![
        ("embeddings.word_embeddings.weight".into(), vec![16, 8]),
        ("embeddings.position_embeddings.weight".into(), vec![32, 8]),
        ("embeddings.token_type_embeddings.weight".into(), vec![2, 8]),
        ("embeddings.LayerNorm.weight".into(), vec![8]),
        ("embeddings.LayerNorm.bias".into(), vec![8]),
    ];
    for layer in 0..2 {
        let linear = [
            ("attention.self.query", 8, 8),
            ("attention.self.key", 8, 8),
            ("attention.self.value", 8, 8),
            ("attention.output.dense", 8, 8),
            ("intermediate.dense", 16, 8),
            ("output.dense", 8, 16),
        ];
        for (name, out, input) in linear {
            let prefix = format!("encoder.layer.{layer}.{name}");
            shapes.push((format!("{prefix}.weight"), vec![out, input]));
            shapes.push((format!("{prefix}.bias"), vec![out]));
        }
        for norm in ["attention.output.LayerNorm", "output.LayerNorm"] {
            for part in ["weight", "bias"] {
                shapes.push((format!("encoder.layer.{layer}.{norm}.{part}"), vec![8]));
            }
        }
    }
    let tensors: Tensors = shapes
        .into_iter()
        .enumerate()
        .map(|(seed, (name, shape))| {
            let values = noise(shape.iter().product(), seed as u64);
            (name, (shape, values))
        })
        .collect();
    write_safetensors(&folder.join("model.safetensors"), &tensors);
    tensors
}

/// A word-level tokenizer over [`WORDS`] that puts `[CLS]` before and `[SEP]` behind every text.
fn tiny_tokenizer() -> Value {
    let specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"];
    let vocabulary: serde_json::Map<String, Value> = specials
        .iter()
        .chain(&WORDS)
        .enumerate()
        .map(|(id, word)| (word.to_string(), json!(id)))
        .collect();
    let special = |token: &str| json!({ "SpecialToken": { "id": token, "type_id": 0 } });
    let sequence = |id: &str, kind: u32| json!({ "Sequence": { "id": id, "type_id": kind } });
    json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": [],
        "normalizer": null,
        "pre_tokenizer": { "type": "Whitespace" },
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [special("[CLS]"), sequence("A", 0), special("[SEP]")],
            "pair": [special("[CLS]"), sequence("A", 0), special("[SEP]"), sequence("B", 1), special("[SEP]")],
            "special_tokens": {
                "[CLS]": { "id": "[CLS]", "ids": [2], "tokens": ["[CLS]"] },
                "[SEP]": { "id": "[SEP]", "ids": [3], "tokens": ["[SEP]"] },
            },
        },
        "decoder": null,
        "model": { "type": "WordLevel", "vocab": vocabulary, "unk_token": "[UNK]" },
    })
}
