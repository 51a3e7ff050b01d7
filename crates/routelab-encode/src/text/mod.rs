//! Encoders of the prompt's text.

mod bert;
mod clip;
mod features;
mod hashed;
mod minilm;
mod tokens;

pub use clip::{ClipText, ClipTextEncoder};
pub use hashed::{HashedConfig, HashedNgrams};
pub use minilm::{MAX_TOKENS, MiniLm};
pub(crate) use tokens::read;
