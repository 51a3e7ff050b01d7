//! Encoders of the prompt's text.

mod bert;
mod features;
mod hashed;
mod minilm;
mod tokens;

pub use hashed::{HashedConfig, HashedNgrams};
pub use minilm::{MAX_TOKENS, MiniLm};
