//! LogicVista (Xiao et al. 2024), scored answers: one row per question with `id`, `question`, `skill` (a Python list of one
//! text), `image`, and `MODEL_correct` (0 or 1) for every model.

use crate::error::DataError;
use crate::report::Loaded;
use crate::source::python_list::single_string;
use crate::source::tabular::{self, Layout, TabularSchema};
use crate::spec::DataSpec;

/// Reads a file. The task is the skill. A blank question is fine where there is an image, which may ask it.
pub(super) fn read(spec: &DataSpec) -> Result<Loaded, DataError> {
    let schema = TabularSchema {
        file: None,
        separator: None,
        decimal: None,
        id: vec!["id".to_owned()],
        prompt: vec!["question".to_owned()],
        task: Some("skill".to_owned()),
        image: Some("image".to_owned()),
        group: None,
        cost_unit: String::new(),
        layout: Layout::Wide {
            quality: "{model}_correct".to_owned(),
            cost: None,
            models: None,
        },
    };
    let files = std::slice::from_ref(&spec.path);
    tabular::read_files(spec, &schema, files, &mut |place, found| {
        if let Some(skill) = found.query.task.as_deref().and_then(single_string) {
            found.query.task = Some(skill);
        }
        tabular::require_image(&spec.path, place, found)
    })
}
