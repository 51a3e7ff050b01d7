//! A matrix whose size is not known beforehand.

use ndarray::Array2;

/// Up to this many values, room is made for exactly the columns that there are.
const SMALL: usize = 1 << 16;

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
            // Columns mostly come with the first rows, when growing costs nothing; where they come late, not every one may.
            let spare = if self.values.len() > SMALL {
                self.width / 4
            } else {
                0
            };
            self.widen(column + 1 + spare);
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

    /// The given rows and columns, some of which may not be set and are 0 then.
    pub(crate) fn into_array_with_gaps(self, rows: &[usize], columns: &[usize]) -> Array2<f64> {
        Array2::from_shape_fn((rows.len(), columns.len()), |(row, column)| {
            self.get(rows[row], columns[column]).unwrap_or(0.0)
        })
    }

    /// The given rows, which ascend, and columns, no more than there are, all of which are set. Nothing is copied elsewhere: a
    /// large table has no room for a second one.
    pub(crate) fn into_array(mut self, rows: &[usize], columns: &[usize]) -> Array2<f64> {
        let mut picked = vec![0.0; columns.len()];
        for (place, &row) in rows.iter().enumerate() {
            for (value, &column) in picked.iter_mut().zip(columns) {
                *value = self.values[row * self.width + column];
            }
            let start = place * columns.len();
            self.values[start..start + columns.len()].copy_from_slice(&picked);
        }
        let shape = (rows.len(), columns.len());
        self.values.truncate(shape.0 * shape.1);
        self.values.shrink_to_fit();
        // The length is that of the shape, so this cannot fail; should it, an array of the shape says that nothing is known.
        Array2::from_shape_vec(shape, self.values)
            .unwrap_or_else(|_| Array2::from_elem(shape, f64::NAN))
    }
}
