//! What the routers have in common whose quality is one network.

use std::sync::Arc;

use ndarray::{Array1, Array2, Axis};
use routelab_data::Embeddings;
use routelab_eval::Scores;
use routelab_heads::{Architecture, FittedNetwork, History, Output};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::cost::CostNetwork;
use crate::{Archive, Context, FitResult, FittedRouter, Loader, RouterError, TrainingSet, to_f64};

/// The entry in an archive that says what the scores of the network are, where its authors' loss makes others.
const OUTPUT: &str = "output";

/// The file of costs per model in an archive.
const PER_MODEL: &str = "cost_per_model";

/// A router whose predicted quality is what a network says, and whose cost comes from elsewhere.
pub(crate) struct FittedNeural<A: Architecture> {
    pub(crate) quality: FittedNetwork<A>,
    pub(crate) cost: PredictedCost,
}

/// Where predicted costs come from.
pub(crate) enum PredictedCost {
    /// The shared cost network.
    Network(Arc<CostNetwork>),
    /// One cost per model, the same for every query.
    PerModel(Array1<f64>),
}

impl PredictedCost {
    /// Predicted costs `[queries, models]`.
    pub(crate) fn predict(&self, queries: &Embeddings) -> Result<Array2<f64>, RouterError> {
        match self {
            PredictedCost::Network(network) => network.predict(queries),
            PredictedCost::PerModel(costs) => {
                let shape = (queries.len(), costs.len());
                Ok(costs.broadcast(shape).expect("one row repeats").to_owned())
            }
        }
    }

    fn save(&self, archive: &mut Archive) -> Result<(), RouterError> {
        match self {
            PredictedCost::Network(network) => network.save(archive)?,
            PredictedCost::PerModel(costs) => {
                archive.put_matrix(PER_MODEL, &costs.view().insert_axis(Axis(0)).to_owned());
            }
        }
        Ok(())
    }

    /// The costs of `models` models in an archive.
    fn load(archive: &Archive, models: usize, loader: &Loader) -> Result<Self, RouterError> {
        if archive.has(PER_MODEL) {
            let costs = archive.matrix_with(PER_MODEL, Some(1), Some(models))?;
            return Ok(PredictedCost::PerModel(costs.row(0).to_owned()));
        }
        Ok(PredictedCost::Network(CostNetwork::load(archive, loader)?))
    }
}

impl<A: Architecture + DeserializeOwned> FittedNeural<A> {
    /// The network and the costs in an archive.
    pub(crate) fn load(archive: &Archive, loader: &Loader) -> Result<Self, RouterError> {
        let architecture: A = archive.get("network")?;
        let (dimension, models) = (archive.size("dimension")?, archive.size("models")?);
        let (bytes, backend) = (archive.bytes("network")?, loader.backend);
        let mut quality =
            FittedNetwork::from_bytes(bytes, &architecture, dimension, models, backend)?;
        if let Some(output) = archive.get_if_any::<Output>(OUTPUT)? {
            quality = quality.with_output(output);
        }
        Ok(Self {
            quality,
            cost: PredictedCost::load(archive, models, loader)?,
        })
    }
}

impl<A> FittedRouter for FittedNeural<A>
where
    A: Architecture + Serialize + Send + Sync,
{
    fn predict(&self, queries: &Embeddings) -> Result<Scores, RouterError> {
        let quality = to_f64(self.quality.predict(queries.values())?.view());
        Ok(Scores::new(quality, self.cost.predict(queries)?)?)
    }

    fn history(&self) -> Option<&History> {
        Some(self.quality.history())
    }

    fn save(&self, archive: &mut Archive) -> Result<(), RouterError> {
        archive.put("network", self.quality.architecture());
        archive.put("dimension", &self.quality.dimension());
        archive.put("models", &self.quality.models());
        archive.put_bytes("network", self.quality.to_bytes()?);
        if let Some(output) = self.quality.other_output() {
            archive.put(OUTPUT, &output);
        }
        self.cost.save(archive)
    }
}

/// The router whose quality is this network's, and whose cost is that of the shared cost network.
pub(crate) fn with_shared_cost<A>(
    quality: FittedNetwork<A>,
    train: &TrainingSet,
    context: &Context,
) -> FitResult
where
    A: Architecture + Serialize + Send + Sync + 'static,
{
    let cost = PredictedCost::Network(context.cost.get(train, context)?);
    Ok(Box::new(FittedNeural { quality, cost }))
}

/// The router in an archive.
pub(crate) fn load<A>(archive: &Archive, loader: &Loader) -> FitResult
where
    A: Architecture + Serialize + DeserializeOwned + Send + Sync + 'static,
{
    Ok(Box::new(FittedNeural::<A>::load(archive, loader)?))
}
