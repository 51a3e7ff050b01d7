//! Weights as safetensors, with the names and the layout that PyTorch uses for the same layers.

use burn::module::Module;
use burn::store::{BurnToPyTorchAdapter, ModuleSnapshot, PyTorchToBurnAdapter, SafetensorsStore};

/// Weights that cannot be stored or loaded.
#[derive(Debug, thiserror::Error)]
pub enum WeightsError {
    /// The network could not be turned into safetensors.
    #[error("cannot store the weights: {0}")]
    Store(String),
    /// The bytes do not hold the weights of this network.
    #[error(
        "cannot load the weights: {0}; they must come from a network of the same kind and sizes"
    )]
    Load(String),
}

/// The weights of a network as the bytes of a safetensors file.
pub(crate) fn to_bytes<M: Module>(module: &M) -> Result<Vec<u8>, WeightsError> {
    // The store's own metadata come in the order of a hash map: without them equal networks give equal bytes.
    let mut store = SafetensorsStore::from_bytes(None)
        .clear_metadata()
        .with_to_adapter(BurnToPyTorchAdapter);
    module
        .save_into(&mut store)
        .map_err(|error| WeightsError::Store(error.to_string()))?;
    store
        .get_bytes()
        .map_err(|error| WeightsError::Store(error.to_string()))
}

/// A copy of `module` with the weights in `bytes`; every weight must be there.
pub(crate) fn from_bytes<M: Module>(mut module: M, bytes: &[u8]) -> Result<M, WeightsError> {
    let mut store =
        SafetensorsStore::from_bytes(Some(bytes.to_vec())).with_from_adapter(PyTorchToBurnAdapter);
    module
        .load_from(&mut store)
        .map_err(|error| WeightsError::Load(error.to_string()))?;
    Ok(module)
}
