//! RouterArena (Lu et al. 2025): `cached_results/MODEL.jsonl`, one record per query with `global_index`, `question`,
//! `llm_selected`, and an `evaluation_result` with `score` and `inference_cost` in US dollars.

use crate::error::DataError;
use crate::report::Loaded;
use crate::source::files::with_extension;
use crate::source::tabular::{self, FileKind, Layout, TabularSchema};
use crate::spec::DataSpec;

/// Reads all `.jsonl` files of a folder. The task is the global index up to its last underscore, such as `MMLUPro_history`.
pub(super) fn read(spec: &DataSpec) -> Result<Loaded, DataError> {
    let files = with_extension(&spec.path, &["jsonl"])?;
    let schema = TabularSchema {
        file: Some(FileKind::JsonLines),
        separator: None,
        decimal: None,
        id: vec!["global_index".to_owned()],
        prompt: vec!["question".to_owned()],
        task: None,
        image: None,
        group: None,
        cost_unit: "US dollars".to_owned(),
        layout: Layout::Long {
            model: "llm_selected".to_owned(),
            quality: "evaluation_result.score".to_owned(),
            cost: Some("evaluation_result.inference_cost".to_owned()),
        },
    };
    tabular::read_files(spec, &schema, &files, &mut |_, found| {
        let id = &found.query.id;
        let task = id.rsplit_once('_').map_or(id.as_str(), |(task, _)| task);
        found.query.task = Some(task.to_owned());
        Ok(())
    })
}
