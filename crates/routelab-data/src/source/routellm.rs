//! RouteLLM (Ong et al. 2025): `mmlu/responses/mmlu_SUBJECT.csv` and `gsm8k/gsm8k_responses.csv`, one row per question with a
//! column for every model, called like it, that says whether it was right.

use crate::error::DataError;
use crate::schema::Layout;
use crate::source::files::stem;
use crate::source::published::Custom;

/// The task is the column `subject` where there is one, otherwise the file's name.
pub(super) const CUSTOM: Custom = Custom {
    schema: |rows, schema| {
        schema.task = schema.task.take().filter(|task| rows.has(task));
        // A model is every column that is not known to be something else; pandas stores its row labels as
        // `__index_level_0__`.
        let is_model = |column: &&String| {
            !matches!(column.as_str(), "prompt" | "subject")
                && !column.ends_with("_response")
                && !column.starts_with("__index_level_")
        };
        let found: Vec<String> = rows.columns().iter().filter(is_model).cloned().collect();
        if found.is_empty() {
            return Err(DataError::NoModels {
                path: rows.path().to_owned(),
                pattern: "{model}".to_owned(),
                available: rows.columns().to_vec(),
            });
        }
        if let Layout::Wide { models, .. } = &mut schema.layout {
            *models = Some(found);
        }
        Ok(())
    },
    query: |file, _, found| {
        found.query.task.get_or_insert_with(|| stem(file));
        Ok(())
    },
};
