//! The published formats: `formats.toml` lists them, and each that does more than name its columns has a file.

mod embedllm;
mod files;
mod llmrouterbench;
mod logicvista;
mod mixinstruct;
mod mmlu_pro;
mod mmr_bench;
mod pickle;
mod published;
mod python_list;
pub(crate) mod routelab;
mod routellm;
mod routerarena;
mod routerbench;
mod routereval;
mod rows;
mod tabular;
pub(crate) mod texts;

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use crate::error::DataError;
use crate::report::Loaded;
use crate::spec::DataSpec;
use published::{Custom, PublishedTable};

/// What the queries of a format consist of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Modality {
    /// Prompts only.
    Text,
    /// Prompts with images.
    TextAndImage,
}

/// A format that [`load`] reads.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FormatInfo {
    /// Name in an experiment file.
    pub name: &'static str,
    /// One line for a list.
    pub description: &'static str,
    /// What its queries consist of.
    pub modality: Modality,
    /// What `path` is: file extensions such as `csv`, or `folder`.
    pub extension: &'static str,
    /// How large the published data set is; `any` for formats that are not of one data set.
    pub size: &'static str,
    /// Folders in `datasets/` that are shipped in this format.
    #[serde(default)]
    pub shipped: Vec<&'static str>,
    /// The columns, where the format is a table of known ones.
    #[serde(skip_serializing)]
    table: Option<PublishedTable>,
}

static FORMATS: LazyLock<Vec<FormatInfo>> = LazyLock::new(|| {
    #[derive(Deserialize)]
    #[serde(bound(deserialize = "'de: 'static"))]
    struct List {
        format: Vec<FormatInfo>,
    }
    let list: List = toml::from_str(include_str!("formats.toml")).expect("a valid list");
    list.format
});

/// Every format that [`load`] reads, in the order in which a user meets them.
pub fn formats() -> &'static [FormatInfo] {
    &FORMATS
}

/// Reads a data set.
///
/// # Errors
/// [`DataError`] names the file, the row, the column and the value that is wrong, what was expected and what to do.
pub fn load(spec: &DataSpec) -> Result<Loaded, DataError> {
    let Some(format) = FORMATS.iter().find(|format| format.name == spec.format) else {
        let known = FORMATS.iter().map(|format| format.name).collect();
        return Err(DataError::UnknownFormat {
            name: spec.format.clone(),
            known,
        });
    };
    match (format.name, &format.table) {
        ("llmrouterbench", _) => llmrouterbench::read(spec),
        ("mixinstruct", _) => mixinstruct::read(spec),
        ("routelab", _) => routelab::read(spec),
        ("routereval", _) => routereval::read(spec),
        ("routerbench", Some(table)) => routerbench::read(spec, &table.schema),
        ("embedllm", Some(table)) => table.read(spec, &embedllm::CUSTOM),
        ("logicvista", Some(table)) => table.read(spec, &logicvista::CUSTOM),
        ("mmlu-pro", Some(table)) => table.read(spec, &mmlu_pro::CUSTOM),
        ("mmr-bench", Some(table)) => table.read(spec, &mmr_bench::CUSTOM),
        ("routellm", Some(table)) => table.read(spec, &routellm::CUSTOM),
        ("routerarena", Some(table)) => table.read(spec, &routerarena::CUSTOM),
        (_, Some(table)) => table.read(spec, &Custom::NONE),
        (_, None) => tabular::read(spec),
    }
}
