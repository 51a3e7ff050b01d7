//! The routing table: queries, models, what each model scored and cost.

use std::path::PathBuf;
use std::sync::Arc;

use ndarray::{Array2, ArrayView1, ArrayView2, Axis};
use serde::{Deserialize, Serialize};

use crate::blank::is_blank;
use crate::column::Column;
use crate::digest::ContentHash;

/// What one unit of cost is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CostUnit {
    /// The unit, such as `US dollars` or `output characters`.
    pub name: String,
    /// Set when the costs were not recorded but rest on an assumption, such as a price list; says which.
    /// Everything that shows such costs must say so.
    pub assumption: Option<String>,
}

impl CostUnit {
    /// The unit as axes and tables name it: assumed costs say so.
    pub fn label(&self) -> String {
        match self.assumption {
            None => self.name.clone(),
            Some(_) => format!("{}, assumed", self.name),
        }
    }

    /// Recorded costs in `name`.
    pub fn recorded(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            assumption: None,
        }
    }
}

/// The unchecked content of a [`RoutingTable`]: `N` queries and `M` models.
#[derive(Clone, Debug)]
pub struct RoutingTableParts {
    /// Name of the data set.
    pub name: String,
    /// `M` names, unique.
    pub models: Vec<String>,
    /// `N` query ids, unique.
    pub ids: Vec<String>,
    /// `N` prompts; only a query with an image may have an empty one.
    pub prompts: Vec<String>,
    /// `N` task names; an out-of-domain split keeps a task on one side.
    pub tasks: Vec<String>,
    /// Empty for text-only data, otherwise `N` entries.
    pub images: Vec<Option<PathBuf>>,
    /// `N` group names, or `None`; rows of one group stay on one side of any split.
    pub groups: Option<Vec<String>>,
    /// `N x M`, in [0, 1].
    pub quality: Array2<f64>,
    /// `N x M`, not negative, in [`Self::cost_unit`].
    pub cost: Array2<f64>,
    /// Unit of `cost`.
    pub cost_unit: CostUnit,
}

/// Why parts do not make a [`RoutingTable`].
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum TableError {
    /// No rows or no columns.
    #[error(
        "the table has {queries} queries and {models} models; a routing table needs at least one of each"
    )]
    Empty {
        /// Number of queries.
        queries: usize,
        /// Number of models.
        models: usize,
    },
    /// A list has another length than the number of queries.
    #[error(
        "`{field}` has {found} entries but the table has {expected} queries; give one entry per query"
    )]
    Length {
        /// Field of [`RoutingTableParts`].
        field: &'static str,
        /// Number of queries.
        expected: usize,
        /// Length of the list.
        found: usize,
    },
    /// A matrix is not queries x models.
    #[error(
        "`{field}` is {rows} x {columns} but the table has {queries} queries x {models} models"
    )]
    Shape {
        /// `quality`, `cost` or `measured`.
        field: &'static str,
        /// Rows of the matrix.
        rows: usize,
        /// Columns of the matrix.
        columns: usize,
        /// Number of queries.
        queries: usize,
        /// Number of models.
        models: usize,
    },
    /// Two queries have one id.
    #[error(
        "queries {first} and {second} (counted from 1) both have the id {id:?}; ids must be unique"
    )]
    DuplicateId {
        /// The id.
        id: String,
        /// First query, counted from 1.
        first: usize,
        /// Second query, counted from 1.
        second: usize,
    },
    /// Two models have one name.
    #[error(
        "models {first} and {second} (counted from 1) are both called {name:?}; model names must be unique"
    )]
    DuplicateModel {
        /// The name.
        name: String,
        /// First model, counted from 1.
        first: usize,
        /// Second model, counted from 1.
        second: usize,
    },
    /// A mask under which nothing is left of a query or a model.
    #[error("nothing was measured of the {what} {name:?}; leave it out")]
    Unmeasured {
        /// `query` or `model`.
        what: &'static str,
        /// Its id or name.
        name: String,
    },
    /// A name, id or task is empty.
    #[error("{what} {index} (counted from 1) is empty; give every {what} a name")]
    EmptyName {
        /// `model`, `id` or `task`.
        what: &'static str,
        /// Position, counted from 1.
        index: usize,
    },
    /// Nothing to route on.
    #[error("query {index} (counted from 1, id {id:?}) has neither a prompt nor an image")]
    EmptyQuery {
        /// Position, counted from 1.
        index: usize,
        /// Its id.
        id: String,
    },
    /// A quality outside [0, 1], or a cost that is negative; or either is not finite.
    #[error(
        "{what} of model {model:?} on query {index} (counted from 1, id {id:?}) is {value}; expected {expected}"
    )]
    Value {
        /// `quality` or `cost`.
        what: &'static str,
        /// Query, counted from 1.
        index: usize,
        /// Its id.
        id: String,
        /// The model.
        model: String,
        /// What was found.
        value: f64,
        /// What was expected.
        expected: &'static str,
    },
}

/// What every candidate model scored and cost on every query. Sound by construction: shapes agree, ids and model names
/// are unique and not empty, qualities are in [0, 1], costs are finite and not negative. Its texts are shared with its
/// selections and copies; only the numbers are each table's own.
#[derive(Clone, Debug, PartialEq)]
pub struct RoutingTable {
    name: Arc<str>,
    models: Arc<[String]>,
    ids: Column<String>,
    prompts: Column<String>,
    tasks: Column<String>,
    images: Option<Column<Option<PathBuf>>>,
    groups: Option<Column<String>>,
    quality: Array2<f64>,
    cost: Array2<f64>,
    cost_unit: Arc<CostUnit>,
    /// `None` where everything was measured.
    measured: Option<Array2<bool>>,
}

impl RoutingTable {
    /// Checks the parts and makes them a table.
    ///
    /// # Errors
    /// [`TableError`] names the first part, query or model that is wrong and what was expected.
    pub fn new(parts: RoutingTableParts) -> Result<Self, TableError> {
        check_lengths(&parts)?;
        check_names(&parts)?;
        check_values(&parts)?;
        let RoutingTableParts {
            name,
            models,
            ids,
            prompts,
            tasks,
            images,
            groups,
            quality,
            cost,
            cost_unit,
        } = parts;
        let text_only = images.iter().all(Option::is_none);
        // `-0.0 + 0.0 = 0.0`: equal tables must also have equal hashes.
        let (quality, cost) = (quality + 0.0, cost + 0.0);
        Ok(Self {
            name: name.into(),
            models: models.into(),
            ids: ids.into(),
            prompts: prompts.into(),
            tasks: tasks.into(),
            images: (!text_only).then(|| images.into()),
            groups: groups.map(Column::from),
            quality,
            cost,
            cost_unit: cost_unit.into(),
            measured: None,
        })
    }

    /// The same table with a mask of what was measured, `N x M`. Quality and cost of a cell that was not become 0, which nothing
    /// may read: whoever uses [`Self::quality`] or [`Self::cost`] of a table with a mask looks at [`Self::measured`] first. A
    /// mask without gaps is none.
    ///
    /// # Errors
    /// [`TableError::Shape`] when the mask is not `N x M`; [`TableError::Unmeasured`] when nothing of a query or of a model was
    /// measured.
    pub fn with_measured(mut self, measured: Array2<bool>) -> Result<Self, TableError> {
        let (queries, models) = (self.ids.len(), self.models.len());
        let (rows, columns) = measured.dim();
        if (rows, columns) != (queries, models) {
            return Err(TableError::Shape {
                field: "measured",
                rows,
                columns,
                queries,
                models,
            });
        }
        let nothing = |line: ArrayView1<'_, bool>| line.iter().all(|measured| !measured);
        if let Some(query) = measured.rows().into_iter().position(nothing) {
            return Err(TableError::Unmeasured {
                what: "query",
                name: self.ids[query].clone(),
            });
        }
        if let Some(model) = measured.columns().into_iter().position(nothing) {
            return Err(TableError::Unmeasured {
                what: "model",
                name: self.models[model].clone(),
            });
        }
        self.set_measured(measured);
        self.set_placeholders(0.0, 0.0);
        Ok(self)
    }

    fn set_measured(&mut self, measured: Array2<bool>) {
        let gaps = measured.iter().any(|measured| !measured);
        self.measured = gaps.then_some(measured);
    }

    fn set_placeholders(&mut self, quality: f64, cost: f64) {
        let cells = self.quality.iter_mut().zip(&mut self.cost);
        for (cell, measured) in cells.zip(self.measured.iter().flatten()) {
            if !measured {
                (*cell.0, *cell.1) = (quality, cost);
            }
        }
    }

    /// The same table with other numbers in the cells that were not measured, for tests of those who read a table with a mask:
    /// nothing may depend on them.
    ///
    /// # Panics
    /// When they are no quality or no cost.
    #[doc(hidden)]
    pub fn with_placeholders(mut self, quality: f64, cost: f64) -> Self {
        assert!((0.0..=1.0).contains(&quality) && cost >= 0.0 && cost.is_finite());
        self.set_placeholders(quality, cost);
        self
    }

    /// What was measured, `N x M`; `None` where everything was. A cell is measured when its quality and, where costs were
    /// recorded, its cost are there.
    pub fn measured(&self) -> Option<ArrayView2<'_, bool>> {
        self.measured.as_ref().map(|measured| measured.view())
    }

    /// Whether a model was measured on a query.
    ///
    /// # Panics
    /// When there is no such row or model.
    pub fn is_measured(&self, row: usize, model: usize) -> bool {
        self.measured
            .as_ref()
            .is_none_or(|measured| measured[[row, model]])
    }

    /// The rows on which every model was measured, ascending; all of them without a mask.
    pub fn complete_rows(&self) -> Vec<usize> {
        (0..self.len())
            .filter(|&row| (0..self.models.len()).all(|model| self.is_measured(row, model)))
            .collect()
    }

    /// Name of the data set.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// `M` model names, in the order of the columns of [`Self::quality`] and [`Self::cost`].
    pub fn models(&self) -> &[String] {
        &self.models
    }

    /// `N` query ids.
    pub fn ids(&self) -> &Column<String> {
        &self.ids
    }

    /// `N` prompts.
    pub fn prompts(&self) -> &Column<String> {
        &self.prompts
    }

    /// `N` task names.
    pub fn tasks(&self) -> &Column<String> {
        &self.tasks
    }

    /// `N` image paths where there are any, `None` when no query has an image.
    pub fn images(&self) -> Option<&Column<Option<PathBuf>>> {
        self.images.as_ref()
    }

    /// `N` group names, if the data set has groups.
    pub fn groups(&self) -> Option<&Column<String>> {
        self.groups.as_ref()
    }

    /// Measured quality, `N x M`, in [0, 1].
    pub fn quality(&self) -> ArrayView2<'_, f64> {
        self.quality.view()
    }

    /// Cost, `N x M`, not negative, in [`Self::cost_unit`].
    pub fn cost(&self) -> ArrayView2<'_, f64> {
        self.cost.view()
    }

    /// Unit of the costs, and the assumption that they rest on.
    pub fn cost_unit(&self) -> &CostUnit {
        &self.cost_unit
    }

    /// Number of queries, at least 1.
    #[expect(
        clippy::len_without_is_empty,
        reason = "a routing table is never empty"
    )]
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// The table of the given rows, in the given order: a view of the texts of this one, and a copy of its numbers. It has a
    /// mask where the rows have gaps; a model of which none of the rows was measured stays, with a mask that says so.
    ///
    /// # Panics
    /// When `rows` is empty, repeats a row or names one that does not exist: that is a mistake of the calling code.
    pub fn select(&self, rows: &[usize]) -> RoutingTable {
        assert!(!rows.is_empty(), "a routing table needs a row");
        let mut seen = vec![false; self.len()];
        for &row in rows {
            let before = std::mem::replace(&mut seen[row], true);
            assert!(!before, "row {row} is selected twice");
        }
        let places = self.ids.places(rows);
        let images = self.images.as_ref().map(|images| images.at(&places));
        let mut table = Self {
            name: self.name.clone(),
            models: self.models.clone(),
            ids: self.ids.at(&places),
            prompts: self.prompts.at(&places),
            tasks: self.tasks.at(&places),
            images: images.filter(|images| images.iter().any(Option::is_some)),
            groups: self.groups.as_ref().map(|groups| groups.at(&places)),
            quality: self.quality.select(Axis(0), rows),
            cost: self.cost.select(Axis(0), rows),
            cost_unit: self.cost_unit.clone(),
            measured: None,
        };
        if let Some(measured) = &self.measured {
            table.set_measured(measured.select(Axis(0), rows));
        }
        table
    }

    /// SHA-256 (hexadecimal) of everything in the table: name, models, ids, prompts, tasks, groups, unit, values, and the
    /// file names of the images. Not the folders, which differ between machines, and not what the image files hold.
    pub fn content_hash(&self) -> String {
        let mut hash = ContentHash::new("routelab table 1");
        hash.text(&self.name);
        hash.texts(self.models.iter().map(String::as_str));
        for column in [&self.ids, &self.prompts, &self.tasks] {
            hash.texts(column.iter().map(String::as_str));
        }
        hash.count(self.images.as_ref().map_or(0, Column::len));
        for image in self.images.iter().flatten() {
            let file_name = image.as_ref().and_then(|path| path.file_name());
            hash.text(
                &file_name
                    .map(|name| name.to_string_lossy())
                    .unwrap_or_default(),
            );
        }
        match &self.groups {
            Some(groups) => hash.texts(groups.iter().map(String::as_str)),
            None => hash.count(0),
        }
        hash.text(&self.cost_unit.name);
        hash.text(self.cost_unit.assumption.as_deref().unwrap_or_default());
        for value in self.quality.iter().chain(&self.cost) {
            hash.bytes(&value.to_le_bytes());
        }
        if let Some(measured) = &self.measured {
            hash.text("measured");
            for &measured in measured {
                hash.bytes(&[u8::from(measured)]);
            }
        }
        hash.finish()
    }
}

fn check_lengths(parts: &RoutingTableParts) -> Result<(), TableError> {
    let (queries, models) = (parts.ids.len(), parts.models.len());
    if queries == 0 || models == 0 {
        return Err(TableError::Empty { queries, models });
    }
    let mut lengths = vec![
        ("prompts", parts.prompts.len()),
        ("tasks", parts.tasks.len()),
    ];
    if !parts.images.is_empty() {
        lengths.push(("images", parts.images.len()));
    }
    if let Some(groups) = &parts.groups {
        lengths.push(("groups", groups.len()));
    }
    if let Some((field, found)) = lengths.into_iter().find(|(_, length)| *length != queries) {
        return Err(TableError::Length {
            field,
            expected: queries,
            found,
        });
    }
    for (field, matrix) in [("quality", &parts.quality), ("cost", &parts.cost)] {
        let (rows, columns) = matrix.dim();
        if (rows, columns) != (queries, models) {
            return Err(TableError::Shape {
                field,
                rows,
                columns,
                queries,
                models,
            });
        }
    }
    Ok(())
}

fn check_names(parts: &RoutingTableParts) -> Result<(), TableError> {
    for (what, names) in [
        ("model", &parts.models),
        ("id", &parts.ids),
        ("task", &parts.tasks),
    ] {
        if let Some(index) = names.iter().position(|name| is_blank(name)) {
            return Err(TableError::EmptyName {
                what,
                index: index + 1,
            });
        }
    }
    if let Some((first, second)) = first_repeat(&parts.ids) {
        let id = parts.ids[second].clone();
        return Err(TableError::DuplicateId {
            id,
            first: first + 1,
            second: second + 1,
        });
    }
    if let Some((first, second)) = first_repeat(&parts.models) {
        let name = parts.models[second].clone();
        return Err(TableError::DuplicateModel {
            name,
            first: first + 1,
            second: second + 1,
        });
    }
    let has_image = |index: usize| parts.images.get(index).is_some_and(Option::is_some);
    match parts
        .prompts
        .iter()
        .enumerate()
        .find(|(index, prompt)| is_blank(prompt) && !has_image(*index))
    {
        Some((index, _)) => Err(TableError::EmptyQuery {
            index: index + 1,
            id: parts.ids[index].clone(),
        }),
        None => Ok(()),
    }
}

fn check_values(parts: &RoutingTableParts) -> Result<(), TableError> {
    let check = |what, matrix: &Array2<f64>, fits: fn(f64) -> bool, expected| {
        let wrong = matrix.indexed_iter().find(|(_, value)| !fits(**value));
        wrong.map_or(Ok(()), |((row, column), &value)| {
            Err(TableError::Value {
                what,
                index: row + 1,
                id: parts.ids[row].clone(),
                model: parts.models[column].clone(),
                value,
                expected,
            })
        })
    };
    let is_quality = |value| (0.0..=1.0).contains(&value);
    let is_cost = |value: f64| value >= 0.0 && value.is_finite();
    check(
        "quality",
        &parts.quality,
        is_quality,
        "a number from 0 to 1",
    )?;
    check("cost", &parts.cost, is_cost, "a finite number not below 0")
}

/// Positions of the first name that occurs a second time. Sorting positions takes less memory than a set of names.
fn first_repeat(names: &[String]) -> Option<(usize, usize)> {
    let mut order: Vec<usize> = (0..names.len()).collect();
    order.sort_unstable_by_key(|&index| (&names[index], index));
    order
        .windows(2)
        .filter(|pair| names[pair[0]] == names[pair[1]])
        .map(|pair| (pair[0], pair[1]))
        .min_by_key(|&(_, second)| second)
}
