//! How much memory an adapter has. The graphics API does not tell; drivers do.

use std::fs;
use std::path::Path;

use burn::backend::wgpu::wgpu::{AdapterInfo, DeviceType};

use super::Processor;

/// Bytes of memory that the adapter computes in: its own, or the main memory where it has none. `None` where nothing tells.
pub(super) fn memory(info: &AdapterInfo) -> Option<u64> {
    match info.device_type {
        DeviceType::Cpu | DeviceType::IntegratedGpu => Processor::here().memory,
        _ if info.device_pci_bus_id.is_empty() => None,
        _ => amdgpu(Path::new("/sys/bus/pci/devices"), &info.device_pci_bus_id)
            .or_else(|| nvidia(&info.device_pci_bus_id)),
    }
}

/// What Linux's driver for AMD says about the device at this PCI address.
fn amdgpu(devices: &Path, address: &str) -> Option<u64> {
    let file = devices.join(address).join("mem_info_vram_total");
    fs::read_to_string(file).ok()?.trim().parse().ok()
}

/// What NVIDIA's management library says about the device at this PCI address.
#[cfg(target_os = "linux")]
fn nvidia(address: &str) -> Option<u64> {
    let library = nvml_wrapper::Nvml::init().ok()?;
    let device = library.device_by_pci_bus_id(address).ok()?;
    Some(device.memory_info().ok()?.total)
}

#[cfg(not(target_os = "linux"))]
fn nvidia(_: &str) -> Option<u64> {
    None
}

#[cfg(test)]
mod tests {
    use burn::backend::wgpu::wgpu::Backend;

    use super::*;

    #[test]
    fn drivers_tell_by_pci_address() {
        let devices = tempfile::tempdir().unwrap();
        fs::create_dir(devices.path().join("0000:03:00.0")).unwrap();
        let file = devices.path().join("0000:03:00.0/mem_info_vram_total");
        fs::write(file, "17163091968\n").unwrap();
        assert_eq!(amdgpu(devices.path(), "0000:03:00.0"), Some(17_163_091_968));
        assert_eq!(amdgpu(devices.path(), "0000:04:00.0"), None);
        assert_eq!(nvidia("ffff:ff:1f.7"), None);
    }

    #[test]
    fn adapters_without_memory_have_that_of_the_machine() {
        let info = |kind| AdapterInfo::new(kind, Backend::Vulkan);
        let main = Processor::here().memory;
        assert_eq!(memory(&info(DeviceType::Cpu)), main);
        assert_eq!(memory(&info(DeviceType::IntegratedGpu)), main);
        assert_eq!(memory(&info(DeviceType::DiscreteGpu)), None);
    }
}
