//! pandas data frames in a pickle.

use std::path::Path;

use super::block::Block;
use super::numpy::Array;
use super::{Global, Pickle, Value, count};
use crate::cell::{Cell, EachRow};
use crate::error::{DataError, Place};

/// A data frame whose columns are numbers, truth values or texts.
pub(in crate::source) struct Frame {
    pickle: Pickle,
    names: Vec<String>,
    rows: usize,
    blocks: Vec<Block>,
    /// For every column, its block and its line in it.
    columns: Vec<(usize, usize)>,
}

impl Frame {
    /// Reads a file that pandas' `to_pickle` wrote.
    pub(in crate::source) fn read(path: &Path) -> Result<Self, DataError> {
        let pickle = Pickle::read(path)?;
        let manager = match pickle.object(pickle.root()) {
            // pandas before 1.2 called the manager `_data`.
            Some((Global::DataFrame, _, state)) => pickle
                .get(state, "_mgr")
                .or_else(|| pickle.get(state, "_data")),
            _ => None,
        };
        let content = manager.and_then(|manager| Content::of(&pickle, manager));
        let Some(content) = content else {
            return Err(pickle.wrong("it does not hold a pandas DataFrame"));
        };
        let names = labels(&pickle, content.columns)?;
        let mut rows = None;
        let mut blocks = Vec::with_capacity(content.blocks.len());
        let mut columns = vec![None; names.len()];
        for (number, (values, places)) in content.blocks.into_iter().enumerate() {
            let what = format!("block {} of the data frame", number + 1);
            let block = Block::read(&pickle, values, &what)?;
            let places = positions(&pickle, places, names.len());
            let fits = |places: &Vec<usize>| match block.shape() {
                Some((lines, length)) => {
                    places.len() == lines && *rows.get_or_insert(length) == length
                }
                None => true,
            };
            let Some(places) = places.filter(fits) else {
                return Err(pickle.wrong(format!("{what} does not fit the columns and rows")));
            };
            for (line, place) in places.into_iter().enumerate() {
                columns[place] = Some((number, line));
            }
            blocks.push(block);
        }
        let columns: Option<Vec<(usize, usize)>> = columns.into_iter().collect();
        let columns = columns.ok_or_else(|| pickle.wrong("a column has no values"))?;
        Ok(Self {
            names,
            rows: rows.unwrap_or(0),
            blocks,
            columns,
            pickle,
        })
    }

    pub(in crate::source) fn columns(&self) -> &[String] {
        &self.names
    }

    pub(in crate::source) fn for_each(
        &self,
        wanted: &[usize],
        each: &mut EachRow<'_>,
    ) -> Result<(), DataError> {
        for row in 0..self.rows {
            let cell = |&column: &usize| -> Result<Cell<'_>, DataError> {
                let (block, line) = self.columns[column];
                let cell = self.blocks[block].cell(&self.pickle, line, row);
                cell.map_err(|found| {
                    self.pickle.wrong(format!(
                        "row {}, column {:?}: found {found}, expected text, a number or true/false",
                        row + 1,
                        self.names[column]
                    ))
                })
            };
            let cells = wanted.iter().map(cell).collect::<Result<Vec<_>, _>>()?;
            let place = Place {
                row: row as u64 + 1,
                line: None,
            };
            each(place, &cells)?;
        }
        Ok(())
    }
}

/// What a block manager holds.
struct Content {
    /// Labels of the columns.
    columns: Value,
    /// Values and places of each block.
    blocks: Vec<(Value, Value)>,
}

impl Content {
    fn of(pickle: &Pickle, manager: Value) -> Option<Self> {
        let (Global::BlockManager, arguments, state) = pickle.object(manager)? else {
            return None;
        };
        if let Some(&[blocks, axes]) = pickle.items(arguments) {
            // Since pandas 1.3: (blocks, axes), a block being `_unpickle_block(values, places, dimensions)`.
            let block = |&block: &Value| match pickle.object(block)? {
                (Global::UnpickleBlock, arguments, _) => match pickle.items(arguments)? {
                    [values, places, _] => Some((*values, *places)),
                    _ => None,
                },
                _ => None,
            };
            return Some(Self {
                columns: *pickle.items(axes)?.first()?,
                blocks: pickle
                    .items(blocks)?
                    .iter()
                    .map(block)
                    .collect::<Option<_>>()?,
            });
        }
        // Before: the last item of the state is {"0.14.1": {"axes": …, "blocks": [{"values": …, "mgr_locs": …}]}}.
        let inner = pickle.get(*pickle.items(state)?.last()?, "0.14.1")?;
        let block =
            |&block: &Value| Some((pickle.get(block, "values")?, pickle.get(block, "mgr_locs")?));
        Some(Self {
            columns: *pickle.items(pickle.get(inner, "axes")?)?.first()?,
            blocks: pickle
                .items(pickle.get(inner, "blocks")?)?
                .iter()
                .map(block)
                .collect::<Option<_>>()?,
        })
    }
}

/// The texts of an index of columns.
fn labels(pickle: &Pickle, index: Value) -> Result<Vec<String>, DataError> {
    let labels = Block::labels(pickle, index, "the names of its columns")?;
    let length = labels.shape().map_or(0, |(_, length)| length);
    // Only a name takes no bytes at all: an empty one.
    if length > pickle.bytes.len() {
        return Err(pickle.wrong("it has more columns than bytes"));
    }
    (0..length)
        .map(|column| match labels.cell(pickle, 0, column) {
            Ok(cell @ (Cell::Text(_) | Cell::Integer(_))) => Ok(cell
                .text()
                .map(|name| name.into_owned())
                .unwrap_or_default()),
            _ => Err(pickle.wrong("the names of its columns are not a plain list of texts")),
        })
        .collect()
}

/// The columns that the lines of a block are: a slice, or an array of positions. All are below `columns`.
fn positions(pickle: &Pickle, places: Value, columns: usize) -> Option<Vec<usize>> {
    let (class, arguments, _) = pickle.object(places)?;
    let positions: Vec<usize> = if class == Global::Slice {
        let [start, stop, step] = pickle.items(arguments)? else {
            return None;
        };
        let (start, stop) = (count(*start)?, count(*stop)?.min(columns));
        let step = match step {
            Value::None => 1,
            step => count(*step).filter(|&step| step > 0)?,
        };
        (start..stop).step_by(step).collect()
    } else {
        let array = Array::read(pickle, places, "the places of its columns").ok()?;
        let [length] = *array.shape() else {
            return None;
        };
        let position = |index| match array.cell(pickle, 0, index) {
            Ok(Cell::Integer(position)) => usize::try_from(position).ok(),
            _ => None,
        };
        (0..length).map(position).collect::<Option<_>>()?
    };
    positions
        .iter()
        .all(|&position| position < columns)
        .then_some(positions)
}
