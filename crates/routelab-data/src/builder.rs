//! Gathers queries and values from the rows of a file into a sound table.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use indexmap::IndexMap;
use ndarray::Array2;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::assumption::{CostAssumption, Pool};
use crate::blank::is_blank;
use crate::cell::Cell;
use crate::error::{CellPlace, DataError, Place};
use crate::grid::Grid;
use crate::range::{QualityScale, Range};
use crate::report::{InputFile, LoadReport, Loaded};
use crate::spec::{DataSpec, GroupBy, Images, Missing, OutOfRange};
use crate::summary::repeated_prompts;
use crate::table::{CostUnit, RoutingTable, RoutingTableParts};

/// One query as a reader found it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Query {
    pub(crate) id: String,
    pub(crate) prompt: String,
    /// The name of the data set where the file has no tasks.
    pub(crate) task: Option<String>,
    pub(crate) image: Option<PathBuf>,
    pub(crate) group: Option<String>,
}

/// Which of a query's two values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    Quality,
    Cost,
}

/// A table in the making. Rows may come one per query or one per query and model, in any order.
pub(crate) struct TableBuilder<'a> {
    spec: &'a DataSpec,
    path: PathBuf,
    name: String,
    files: Vec<InputFile>,
    notes: Vec<String>,
    rows_read: usize,
    /// The qualities of every model, by column.
    ranges: Vec<Range>,
    /// The first quality outside [0, 1]; whether it is an error is decided when all are known.
    first_outside: Option<Outside>,
    /// The decimals of numbers in text come after a comma.
    decimal_comma: bool,
    repeats: Repeats,
    models: Vec<String>,
    column_of: HashMap<String, Option<usize>>,
    /// Ids in the order of the rows, each with the row of the file that it was first in.
    ids: IndexMap<String, u64>,
    prompts: Vec<String>,
    tasks: Vec<String>,
    /// Empty as long as no query has an image.
    images: Vec<Option<PathBuf>>,
    groups: Option<Vec<String>>,
    incomplete: Vec<bool>,
    /// The qualities and the costs, by [`Value`].
    grids: [Grid; 2],
    cost_source: CostSource<'a>,
}

/// Where a quality outside [0, 1] is.
struct Outside {
    at: CellPlace,
    value: f64,
}

/// What to do with a second row of one query and model.
#[derive(Clone, Copy)]
enum Repeats {
    Refused,
    /// The larger quality stays; the number of second rows so far.
    Best(usize),
}

/// Seed of `sample`: the same queries in every run.
const SAMPLE_SEED: u64 = 0;

enum CostSource<'a> {
    Recorded(CostUnit),
    Assumed(&'a CostAssumption),
}

impl<'a> TableBuilder<'a> {
    /// A table of files that are announced with [`Self::start_file`]. `cost_unit` is the unit of recorded costs, `None` where
    /// the format has none and [`DataSpec::cost`] must say what a call costs.
    pub(crate) fn new(spec: &'a DataSpec, cost_unit: Option<CostUnit>) -> Result<Self, DataError> {
        for (key, count) in [("limit", spec.limit), ("sample", spec.sample)] {
            if count == Some(0) {
                return Err(DataError::spec(
                    key,
                    "0 queries make no table",
                    "give a number of at least 1, or leave it out",
                ));
            }
        }
        if let Some(scale) = spec.quality_scale.as_ref().and_then(QualityScale::unusable) {
            return Err(DataError::spec(
                "quality_scale",
                format!("qualities cannot be divided by {scale}"),
                "give a number above 0, such as 100 for percent",
            ));
        }
        let cost_source = cost_source(&spec.path, cost_unit, spec.cost.as_ref())?;
        Ok(Self {
            spec,
            path: spec.path.clone(),
            name: spec.name.clone().unwrap_or_else(|| spec.format.clone()),
            files: Vec::new(),
            notes: Vec::new(),
            rows_read: 0,
            ranges: Vec::new(),
            first_outside: None,
            decimal_comma: false,
            repeats: Repeats::Refused,
            models: Vec::new(),
            column_of: HashMap::new(),
            ids: IndexMap::new(),
            prompts: Vec::new(),
            tasks: Vec::new(),
            images: Vec::new(),
            groups: None,
            incomplete: Vec::new(),
            grids: Default::default(),
            cost_source,
        })
    }

    /// Hashes a file for the report; what follows is read from it.
    pub(crate) fn start_file(&mut self, path: &Path) -> Result<(), DataError> {
        self.files.push(InputFile::of(path)?);
        self.path = path.to_owned();
        Ok(())
    }

    /// Whether the file records costs.
    pub(crate) fn has_cost(&self) -> bool {
        matches!(self.cost_source, CostSource::Recorded(_))
    }

    /// Says that the recorded costs of this file rest on an assumption after all.
    pub(crate) fn set_cost_unit(&mut self, unit: CostUnit) {
        self.cost_source = CostSource::Recorded(unit);
    }

    /// Takes the name that the file gives itself, unless the user gave one.
    pub(crate) fn set_name(&mut self, name: String) {
        if self.spec.name.is_none() {
            self.name = name;
        }
    }

    /// Of several rows of one query and model, keeps the largest quality instead of refusing them. Without recorded costs.
    pub(crate) fn keep_best_of_repeats(&mut self) {
        self.repeats = Repeats::Best(0);
    }

    /// Says what stands before the decimals of numbers in text: a point unless given.
    pub(crate) fn set_decimal(&mut self, decimal: Option<char>) -> Result<(), DataError> {
        self.decimal_comma = match decimal {
            None | Some('.') => false,
            Some(',') => true,
            Some(other) => {
                return Err(DataError::spec(
                    "schema",
                    format!("{other:?} cannot stand before decimals"),
                    "give `decimal = \",\"` or leave it out",
                ));
            }
        };
        Ok(())
    }

    /// Adds a remark to the report, once where several files give rise to it.
    pub(crate) fn note(&mut self, note: String) {
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    /// Column of a model, which is new on first use; `None` when the user left the model out.
    pub(crate) fn column(&mut self, model: &str) -> Option<usize> {
        if let Some(&column) = self.column_of.get(model) {
            return column;
        }
        let kept = self
            .spec
            .models
            .as_ref()
            .is_none_or(|models| models.iter().any(|name| name == model));
        let excluded = self.spec.exclude_models.iter().any(|name| name == model);
        let column = (kept && !excluded).then(|| {
            self.models.push(model.to_owned());
            self.models.len() - 1
        });
        self.column_of.insert(model.to_owned(), column);
        column
    }

    /// Counts a row of the file.
    pub(crate) fn count_row(&mut self) {
        self.rows_read += 1;
    }

    /// Adds a query that must be new. Returns its row.
    pub(crate) fn add_query(
        &mut self,
        place: Place,
        query: Query,
        prompt_column: &str,
    ) -> Result<usize, DataError> {
        if let Some(&first) = self.ids.get(&query.id) {
            return Err(DataError::DuplicateId {
                path: self.path.clone(),
                place,
                id: query.id,
                first,
            });
        }
        self.push(place, query, prompt_column)?;
        Ok(self.ids.len() - 1)
    }

    /// Adds a query, or checks that it agrees with its earlier rows. Returns its row.
    pub(crate) fn add_or_match(
        &mut self,
        place: Place,
        query: Query,
        prompt_column: &str,
    ) -> Result<usize, DataError> {
        let Some(row) = self.ids.get_index_of(&query.id) else {
            return self.add_query(place, query, prompt_column);
        };
        let image = if self.spec.images == Images::Ignore {
            None
        } else {
            query.image
        };
        let same_prompt = self.prompts[row] == query.prompt
            || (self.prompts[row].is_empty() && is_blank(&query.prompt));
        let different = if !same_prompt {
            "prompt"
        } else if query.task.is_some_and(|task| self.tasks[row] != task) {
            "task"
        } else if self.images.get(row).unwrap_or(&None) != &image {
            "image"
        } else if self.groups.as_ref().map(|groups| &groups[row]) != query.group.as_ref() {
            "group"
        } else {
            return Ok(row);
        };
        Err(DataError::Conflict {
            path: self.path.clone(),
            place,
            id: query.id,
            column: different,
        })
    }

    /// Adds what one model scored on one query, and cost where the file records it; the query may be new. `prompt_column` is
    /// for errors, and so are the names beside the cells.
    pub(crate) fn add_pair(
        &mut self,
        place: Place,
        query: Query,
        prompt_column: &str,
        model: &str,
        quality: (&Cell<'_>, &str),
        cost: Option<(&Cell<'_>, &str)>,
    ) -> Result<(), DataError> {
        let Some(column) = self.column(model) else {
            return Ok(());
        };
        let row = self.add_or_match(place, query, prompt_column)?;
        if let Some(earlier) = self.grids[Value::Quality as usize].get(row, column) {
            let Repeats::Best(count) = self.repeats else {
                return Err(DataError::DuplicatePair {
                    path: self.path.clone(),
                    place,
                    id: self.id(row),
                    model: model.to_owned(),
                });
            };
            self.repeats = Repeats::Best(count + 1);
            self.set(place, (row, column), Value::Quality, quality.0, quality.1)?;
            let qualities = &mut self.grids[Value::Quality as usize];
            let new = qualities.get(row, column).unwrap_or(earlier);
            qualities.set(row, column, new.max(earlier));
            return Ok(());
        }
        self.set(place, (row, column), Value::Quality, quality.0, quality.1)?;
        match cost {
            Some((cell, name)) => self.set(place, (row, column), Value::Cost, cell, name),
            None => Ok(()),
        }
    }

    fn push(&mut self, place: Place, query: Query, prompt_column: &str) -> Result<(), DataError> {
        let image = if self.spec.images == Images::Ignore {
            None
        } else {
            query.image
        };
        if let Some(image) = image.as_ref().filter(|image| !image.is_file()) {
            let (path, image) = (self.path.clone(), image.clone());
            return Err(DataError::MissingImage {
                path,
                place,
                id: query.id,
                image,
            });
        }
        let blank = is_blank(&query.prompt);
        let incomplete = blank && image.is_none();
        if let Some(group) = query.group {
            self.groups.get_or_insert_default().push(group);
        }
        if image.is_some() && self.images.is_empty() {
            self.images.resize(self.ids.len(), None);
        }
        if image.is_some() || !self.images.is_empty() {
            self.images.push(image);
        }
        self.ids.insert(query.id, place.row);
        self.prompts
            .push(if blank { String::new() } else { query.prompt });
        self.tasks
            .push(query.task.unwrap_or_else(|| self.name.clone()));
        self.incomplete.push(incomplete);
        if incomplete {
            self.missing(place, self.ids.len() - 1, prompt_column, true)?;
        }
        Ok(())
    }

    /// Id of a row, for an error.
    fn id(&self, row: usize) -> String {
        self.ids
            .get_index(row)
            .map(|(id, _)| id.clone())
            .unwrap_or_default()
    }

    /// What is missing is counted at the end; here it may only be an error.
    fn missing(
        &self,
        place: Place,
        row: usize,
        column: &str,
        is_prompt: bool,
    ) -> Result<(), DataError> {
        let allowed = match self.spec.missing {
            Missing::Error => false,
            Missing::DropQuery => true,
            Missing::Mask => !is_prompt,
        };
        if allowed || !self.is_wanted(row) {
            return Ok(());
        }
        Err(DataError::MissingCell {
            path: self.path.clone(),
            place,
            id: self.id(row),
            column: column.to_owned(),
        })
    }

    /// Whether the task of a row is one of those asked for.
    fn is_wanted(&self, row: usize) -> bool {
        let tasks = self.spec.tasks.as_ref();
        tasks.is_none_or(|tasks| tasks.contains(&self.tasks[row]))
    }

    /// Whether a value of this row and column is there.
    pub(crate) fn has(&self, value: Value, row: usize, column: usize) -> bool {
        self.grids[value as usize].get(row, column).is_some()
    }

    /// Whether everything that the file records of a model on a query is there.
    fn is_measured(&self, row: usize, column: usize) -> bool {
        self.has(Value::Quality, row, column)
            && (!self.has_cost() || self.has(Value::Cost, row, column))
    }

    /// Checks and keeps one value. `name` is the column of the file, for errors.
    pub(crate) fn set(
        &mut self,
        place: Place,
        (row, column): (usize, usize),
        value: Value,
        cell: &Cell<'_>,
        name: &str,
    ) -> Result<(), DataError> {
        let number = cell.number(self.decimal_comma).map_err(|text| {
            let expected = match value {
                Value::Quality => "a quality, a number from 0 to 1",
                Value::Cost => "a cost, a finite number not below 0",
            };
            DataError::Unexpected {
                at: place.cell(&self.path, name),
                value: text.to_owned(),
                expected: format!("{expected}{}", self.number_hint(text)),
            }
        })?;
        let Some(number) = number else {
            return self.missing(place, row, name, false);
        };
        let number = match value {
            Value::Quality => self.quality_in_range(place, (row, column), number, name)?,
            Value::Cost if number >= 0.0 && number.is_finite() => number,
            Value::Cost => {
                return Err(DataError::OutOfRange {
                    at: place.cell(&self.path, name),
                    value: number,
                    expected: "a finite cost not below 0",
                    remedy: "correct the cost or name the right column".to_owned(),
                });
            }
        };
        self.grids[value as usize].set(row, column, number);
        Ok(())
    }

    /// Divides and clamps a quality as the user asked for, and keeps in mind what was outside [0, 1].
    fn quality_in_range(
        &mut self,
        place: Place,
        (row, column): (usize, usize),
        number: f64,
        name: &str,
    ) -> Result<f64, DataError> {
        let scale = self.spec.quality_scale.as_ref();
        let number = scale.map_or(number, |scale| number / scale.of(&self.models[column]));
        if !number.is_finite() {
            return Err(DataError::OutOfRange {
                at: place.cell(&self.path, name),
                value: number,
                expected: "a quality from 0 to 1",
                remedy: "correct it, or leave it blank where it was not measured".to_owned(),
            });
        }
        if self.is_wanted(row) {
            if self.ranges.len() <= column {
                self.ranges.resize(column + 1, Range::default());
            }
            self.ranges[column].add(number);
        }
        let inside = number.clamp(0.0, 1.0);
        if inside != number && self.first_outside.is_none() {
            self.first_outside = Some(Outside {
                at: place.cell(&self.path, name),
                value: number,
            });
        }
        Ok(inside)
    }

    /// Whether what was outside [0, 1] may be clamped. Counts it, or says what the scores look like.
    fn check_range(&mut self) -> Result<(), DataError> {
        let all = self.ranges.iter().fold(Range::default(), Range::join);
        if let Some(scale) = &self.spec.quality_scale {
            self.notes.push(match scale {
                QualityScale::All(scale) => {
                    format!("qualities were divided by {scale} (`quality_scale`)")
                }
                QualityScale::Models(scales) => {
                    let scales: Vec<String> = scales
                        .iter()
                        .map(|(model, scale)| format!("those of {model} by {scale}"))
                        .collect();
                    format!(
                        "qualities were divided: {} (`quality_scale`)",
                        scales.join(", ")
                    )
                }
            });
            if let QualityScale::Models(scales) = scale
                && let Some(model) = scales
                    .keys()
                    .find(|model| !self.column_of.contains_key(*model))
            {
                return Err(self.unknown_model(model, "quality_scale"));
            }
            self.note_needless_scale(scale);
        }
        let Some(Outside { at, value }) = self.first_outside.take() else {
            return Ok(());
        };
        let clamp = self.spec.out_of_range == OutOfRange::Clamp;
        let spoilt = self.ranges.iter().any(Range::spoilt_by_clamping);
        let scale = self.ranges.iter().filter_map(Range::scale).max();
        if clamp && !spoilt {
            if all.outside > 0 {
                self.notes.push(format!(
                    "{} of {} qualities were outside [0, 1], between {} and {}, and were clamped (`out_of_range = \"clamp\"`)",
                    all.outside, all.count, all.least, all.most
                ));
            }
            return Ok(());
        }
        if scale.is_none() && !clamp {
            return Err(DataError::OutOfRange {
                at,
                value,
                expected: "a quality from 0 to 1",
                remedy: "scale the scores to [0, 1] (`quality_scale` divides them), name the right column, or set \
                         `out_of_range = \"clamp\"`"
                    .to_owned(),
            });
        }
        let of = |models: &[usize], scale: u32| {
            let scales: Vec<String> = models
                .iter()
                .map(|&model| format!("{:?} = {scale}", self.models[model]))
                .collect();
            format!("{{ {} }}", scales.join(", "))
        };
        let look = match scale {
            Some(100) => "which looks like percent",
            Some(_) => "which looks like marks up to 10",
            None => "too far for single stray values",
        };
        let remedy = match scale {
            Some(scale) => {
                let scaled: Vec<usize> = (0..self.ranges.len())
                    .filter(|&model| self.ranges[model].scale().is_some())
                    .collect();
                // Beside models on the other scale there may be some that are not on it, which dividing would ruin.
                let others = self
                    .ranges
                    .iter()
                    .any(|range| range.count > 0 && range.most <= 1.0);
                let setting = if others {
                    of(&scaled, scale)
                } else {
                    scale.to_string()
                };
                let mixed = if others { " for some models only" } else { "" };
                format!("{look}{mixed}: set `quality_scale = {setting}` to divide by {scale}")
            }
            None => format!("{look}: divide them with `quality_scale`, or name the right column"),
        };
        let clamped = if clamp {
            "; `out_of_range = \"clamp\"` would turn them into 0 and 1"
        } else {
            ""
        };
        Err(DataError::OutOfRange {
            at,
            value,
            expected: "a quality from 0 to 1",
            remedy: format!(
                "{} of {} qualities are outside, between {} and {}, {remedy}{clamped}",
                all.outside, all.count, all.least, all.most
            ),
        })
    }

    /// Names the models whose scores were within [0, 1] before they were divided.
    fn note_needless_scale(&mut self, scale: &QualityScale) {
        let needless: Vec<&str> = self
            .ranges
            .iter()
            .zip(&self.models)
            .filter(|(range, model)| {
                let scale = scale.of(model);
                scale > 1.0 && range.count > 0 && range.most > 0.0 && range.most * scale <= 1.0
            })
            .map(|(_, model)| model.as_str())
            .collect();
        if !needless.is_empty() {
            let models = needless.join(", ");
            self.notes.push(format!(
                "no score of {models} was above 1 before the division; is `quality_scale` meant for it?"
            ));
        }
    }

    /// What more to say about a text that is no number.
    fn number_hint(&self, text: &str) -> &'static str {
        let text = text.trim();
        let number = |text: &str| text.parse::<f64>().is_ok();
        let percent = text.strip_suffix('%').map(str::trim_end);
        if percent.is_some_and(|percent| number(&percent.replace(',', "."))) {
            "; it has a percent sign: remove the signs and set `quality_scale = 100`"
        } else if self.decimal_comma && text.contains('.') {
            " with a decimal comma (`decimal = \",\"`) and without other separators"
        } else if text.matches(',').count() == 1 && number(&text.replace(',', ".")) {
            match self.spec.schema {
                Some(_) => "; it has a decimal comma: set `decimal = \",\"` in the schema",
                None => "; it has a decimal comma: save the file with decimal points",
            }
        } else {
            ""
        }
    }

    /// Makes the table: finds missing pairs, leaves out incomplete queries, applies an assumed cost.
    pub(crate) fn finish(mut self) -> Result<Loaded, DataError> {
        self.path = self.spec.path.clone();
        if self.ids.is_empty() {
            return Err(DataError::NoRows { path: self.path });
        }
        self.check_tasks()?;
        self.check_range()?;
        let missing_cells = self.find_missing()?;
        let columns = self.model_order()?;
        let limit = self.spec.limit.unwrap_or(usize::MAX);
        let mut keep: Vec<usize> = (0..self.ids.len())
            .filter(|&row| self.is_wanted(row) && !self.incomplete[row])
            .take(limit)
            .collect();
        if let Some(count) = self.spec.sample.filter(|&count| count < keep.len()) {
            let mut rng = ChaCha8Rng::seed_from_u64(SAMPLE_SEED);
            let mut chosen = rand::seq::index::sample(&mut rng, keep.len(), count).into_vec();
            chosen.sort_unstable();
            self.notes.push(format!(
                "a random sample of {count} of {} queries",
                keep.len()
            ));
            keep = pick(keep, &chosen);
        }
        let dropped_queries = self.count_incomplete();
        if keep.is_empty() {
            return Err(DataError::NothingLeft {
                path: self.path,
                dropped: dropped_queries,
            });
        }
        let models: Vec<String> = columns
            .iter()
            .map(|&column| self.models[column].clone())
            .collect();
        let measured = (self.spec.missing == Missing::Mask).then(|| {
            Array2::from_shape_fn((keep.len(), columns.len()), |(row, model)| {
                self.is_measured(keep[row], columns[model])
            })
        });
        let masked = measured.is_some();
        let into_array = |grid: Grid| {
            if masked {
                grid.into_array_with_gaps(&keep, &columns)
            } else {
                grid.into_array(&keep, &columns)
            }
        };
        let prompts = pick(self.prompts, &keep);
        let images = pick(self.images, &keep);
        let [quality, cost] = self.grids;
        let (mut cost, mut cost_unit) = match self.cost_source {
            CostSource::Recorded(unit) => (into_array(cost), unit),
            CostSource::Assumed(assumption) => {
                let has_image = |row: usize| images.get(row).is_some_and(Option::is_some);
                let has_image = (0..keep.len()).map(has_image).collect();
                let pool = Pool {
                    format: &self.spec.format,
                    models: &models,
                    prompts: &prompts,
                    has_image,
                };
                let assumed = assumption.apply(&pool)?;
                self.files.extend(assumed.file);
                (assumed.cost, assumed.unit)
            }
        };
        let assumption = cost_unit.assumption.iter();
        self.notes
            .extend(assumption.map(|text| format!("costs are assumed: {text}")));
        scale(&mut cost, &mut cost_unit, &models, &self.spec.scale_cost)?;
        if let Repeats::Best(count @ 1..) = self.repeats {
            self.notes.push(format!(
                "{count} rows repeated a query and model; the best of them counts"
            ));
        }
        if self.spec.images == Images::Ignore {
            self.notes
                .push("images were left out (`images = \"ignore\"`)".to_owned());
        }
        let groups = self.groups.map(|groups| pick(groups, &keep));
        let groups = match self.spec.group {
            Some(GroupBy::Prompt) if groups.is_some() => {
                return Err(DataError::spec(
                    "group",
                    "the data has groups of its own",
                    "leave it out, or name the prompt's column as the `group` of the schema",
                ));
            }
            Some(GroupBy::Prompt) => Some(prompt_groups(&prompts, &images)),
            None => groups,
        };
        let parts = RoutingTableParts {
            name: self.name,
            models,
            ids: pick(self.ids.into_keys(), &keep),
            prompts,
            tasks: pick(self.tasks, &keep),
            images,
            groups,
            quality: into_array(quality),
            cost,
            cost_unit,
        };
        let table = RoutingTable::new(parts).and_then(|table| match measured {
            Some(measured) => table.with_measured(measured),
            None => Ok(table),
        });
        let table = table.map_err(|source| DataError::Table {
            path: self.path,
            source,
        })?;
        let complete_queries = table.complete_rows().len();
        self.notes.extend(mask_note(&table, complete_queries));
        self.notes.extend(repeats_note(&table, self.spec));
        let report = LoadReport {
            format: self.spec.format.clone(),
            files: self.files,
            rows_read: self.rows_read,
            dropped_queries,
            complete_queries,
            incomplete_queries: table.len() - complete_queries,
            missing_cells,
            notes: self.notes,
        };
        Ok(Loaded { table, report })
    }

    fn count_incomplete(&self) -> usize {
        (0..self.ids.len())
            .filter(|&row| self.incomplete[row] && self.is_wanted(row))
            .count()
    }

    /// Checks that every task that was asked for exists, and says how many queries the others have.
    fn check_tasks(&mut self) -> Result<(), DataError> {
        let Some(wanted) = &self.spec.tasks else {
            return Ok(());
        };
        let found: BTreeSet<&String> = self.tasks.iter().collect();
        if let Some(task) = wanted.iter().find(|task| !found.contains(task)) {
            return Err(DataError::UnknownTask {
                path: self.path.clone(),
                task: task.clone(),
                available: found.into_iter().cloned().collect(),
            });
        }
        let others = (0..self.ids.len()).filter(|&row| !self.is_wanted(row));
        let others = others.count();
        self.notes.push(format!(
            "{others} queries of other tasks left out (`tasks`)"
        ));
        Ok(())
    }

    /// Counts the missing cells and marks their queries as incomplete.
    fn find_missing(&mut self) -> Result<usize, DataError> {
        let mut count = self.count_incomplete();
        let values: &[Value] = if self.has_cost() {
            &[Value::Quality, Value::Cost]
        } else {
            &[Value::Quality]
        };
        for row in 0..self.ids.len() {
            if !self.is_wanted(row) {
                continue;
            }
            if self.spec.missing == Missing::Mask {
                self.incomplete[row] |=
                    (0..self.models.len()).all(|column| !self.is_measured(row, column));
            }
            for column in 0..self.models.len() {
                for &value in values {
                    if self.has(value, row, column) {
                        continue;
                    }
                    if self.spec.missing == Missing::Error {
                        return Err(DataError::MissingPair {
                            path: self.path.clone(),
                            id: self.id(row),
                            model: self.models[column].clone(),
                            what: if value == Value::Quality {
                                "quality"
                            } else {
                                "cost"
                            },
                        });
                    }
                    count += 1;
                    self.incomplete[row] |= self.spec.missing == Missing::DropQuery;
                }
            }
        }
        Ok(count)
    }

    /// The error about a model that `option` names.
    fn unknown_model(&self, model: &str, option: &'static str) -> DataError {
        let mut available: Vec<String> = self.column_of.keys().cloned().collect();
        available.sort();
        DataError::UnknownModel {
            path: self.path.clone(),
            model: model.to_owned(),
            option,
            available,
        }
    }

    /// Columns in the order of `models`, or as found; checks that every model that was asked for exists.
    fn model_order(&self) -> Result<Vec<usize>, DataError> {
        if let Some(model) = self
            .spec
            .exclude_models
            .iter()
            .find(|model| !self.column_of.contains_key(*model))
        {
            return Err(self.unknown_model(model, "exclude_models"));
        }
        let Some(wanted) = &self.spec.models else {
            return Ok((0..self.models.len()).collect());
        };
        let named_before = |&(index, model): &(usize, &String)| wanted[..index].contains(model);
        if let Some((_, model)) = wanted.iter().enumerate().find(named_before) {
            return Err(DataError::spec(
                "models",
                format!("it names {model:?} twice"),
                "name every model once",
            ));
        }
        let column = |model: &String| match self.column_of.get(model) {
            Some(column) => Ok(*column),
            None => Err(self.unknown_model(model, "models")),
        };
        Ok(wanted
            .iter()
            .map(column)
            .collect::<Result<Vec<_>, _>>()?
            .into_iter()
            .flatten()
            .collect())
    }
}

fn cost_source<'a>(
    path: &Path,
    recorded: Option<CostUnit>,
    assumed: Option<&'a CostAssumption>,
) -> Result<CostSource<'a>, DataError> {
    let (problem, remedy) = match (recorded, assumed) {
        (Some(unit), None) => return Ok(CostSource::Recorded(unit)),
        (Some(unit), Some(CostAssumption::Estimated { how })) => {
            return Ok(CostSource::Recorded(CostUnit {
                assumption: Some(how.clone()),
                ..unit
            }));
        }
        (None, Some(CostAssumption::Estimated { .. })) => (
            format!("{} has no costs that could be an estimate", path.display()),
            "say which columns hold them in `layout`, or assume them: `kind = \"prices\"`, `\"per-call\"` or `\"uniform\"`",
        ),
        (None, Some(assumption)) => return Ok(CostSource::Assumed(assumption)),
        (Some(unit), Some(_)) => (
            format!("{} records its own costs, in {}", path.display(), unit.name),
            "remove it",
        ),
        (None, None) => (
            format!(
                "{} records no costs, so they must be assumed",
                path.display()
            ),
            "give a price list with `cost = { kind = \"prices\", file = \"prices.toml\" }`, a cost per call and model with \
             `kind = \"per-call\"`, or `kind = \"uniform\"`",
        ),
    };
    Err(DataError::spec("cost", problem, remedy))
}

/// A group per prompt and image, named after its first query, counted from 1.
fn prompt_groups(prompts: &[String], images: &[Option<PathBuf>]) -> Vec<String> {
    let mut first: HashMap<(&str, Option<&Path>), usize> = HashMap::new();
    let image = |row: usize| images.get(row).and_then(Option::as_deref);
    prompts
        .iter()
        .enumerate()
        .map(|(row, prompt)| {
            let first = *first.entry((prompt, image(row))).or_insert(row);
            format!("prompt {}", first + 1)
        })
        .collect()
}

/// What to say about a table with gaps.
fn mask_note(table: &RoutingTable, complete: usize) -> Option<String> {
    let measured = table.measured()?;
    let models: Vec<String> = measured
        .columns()
        .into_iter()
        .zip(table.models())
        .map(|(column, model)| (column.iter().filter(|measured| **measured).count(), model))
        .filter(|&(count, _)| count < table.len())
        .map(|(count, model)| format!("{model} on {count}"))
        .collect();
    Some(format!(
        "{complete} of {} queries were measured for every model, the others for some (`missing = \"mask\"`): {}",
        table.len(),
        models.join(", ")
    ))
}

/// What to say where a prompt may stand on both sides of a split.
fn repeats_note(table: &RoutingTable, spec: &DataSpec) -> Option<String> {
    let repeats = repeated_prompts(table);
    if repeats.divisible == 0 {
        return None;
    }
    let remedy = match &spec.schema {
        Some(schema) if schema.group.is_some() => {
            "they are in several groups; name the prompt's column as `group` in the schema"
                .to_owned()
        }
        Some(schema) if schema.prompt.len() == 1 => {
            format!(
                "`group = {:?}` in the schema keeps them together",
                schema.prompt[0]
            )
        }
        _ if table.groups().is_some() => "they are in several groups".to_owned(),
        _ => "`group = \"prompt\"` keeps them together".to_owned(),
    };
    Some(format!(
        "{} queries have {} different prompts; {} share theirs with a query that a split may put on the other side, which \
         flatters results; {remedy}",
        table.len(),
        repeats.different,
        repeats.divisible
    ))
}

/// Multiplies the costs of some models, and says so in the unit.
fn scale(
    cost: &mut Array2<f64>,
    unit: &mut CostUnit,
    models: &[String],
    factors: &BTreeMap<String, f64>,
) -> Result<(), DataError> {
    let wrong = |problem: String, remedy: String| DataError::spec("scale_cost", problem, remedy);
    for (name, &factor) in factors {
        let Some(column) = models.iter().position(|model| model == name) else {
            return Err(wrong(
                format!("no model {name:?}"),
                format!("name one of {}", models.join(", ")),
            ));
        };
        if !(factor > 0.0 && factor.is_finite()) {
            return Err(wrong(
                format!("the factor of {name:?} is {factor}"),
                "give a number above 0".to_owned(),
            ));
        }
        // What is not changed stays what it was.
        if factor == 1.0 {
            continue;
        }
        cost.column_mut(column).mapv_inplace(|cost| cost * factor);
        let scaled = format!("the cost of {name} times {factor}");
        unit.assumption = Some(match unit.assumption.take() {
            Some(assumption) => format!("{assumption}; {scaled}"),
            None => scaled,
        });
    }
    Ok(())
}

/// The entries at `keep`, which ascends.
fn pick<T>(values: impl IntoIterator<Item = T>, keep: &[usize]) -> Vec<T> {
    let mut keep = keep.iter().copied().peekable();
    values
        .into_iter()
        .enumerate()
        .filter_map(|(row, value)| keep.next_if_eq(&row).map(|_| value))
        .collect()
}
