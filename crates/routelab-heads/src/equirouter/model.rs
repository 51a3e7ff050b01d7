//! The score network.

use std::ops::Range;

use burn::module::{Module, Param};
use burn::nn::Linear;
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use super::block::Block;
use super::operations::{activate, gaps, mix};
use crate::Architecture;
use crate::init::{Init, Initializer};
use crate::products::{linear, product};

/// Standard deviation of the initial model embeddings.
const EMBEDDING_DEVIATION: f32 = 0.02;

/// Sizes and parts of the network. The defaults are those of the authors' toolbox.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct EquiRouterConfig {
    /// Widths of the trunk's hidden layers.
    pub trunk_hidden: Vec<usize>,
    /// Width `d` of the query's and the models' representations.
    pub width: usize,
    /// Width `k` of the learned embedding of a model.
    pub model_embedding: usize,
    /// Widths of the head's hidden layers.
    pub head_hidden: Vec<usize>,
    /// Whether every model modulates the query (FiLM); without it all models see the same query.
    pub film: bool,
    /// Whether the head sees the product and the distance of query and model beside the two themselves.
    pub interaction: bool,
}

impl Default for EquiRouterConfig {
    fn default() -> Self {
        Self {
            trunk_hidden: vec![1024, 512],
            width: 512,
            model_embedding: 128,
            head_hidden: vec![512],
            film: true,
            interaction: true,
        }
    }
}

impl Architecture for EquiRouterConfig {
    type Network = EquiRouter;

    fn validate(&self) -> Result<(), String> {
        let widths = [&self.trunk_hidden[..], &self.head_hidden[..]].concat();
        if widths.contains(&0) || self.width == 0 || self.model_embedding == 0 {
            return Err(
                "`trunk_hidden`, `width`, `model_embedding` and `head_hidden` must be at least 1"
                    .into(),
            );
        }
        Ok(())
    }

    fn init(&self, dimension: usize, models: usize, init: &mut Initializer) -> EquiRouter {
        let mut width = dimension;
        let mut trunk = Vec::new();
        for &next in self.trunk_hidden.iter().chain([&self.width]) {
            trunk.push(Block::new(width, next, init));
            width = next;
        }
        let model_embeddings =
            init.normal_matrix(models, self.model_embedding, EMBEDDING_DEVIATION);
        let film = self.film.then(|| {
            init.linear(
                self.model_embedding,
                self.width.saturating_mul(2),
                Init::Xavier,
            )
        });
        let projection = init.linear(self.model_embedding, self.width, Init::Xavier);
        width = self
            .width
            .saturating_mul(if self.interaction { 4 } else { 2 });
        let mut head = Vec::new();
        for &next in &self.head_hidden {
            head.push(Block::new(width, next, init));
            width = next;
        }
        EquiRouter {
            trunk,
            model_embeddings,
            film,
            projection,
            head,
            output: init.linear(width, 1, Init::Xavier),
        }
    }
}

/// The network: a trunk reads the query, every model modulates it, a head compares query and model.
#[derive(Module, Debug)]
pub struct EquiRouter {
    pub(super) trunk: Vec<Block>,
    /// `[models, k]`
    pub(super) model_embeddings: Param<Tensor<2>>,
    /// `k → 2d`: γ, then β.
    pub(super) film: Option<Linear>,
    /// `k → d`
    pub(super) projection: Linear,
    pub(super) head: Vec<Block>,
    pub(super) output: Linear,
}

/// What the head needs of the models, the same for every query.
///
/// The head's first layer `W = [W1 W2 W3 W4]` reads `[z_m ; p_m ; z_m ⊙ p_m ; |z_m - p_m|]` with `z_m = γ_m ⊙ z + β_m`.
/// All but the last block are linear in `z`:
/// `W·[…] = G_m z + t_m + W4 |z_m - p_m|` with `G_m = (W1 + W3 diag(p_m)) diag(γ_m)` and
/// `t_m = (W1 + W3 diag(p_m)) β_m + W2 p_m + b`. So one product of `z` with all `G_m` side by side replaces the first
/// three blocks, and half of the multiplications go.
pub(super) struct ModelTerms {
    /// All `G_m`, side by side: `[d, models · h]`.
    linear: Tensor<2>,
    /// All `t_m`: `[models, h]`.
    constant: Tensor<2>,
    distance: Option<Distance>,
}

/// The terms of `W4 |z_m - p_m|`.
struct Distance {
    /// `γ`, `[models, d]`.
    scale: Tensor<2>,
    /// `β - p`, `[models, d]`.
    shift: Tensor<2>,
    /// `W4`, `[d, h]`.
    weight: Tensor<2>,
}

impl EquiRouter {
    /// The number of candidate models.
    pub fn models(&self) -> usize {
        self.model_embeddings.dims()[0]
    }

    /// The dimension of the embeddings that the network reads.
    pub fn dimension(&self) -> usize {
        let first = self
            .trunk
            .first()
            .expect("the trunk has at least one layer");
        first.linear.weight.dims()[0]
    }

    /// The layer that reads the features of query and model.
    pub(super) fn first_layer(&self) -> &Linear {
        self.head
            .first()
            .map_or(&self.output, |block| &block.linear)
    }

    /// The terms of some models that do not depend on the query.
    pub(super) fn model_terms(&self, models: Range<usize>) -> ModelTerms {
        let mut embeddings = self.model_embeddings.val();
        if models != (0..self.models()) {
            embeddings = embeddings.slice([models]); // [models, k]
        }
        let projection = linear(&self.projection, embeddings.clone()); // [models, d]
        let [models, width] = projection.dims();
        let (scale, shift) = match &self.film {
            Some(film) => {
                let both = linear(film, embeddings); // [models, 2d]
                let part = |from| both.clone().slice([0..models, from..from + width]);
                (part(0), part(width))
            }
            None => (projection.ones_like(), projection.zeros_like()),
        };
        let first = self.first_layer();
        let weight = first.weight.val(); // [4d or 2d, h]
        let [rows, hidden] = weight.dims();
        let interaction = rows == 4 * width;

        // t_m = [β_m ; p_m ; β_m ⊙ p_m] [W1 ; W2 ; W3] + b
        let mut features = vec![shift.clone(), projection.clone()];
        if interaction {
            features.push(shift.clone() * projection.clone());
        }
        let features = Tensor::cat(features, 1); // [models, 3d or 2d]
        let read = weight.clone().slice([0..features.dims()[1], 0..hidden]);
        let bias = first.bias.as_ref().expect("every layer has a bias").val();
        let constant = product(features, read) + bias.unsqueeze();

        let distance = interaction.then(|| Distance {
            scale: scale.clone(),
            shift: shift - projection.clone(),
            weight: weight.clone().slice([3 * width..rows, 0..hidden]),
        });
        ModelTerms {
            linear: mix(weight, scale, projection),
            constant,
            distance,
        }
    }

    /// The representation `z` of queries, `[batch, d]`, from `x`, `[batch, dimension]`.
    pub(super) fn queries(&self, x: Tensor<2>) -> Tensor<2> {
        self.trunk.iter().fold(x, |z, block| block.forward(z))
    }

    /// Scores `[batch, models]` of a batch from its `z`, `[batch, d]`, and the terms of these models.
    pub(super) fn score(&self, z: Tensor<2>, terms: &ModelTerms) -> Tensor<2> {
        let ([batch, _], [models, hidden]) = (z.dims(), terms.constant.dims());
        let sums = product(z.clone(), terms.linear.clone());
        let mut sums = sums.reshape([batch * models, hidden]);
        if let Some(Distance {
            scale,
            shift,
            weight,
        }) = &terms.distance
        {
            let gaps = gaps(z, scale.clone(), shift.clone()); // [batch · models, d]
            sums = sums + product(gaps, weight.clone());
        }
        let Some((first, rest)) = self.head.split_first() else {
            return sums.reshape([batch, models]) + terms.constant.clone().transpose();
        };
        let h = activate(sums, terms.constant.clone(), &first.norm);
        let h = rest.iter().fold(h, |h, block| block.forward(h));
        linear(&self.output, h).reshape([batch, models])
    }
}
