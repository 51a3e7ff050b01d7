//! Tables in CSV, JSON Lines, JSON, Parquet or pickles of pandas whose columns a schema declares.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use crate::builder::{Query, TableBuilder, Value};
use crate::cell::Cell;
use crate::error::{DataError, Place};
use crate::input::resolve_path;
use crate::report::Loaded;
use crate::schema::{Layout, TabularSchema};
use crate::source::rows::Rows;
use crate::spec::DataSpec;
use crate::table::CostUnit;

/// Column names that a schema pattern such as `{model}|total_cost` stands for.
const MODEL: &str = "{model}";

/// What a published format does to each query beyond naming its columns.
pub(super) type Adjust<'a> = dyn FnMut(Place, &mut FoundQuery<'_>) -> Result<(), DataError> + 'a;

/// A query before the pieces of its prompt are joined.
pub(crate) struct FoundQuery<'a> {
    /// One piece per prompt column; blank where the cell is.
    pub(crate) prompt: Vec<Cow<'a, str>>,
    pub(crate) query: Query,
}

/// Reads a file of the format `tabular`.
pub(super) fn read(spec: &DataSpec) -> Result<Loaded, DataError> {
    let Some(schema) = &spec.schema else {
        return Err(DataError::spec(
            "schema",
            "the format `tabular` needs to know the columns",
            "add a table [data.schema] with `prompt` and `layout`",
        ));
    };
    let mut builder = builder(spec, schema)?;
    let rows = Rows::open_separated(&spec.path, schema.file, schema.separator)?;
    builder.start_file(&spec.path)?;
    fill(&rows, schema, &mut builder, &mut |_, _| Ok(()))?;
    builder.finish()
}

/// A builder for files with the given schema, none of which is announced yet.
pub(super) fn builder<'a>(
    spec: &'a DataSpec,
    schema: &TabularSchema,
) -> Result<TableBuilder<'a>, DataError> {
    let (Layout::Wide { cost, .. } | Layout::Long { cost, .. }) = &schema.layout;
    let unit = cost.as_ref().map(|_| CostUnit::recorded(&schema.cost_unit));
    TableBuilder::new(spec, unit)
}

/// Reads the rows into the builder.
pub(super) fn fill(
    rows: &Rows,
    schema: &TabularSchema,
    builder: &mut TableBuilder<'_>,
    adjust: &mut Adjust<'_>,
) -> Result<(), DataError> {
    builder.set_decimal(schema.decimal)?;
    let mut wanted = Vec::new();
    let queries = QueryColumns::find(rows, schema, &mut wanted)?;
    match &schema.layout {
        Layout::Wide {
            quality,
            cost,
            models,
        } => {
            let models = wide_models(rows, quality, cost.as_deref(), models.as_deref(), schema)?;
            if let Some(cost) = cost {
                note_half_models(rows, (quality, cost), &models, &wanted, builder);
            }
            fill_wide(rows, &queries, &models, wanted, builder, adjust)
        }
        Layout::Long {
            model,
            quality,
            cost,
        } => {
            let names = LongColumns {
                model,
                quality,
                cost: cost.as_deref(),
            };
            fill_long(rows, &queries, &names, wanted, builder, adjust)
        }
    }
}

/// A column and its position among the wanted cells.
struct Column {
    name: String,
    cell: usize,
}

impl Column {
    fn find(
        rows: &Rows,
        name: &str,
        purpose: &'static str,
        wanted: &mut Vec<usize>,
    ) -> Result<Self, DataError> {
        let index = rows.index(name, purpose)?;
        let cell = wanted
            .iter()
            .position(|&known| known == index)
            .unwrap_or_else(|| {
                wanted.push(index);
                wanted.len() - 1
            });
        Ok(Self {
            name: name.to_owned(),
            cell,
        })
    }

    /// Text that must be there.
    fn text(
        &self,
        rows: &Rows,
        place: Place,
        cells: &[Cell<'_>],
        expected: &'static str,
    ) -> Result<String, DataError> {
        let text = cells[self.cell].text().map(Cow::into_owned);
        text.ok_or_else(|| DataError::Blank {
            at: place.cell(rows.path(), &self.name),
            expected,
        })
    }
}

/// Columns that describe a query.
struct QueryColumns {
    id: Vec<Column>,
    prompt: Vec<Column>,
    task: Option<Column>,
    image: Option<Column>,
    group: Option<Column>,
    folder: PathBuf,
}

impl QueryColumns {
    fn find(
        rows: &Rows,
        schema: &TabularSchema,
        wanted: &mut Vec<usize>,
    ) -> Result<Self, DataError> {
        if schema.prompt.is_empty() && schema.image.is_none() {
            return Err(DataError::spec(
                "schema",
                "it names neither a prompt column nor an image column",
                "name the columns of the prompt, such as `prompt = [\"question\"]`",
            ));
        }
        if schema.id.is_empty() && matches!(schema.layout, Layout::Long { .. }) {
            return Err(DataError::spec(
                "schema",
                "the long layout needs `id`, which says what rows belong to one query",
                "name the id columns, or the prompt's column as the id",
            ));
        }
        let mut all = |names: &[String], purpose| {
            names
                .iter()
                .map(|name| Column::find(rows, name, purpose, wanted))
                .collect::<Result<Vec<_>, _>>()
        };
        let id = all(&schema.id, "the query's id")?;
        let prompt = all(&schema.prompt, "the prompt")?;
        let mut one = |name: &Option<String>, purpose| {
            name.as_ref()
                .map(|name| Column::find(rows, name, purpose, wanted))
                .transpose()
        };
        let task = one(&schema.task, "the task")?;
        let image = one(&schema.image, "the image's path")?;
        let group = one(&schema.group, "the group")?;
        let folder = rows.path().parent().unwrap_or(Path::new("")).to_owned();
        Ok(Self {
            id,
            prompt,
            task,
            image,
            group,
            folder,
        })
    }

    fn query(
        &self,
        rows: &Rows,
        place: Place,
        cells: &[Cell<'_>],
        adjust: &mut Adjust<'_>,
    ) -> Result<Query, DataError> {
        let required = |column: &Column, expected| column.text(rows, place, cells, expected);
        let id = match self.id.as_slice() {
            [] => place.row.to_string(),
            columns => {
                let pieces = columns
                    .iter()
                    .map(|column| required(column, "an id"))
                    .collect::<Result<Vec<_>, _>>()?;
                pieces.join("_")
            }
        };
        let optional = |column: &Option<Column>, expected| {
            column
                .as_ref()
                .map(|column| required(column, expected))
                .transpose()
        };
        let image = self
            .image
            .as_ref()
            .and_then(|column| cells[column.cell].text());
        let query = Query {
            id,
            prompt: String::new(),
            task: optional(&self.task, "a task")?,
            image: image.map(|path| resolve_path(&self.folder, Path::new(path.as_ref()))),
            group: optional(&self.group, "a group")?,
        };
        let prompt = self
            .prompt
            .iter()
            .map(|column| cells[column.cell].text().unwrap_or_default())
            .collect();
        let mut found = FoundQuery { prompt, query };
        adjust(place, &mut found)?;
        Ok(Query {
            prompt: join_pieces(&found.prompt),
            ..found.query
        })
    }

    /// The column that errors about a blank prompt name.
    fn prompt_name(&self) -> &str {
        self.prompt.first().map_or("prompt", |column| &column.name)
    }
}

/// Joins what is not blank by line breaks.
fn join_pieces(pieces: &[Cow<'_, str>]) -> String {
    let present: Vec<&str> = pieces
        .iter()
        .map(Cow::as_ref)
        .filter(|piece| !piece.is_empty())
        .collect();
    present.join("\n")
}

/// Columns of one model in the wide layout.
struct ModelColumns {
    model: String,
    quality: String,
    cost: Option<String>,
}

fn wide_models(
    rows: &Rows,
    quality: &str,
    cost: Option<&str>,
    models: Option<&[String]>,
    schema: &TabularSchema,
) -> Result<Vec<ModelColumns>, DataError> {
    for pattern in [Some(quality), cost].into_iter().flatten() {
        if pattern.matches(MODEL).count() != 1 {
            return Err(DataError::spec(
                "schema",
                format!("the pattern {pattern:?} does not have {MODEL} exactly once"),
                format!("write {MODEL} in place of the model's name, such as `{MODEL}|correct`"),
            ));
        }
    }
    // A quality column that is just the model's name can be anything, so the cost columns say which models there are.
    let telling = match cost {
        Some(cost) if quality == MODEL => cost,
        _ => quality,
    };
    let names: Vec<String> = match models {
        Some(models) => models.to_vec(),
        None if telling == MODEL => {
            return Err(DataError::spec(
                "schema",
                format!("the pattern {MODEL:?} matches every column"),
                "list the models, as `models = [...]` in the layout",
            ));
        }
        None => rows
            .columns()
            .iter()
            .filter_map(|column| matched(telling, column))
            .map(str::to_owned)
            .collect(),
    };
    let named: Vec<&String> = schema
        .id
        .iter()
        .chain(&schema.prompt)
        .chain(&schema.task)
        .chain(&schema.image)
        .chain(&schema.group)
        .collect();
    let columns = |model: String| ModelColumns {
        quality: quality.replace(MODEL, &model),
        cost: cost.map(|cost| cost.replace(MODEL, &model)),
        model,
    };
    let found: Vec<ModelColumns> = names
        .into_iter()
        .map(columns)
        .filter(|found| !named.contains(&&found.quality))
        .collect();
    if found.is_empty() {
        let (path, available) = (rows.path().to_owned(), rows.columns().to_vec());
        return Err(DataError::NoModels {
            path,
            pattern: telling.to_owned(),
            available,
        });
    }
    Ok(found)
}

/// The model's name in a column that matches a pattern.
fn matched<'a>(pattern: &str, column: &'a str) -> Option<&'a str> {
    let (before, after) = pattern.split_once(MODEL)?;
    column
        .strip_prefix(before)?
        .strip_suffix(after)
        .filter(|model| !model.is_empty())
}

fn fill_wide(
    rows: &Rows,
    queries: &QueryColumns,
    models: &[ModelColumns],
    mut wanted: Vec<usize>,
    builder: &mut TableBuilder<'_>,
    adjust: &mut Adjust<'_>,
) -> Result<(), DataError> {
    let mut values = Vec::new();
    for ModelColumns {
        model,
        quality,
        cost,
    } in models
    {
        let quality = Column::find(rows, quality, "a model's quality", &mut wanted)?;
        let cost = cost
            .as_ref()
            .map(|cost| Column::find(rows, cost, "a model's cost", &mut wanted))
            .transpose()?;
        if let Some(column) = builder.column(model) {
            values.push((column, quality, cost));
        }
    }
    note_ignored(rows, &wanted, builder);
    rows.for_each(&wanted, &mut |place, cells| {
        builder.count_row();
        let query = queries.query(rows, place, cells, adjust)?;
        let row = builder.add_query(place, query, queries.prompt_name())?;
        for (column, quality, cost) in &values {
            builder.set(
                place,
                (row, *column),
                Value::Quality,
                &cells[quality.cell],
                &quality.name,
            )?;
            if let Some(cost) = cost {
                builder.set(
                    place,
                    (row, *column),
                    Value::Cost,
                    &cells[cost.cell],
                    &cost.name,
                )?;
            }
        }
        Ok(())
    })
}

/// Says what looks like a model but has only one of the two columns.
fn note_half_models(
    rows: &Rows,
    (quality, cost): (&str, &str),
    models: &[ModelColumns],
    wanted: &[usize],
    builder: &mut TableBuilder<'_>,
) {
    let is_used = |column: &String| {
        let of_model =
            |model: &ModelColumns| model.quality == *column || model.cost.as_ref() == Some(column);
        models.iter().any(of_model)
    };
    for (index, column) in rows.columns().iter().enumerate() {
        if wanted.contains(&index) || is_used(column) {
            continue;
        }
        if let Some(model) = matched(cost, column) {
            let missing = quality.replace(MODEL, model);
            builder.note(format!(
                "the model {model} was left out: it has {column:?} but no quality column {missing:?}"
            ));
        } else if quality == MODEL && looks_like_scores(rows, index) {
            let missing = cost.replace(MODEL, column);
            builder.note(format!(
                "{column:?} looks like a model, but was left out because it has no cost column {missing:?}"
            ));
        }
    }
}

/// Whether the first rows of a column are numbers from 0 to 1.
fn looks_like_scores(rows: &Rows, column: usize) -> bool {
    const LOOKED_AT: u64 = 32;
    let (mut numbers, mut others) = (0, 0);
    // The error only ends the reading; whatever else is wrong with the file is found when it is read.
    let _ = rows.for_each(&[column], &mut |place, cells| {
        match cells[0].number(false) {
            Ok(None) => {}
            Ok(Some(number)) if (0.0..=1.0).contains(&number) => numbers += 1,
            _ => others += 1,
        }
        if place.row < LOOKED_AT && others == 0 {
            return Ok(());
        }
        let path = rows.path().to_owned();
        Err(DataError::NoRows { path })
    });
    numbers > 0 && others == 0
}

struct LongColumns<'a> {
    model: &'a str,
    quality: &'a str,
    cost: Option<&'a str>,
}

fn fill_long(
    rows: &Rows,
    queries: &QueryColumns,
    names: &LongColumns<'_>,
    mut wanted: Vec<usize>,
    builder: &mut TableBuilder<'_>,
    adjust: &mut Adjust<'_>,
) -> Result<(), DataError> {
    let model = Column::find(rows, names.model, "the model's name", &mut wanted)?;
    let quality = Column::find(rows, names.quality, "the quality", &mut wanted)?;
    let cost = names
        .cost
        .map(|cost| Column::find(rows, cost, "the cost", &mut wanted))
        .transpose()?;
    note_ignored(rows, &wanted, builder);
    rows.for_each(&wanted, &mut |place, cells| {
        builder.count_row();
        let name = model.text(rows, place, cells, "the name of a model")?;
        if builder.column(&name).is_none() {
            return Ok(());
        }
        let query = queries.query(rows, place, cells, adjust)?;
        let cost = cost
            .as_ref()
            .map(|cost| (&cells[cost.cell], cost.name.as_str()));
        builder.add_pair(
            place,
            query,
            queries.prompt_name(),
            &name,
            (&cells[quality.cell], &quality.name),
            cost,
        )
    })
}

fn note_ignored(rows: &Rows, wanted: &[usize], builder: &mut TableBuilder<'_>) {
    let ignored: Vec<&str> = rows
        .columns()
        .iter()
        .enumerate()
        .filter(|(index, _)| !wanted.contains(index))
        .map(|(_, column)| column.as_str())
        .collect();
    if !ignored.is_empty() {
        builder.note(format!("columns not used: {}", ignored.join(", ")));
    }
}
