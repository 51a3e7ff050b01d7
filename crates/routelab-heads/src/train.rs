//! The one training loop: shuffled mini-batches, Adam, a loss that the caller gives.

use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::{Device, Int, Tensor};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use routelab_kernels::keep_freed_memory;
use serde::{Deserialize, Serialize};

use crate::products::Factors;
use crate::ranges::{above_zero, at_least_one};
use crate::{Backend, HeadError, matrix, optimizer};

/// How a network is trained.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainConfig {
    /// Passes over the training queries, at least 1.
    pub epochs: usize,
    /// Queries of one gradient step, at least 1.
    pub batch_size: usize,
    /// Adam's learning rate, above 0.
    pub learning_rate: f64,
}

impl TrainConfig {
    /// Checks the ranges of the settings; the error names the setting.
    pub fn validate(&self) -> Result<(), String> {
        at_least_one("epochs", self.epochs)?;
        at_least_one("batch_size", self.batch_size)?;
        above_zero("learning_rate", self.learning_rate)
    }
}

/// What is the same for every fit of one network.
#[derive(Clone, Copy)]
pub struct Fit<'a> {
    /// Where to run.
    pub backend: &'a Backend,
    /// Seed of the initial weights and of the order of the batches.
    pub seed: u64,
    /// Told the share of the training that is done, in (0, 1].
    pub progress: &'a (dyn Fn(f64) + Sync),
}

/// The mean training loss of every epoch.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct History {
    /// One value per epoch, in order.
    pub losses: Vec<f32>,
}

/// Trains `model` on `rows` queries; `loss` gets the row numbers of a batch, on the device, `[batch]`, and on the host, and returns one
/// number. Nothing is read back from the device before the end of an epoch.
pub(crate) fn train<M: Module>(
    model: M,
    rows: usize,
    config: &TrainConfig,
    fit: &Fit,
    loss: impl Fn(&M, Tensor<1, Int>, &[usize]) -> Tensor<1>,
) -> Result<(M, History), HeadError> {
    keep_freed_memory();
    let device = fit.backend.device();
    let mut model = model.train();
    let factors = Factors::of(fit.backend.precision());
    let mut optimizer = optimizer::adam();
    // Its own stream, so that the order of the batches does not depend on the size of the network.
    let mut rng = ChaCha8Rng::seed_from_u64(fit.seed);
    rng.set_stream(1);
    let mut order: Vec<usize> = (0..rows).collect();
    let mut history = History::default();
    let steps_of_an_epoch = rows.div_ceil(config.batch_size);
    let steps = steps_of_an_epoch * config.epochs;
    let mut done = 0;

    for epoch in 1..=config.epochs {
        order.shuffle(&mut rng);
        let mut total: Option<Tensor<1>> = None;
        let batches = matrix::to_index(&order, device).split(config.batch_size, 0);
        for (index, batch) in batches.into_iter().zip(order.chunks(config.batch_size)) {
            let value = factors.within(|| loss(&model, index, batch));
            let gradients = GradientsParams::from_grads(value.backward(), &model);
            model = optimizer.step(config.learning_rate, model, gradients);
            let value = value.inner();
            // Summed on the device: reading every step would stall a GPU.
            let value = value * batch.len() as f32;
            total = Some(match total {
                Some(sum) => sum + value,
                None => value,
            });
            done += 1;
            // The last step of an epoch is done when its loss has been read: before, a GPU may still be busy.
            if done < epoch * steps_of_an_epoch {
                (fit.progress)(done as f64 / steps as f64);
            }
        }
        let total = total.map(|sum| sum.try_into_scalar::<f32>()).transpose()?;
        let mean = total.unwrap_or(0.0) / rows as f32;
        if !mean.is_finite() {
            return Err(HeadError::Diverged {
                epoch,
                loss: mean,
                learning_rate: config.learning_rate,
            });
        }
        history.losses.push(mean);
        (fit.progress)(done as f64 / steps as f64);
    }
    Ok((model.valid(), history))
}

/// The device on which data of a training run lives: the same one, tracked for gradients.
pub(crate) fn training_device(backend: &Backend) -> Device {
    backend.device().clone().autodiff()
}
