//! Heads that predict one number per candidate model, each by itself, and the relatives that are trained on comparisons
//! of models but keep the same form.

pub mod embedllm;
pub mod graph;
pub mod irt;
pub mod logistic;
pub mod mlp;
pub mod preference;
pub mod regret;
pub mod routerdc;

#[cfg(test)]
mod tests;
