//! What the parts of the router learn: quality, cost and its logarithm of every model, side by side.

use ndarray::{Array1, Array2, ArrayView2, Axis, concatenate};

use crate::{TrainingSet, column_means};

/// A cost is taken to be at least this share of its model's mean before its logarithm.
const FLOOR: f64 = 1e-3;

/// The targets of all parts: `[queries, 3 models]`, quality first, then cost, then the logarithm of cost.
pub(super) struct Targets {
    pub(super) values: Array2<f64>,
    /// Where a model was measured; `None` where all were.
    pub(super) measured: Option<Array2<bool>>,
    /// The mean of every column over the rows where it was measured.
    pub(super) means: Array1<f64>,
    /// What is added to a model's costs before the logarithm, above 0.
    pub(super) shift: Array1<f64>,
}

impl Targets {
    pub(super) fn of(train: &TrainingSet) -> Self {
        let shift = column_means(train.cost(), train.measured())
            .mapv(|mean| if mean > 0.0 { FLOOR * mean } else { 1.0 });
        let logarithm = (&train.cost() + &shift).mapv(f64::ln);
        let mut values = concatenate![Axis(1), train.quality(), train.cost(), logarithm];
        let measured = (train.measured()).map(|mask| concatenate![Axis(1), mask, mask, mask]);
        let means = column_means(values.view(), mask(&measured));
        // What stands where nothing was measured has no say.
        if let Some(measured) = &measured {
            for ((row, column), value) in values.indexed_iter_mut() {
                if !measured[[row, column]] {
                    *value = means[column];
                }
            }
        }
        Self {
            values,
            measured,
            means,
            shift,
        }
    }

    /// Rows of the training set.
    pub(super) fn rows(&self) -> usize {
        self.values.nrows()
    }

    /// Columns, three per model.
    pub(super) fn columns(&self) -> usize {
        self.values.ncols()
    }

    pub(super) fn is_measured(&self, row: usize, column: usize) -> bool {
        (self.measured.as_ref()).is_none_or(|measured| measured[[row, column]])
    }

    /// Folds of the training queries with the means of what is outside of them.
    pub(super) fn folds(&self, rows: Vec<Vec<usize>>) -> Folds {
        let means = self.means_without(&rows);
        Folds { rows, means }
    }

    /// For every fold, the mean of every column over the other folds, `[folds, columns]`; over all rows where it was measured in this
    /// fold only.
    fn means_without(&self, folds: &[Vec<usize>]) -> Array2<f64> {
        let mut means = Array2::zeros((folds.len(), self.columns()));
        for column in 0..self.columns() {
            let sums: Vec<(f64, f64)> = (folds.iter())
                .map(|rows| {
                    let found = rows.iter().filter(|&&row| self.is_measured(row, column));
                    found.fold((0.0, 0.0), |(sum, count), &row| {
                        (sum + self.values[[row, column]], count + 1.0)
                    })
                })
                .collect();
            for fold in 0..folds.len() {
                let others = sums.iter().enumerate().filter(|&(other, _)| other != fold);
                let (sum, count) = others.fold((0.0, 0.0), |(s, c), (_, &(sum, count))| {
                    (s + sum, c + count)
                });
                means[[fold, column]] = if count > 0.0 {
                    sum / count
                } else {
                    self.means[column]
                };
            }
        }
        means
    }
}

/// Parts of the training queries, each of which is predicted by what is learned of the others.
pub(super) struct Folds {
    /// The rows of every fold.
    pub(super) rows: Vec<Vec<usize>>,
    /// The mean of every column over the other folds, `[folds, columns]`.
    pub(super) means: Array2<f64>,
}

impl Folds {
    /// The rows that are not in a fold.
    pub(super) fn others(&self, fold: usize) -> Vec<usize> {
        (self.rows.iter().enumerate())
            .filter(|&(other, _)| other != fold)
            .flat_map(|(_, rows)| rows.iter().copied())
            .collect()
    }

    /// The means for every training query, `[queries, columns]`.
    pub(super) fn row_means(&self) -> Array2<f64> {
        let queries = self.rows.iter().map(Vec::len).sum();
        let mut means = Array2::zeros((queries, self.means.ncols()));
        for (rows, mean) in self.rows.iter().zip(self.means.outer_iter()) {
            for &row in rows {
                means.row_mut(row).assign(&mean);
            }
        }
        means
    }
}

fn mask(measured: &Option<Array2<bool>>) -> Option<ArrayView2<'_, bool>> {
    measured.as_ref().map(|measured| measured.view())
}
