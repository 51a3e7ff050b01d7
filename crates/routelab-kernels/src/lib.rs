//! Arithmetic in single precision on the processor at hand: matrix products into memory of the caller's, and vectorised
//! loops. What heads, encoders and nearest neighbours have in common below Burn.

mod product;
mod vectors;

pub use product::{Threads, add_product, product};
pub use vectors::{dot, exp, fold, normal, vectorised};
