//! The published formats: one file each, and this list.

mod pickle;
mod python_list;
pub mod routelab;
mod routerbench;
pub(crate) mod rows;
pub mod tabular;

use serde::Serialize;

use crate::error::DataError;
use crate::report::Loaded;
use crate::spec::DataSpec;

/// What the queries of a format consist of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Modality {
    /// Prompts only.
    Text,
    /// Prompts with images.
    TextAndImage,
}

/// A format that [`load`] reads.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct FormatInfo {
    /// Name in an experiment file.
    pub name: &'static str,
    /// One line for a list.
    pub description: &'static str,
    /// What its queries consist of.
    pub modality: Modality,
    /// What `path` is: a file extension such as `csv`, or `folder`.
    pub extension: &'static str,
    #[serde(skip)]
    read: fn(&DataSpec) -> Result<Loaded, DataError>,
}

/// Every format, in the order in which a user meets them.
const FORMATS: &[FormatInfo] = &[
    FormatInfo {
        name: "routerbench",
        description: "RouterBench (Hu et al. 2024): routerbench_0shot.pkl, routerbench_5shot.pkl, routerbench_raw.pkl, or the same columns as CSV or Parquet",
        modality: Modality::Text,
        extension: "pkl, csv, parquet",
        read: routerbench::read,
    },
    FormatInfo {
        name: "routelab",
        description: "RouteLab's own Parquet file, as `routelab data convert` writes it",
        modality: Modality::TextAndImage,
        extension: "parquet",
        read: routelab::read,
    },
    FormatInfo {
        name: "tabular",
        description: "any CSV, JSON Lines, JSON, Parquet or pandas pickle file whose columns the experiment declares",
        modality: Modality::TextAndImage,
        extension: "csv, tsv, jsonl, json, parquet, pkl",
        read: tabular::read,
    },
];

/// Every format that [`load`] reads.
pub fn formats() -> &'static [FormatInfo] {
    FORMATS
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
    (format.read)(spec)
}
