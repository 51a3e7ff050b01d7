//! One mini-batch, as a loss sees it: its rows, and random numbers that belong to the training run.

use std::cell::RefCell;

use burn::module::Module;
use burn::tensor::{Device, Int, Tensor};
use ndarray::Array2;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

use crate::train::{self, Fit, History, TrainConfig};
use crate::{HeadError, matrix};

/// The examples of one gradient step.
pub(crate) struct Batch<'a> {
    index: Tensor<1, Int>,
    rows: &'a [usize],
    rng: &'a mut ChaCha8Rng,
    device: &'a Device,
}

impl Batch<'_> {
    /// The number of examples.
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// The numbers of the examples, `[batch]`.
    pub(crate) fn index(&self) -> &Tensor<1, Int> {
        &self.index
    }

    /// The numbers of the examples, on the host.
    pub(crate) fn rows(&self) -> &[usize] {
        self.rows
    }

    /// The batch's rows of `values [rows, columns]`: `[batch, columns]`.
    pub(crate) fn select(&self, values: &Tensor<2>) -> Tensor<2> {
        values.clone().select(0, self.index.clone())
    }

    /// Random numbers for whatever the loss draws, on the host, so that they are the same on every backend.
    pub(crate) fn rng(&mut self) -> &mut ChaCha8Rng {
        self.rng
    }

    /// A host matrix as a constant of the loss.
    pub(crate) fn constant(&self, values: &Array2<f32>) -> Tensor<2> {
        matrix::to_tensor(values.view(), self.device)
    }

    /// `values + N(0, deviation²)`; `values` itself if the deviation is 0.
    pub(crate) fn with_noise(&mut self, values: Tensor<2>, deviation: f64) -> Tensor<2> {
        if deviation == 0.0 {
            return values;
        }
        let noise = Array2::from_shape_simple_fn(values.dims(), || {
            let value: f32 = StandardNormal.sample(self.rng);
            deviation as f32 * value
        });
        values + self.constant(&noise)
    }
}

/// [`train::train`] for a loss that draws random numbers or looks at the rows of its batch.
pub(crate) fn train<M: Module>(
    model: M,
    rows: usize,
    config: &TrainConfig,
    fit: &Fit,
    loss: impl Fn(&M, &mut Batch) -> Tensor<1>,
) -> Result<(M, History), HeadError> {
    let device = train::training_device(fit.backend);
    // A stream of its own, so that the order of the batches does not depend on what the loss draws.
    let mut rng = ChaCha8Rng::seed_from_u64(fit.seed);
    rng.set_stream(2);
    let rng = RefCell::new(rng);
    train::train(model, rows, config, fit, |model, index, rows| {
        let mut batch = Batch {
            index,
            rows,
            rng: &mut rng.borrow_mut(),
            device: &device,
        };
        loss(model, &mut batch)
    })
}
