//! Graphics adapters through wgpu: found, chosen and opened without a panic.

use std::sync::{Mutex, PoisonError};

use burn::backend::WgpuDeviceKind;
use burn::backend::wgpu::graphics::AutoGraphicsApi;
use burn::backend::wgpu::{
    RuntimeOptions, WgpuBackend, WgpuDevice, WgpuInitError, try_init_setup, wgpu,
};
use burn::tensor::{Device, Tensor, try_read_sync};

use super::memory::memory;
use super::{Adapter, AdapterKind, BackendError, Precision};

/// An adapter that was found.
struct Found {
    info: wgpu::AdapterInfo,
    limits: wgpu::Limits,
    kind: WgpuDeviceKind,
}

/// Opened devices: the adapter's name, or why it does not work.
type Opened = Vec<(WgpuDevice, Result<String, String>)>;

/// A runtime of Burn's starts once per device, and the Vulkan loader must not be asked from two threads at a time.
static OPEN: Mutex<Opened> = Mutex::new(Vec::new());

/// The adapters of a backend, each opened.
pub(super) fn adapters(backend: &'static str) -> Vec<Adapter> {
    let (api, found) = find(backend);
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
            largest_buffer: found
                .limits
                .max_buffer_size
                .min(found.limits.max_storage_buffer_binding_size),
            precisions: opened
                .as_ref()
                .map(|(device, _)| Precision::of(device))
                .unwrap_or_default(),
            problem: opened.err(),
        }
    };
    found.iter().enumerate().map(adapter).collect()
}

/// Opens the adapter that `wanted` names, else the one that the graphics API prefers. Also returns what it is called.
pub(super) fn open(
    backend: &'static str,
    wanted: Option<&str>,
) -> Result<(Device, String), BackendError> {
    let (api, found) = find(backend);
    if found.is_empty() {
        return Err(BackendError::NoAdapter { name: backend });
    }
    let Some(wanted) = wanted else {
        let device = WgpuDevice::new(WgpuDeviceKind::DefaultDevice).on(api);
        return start(device).map_err(|reason| BackendError::Broken {
            name: backend,
            adapter: "the default adapter".to_owned(),
            reason,
        });
    };
    let lower = wanted.to_lowercase();
    let suits = |(index, found): &(usize, &Found)| match wanted.parse::<usize>() {
        Ok(number) => *index == number,
        Err(_) => !wanted.is_empty() && found.info.name.to_lowercase().contains(&lower),
    };
    let chosen: Vec<&Found> = (found.iter().enumerate().filter(suits))
        .map(|(_, found)| found)
        .collect();
    let [chosen] = chosen[..] else {
        let line = |(index, found): (usize, &Found)| {
            format!(
                "  {backend}:{index}  {} ({})",
                found.info.name,
                api_name(found.info.backend)
            )
        };
        return Err(BackendError::Adapter {
            name: backend,
            wanted: wanted.to_owned(),
            found: if chosen.is_empty() {
                "no"
            } else {
                "more than one"
            },
            adapters: found
                .iter()
                .enumerate()
                .map(line)
                .collect::<Vec<_>>()
                .join("\n"),
        });
    };
    start(WgpuDevice::new(chosen.kind.clone()).on(api)).map_err(|reason| BackendError::Broken {
        name: backend,
        adapter: chosen.info.name.clone(),
        reason,
    })
}

/// The adapters that Burn reaches with a backend, by the rule by which it opens them: those of the first graphics API with a
/// GPU, else of the first with anything at all. Of software adapters it opens the first only.
fn find(backend: &str) -> (WgpuBackend, Vec<Found>) {
    let _one_at_a_time = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
    let (selected, chain) = match backend {
        "vulkan" => (WgpuBackend::Vulkan, vec![wgpu::Backend::Vulkan]),
        _ => (WgpuBackend::Auto, AutoGraphicsApi::chain()),
    };
    let mut software = Vec::new();
    for api in chain {
        let found = on_api(api);
        if found.iter().any(|found| found.kind != WgpuDeviceKind::Cpu) {
            return (selected, found);
        }
        if software.is_empty() {
            software = found;
        }
    }
    (selected, software)
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
fn start(device: WgpuDevice) -> Result<(Device, String), String> {
    let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
    let known = open.iter().find(|(known, _)| *known == device);
    let outcome = match known {
        Some((_, outcome)) => outcome.clone(),
        None => {
            let outcome = try_out(&device);
            open.push((device.clone(), outcome.clone()));
            outcome
        }
    };
    Ok((Device::new(device), outcome?))
}

/// Starts Burn's runtime and computes something, so that an adapter that does not work is an error now.
fn try_out(device: &WgpuDevice) -> Result<String, String> {
    let options = RuntimeOptions::try_default();
    let setup = options.and_then(|options| try_init_setup::<AutoGraphicsApi>(device, options));
    let setup = setup.map_err(|error: WgpuInitError| error.to_string())?;
    let device = Device::new(device.clone());
    let sum = Tensor::<1>::from_floats([1.0, 2.0], &device).sum();
    let sum = sum
        .try_into_vec_as::<f32>()
        .map_err(|error| error.to_string())?;
    if sum == [3.0] {
        Ok(setup.adapter.get_info().name)
    } else {
        Err(format!("it computes 1 + 2 = {sum:?}"))
    }
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
