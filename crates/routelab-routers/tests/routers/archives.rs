//! Fitted routers on disk.

use std::fs;
use std::path::{Path, PathBuf};

use routelab_eval::Scores;
use routelab_routers::{Archive, RouterError};
use serde_json::Value;

use crate::common::{backend, clusters, fit, registry, settings_for};

fn stored(kind: &str, folder: &Path) -> Scores {
    let (train, test) = (clusters(40, 1), clusters(10, 2));
    let fitted = fit(kind, settings_for(kind), &train);
    registry()
        .save(kind, &*fitted)
        .unwrap()
        .write(folder)
        .unwrap();
    fitted.predict(&test.embeddings).unwrap()
}

fn read(folder: &Path) -> Result<Scores, RouterError> {
    let test = clusters(10, 2);
    registry()
        .load(&Archive::read(folder)?, &backend())?
        .predict(&test.embeddings)
}

#[test]
fn every_router_comes_back_as_it_was() {
    for info in registry().routers() {
        let folder = tempfile::tempdir().unwrap();
        let expected = stored(info.kind, folder.path());
        assert_eq!(read(folder.path()).unwrap(), expected, "{}", info.kind);
        let (train, loaded) = (clusters(40, 1), Archive::read(folder.path()).unwrap());
        let decision = registry().load(&loaded, &backend()).unwrap().decision();
        let fitted = fit(info.kind, settings_for(info.kind), &train);
        assert_eq!(decision, fitted.decision(), "{}", info.kind);
        // What was loaded is stored again as the same archive.
        let again = registry().load(&loaded, &backend()).unwrap();
        assert_eq!(
            registry().save(info.kind, &*again).unwrap(),
            loaded,
            "{}",
            info.kind
        );
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// A file that is missing, cut short or something else is an error with a place; it never panics.
#[test]
fn damaged_files_are_errors() {
    for info in registry().routers() {
        let folder = tempfile::tempdir().unwrap();
        stored(info.kind, folder.path());
        for path in files(folder.path()) {
            let whole = fs::read(&path).unwrap();
            let mut damages: Vec<Option<Vec<u8>>> =
                vec![None, Some(Vec::new()), Some(b"nonsense".to_vec())];
            damages
                .extend([1, 2, 3].map(|quarter| Some(whole[..whole.len() * quarter / 4].to_vec())));
            for damage in damages {
                match damage {
                    None => fs::remove_file(&path).unwrap(),
                    Some(bytes) => fs::write(&path, bytes).unwrap(),
                }
                assert!(
                    read(folder.path()).is_err(),
                    "{}: {}",
                    info.kind,
                    path.display()
                );
            }
            fs::write(&path, whole).unwrap();
        }
        read(folder.path()).unwrap();
    }
}

/// Every value of a description replaced in turn by others of JSON's kinds. A changed number may be as good as the true one;
/// what may not happen is a panic.
#[test]
fn damaged_descriptions_do_not_panic() {
    for info in registry().routers() {
        let folder = tempfile::tempdir().unwrap();
        stored(info.kind, folder.path());
        let described = |path: &PathBuf| path.extension().is_some_and(|e| e == "json");
        for path in files(folder.path()).into_iter().filter(described) {
            let text = fs::read_to_string(&path).unwrap();
            let whole: Value = serde_json::from_str(&text).unwrap();
            for pointer in pointers(&whole) {
                for other in [
                    Value::Null,
                    0.into(),
                    3.into(),
                    (-1).into(),
                    "x".into(),
                    Value::Array(vec![]),
                ] {
                    let mut damaged = whole.clone();
                    *damaged.pointer_mut(&pointer).unwrap() = other;
                    fs::write(&path, damaged.to_string()).unwrap();
                    let _ = read(folder.path());
                }
            }
            fs::write(&path, text).unwrap();
        }
    }
}

/// The places of a JSON document; of a list only the first entry.
fn pointers(value: &Value) -> Vec<String> {
    let mut found = vec![String::new()];
    let mut below = |key: &str, value: &Value| {
        found.extend(pointers(value).iter().map(|rest| format!("/{key}{rest}")));
    };
    match value {
        Value::Object(fields) => fields.iter().for_each(|(key, value)| below(key, value)),
        Value::Array(items) => items.iter().take(1).for_each(|value| below("0", value)),
        _ => {}
    }
    found
}

/// Sound files of the wrong shape: every file of one router replaced by every file of a router for more models, with more
/// dimensions and fewer training queries.
#[test]
fn files_of_another_fit_do_not_panic() {
    for info in registry().routers() {
        let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        stored(info.kind, folder.path());
        let fitted = fit(info.kind, settings_for(info.kind), &larger());
        registry()
            .save(info.kind, &*fitted)
            .unwrap()
            .write(other.path())
            .unwrap();
        for path in files(folder.path()) {
            let whole = fs::read(&path).unwrap();
            for foreign in files(other.path()) {
                fs::copy(&foreign, &path).unwrap();
                let _ = read(folder.path());
            }
            fs::write(&path, whole).unwrap();
        }
        let message = read(other.path()).err().map(|error| error.to_string());
        let blind = ["random", "cheapest", "strongest", "best-single"].contains(&info.kind);
        assert_eq!(message.is_none(), blind, "{}: {message:?}", info.kind);
    }
}

fn larger() -> crate::common::Data {
    let small = clusters(30, 5);
    let wide =
        |values: ndarray::ArrayView2<f64>| ndarray::concatenate![ndarray::Axis(1), values, values];
    let x = small.embeddings.values();
    crate::common::Data::new(
        ndarray::concatenate![ndarray::Axis(1), x, x],
        wide(small.table.quality()),
        wide(small.table.cost()),
    )
}

#[test]
fn a_folder_without_a_router_is_an_error_with_its_path() {
    let folder = tempfile::tempdir().unwrap();
    let message = read(folder.path()).unwrap_err().to_string();
    assert!(message.contains("router.json"), "{message}");
    stored("linear", folder.path());
    let path = folder.path().join("router.json");
    let text = fs::read_to_string(&path)
        .unwrap()
        .replace("\"linear\"", "\"lineal\"");
    fs::write(&path, text).unwrap();
    let message = read(folder.path()).unwrap_err().to_string();
    assert!(
        message.contains("`lineal`") && message.contains("linear"),
        "{message}"
    );
}

#[test]
fn names_in_a_description_stay_inside_its_folder() {
    let folder = tempfile::tempdir().unwrap();
    stored("linear", folder.path());
    let path = folder.path().join("router.json");
    for (true_name, other) in [
        ("\"map\"", "\"../map\""),
        ("\"parts\": []", "\"parts\": [\"..\"]"),
    ] {
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, text.replace(true_name, other)).unwrap();
        let message = read(folder.path()).unwrap_err().to_string();
        assert!(message.contains(".."), "{message}");
        fs::write(&path, text).unwrap();
    }
}
