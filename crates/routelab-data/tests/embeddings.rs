//! Embeddings on disk.

mod common;

use common::File;
use ndarray::{Array2, array};
use proptest::prelude::*;
use routelab_data::{Embeddings, Precision};

fn ids(ids: &[&str]) -> Vec<String> {
    ids.iter().copied().map(str::to_owned).collect()
}

fn example() -> Embeddings {
    Embeddings::new(array![[1.0, -0.5, 0.1], [0.25, 3.0, 1e-3]], "test-encoder").unwrap()
}

#[test]
fn any_order_and_any_part_is_read_back() {
    let file = File::new("e.safetensors", "");
    example()
        .write(&file.path, &ids(&["a", "b"]), Precision::F32)
        .unwrap();
    let read = Embeddings::read(&file.path, &ids(&["b", "a"])).unwrap();
    assert_eq!(read, example().select(&[1, 0]));
    assert_eq!(
        (read.encoder(), read.len(), read.dim()),
        ("test-encoder", 2, 3)
    );
    assert_eq!(
        Embeddings::read(&file.path, &ids(&["b"])).unwrap(),
        example().select(&[1])
    );
}

#[test]
fn half_precision_is_half_the_size_and_close() {
    let file = File::new("e.safetensors", "");
    let values = Array2::from_shape_fn((20, 50), |(row, column)| {
        ((row * 50 + column) as f32).sin() / 7.0
    });
    let embeddings = Embeddings::new(values.clone(), "test").unwrap();
    let names: Vec<String> = (0..20).map(|row| format!("{row}")).collect();
    embeddings
        .write(&file.path, &names, Precision::F16)
        .unwrap();
    let read = Embeddings::read(&file.path, &names).unwrap();
    assert!(
        (&read.values() - &values)
            .iter()
            .all(|difference| difference.abs() < 1e-4)
    );
    assert_ne!(read.content_hash(), embeddings.content_hash());
    let half = std::fs::metadata(&file.path).unwrap().len();
    embeddings
        .write(&file.path, &names, Precision::F32)
        .unwrap();
    assert_eq!(
        std::fs::metadata(&file.path).unwrap().len() - half,
        20 * 50 * 2
    );
}

#[test]
fn equal_embeddings_give_equal_bytes() {
    let file = File::new("e.safetensors", "");
    let bytes = || {
        example()
            .write(&file.path, &ids(&["a", "b"]), Precision::F16)
            .unwrap();
        std::fs::read(&file.path).unwrap()
    };
    assert_eq!(bytes(), bytes());
}

#[track_caller]
fn refused(content: &[u8], expected: &str) {
    let file = File::new("e.safetensors", content);
    let message = Embeddings::read(&file.path, &ids(&["a"]))
        .unwrap_err()
        .to_string();
    for part in [
        "e.safetensors: not a readable embeddings file (",
        expected,
        "make it again with `routelab embed`",
    ] {
        assert!(message.contains(part), "{part:?} is not in: {message}");
    }
}

fn safetensors(header: &str, data: &[u8]) -> Vec<u8> {
    [
        &(header.len() as u64).to_le_bytes(),
        header.as_bytes(),
        data,
    ]
    .concat()
}

#[test]
fn damaged_files_are_refused() {
    refused(b"", "header");
    refused(b"not a safetensors file at all", "");
    let file = File::new("e.safetensors", "");
    example()
        .write(&file.path, &ids(&["a", "b"]), Precision::F32)
        .unwrap();
    let bytes = std::fs::read(&file.path).unwrap();
    for length in 0..bytes.len() {
        refused(&bytes[..length], "");
    }
    let tensor = r#""embeddings":{"dtype":"F32","shape":[1,1],"data_offsets":[0,4]}"#;
    refused(
        &safetensors(&format!("{{{tensor}}}"), &[0; 4]),
        "it has no metadata",
    );
    refused(
        &safetensors(
            &format!(r#"{{"__metadata__":{{"ids":"[\"a\"]"}},{tensor}}}"#),
            &[0; 4],
        ),
        "no `encoder`",
    );
    refused(
        &safetensors(
            &format!(r#"{{"__metadata__":{{"encoder":"e"}},{tensor}}}"#),
            &[0; 4],
        ),
        "no `ids`",
    );
    let metadata = |ids: &str| format!(r#""__metadata__":{{"encoder":"e","ids":"{ids}"}}"#);
    refused(
        &safetensors(&format!("{{{},{tensor}}}", metadata("a")), &[0; 4]),
        "not a JSON list",
    );
    refused(
        &safetensors(&format!("{{{},{tensor}}}", metadata("[]")), &[0; 4]),
        "1 rows but 0 ids",
    );
    let good = metadata(r#"[\"a\"]"#);
    refused(
        &safetensors(
            &format!("{{{good},{}}}", tensor.replace("embeddings", "other")),
            &[0; 4],
        ),
        "embeddings",
    );
    refused(
        &safetensors(
            &format!("{{{good},{}}}", tensor.replace("[1,1]", "[1]")),
            &[0; 4],
        ),
        "expected two dimensions",
    );
    refused(
        &safetensors(
            &format!("{{{good},{}}}", tensor.replace("F32", "I32")),
            &[0; 4],
        ),
        "expected F16 or F32",
    );
    refused(
        &safetensors(&format!("{{{good},{tensor}}}"), &f32::NAN.to_le_bytes()),
        "NaN in row 1, dimension 1",
    );
    let twice = metadata(r#"[\"a\",\"a\"]"#);
    let tensor = r#""embeddings":{"dtype":"F16","shape":[2,1],"data_offsets":[0,4]}"#;
    refused(
        &safetensors(&format!("{{{twice},{tensor}}}"), &[0; 4]),
        "an id occurs twice",
    );
}

#[test]
fn a_query_without_an_embedding_is_named() {
    let file = File::new("e.safetensors", "");
    example()
        .write(&file.path, &ids(&["a", "b"]), Precision::F32)
        .unwrap();
    let message = Embeddings::read(&file.path, &ids(&["a", "x", "y"]))
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("no embedding for the query \"x\" (2 of 3 queries have none)"),
        "{message}"
    );
}

#[test]
fn a_missing_file_is_named() {
    let message = Embeddings::read("/nowhere/e.safetensors".as_ref(), &ids(&["a"]))
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("/nowhere/e.safetensors: No such file"),
        "{message}"
    );
}

#[test]
fn unsound_embeddings_are_refused() {
    let message = |values: Array2<f32>| Embeddings::new(values, "enc").unwrap_err().to_string();
    assert!(message(Array2::zeros((0, 3))).contains("enc gave a 0 x 3 matrix"));
    assert!(message(Array2::zeros((3, 0))).contains("enc gave a 3 x 0 matrix"));
    assert!(message(array![[0.0, f32::INFINITY]]).contains("enc gave inf in row 1, dimension 2"));
    let file = File::new("e.safetensors", "old");
    let wrong = example()
        .write(&file.path, &ids(&["a"]), Precision::F32)
        .unwrap_err()
        .to_string();
    assert!(wrong.contains("1 ids for 2 rows"), "{wrong}");
    let large = Embeddings::new(array![[1e6]], "enc").unwrap();
    let wrong = large
        .write(&file.path, &ids(&["a"]), Precision::F16)
        .unwrap_err()
        .to_string();
    assert!(
        wrong.contains("1000000 does not fit half precision"),
        "{wrong}"
    );
    assert_eq!(std::fs::read(&file.path).unwrap(), b"old");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 50, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_number_survives(names in prop::collection::btree_set(any::<String>(), 1..6), dim in 1..5_usize, seed: u32, encoder: String) {
        let values = Array2::from_shape_fn((names.len(), dim), |(row, column)| {
            let bits = seed.wrapping_mul(2_654_435_761).wrapping_add((row * dim + column) as u32 * 40_503);
            Some(f32::from_bits(bits)).filter(|value| value.is_finite()).unwrap_or_default()
        });
        let embeddings = Embeddings::new(values, encoder).unwrap();
        let names: Vec<String> = names.into_iter().collect();
        let file = File::new("e.safetensors", "");
        embeddings.write(&file.path, &names, Precision::F32).unwrap();
        let read = Embeddings::read(&file.path, &names).unwrap();
        prop_assert_eq!(read.content_hash(), embeddings.content_hash());
    }
}
