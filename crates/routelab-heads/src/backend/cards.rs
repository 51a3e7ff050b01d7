//! NVIDIA's and AMD's cards through their own runtimes, CUDA and ROCm.

use burn::backend::DispatchDevice;
use burn::tensor::{Device, DeviceType};

use super::adapter::choose;
use super::{Adapter, AdapterKind, BackendError, Precision, no_adapter, opened};

/// What the driver says about a card.
struct Card {
    device: Device,
    name: String,
    /// What kernels are compiled for.
    target: String,
    memory: Option<u64>,
    largest_buffer: u64,
}

/// The cards of a backend, each opened.
pub(super) fn adapters(backend: &'static str) -> Result<Vec<Adapter>, BackendError> {
    let adapter = |(index, device): (usize, &Device)| {
        let card = card(device);
        let problem = match &card {
            Ok(card) => start(card).err(),
            Err(reason) => Some(reason.clone()),
        };
        let working = card.as_ref().ok().filter(|_| problem.is_none());
        let known = card.as_ref().ok();
        Adapter {
            index,
            name: known.map_or_else(|| format!("card {index}"), |card| card.name.clone()),
            kind: AdapterKind::Discrete,
            api: api(backend).to_owned(),
            driver: known.map(|card| card.target.clone()).unwrap_or_default(),
            memory: known.and_then(|card| card.memory),
            largest_buffer: known.map(|card| card.largest_buffer),
            precisions: working
                .map(|card| Precision::of(&card.device))
                .unwrap_or_default(),
            problem,
        }
    };
    Ok(find(backend)?.iter().enumerate().map(adapter).collect())
}

/// Opens the card that `wanted` names, else the first. Also returns what it is called.
pub(super) fn open(
    backend: &'static str,
    wanted: Option<&str>,
) -> Result<(Device, String), BackendError> {
    let found = find(backend)?;
    let broken = |adapter: String, reason| BackendError::Broken {
        name: backend,
        adapter,
        reason,
    };
    if found.is_empty() {
        return Err(no_adapter(backend));
    }
    let chosen = match (wanted, wanted.map(str::parse::<usize>)) {
        (None, _) => 0,
        // Opens no other card.
        (_, Some(Ok(number))) if number < found.len() => number,
        (Some(wanted), _) => {
            let name = |device| card(device).map_or_else(|_| String::new(), |card| card.name);
            let names: Vec<String> = found.iter().map(name).collect();
            let names: Vec<_> = names.iter().map(|name| (&**name, api(backend))).collect();
            choose(backend, wanted, &names)?
        }
    };
    let card = card(&found[chosen]).map_err(|reason| broken(format!("card {chosen}"), reason))?;
    match start(&card) {
        Ok(name) => Ok((card.device, name)),
        Err(reason) => Err(broken(card.name, reason)),
    }
}

/// The cards that the driver lists; none where there is no driver.
fn find(backend: &'static str) -> Result<Vec<Device>, BackendError> {
    let kind = match backend {
        #[cfg(feature = "cuda")]
        "cuda" => DeviceType::Cuda,
        #[cfg(feature = "rocm")]
        "rocm" => DeviceType::Rocm,
        _ => unreachable!("only these two are opened here"),
    };
    let found = opened::ask(|| Ok(Device::enumerate(kind).into_iter().collect()));
    found.map_err(|reason| BackendError::Broken {
        name: backend,
        adapter: "the driver".to_owned(),
        reason,
    })
}

/// Asks the driver, which starts Burn's runtime on the card.
fn card(device: &Device) -> Result<Card, String> {
    opened::ask(|| {
        let DispatchDevice::Cube(cube) = device.as_dispatch() else {
            unreachable!("cards are CubeCL's devices");
        };
        let client = cube.client();
        let properties = client.properties();
        Ok(Card {
            device: device.clone(),
            name: properties.identity.name.clone(),
            target: properties.identity.fingerprint.clone(),
            memory: properties.memory.max_memory(),
            largest_buffer: properties.memory.max_page_size,
        })
    })
}

fn start(card: &Card) -> Result<String, String> {
    opened::open(&card.device, || Ok(card.name.clone()))
}

fn api(backend: &str) -> &'static str {
    match backend {
        "cuda" => "CUDA",
        _ => "ROCm",
    }
}
