//! What scores are compared with, on the device.

use burn::tensor::{Int, Tensor};

/// What is known of some queries.
pub(crate) struct Targets {
    /// Quality in [0, 1], `[queries, models]`.
    pub(crate) quality: Tensor<2>,
    /// Cost, not negative, `[queries, models]`.
    pub(crate) cost: Tensor<2>,
    /// 1 where a model was measured on a query, else 0, `[queries, models]`; `None` where all were. Quality and cost of the
    /// other cells are placeholders.
    pub(crate) measured: Option<Tensor<2>>,
    /// The mean cost of the strongest model over all training queries, in the unit of the costs, above 0.
    pub(crate) unit: f64,
}

/// Takes the place of a score or quality that does not count: below all others, and still finite after a division by a
/// temperature.
const LEFT_OUT: f32 = -1e9;

impl Targets {
    /// Those of the queries of a batch.
    pub(crate) fn select(&self, batch: &Tensor<1, Int>) -> Self {
        let of_batch = |values: &Tensor<2>| values.clone().select(0, batch.clone());
        Self {
            quality: of_batch(&self.quality),
            cost: of_batch(&self.cost),
            measured: self.measured.as_ref().map(of_batch),
            unit: self.unit,
        }
    }

    /// `values`, `[queries, models]`, with 0 in the cells that were not measured.
    pub(super) fn only_measured(&self, values: Tensor<2>) -> Tensor<2> {
        match &self.measured {
            Some(measured) => values * measured.clone(),
            None => values,
        }
    }

    /// `values`, `[queries, models]`, with the models that were not measured below all others, and without gradients.
    pub(super) fn others_last(&self, values: Tensor<2>) -> Tensor<2> {
        match &self.measured {
            Some(measured) => values.mask_fill(measured.clone().equal_elem(0.0), LEFT_OUT),
            None => values,
        }
    }

    /// The mean over queries of the sums of `losses`, `[queries, models]`, which are 0 in cells that were not measured; over
    /// those queries on which some model was.
    pub(super) fn mean_of_queries(&self, losses: Tensor<2>) -> Tensor<1> {
        let sums = losses.sum_dim(1);
        match &self.measured {
            Some(measured) => {
                let queries = measured.clone().max_dim(1).sum();
                sums.sum() / queries.clamp_min(1.0)
            }
            None => sums.mean(),
        }
    }
}

#[cfg(test)]
impl Targets {
    /// Targets of which everything was measured, in units of the strongest model.
    pub(crate) fn of(quality: Tensor<2>, cost: Tensor<2>) -> Self {
        Self {
            quality,
            cost,
            measured: None,
            unit: 1.0,
        }
    }
}
