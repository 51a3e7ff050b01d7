//! Which columns of a tabular file hold what.

use serde::{Deserialize, Serialize};

/// How a tabular file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileKind {
    /// Comma-separated values with a header, `.csv`; tab-separated for `.tsv`.
    Csv,
    /// One JSON object per line, `.jsonl` or `.ndjson`.
    JsonLines,
    /// A JSON array of objects, `.json`.
    Json,
    /// Apache Parquet, `.parquet`.
    Parquet,
    /// A pickled pandas DataFrame, `.pkl` or `.pickle`; read without running anything, and held in memory.
    Pickle,
}

/// Which columns of a tabular file hold what. Columns that the schema does not name are ignored, and listed in the report.
/// In JSON, the fields of a nested object are columns such as `scores.gpt-4`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TabularSchema {
    /// How the file is written; by default its extension says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<FileKind>,
    /// What separates the cells of CSV; a comma by default, a tab for `.tsv`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub separator: Option<char>,
    /// What stands before the decimals in numbers that are written as text: `.` (by default) or `,`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decimal: Option<char>,
    /// Columns of the query's id, joined by `_`; the row number (from 1) by default. The long layout needs it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub id: Vec<String>,
    /// Columns of the prompt, joined by line breaks where they are not blank.
    #[serde(default)]
    pub prompt: Vec<String>,
    /// Column of the task; the name of the data set by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<String>,
    /// Column of the image's path, relative to the folder of the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Column of the group; rows of one group stay on one side of a split.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Unit of the cost columns.
    #[serde(default = "dollars")]
    pub cost_unit: String,
    /// Where qualities and costs are.
    pub layout: Layout,
}

fn dollars() -> String {
    "US dollars".to_owned()
}

/// One row per query, or one row per query and model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Layout {
    /// One row per query, columns per model.
    Wide {
        /// Quality column of a model, with `{model}` in place of its name, such as `{model}|correct`.
        quality: String,
        /// Cost column of a model, such as `{model}|total_cost`. Without it, `cost` of the [`crate::DataSpec`] is needed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cost: Option<String>,
        /// The models. By default every model whose columns match the patterns.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        models: Option<Vec<String>>,
    },
    /// One row per query and model, in any order.
    Long {
        /// Column of the model's name.
        model: String,
        /// Column of the quality.
        quality: String,
        /// Column of the cost. Without it, `cost` of the [`crate::DataSpec`] is needed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cost: Option<String>,
    },
}
