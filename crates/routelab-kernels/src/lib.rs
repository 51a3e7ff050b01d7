//! Arithmetic in single precision on the processor at hand: matrix products into memory of the caller's, and vectorised
//! loops. What heads, encoders and evaluation have in common below Burn.
//!
//! ```
//! use ndarray::{Array2, array};
//! use routelab_kernels::{Threads, dot, product};
//!
//! let (a, b) = (array![[1.0_f32, 2.0]], array![[3.0_f32], [4.0]]);
//! let mut out = Array2::zeros((1, 1));
//! product(a.view(), b.view(), out.view_mut(), Threads::One);
//! assert_eq!(out[[0, 0]], 11.0);
//! assert_eq!(dot(&[1.0, 2.0], &[3.0, 4.0]), 11.0);
//! ```

mod memory;
mod product;
mod vectors;

pub use memory::keep_freed_memory;
pub use product::{Threads, product};
pub use vectors::{dot, exp, fold, normal, vectorised};
