//! Self-attention and the feed-forward block: what BERT and CLIP have in common.

use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::module::attention;
use burn::tensor::ops::AttentionModuleOptions;
use burn::tensor::{Device, Tensor};
use serde::Deserialize;

use crate::sequences::{Run, Sequences};
use crate::weights::Weights;
use crate::{EncodeError, kernels};
use routelab_device::is_processor;

/// Multi-head self-attention over a packed batch, without padding and therefore without a mask.
///
/// A packed batch is one matrix of all tokens of all sequences, [tokens, width]. Linear layers do
/// not care where one sequence ends; only the attention does, and it looks at one [`Run`] at a time.
#[derive(Module, Debug)]
pub(crate) struct SelfAttention {
    /// Query, key and value side by side: [width, 3 · width].
    qkv: Linear,
    out: Linear,
    heads: usize,
}

impl SelfAttention {
    /// Loads from the layers called `query`, `key`, `value` and `out` in the file.
    pub fn load(
        weights: &Weights,
        [query, key, value, out]: [&str; 4],
        width: usize,
        heads: usize,
        device: &Device,
    ) -> Result<Self, EncodeError> {
        Ok(Self {
            qkv: weights.joined_linear(
                &[query, key, value],
                &LinearConfig::new(width, 3 * width),
                device,
            )?,
            out: weights.linear(out, &LinearConfig::new(width, width), device)?,
            heads,
        })
    }

    /// Attention of every token to the tokens of its own sequence (if `causal`, to the earlier ones
    /// and itself): [tokens, width] → [tokens, width].
    pub fn forward(&self, x: Tensor<2>, sequences: &Sequences, causal: bool) -> Tensor<2> {
        let qkv = kernels::linear(&self.qkv, x); // [tokens, 3 · width]
        let mixed = (sequences.attend(&qkv, self.heads, causal))
            .unwrap_or_else(|| self.attend_in_runs(&qkv, sequences.runs(), causal));
        kernels::linear(&self.out, mixed)
    }

    /// One run of sequences of equal length after the other.
    fn attend_in_runs(&self, qkv: &Tensor<2>, runs: &[Run], causal: bool) -> Tensor<2> {
        let mut start = 0;
        let mut parts: Vec<Tensor<2>> = Vec::with_capacity(runs.len());
        for run in runs {
            let tokens = run.count * run.length;
            parts.push(self.attend(qkv.clone().narrow(0, start, tokens), *run, causal));
            start += tokens;
        }
        match parts.len() {
            1 => parts.remove(0),
            _ => Tensor::cat(parts, 0),
        }
    }

    fn attend(&self, qkv: Tensor<2>, run: Run, causal: bool) -> Tensor<2> {
        let width = qkv.dims()[1] / 3;
        let head = width / self.heads;
        // [count, length, 3, heads, head] → [3, count, heads, length, head]
        let qkv = qkv
            .reshape([run.count, run.length, 3, self.heads, head])
            .permute([2, 0, 3, 1, 4]);
        let [q, k, v] = [0, 1, 2].map(|part| qkv.clone().select_dim::<4>(0, part));
        // [count, heads, length, head]
        let mixed = if is_processor(&q.device()) && !causal {
            let scores = q.matmul(k.transpose()); // [count, heads, length, length]
            kernels::scaled_softmax(scores, 1.0 / (head as f32).sqrt()).matmul(v)
        } else {
            let options = AttentionModuleOptions {
                is_causal: causal,
                ..Default::default()
            };
            attention(q, k, v, None, None, options)
        };
        mixed
            .swap_dims(1, 2)
            .reshape([run.count * run.length, width])
    }
}

/// The activation of the feed-forward block, by its name in `config.json`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Activation {
    /// `x Φ(x)`, exact.
    Gelu,
    /// `x σ(1.702 x)`.
    QuickGelu,
}

impl Activation {
    fn forward(self, x: Tensor<2>) -> Tensor<2> {
        match self {
            Self::Gelu => kernels::gelu(x),
            Self::QuickGelu => kernels::quick_gelu(x),
        }
    }
}

/// `Linear → activation → Linear`, [tokens, width] → [tokens, width].
#[derive(Module, Debug)]
pub(crate) struct FeedForward {
    inner: Linear,
    outer: Linear,
    #[module(skip)]
    activation: Activation,
}

impl FeedForward {
    /// Loads from the layers called `inner` and `outer` in the file.
    pub fn load(
        weights: &Weights,
        [inner, outer]: [&str; 2],
        [width, hidden]: [usize; 2],
        activation: Activation,
        device: &Device,
    ) -> Result<Self, EncodeError> {
        Ok(Self {
            inner: weights.linear(inner, &LinearConfig::new(width, hidden), device)?,
            outer: weights.linear(outer, &LinearConfig::new(hidden, width), device)?,
            activation,
        })
    }

    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let inner = self.activation.forward(kernels::linear(&self.inner, x));
        kernels::linear(&self.outer, inner)
    }
}
