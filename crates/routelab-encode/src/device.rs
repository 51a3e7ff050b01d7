//! What an encoder must know about the device it runs on.

use burn::tensor::Device;
use rayon::prelude::*;
use routelab_device::{is_ndarray, is_processor, piece_bytes};

use crate::EncodeError;

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

/// Tokens of one pass through a transformer, whose widest intermediate result has `widest` numbers for each. On a processor intermediate
/// results stay in its cache and are small enough that the allocator reuses memory instead of asking the system for fresh pages. A
/// graphics card wants much work at once.
pub(crate) fn tokens_per_pass(device: &Device, widest: usize) -> usize {
    if is_processor(device) {
        return 256;
    }
    let fit = |bytes: u64| (bytes / (4 * widest as u64)).clamp(256, 65_536) as usize;
    piece_bytes(device).map_or(16_384, fit)
}

/// What `pass` makes of every batch, in their order. On a processor every thread takes batches of its own: Burn runs the
/// operations between the matrix products on the calling thread.
pub(crate) fn for_each_batch<B: Send, R: Send>(
    batches: Vec<B>,
    device: &Device,
    pass: impl Fn(&B) -> Result<R, EncodeError> + Sync,
) -> Result<Vec<(B, R)>, EncodeError> {
    let run = |batch: B| pass(&batch).map(|result| (batch, result));
    if is_processor(device) {
        batches.into_par_iter().map(run).collect()
    } else {
        batches.into_iter().map(run).collect()
    }
}
