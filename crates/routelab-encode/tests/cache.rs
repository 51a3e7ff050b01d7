//! The store of embeddings: equal results with and without it, damage, several writers at once.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use ndarray::{Array2, Axis, Slice};
use routelab_encode::{
    Cache, CachedEncoder, EncodeError, Encoder, HashedConfig, HashedNgrams, Query,
};

/// Hashed n-grams that count how many texts they were asked for, and reject the text "bad".
struct Counting {
    encoder: HashedNgrams,
    asked: Arc<AtomicUsize>,
    images: bool,
}

impl Encoder for Counting {
    fn id(&self) -> String {
        self.encoder.id()
    }

    fn dim(&self) -> usize {
        self.encoder.dim()
    }

    fn uses_images(&self) -> bool {
        self.images
    }

    fn encode(&self, queries: &[Query]) -> Result<Array2<f32>, EncodeError> {
        if let Some(index) = queries.iter().position(|query| query.text == "bad") {
            let cause = Box::new(EncodeError::Tokenize("bad".to_owned()));
            return Err(EncodeError::AtQuery { index, cause });
        }
        self.asked.fetch_add(queries.len(), Ordering::Relaxed);
        self.encoder.encode(queries)
    }
}

fn hashed() -> HashedNgrams {
    let config = HashedConfig {
        dim: 24,
        ..HashedConfig::default()
    };
    HashedNgrams::fit(&["one two", "three"], &config).unwrap()
}

fn cached(folder: &Path, images: bool) -> (CachedEncoder, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let encoder = Counting {
        encoder: hashed(),
        asked: asked.clone(),
        images,
    };
    let cache = Cache::open(folder).unwrap();
    (CachedEncoder::new(Box::new(encoder), cache), asked)
}

fn texts() -> Vec<String> {
    (0..50).map(|n| format!("text {n} of many")).collect()
}

fn queries(texts: &[String]) -> Vec<Query<'_>> {
    texts.iter().map(|text| Query::text(text)).collect()
}

/// All entry files under the cache's folder.
fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .flat_map(|shard| fs::read_dir(shard.unwrap().path()).unwrap())
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    files
}

#[test]
fn a_hit_equals_a_miss_and_costs_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let texts = texts();
    let plain = hashed().encode(&queries(&texts)).unwrap();

    let (encoder, asked) = cached(folder.path(), false);
    assert_eq!(
        encoder.encode(&queries(&texts[..20])).unwrap(),
        plain.slice_axis(Axis(0), Slice::from(..20))
    );
    assert_eq!(encoder.encode(&queries(&texts)).unwrap(), plain);
    assert_eq!(asked.load(Ordering::Relaxed), 50);
    let report = encoder.report();
    assert_eq!(
        (report.hits, report.misses, report.warnings),
        (20, 50, vec![])
    );

    // Another process, later.
    let (encoder, asked) = cached(folder.path(), false);
    assert_eq!(encoder.encode(&queries(&texts)).unwrap(), plain);
    assert_eq!(asked.load(Ordering::Relaxed), 0);
    assert_eq!(entries(folder.path()).len(), 50);
}

#[test]
fn damaged_entries_are_computed_again_with_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    let texts = texts();
    let plain = cached(folder.path(), false)
        .0
        .encode(&queries(&texts))
        .unwrap();
    let files = entries(folder.path());
    let original: Vec<Vec<u8>> = files.iter().map(|file| fs::read(file).unwrap()).collect();

    let bytes = &original[0];
    // A flipped bit anywhere, a cut anywhere, nothing at all, too much, and the entry of another text.
    let mut damage: Vec<Vec<u8>> = (0..bytes.len())
        .step_by(7)
        .map(|at| {
            let mut bytes = bytes.clone();
            bytes[at] ^= 1;
            bytes
        })
        .collect();
    damage.extend([0, 10, bytes.len() - 1].map(|keep| bytes[..keep].to_vec()));
    damage.push([bytes.as_slice(), &[0]].concat());
    damage.push(original[1].clone());
    for damaged in damage {
        fs::write(&files[0], damaged).unwrap();
        let (encoder, asked) = cached(folder.path(), false);
        assert_eq!(encoder.encode(&queries(&texts)).unwrap(), plain);
        assert_eq!(asked.load(Ordering::Relaxed), 1);
        let warnings = encoder.report().warnings;
        assert_eq!(warnings.len(), 1);
        assert!(
            warnings[0].contains(&files[0].display().to_string()),
            "{warnings:?}"
        );
        assert_eq!(
            fs::read(&files[0]).unwrap(),
            original[0],
            "the entry is whole again"
        );
    }
}

#[test]
fn an_entry_that_cannot_be_written_is_a_warning_and_not_a_failure() {
    let folder = tempfile::tempdir().unwrap();
    let texts = texts();
    let (encoder, _) = cached(folder.path(), false);
    // Files where the subfolders should be.
    for shard in 0..=255 {
        fs::write(folder.path().join(format!("{shard:02x}")), "").unwrap();
    }
    let embeddings = encoder.encode(&queries(&texts)).unwrap();
    assert_eq!(embeddings, hashed().encode(&queries(&texts)).unwrap());
    assert!(encoder.report().warnings.len() >= texts.len());
}

#[test]
fn many_writers_at_once_leave_whole_entries() {
    let folder = tempfile::tempdir().unwrap();
    let texts = texts();
    let plain = hashed().encode(&queries(&texts)).unwrap();
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let (encoder, _) = cached(folder.path(), false);
                for _ in 0..5 {
                    assert_eq!(encoder.encode(&queries(&texts)).unwrap(), plain);
                }
                assert_eq!(encoder.report().warnings, Vec::<String>::new());
            });
        }
    });
    // No temporary file is left behind.
    assert_eq!(entries(folder.path()).len(), texts.len());
}

#[test]
fn the_image_is_part_of_the_key_only_where_it_matters() {
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("image");
    let query = Query {
        text: "what is this?",
        image: Some(&image),
    };
    let cache = folder.path().join("cache");
    let ask = |images: bool| {
        let (encoder, asked) = cached(&cache, images);
        encoder
            .encode(&[query])
            .map(|_| asked.load(Ordering::Relaxed))
    };
    // The file does not exist: a text encoder never looks.
    assert_eq!(ask(false).unwrap(), 1);
    assert_eq!(ask(false).unwrap(), 0);
    let error = ask(true).unwrap_err().to_string();
    assert!(
        error.contains("query 1") && error.contains("image"),
        "{error}"
    );
    for content in ["one image", "another image"] {
        fs::write(&image, content).unwrap();
        assert_eq!(ask(true).unwrap(), 1);
        assert_eq!(ask(true).unwrap(), 0);
    }
}

#[test]
fn an_error_names_the_query_among_all_queries() {
    let folder = tempfile::tempdir().unwrap();
    let (encoder, _) = cached(folder.path(), false);
    encoder
        .encode(&[Query::text("a"), Query::text("b")])
        .unwrap();
    let queries = ["a", "new", "b", "bad"].map(Query::text);
    let error = encoder.encode(&queries).unwrap_err();
    assert!(
        matches!(error, EncodeError::AtQuery { index: 3, .. }),
        "{error}"
    );
}
