//! RouteLLM (Ong et al. 2025): `mmlu/responses/mmlu_SUBJECT.csv` and `gsm8k/gsm8k_responses.csv`, one row per question with
//! `prompt` and, for every model, a column with its name that says whether it was right.

use std::path::Path;

use crate::builder::TableBuilder;
use crate::error::DataError;
use crate::report::Loaded;
use crate::source::files::{stem, with_extension};
use crate::source::rows::Rows;
use crate::source::tabular::{self, Layout, TabularSchema};
use crate::spec::DataSpec;

/// Reads a file (CSV or Parquet), or all CSV (otherwise Parquet) files of a folder as one table. The task is the column `subject` where there is
/// one, otherwise the file's name. Ids are the file's name and the row, because prompts repeat.
pub(super) fn read(spec: &DataSpec) -> Result<Loaded, DataError> {
    let files = with_extension(&spec.path, &["csv", "parquet"])?;
    let mut builder = TableBuilder::new(spec, None)?;
    for file in &files {
        let rows = Rows::open(file, None)?;
        builder.start_file(file)?;
        let name = stem(file);
        tabular::fill(
            &rows,
            &schema(&rows, file)?,
            &mut builder,
            &mut |place, found| {
                found.query.id = format!("{name}_{}", place.row);
                found.query.task.get_or_insert_with(|| name.clone());
                Ok(())
            },
        )?;
    }
    builder.finish()
}

/// A model is every column that is not known to be something else.
fn schema(rows: &Rows, file: &Path) -> Result<TabularSchema, DataError> {
    // pandas stores its row labels as `__index_level_0__`.
    let is_model = |column: &&String| {
        !matches!(column.as_str(), "prompt" | "subject")
            && !column.ends_with("_response")
            && !column.starts_with("__index_level_")
    };
    let models: Vec<String> = rows.columns().iter().filter(is_model).cloned().collect();
    if models.is_empty() {
        return Err(DataError::NoModels {
            path: file.to_owned(),
            pattern: "{model}".to_owned(),
            available: rows.columns().to_vec(),
        });
    }
    let has_subject = rows.columns().iter().any(|column| column == "subject");
    Ok(TabularSchema {
        file: None,
        separator: None,
        decimal: None,
        id: Vec::new(),
        prompt: vec!["prompt".to_owned()],
        task: has_subject.then(|| "subject".to_owned()),
        image: None,
        group: None,
        cost_unit: String::new(),
        layout: Layout::Wide {
            quality: "{model}".to_owned(),
            cost: None,
            models: Some(models),
        },
    })
}
