//! MMLU-Pro (Wang et al. 2024), scored answers: one row per question with `question_id`, `question`, `options` (a JSON list of
//! texts), `category`, and for every model `MODEL|correct` (0 or 1) and `MODEL|outchars`, the characters of its answer.

use std::borrow::Cow;

use crate::error::DataError;
use crate::report::Loaded;
use crate::source::tabular::{self, Layout, TabularSchema};
use crate::spec::DataSpec;

/// Reads a file. The prompt is the question and then one line per option, lettered as the models saw them.
pub(super) fn read(spec: &DataSpec) -> Result<Loaded, DataError> {
    let schema = TabularSchema {
        file: None,
        separator: None,
        decimal: None,
        id: vec!["question_id".to_owned()],
        prompt: vec!["question".to_owned(), "options".to_owned()],
        task: Some("category".to_owned()),
        image: None,
        group: None,
        cost_unit: "output characters".to_owned(),
        layout: Layout::Wide {
            quality: "{model}|correct".to_owned(),
            cost: Some("{model}|outchars".to_owned()),
            models: None,
        },
    };
    let files = std::slice::from_ref(&spec.path);
    tabular::read_files(spec, &schema, files, &mut |place, found| {
        if let Some(options) = found.prompt.get_mut(1) {
            let lines = lettered(options).ok_or_else(|| DataError::Unexpected {
                path: spec.path.clone(),
                place,
                column: "options".to_owned(),
                value: options.clone().into_owned(),
                expected: "a JSON list of at most 26 texts".to_owned(),
            })?;
            *options = Cow::Owned(lines);
        }
        Ok(())
    })
}

fn lettered(options: &str) -> Option<String> {
    let options: Vec<String> = serde_json::from_str(options).ok()?;
    if options.len() > 26 {
        return None;
    }
    let lines: Vec<String> = ('A'..='Z')
        .zip(options)
        .map(|(letter, option)| format!("{letter}. {option}"))
        .collect();
    Some(lines.join("\n"))
}
