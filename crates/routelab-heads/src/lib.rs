//! Networks that predict what a candidate model scores or costs on a query: Burn modules, losses and one training loop.
//!
//! Matrices go in and come out as [`ndarray`] arrays, rows are queries; nobody outside this crate (and the encoders)
//! names a tensor or a backend type. Weights start from numbers drawn on the host, so that one seed means the same
//! initial network and the same batches on every backend.
//!
//! A network has an [`Architecture`], its sizes; fitted, it is a [`FittedNetwork`], which predicts and can be stored:
//!
//! ```
//! use ndarray::array;
//! use routelab_heads::scalar::mlp::{FittedMlp, Init, MlpConfig};
//! use routelab_heads::{Backend, Fit, TrainConfig};
//!
//! let x = array![[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]; // embeddings, [queries, dimension]
//! let y = array![[1.0, 0.5], [0.0, 0.5], [1.0, 0.5]]; // targets, [queries, models]
//! let sizes = MlpConfig { hidden: vec![8], bottleneck: None, widen: false, init: Init::FanIn };
//! let training = TrainConfig { epochs: 1, batch_size: 2, learning_rate: 1e-3 };
//! let backend = Backend::default();
//! let fit = Fit { backend: &backend, seed: 1, progress: &|_| {} };
//! let network = FittedMlp::fit(x.view(), y.view(), None, &sizes, &training, &fit)?;
//!
//! assert_eq!(network.history().losses.len(), 1); // one mean loss per epoch
//! let predicted = network.predict(x.view())?;
//! assert_eq!(predicted.dim(), (3, 2));
//! let stored = network.to_bytes()?;
//! let loaded = FittedMlp::from_bytes(&stored, &sizes, 2, 2, &backend)?;
//! assert_eq!(loaded.predict(x.view())?, predicted);
//! # Ok::<(), routelab_heads::HeadError>(())
//! ```

pub mod backend;
mod batch;
#[cfg(feature = "cubecl")]
mod cube;
pub mod equirouter;
mod fitted;
mod init;
mod kernels;
mod loss;
mod matrix;
pub mod neighbours;
pub mod objective;
#[cfg_attr(
    feature = "ndarray",
    allow(deprecated, reason = "kept so that flex can be compared with it")
)]
mod optimizer;
mod products;
pub mod ranges;
#[cfg(test)]
mod reference;
pub mod scalar;
pub mod train;
mod weights;

pub use backend::{Backend, BackendError, BackendInfo, Precision};
pub use fitted::{Architecture, FittedNetwork};
pub use init::Initializer;
pub use objective::{Examples, Objective, Output};
pub use train::{Fit, History, TrainConfig};
pub use weights::WeightsError;

use burn::tensor::TensorReadError;
use ndarray::{Array2, ArrayView2, Axis, concatenate};

/// The version of Burn in this build.
pub const BURN_VERSION: &str = "0.22.1";

/// What can go wrong in fitting, using or storing a network.
#[derive(Debug, thiserror::Error)]
pub enum HeadError {
    /// The training loss stopped being a number.
    #[error(
        "training diverged: the loss was no finite number in epoch {epoch}; lower the learning rate (now {learning_rate})"
    )]
    Diverged {
        /// Epoch, from 1.
        epoch: usize,
        /// The loss that was seen.
        loss: f32,
        /// The learning rate that was used.
        learning_rate: f64,
    },
    /// Inputs whose shapes do not belong together.
    #[error("{what}: expected {expected}, found {found}")]
    Shape {
        /// What has the wrong shape.
        what: &'static str,
        /// The expected size.
        expected: String,
        /// The size that was found.
        found: String,
    },
    /// Training data that say nothing about what the network is to learn.
    #[error("nothing to learn from: {reason}")]
    NoSignal {
        /// What is missing.
        reason: &'static str,
    },
    /// A device that failed.
    #[error("the device did not compute its results: {reason}; use another one")]
    Device {
        /// What it said.
        reason: String,
    },
    /// Weights that cannot be written or read.
    #[error(transparent)]
    Weights(#[from] WeightsError),
}

impl From<TensorReadError> for HeadError {
    fn from(error: TensorReadError) -> Self {
        // Several lines, there.
        let words = error.to_string();
        let words: Vec<&str> = words.split_whitespace().collect();
        Self::Device {
            reason: words.join(" "),
        }
    }
}

/// Checks that embeddings have the dimension that a network was fitted on.
fn check_dimension(expected: usize, found: usize) -> Result<(), HeadError> {
    if expected == found {
        return Ok(());
    }
    Err(HeadError::Shape {
        what: "embedding dimension",
        expected: format!("{expected}, as in training"),
        found: found.to_string(),
    })
}

/// Checks that there is a training query, and that the targets have one row for each and as many columns as each other.
fn check_rows(x: ArrayView2<f32>, targets: &[ArrayView2<f32>]) -> Result<(), HeadError> {
    let found: Vec<(usize, usize)> = targets.iter().map(|target| target.dim()).collect();
    let alike = |&(rows, columns): &(usize, usize)| rows == x.nrows() && columns == found[0].1;
    if x.nrows() > 0 && found.iter().all(alike) {
        return Ok(());
    }
    Err(HeadError::Shape {
        what: "training rows",
        expected: format!(
            "targets of {} queries, at least 1, for the same models",
            x.nrows()
        ),
        found: format!("{found:?}"),
    })
}

/// Applies `predict` to at most `rows` rows at a time, so that memory does not grow with the number of queries; the
/// result has `columns` columns.
fn in_chunks(
    x: ArrayView2<f32>,
    rows: usize,
    columns: usize,
    predict: impl FnMut(ArrayView2<f32>) -> Result<Array2<f32>, HeadError>,
) -> Result<Array2<f32>, HeadError> {
    let parts = x.axis_chunks_iter(Axis(0), rows).map(predict);
    let parts = parts.collect::<Result<Vec<_>, _>>()?;
    let parts: Vec<ArrayView2<f32>> = parts.iter().map(|part| part.view()).collect();
    if parts.is_empty() {
        return Ok(Array2::zeros((0, columns)));
    }
    Ok(concatenate(Axis(0), &parts).expect("every chunk has the same columns"))
}
