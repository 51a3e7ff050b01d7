//! What can be wrong with the input of an evaluation.

/// A request that cannot be evaluated. Every message names what was found, what was expected and the remedy.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum EvalError {
    /// Two matrices that must have the same shape do not.
    #[error(
        "{what} is {found_rows} x {found_columns}, expected {rows} x {columns} (queries x models); \
         pass matrices over the same queries and the same models"
    )]
    Shape {
        /// The matrix at fault, in words.
        what: &'static str,
        /// Rows found.
        found_rows: usize,
        /// Columns found.
        found_columns: usize,
        /// Rows expected.
        rows: usize,
        /// Columns expected.
        columns: usize,
    },
    /// There is no query or no model.
    #[error("{what} is {rows} x {columns}, expected at least one query and one model")]
    Empty {
        /// The matrix at fault, in words.
        what: &'static str,
        /// Rows found.
        rows: usize,
        /// Columns found.
        columns: usize,
    },
    /// A number is not finite, or a real cost is negative.
    #[error(
        "{what}, row {row}, model {model}: {value} found, expected {expected}; mend the row or drop it"
    )]
    Value {
        /// The matrix at fault, in words.
        what: &'static str,
        /// Row, from 0.
        row: usize,
        /// Column, from 0.
        model: usize,
        /// The value found.
        value: f64,
        /// What was expected, in words.
        expected: &'static str,
    },
    /// An option is out of its range.
    #[error("{option} = {value}, expected {expected}")]
    Option {
        /// Name of the option.
        option: &'static str,
        /// The value found, printed.
        value: String,
        /// What was expected, in words.
        expected: &'static str,
    },
}
