//! A column of a table, which its selections share.

use std::ops::Index;
use std::sync::Arc;

use serde::{Serialize, Serializer};

/// One value per row of a table. A selection of rows is a view: it has a list of rows, and shares the values.
#[derive(Clone, Debug)]
pub struct Column<T> {
    values: Arc<Vec<T>>,
    /// Where the values of the rows are; `None` where every value is a row.
    rows: Option<Arc<[usize]>>,
}

impl<T> Column<T> {
    /// Number of rows.
    #[expect(
        clippy::len_without_is_empty,
        reason = "a column of a routing table is never empty"
    )]
    pub fn len(&self) -> usize {
        self.rows
            .as_ref()
            .map_or(self.values.len(), |rows| rows.len())
    }

    /// The values, in the order of the rows.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &T> + Clone {
        (0..self.len()).map(|row| &self[row])
    }

    /// Where the values of the given rows are.
    pub(crate) fn places(&self, rows: &[usize]) -> Arc<[usize]> {
        match &self.rows {
            None => rows.into(),
            Some(own) => rows.iter().map(|&row| own[row]).collect(),
        }
    }

    /// The same values at other places.
    pub(crate) fn at(&self, places: &Arc<[usize]>) -> Self {
        Self {
            values: self.values.clone(),
            rows: Some(places.clone()),
        }
    }
}

impl<T> From<Vec<T>> for Column<T> {
    fn from(values: Vec<T>) -> Self {
        Self {
            values: Arc::new(values),
            rows: None,
        }
    }
}

impl<T> Index<usize> for Column<T> {
    type Output = T;

    fn index(&self, row: usize) -> &T {
        match &self.rows {
            None => &self.values[row],
            Some(rows) => &self.values[rows[row]],
        }
    }
}

impl<'a, T> IntoIterator for &'a Column<T> {
    type Item = &'a T;
    type IntoIter = Box<dyn Iterator<Item = &'a T> + 'a>;

    fn into_iter(self) -> Self::IntoIter {
        Box::new(self.iter())
    }
}

impl<T: PartialEq> PartialEq for Column<T> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other)
    }
}

impl<T: PartialEq<U>, U, const N: usize> PartialEq<[U; N]> for &Column<T> {
    fn eq(&self, other: &[U; N]) -> bool {
        self.len() == N && self.iter().zip(other).all(|(value, other)| value == other)
    }
}

impl<T: Serialize> Serialize for Column<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}
