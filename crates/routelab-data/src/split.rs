//! Training and test rows.

use std::collections::BTreeMap;

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::column::Column;
use crate::table::RoutingTable;

/// Row numbers of a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Split {
    /// Rows to fit on.
    pub train: Vec<usize>,
    /// Rows to judge on.
    pub test: Vec<usize>,
}

/// How to divide a table. `train` is a share of the rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind", deny_unknown_fields)]
pub enum SplitSpec {
    /// Shuffle the rows with the seed; the first `floor(train * N)` train, the others test. Where the table has groups,
    /// groups are shuffled instead and each goes to the training rows if it still fits below that number.
    InDomain {
        /// In (0, 1).
        #[serde(default = "default_train")]
        train: f64,
    },
    /// Shuffle the tasks with the seed; each whole task goes to the training rows unless their share would pass
    /// `1.1 * train`. No task is on both sides.
    OutOfDomain {
        /// In (0, 1).
        #[serde(default = "default_train")]
        train: f64,
    },
    /// The training rows of the in-domain split are the test rows too (all rows for `train = 1`): shows what happens
    /// without any generalisation gap.
    TrainIsTest {
        /// In (0, 1].
        #[serde(default = "default_train")]
        train: f64,
    },
}

fn default_train() -> f64 {
    0.2
}

impl Default for SplitSpec {
    fn default() -> Self {
        Self::InDomain {
            train: default_train(),
        }
    }
}

impl SplitSpec {
    /// Checks the share, which needs no table.
    ///
    /// # Errors
    /// [`SplitError::Share`].
    pub fn validate(&self) -> Result<(), SplitError> {
        let (train, fits, expected) = match *self {
            Self::InDomain { train } | Self::OutOfDomain { train } => {
                (train, train > 0.0 && train < 1.0, "above 0 and below 1")
            }
            Self::TrainIsTest { train } => {
                (train, train > 0.0 && train <= 1.0, "above 0 and up to 1")
            }
        };
        if fits {
            Ok(())
        } else {
            Err(SplitError::Share { train, expected })
        }
    }
}

/// Why a table cannot be split as asked.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum SplitError {
    /// The share is out of range.
    #[error("the training share is {train}; expected a number {expected}")]
    Share {
        /// What was given.
        train: f64,
        /// The range.
        expected: &'static str,
    },
    /// One side would be empty.
    #[error(
        "a training share of {train} of {rows} rows leaves no {side} rows; choose another share or load more rows"
    )]
    EmptySide {
        /// The share.
        train: f64,
        /// Rows of the table.
        rows: usize,
        /// `training` or `test`.
        side: &'static str,
    },
    /// Every task, or group, is larger than the training rows may be.
    #[error(
        "the smallest {unit}, {name:?}, has {size} of {rows} rows, more than the {limit} that a training share of {train} allows; raise the share"
    )]
    UnitTooLarge {
        /// `task` or `group`.
        unit: &'static str,
        /// The smallest one.
        name: String,
        /// Its rows.
        size: usize,
        /// Rows of the table.
        rows: usize,
        /// Largest number of training rows.
        limit: usize,
        /// The share.
        train: f64,
    },
    /// An out-of-domain split needs several tasks.
    #[error(
        "an out-of-domain split needs at least two tasks, but the table has only {task:?}; use `kind = \"in-domain\"`"
    )]
    OneTask {
        /// The task.
        task: String,
    },
    /// A group has rows of two tasks, so tasks and groups cannot both stay whole.
    #[error(
        "group {group:?} has rows of the tasks {first:?} and {second:?}, so an out-of-domain split would divide it; use `kind = \"in-domain\"`"
    )]
    GroupAcrossTasks {
        /// The group.
        group: String,
        /// One task.
        first: String,
        /// Another.
        second: String,
    },
}

/// Divides the rows of `table`. The same table, spec and seed give the same split.
///
/// # Errors
/// [`SplitError`] when the share is out of range, a side would be empty, or tasks and groups do not allow it.
pub fn split(table: &RoutingTable, spec: &SplitSpec, seed: u64) -> Result<Split, SplitError> {
    spec.validate()?;
    match *spec {
        SplitSpec::InDomain { train } => in_domain(table, train, seed),
        SplitSpec::OutOfDomain { train } => out_of_domain(table, train, seed),
        SplitSpec::TrainIsTest { train: 1.0 } => {
            let all: Vec<usize> = (0..table.len()).collect();
            Ok(Split {
                train: all.clone(),
                test: all,
            })
        }
        SplitSpec::TrainIsTest { train } => {
            let rows = in_domain(table, train, seed)?.train;
            Ok(Split {
                train: rows.clone(),
                test: rows,
            })
        }
    }
}

/// Divides the rows of `table` into `count` folds of nearly equal size: rows, or whole groups where the table has them, are
/// shuffled with the seed and dealt out in turn. Fewer folds if there are fewer rows or groups; none is empty.
pub fn folds(table: &RoutingTable, count: usize, seed: u64) -> Vec<Vec<usize>> {
    let mut units: Vec<Vec<usize>> = match table.groups() {
        Some(groups) => members(groups).into_values().collect(),
        None => (0..table.len()).map(|row| vec![row]).collect(),
    };
    units.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
    let mut folds = vec![Vec::new(); count.min(units.len())];
    for (unit, rows) in units.into_iter().enumerate() {
        folds[unit % count].extend(rows);
    }
    folds
}

/// The rows of every unit.
fn members(names: &Column<String>) -> BTreeMap<&str, Vec<usize>> {
    let mut members: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (row, name) in names.iter().enumerate() {
        members.entry(name).or_default().push(row);
    }
    members
}

fn in_domain(table: &RoutingTable, train: f64, seed: u64) -> Result<Split, SplitError> {
    let rows = table.len();
    let wanted = (train * rows as f64).floor() as usize;
    if wanted == 0 {
        return Err(SplitError::EmptySide {
            train,
            rows,
            side: "training",
        });
    }
    if let Some(groups) = table.groups() {
        return whole_units("group", groups, wanted, train, seed);
    }
    let mut order: Vec<usize> = (0..rows).collect();
    order.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
    let test = order.split_off(wanted);
    Ok(Split { train: order, test })
}

fn out_of_domain(table: &RoutingTable, train: f64, seed: u64) -> Result<Split, SplitError> {
    let tasks = table.tasks();
    if tasks.iter().all(|task| *task == tasks[0]) {
        return Err(SplitError::OneTask {
            task: tasks[0].clone(),
        });
    }
    let mut task_of_group = BTreeMap::new();
    for (group, task) in table.groups().into_iter().flatten().zip(tasks) {
        let first = *task_of_group.entry(group).or_insert(task);
        if first != task {
            return Err(SplitError::GroupAcrossTasks {
                group: group.clone(),
                first: first.clone(),
                second: task.clone(),
            });
        }
    }
    let limit = (1.1 * train * table.len() as f64).floor() as usize;
    whole_units("task", tasks, limit, train, seed)
}

/// Units in an order shuffled by the seed; each trains if the training rows stay within `limit`.
fn whole_units(
    unit: &'static str,
    names: &Column<String>,
    limit: usize,
    train: f64,
    seed: u64,
) -> Result<Split, SplitError> {
    let members = members(names);
    // Sorted before it is shuffled, so that the order of the rows has no say in which units train.
    let mut order: Vec<&str> = members.keys().copied().collect();
    order.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
    let mut split = Split {
        train: Vec::new(),
        test: Vec::new(),
    };
    for name in order {
        let rows = &members[name];
        let fits = split.train.len() + rows.len() <= limit;
        if fits {
            &mut split.train
        } else {
            &mut split.test
        }
        .extend(rows);
    }
    let rows = names.len();
    if split.train.is_empty() {
        let (name, size) = members
            .iter()
            .map(|(name, rows)| (*name, rows.len()))
            .min_by_key(|unit| unit.1)
            .unwrap_or(("", 0));
        return Err(SplitError::UnitTooLarge {
            unit,
            name: name.to_owned(),
            size,
            rows,
            limit,
            train,
        });
    }
    if split.test.is_empty() {
        return Err(SplitError::EmptySide {
            train,
            rows,
            side: "test",
        });
    }
    Ok(split)
}
