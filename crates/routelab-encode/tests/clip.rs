//! CLIP against golden numbers, its preprocessing, its tokenizer and bad files.

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use common::{devices, golden, largest_difference, numbers};
use ndarray::{Array2, Array4};
use routelab_encode::{
    ClipImage, ClipText, ClipTextEncoder, ClipVision, Concat, EncodeError, Encoder, MissingImage,
    Query,
};
use serde_json::{Value, json};

fn models() -> Vec<(PathBuf, Value)> {
    golden(|value| value["image_embeds"].is_array() && value["text_embeds"].is_array())
}

fn tiny() -> PathBuf {
    models()[0].0.parent().unwrap().to_owned()
}

fn matrix(value: &Value) -> Array2<f32> {
    let rows: Vec<Vec<f32>> = value.as_array().unwrap().iter().map(numbers).collect();
    Array2::from_shape_vec((rows.len(), rows[0].len()), rows.concat()).unwrap()
}

#[test]
fn golden_text_and_image_embeddings() {
    for (path, golden) in models() {
        let folder = path.parent().unwrap();
        let shape: [usize; 4] =
            serde_json::from_value(golden["pixel_values_shape"].clone()).unwrap();
        let pixels = Array4::from_shape_vec(shape, numbers(&golden["pixel_values"])).unwrap();
        let ids: Vec<Vec<u32>> = serde_json::from_value(golden["input_ids"].clone()).unwrap();
        for device in devices() {
            let text = ClipText::load(folder, &device).unwrap();
            let embeddings = text.embed_tokens(&ids).unwrap();
            let difference = largest_difference(&embeddings, &matrix(&golden["text_embeds"]));
            assert!(difference < 1e-5, "text: {difference} on {device:?}");

            let vision = ClipVision::load(folder, &device).unwrap();
            assert_eq!([3, vision.image_size(), vision.image_size()], shape[1..]);
            let mut features = vision.features(pixels.view()).unwrap();
            let expected = matrix(&golden["image_features_unnormalised"]);
            let difference = largest_difference(&features, &expected);
            assert!(difference < 1e-5, "image: {difference} on {device:?}");
            for mut row in features.rows_mut() {
                row /= row.dot(&row).sqrt();
            }
            let difference = largest_difference(&features, &matrix(&golden["image_embeds"]));
            assert!(difference < 1e-5, "image: {difference} on {device:?}");
        }
    }
}

#[test]
fn every_part_of_a_batch_is_as_if_alone() {
    let (_, golden) = &models()[0];
    let text = ClipText::load(&tiny(), &Device::flex()).unwrap();
    let eos = 49;
    // Lengths 1 to 16, in an order that sorting by length changes.
    let sequences: Vec<Vec<u32>> = (0..40)
        .map(|n| {
            let body = (0..(n * 7) % 15).map(|i| (i * n + 3) as u32 % 48);
            [48].into_iter().chain(body).chain([eos]).take(16).collect()
        })
        .collect();
    let together = text.embed_tokens(&sequences).unwrap();
    for (sequence, row) in sequences.iter().zip(together.rows()) {
        let alone = text.embed_tokens(std::slice::from_ref(sequence)).unwrap();
        assert!(largest_difference(&alone, row) < 1e-6);
        let mut padded = sequence.clone();
        padded.resize(16, eos);
        let padded = text.embed_tokens(&[padded]).unwrap();
        assert!(
            largest_difference(&padded, row) < 1e-6,
            "padding must not matter"
        );
    }
    let vision = ClipVision::load(&tiny(), &Device::flex()).unwrap();
    let shape: [usize; 4] = serde_json::from_value(golden["pixel_values_shape"].clone()).unwrap();
    let two = Array4::from_shape_vec(shape, numbers(&golden["pixel_values"])).unwrap();
    let many = ndarray::concatenate(ndarray::Axis(0), &vec![two.view(); 12]).unwrap();
    let (two, many) = (
        vision.features(two.view()).unwrap(),
        vision.features(many.view()).unwrap(),
    );
    for (row, values) in many.rows().into_iter().enumerate() {
        assert!(largest_difference(values, two.row(row % 2)) < 1e-5);
    }
}

/// A copy of the tiny model's folder whose `config.json` was changed.
fn with_config(change: impl FnOnce(&mut Value)) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::copy(
        tiny().join("model.safetensors"),
        folder.path().join("model.safetensors"),
    )
    .unwrap();
    let mut config: Value =
        serde_json::from_slice(&fs::read(tiny().join("config.json")).unwrap()).unwrap();
    change(&mut config);
    fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
    folder
}

#[test]
fn the_legacy_end_of_text_is_the_largest_id() {
    let legacy = with_config(|config| config["text_config"]["eos_token_id"] = json!(2));
    let legacy = ClipText::load(legacy.path(), &Device::flex()).unwrap();
    let modern = ClipText::load(&tiny(), &Device::flex()).unwrap();
    // 49 is both the largest id and the modern end of text; a 2 before it must not end the text.
    let ids = [vec![48, 5, 2, 7, 49, 49, 1]];
    assert_eq!(
        legacy.embed_tokens(&ids).unwrap(),
        modern.embed_tokens(&ids).unwrap()
    );
    let cut = [vec![48, 5, 2]];
    assert_ne!(
        legacy.embed_tokens(&ids).unwrap(),
        legacy.embed_tokens(&cut).unwrap()
    );
}

#[test]
fn the_activation_comes_from_the_configuration() {
    let gelu = with_config(|config| config["text_config"]["hidden_act"] = json!("gelu"));
    let (gelu, quick) = (
        ClipText::load(gelu.path(), &Device::flex()).unwrap(),
        ClipText::load(&tiny(), &Device::flex()).unwrap(),
    );
    let ids = [vec![48, 5, 49]];
    let (gelu, quick) = (
        gelu.embed_tokens(&ids).unwrap(),
        quick.embed_tokens(&ids).unwrap(),
    );
    let difference = largest_difference(&gelu, &quick);
    assert!(difference > 1e-5 && difference < 0.1, "{difference}");
}

#[test]
fn bad_token_sequences_are_refused_by_position() {
    let text = ClipText::load(&tiny(), &Device::flex()).unwrap();
    for bad in [vec![], vec![1; 17], vec![48, 50]] {
        let error = text.embed_tokens(&[vec![48, 49], bad]).unwrap_err();
        assert!(
            matches!(error, EncodeError::AtQuery { index: 1, .. }),
            "{error}"
        );
    }
}

#[test]
fn files_that_do_not_belong_together_are_refused() {
    // A size that is left out, or null, is CLIP's published one.
    let text = [
        ("/text_config/hidden_size", json!(32), "token_embedding"),
        ("/text_config/hidden_size", json!(null), "512"),
        ("/projection_dim", json!(8), "text_projection.weight"),
        ("/text_config/num_attention_heads", json!(5), "multiple"),
        ("/text_config/hidden_act", json!("relu"), "relu"),
    ];
    for (key, value, named) in text {
        let folder = with_config(|config| *config.pointer_mut(key).unwrap() = value);
        let result = ClipText::load(folder.path(), &Device::flex());
        let message = result.err().unwrap().to_string();
        assert!(message.contains(named), "{message}");
    }
    let vision = [
        ("/vision_config/patch_size", 5, "patch_size 5"),
        ("/vision_config/patch_size", 0, "patch_size 0"),
        ("/vision_config/image_size", 64, "position_embedding"),
    ];
    for (key, value, named) in vision {
        let folder = with_config(|config| *config.pointer_mut(key).unwrap() = json!(value));
        let result = ClipVision::load(folder.path(), &Device::flex());
        let message = result.err().unwrap().to_string();
        assert!(message.contains(named), "{message}");
    }
}

/// A byte-pair tokenizer in CLIP's form: lower case, `</w>` at the end of words, 48 and 49 around every text.
fn write_tokenizer(folder: &Path) {
    let special = |token: &str| json!({ "SpecialToken": { "id": token, "type_id": 0 } });
    let sequence = json!({ "Sequence": { "id": "A", "type_id": 0 } });
    let mut vocabulary = serde_json::Map::new();
    for (id, token) in [
        "a", "b", "c", "a</w>", "b</w>", "c</w>", "ab</w>", "abc</w>",
    ]
    .iter()
    .enumerate()
    {
        vocabulary.insert(token.to_string(), json!(id));
    }
    vocabulary.insert("<|startoftext|>".into(), json!(48));
    vocabulary.insert("<|endoftext|>".into(), json!(49));
    let tokenizer = json!({
        "version": "1.0", "truncation": null, "padding": null,
        "added_tokens": [
            { "id": 48, "content": "<|startoftext|>", "single_word": false, "lstrip": false, "rstrip": false, "normalized": true, "special": true },
            { "id": 49, "content": "<|endoftext|>", "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": true },
        ],
        "normalizer": { "type": "Sequence", "normalizers": [{ "type": "NFC" }, { "type": "Lowercase" }] },
        "pre_tokenizer": { "type": "Whitespace" },
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [special("<|startoftext|>"), sequence, special("<|endoftext|>")],
            "pair": [special("<|startoftext|>"), sequence, special("<|endoftext|>")],
            "special_tokens": {
                "<|startoftext|>": { "id": "<|startoftext|>", "ids": [48], "tokens": ["<|startoftext|>"] },
                "<|endoftext|>": { "id": "<|endoftext|>", "ids": [49], "tokens": ["<|endoftext|>"] },
            },
        },
        "decoder": null,
        "model": {
            "type": "BPE", "dropout": null, "unk_token": "<|endoftext|>", "continuing_subword_prefix": "",
            "end_of_word_suffix": "</w>", "fuse_unk": false, "vocab": vocabulary,
            "merges": ["a b</w>", "b c</w>"],
        },
    });
    // The second merge needs its result in the vocabulary.
    let text = tokenizer.to_string().replace("\"abc</w>\"", "\"bc</w>\"");
    fs::write(folder.join("tokenizer.json"), text).unwrap();
}

#[test]
fn texts_go_through_the_byte_pair_tokenizer() {
    let folder = with_config(|_| ());
    write_tokenizer(folder.path());
    let encoder = ClipTextEncoder::load(folder.path(), &Device::flex()).unwrap();
    let tower = ClipText::load(folder.path(), &Device::flex()).unwrap();
    let long = "a ".repeat(50);
    let cases: [(&str, Vec<u32>); 4] = [
        ("AB  c", vec![48, 6, 5, 49]),
        ("abc", vec![48, 0, 7, 49]),
        ("", vec![48, 49]),
        // Cut to 16 positions, the end of text kept.
        (&long, [vec![48], vec![3; 14], vec![49]].concat()),
    ];
    for (text, ids) in cases {
        let embedding = encoder.encode(&[Query::text(text)]).unwrap();
        let expected = tower.embed_tokens(&[ids]).unwrap();
        assert!(largest_difference(&embedding, &expected) < 1e-6, "{text:?}");
    }
}

#[test]
fn images_are_preprocessed_as_in_the_reference() {
    let files =
        golden(|value| value["samples"].is_array() && value["shape"] == json!([3, 224, 224]));
    for (path, golden) in files {
        let image = path.with_file_name("photo.png");
        let pixels = routelab_encode::clip_pixels(&image, 224).unwrap();
        for sample in golden["samples"].as_array().unwrap() {
            let at = ["c", "y", "x"].map(|axis| sample[axis].as_u64().unwrap() as usize);
            let difference = pixels[at] - sample["value"].as_f64().unwrap() as f32;
            assert!(difference.abs() <= 0.06, "{at:?}: {difference}");
        }
        let mean = pixels.mean().unwrap();
        assert!(
            (mean - golden["mean"].as_f64().unwrap() as f32).abs() < 2e-3,
            "mean {mean}"
        );
        let std = pixels.std(0.0);
        assert!(
            (std - golden["std"].as_f64().unwrap() as f32).abs() < 2e-3,
            "std {std}"
        );
    }
}

#[test]
fn text_and_image_stand_side_by_side_each_of_length_one() {
    let folder = with_config(|_| ());
    write_tokenizer(folder.path());
    let photo = tiny().join("photo.png");
    let device = Device::flex();
    let image = ClipImage::load(folder.path(), MissingImage::Zeros, &device).unwrap();
    let text = ClipTextEncoder::load(folder.path(), &device).unwrap();
    let queries = [
        Query {
            text: "ab",
            image: Some(&photo),
        },
        Query::text("ab"),
    ];
    let alone = image.encode(&queries).unwrap();
    let both = Concat::new(vec![Box::new(text), Box::new(image)]).unwrap();
    assert!(both.uses_images());
    assert!(both.id().contains("clip-text-") && both.id().contains("+clip-image-"));
    let embeddings = both.encode(&queries).unwrap();
    assert_eq!(embeddings.dim(), (2, 32));
    for (row, lengths) in embeddings.rows().into_iter().zip([[1.0, 1.0], [1.0, 0.0]]) {
        for (part, length) in [&row.to_vec()[..16], &row.to_vec()[16..]]
            .iter()
            .zip(lengths)
        {
            let squares: f32 = part.iter().map(|v| v * v).sum();
            assert!((squares - length).abs() < 1e-5, "{squares}");
        }
    }
    assert_eq!(embeddings.row(0).to_vec()[16..], alone.row(0).to_vec());
    assert!(Concat::new(vec![]).is_err());
}
