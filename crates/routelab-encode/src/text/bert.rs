//! BERT as a Burn network: the transformer inside all-MiniLM-L6-v2 (Devlin et al. 2019, post-norm).

use burn::module::{Module, Param};
use burn::nn::LayerNormConfig;
use burn::tensor::{Device, Int, Tensor, TensorData};
use serde::{Deserialize, Serialize};

use super::tokens::positions;
use crate::EncodeError;
use crate::norm::Norm;
use crate::sequences::{Run, Sequences};
use crate::transformer::{Activation, FeedForward, SelfAttention};
use crate::weights::{Weights, to_parameter};

/// The sizes of a BERT, under the names of Hugging Face's `config.json`; other keys there are ignored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct BertConfig {
    pub vocab_size: usize,
    pub hidden_size: usize,
    pub num_hidden_layers: usize,
    pub num_attention_heads: usize,
    pub intermediate_size: usize,
    pub max_position_embeddings: usize,
    pub type_vocab_size: usize,
    pub layer_norm_eps: f64,
    pub hidden_act: Activation,
}

impl BertConfig {
    /// The published sizes of all-MiniLM-L6-v2.
    pub fn minilm() -> Self {
        Self {
            vocab_size: 30_522,
            hidden_size: 384,
            num_hidden_layers: 6,
            num_attention_heads: 12,
            intermediate_size: 1536,
            max_position_embeddings: 512,
            type_vocab_size: 2,
            layer_norm_eps: 1e-12,
            hidden_act: Activation::Gelu,
        }
    }

    /// What is wrong with the sizes, if anything.
    pub fn problem(&self) -> Option<String> {
        if self.hidden_size == 0
            || self.num_attention_heads == 0
            || !self.hidden_size.is_multiple_of(self.num_attention_heads)
        {
            return Some(format!(
                "hidden_size {} must be a positive multiple of num_attention_heads {}",
                self.hidden_size, self.num_attention_heads
            ));
        }
        // Anything else would divide by zero where all values of a token agree.
        (self.layer_norm_eps <= 0.0)
            .then(|| format!("layer_norm_eps {} must be positive", self.layer_norm_eps))
    }

    /// Loads the network.
    pub fn load(&self, weights: &Weights, device: &Device) -> Result<Bert, EncodeError> {
        let width = self.hidden_size;
        let norm = LayerNormConfig::new(width).with_epsilon(self.layer_norm_eps);
        let words = weights.parameter(
            "embeddings.word_embeddings.weight",
            [self.vocab_size, width],
            device,
        )?;
        let places = self.places(weights, device)?;
        let layers = (0..self.num_hidden_layers)
            .map(|layer| self.layer(layer, weights, &norm, device))
            .collect::<Result<_, _>>()?;
        Ok(Bert {
            words,
            places,
            norm: Norm::load(weights, "embeddings.LayerNorm", &norm, device)?,
            layers,
        })
    }

    /// Position embeddings plus the one token type that a single text has, added once instead of per token.
    fn places(&self, weights: &Weights, device: &Device) -> Result<Param<Tensor<2>>, EncodeError> {
        let width = self.hidden_size;
        let shape = [self.max_position_embeddings, width];
        let mut places = weights.values("embeddings.position_embeddings.weight", &shape)?;
        let kinds = weights.values(
            "embeddings.token_type_embeddings.weight",
            &[self.type_vocab_size, width],
        )?;
        for place in places.chunks_exact_mut(width) {
            for (value, kind) in place.iter_mut().zip(&kinds) {
                *value += kind;
            }
        }
        Ok(to_parameter(places, shape, device))
    }

    fn layer(
        &self,
        layer: usize,
        weights: &Weights,
        norm: &LayerNormConfig,
        device: &Device,
    ) -> Result<BertLayer, EncodeError> {
        let name = |part: &str| format!("encoder.layer.{layer}.{part}");
        let [query, key, value, out] = [
            name("attention.self.query"),
            name("attention.self.key"),
            name("attention.self.value"),
            name("attention.output.dense"),
        ];
        let [inner, outer] = [name("intermediate.dense"), name("output.dense")];
        Ok(BertLayer {
            attention: SelfAttention::load(
                weights,
                [&query, &key, &value, &out],
                self.hidden_size,
                self.num_attention_heads,
                device,
            )?,
            attention_norm: Norm::load(weights, &name("attention.output.LayerNorm"), norm, device)?,
            feed_forward: FeedForward::load(
                weights,
                [&inner, &outer],
                [self.hidden_size, self.intermediate_size],
                self.hidden_act,
                device,
            )?,
            feed_forward_norm: Norm::load(weights, &name("output.LayerNorm"), norm, device)?,
        })
    }
}

/// The network; its input is a packed batch (see [`SelfAttention`]).
#[derive(Module, Debug)]
pub(crate) struct Bert {
    /// [vocabulary, width]
    words: Param<Tensor<2>>,
    /// [positions, width], token type 0 included
    places: Param<Tensor<2>>,
    norm: Norm,
    layers: Vec<BertLayer>,
}

#[derive(Module, Debug)]
struct BertLayer {
    attention: SelfAttention,
    attention_norm: Norm,
    feed_forward: FeedForward,
    feed_forward_norm: Norm,
}

impl Bert {
    /// Mean of the last layer's token vectors, per sequence, before any normalisation.
    ///
    /// `ids` are the tokens of all sequences one after another, and `runs` says how they divide:
    /// [Σ count · length] → [Σ count, width].
    pub fn mean_pooled(&self, ids: &[u32], runs: &[Run], device: &Device) -> Tensor<2> {
        let sequences = Sequences::new(runs, device);
        let mut x = self.embed(ids, runs, device); // [tokens, width]
        for layer in &self.layers {
            x = layer.forward(x, &sequences);
        }
        sequences.means(x)
    }

    fn embed(&self, ids: &[u32], runs: &[Run], device: &Device) -> Tensor<2> {
        let ids: Vec<i32> = ids.iter().map(|&id| id as i32).collect();
        let tokens = ids.len();
        let index = |values: Vec<i32>| {
            Tensor::<1, Int>::from_data(TensorData::new(values, [tokens]), device)
        };
        let words = self.words.val().select(0, index(ids));
        let places = self.places.val().select(0, index(positions(runs)));
        self.norm.forward(words + places)
    }
}

impl BertLayer {
    fn forward(&self, x: Tensor<2>, sequences: &Sequences) -> Tensor<2> {
        let attended = self.attention.forward(x.clone(), sequences, false);
        let x = self.attention_norm.forward(x + attended);
        let fed = self.feed_forward.forward(x.clone());
        self.feed_forward_norm.forward(x + fed)
    }
}
