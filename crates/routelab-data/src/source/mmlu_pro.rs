//! MMLU-Pro (Wang et al. 2024): the `options` are a JSON list of texts.

use std::borrow::Cow;

use crate::error::DataError;
use crate::source::published::Custom;

/// The prompt is the question and then one line per option, lettered as the models saw them.
pub(super) const CUSTOM: Custom = Custom {
    query: |file, place, found| {
        if let Some(options) = found.prompt.get_mut(1) {
            let lines = lettered(options).ok_or_else(|| DataError::Unexpected {
                at: place.cell(file, "options"),
                value: options.clone().into_owned(),
                expected: "a JSON list of at most 26 texts".to_owned(),
            })?;
            *options = Cow::Owned(lines);
        }
        Ok(())
    },
    ..Custom::NONE
};

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
