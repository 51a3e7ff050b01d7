//! What a network's scores are.

use burn::tensor::{Tensor, activation};
use serde::{Deserialize, Serialize};

/// What the scores of a trained network are, and so what it predicts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Output {
    /// The prediction is the score.
    Scores,
    /// Logits: the prediction is `σ(s)`, in [0, 1].
    Probabilities,
}

impl Output {
    /// Predictions from scores, `[queries, models]` each.
    pub(crate) fn of(self, scores: Tensor<2>) -> Tensor<2> {
        match self {
            Self::Scores => scores,
            Self::Probabilities => activation::sigmoid(scores),
        }
    }
}
