//! EmbedLLM (Zhuang et al. 2025): some publications have no `category`, some have `model_id` in place of `model_name`.

use crate::schema::Layout;
use crate::source::published::Custom;

/// Takes the columns that the file has.
pub(super) const CUSTOM: Custom = Custom {
    schema: |rows, schema| {
        schema.task = schema.task.take().filter(|task| rows.has(task));
        if let Layout::Long { model, .. } = &mut schema.layout
            && !rows.has(model)
        {
            *model = "model_id".to_owned();
        }
        Ok(())
    },
    ..Custom::NONE
};
