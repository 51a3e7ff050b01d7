//! The examples that a network learns from, on the host.

use burn::tensor::{Device, Tensor};
use ndarray::ArrayView2;

use super::targets::Targets;
use crate::{HeadError, check_rows, matrix};

/// Training queries, and what every model scored and cost on them.
#[derive(Clone, Copy, Debug)]
pub struct Examples<'a> {
    /// Embeddings `[queries, dimension]`.
    pub x: ArrayView2<'a, f32>,
    /// Quality in [0, 1], `[queries, models]`.
    pub quality: ArrayView2<'a, f32>,
    /// Cost, not negative, in any unit, `[queries, models]`.
    pub cost: ArrayView2<'a, f32>,
    /// 1 where a model was measured on a query and 0 elsewhere, `[queries, models]`; `None` where all were. The other cells
    /// of quality and cost do not count.
    pub measured: Option<ArrayView2<'a, f32>>,
}

impl Examples<'_> {
    /// The number of queries.
    pub(crate) fn len(&self) -> usize {
        self.x.nrows()
    }

    /// The dimension of the embeddings, and the number of models.
    pub(crate) fn sizes(&self) -> [usize; 2] {
        [self.x.ncols(), self.quality.ncols()]
    }

    /// Checks that there is a query, and that all matrices are about the same queries and models.
    pub(crate) fn check(&self) -> Result<(), HeadError> {
        let targets = [Some(self.quality), Some(self.cost), self.measured];
        check_rows(self.x, &targets.into_iter().flatten().collect::<Vec<_>>())
    }

    /// The embeddings and the targets on a device.
    pub(crate) fn on(&self, device: &Device) -> (Tensor<2>, Targets) {
        let [x, quality, cost] =
            [self.x, self.quality, self.cost].map(|values| matrix::to_tensor(values, device));
        let targets = Targets {
            quality,
            cost,
            measured: (self.measured).map(|measured| matrix::to_tensor(measured, device)),
            unit: self.unit(),
        };
        (x, targets)
    }

    /// The mean cost of the strongest model, the one with the largest; 1 where nothing costs anything.
    fn unit(&self) -> f64 {
        let means = (0..self.cost.ncols()).map(|model| {
            let measured = |row: usize| self.measured.is_none_or(|cells| cells[[row, model]] > 0.0);
            let rows = (0..self.cost.nrows()).filter(|&row| measured(row));
            let (sum, count) = rows.fold((0.0, 0.0), |(sum, count), row| {
                (sum + f64::from(self.cost[[row, model]]), count + 1.0)
            });
            sum / f64::max(count, 1.0)
        });
        let strongest = means.fold(0.0, f64::max);
        if strongest > 0.0 { strongest } else { 1.0 }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn the_unit_is_the_mean_cost_of_the_strongest_model_where_it_was_measured() {
        let cost = array![[1.0, 4.0], [3.0, 100.0], [2.0, 2.0]];
        let measured = array![[1.0, 1.0], [1.0, 0.0], [1.0, 1.0]];
        let mut examples = Examples {
            x: cost.view(),
            quality: cost.view(),
            cost: cost.view(),
            measured: Some(measured.view()),
        };
        assert_eq!(examples.unit(), 3.0);
        examples.measured = None;
        assert_eq!(examples.unit(), 106.0 / 3.0);
        let free = cost.mapv(|_| 0.0);
        examples.cost = free.view();
        assert_eq!(examples.unit(), 1.0);
    }
}
