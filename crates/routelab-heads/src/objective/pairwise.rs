//! EquiRouter's pairwise ranking.

use burn::tensor::{Tensor, activation};
use serde::{Deserialize, Serialize};

use super::order::{TieOrder, WEIGHT, check_weights, column, measured_pairs, row, with_error};
use super::{Loss, Targets};

/// How the losses of the pairs become one number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Normalisation {
    /// One mean over every pair of the batch: queries with many pairs weigh more (the authors' code).
    #[default]
    PerPair,
    /// The mean over the queries with a pair of the means over their pairs.
    PerQuery,
}

/// Pairwise ranking beside the squared error (EquiRouter: Lai & Ye 2026, arXiv 2602.03478):
/// `error_weight · MSE(s, q) + weight · mean of softplus(-(s_i - s_j))` over the pairs of models of one query with `i ≻ j`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Pairwise {
    /// Whether models of equal quality make a pair.
    pub tie_order: TieOrder,
    /// How pairs are averaged.
    pub normalisation: Normalisation,
    /// Weight of the comparison, 0 or more. With 0 every score is learned by itself.
    pub weight: f64,
    /// Weight of the mean squared error between scores and qualities, 0 or more. With 0 only the order is learned.
    pub error_weight: f64,
}

impl Default for Pairwise {
    fn default() -> Self {
        Self {
            tie_order: TieOrder::default(),
            normalisation: Normalisation::default(),
            weight: WEIGHT,
            error_weight: 1.0,
        }
    }
}

impl Loss for Pairwise {
    fn validate(&self) -> Result<(), String> {
        check_weights(self.error_weight, self.weight)
    }

    fn loss(&self, scores: Tensor<2>, targets: &Targets) -> Tensor<1> {
        with_error(
            (self.error_weight, self.weight),
            scores,
            targets,
            |scores| self.ranking(scores, targets),
        )
    }
}

impl Pairwise {
    /// The comparison alone; 0, with gradients 0, if the batch has no ordered pair.
    ///
    /// `scores`: `[batch, models]`; returns `[1]`.
    pub(crate) fn ranking(&self, scores: Tensor<2>, targets: &Targets) -> Tensor<1> {
        let (losses, pairs) = self.losses(scores, targets);
        match self.normalisation {
            Normalisation::PerPair => losses.sum() / pairs.sum().clamp_min(1.0),
            Normalisation::PerQuery => {
                let per_query = |values: Tensor<3>| values.sum_dim(2).sum_dim(1).reshape([-1]); // [batch]
                let counts: Tensor<1> = per_query(pairs);
                let queries = counts.clone().clamp_max(1.0).sum().clamp_min(1.0);
                let means: Tensor<1> = per_query(losses) / counts.clamp_min(1.0);
                means.sum() / queries
            }
        }
    }

    /// The losses of the pairs, 0 where there is none, and how many there are, `[batch, models, models]`; on graphics cards both added up
    /// over the second model, `[batch, models, 1]`.
    fn losses(&self, scores: Tensor<2>, targets: &Targets) -> (Tensor<3>, Tensor<3>) {
        #[cfg(feature = "cubecl")]
        if super::pair_losses::apply_to(&scores) {
            let (losses, counts) = super::pair_losses::of(scores, targets, self.tie_order);
            return (losses.unsqueeze_dim(2), counts.unsqueeze_dim(2));
        }
        let pairs = measured_pairs(self.pairs(targets), targets);
        let gaps = row(scores.clone()) - column(scores); // s_i - s_j
        // softplus(-x) = -log(sigmoid(x)), which stays finite for large gaps.
        let losses = -activation::log_sigmoid(gaps) * pairs.clone();
        (losses, pairs)
    }

    /// 1 where model `i` comes before model `j`, else 0: `[batch, models, models]`.
    fn pairs(&self, targets: &Targets) -> Tensor<3> {
        let (quality, cost) = (targets.quality.clone(), targets.cost.clone());
        let (better, other) = (row(quality.clone()), column(quality));
        let pairs = better.clone().greater(other.clone()).float();
        match self.tie_order {
            TieOrder::None => pairs,
            TieOrder::Cost => {
                let equal = better.equal(other).float();
                let cheaper = row(cost.clone()).lower(column(cost)).float();
                pairs + equal * cheaper
            }
        }
    }
}
