//! The score network.

use burn::module::{Module, Param};
use burn::nn::Linear;
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use super::block::Block;
use crate::Architecture;
use crate::init::{Init, Initializer};

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
    /// All `G_m`, transposed and side by side: `[d, models · h]`.
    linear: Tensor<2>,
    /// All `t_m`: `[1, models, h]`.
    constant: Tensor<3>,
    distance: Option<Distance>,
}

/// The terms of `W4 |z_m - p_m|`.
struct Distance {
    /// `γ`, `[1, models, d]`; `None` without FiLM, where it is 1.
    scale: Option<Tensor<3>>,
    /// `β - p`, `[1, models, d]`.
    shift: Tensor<3>,
    /// `W4` transposed: `[d, h]`.
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

    /// The terms that do not depend on the query.
    pub(super) fn model_terms(&self) -> ModelTerms {
        let embeddings = self.model_embeddings.val(); // [models, k]
        let projection = self.projection.forward(embeddings.clone()); // [models, d]
        let [models, width] = projection.dims();
        let film = self.film.as_ref().map(|film| {
            let both = film.forward(embeddings); // [models, 2d]
            let scale = both.clone().slice([0..models, 0..width]);
            (scale, both.slice([0..models, width..2 * width]))
        });

        let first = self.first_layer();
        let weight = first.weight.val(); // [4d or 2d, h]
        let [features, hidden] = weight.dims();
        let block = |index: usize| {
            weight
                .clone()
                .slice([index * width..(index + 1) * width, 0..hidden]) // [d, h]
        };
        let interaction = features == 4 * width;

        // W1 + W3 diag(p), laid out as [d, models, h].
        let by_model = |values: &Tensor<2>| values.clone().transpose().unsqueeze_dim::<3>(2); // [d, models, 1]
        let mut linear = block(0).unsqueeze_dim::<3>(1); // [d, 1, h]
        if interaction {
            linear = linear + block(2).unsqueeze_dim::<3>(1) * by_model(&projection);
        } else {
            linear = linear.expand([width, models, hidden]);
        }

        let mut constant = projection.clone().matmul(block(1)); // [models, h]
        if let Some(bias) = &first.bias {
            constant = constant + bias.val().unsqueeze::<2>();
        }
        if let Some((scale, shift)) = &film {
            let shifted = (linear.clone() * by_model(shift)).sum_dim(0); // [1, models, h]
            constant = constant + shifted.squeeze_dim::<2>(0);
            linear = linear * by_model(scale);
        }

        let distance = interaction.then(|| {
            let (scale, shift) = match film {
                Some((scale, shift)) => (Some(scale.unsqueeze::<3>()), shift - projection),
                None => (None, -projection),
            };
            Distance {
                scale,
                shift: shift.unsqueeze::<3>(),
                weight: block(3),
            }
        });
        ModelTerms {
            linear: linear.reshape([width, models * hidden]),
            constant: constant.unsqueeze::<3>(),
            distance,
        }
    }

    /// Scores of a batch, given the terms that do not depend on it.
    ///
    /// `x`: `[batch, dimension]`; returns `[batch, models]`.
    pub(super) fn score(&self, x: Tensor<2>, terms: &ModelTerms) -> Tensor<2> {
        let mut z = x;
        for block in &self.trunk {
            z = block.forward(z); // [batch, width], at last [batch, d]
        }
        let [batch, width] = z.dims();
        let [_, models, hidden] = terms.constant.dims();

        let mut h = z
            .clone()
            .matmul(terms.linear.clone())
            .reshape([batch, models, hidden])
            + terms.constant.clone(); // [batch, models, h]
        if let Some(distance) = &terms.distance {
            let z = z.unsqueeze_dim::<3>(1); // [batch, 1, d]
            let scaled = match &distance.scale {
                Some(scale) => z * scale.clone(),
                None => z,
            };
            let gap = (scaled + distance.shift.clone()).abs(); // [batch, models, d]
            let gap = gap.reshape([batch * models, width]);
            h = h + gap
                .matmul(distance.weight.clone())
                .reshape([batch, models, hidden]);
        }

        if let Some((first, rest)) = self.head.split_first() {
            h = first.activate(h);
            for block in rest {
                h = block.forward(h);
            }
            h = self.output.forward(h); // [batch, models, 1]
        }
        h.reshape([batch, models])
    }
}
