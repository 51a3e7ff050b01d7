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
        let values = concatenate![Axis(1), train.quality(), train.cost(), logarithm];
        let measured = (train.measured()).map(|mask| concatenate![Axis(1), mask, mask, mask]);
        let means = column_means(values.view(), mask(&measured));
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

    /// For every fold, the mean of every column over the other folds, `[folds, columns]`; over all rows where it was measured in this
    /// fold only.
    pub(super) fn means_without(&self, folds: &[Vec<usize>]) -> Array2<f64> {
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

fn mask(measured: &Option<Array2<bool>>) -> Option<ArrayView2<'_, bool>> {
    measured.as_ref().map(|measured| measured.view())
}
