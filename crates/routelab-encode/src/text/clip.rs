//! CLIP's text tower.

use std::path::Path;

use burn::module::{Module, Param};
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Int, Tensor, TensorData};
use ndarray::{Array2, aview1};
use routelab_data::hex;
use sha2::{Digest, Sha256};

use super::tokens::{Packed, Tokens, pack, positions, read};
use crate::clip::{ClipConfig, ClipLayer};
use crate::device::{backend_name, for_each_batch, tokens_per_pass};
use crate::norm::Norm;
use crate::sequences::{Run, Sequences};
use crate::weights::Weights;
use crate::{EncodeError, Encoder, Query, normalise};

/// Hugging Face's early CLIP files say 2 and mean the largest id of the text, which the real end-of-text token is.
const LEGACY_EOS: u32 = 2;

/// CLIP's text network without its tokenizer: token ids to embeddings of `projection_dim` numbers.
pub struct ClipText {
    network: Network,
    dim: usize,
    eos: u32,
    vocabulary: usize,
    positions: usize,
    /// Tokens that go through the network at once.
    pass: usize,
    device: Device,
    hash: Sha256,
}

#[derive(Module, Debug)]
struct Network {
    /// [vocabulary, width]
    words: Param<Tensor<2>>,
    /// [positions, width]
    places: Param<Tensor<2>>,
    layers: Vec<ClipLayer>,
    norm: Norm,
    projection: Linear,
}

impl ClipText {
    /// Loads the text tower from `model.safetensors` and `config.json` in `folder`, as Hugging Face publishes CLIP models
    /// of any size.
    ///
    /// # Errors
    ///
    /// A file that is missing, cut off or damaged; a tensor that is missing or of another shape.
    pub fn load(folder: &Path, device: &Device) -> Result<Self, EncodeError> {
        let path = folder.join("config.json");
        let config = ClipConfig::read(&path)?;
        let sizes = config.text_sizes(&path)?;
        let text = &config.text_config;
        let weights = Weights::read(&folder.join("model.safetensors"), "CLIP's text tower")?;
        let project = LinearConfig::new(sizes.width, config.projection_dim).with_bias(false);
        let network = Network {
            words: weights.parameter(
                "text_model.embeddings.token_embedding.weight",
                [text.vocab_size, sizes.width],
                device,
            )?,
            places: weights.parameter(
                "text_model.embeddings.position_embedding.weight",
                [text.max_position_embeddings, sizes.width],
                device,
            )?,
            layers: sizes.load("text_model.encoder", &weights, device)?,
            norm: Norm::load(
                &weights,
                "text_model.final_layer_norm",
                &sizes.norm(),
                device,
            )?,
            projection: weights.linear("text_projection", &project, device)?,
        };
        let mut hash = Sha256::new();
        hash.update(weights.sha256());
        hash.update(format!("{config:?}"));
        Ok(Self {
            network,
            dim: config.projection_dim,
            eos: text.eos_token_id,
            vocabulary: text.vocab_size,
            positions: text.max_position_embeddings,
            pass: tokens_per_pass(device, sizes.hidden),
            device: device.clone(),
            hash,
        })
    }

    /// Embeddings of length 1 of token sequences, `[sequences, projection_dim]`.
    ///
    /// Attention is causal, so what follows the first end-of-text token (padding) does not matter.
    ///
    /// # Errors
    ///
    /// [`EncodeError::AtQuery`] for an empty or too long sequence or an id beyond the vocabulary.
    pub fn embed_tokens(&self, sequences: &[Vec<u32>]) -> Result<Array2<f32>, EncodeError> {
        let sequences = sequences
            .iter()
            .enumerate()
            .map(|(index, ids)| self.until_end(ids).map_err(|e| e.at_query(index)))
            .collect::<Result<Vec<_>, _>>()?;
        let mut embeddings = Array2::zeros((sequences.len(), self.dim));
        let batches = pack(&sequences, self.pass);
        let embedded = for_each_batch(batches, &self.device, |batch| {
            let values = self.network.forward(batch, &self.device);
            (values.try_into_vec_as::<f32>()).map_err(|e| EncodeError::Backend(e.to_string()))
        })?;
        for (batch, mut values) in embedded {
            for (&row, values) in batch.rows.iter().zip(values.chunks_exact_mut(self.dim)) {
                normalise(values);
                embeddings.row_mut(row).assign(&aview1(values));
            }
        }
        Ok(embeddings)
    }

    /// The sequence up to the token at which the embedding is taken: the first end-of-text token; if there is none, the
    /// first token, which is what the reference does.
    fn until_end(&self, ids: &[u32]) -> Result<Vec<u32>, EncodeError> {
        let reject = |reason: String| Err(EncodeError::Tokenize(reason));
        if ids.is_empty() || ids.len() > self.positions {
            return reject(format!(
                "{} tokens; expected 1 to {}",
                ids.len(),
                self.positions
            ));
        }
        if let Some(id) = ids.iter().find(|&&id| id as usize >= self.vocabulary) {
            return reject(format!(
                "token id {id}; expected less than {}",
                self.vocabulary
            ));
        }
        let end = match self.eos {
            LEGACY_EOS => ids.iter().max().copied(),
            eos => Some(eos),
        };
        let at = ids.iter().position(|id| Some(*id) == end).unwrap_or(0);
        Ok(ids[..=at].to_vec())
    }
}

impl Network {
    /// The projected last token of every sequence, [sequences, projection].
    fn forward(&self, batch: &Packed, device: &Device) -> Tensor<2> {
        let index = |values: Vec<i32>| {
            let shape = [values.len()];
            Tensor::<1, Int>::from_data(TensorData::new(values, shape), device)
        };
        let words = batch.ids.iter().map(|&id| id as i32).collect();
        let words = self.words.val().select(0, index(words));
        let places = self.places.val().select(0, index(positions(&batch.runs)));
        let mut x = words + places; // [tokens, width]
        let sequences = Sequences::new(&batch.runs, device);
        for layer in &self.layers {
            x = layer.forward(x, &sequences, true);
        }
        let last = x.select(0, index(last_tokens(&batch.runs))); // [sequences, width]
        self.projection.forward(self.norm.forward(last))
    }
}

/// Where in the packed batch every sequence ends.
fn last_tokens(runs: &[Run]) -> Vec<i32> {
    let mut end = 0;
    let mut last = Vec::new();
    for run in runs {
        for _ in 0..run.count {
            end += run.length as i32;
            last.push(end - 1);
        }
    }
    last
}

/// CLIP's text encoder: its tokenizer and its [text tower](ClipText).
pub struct ClipTextEncoder {
    tokens: Tokens,
    tower: ClipText,
    id: String,
}

impl ClipTextEncoder {
    /// Loads `tokenizer.json`, `model.safetensors` and `config.json` from `folder`. Texts are cut to the tower's number of
    /// positions (77 in the published models), the end-of-text token kept.
    ///
    /// # Errors
    ///
    /// As [`ClipText::load`], and a damaged tokenizer or one that belongs to other weights.
    pub fn load(folder: &Path, device: &Device) -> Result<Self, EncodeError> {
        let tower = ClipText::load(folder, device)?;
        let path = folder.join("tokenizer.json");
        let tokenizer = read(&path)?;
        let tokens = Tokens::new(&path, &tokenizer, tower.positions, tower.vocabulary)?;
        let hash = tower.hash.clone().chain_update(Sha256::digest(&tokenizer));
        let id = format!(
            "clip-text-{}-{}",
            &hex(&hash.finalize())[..16],
            backend_name(device)
        );
        Ok(Self { tokens, tower, id })
    }
}

impl Encoder for ClipTextEncoder {
    fn id(&self) -> String {
        self.id.clone()
    }

    fn dim(&self) -> usize {
        self.tower.dim
    }

    fn encode(&self, queries: &[Query]) -> Result<Array2<f32>, EncodeError> {
        let texts = queries.iter().map(|query| query.text).collect();
        self.tower.embed_tokens(&self.tokens.encode(texts)?)
    }
}
