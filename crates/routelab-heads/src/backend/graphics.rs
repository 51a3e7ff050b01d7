//! Graphics adapters through wgpu: found, chosen and opened without a panic.

use burn::backend::WgpuDeviceKind;
use burn::backend::wgpu::graphics::AutoGraphicsApi;
use burn::backend::wgpu::{
    RuntimeOptions, WgpuBackend, WgpuDevice, WgpuInitError, try_init_setup, wgpu,
};
use burn::tensor::{Device, try_read_sync};

use super::adapter::choose;
use super::memory::memory;
use super::{Adapter, AdapterKind, BackendError, Precision, no_adapter, opened};

/// An adapter that was found.
struct Found {
    info: wgpu::AdapterInfo,
    limits: wgpu::Limits,
    kind: WgpuDeviceKind,
}

/// The adapters of a backend, each opened.
pub(super) fn adapters(backend: &'static str) -> Result<Vec<Adapter>, BackendError> {
    let (api, found) = find(backend)?;
    let adapter = |(index, found): (usize, &Found)| {
        let opened = start(WgpuDevice::new(found.kind.clone()).on(api));
        Adapter {
            index,
            name: found.info.name.clone(),
            kind: match found.info.device_type {
                wgpu::DeviceType::DiscreteGpu => AdapterKind::Discrete,
                wgpu::DeviceType::IntegratedGpu => AdapterKind::Integrated,
                wgpu::DeviceType::VirtualGpu => AdapterKind::Virtual,
                wgpu::DeviceType::Cpu => AdapterKind::Software,
                wgpu::DeviceType::Other => AdapterKind::Other,
            },
            api: api_name(found.info.backend).to_owned(),
            driver: [found.info.driver.as_str(), &found.info.driver_info]
                .join(" ")
                .trim()
                .to_owned(),
            memory: memory(&found.info),
            largest_buffer: Some(
                (found.limits.max_buffer_size).min(found.limits.max_storage_buffer_binding_size),
            ),
            precisions: opened
                .as_ref()
                .map(|(device, _)| Precision::of(device))
                .unwrap_or_default(),
            problem: opened.err(),
        }
    };
    Ok(found.iter().enumerate().map(adapter).collect())
}

/// Opens the adapter that `wanted` names, else the one that the graphics API prefers. Also returns what it is called.
pub(super) fn open(
    backend: &'static str,
    wanted: Option<&str>,
) -> Result<(Device, String), BackendError> {
    let (api, found) = find(backend)?;
    if found.is_empty() {
        return Err(no_adapter(backend));
    }
    let Some(wanted) = wanted else {
        let device = WgpuDevice::new(WgpuDeviceKind::DefaultDevice).on(api);
        return start(device).map_err(|reason| BackendError::Broken {
            name: backend,
            adapter: "the default adapter".to_owned(),
            reason,
        });
    };
    let names: Vec<_> = (found.iter())
        .map(|found| (found.info.name.as_str(), api_name(found.info.backend)))
        .collect();
    let chosen = &found[choose(backend, wanted, &names)?];
    start(WgpuDevice::new(chosen.kind.clone()).on(api)).map_err(|reason| BackendError::Broken {
        name: backend,
        adapter: chosen.info.name.clone(),
        reason,
    })
}

/// The adapters that Burn reaches with a backend, by the rule by which it opens them: those of the first graphics API with a
/// GPU, else of the first with anything at all. Of software adapters it opens the first only.
fn find(backend: &'static str) -> Result<(WgpuBackend, Vec<Found>), BackendError> {
    let (selected, chain) = match backend {
        "vulkan" => (WgpuBackend::Vulkan, vec![wgpu::Backend::Vulkan]),
        "metal" => (WgpuBackend::Metal, vec![wgpu::Backend::Metal]),
        "webgpu" => (WgpuBackend::WebGpu, vec![wgpu::Backend::BrowserWebGpu]),
        _ => (WgpuBackend::Auto, AutoGraphicsApi::chain()),
    };
    let found = opened::ask(|| {
        let mut software = Vec::new();
        for api in chain {
            let found = on_api(api);
            if found.iter().any(|found| found.kind != WgpuDeviceKind::Cpu) {
                return Ok(found);
            }
            if software.is_empty() {
                software = found;
            }
        }
        Ok(software)
    });
    match found {
        Ok(found) => Ok((selected, found)),
        Err(reason) => Err(BackendError::Broken {
            name: backend,
            adapter: "the driver".to_owned(),
            reason,
        }),
    }
}

fn on_api(api: wgpu::Backend) -> Vec<Found> {
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor {
        backends: api.into(),
        ..wgpu::InstanceDescriptor::new_without_display_handle()
    });
    let adapters = try_read_sync(instance.enumerate_adapters(api.into())).unwrap_or_default();
    let mut seen: Vec<WgpuDeviceKind> = Vec::new();
    let mut found = Vec::new();
    for adapter in adapters {
        let info = adapter.get_info();
        // Every kind is numbered by itself, but for software.
        let mut number = 0;
        let kind = loop {
            let kind = match info.device_type {
                wgpu::DeviceType::DiscreteGpu => WgpuDeviceKind::DiscreteGpu(number),
                wgpu::DeviceType::IntegratedGpu => WgpuDeviceKind::IntegratedGpu(number),
                wgpu::DeviceType::VirtualGpu => WgpuDeviceKind::VirtualGpu(number),
                wgpu::DeviceType::Cpu => WgpuDeviceKind::Cpu,
                wgpu::DeviceType::Other => WgpuDeviceKind::Other(number),
            };
            if !seen.contains(&kind) || kind == WgpuDeviceKind::Cpu {
                break kind;
            }
            number += 1;
        };
        if seen.contains(&kind) {
            continue;
        }
        seen.push(kind.clone());
        found.push(Found {
            limits: adapter.limits(),
            info,
            kind,
        });
    }
    found
}

/// The device with Burn's runtime running, and the adapter's name.
fn start(adapter: WgpuDevice) -> Result<(Device, String), String> {
    let device = Device::new(adapter.clone());
    let name = opened::open(&device, || {
        let options = RuntimeOptions::try_default();
        let setup =
            options.and_then(|options| try_init_setup::<AutoGraphicsApi>(&adapter, options));
        let setup = setup.map_err(|error: WgpuInitError| error.to_string())?;
        Ok(setup.adapter.get_info().name)
    })?;
    Ok((device, name))
}

fn api_name(api: wgpu::Backend) -> &'static str {
    match api {
        wgpu::Backend::Vulkan => "Vulkan",
        wgpu::Backend::Metal => "Metal",
        wgpu::Backend::Dx12 => "DirectX 12",
        wgpu::Backend::Gl => "OpenGL",
        wgpu::Backend::BrowserWebGpu => "WebGPU",
        wgpu::Backend::Noop => "none",
    }
}
