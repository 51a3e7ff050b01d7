//! RouterArena (Lu et al. 2025): one record per query and model, with a `global_index` such as `MMLUPro_history_7`.

use crate::source::published::Custom;

/// The task is the global index up to its last underscore.
pub(super) const CUSTOM: Custom = Custom {
    query: |_, _, found| {
        let id = &found.query.id;
        let task = id.rsplit_once('_').map_or(id.as_str(), |(task, _)| task);
        found.query.task = Some(task.to_owned());
        Ok(())
    },
    ..Custom::NONE
};
