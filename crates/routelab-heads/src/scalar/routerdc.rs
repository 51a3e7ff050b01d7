//! RouterDC (Chen et al. 2024, arXiv 2409.19886): dual contrastive learning of query and model embeddings.

use burn::module::{Module, Param};
use burn::tensor::{Tensor, activation};
use ndarray::{Array2, ArrayView2, Axis};
use rand::Rng;
use rand::seq::{IndexedRandom, SliceRandom};
use serde::{Deserialize, Serialize};

use super::mlp::{Init, Mlp, MlpConfig};
use crate::fitted::Network;
use crate::init::Initializer;
use crate::products::product;
use crate::ranges::{above_zero, at_least_one};
use crate::train::{self, Fit, TrainConfig};
use crate::{Architecture, FittedNetwork, HeadError, check_rows, matrix};

/// Deviation of the initial model embeddings, as in the authors' code.
const EMBEDDING_DEVIATION: f32 = 0.78;

/// A model is a good example of a query if its quality is above 0 …
const POSITIVE_ABOVE: f32 = 0.0;

/// … and a bad one if it is at most this.
const NEGATIVE_UP_TO: f32 = 0.5;

/// Stands for `ln 0`.
const LOG_ZERO: f32 = -1e4;

/// The sizes of the network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RouterDcConfig {
    /// Widths of the hidden layers of the query encoder.
    pub hidden: Vec<usize>,
    /// Width of the space that queries and models share, at least 1.
    pub width: usize,
    /// Divides the cosines, above 0: 1 leaves them as they are, in [-1, 1].
    #[serde(default = "undivided", skip_serializing_if = "is_undivided")]
    pub temperature: f64,
}

fn undivided() -> f64 {
    1.0
}

fn is_undivided(temperature: &f64) -> bool {
    *temperature == undivided()
}

impl RouterDcConfig {
    fn encoder(&self) -> MlpConfig {
        MlpConfig {
            hidden: self.hidden.clone(),
            bottleneck: None,
            widen: false,
            init: Init::FanIn,
        }
    }
}

impl Architecture for RouterDcConfig {
    type Network = RouterDc;

    fn validate(&self) -> Result<(), String> {
        self.encoder().validate()?;
        at_least_one("width", self.width)?;
        above_zero("temperature", self.temperature)
    }

    fn init(&self, dimension: usize, models: usize, init: &mut Initializer) -> RouterDc {
        RouterDc {
            encoder: self.encoder().init(dimension, self.width, init),
            models: init.normal_matrix(models, self.width, EMBEDDING_DEVIATION),
            temperature: self.temperature,
        }
    }
}

/// `s_m = cos(f(x), k_m) / τ` with an encoder `f` and model embeddings `k`.
#[derive(Module, Debug)]
pub struct RouterDc {
    encoder: Mlp,
    /// `k`, `[models, width]`
    models: Param<Tensor<2>>,
    /// `τ`
    #[module(skip)]
    temperature: f64,
}

impl RouterDc {
    /// The directions of queries in the shared space: `[batch, width]`.
    fn encode(&self, x: Tensor<2>) -> Tensor<2> {
        directions(self.encoder.forward(x))
    }

    /// Cosines `[batch, models]` of encoded queries `[batch, width]`.
    fn similarity(&self, queries: Tensor<2>) -> Tensor<2> {
        product(queries, directions(self.models.val()).transpose())
    }

    /// Scores `[batch, models]` of `x [batch, dimension]`.
    fn score(&self, x: Tensor<2>) -> Tensor<2> {
        let cosines = self.similarity(self.encode(x));
        if self.temperature == undivided() {
            return cosines;
        }
        cosines / self.temperature
    }
}

/// Every row divided by its length.
fn directions(values: Tensor<2>) -> Tensor<2> {
    let squares = (values.clone() * values.clone()).sum_dim(1);
    // The bound keeps the root's derivative finite at a row of zeros.
    values / squares.clamp_min(1e-12).sqrt()
}

impl Network for RouterDc {
    fn logits(&self) -> impl Fn(Tensor<2>) -> Tensor<2> {
        |x| self.score(x)
    }
}

/// What the network is trained on.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DualContrast {
    /// How many of the best and of the worst models of a query are contrasted, at least 1; never more than half of the
    /// pool (and at least one).
    pub models: usize,
    /// Divides cosines, above 0.
    pub temperature: f64,
    /// Weight of the contrast between queries, 0 or more.
    pub cluster_weight: f64,
    /// How many queries of other clusters a query is contrasted with, at least 1.
    pub negatives: usize,
}

/// A fitted RouterDC: predicts cosines, in [-1, 1], if it was trained on its authors' loss and its temperature is 1.
pub type FittedRouterDc = FittedNetwork<RouterDcConfig>;

impl FittedRouterDc {
    /// Fits the network on its authors' loss.
    ///
    /// `x`: embeddings `[queries, dimension]`; `quality` in [0, 1]: `[queries, models]`; `clusters`: the cluster of
    /// every query.
    ///
    /// # Errors
    ///
    /// Different numbers of rows, no rows, or a loss that is not a number.
    pub fn fit(
        x: ArrayView2<f32>,
        quality: ArrayView2<f32>,
        clusters: &[usize],
        config: &RouterDcConfig,
        contrast: &DualContrast,
        training: &TrainConfig,
        fit: &Fit,
    ) -> Result<Self, HeadError> {
        check_rows(x, &[quality])?;
        if clusters.len() != x.nrows() {
            return Err(HeadError::Shape {
                what: "clusters",
                expected: format!("one for each of {} queries", x.nrows()),
                found: clusters.len().to_string(),
            });
        }
        let sizes = [x.ncols(), quality.ncols()];
        let rows = x.nrows();
        let device = train::training_device(fit.backend);
        let x = matrix::to_tensor(x, &device);
        Self::train(config, sizes, rows, training, fit, |network, batch| {
            let queries = network.encode(batch.select(&x));
            let quality = quality.select(Axis(0), batch.rows());
            let (good, bad) = examples(quality.view(), contrast.models, batch.rng());
            let models = network.similarity(queries.clone()) / contrast.temperature;
            let loss = contrastive(models, batch.constant(&good), batch.constant(&bad));
            if contrast.cluster_weight == 0.0 {
                return loss;
            }
            let clusters: Vec<usize> = batch.rows().iter().map(|&row| clusters[row]).collect();
            let (same, other) = neighbours(&clusters, contrast.negatives, batch.rng());
            let similar = product(queries.clone(), queries.transpose()) / contrast.temperature;
            let grouping = contrastive(similar, batch.constant(&same), batch.constant(&other));
            loss + grouping * contrast.cluster_weight
        })
    }
}

/// The mean over rows of `Σ_p -ln(e^{s_p} / (e^{s_p} + Σ_n e^{s_n}))`, `p` over the positives and `n` over the negatives.
///
/// `scores`, and the masks `positives` and `negatives` (0 or 1): `[rows, columns]`. A row without negatives has loss 0.
fn contrastive(scores: Tensor<2>, positives: Tensor<2>, negatives: Tensor<2>) -> Tensor<1> {
    // -ln(e^s / (e^s + e^l)) = -ln σ(s - l) with l the logarithm of the sum over the negatives.
    let left_out = negatives.equal_elem(0.0);
    let against = scores.clone().mask_fill(left_out, LOG_ZERO);
    let largest = against.clone().detach().max_dim(1);
    let sum = (against - largest.clone()).exp().sum_dim(1).log() + largest; // [rows, 1]
    let losses = -activation::log_sigmoid(scores - sum) * positives;
    losses.sum_dim(1).mean()
}

/// The best and the worst models of every query, as masks `[queries, models]`: of the `count` best those that have some
/// quality, of the `count` worst those that do not do well and are worse than every good one. Equal models are put in a
/// random order.
fn examples(
    quality: ArrayView2<f32>,
    count: usize,
    rng: &mut impl Rng,
) -> (Array2<f32>, Array2<f32>) {
    let models = quality.ncols();
    let count = count.min((models / 2).max(1));
    let mut good = Array2::zeros(quality.dim());
    let mut bad = Array2::zeros(quality.dim());
    for (row, quality) in quality.outer_iter().enumerate() {
        let mut order: Vec<usize> = (0..models).collect();
        order.shuffle(rng);
        order.sort_by(|&a, &b| quality[b].total_cmp(&quality[a]));
        let mut worst_good = f32::INFINITY;
        for &model in order.iter().take(count) {
            if quality[model] > POSITIVE_ABOVE {
                good[[row, model]] = 1.0;
                worst_good = quality[model];
            }
        }
        for &model in order.iter().rev().take(count) {
            let fails = quality[model] <= NEGATIVE_UP_TO && quality[model] < worst_good;
            bad[[row, model]] = f32::from(fails);
        }
    }
    (good, bad)
}

/// For every query of a batch one other of the same cluster, and up to `count` of other clusters, as masks
/// `[batch, batch]`. A query that is alone in its cluster has no positive, and so no loss.
fn neighbours(clusters: &[usize], count: usize, rng: &mut impl Rng) -> (Array2<f32>, Array2<f32>) {
    let batch = clusters.len();
    let mut same = Array2::zeros((batch, batch));
    let mut other = Array2::zeros((batch, batch));
    for row in 0..batch {
        let (inside, outside): (Vec<usize>, Vec<usize>) = (0..batch)
            .filter(|&column| column != row)
            .partition(|&column| clusters[column] == clusters[row]);
        if let Some(&column) = inside.choose(rng) {
            same[[row, column]] = 1.0;
        }
        for &column in outside.sample(rng, count) {
            other[[row, column]] = 1.0;
        }
    }
    (same, other)
}

#[cfg(test)]
mod tests {
    use ndarray::array;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::reference::{backends, check_loss, reference, tensor};

    #[test]
    fn the_contrastive_loss_matches_the_reference() {
        let case = reference().contrastive;
        for backend in backends() {
            let device = backend.device().clone().autodiff();
            let positives = tensor(&case.positives, &device);
            let negatives = tensor(&case.negatives, &device);
            let expected = (case.loss, &case.gradient);
            check_loss("contrast", &case.scores, &device, expected, |scores| {
                contrastive(scores, positives.clone(), negatives.clone())
            });
        }
    }

    #[test]
    fn good_models_have_some_quality_and_bad_ones_do_not_do_well() {
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        let quality = array![
            [1.0, 0.9, 0.4, 0.0, 0.6],
            [0.0, 0.0, 0.0, 0.0, 0.0],
            [1.0, 1.0, 1.0, 1.0, 1.0],
            [0.4, 0.4, 0.4, 0.4, 0.2]
        ];
        let (good, bad) = examples(quality.view(), 5, &mut rng);
        // At most two of five on each side; 0.4 and 0 are the worst two.
        assert_eq!(good.row(0), array![1.0, 1.0, 0.0, 0.0, 0.0]);
        assert_eq!(bad.row(0), array![0.0, 0.0, 1.0, 1.0, 0.0]);
        // Nobody is good, or nobody is bad.
        assert_eq!((good.row(1).sum(), bad.row(1).sum()), (0.0, 2.0));
        assert_eq!((good.row(2).sum(), bad.row(2).sum()), (2.0, 0.0));
        // Equal models are not told apart, although none does well.
        assert_eq!(good.row(3).sum(), 2.0);
        assert_eq!(bad.row(3), array![0.0, 0.0, 0.0, 0.0, 1.0]);
    }

    #[test]
    fn a_query_meets_its_own_cluster_once_and_others_a_few_times() {
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        let clusters = [0, 0, 0, 1, 1, 2];
        let (same, other) = neighbours(&clusters, 2, &mut rng);
        for row in 0..clusters.len() {
            for column in 0..clusters.len() {
                let equal = clusters[row] == clusters[column];
                assert!(same[[row, column]] == 0.0 || (equal && row != column));
                assert!(other[[row, column]] == 0.0 || !equal);
            }
            let alone = clusters[row] == 2;
            assert_eq!(same.row(row).sum(), f32::from(!alone));
            assert_eq!(other.row(row).sum(), 2.0);
        }
    }
}
