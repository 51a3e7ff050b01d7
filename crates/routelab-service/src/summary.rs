//! What a collection came to.

use std::path::PathBuf;

use serde::Serialize;

use crate::money::Money;

/// What there is at the end.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// Answers.
    pub answered: usize,
    /// Calls that were refused for good.
    pub refused: usize,
    /// Calls that may have been charged, without an answer.
    pub unknown: usize,
    /// Calls that were not made.
    pub left: usize,
    /// What the candidates cost, in dollars.
    pub spent: Money,
    /// What calls without an answer may have cost beside it, in dollars.
    pub possible: Money,
    /// What the judges cost, in dollars.
    pub judges: Money,
    /// Answers without a grade: a judge said none.
    pub ungraded: usize,
    /// Commands that failed or passed a limit, and scored 0.
    pub failed_commands: usize,
    /// The table, where any answer has a grade.
    pub table: Option<Written>,
}

/// A table that was written.
#[derive(Clone, Debug, Serialize)]
pub struct Written {
    /// The Parquet file.
    pub table: PathBuf,
    /// The starter experiment.
    pub experiment: PathBuf,
    /// Queries with at least one measured model.
    pub queries: usize,
    /// Those measured for every model.
    pub complete: usize,
    /// Models of which nothing was measured, and that the table therefore lacks.
    pub without: Vec<String>,
}
