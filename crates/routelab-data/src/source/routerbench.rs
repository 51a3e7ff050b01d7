//! RouterBench (Hu et al. 2024). `routerbench_0shot.pkl` and `routerbench_5shot.pkl` are wide: one row per query, a column
//! `MODEL` with its quality and `MODEL|total_cost` with its cost in US dollars. `routerbench_raw.pkl` is long: one row per
//! query and model, `performance` and `cost`.

use std::borrow::Cow;
use std::collections::HashMap;

use crate::error::DataError;
use crate::report::Loaded;
use crate::schema::{Layout, TabularSchema};
use crate::source::python_list::single_string;
use crate::source::rows::Rows;
use crate::source::tabular;
use crate::spec::DataSpec;

/// Reads a file, which is long if it has a column `model_name`. Prompts were published as Python lists, `['…']`: a list of
/// one string becomes that string, so that an encoder sees the text that the models saw; anything else stays exactly as
/// published. In the long layout a sample is one query, whose prompt is that of its first row. The report counts all this.
pub(super) fn read(spec: &DataSpec, wide: &TabularSchema) -> Result<Loaded, DataError> {
    let rows = Rows::open(&spec.path, None)?;
    let is_long = rows.has("model_name");
    let mut schema = wide.clone();
    if is_long {
        schema.layout = Layout::Long {
            model: "model_name".to_owned(),
            quality: "performance".to_owned(),
            cost: Some("cost".to_owned()),
        };
    }
    let mut builder = tabular::builder(spec, &schema)?;
    builder.start_file(&spec.path)?;
    let (mut unwrapped, mut kept, mut different) = (0, 0, 0);
    let mut first_prompts: HashMap<String, String> = HashMap::new();
    tabular::fill(&rows, &schema, &mut builder, &mut |_, found| {
        let Some(prompt) = found.prompt.first_mut() else {
            return Ok(());
        };
        let text = single_string(prompt);
        if let (true, Some(first)) = (is_long, first_prompts.get(&found.query.id)) {
            let same = text.as_deref().unwrap_or(prompt) == first;
            different += usize::from(!same);
            *prompt = Cow::Owned(first.clone());
            return Ok(());
        }
        match text {
            Some(text) => {
                unwrapped += 1;
                *prompt = Cow::Owned(text);
            }
            None => kept += 1,
        }
        if is_long {
            first_prompts.insert(found.query.id.clone(), prompt.clone().into_owned());
        }
        Ok(())
    })?;
    if unwrapped > 0 {
        builder.note(format!(
            "prompts: {unwrapped} Python lists of one string became that string, {kept} stayed as published"
        ));
    }
    if different > 0 {
        builder.note(format!(
            "prompts: {different} rows had another prompt than the first row of their sample, which is the one kept"
        ));
    }
    builder.finish()
}
