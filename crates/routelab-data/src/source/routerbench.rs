//! RouterBench (Hu et al. 2024), wide: one row per query, a column `MODEL` with its quality and `MODEL|total_cost` with its
//! cost in US dollars.

use std::borrow::Cow;

use crate::error::DataError;
use crate::report::Loaded;
use crate::source::python_list::single_string;
use crate::source::rows::Rows;
use crate::source::tabular::{self, Layout, TabularSchema};
use crate::spec::DataSpec;

/// The columns as published. A model is a column that has a `|total_cost` beside it, so `MODEL|model_response` and
/// `oracle_model_to_route_to` are none.
fn schema() -> TabularSchema {
    TabularSchema {
        file: None,
        id: vec!["sample_id".to_owned()],
        prompt: vec!["prompt".to_owned()],
        task: Some("eval_name".to_owned()),
        image: None,
        group: None,
        cost_unit: "US dollars".to_owned(),
        layout: Layout::Wide {
            quality: "{model}".to_owned(),
            cost: Some("{model}|total_cost".to_owned()),
            models: None,
        },
    }
}

/// Reads a wide file. Prompts were published as Python lists, `['…']`: a list of one string becomes that string, so that an
/// encoder sees the text that the models saw; anything else stays exactly as published. The report counts both.
pub(super) fn read(spec: &DataSpec) -> Result<Loaded, DataError> {
    let schema = schema();
    let rows = Rows::open(&spec.path, schema.file)?;
    let mut builder = tabular::builder(spec, &schema)?;
    let (mut unwrapped, mut kept) = (0, 0);
    tabular::fill(&rows, &schema, &mut builder, &mut |_, found| {
        for piece in &mut found.prompt {
            match single_string(piece) {
                Some(text) => {
                    unwrapped += 1;
                    *piece = Cow::Owned(text);
                }
                None => kept += 1,
            }
        }
        Ok(())
    })?;
    if unwrapped > 0 {
        builder.note(format!(
            "prompts: {unwrapped} Python lists of one string became that string, {kept} stayed as published"
        ));
    }
    builder.finish()
}
