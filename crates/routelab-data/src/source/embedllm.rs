//! EmbedLLM (Zhuang et al. 2025): `train.csv`, `val.csv` and `test.csv`, one row per question and model, with `prompt_id`,
//! `prompt`, `model_name` (or `model_id`), `label` (0 or 1) and, where published, `category`.

use crate::builder::TableBuilder;
use crate::error::DataError;
use crate::report::Loaded;
use crate::source::files::all_of;
use crate::source::rows::Rows;
use crate::source::tabular::{self, Layout, TabularSchema};
use crate::spec::DataSpec;

/// Reads a file, or the three of a folder as one table. Rows of one question and model that were published more than once
/// count as right if one of them is, as in the authors' own code, and are counted in the report.
pub(super) fn read(spec: &DataSpec) -> Result<Loaded, DataError> {
    let files = all_of(&spec.path, &["train.csv", "val.csv", "test.csv"])?;
    let mut builder = TableBuilder::new(spec, None)?;
    builder.keep_best_of_repeats();
    for file in &files {
        let rows = Rows::open(file, None)?;
        builder.start_file(file)?;
        tabular::fill(&rows, &schema_of(&rows), &mut builder, &mut |_, _| Ok(()))?;
    }
    builder.finish()
}

fn schema_of(rows: &Rows) -> TabularSchema {
    let has = |name: &str| rows.columns().iter().any(|column| column == name);
    let model = if has("model_name") {
        "model_name"
    } else {
        "model_id"
    };
    TabularSchema {
        file: None,
        separator: None,
        decimal: None,
        id: vec!["prompt_id".to_owned()],
        prompt: vec!["prompt".to_owned()],
        task: has("category").then(|| "category".to_owned()),
        image: None,
        group: None,
        cost_unit: String::new(),
        layout: Layout::Long {
            model: model.to_owned(),
            quality: "label".to_owned(),
            cost: None,
        },
    }
}
