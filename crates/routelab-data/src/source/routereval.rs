//! RouterEval (Huang et al. 2025): `DATASET_router_dataset.pkl`, a dictionary with pools of models under
//! `easy` and `hard`, then the number of models, then `all_strong`, `all_weak` or `strong_to_weak`. A pool has `model`, the
//! names, and `data` with `train_score`, `val_score` and `test_score` (queries x models). Prompts are in `prompt`, under
//! `train_prompt` and so on, and the numbers of the queries in `split_index`, under `train_indices` and so on.

use crate::builder::{Query, TableBuilder};
use crate::cell::Cell;
use crate::error::{DataError, Place};
use crate::report::Loaded;
use crate::source::files::stem;
use crate::source::pickle::numpy::{self, Array};
use crate::source::pickle::{Pickle, Value};
use crate::spec::DataSpec;
use crate::table::CostUnit;

const PARTS: [&str; 3] = ["train", "val", "test"];

/// Reads the pool `subset`, such as `easy/5/all_strong`; a file that is one pool needs none. The published parts (train, val,
/// test) become one table. Costs are read where the pool has `train_cost` and so on, and are log-normalised there.
pub(super) fn read(spec: &DataSpec) -> Result<Loaded, DataError> {
    let pickle = Pickle::read(&spec.path)?;
    let root = pickle.root();
    let pool = pool(&pickle, spec)?;
    let data = field(&pickle, pool, "data")?;
    let names = texts(&pickle, field(&pickle, pool, "model")?, "model")?;
    let prompts = field(&pickle, root, "prompt")?;
    let has_cost = pickle.get(data, "train_cost").is_some();
    let unit = has_cost.then(|| CostUnit::recorded("log-normalised cost"));
    let mut builder = TableBuilder::new(spec, unit)?;
    builder.start_file(&spec.path)?;
    let task = stem(&spec.path).replacen("_router_dataset", "", 1);
    builder.set_name(task.clone());
    builder.note("the published parts train, val and test became one table".to_owned());
    let numbers = pickle.get(root, "split_index");
    let mut row = 0;
    for part in PARTS {
        let prompts = field(&pickle, prompts, &format!("{part}_prompt"))?;
        let prompts = texts(&pickle, prompts, &format!("{part}_prompt"))?;
        let matrix = |kind: &str| {
            let name = format!("{part}_{kind}");
            let values = field(&pickle, data, &name)?;
            Matrix::read(&pickle, values, (prompts.len(), names.len()), name)
        };
        let quality = matrix("score")?;
        let cost = has_cost.then(|| matrix("cost")).transpose()?;
        let name = format!("{part}_indices");
        let numbers = match numbers {
            Some(numbers) => texts(&pickle, field(&pickle, numbers, &name)?, &name)?,
            None => (0..prompts.len())
                .map(|number| format!("{part}_{number}"))
                .collect(),
        };
        if numbers.len() != prompts.len() {
            let (found, expected) = (numbers.len(), prompts.len());
            return Err(pickle.wrong(format!("{name} has {found} entries for {expected} prompts")));
        }
        for (index, (prompt, number)) in prompts.iter().zip(&numbers).enumerate() {
            row += 1;
            builder.count_row();
            let place = Place { row, line: None };
            let query = Query {
                id: format!("{task}_{number}"),
                prompt: prompt.clone(),
                task: Some(task.clone()),
                ..Query::default()
            };
            for (column, model) in names.iter().enumerate() {
                let score = quality.cell(&pickle, index, column)?;
                let cost = cost
                    .as_ref()
                    .map(|cost| {
                        Ok::<_, DataError>((cost.cell(&pickle, index, column)?, &cost.name))
                    })
                    .transpose()?;
                let cost = cost.as_ref().map(|(cell, name)| (cell, name.as_str()));
                builder.add_pair(
                    place,
                    query.clone(),
                    "prompt",
                    model,
                    (&score, &quality.name),
                    cost,
                )?;
            }
        }
    }
    builder.finish()
}

fn field(pickle: &Pickle, dictionary: Value, key: &str) -> Result<Value, DataError> {
    pickle
        .get(dictionary, key)
        .ok_or_else(|| pickle.wrong(format!("expected a dictionary with the key {key:?}")))
}

/// The dictionary of the pool that was asked for.
fn pool(pickle: &Pickle, spec: &DataSpec) -> Result<Value, DataError> {
    let Some(subset) = &spec.subset else {
        if pickle.get(pickle.root(), "data").is_some() {
            return Ok(pickle.root());
        }
        return Err(unknown_pool(
            pickle,
            spec,
            "the file has several pools of models",
        ));
    };
    let step = |place: Value, part: &str| {
        let entries = pickle.entries(place)?;
        let (_, inner) = entries
            .iter()
            .find(|(key, _)| key_text(pickle, *key).as_deref() == Some(part))?;
        Some(*inner)
    };
    let pool = subset.split('/').try_fold(pickle.root(), step);
    match pool.filter(|&pool| is_pool(pickle, pool)) {
        Some(pool) => Ok(pool),
        None => Err(unknown_pool(
            pickle,
            spec,
            &format!("the file has no pool {subset:?}"),
        )),
    }
}

/// Whether a dictionary is a pool with content; pools that were left empty have `None` in both fields.
fn is_pool(pickle: &Pickle, value: Value) -> bool {
    let data = pickle.get(value, "data");
    data.is_some_and(|data| pickle.entries(data).is_some())
}

fn unknown_pool(pickle: &Pickle, spec: &DataSpec, problem: &str) -> DataError {
    let mut pools = Vec::new();
    for (level, counts) in pickle.entries(pickle.root()).unwrap_or_default() {
        for (count, groups) in pickle.entries(*counts).unwrap_or_default() {
            for (group, pool) in pickle.entries(*groups).unwrap_or_default() {
                if is_pool(pickle, *pool) {
                    let parts = [level, count, group].map(|key| key_text(pickle, *key));
                    pools.push(parts.map(Option::unwrap_or_default).join("/"));
                }
            }
        }
    }
    DataError::spec(
        "subset",
        format!("{}: {problem}", spec.path.display()),
        format!("give one of {}", pools.join(", ")),
    )
}

fn key_text(pickle: &Pickle, key: Value) -> Option<String> {
    match numpy::cell(pickle, key) {
        Ok(cell @ (Cell::Text(_) | Cell::Integer(_))) => cell.text().map(|text| text.into_owned()),
        _ => None,
    }
}

/// A list or a one-dimensional array of texts or numbers, as texts.
fn texts(pickle: &Pickle, value: Value, name: &str) -> Result<Vec<String>, DataError> {
    let wrong = || pickle.wrong(format!("{name}: expected a list of texts"));
    let text = |cell: Result<Cell<'_>, _>| {
        let text = cell
            .ok()
            .and_then(|cell| cell.text().map(|text| text.into_owned()));
        text.ok_or_else(wrong)
    };
    if let Some(items) = pickle.items(value) {
        return items
            .iter()
            .map(|&item| text(numpy::cell(pickle, item)))
            .collect();
    }
    let array = Array::read(pickle, value, name)?;
    let [length] = *array.shape() else {
        return Err(wrong());
    };
    (0..length)
        .map(|index| text(array.cell(pickle, 0, index)))
        .collect()
}

/// Queries x models, as an array or as a list of lists.
struct Matrix {
    name: String,
    values: Values,
}

enum Values {
    Array(Array),
    Lists(Vec<Value>),
}

impl Matrix {
    fn read(
        pickle: &Pickle,
        value: Value,
        (rows, columns): (usize, usize),
        name: String,
    ) -> Result<Self, DataError> {
        let (values, fits) = match pickle.items(value) {
            Some(lists) => {
                let width = |list: &Value| pickle.items(*list).map(<[Value]>::len);
                let fits =
                    lists.len() == rows && lists.iter().all(|list| width(list) == Some(columns));
                (Values::Lists(lists.to_vec()), fits)
            }
            None => {
                let array = Array::read(pickle, value, &name)?;
                let fits = array.shape() == [rows, columns];
                (Values::Array(array), fits)
            }
        };
        if fits {
            return Ok(Self { name, values });
        }
        Err(pickle.wrong(format!(
            "{name} is not a matrix of {rows} queries x {columns} models"
        )))
    }

    fn cell<'p>(
        &self,
        pickle: &'p Pickle,
        row: usize,
        column: usize,
    ) -> Result<Cell<'p>, DataError> {
        let cell = match &self.values {
            Values::Array(array) => array.cell(pickle, row, column),
            Values::Lists(lists) => {
                let item = pickle.items(lists[row]).and_then(|list| list.get(column));
                item.map_or(Err("nothing"), |&item| numpy::cell(pickle, item))
            }
        };
        cell.map_err(|found| {
            pickle.wrong(format!(
                "{}, row {}: found {found}, expected a number",
                self.name,
                row + 1
            ))
        })
    }
}
