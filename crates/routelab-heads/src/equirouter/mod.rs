//! EquiRouter (Lai & Ye 2026, arXiv 2602.03478): a network that scores all candidate models of a query at once and
//! learns their order.

mod arithmetic;
mod block;
#[cfg_attr(
    feature = "ndarray",
    allow(deprecated, reason = "kept so that flex can be compared with it")
)]
mod extension;
mod model;
mod operations;

use burn::tensor::Tensor;
use rayon::prelude::*;

pub use model::{EquiRouter, EquiRouterConfig};

use crate::fitted::Network;
use crate::products::Factors;
use crate::{FittedNetwork, kernels};

/// Scores computed at a time: bounds the memory of the widest intermediate, `[queries, models, width]`.
const PREDICTION_SCORES: usize = 16_384;

/// On processors: queries of one piece, enough for products of full speed, few enough for a core's cache.
const PIECE: usize = 256;

/// … and pieces at a time, a few for each thread of most machines.
const PIECES: usize = 32;

impl Network for EquiRouter {
    fn logits(&self) -> impl Fn(Tensor<2>) -> Tensor<2> {
        // On processors one model after another, so that what a product writes is still in the cache when it is read.
        let at_a_time = if self.is_fused() { 1 } else { self.models() };
        let groups = (0..self.models()).step_by(at_a_time);
        let terms: Vec<_> = groups
            .map(|first| self.model_terms(first..first + at_a_time))
            .collect();
        let predict = move |x| {
            let z = self.queries(x);
            let scores = terms.iter().map(|terms| self.score(z.clone(), terms));
            Tensor::cat(scores.collect(), 1)
        };
        move |x: Tensor<2>| {
            if !self.is_fused() {
                return predict(x);
            }
            // All that happens to a piece happens on one thread.
            let (pieces, factors) = (x.split(PIECE, 0), Factors::of_this_thread());
            let predict = |piece| factors.within(|| predict(piece));
            Tensor::cat(pieces.into_par_iter().map(predict).collect(), 0)
        }
    }

    /// All models at once, with few large products.
    fn scores(&self, x: Tensor<2>) -> Tensor<2> {
        self.score(self.queries(x), &self.model_terms(0..self.models()))
    }

    fn chunk(&self) -> usize {
        if self.is_fused() {
            PIECES * PIECE
        } else {
            (PREDICTION_SCORES / self.models()).max(1)
        }
    }
}

impl EquiRouter {
    /// Whether the fused operations of a processor are those that are used.
    fn is_fused(&self) -> bool {
        let embeddings = self.model_embeddings.val();
        operations::are_fused(&embeddings) && kernels::apply_to(&embeddings.device().inner())
    }
}

/// A fitted EquiRouter: scores are unbounded, higher is better. [`Pairwise`](crate::objective::Pairwise) is the authors' objective.
pub type FittedEquiRouter = FittedNetwork<EquiRouterConfig>;

#[cfg(test)]
mod tests;
