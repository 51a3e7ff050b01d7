//! The squared error of the utility at a price.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use super::{Loss, Targets};
use crate::loss::squared_error;
use crate::ranges::not_negative;

/// The mean over all cells of `(s - u)²` with the utility `u = q - λ c / C`, where `C` is the mean cost of the strongest
/// model over the training queries: scores are the expected utility at the price `λ`.
///
/// The utility is that of RM-softmax (Tsiourvas, Sun & Perakis 2025, arXiv 2505.16037), for one price.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Utility {
    /// `λ`: how much quality the mean cost of the strongest model is worth, 0 or more.
    pub price: f64,
}

impl Default for Utility {
    fn default() -> Self {
        Self { price: 0.1 }
    }
}

impl Loss for Utility {
    fn validate(&self) -> Result<(), String> {
        not_negative("price", self.price)
    }

    fn loss(&self, scores: Tensor<2>, targets: &Targets) -> Tensor<1> {
        let paid = targets.cost.clone() * (self.price / targets.unit);
        let utility = targets.quality.clone() - paid;
        squared_error(scores, utility, targets.measured.clone())
    }
}
