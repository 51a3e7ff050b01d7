//! What several tests share.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::path::{Path, PathBuf};

use ndarray::Array2;
use routelab_data::{CostUnit, DataError, DataSpec, Loaded, RoutingTable, RoutingTableParts, load};
use tempfile::TempDir;

/// A temporary folder with one file in it.
pub struct File {
    folder: TempDir,
    pub path: PathBuf,
}

impl File {
    pub fn new(name: &str, content: impl AsRef<[u8]>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        Self { folder, path }
    }

    pub fn beside(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn spec(&self, format: &str) -> DataSpec {
        DataSpec::new(format, &self.path)
    }

    /// The spec of a `[data]` table; its `path` is set to this file.
    pub fn toml(&self, text: &str) -> DataSpec {
        let mut table: toml::Table = text.parse().unwrap();
        table.insert("path".to_owned(), self.path.to_str().unwrap().into());
        table.try_into().unwrap()
    }
}

/// Loading fails with a message that has all the parts.
#[track_caller]
pub fn fails(spec: &DataSpec, parts: &[&str]) -> DataError {
    let error = load(spec).map(|loaded: Loaded| loaded.report).unwrap_err();
    let message = error.to_string();
    for part in parts {
        assert!(message.contains(part), "{part:?} is not in: {message}");
    }
    error
}

/// `queries` x 2 models; the quality of query `n` is 0 or 1, all different enough to tell them apart.
pub fn table(
    queries: usize,
    task: impl Fn(usize) -> String,
    group: Option<&dyn Fn(usize) -> String>,
) -> RoutingTable {
    RoutingTable::new(RoutingTableParts {
        name: "test".to_owned(),
        models: vec!["small".to_owned(), "large".to_owned()],
        ids: (0..queries).map(|query| format!("q{query}")).collect(),
        prompts: (0..queries)
            .map(|query| format!("prompt {query}"))
            .collect(),
        tasks: (0..queries).map(task).collect(),
        images: Vec::new(),
        groups: group.map(|group| (0..queries).map(group).collect()),
        quality: Array2::from_shape_fn((queries, 2), |(query, model)| ((query + model) % 2) as f64),
        cost: Array2::from_shape_fn((queries, 2), |(query, model)| (query + 10 * model) as f64),
        cost_unit: CostUnit::recorded("US dollars"),
    })
    .unwrap()
}

/// Replaces the folder of a path in a message, which differs from run to run.
pub fn without_folder(message: &str, path: &Path) -> String {
    message.replace(&format!("{}/", path.parent().unwrap().display()), "")
}
