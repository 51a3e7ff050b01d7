//! The weight-free text encoder: known properties of hashing, TF-IDF and its file.

use std::fs;

use ndarray::Array1;
use routelab_encode::{EncodeError, Encoder, HashedConfig, HashedNgrams, Query};

const TRAINING: [&str; 6] = [
    "Write a Python function that sorts a list of numbers.",
    "Write a Python function that reverses a string.",
    "Which planet is known as the Red Planet?",
    "Which gas do plants take from the air?",
    "Solve the equation 3x + 4 = 19 for x.",
    "Solve the equation 5y - 2 = 18 for y.",
];

fn fitted() -> HashedNgrams {
    HashedNgrams::fit(&TRAINING, &HashedConfig::default()).unwrap()
}

fn embed(encoder: &HashedNgrams, text: &str) -> Array1<f32> {
    encoder
        .encode(&[Query::text(text)])
        .unwrap()
        .row(0)
        .to_owned()
}

#[test]
fn the_same_text_has_the_same_vector_of_length_one() {
    let (first, second) = (fitted(), fitted());
    let queries: Vec<Query> = TRAINING.iter().map(|text| Query::text(text)).collect();
    let embeddings = first.encode(&queries).unwrap();
    assert_eq!(embeddings, second.encode(&queries).unwrap());
    assert_eq!(first.id(), second.id());
    for (query, row) in queries.iter().zip(embeddings.rows()) {
        assert_eq!(row, embed(&first, query.text));
        assert!((row.dot(&row) - 1.0).abs() < 1e-5);
    }
}

#[test]
fn similar_texts_are_nearer_than_unrelated_ones() {
    let encoder = fitted();
    let similar = [
        (
            "Write a Python function that sorts words.",
            "Write a Python program which sorts numbers.",
        ),
        ("Solve 7z + 1 = 8 for z.", "Solve the equation 2w + 3 = 9."),
        ("Which planet is largest?", "Which planets have rings?"),
    ];
    for (i, (a, _)) in similar.iter().enumerate() {
        let a = embed(&encoder, a);
        let near = a.dot(&embed(&encoder, similar[i].1));
        for (j, (_, other)) in similar.iter().enumerate().filter(|(j, _)| *j != i) {
            let far = a.dot(&embed(&encoder, other));
            assert!(near > far + 0.05, "{i} with {j}: {near} against {far}");
        }
    }
}

#[test]
fn frequent_features_of_the_training_texts_weigh_less() {
    // Before fitting, the two words of the text weigh the same; afterwards the one in every training text weighs less.
    let texts = [
        "common alpha",
        "common beta",
        "common gamma",
        "common delta",
    ];
    let plain = HashedNgrams::fit(&[], &HashedConfig::default()).unwrap();
    let fitted = HashedNgrams::fit(&texts, &HashedConfig::default()).unwrap();
    let similarity = |encoder: &HashedNgrams, word: &str| {
        embed(encoder, "common unseen").dot(&embed(encoder, word))
    };
    assert!(similarity(&fitted, "common") < similarity(&plain, "common") - 0.05);
    assert!(similarity(&fitted, "unseen") > similarity(&plain, "unseen") + 0.05);
}

#[test]
fn embedding_does_not_change_what_was_fitted() {
    let encoder = fitted();
    let before = (encoder.clone(), encoder.id());
    embed(
        &encoder,
        "A test text with planets, equations and functions.",
    );
    assert_eq!((encoder.clone(), encoder.id()), before);
    let more: Vec<&str> = TRAINING.iter().copied().chain(["one more"]).collect();
    let refitted = HashedNgrams::fit(&more, &HashedConfig::default()).unwrap();
    assert_ne!(refitted.id(), encoder.id());
}

#[test]
fn odd_texts_have_finite_vectors() {
    let encoder = fitted();
    let long = "word ".repeat(200_000);
    for text in [
        "",
        " \n\t",
        "\u{0}",
        "é",
        "漢字かな交じり文",
        "🦀🦀",
        "İSTANBUL",
        &long,
    ] {
        let vector = embed(&encoder, text);
        let length = vector.dot(&vector);
        let visible = text.chars().any(|c| !c.is_whitespace());
        let expected = if visible { 1.0 } else { 0.0 };
        assert!(
            (length - expected).abs() < 1e-5,
            "{:?}: {length}",
            &text[..text.len().min(8)]
        );
    }
}

#[test]
fn a_saved_encoder_is_the_same_encoder() {
    let folder = tempfile::tempdir().unwrap();
    let config = HashedConfig {
        dim: 37,
        df_slots: 1000,
        ..HashedConfig::default()
    };
    let encoder = HashedNgrams::fit(&TRAINING, &config).unwrap();
    let (a, b) = (folder.path().join("a"), folder.path().join("b"));
    encoder.save(&a).unwrap();
    let loaded = HashedNgrams::load(&a).unwrap();
    assert_eq!(loaded, encoder);
    assert_eq!(loaded.id(), encoder.id());
    loaded.save(&b).unwrap();
    assert_eq!(fs::read(&a).unwrap(), fs::read(&b).unwrap());
}

#[test]
fn damaged_files_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("encoder.safetensors");
    assert!(matches!(
        HashedNgrams::load(&path),
        Err(EncodeError::Io { .. })
    ));
    fitted().save(&path).unwrap();
    let bytes = fs::read(&path).unwrap();
    for damaged in [&bytes[..0], &bytes[..20], &bytes[..bytes.len() - 4]] {
        fs::write(&path, damaged).unwrap();
        let error = HashedNgrams::load(&path).unwrap_err().to_string();
        assert!(error.contains("encoder.safetensors"), "{error}");
    }
    // A counter above the number of texts cannot come from fitting.
    let mut impossible = bytes.clone();
    let last = impossible.len() - 1;
    impossible[last] = 1;
    fs::write(&path, &impossible).unwrap();
    assert!(matches!(
        HashedNgrams::load(&path),
        Err(EncodeError::BadFile { .. })
    ));
}

#[test]
fn settings_out_of_range_are_refused_by_name() {
    let base = HashedConfig::default();
    let cases = [
        (
            "dim",
            HashedConfig {
                dim: 0,
                ..base.clone()
            },
        ),
        (
            "char_min",
            HashedConfig {
                char_min: 0,
                ..base.clone()
            },
        ),
        (
            "char_max",
            HashedConfig {
                char_max: 2,
                ..base.clone()
            },
        ),
        (
            "df_slots",
            HashedConfig {
                df_slots: 0,
                ..base.clone()
            },
        ),
        (
            "max_chars",
            HashedConfig {
                max_chars: 0,
                ..base.clone()
            },
        ),
    ];
    for (setting, config) in cases {
        let error = HashedNgrams::fit(&TRAINING, &config)
            .unwrap_err()
            .to_string();
        assert!(error.contains(setting), "{error}");
    }
}
