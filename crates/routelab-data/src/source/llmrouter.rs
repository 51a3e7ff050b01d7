//! LLMRouter (ulab-uiuc): `train.json` and `test.json`, arrays of objects with `question` and `scores`, an object with one
//! number per model.

use crate::builder::TableBuilder;
use crate::error::DataError;
use crate::report::Loaded;
use crate::source::files::{all_of, stem};
use crate::source::rows::Rows;
use crate::source::tabular::{self, Layout, TabularSchema};
use crate::spec::DataSpec;

/// Reads a file, or `train.json` and `test.json` of a folder as one table. Ids are the file's name and the record.
pub(super) fn read(spec: &DataSpec) -> Result<Loaded, DataError> {
    let files = all_of(&spec.path, &["train.json", "test.json"])?;
    let schema = TabularSchema {
        file: None,
        separator: None,
        decimal: None,
        id: Vec::new(),
        prompt: vec!["question".to_owned()],
        task: None,
        image: None,
        group: None,
        cost_unit: String::new(),
        layout: Layout::Wide {
            quality: "scores.{model}".to_owned(),
            cost: None,
            models: None,
        },
    };
    let mut builder = TableBuilder::new(spec, None)?;
    for file in &files {
        let rows = Rows::open(file, None)?;
        builder.start_file(file)?;
        let name = stem(file);
        tabular::fill(&rows, &schema, &mut builder, &mut |place, found| {
            found.query.id = format!("{name}_{}", place.row);
            Ok(())
        })?;
    }
    builder.finish()
}
