//! The `[data]` table of an experiment file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::assumption::CostAssumption;
use crate::error::DataError;
use crate::input::{read_text, resolve_path};
use crate::range::QualityScale;
use crate::schema::TabularSchema;

/// What to do with a query for which a quality, a cost or the prompt is missing (a blank cell or NaN).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Missing {
    /// Stop with an error that names the cell.
    #[default]
    Error,
    /// Leave the query out for every model, and count it in the report.
    DropQuery,
    /// Keep the query with what was measured: the table has a mask, [`crate::RoutingTable::measured`]. A query without a prompt
    /// is an error, one of which nothing was measured is left out and counted.
    Mask,
}

/// What to do with the images of a data set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Images {
    /// Every image that a row names must exist.
    #[default]
    Required,
    /// Read a text-only table; for text-only experiments where the images were not downloaded.
    Ignore,
}

/// What to do with a quality outside [0, 1].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OutOfRange {
    /// Stop with an error that names the cell.
    #[default]
    Error,
    /// Take 0 for what is below and 1 for what is above, and count it in the report.
    Clamp,
}

/// What makes queries belong together, where no column says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GroupBy {
    /// Queries with the same prompt and image are one group.
    Prompt,
}

/// Which data to read and how: the `[data]` table of an experiment file, or the `dataset.toml` of a data set's folder.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataSpec {
    /// One of [`crate::formats`].
    pub format: String,
    /// The file or folder; relative to the current folder, so a caller who reads this from a file first calls
    /// [`DataSpec::resolve`].
    pub path: PathBuf,
    /// Name of the table; the format's own name by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What to do about missing cells.
    #[serde(default)]
    pub missing: Missing,
    /// What to do about qualities outside [0, 1].
    #[serde(default)]
    pub out_of_range: OutOfRange,
    /// What qualities are divided by: `100` for percent, or a table with a number per model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quality_scale: Option<QualityScale>,
    /// What to do about images.
    #[serde(default)]
    pub images: Images,
    /// `"prompt"`: queries with the same prompt stay on one side of a split. For data without groups of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<GroupBy>,
    /// Which part of a file that holds several tables, such as `easy/5/all_strong` of RouterEval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subset: Option<String>,
    /// Keep only the queries of these tasks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tasks: Option<Vec<String>>,
    /// Keep only these models, in this order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub models: Option<Vec<String>>,
    /// Leave these models out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclude_models: Vec<String>,
    /// Keep only the first `limit` queries (after dropping incomplete ones), at least 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
    /// Keep a random sample of so many queries (of those within `limit`), in their order and always the same ones; at least 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sample: Option<usize>,
    /// Costs for a data set that recorded none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<CostAssumption>,
    /// Factors on the costs of some models, above 0: what if a model had another price? Such costs count as an assumption.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub scale_cost: BTreeMap<String, f64>,
    /// Where every model answered every query several times: a file of the format `routelab` for each of the answers, with the same
    /// models. The table has their means.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub answers: Vec<PathBuf>,
    /// The columns of a file of the format `tabular`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<TabularSchema>,
}

impl DataSpec {
    /// A spec with every option at its default.
    pub fn new(format: impl Into<String>, path: impl Into<PathBuf>) -> Self {
        Self {
            format: format.into(),
            path: path.into(),
            ..Self::default()
        }
    }

    /// Makes relative paths, which may have backslashes as on Windows, relative to `folder`, the folder of the file that the spec was read from.
    pub fn resolve(&mut self, folder: &Path) {
        self.path = resolve_path(folder, &self.path);
        for path in &mut self.answers {
            *path = resolve_path(folder, path);
        }
        if let Some(cost) = &mut self.cost {
            cost.resolve(folder);
        }
    }

    /// Reads `dataset.toml` of a data set's folder (or the file itself), with paths resolved.
    ///
    /// # Errors
    /// [`DataError::Io`] when there is no such file, [`DataError::Toml`] when it is not a valid spec.
    pub fn read(path: &Path) -> Result<Self, DataError> {
        let file = if path.is_dir() {
            path.join("dataset.toml")
        } else {
            path.to_owned()
        };
        let text = read_text(&file)?;
        let mut spec: Self = toml::from_str(&text).map_err(|error| DataError::Toml {
            path: file.clone(),
            detail: toml_detail(&error),
        })?;
        spec.resolve(file.parent().unwrap_or(Path::new("")));
        Ok(spec)
    }
}

/// What is wrong with a TOML text, and what to do where a Windows path is the likely cause.
pub fn toml_detail(error: &toml::de::Error) -> String {
    let text = error.to_string().trim_end().to_owned();
    if error.message().contains("escape") || error.message().contains("unicode") {
        format!(
            "{text}\na backslash begins an escape in double quotes: write paths with `/`, or in single quotes"
        )
    } else {
        text
    }
}
