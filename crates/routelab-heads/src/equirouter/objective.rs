//! What the network is trained on.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use super::{ListwiseLoss, RankingLoss};
use crate::loss::{mean_squared_error, measured_squared_error};

/// `error_weight · MSE(s, q) + rank_weight · ranking(s)`.
///
/// EquiRouter is `MSE + 50 · pairwise`. With `rank_weight = 0` every score is learned by itself (pointwise); with
/// `error_weight = 0` only their comparison is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Objective {
    /// Weight of the mean squared error between scores and qualities, 0 or more.
    pub error_weight: f64,
    /// Weight of the ranking loss, 0 or more.
    pub rank_weight: f64,
    /// The ranking loss.
    pub ranking: Ranking,
}

/// How the scores of the models of one query are compared with each other.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ranking {
    /// Two at a time (EquiRouter).
    Pairwise(RankingLoss),
    /// All at once.
    Listwise(ListwiseLoss),
}

impl Objective {
    /// Whether it can be told which models of a query were measured: losses on whole lists cannot.
    pub fn takes_mask(&self) -> bool {
        self.rank_weight == 0.0 || matches!(self.ranking, Ranking::Pairwise(_))
    }

    /// The loss of a batch.
    ///
    /// `scores`, `quality`, `cost`: `[batch, models]`; returns `[1]`.
    pub(crate) fn loss(&self, scores: Tensor<2>, quality: Tensor<2>, cost: Tensor<2>) -> Tensor<1> {
        let error = mean_squared_error(scores.clone(), quality.clone()) * self.error_weight;
        if self.rank_weight == 0.0 {
            return error;
        }
        let ranking = match self.ranking {
            Ranking::Pairwise(loss) => loss.forward(scores, quality, cost),
            Ranking::Listwise(loss) => loss.forward(scores, quality, cost),
        };
        error + ranking * self.rank_weight
    }

    /// The loss of a batch of which only those cells count where `measured`, `[batch, models]`, is 1 and not 0.
    ///
    /// # Panics
    ///
    /// An objective that does not [take a mask](Self::takes_mask).
    pub(crate) fn loss_measured(
        &self,
        scores: Tensor<2>,
        quality: Tensor<2>,
        cost: Tensor<2>,
        measured: Tensor<2>,
    ) -> Tensor<1> {
        let error = measured_squared_error(scores.clone(), quality.clone(), measured.clone())
            * self.error_weight;
        if self.rank_weight == 0.0 {
            return error;
        }
        let ranking = match self.ranking {
            Ranking::Pairwise(loss) => loss.forward_measured(scores, quality, cost, measured),
            Ranking::Listwise(_) => panic!("a loss on whole lists takes no mask"),
        };
        error + ranking * self.rank_weight
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::equirouter::{Normalisation, TieOrder};
    use crate::reference::{assert_close, backends, tensor, values};

    /// Loss and gradient with a mask over nothing are those without one; a model that was measured nowhere might as well not be
    /// there, and its scores have no gradient.
    #[test]
    fn only_what_was_measured_counts() {
        let scores = [[0.2, 0.9, 0.1], [0.5, 0.3, 0.8]].map(Vec::from);
        let quality = [[1.0, 0.0, 1.0], [0.0, 1.0, 0.5]].map(Vec::from);
        let cost = [[3.0, 1.0, 2.0], [3.0, 1.0, 2.0]].map(Vec::from);
        let first = |matrix: &[Vec<f32>]| -> Vec<Vec<f32>> {
            matrix.iter().map(|row| row[..2].to_vec()).collect()
        };
        for backend in backends() {
            let device = backend.device().clone().autodiff();
            let tensor = |matrix: &[Vec<f32>]| tensor(matrix, &device);
            for normalisation in [Normalisation::PerPair, Normalisation::PerQuery] {
                for (rank_weight, tie_order) in [(0.0, TieOrder::None), (7.0, TieOrder::Cost)] {
                    let ranking = RankingLoss {
                        tie_order,
                        normalisation,
                    };
                    let objective = Objective {
                        error_weight: 1.5,
                        rank_weight,
                        ranking: Ranking::Pairwise(ranking),
                    };
                    let found = |scores: &[Vec<f32>], measured: Option<[f32; 3]>| {
                        let columns = scores[0].len();
                        let part = |matrix: &[Vec<f32>]| match columns {
                            2 => tensor(&first(matrix)),
                            _ => tensor(matrix),
                        };
                        let s = tensor(scores).require_grad();
                        let (quality, cost) = (part(&quality), part(&cost));
                        let loss = match measured {
                            None => objective.loss(s.clone(), quality, cost),
                            Some(row) => {
                                let mask = tensor(&[row.to_vec(), row.to_vec()]);
                                objective.loss_measured(s.clone(), quality, cost, mask)
                            }
                        };
                        let gradient = s.grad(&loss.clone().backward()).unwrap();
                        (values(loss.reshape([1, 1]).inner())[0], values(gradient))
                    };
                    let plain = found(&scores, None);
                    let all = found(&scores, Some([1.0; 3]));
                    assert_close("nothing masked", &[all.0], &[plain.0]);
                    assert_close("nothing masked", &all.1, &plain.1);
                    let two = found(&first(&scores), None);
                    let masked = found(&scores, Some([1.0, 1.0, 0.0]));
                    assert_close("a model masked", &[masked.0], &[two.0]);
                    let expected = [two.1[0], two.1[1], 0.0, two.1[2], two.1[3], 0.0];
                    assert_close("a model masked", &masked.1, &expected);
                }
            }
        }
    }
}
