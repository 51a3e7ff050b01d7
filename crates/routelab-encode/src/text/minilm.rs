//! all-MiniLM-L6-v2 (Wang et al. 2020; Reimers and Gurevych 2019): 384-dimensional sentence embeddings.

use std::path::Path;

use burn::tensor::{Device, Tensor};
use ndarray::{Array2, ArrayView1};
use routelab_data::hex;
use sha2::{Digest, Sha256};

use crate::device::{backend_name, for_each_batch, tokens_per_pass};
use crate::text::bert::{Bert, BertConfig};
use crate::text::tokens::{Packed, Tokens, pack, read};
use crate::weights::Weights;
use crate::{EncodeError, Encoder, Query, normalise};

/// Tokens kept of a text, the two special ones included.
pub const MAX_TOKENS: usize = 256;

/// The sentence encoder all-MiniLM-L6-v2, or any other BERT with mean pooling in the same files.
///
/// An embedding is the mean of the last layer's token vectors, scaled to length 1. Texts are cut after
/// [`MAX_TOKENS`] tokens. Batches are packed without padding, so a text's embedding does not depend on the texts beside it.
pub struct MiniLm {
    tokens: Tokens,
    network: Bert,
    dim: usize,
    /// Tokens that go through the network at once.
    pass: usize,
    device: Device,
    id: String,
}

impl MiniLm {
    /// Loads `model.safetensors` and `tokenizer.json` from `folder`, and the sizes from `config.json` if it is there (if
    /// not, the sizes of all-MiniLM-L6-v2).
    ///
    /// # Errors
    ///
    /// A file that is missing, cut off or damaged; a tensor that is missing or of another shape; files that do not belong
    /// together. The message names file, tensor and shapes.
    pub fn load(folder: &Path, device: &Device) -> Result<Self, EncodeError> {
        let config = read_config(&folder.join("config.json"))?;
        let weights = Weights::read(&folder.join("model.safetensors"), "a BERT encoder")?;
        let network = config.load(&weights, device)?;
        let path = folder.join("tokenizer.json");
        let tokenizer = read(&path)?;
        let max_tokens = MAX_TOKENS.min(config.max_position_embeddings);
        let tokens = Tokens::new(&path, &tokenizer, max_tokens, config.vocab_size)?;

        let mut hash = Sha256::new();
        hash.update(weights.sha256());
        hash.update(Sha256::digest(&tokenizer));
        hash.update(format!("{config:?} max_tokens {max_tokens} mean l2"));
        let id = format!(
            "all-MiniLM-L6-v2-{}-{}",
            &hex(&hash.finalize())[..16],
            backend_name(device)
        );
        Ok(Self {
            tokens,
            network,
            dim: config.hidden_size,
            pass: tokens_per_pass(device, config.intermediate_size),
            device: device.clone(),
            id,
        })
    }

    /// Cuts texts that are too long at their beginning. A few-shot prompt has its question at the end: cut there, as
    /// sentence encoders do, prompts that share their examples become the same text.
    #[must_use]
    pub fn keep_end(mut self) -> Self {
        self.tokens.keep_end();
        self.id += "-end";
        self
    }

    /// Token ids of a text as the network sees them: `[CLS] … [SEP]`, at most [`MAX_TOKENS`].
    ///
    /// # Errors
    ///
    /// A text that the tokenizer rejects.
    pub fn token_ids(&self, text: &str) -> Result<Vec<u32>, EncodeError> {
        Ok(self.tokens.encode(vec![text])?.remove(0))
    }

    /// Embeddings of one packed batch, one row per sequence, length 1.
    fn embed(&self, batch: &Packed) -> Result<Vec<f32>, EncodeError> {
        let pooled: Tensor<2> = self
            .network
            .mean_pooled(&batch.ids, &batch.runs, &self.device);
        let mut rows: Vec<f32> = pooled
            .try_into_vec_as()
            .map_err(|e| EncodeError::Backend(e.to_string()))?;
        rows.chunks_exact_mut(self.dim).for_each(normalise);
        Ok(rows)
    }
}

impl Encoder for MiniLm {
    fn id(&self) -> String {
        self.id.clone()
    }

    fn dim(&self) -> usize {
        self.dim
    }

    fn encode(&self, queries: &[Query]) -> Result<Array2<f32>, EncodeError> {
        let sequences = self
            .tokens
            .encode(queries.iter().map(|query| query.text).collect())?;
        let batches = pack(&sequences, self.pass);
        let embedded = for_each_batch(batches, &self.device, |batch| self.embed(batch))?;
        let mut embeddings = Array2::zeros((queries.len(), self.dim));
        for (batch, rows) in &embedded {
            for (&row, values) in batch.rows.iter().zip(rows.chunks_exact(self.dim)) {
                embeddings.row_mut(row).assign(&ArrayView1::from(values));
            }
        }
        Ok(embeddings)
    }
}

fn read_config(path: &Path) -> Result<BertConfig, EncodeError> {
    if !path.exists() {
        return Ok(BertConfig::minilm());
    }
    let bad = |reason: String| EncodeError::bad_file(path, "BERT configuration", reason);
    let config: BertConfig =
        serde_json::from_slice(&read(path)?).map_err(|e| bad(e.to_string()))?;
    match config.problem() {
        Some(problem) => Err(bad(problem)),
        None => Ok(config),
    }
}
