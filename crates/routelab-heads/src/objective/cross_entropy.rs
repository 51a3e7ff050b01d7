//! The binary cross-entropy of every model.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use super::{Loss, Output, Targets};
use crate::loss::binary_cross_entropy;

/// The mean over all cells of `-q ln σ(s) - (1 - q) ln σ(-s)`: scores are logits, and `σ(s)` is the expected quality.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CrossEntropy {}

impl Loss for CrossEntropy {
    fn output(&self) -> Output {
        Output::Probabilities
    }

    fn loss(&self, scores: Tensor<2>, targets: &Targets) -> Tensor<1> {
        binary_cross_entropy(scores, targets.quality.clone(), targets.measured.clone())
    }
}
