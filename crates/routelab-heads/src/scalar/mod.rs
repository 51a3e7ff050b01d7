//! Heads that predict one number per candidate model, each by itself.

pub mod mlp;
