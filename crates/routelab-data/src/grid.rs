//! A matrix whose size is not known beforehand.

use ndarray::Array2;

/// A matrix that grows in both directions; NaN where nothing was set.
#[derive(Default)]
pub(crate) struct Grid {
    values: Vec<f64>,
    /// Columns that there is room for.
    width: usize,
}

impl Grid {
    pub(crate) fn get(&self, row: usize, column: usize) -> Option<f64> {
        let value = (column < self.width)
            .then(|| self.values.get(row * self.width + column))
            .flatten();
        value.copied().filter(|value| !value.is_nan())
    }

    pub(crate) fn set(&mut self, row: usize, column: usize, value: f64) {
        if column >= self.width {
            self.widen((column + 1).max(2 * self.width));
        }
        let end = (row + 1) * self.width;
        if self.values.len() < end {
            self.values.resize(end, f64::NAN);
        }
        self.values[row * self.width + column] = value;
    }

    fn widen(&mut self, width: usize) {
        if let Some(rows) = self.values.len().checked_div(self.width) {
            let mut values = vec![f64::NAN; rows * width];
            for (old, new) in self.values.chunks(self.width).zip(values.chunks_mut(width)) {
                new[..old.len()].copy_from_slice(old);
            }
            self.values = values;
        }
        self.width = width;
    }

    /// The given rows and columns, all of which are set.
    pub(crate) fn into_array(self, rows: &[usize], columns: &[usize]) -> Array2<f64> {
        Array2::from_shape_fn((rows.len(), columns.len()), |(row, column)| {
            self.values[rows[row] * self.width + columns[column]]
        })
    }
}
