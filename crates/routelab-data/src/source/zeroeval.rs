//! ZeroEval (WildEval), re-scored: one row per question with `task`, `question`, and for every model `MODEL|correct` (0 or 1)
//! and `MODEL|outchars`, the characters of its answer.

use crate::error::DataError;
use crate::report::Loaded;
use crate::source::tabular::{self, Layout, TabularSchema};
use crate::spec::DataSpec;

/// Reads a file. The prompt is the question: what the models saw besides is one template per task, which says how to answer.
pub(super) fn read(spec: &DataSpec) -> Result<Loaded, DataError> {
    let schema = TabularSchema {
        file: None,
        separator: None,
        decimal: None,
        id: Vec::new(),
        prompt: vec!["question".to_owned()],
        task: Some("task".to_owned()),
        image: None,
        group: None,
        cost_unit: "output characters".to_owned(),
        layout: Layout::Wide {
            quality: "{model}|correct".to_owned(),
            cost: Some("{model}|outchars".to_owned()),
            models: None,
        },
    };
    tabular::read_files(
        spec,
        &schema,
        std::slice::from_ref(&spec.path),
        &mut |_, _| Ok(()),
    )
}
