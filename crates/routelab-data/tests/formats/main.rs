//! Every published format: a fixture in its exact layout, and its malformed twins.

#[path = "../common/mod.rs"]
mod common;
mod embedllm;
mod llmrouter;
mod llmrouterbench;
mod mixinstruct;
mod mmr_bench;
mod multimodal;
mod routellm;
mod routerarena;
mod routereval;
mod wide_answers;

use std::path::{Path, PathBuf};

use common::fails;
use routelab_data::{CostAssumption, DataSpec, FileKind, Modality, formats, load};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name)
}

/// A copy of a folder of fixtures with one text in one file replaced.
struct Twin {
    _folder: tempfile::TempDir,
    path: PathBuf,
}

impl Twin {
    fn of(folder: &str, file: &str, from: &str, to: &str) -> Self {
        let target = tempfile::tempdir().unwrap();
        let path = target.path().join("data");
        copy(&fixture(folder), &path);
        let text = std::fs::read_to_string(path.join(file)).unwrap();
        assert!(text.contains(from), "{from:?} is not in {file}");
        std::fs::write(path.join(file), text.replacen(from, to, 1)).unwrap();
        Self {
            _folder: target,
            path,
        }
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn uniform(format: &str, path: impl Into<PathBuf>) -> DataSpec {
    DataSpec {
        cost: Some(CostAssumption::Uniform),
        ..DataSpec::new(format, path)
    }
}

#[test]
fn every_format_is_listed_once_with_a_page() {
    let names: std::collections::BTreeSet<&str> = formats().iter().map(|info| info.name).collect();
    assert_eq!(names.len(), formats().len());
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/datasets");
    for info in formats() {
        assert!(
            docs.join(format!("{}.md", info.name)).is_file(),
            "{}",
            info.name
        );
        assert!(!info.size.is_empty() && !info.extension.is_empty());
    }
    let images: Vec<&str> = formats()
        .iter()
        .filter(|info| info.modality == Modality::TextAndImage)
        .map(|info| info.name)
        .collect();
    assert_eq!(
        images,
        ["mmr-bench", "dynamath", "logicvista", "routelab", "tabular"]
    );
}

/// The `toml` blocks of a page.
fn blocks(page: &str) -> Vec<&str> {
    page.split("```toml\n")
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap())
        .collect()
}

#[test]
fn the_examples_of_every_page_are_valid() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/datasets");
    for info in formats() {
        let page = std::fs::read_to_string(docs.join(format!("{}.md", info.name))).unwrap();
        let blocks = blocks(&page);
        assert!(!blocks.is_empty(), "{}", info.name);
        for block in blocks {
            let mut table: toml::Table = block.parse().unwrap();
            if let Some(data) = table.remove("data") {
                table = data.try_into().unwrap();
            }
            if table.contains_key("dataset") {
                continue;
            }
            let spec: DataSpec = table.try_into().unwrap();
            assert_eq!(spec.format, info.name, "{block}");
        }
    }
}

#[test]
fn a_path_that_does_not_exist_is_an_error_that_names_it() {
    for info in formats() {
        let mut spec = DataSpec::new(info.name, "does/not/exist.json");
        let assumed = [
            "routellm",
            "llmrouter",
            "embedllm",
            "dynamath",
            "logicvista",
        ];
        if assumed.contains(&info.name) {
            spec.cost = Some(CostAssumption::Uniform);
        }
        if info.name == "tabular" {
            spec.schema =
                toml::from_str("prompt = ['p']\nlayout.wide = { quality = '{model}|q' }").ok();
        }
        fails(&spec, &["does/not/exist.json"]);
    }
}

#[test]
fn the_kind_of_a_pickle_can_be_named() {
    let spec: DataSpec = toml::from_str(&format!(
        "format = 'tabular'\npath = '{}'\n[schema]\nfile = 'pickle'\nprompt = ['prompt']\n[schema.layout.wide]\nquality = '{{model}}'\ncost = '{{model}}|total_cost'",
        fixture("routerbench_0shot.pkl").display()
    ))
    .unwrap();
    assert_eq!(spec.schema.as_ref().unwrap().file, Some(FileKind::Pickle));
    assert_eq!(load(&spec).unwrap().table.models().len(), 11);
}
