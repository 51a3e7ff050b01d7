//! The cost network: predicted costs for every router that has none of its own.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};

use ndarray::{Array1, Array2, ArrayView2};
use routelab_data::Embeddings;
use routelab_heads::scalar::mlp::{FittedMlp, Init, MlpConfig};
use routelab_heads::{Architecture, Backend, Output, TrainConfig};
use serde::{Deserialize, Serialize};

use crate::{Archive, Context, Loader, RouterError, TrainingSet, measured_scales, to_f32};

/// A perceptron behind a low-rank linear layer, weights `N(0, 0.01²)`, trained by mean squared error on the costs that were measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CostConfig {
    /// Rank of the linear layer in front, at least 1.
    pub rank: usize,
    /// Whether a second linear layer brings the rank back to the width of the embedding (ORBIT).
    pub widen: bool,
    /// Widths of the hidden layers.
    pub hidden: Vec<usize>,
    /// Passes over the training queries, at least 1.
    pub epochs: usize,
    /// Queries of one gradient step, at least 1.
    pub batch_size: usize,
    /// Adam's learning rate, above 0.
    pub learning_rate: f64,
    /// Whether the network learns `(c - mean) / deviation` of each model (over the training queries) instead of `c`.
    /// Costs of some 1e-4 dollars are smaller than one step of Adam, so that plain costs are learned badly.
    pub standardise: bool,
}

impl Default for CostConfig {
    fn default() -> Self {
        Self {
            rank: 64,
            widen: false,
            hidden: vec![256, 128],
            epochs: 100,
            batch_size: 128,
            learning_rate: 1e-3,
            standardise: true,
        }
    }
}

impl CostConfig {
    /// Checks the ranges of the settings; the error names the setting.
    pub fn validate(&self) -> Result<(), String> {
        self.network().validate()?;
        self.training().validate()
    }

    fn network(&self) -> MlpConfig {
        MlpConfig {
            hidden: self.hidden.clone(),
            bottleneck: Some(self.rank),
            widen: self.widen,
            init: Init::SmallNormal,
        }
    }

    fn training(&self) -> TrainConfig {
        TrainConfig {
            epochs: self.epochs,
            batch_size: self.batch_size,
            learning_rate: self.learning_rate,
        }
    }
}

/// A fitted cost network.
pub struct CostNetwork {
    config: CostConfig,
    network: ScaledMlp,
}

impl CostNetwork {
    /// Predicted costs `[queries, models]`, in the unit of the table. They may be negative: a regression can be.
    ///
    /// # Errors
    ///
    /// Embeddings of another dimension than in training.
    pub fn predict(&self, queries: &Embeddings) -> Result<Array2<f64>, RouterError> {
        self.network.predict(queries.values())
    }

    /// Puts the network into an archive.
    ///
    /// # Errors
    ///
    /// Weights that cannot be encoded.
    pub fn save(&self, archive: &mut Archive) -> Result<(), RouterError> {
        archive.put("cost", &self.config);
        self.network.save(archive, "cost")
    }

    /// The network in an archive.
    ///
    /// # Errors
    ///
    /// An archive without a cost network, or with a damaged one.
    pub fn load(archive: &Archive, loader: &Loader) -> Result<Arc<Self>, RouterError> {
        let config: CostConfig = archive.get("cost")?;
        let network = ScaledMlp::load(archive, "cost", &config.network(), loader.backend)?;
        Ok(Arc::new(Self { config, network }))
    }
}

/// The cost networks of a seed, one for each set of training rows: fitted by the first router that asks, then shared. A router
/// that fits on a part of the rows has a network of that part, and the others keep theirs.
pub struct SharedCost {
    config: CostConfig,
    fitted: Mutex<HashMap<u64, Arc<CostNetwork>>>,
}

impl SharedCost {
    /// Networks that are yet to be fitted.
    pub fn new(config: CostConfig) -> Self {
        Self {
            config,
            fitted: Mutex::default(),
        }
    }

    /// The network of these rows, fitted at the first call for them; embeddings, costs, mask and seed make the rows the same.
    ///
    /// # Errors
    ///
    /// A training that diverges.
    pub fn get(
        &self,
        train: &TrainingSet,
        context: &Context,
    ) -> Result<Arc<CostNetwork>, RouterError> {
        let rows = fingerprint(train, context.seed);
        // Held while fitting, so that routers that run side by side fit it once.
        let mut fitted = self.fitted.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(network) = fitted.get(&rows) {
            return Ok(Arc::clone(network));
        }
        let quiet = Context {
            progress: &|_| {},
            ..*context
        };
        let network = Arc::new(CostNetwork {
            config: self.config.clone(),
            network: ScaledMlp::fit(
                train,
                train.cost(),
                self.config.standardise,
                &self.config.network(),
                &self.config.training(),
                &quiet,
            )?,
        });
        fitted.insert(rows, Arc::clone(&network));
        Ok(network)
    }
}

/// A number that tells training sets apart by all that a cost network sees of them.
fn fingerprint(train: &TrainingSet, seed: u64) -> u64 {
    let mut hasher = DefaultHasher::new();
    (seed, train.x().dim(), train.cost().dim()).hash(&mut hasher);
    (train.x().iter()).for_each(|value| hasher.write_u32(value.to_bits()));
    (train.cost().iter()).for_each(|value| hasher.write_u64(value.to_bits()));
    if let Some(measured) = train.measured() {
        (measured.iter()).for_each(|&measured| hasher.write_u8(u8::from(measured)));
    }
    hasher.finish()
}

/// A perceptron whose outputs are scaled back from standardised targets.
pub(crate) struct ScaledMlp {
    network: FittedMlp,
    dimension: usize,
    mean: Array1<f64>,
    deviation: Array1<f64>,
}

impl ScaledMlp {
    /// Fits `targets [queries, models]`, where they were measured, on the embeddings; `standardise` scales every output by itself.
    pub(crate) fn fit(
        train: &TrainingSet,
        targets: ArrayView2<f64>,
        standardise: bool,
        config: &MlpConfig,
        training: &TrainConfig,
        context: &Context,
    ) -> Result<Self, RouterError> {
        let outputs = targets.ncols();
        let (mean, deviation) = if standardise {
            measured_scales(targets, train.measured())
        } else {
            (Array1::zeros(outputs), Array1::ones(outputs))
        };
        let scaled = to_f32(((&targets - &mean) / &deviation).view());
        let measured = train.measured_f32();
        Ok(Self {
            network: FittedMlp::fit(
                train.x(),
                scaled.view(),
                measured.as_ref().map(|measured| measured.view()),
                config,
                training,
                &context.fit(),
            )?,
            dimension: train.x().ncols(),
            mean,
            deviation,
        })
    }

    /// A perceptron that was trained on targets as they are.
    pub(crate) fn unscaled(network: FittedMlp) -> Self {
        Self {
            dimension: network.dimension(),
            mean: Array1::zeros(network.models()),
            deviation: Array1::ones(network.models()),
            network,
        }
    }

    /// The same perceptron with scores of another kind.
    pub(crate) fn with_output(self, output: Output) -> Self {
        Self {
            network: self.network.with_output(output),
            ..self
        }
    }

    pub(crate) fn predict(&self, x: ArrayView2<f32>) -> Result<Array2<f64>, RouterError> {
        let predicted = self.network.predict(x)?.mapv(f64::from);
        Ok(predicted * &self.deviation + &self.mean)
    }

    pub(crate) fn network(&self) -> &FittedMlp {
        &self.network
    }

    pub(crate) fn save(&self, archive: &mut Archive, name: &str) -> Result<(), RouterError> {
        archive.put_bytes(name, self.network.to_bytes()?);
        archive.put(&format!("{name}_dimension"), &self.dimension);
        archive.put(&format!("{name}_mean"), &self.mean.to_vec());
        archive.put(&format!("{name}_deviation"), &self.deviation.to_vec());
        Ok(())
    }

    pub(crate) fn load(
        archive: &Archive,
        name: &str,
        config: &MlpConfig,
        backend: &Backend,
    ) -> Result<Self, RouterError> {
        let dimension = archive.size(&format!("{name}_dimension"))?;
        let mean: Vec<f64> = archive.get(&format!("{name}_mean"))?;
        let deviation: Vec<f64> = archive.get(&format!("{name}_deviation"))?;
        let network = |reason: String| archive.broken(name, &reason);
        config.validate().map_err(network)?;
        if mean.is_empty() {
            return Err(network("predicts nothing".into()));
        }
        if mean.len() != deviation.len() {
            let reason = format!(
                "has {} entries, but the mean {}",
                deviation.len(),
                mean.len()
            );
            return Err(archive.broken(&format!("{name}_deviation"), &reason));
        }
        let network =
            FittedMlp::from_bytes(archive.bytes(name)?, config, dimension, mean.len(), backend)?;
        Ok(Self {
            network,
            dimension,
            mean: mean.into(),
            deviation: deviation.into(),
        })
    }
}
