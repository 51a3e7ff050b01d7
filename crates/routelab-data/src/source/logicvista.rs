//! LogicVista (Xiao et al. 2024): the `skill` is a Python list of one text.

use crate::source::published::Custom;
use crate::source::python_list::single_string;

/// The task is the skill.
pub(super) const CUSTOM: Custom = Custom {
    query: |_, _, found| {
        if let Some(skill) = found.query.task.as_deref().and_then(single_string) {
            found.query.task = Some(skill);
        }
        Ok(())
    },
    ..Custom::NONE
};
