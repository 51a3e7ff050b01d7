//! LibTorch's devices: the processor, NVIDIA's cards, Apple's GPU.
#![allow(
    deprecated,
    reason = "LibTorch is deprecated upstream, and kept so that the others can be compared with it"
)]

use burn::tensor::{Device, DeviceType};

use super::adapter::choose;
use super::{Adapter, AdapterKind, BackendError, Precision, Processor, opened};

const BACKEND: &str = "tch";
const API: &str = "LibTorch";

/// A device under the name that PyTorch gives it.
struct Found {
    name: String,
    device: Device,
    kind: AdapterKind,
}

/// LibTorch's devices, each opened.
pub(super) fn adapters() -> Result<Vec<Adapter>, BackendError> {
    let adapter = |(index, found): (usize, Found)| {
        let problem = start(&found).err();
        Adapter {
            index,
            kind: found.kind,
            api: API.to_owned(),
            driver: String::new(),
            memory: match found.kind {
                AdapterKind::Processor | AdapterKind::Integrated => Processor::here().memory,
                _ => None,
            },
            largest_buffer: None,
            precisions: match problem {
                None => Precision::of(&found.device),
                Some(_) => Vec::new(),
            },
            problem,
            name: found.name,
        }
    };
    Ok(find()?.into_iter().enumerate().map(adapter).collect())
}

/// Opens the device that `wanted` names, else the processor. Also returns what it is called.
pub(super) fn open(wanted: Option<&str>) -> Result<(Device, String), BackendError> {
    let mut found = find()?;
    let names: Vec<_> = found
        .iter()
        .map(|found| (found.name.as_str(), API))
        .collect();
    let chosen = wanted.map_or(Ok(0), |wanted| choose(BACKEND, wanted, &names))?;
    let chosen = found.swap_remove(chosen);
    match start(&chosen) {
        Ok(name) => Ok((chosen.device, name)),
        Err(reason) => Err(BackendError::Broken {
            name: BACKEND,
            adapter: chosen.name,
            reason,
        }),
    }
}

fn find() -> Result<Vec<Found>, BackendError> {
    let mut found = vec![Found {
        name: "cpu".to_owned(),
        device: Device::libtorch(),
        kind: AdapterKind::Processor,
    }];
    let cards = opened::ask(|| Ok(Device::enumerate(DeviceType::LibTorch)));
    let cards = cards.map_err(|reason| BackendError::Broken {
        name: BACKEND,
        adapter: "CUDA".to_owned(),
        reason,
    })?;
    let cards = cards.into_iter().enumerate().map(|(index, device)| Found {
        name: format!("cuda:{index}"),
        device,
        kind: AdapterKind::Discrete,
    });
    found.extend(cards);
    // LibTorch has no way to ask for it: opening it tells.
    if cfg!(all(target_os = "macos", target_arch = "aarch64")) {
        found.push(Found {
            name: "mps".to_owned(),
            device: Device::libtorch_mps(),
            kind: AdapterKind::Integrated,
        });
    }
    Ok(found)
}

fn start(found: &Found) -> Result<String, String> {
    opened::open(&found.device, || Ok(found.name.clone()))
}
