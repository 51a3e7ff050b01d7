//! End-to-end regret minimisation (Tsiourvas, Sun & Perakis 2025, arXiv 2505.16037): a policy for every price of cost.

use burn::module::Module;
use burn::tensor::{FloatDType, Tensor, activation};
use ndarray::{Array2, ArrayView2};
use rand::RngExt;
use serde::{Deserialize, Serialize};

use super::mlp::{Init, Mlp, MlpConfig};
use crate::fitted::Network;
use crate::init::Initializer;
use crate::objective::{expected, regrets};
use crate::ranges::{above_zero, at_least_one};
use crate::train::{self, Fit, TrainConfig};
use crate::{Architecture, FittedNetwork, HeadError, check_rows, matrix};

/// The sizes of the network and the prices it knows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegretConfig {
    /// Widths of the hidden layers.
    pub hidden: Vec<usize>,
    /// How the network is told the price.
    pub conditioning: Conditioning,
    /// The largest price `λ`, in quality per unit of cost, above 0. Prices are drawn and read at `λ = largest · u³` with
    /// `u` in [0, 1]: most decisions turn at small prices.
    pub largest_price: f64,
    /// Into how many steps `u` is cut when the policy is read, from 1 to 1,000; all are held in memory.
    pub steps: usize,
}

/// Most steps in which a policy is read.
const MOST_STEPS: usize = 1000;

/// How the network is told the price.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Conditioning {
    /// `√D · u` is one more input beside the `D` numbers of the embedding (RM-softmax). An embedding of length 1 has
    /// numbers of about `1/√D`; without the factor the price would be one small number among many, and training ends at
    /// one policy for all prices.
    Input,
    /// The network gives scores at the ends of this many intervals of `u`, at least 1; between them scores are
    /// interpolated linearly in `λ`, as utilities are linear in `λ` (RM-interval).
    Interval(usize),
}

impl RegretConfig {
    fn network(&self) -> MlpConfig {
        MlpConfig {
            hidden: self.hidden.clone(),
            bottleneck: None,
            widen: false,
            init: Init::FanIn,
        }
    }

    fn price(&self, u: f64) -> f64 {
        self.largest_price * u * u * u
    }

    /// What each output head weighs at `u`: two neighbours of [`Conditioning::Interval`] share 1.
    fn weights(&self, u: f64, intervals: usize) -> Vec<f32> {
        let interval = ((u * intervals as f64) as usize).min(intervals - 1);
        let end = |index: usize| self.price(index as f64 / intervals as f64);
        let (low, high) = (end(interval), end(interval + 1));
        let share = ((self.price(u) - low) / (high - low)) as f32;
        let mut weights = vec![0.0; intervals + 1];
        weights[interval] = 1.0 - share;
        weights[interval + 1] = share;
        weights
    }
}

impl Architecture for RegretConfig {
    type Network = Regret;

    fn validate(&self) -> Result<(), String> {
        self.network().validate()?;
        if let Conditioning::Interval(intervals) = self.conditioning {
            at_least_one("intervals", intervals)?;
        }
        above_zero("largest_price", self.largest_price)?;
        match self.steps {
            1..=MOST_STEPS => Ok(()),
            steps => Err(format!(
                "`steps` must be from 1 to {MOST_STEPS}, not {steps}"
            )),
        }
    }

    fn init(&self, dimension: usize, models: usize, init: &mut Initializer) -> Regret {
        let (input, output) = match self.conditioning {
            Conditioning::Input => (dimension.saturating_add(1), models),
            Conditioning::Interval(intervals) => (
                dimension,
                models.saturating_mul(intervals.saturating_add(1)),
            ),
        };
        Regret {
            scores: self.network().init(input, output, init),
            unit: (dimension as f64).sqrt(),
            config: self.clone(),
        }
    }
}

/// Scores `f_m(x, λ)`; the policy draws a model from their softmax.
#[derive(Module, Debug)]
pub struct Regret {
    scores: Mlp,
    /// `√D`
    unit: f64,
    #[module(skip)]
    config: RegretConfig,
}

impl Regret {
    /// The price of every query as the network reads it: `[batch, 1]`, or the weights of the ends, `[batch, ends]`.
    fn condition(&self, u: &[f64]) -> Array2<f32> {
        let rows: Vec<Vec<f32>> = u
            .iter()
            .map(|&u| match self.config.conditioning {
                Conditioning::Input => vec![(self.unit * u) as f32],
                Conditioning::Interval(intervals) => self.config.weights(u, intervals),
            })
            .collect();
        let columns = rows.first().map_or(0, Vec::len);
        Array2::from_shape_fn((u.len(), columns), |(row, column)| rows[row][column])
    }

    /// Scores at the prices of `condition`.
    ///
    /// `x`: `[batch, dimension]`; `condition`: see [`condition`](Self::condition); returns `[batch, models]`.
    fn forward(&self, x: Tensor<2>, condition: Tensor<2>) -> Tensor<2> {
        match self.config.conditioning {
            Conditioning::Input => self.scores.forward(Tensor::cat(vec![x, condition], 1)),
            Conditioning::Interval(_) => {
                let [batch, ends] = condition.dims();
                let scores = self.scores.forward(x);
                let models = scores.dims()[1] / ends;
                let scores = scores.reshape([batch, ends, models]);
                (scores * condition.unsqueeze_dim::<3>(2))
                    .sum_dim(1)
                    .squeeze_dim::<2>(1)
            }
        }
    }

    /// The policy as one number per model: `1 - u` at the smallest `u` at which a model has the highest score; for a
    /// model that never has, its largest probability over all `u`, less 1.
    fn read(&self, x: Tensor<2>) -> Tensor<2> {
        let [batch, _] = x.dims();
        let device = x.device();
        let steps = self.config.steps;
        let scores: Vec<Tensor<2>> = (0..=steps)
            .map(|step| {
                let u = vec![step as f64 / steps as f64; batch];
                let condition = matrix::to_tensor(self.condition(&u).view(), &device);
                let condition = condition.cast(FloatDType::from(x.dtype()));
                self.forward(x.clone(), condition)
            })
            .collect();
        let chance = scores
            .iter()
            .map(|scores| activation::softmax(scores.clone(), 1))
            .reduce(|largest, chance| largest.max_pair(chance))
            .expect("there is a score at u = 0");
        // From the highest price down, so that the lowest one stays.
        let mut preference = chance - 1.0;
        for (step, scores) in scores.iter().enumerate().rev() {
            let favourite = scores
                .clone()
                .equal(scores.clone().max_dim(1).expand(scores.dims()));
            preference = preference.mask_fill(favourite, 1.0 - step as f64 / steps as f64);
        }
        preference
    }
}

impl Network for Regret {
    fn logits(&self) -> impl Fn(Tensor<2>) -> Tensor<2> {
        |x| self.read(x)
    }
}

/// A fitted policy: predicts `1 - u` of the price at which a model is given up, see [`FittedRegret::fit`].
pub type FittedRegret = FittedNetwork<RegretConfig>;

impl FittedRegret {
    /// Fits the policy: the mean over queries, each at a price of its own drawn for every step, of
    /// `Σ_m softmax(f(x, λ))_m · (max U - U_m) / (1 + λ)` with the utility `U_m = q_m - λ c_m`.
    ///
    /// The divisor leaves the best policy as it is and keeps large prices from drowning small ones.
    ///
    /// `x`: embeddings `[queries, dimension]`; `quality` in [0, 1] and `cost` ≥ 0: `[queries, models]`. Predictions are
    /// `1 - u` at the smallest price `λ = largest · u³` at which a model has the highest score, so under a budget the
    /// model of the smallest price is taken whose favourite is affordable. A model that is never the favourite comes
    /// below all that are: it gets its largest probability over all prices, less 1.
    ///
    /// # Errors
    ///
    /// Different numbers of rows, no rows, or a loss that is not a number.
    pub fn fit(
        x: ArrayView2<f32>,
        quality: ArrayView2<f32>,
        cost: ArrayView2<f32>,
        config: &RegretConfig,
        training: &TrainConfig,
        fit: &Fit,
    ) -> Result<Self, HeadError> {
        check_rows(x, &[quality, cost])?;
        let sizes = [x.ncols(), quality.ncols()];
        let rows = x.nrows();
        let device = train::training_device(fit.backend);
        let [x, quality, cost] =
            [x, quality, cost].map(|values| matrix::to_tensor(values, &device));
        Self::train(config, sizes, rows, training, fit, |network, batch| {
            let u: Vec<f64> = (0..batch.len())
                .map(|_| batch.rng().random::<f64>())
                .collect();
            let prices =
                Array2::from_shape_fn((u.len(), 1), |(row, _)| config.price(u[row]) as f32);
            let prices = batch.constant(&prices);
            let condition = batch.constant(&network.condition(&u));
            let scores = network.forward(batch.select(&x), condition);
            expected_regret(scores, batch.select(&quality), batch.select(&cost), prices)
        })
    }
}

/// The loss of [`FittedRegret::fit`].
///
/// `scores`, `quality`, `cost`: `[batch, models]`; `prices`: `[batch, 1]`.
fn expected_regret(
    scores: Tensor<2>,
    quality: Tensor<2>,
    cost: Tensor<2>,
    prices: Tensor<2>,
) -> Tensor<1> {
    let utility = quality - cost * prices.clone();
    let regret = regrets(utility) / (prices + 1.0);
    expected(scores, regret).sum_dim(1).mean()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::{backends, check_loss, reference, tensor};

    #[test]
    fn the_expected_regret_matches_the_reference() {
        let case = reference().expected_regret;
        for backend in backends() {
            let device = backend.device().clone().autodiff();
            let [quality, cost, prices] =
                [&case.quality, &case.cost, &case.prices].map(|rows| tensor(rows, &device));
            let expected = (case.loss, &case.gradient);
            check_loss("regret", &case.scores, &device, expected, |scores| {
                expected_regret(scores, quality.clone(), cost.clone(), prices.clone())
            });
        }
    }

    #[test]
    fn interval_weights_are_linear_in_the_price() {
        let config = RegretConfig {
            hidden: vec![],
            conditioning: Conditioning::Interval(2),
            largest_price: 8.0,
            steps: 1,
        };
        // The ends are at u = 0, 1/2 and 1, the prices there 0, 1 and 8.
        assert_eq!(config.weights(0.0, 2), [1.0, 0.0, 0.0]);
        assert_eq!(config.weights(0.5, 2), [0.0, 1.0, 0.0]);
        assert_eq!(config.weights(1.0, 2), [0.0, 0.0, 1.0]);
        assert_eq!(config.weights(0.25, 2), [0.875, 0.125, 0.0]);
        // λ = 4.5
        let weights = config.weights((4.5_f64 / 8.0).cbrt(), 2);
        assert!(
            (weights[1] - 0.5).abs() < 1e-6 && weights[0] == 0.0,
            "{weights:?}"
        );
    }
}
