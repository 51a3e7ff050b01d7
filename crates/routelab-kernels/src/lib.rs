//! Arithmetic in single precision on the processor at hand: matrix products into memory of the caller's, and vectorised
//! loops. What heads, encoders and evaluation have in common below Burn.

mod memory;
mod product;
mod vectors;

pub use memory::keep_freed_memory;
pub use product::{Threads, add_product, product};
pub use vectors::{dot, exp, fold, normal, vectorised};
