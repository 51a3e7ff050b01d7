//! Texts to token ids, and token ids to packed batches.

use std::fs;
use std::path::Path;

use tokenizers::{Tokenizer, TruncationDirection, TruncationParams};

use crate::EncodeError;
use crate::sequences::Run;

/// A tokenizer from `tokenizer.json` that truncates and never pads.
pub(crate) struct Tokens {
    tokenizer: Tokenizer,
}

impl Tokens {
    /// Reads `bytes`, the content of `path`; every id must be below `vocabulary`, and at most `max_tokens` are kept
    /// of a text, special tokens included.
    pub fn new(
        path: &Path,
        bytes: &[u8],
        max_tokens: usize,
        vocabulary: usize,
    ) -> Result<Self, EncodeError> {
        let bad = |reason: String| EncodeError::bad_file(path, "tokenizer", reason);
        let mut tokenizer = Tokenizer::from_bytes(bytes).map_err(|e| bad(e.to_string()))?;
        let largest = tokenizer.get_vocab(true).into_values().max();
        if let Some(id) = largest.filter(|&id| id as usize >= vocabulary) {
            return Err(bad(format!(
                "it has the token id {id}, but the network knows only ids below {vocabulary}; tokenizer and weights \
                 must belong together"
            )));
        }
        // A tokenizer that adds k special tokens subtracts k from the limit without a check.
        let special = tokenizer
            .encode_fast("", true)
            .map_err(|e| bad(e.to_string()))?
            .len();
        if max_tokens <= special {
            return Err(EncodeError::BadSetting {
                setting: "max_tokens",
                value: max_tokens.to_string(),
                expected: format!("more than the {special} special tokens of every text"),
            });
        }
        let truncation = TruncationParams {
            max_length: max_tokens,
            ..TruncationParams::default()
        };
        tokenizer
            .with_truncation(Some(truncation))
            .map_err(|e| bad(e.to_string()))?;
        tokenizer.with_padding(None);
        Ok(Self { tokenizer })
    }

    /// Cuts long texts at their beginning instead of their end.
    pub fn keep_end(&mut self) {
        if let Some(truncation) = self.tokenizer.get_truncation_mut() {
            truncation.direction = TruncationDirection::Left;
        }
    }

    /// Token ids of every text, special tokens included.
    pub fn encode(&self, texts: Vec<&str>) -> Result<Vec<Vec<u32>>, EncodeError> {
        let encodings = self
            .tokenizer
            .encode_batch_fast(texts, true)
            .map_err(|e| EncodeError::Tokenize(e.to_string()))?;
        Ok(encodings.iter().map(|e| e.get_ids().to_vec()).collect())
    }
}

/// Reads a whole file.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, EncodeError> {
    fs::read(path).map_err(|e| EncodeError::io(path, "read", e))
}

/// Sequences packed for one pass through a network: sorted by length, one after another, no padding.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Packed {
    /// Which of the given sequences, in the order of the output rows.
    pub rows: Vec<usize>,
    /// All their tokens.
    pub ids: Vec<u32>,
    /// How `ids` divide into sequences.
    pub runs: Vec<Run>,
}

/// Packs sequences into batches of at most `budget` tokens (a longer sequence is a batch of its own).
///
/// Sorting by length keeps the number of runs small. A sequence without tokens is not allowed.
pub(crate) fn pack(sequences: &[Vec<u32>], budget: usize) -> Vec<Packed> {
    let mut order: Vec<usize> = (0..sequences.len()).collect();
    order.sort_by_key(|&row| sequences[row].len());
    let mut batches: Vec<Packed> = Vec::new();
    for row in order {
        let sequence = &sequences[row];
        let fits = batches
            .last()
            .is_some_and(|batch| batch.ids.len() + sequence.len() <= budget);
        if !fits {
            batches.push(Packed {
                rows: Vec::new(),
                ids: Vec::new(),
                runs: Vec::new(),
            });
        }
        if let Some(batch) = batches.last_mut() {
            batch.push(row, sequence);
        }
    }
    batches
}

impl Packed {
    fn push(&mut self, row: usize, sequence: &[u32]) {
        self.rows.push(row);
        self.ids.extend(sequence);
        match self.runs.last_mut() {
            Some(run) if run.length == sequence.len() => run.count += 1,
            _ => self.runs.push(Run {
                count: 1,
                length: sequence.len(),
            }),
        }
    }
}

/// The position of every token in its sequence.
pub(super) fn positions(runs: &[Run]) -> Vec<i32> {
    runs.iter()
        .flat_map(|run| (0..run.count).flat_map(|_| 0..run.length as i32))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packing_keeps_every_sequence_once_within_the_budget() {
        let sequences: Vec<Vec<u32>> = [5, 2, 9, 2, 5, 30, 1]
            .iter()
            .enumerate()
            .map(|(row, &length)| vec![row as u32; length])
            .collect();
        let batches = pack(&sequences, 12);
        let mut seen = Vec::new();
        for batch in &batches {
            assert!(batch.ids.len() <= 12 || batch.rows.len() == 1);
            let mut ids = batch.ids.iter();
            let lengths = batch
                .runs
                .iter()
                .flat_map(|run| vec![run.length; run.count]);
            for (&row, length) in batch.rows.iter().zip(lengths) {
                assert_eq!(length, sequences[row].len());
                assert!(ids.by_ref().take(length).all(|&id| id == row as u32));
                seen.push(row);
            }
        }
        seen.sort_unstable();
        assert_eq!(seen, (0..sequences.len()).collect::<Vec<_>>());
        assert_eq!(pack(&[], 12), vec![]);
    }
}
