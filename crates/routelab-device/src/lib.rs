//! What heads and encoders have to know of the device that a tensor lies on: whether it is a processor or a graphics card, how much fits
//! into it at once, and [how many kernels](Launches) it is told to run. With the feature `cubecl`, `cube` has what their kernels for graphics
//! cards have in common.
//!
//! ```
//! use burn::tensor::Device;
//! use routelab_device::{is_card, is_processor, largest_buffer};
//!
//! let device = Device::flex();
//! assert!(is_processor(&device) && !is_card(&device));
//! assert_eq!(largest_buffer(&device), None);
//! ```

#[cfg(feature = "cubecl")]
pub mod cube;
mod launches;

#[cfg(feature = "cubecl")]
use burn::backend::DispatchDevice;
use burn::tensor::Device;

pub use launches::Launches;

/// Whether tensors of this device lie in main memory, where functions of our own can read and change them: Burn's `flex` and `ndarray`,
/// with gradients or without.
pub fn is_processor(device: &Device) -> bool {
    let device = device.clone().inner();
    device == Device::flex() || is_ndarray(&device)
}

/// Whether this is Burn's older backend for processors.
#[cfg(feature = "ndarray")]
pub fn is_ndarray(device: &Device) -> bool {
    // Deprecated upstream in favour of flex, and kept so that the two can be compared.
    #[allow(deprecated)]
    let ndarray = Device::ndarray();
    *device == ndarray
}

/// Whether this is Burn's older backend for processors.
#[cfg(not(feature = "ndarray"))]
pub fn is_ndarray(_: &Device) -> bool {
    false
}

/// Whether this is a graphics card behind CubeCL, with gradients or without. CubeCL's processor is none: a cube shares memory there between
/// as many threads as it has units, which is slow.
pub fn is_card(device: &Device) -> bool {
    #[cfg(feature = "cubecl")]
    {
        card(device).is_some()
    }
    #[cfg(not(feature = "cubecl"))]
    {
        let _ = device;
        false
    }
}

/// The largest buffer of a graphics card behind CubeCL, in bytes; `None` for every other device.
pub fn largest_buffer(device: &Device) -> Option<u64> {
    #[cfg(feature = "cubecl")]
    {
        card(device).map(|card| card.client().properties().memory.max_page_size)
    }
    #[cfg(not(feature = "cubecl"))]
    {
        let _ = device;
        None
    }
}

/// How large an intermediate result of one piece of work may be on a graphics card, in bytes: a sixteenth of its largest buffer, since there
/// are several at a time. `None` for every other device.
pub fn piece_bytes(device: &Device) -> Option<u64> {
    largest_buffer(device).map(|bytes| bytes / 16)
}

#[cfg(feature = "cubecl")]
fn card(device: &Device) -> Option<burn_cubecl::CubeDevice> {
    use burn_cubecl::CubeDevice;
    match device.clone().inner().as_dispatch() {
        DispatchDevice::Cube(CubeDevice::Cpu(_)) => None,
        DispatchDevice::Cube(card) => Some(card.clone()),
        _ => None,
    }
}
