//! What an encoder must know about the device it runs on.

use burn::tensor::Device;

/// A short name of the device's backend for encoder ids, because backends round differently.
pub(crate) fn backend_name(device: &Device) -> String {
    if *device == Device::flex() {
        return "flex".to_owned();
    }
    if is_ndarray(device) {
        return "ndarray".to_owned();
    }
    // A graphics backend: its debug text names backend and adapter.
    format!("{device:?}")
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .collect::<String>()
        .to_lowercase()
}

/// Whether tensors live in main memory, so that several batches can be computed on several threads.
pub(crate) fn is_processor(device: &Device) -> bool {
    *device == Device::flex() || is_ndarray(device)
}

#[cfg(feature = "ndarray")]
fn is_ndarray(device: &Device) -> bool {
    // Deprecated upstream in favour of flex, and kept so that the two can be compared.
    #[allow(deprecated)]
    let ndarray = Device::ndarray();
    *device == ndarray
}

#[cfg(not(feature = "ndarray"))]
fn is_ndarray(_: &Device) -> bool {
    false
}
