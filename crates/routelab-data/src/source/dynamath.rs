//! DynaMath (Zou et al. 2025), scored answers: one row per variant of a question with `qid`, `v`, `question`, `subject`,
//! `image`, and `MODEL_correct` (0 or 1) for every model.

use crate::error::DataError;
use crate::report::Loaded;
use crate::source::tabular::{self, Layout, TabularSchema};
use crate::spec::DataSpec;

/// Reads a file. Variants of one seed question are near-duplicates, so `qid` is the group, which no split divides.
pub(super) fn read(spec: &DataSpec) -> Result<Loaded, DataError> {
    let schema = TabularSchema {
        file: None,
        separator: None,
        decimal: None,
        id: vec!["qid".to_owned(), "v".to_owned()],
        prompt: vec!["question".to_owned()],
        task: Some("subject".to_owned()),
        image: Some("image".to_owned()),
        group: Some("qid".to_owned()),
        cost_unit: String::new(),
        layout: Layout::Wide {
            quality: "{model}_correct".to_owned(),
            cost: None,
            models: None,
        },
    };
    let files = std::slice::from_ref(&spec.path);
    tabular::read_files(spec, &schema, files, &mut |place, found| {
        tabular::require_image(&spec.path, place, found)
    })
}
