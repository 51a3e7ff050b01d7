//! What CLIP's two towers share (Radford et al. 2021): the configuration and the pre-norm transformer.

use std::path::Path;

use burn::module::Module;
use burn::nn::LayerNormConfig;
use burn::tensor::{Device, Tensor};
use serde::Deserialize;

use crate::EncodeError;
use crate::norm::Norm;
use crate::sequences::Sequences;
use crate::text::read;
use crate::transformer::{Activation, FeedForward, SelfAttention};
use crate::weights::Weights;

/// A CLIP `config.json` as Hugging Face writes it. What a file leaves out has the value of ViT-B/32, which is how Hugging
/// Face reads it; keys that do not matter for embeddings are ignored.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub(crate) struct ClipConfig {
    pub projection_dim: usize,
    pub text_config: TextConfig,
    pub vision_config: VisionConfig,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub(crate) struct TextConfig {
    #[serde(flatten)]
    pub transformer: TransformerConfig,
    pub vocab_size: usize,
    pub max_position_embeddings: usize,
    pub eos_token_id: u32,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub(crate) struct VisionConfig {
    #[serde(flatten)]
    pub transformer: TransformerConfig,
    pub num_channels: usize,
    pub image_size: usize,
    pub patch_size: usize,
}

/// The sizes of one tower; every field can be left out, and the defaults differ between the towers.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct TransformerConfig {
    pub hidden_size: Option<usize>,
    pub intermediate_size: Option<usize>,
    pub num_hidden_layers: Option<usize>,
    pub num_attention_heads: Option<usize>,
    pub hidden_act: Option<Activation>,
    pub layer_norm_eps: Option<f64>,
}

impl Default for ClipConfig {
    fn default() -> Self {
        Self {
            projection_dim: 512,
            text_config: TextConfig::default(),
            vision_config: VisionConfig::default(),
        }
    }
}

impl Default for TextConfig {
    fn default() -> Self {
        Self {
            transformer: TransformerConfig::default(),
            vocab_size: 49_408,
            max_position_embeddings: 77,
            eos_token_id: 49_407,
        }
    }
}

impl Default for VisionConfig {
    fn default() -> Self {
        Self {
            transformer: TransformerConfig::default(),
            num_channels: 3,
            image_size: 224,
            patch_size: 32,
        }
    }
}

/// The sizes of one tower, complete and checked.
#[derive(Clone, Debug)]
pub(crate) struct Sizes {
    pub width: usize,
    pub hidden: usize,
    layers: usize,
    heads: usize,
    activation: Activation,
    epsilon: f64,
}

impl ClipConfig {
    /// Reads `config.json`.
    pub fn read(path: &Path) -> Result<Self, EncodeError> {
        serde_json::from_slice(&read(path)?)
            .map_err(|e| EncodeError::bad_file(path, "CLIP configuration", e))
    }

    /// The text tower's sizes.
    pub fn text_sizes(&self, path: &Path) -> Result<Sizes, EncodeError> {
        self.text_config.transformer.sizes(path, [512, 2048, 12, 8])
    }

    /// The vision tower's sizes.
    pub fn vision_sizes(&self, path: &Path) -> Result<Sizes, EncodeError> {
        let vision = &self.vision_config;
        let bad = |reason| EncodeError::bad_file(path, "CLIP configuration", reason);
        if vision.patch_size == 0 || !vision.image_size.is_multiple_of(vision.patch_size.max(1)) {
            return Err(bad(format!(
                "image_size {} must be a multiple of patch_size {}",
                vision.image_size, vision.patch_size
            )));
        }
        if vision.num_channels != 3 {
            return Err(bad(format!(
                "num_channels is {}; images have 3",
                vision.num_channels
            )));
        }
        vision.transformer.sizes(path, [768, 3072, 12, 12])
    }
}

impl TransformerConfig {
    fn sizes(
        &self,
        path: &Path,
        [width, hidden, layers, heads]: [usize; 4],
    ) -> Result<Sizes, EncodeError> {
        let sizes = Sizes {
            width: self.hidden_size.unwrap_or(width),
            hidden: self.intermediate_size.unwrap_or(hidden),
            layers: self.num_hidden_layers.unwrap_or(layers),
            heads: self.num_attention_heads.unwrap_or(heads),
            activation: self.hidden_act.unwrap_or(Activation::QuickGelu),
            epsilon: self.layer_norm_eps.unwrap_or(1e-5),
        };
        if sizes.width == 0 || sizes.heads == 0 || !sizes.width.is_multiple_of(sizes.heads) {
            return Err(EncodeError::bad_file(
                path,
                "CLIP configuration",
                format!(
                    "hidden_size {} must be a positive multiple of num_attention_heads {}",
                    sizes.width, sizes.heads
                ),
            ));
        }
        Ok(sizes)
    }
}

impl Sizes {
    /// The configuration of every layer normalisation of the tower.
    pub fn norm(&self) -> LayerNormConfig {
        LayerNormConfig::new(self.width).with_epsilon(self.epsilon)
    }

    /// Loads the layers under `{prefix}.layers`.
    pub fn load(
        &self,
        prefix: &str,
        weights: &Weights,
        device: &Device,
    ) -> Result<Vec<ClipLayer>, EncodeError> {
        (0..self.layers)
            .map(|layer| self.layer(&format!("{prefix}.layers.{layer}"), weights, device))
            .collect()
    }

    fn layer(
        &self,
        prefix: &str,
        weights: &Weights,
        device: &Device,
    ) -> Result<ClipLayer, EncodeError> {
        let name = |part: &str| format!("{prefix}.{part}");
        let [query, key, value, out] = [
            name("self_attn.q_proj"),
            name("self_attn.k_proj"),
            name("self_attn.v_proj"),
            name("self_attn.out_proj"),
        ];
        let [inner, outer] = [name("mlp.fc1"), name("mlp.fc2")];
        Ok(ClipLayer {
            attention_norm: Norm::load(weights, &name("layer_norm1"), &self.norm(), device)?,
            attention: SelfAttention::load(
                weights,
                [&query, &key, &value, &out],
                self.width,
                self.heads,
                device,
            )?,
            feed_forward_norm: Norm::load(weights, &name("layer_norm2"), &self.norm(), device)?,
            feed_forward: FeedForward::load(
                weights,
                [&inner, &outer],
                [self.width, self.hidden],
                self.activation,
                device,
            )?,
        })
    }
}

/// One layer of either tower: normalise, attend, add; normalise, feed forward, add.
#[derive(Module, Debug)]
pub(crate) struct ClipLayer {
    attention_norm: Norm,
    attention: SelfAttention,
    feed_forward_norm: Norm,
    feed_forward: FeedForward,
}

impl ClipLayer {
    /// [tokens, width] → [tokens, width] over a packed batch.
    pub fn forward(&self, x: Tensor<2>, sequences: &Sequences, causal: bool) -> Tensor<2> {
        let normal = self.attention_norm.forward(x.clone());
        let x = x + self.attention.forward(normal, sequences, causal);
        let normal = self.feed_forward_norm.forward(x.clone());
        x + self.feed_forward.forward(normal)
    }
}
