//! RouteLLM's matrix factorisation (Ong et al. 2024, arXiv 2406.18665): which of two models wins a query.

use burn::module::{Module, Param};
use burn::nn::Linear;
use burn::tensor::{Tensor, activation};
use ndarray::{Array2, ArrayView1, ArrayView2};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::fitted::Network;
use crate::init::{Init, Initializer};
use crate::products::{linear, product};
use crate::ranges::at_least_one;
use crate::train::{self, Fit, TrainConfig};
use crate::{Architecture, FittedNetwork, HeadError, check_rows, matrix};

/// Numbers computed at a time while predicting: bounds `[queries, models, models]`.
const PREDICTION_PAIRS: usize = 1 << 20;

/// The sizes of the network.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PreferenceConfig {
    /// Width of the embedding of a model, at least 1.
    pub latent: usize,
}

impl Architecture for PreferenceConfig {
    type Network = Preference;

    fn validate(&self) -> Result<(), String> {
        at_least_one("latent", self.latent)
    }

    fn init(&self, dimension: usize, models: usize, init: &mut Initializer) -> Preference {
        Preference {
            models: init.normal_matrix(models, self.latent, 1.0),
            projection: init.linear_map(dimension, self.latent, Init::FanIn),
            output: init.linear_map(self.latent, 1, Init::FanIn),
        }
    }
}

/// `s_m = w · (v_m / |v_m| ⊙ W x)`; `P(i beats j on x) = σ(s_i - s_j)`. No biases: they would cancel.
#[derive(Module, Debug)]
pub struct Preference {
    /// `v`, `[models, latent]`
    models: Param<Tensor<2>>,
    /// `W`
    projection: Linear,
    /// `w`
    output: Linear,
}

impl Preference {
    /// The models' directions, `v / |v|`: `[models, latent]`.
    fn directions(&self) -> Tensor<2> {
        let models = self.models.val();
        let lengths = (models.clone() * models.clone()).sum_dim(1).sqrt();
        models / lengths
    }

    /// `s_i - s_j` of every example.
    ///
    /// `x`: `[batch, dimension]`; `sides`: `[batch, models]`, 1 for `i`, -1 for `j`, else 0; returns `[batch, 1]`.
    fn gaps(&self, x: Tensor<2>, sides: Tensor<2>) -> Tensor<2> {
        let gap = sides.matmul(self.directions()); // [batch, latent]
        linear(&self.output, gap * linear(&self.projection, x))
    }

    /// The scores `[batch, models]` of `x [batch, dimension]`.
    fn scores(&self, x: Tensor<2>) -> Tensor<2> {
        let weights = self.output.weight.val().transpose(); // [1, latent]
        product(
            linear(&self.projection, x) * weights,
            self.directions().transpose(),
        )
    }
}

impl Network for Preference {
    /// The mean over the other models of the probability of beating them: in the order of the scores.
    fn logits(&self) -> impl Fn(Tensor<2>) -> Tensor<2> {
        |x| {
            let scores = self.scores(x);
            let [batch, models] = scores.dims();
            let gaps = scores.clone().unsqueeze_dim::<3>(2) - scores.unsqueeze_dim::<3>(1);
            let wins = activation::sigmoid(gaps)
                .sum_dim(2)
                .reshape([batch, models]);
            // A model meets itself with probability 1/2.
            (wins - 0.5) / (models as f32 - 1.0).max(1.0)
        }
    }

    fn chunk(&self) -> usize {
        let models = self.models.dims()[0];
        (PREDICTION_PAIRS / (models * models)).max(1)
    }
}

/// A fitted preference model: predicts the mean probability of beating the other models.
pub type FittedPreference = FittedNetwork<PreferenceConfig>;

impl FittedPreference {
    /// Fits the network on wins: `-ln P(winner beats loser)`, an example being a query and two models of different
    /// quality.
    ///
    /// `x`: embeddings `[queries, dimension]`; `quality`: `[queries, models]`. `pairs` bounds the examples of one query
    /// (drawn once). `noise` is the deviation of the normal noise that is added to query embeddings while training.
    ///
    /// # Errors
    ///
    /// Different numbers of rows, no two different qualities of any query, or a loss that is not a number.
    pub fn fit(
        x: ArrayView2<f32>,
        quality: ArrayView2<f32>,
        config: &PreferenceConfig,
        pairs: usize,
        noise: f64,
        training: &TrainConfig,
        fit: &Fit,
    ) -> Result<Self, HeadError> {
        check_rows(x, &[quality])?;
        let sizes = [x.ncols(), quality.ncols()];
        let wins = wins(quality, pairs, fit.seed);
        if wins.is_empty() {
            return Err(HeadError::NoSignal {
                reason: "no training query on which one model is better than another",
            });
        }
        let device = train::training_device(fit.backend);
        let x = matrix::to_tensor(x, &device);
        Self::train(
            config,
            sizes,
            wins.len(),
            training,
            fit,
            |network, batch| {
                let examples: Vec<Win> = batch.rows().iter().map(|&row| wins[row]).collect();
                let queries: Vec<usize> = examples.iter().map(|win| win.query).collect();
                let mut sides = Array2::zeros((examples.len(), sizes[1]));
                for (mut row, win) in sides.outer_iter_mut().zip(&examples) {
                    row[win.winner] = 1.0;
                    row[win.loser] = -1.0;
                }
                let index = matrix::to_index(&queries, fit.backend.device());
                let queries = batch.with_noise(x.clone().select(0, index), noise);
                let gaps = network.gaps(queries, batch.constant(&sides));
                -activation::log_sigmoid(gaps).mean()
            },
        )
    }
}

/// One model was better than another on a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Win {
    query: usize,
    winner: usize,
    loser: usize,
}

/// At most `limit` wins of every query.
fn wins(quality: ArrayView2<f32>, limit: usize, seed: u64) -> Vec<Win> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(3);
    let mut all = Vec::new();
    for (query, quality) in quality.outer_iter().enumerate() {
        let mut wins = wins_of(query, quality);
        if wins.len() > limit {
            wins.shuffle(&mut rng);
            wins.truncate(limit);
        }
        all.extend(wins);
    }
    all
}

fn wins_of(query: usize, quality: ArrayView1<f32>) -> Vec<Win> {
    let models = quality.len();
    (0..models)
        .flat_map(|winner| (0..models).map(move |loser| (winner, loser)))
        .filter(|&(winner, loser)| quality[winner] > quality[loser])
        .map(|(winner, loser)| Win {
            query,
            winner,
            loser,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn a_win_is_a_better_quality_and_ties_are_none() {
        let quality = array![[1.0, 0.5, 0.5], [0.0, 0.0, 0.0]];
        let win = |winner, loser| Win {
            query: 0,
            winner,
            loser,
        };
        assert_eq!(wins(quality.view(), 9, 0), [win(0, 1), win(0, 2)]);
        assert_eq!(wins(quality.view(), 1, 0).len(), 1);
    }
}
