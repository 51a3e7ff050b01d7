//! The squared error.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use super::{Loss, Targets};
use crate::loss::squared_error;

/// The mean over all cells of `(s - q)²`: scores are the expected quality.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SquaredError {}

impl Loss for SquaredError {
    fn loss(&self, scores: Tensor<2>, targets: &Targets) -> Tensor<1> {
        squared_error(scores, targets.quality.clone(), targets.measured.clone())
    }
}
