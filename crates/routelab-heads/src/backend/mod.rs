//! The backend, chosen by name at run time.

mod adapter;
#[cfg(any(feature = "cuda", feature = "rocm"))]
mod cards;
#[cfg(feature = "wgpu")]
mod graphics;
mod kept;
#[cfg(feature = "tch")]
mod libtorch;
#[cfg(feature = "wgpu")]
mod memory;
#[cfg(any(
    feature = "cpu",
    feature = "cuda",
    feature = "rocm",
    feature = "tch",
    feature = "wgpu"
))]
mod opened;
mod precision;
mod processor;
#[cfg(feature = "remote")]
mod remote;

use std::fmt;

use burn::tensor::Device;
use routelab_device::is_card;
use serde::Serialize;

pub use adapter::{Adapter, AdapterKind};
pub use kept::{KeptKernels, keep_kernels, kept_kernels};
pub use precision::Precision;
pub(crate) use precision::cast;
pub use processor::{Processor, peak_memory};
#[cfg(feature = "remote")]
pub use remote::{ServeError, serve};
pub use routelab_device::Launches;

/// The CPU backend used when none is named.
pub const DEFAULT: &str = "flex";

/// The name that stands for the best backend that there is.
pub const AUTO: &str = "auto";

/// A device on which networks run.
#[derive(Clone, Debug)]
pub struct Backend {
    name: &'static str,
    /// The adapter or the address, where a backend has several.
    place: Option<String>,
    device: Device,
    precision: Precision,
}

/// One backend that RouteLab knows, and whether this build has it.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct BackendInfo {
    /// The name to give on the command line.
    pub name: &'static str,
    /// What it is.
    pub description: &'static str,
    /// The Cargo feature that it needs; empty if it is always there.
    pub feature: &'static str,
    /// Whether this build has it.
    pub built: bool,
    /// Where it computes.
    pub place: Place,
    /// What the machine must have for it; empty for nothing.
    pub needs: &'static str,
    /// What building it takes, besides the feature; empty for nothing.
    pub build: &'static str,
}

/// Where a backend computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    /// On this machine's processor.
    Processor,
    /// On one of this machine's devices: graphics adapters, cards, those of LibTorch.
    Adapter,
    /// In another process, on this machine or another.
    Network,
}

/// A backend that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BackendError {
    /// No backend has this name.
    #[error("unknown backend `{name}`: expected one of {known}")]
    Unknown {
        /// The name that was given.
        name: String,
        /// The names that exist.
        known: String,
    },
    /// The backend exists, but not in this build.
    #[error("backend `{name}` is not in this build: it takes the feature `{feature}`{build}")]
    NotBuilt {
        /// The backend.
        name: &'static str,
        /// The Cargo feature that brings it.
        feature: &'static str,
        /// What else that takes, after a comma; or nothing.
        build: String,
    },
    /// The backend is in this build, but the machine offers no device for it.
    #[error("backend `{name}` found no device on this machine: it needs {needs}")]
    NoAdapter {
        /// The backend.
        name: &'static str,
        /// What the machine must have.
        needs: &'static str,
    },
    /// The name or number after the colon is that of no device, or of several.
    #[error(
        "backend `{name}` has {found} device `{wanted}`; give the number of one of these, or a part of its name:\n{adapters}"
    )]
    Adapter {
        /// The backend.
        name: &'static str,
        /// What was asked for.
        wanted: String,
        /// `no` or `more than one`.
        found: &'static str,
        /// The devices, one a line.
        adapters: String,
    },
    /// The device is there, but does not work.
    #[error("backend `{name}` cannot use {adapter}: {reason}")]
    Broken {
        /// The backend.
        name: &'static str,
        /// The device.
        adapter: String,
        /// Why.
        reason: String,
    },
    /// Something stands after the colon where there is nothing to choose.
    #[error(
        "backend `{name}` runs on the processor and has no devices to choose from: leave out `:{place}`"
    )]
    NoChoice {
        /// The backend.
        name: &'static str,
        /// What was given.
        place: String,
    },
    /// No usable address of a remote server.
    #[error(
        "backend `remote` needs the address of a server, for example `remote:ws://127.0.0.1:3000`{given}"
    )]
    NoAddress {
        /// `, not …`, or nothing.
        given: String,
    },
    /// The remote server does not answer as it should.
    #[error("backend `remote` cannot use {address}: {reason}")]
    Unreachable {
        /// The address.
        address: String,
        /// Why.
        reason: String,
    },
    /// No precision has this name.
    #[error("unknown precision `{name}`: {expected}")]
    UnknownPrecision {
        /// The name that was given.
        name: String,
        /// The names that exist.
        expected: String,
    },
    /// The device does not compute in this precision.
    #[error("backend `{backend}` does not compute in {precision}: its device offers {offered}")]
    Precision {
        /// The backend.
        backend: String,
        /// What was asked for.
        precision: Precision,
        /// What there is.
        offered: String,
    },
}

/// What Burn's compiler for CUDA, ROCm and the processor takes.
const LLVM: &str =
    "LLVM 23, which the build downloads from github.com once, into ~/.local/share/tracel";

/// What reaches Vulkan.
const VULKAN: &str = if cfg!(target_os = "linux") {
    "a graphics adapter with a Vulkan driver: the vendor's, or Mesa's (`apt-get install mesa-vulkan-drivers libvulkan1`), which has one in \
     software, too"
} else if cfg!(target_vendor = "apple") {
    "a graphics adapter with a Vulkan driver, which Apple's systems do not have: `metal` is theirs"
} else {
    "a graphics adapter with a Vulkan driver, which is part of the vendor's"
};

/// Every backend that RouteLab knows.
pub const BACKENDS: [BackendInfo; 11] = [
    BackendInfo {
        name: "flex",
        description: "CPU, Burn's portable backend with vectorised matrix products; the default",
        feature: "",
        built: true,
        place: Place::Processor,
        needs: "",
        build: "",
    },
    BackendInfo {
        name: "ndarray",
        description: "CPU, Burn's older backend on the ndarray crate",
        feature: "ndarray",
        built: cfg!(feature = "ndarray"),
        place: Place::Processor,
        needs: "",
        build: "",
    },
    BackendInfo {
        name: "cpu",
        description: "CPU, the kernels of the GPU backends compiled for the processor",
        feature: "cpu",
        built: cfg!(feature = "cpu"),
        place: Place::Processor,
        needs: "",
        build: LLVM,
    },
    BackendInfo {
        name: "tch",
        description: "CPU, NVIDIA's GPUs or Apple's through LibTorch, PyTorch's library; deprecated in Burn",
        feature: "tch",
        built: cfg!(feature = "tch"),
        place: Place::Adapter,
        needs: "the libraries of PyTorch 2.9.0 on the loader's path, and for GPUs their driver and a PyTorch with CUDA or MPS",
        build: "PyTorch 2.9.0 (`pip install torch==2.9.0`) and LIBTORCH_USE_PYTORCH=1 in the environment",
    },
    BackendInfo {
        name: "cuda",
        description: "NVIDIA's GPUs through CUDA",
        feature: "cuda",
        built: cfg!(feature = "cuda"),
        place: Place::Adapter,
        needs: if cfg!(target_vendor = "apple") {
            "a card of NVIDIA's, for which Apple's systems have no driver: `metal` is theirs"
        } else {
            "a card of NVIDIA's, its driver, and the CUDA toolkit's nvvm/libdevice/libdevice.10.bc (CUDA_PATH names the toolkit where it is not \
             in /usr/local/cuda)"
        },
        build: LLVM,
    },
    BackendInfo {
        name: "rocm",
        description: "AMD's GPUs through ROCm",
        feature: "rocm",
        built: cfg!(feature = "rocm"),
        place: Place::Adapter,
        needs: if cfg!(target_vendor = "apple") {
            "ROCm, which Apple's systems do not have: `metal` is theirs"
        } else {
            "a card of AMD's that ROCm supports, and of ROCm the libraries amdhip64 and hiprtc and the device libraries (ocml.bc; ROCM_PATH \
             names ROCm where it is not in /opt/rocm)"
        },
        build: LLVM,
    },
    BackendInfo {
        name: "metal",
        description: "Apple's GPUs through Metal with kernels in its own language",
        feature: "metal",
        built: cfg!(feature = "metal"),
        place: Place::Adapter,
        needs: "Metal, which only Apple's systems have: elsewhere use `wgpu` or `vulkan`",
        build: "",
    },
    BackendInfo {
        name: "vulkan",
        description: "GPU through Vulkan with SPIR-V kernels",
        feature: "vulkan",
        built: cfg!(feature = "vulkan"),
        place: Place::Adapter,
        needs: VULKAN,
        build: "",
    },
    BackendInfo {
        name: "wgpu",
        description: "GPU through Vulkan, Metal, DirectX 12 or OpenGL, whichever the machine offers",
        feature: "wgpu",
        built: cfg!(feature = "wgpu"),
        place: Place::Adapter,
        needs: if cfg!(target_os = "linux") {
            VULKAN
        } else {
            "a graphics adapter with its vendor's driver"
        },
        build: "",
    },
    BackendInfo {
        name: "webgpu",
        description: "GPU through WebGPU, in a browser only",
        feature: "webgpu",
        built: cfg!(feature = "webgpu"),
        place: Place::Adapter,
        needs: "a browser, whose API WebGPU is, and no program outside one finds it: `wgpu` is the same on the system's own API",
        build: "",
    },
    BackendInfo {
        name: "remote",
        description: "the device of a `routelab backends serve`, in another process or on another machine",
        feature: "remote",
        built: cfg!(feature = "remote"),
        place: Place::Network,
        needs: "a server",
        build: "",
    },
];

/// The backends that [`AUTO`] tries, the first one first.
const PREFERRED: [&str; 5] = ["cuda", "rocm", "metal", "vulkan", "wgpu"];

/// The backend of this name.
fn info(name: &str) -> Result<&'static BackendInfo, BackendError> {
    let info = BACKENDS.iter().find(|info| info.name == name);
    info.ok_or_else(|| {
        let mut known = BACKENDS.map(|info| info.name).to_vec();
        known.push(AUTO);
        BackendError::Unknown {
            name: name.to_owned(),
            known: known.join(", "),
        }
    })
}

impl BackendInfo {
    /// Whether it keeps compiled kernels, or at least which variants are the fastest, on disk: see [`kept_kernels`].
    pub fn keeps_kernels(&self) -> bool {
        self.built
            && matches!(
                self.name,
                "cpu" | "cuda" | "rocm" | "metal" | "vulkan" | "wgpu" | "webgpu"
            )
    }

    /// Refuses a backend that this build does not have.
    fn check_built(&self) -> Result<(), BackendError> {
        if self.built {
            return Ok(());
        }
        Err(BackendError::NotBuilt {
            name: self.name,
            feature: self.feature,
            build: match self.build {
                "" => String::new(),
                build => format!(", and {build}"),
            },
        })
    }
}

impl Backend {
    /// Chooses a backend, its device and the precision of predictions: `NAME`, `NAME:DEVICE` or either with `@PRECISION`.
    ///
    /// `NAME` is one of [`BACKENDS`]. `wgpu:1` and `cuda:h200` choose an [`Adapter`] by its number or a part of its name,
    /// in capitals or not; `remote:ws://HOST:PORT` names a server. [`AUTO`] is the first device that is a GPU, of CUDA, ROCm, Metal,
    /// Vulkan and wgpu in this order, and [`DEFAULT`] where there is none; nothing else falls back to another backend. `flex@f16`:
    /// see [`Precision`].
    ///
    /// # Errors
    ///
    /// An unknown name, a backend that this build lacks, a machine without the device, or a device without the precision.
    pub fn from_name(name: &str) -> Result<Self, BackendError> {
        let (name, precision) = match name.rsplit_once('@') {
            Some((rest, precision)) => match precision.parse() {
                Ok(precision) => (rest, precision),
                // A part of an adapter's name or of an address.
                Err(_) if rest.contains(':') => (name, Precision::F32),
                Err(expected) => {
                    return Err(BackendError::UnknownPrecision {
                        name: precision.to_owned(),
                        expected,
                    });
                }
            },
            None => (name, Precision::F32),
        };
        match name {
            AUTO => Self::auto(precision),
            name => Self::open(name, precision),
        }
    }

    fn open(name: &str, precision: Precision) -> Result<Self, BackendError> {
        let (name, place) = match name.split_once(':') {
            Some((name, place)) => (name, Some(place)),
            None => (name, None),
        };
        let info = info(name)?;
        info.check_built()?;
        if let (Place::Processor, Some(place)) = (info.place, place) {
            return Err(BackendError::NoChoice {
                name: info.name,
                place: place.to_owned(),
            });
        }
        let (device, place) = match info.name {
            #[cfg(feature = "ndarray")]
            "ndarray" => {
                // Deprecated upstream in favour of flex, and kept so that the two can be compared.
                #[allow(deprecated)]
                let device = Device::ndarray();
                (device, None)
            }
            #[cfg(feature = "cpu")]
            "cpu" => {
                let device = Device::cpu();
                let opened = opened::open(&device, || Ok(String::new()));
                opened.map_err(|reason| BackendError::Broken {
                    name: info.name,
                    adapter: "the processor".to_owned(),
                    reason,
                })?;
                (device, None)
            }
            #[cfg(feature = "tch")]
            "tch" => {
                let (device, name) = libtorch::open(place)?;
                (device, Some(name))
            }
            #[cfg(any(feature = "cuda", feature = "rocm"))]
            "cuda" | "rocm" => {
                let (device, card) = cards::open(info.name, place)?;
                (device, Some(card))
            }
            #[cfg(feature = "wgpu")]
            "wgpu" | "vulkan" | "metal" | "webgpu" => {
                let (device, adapter) = graphics::open(info.name, place)?;
                (device, Some(adapter))
            }
            #[cfg(feature = "remote")]
            "remote" => {
                let (device, address) = remote::connect(place)?;
                (device, Some(address))
            }
            _ => (Device::flex(), None),
        };
        let backend = Self {
            name: info.name,
            place,
            device,
            precision,
        };
        let offered = backend.precisions();
        if offered.contains(&precision) {
            return Ok(backend);
        }
        let offered: Vec<_> = offered.iter().map(Precision::name).collect();
        Err(BackendError::Precision {
            backend: backend.name.to_owned(),
            precision,
            offered: offered.join(", "),
        })
    }

    /// The first device that is a GPU and has the precision, else the default.
    fn auto(precision: Precision) -> Result<Self, BackendError> {
        for name in PREFERRED {
            // One that is not in the build or whose driver is broken has no such device.
            for adapter in adapters(name).unwrap_or_default() {
                if adapter.kind.is_hardware() && adapter.precisions.contains(&precision) {
                    return Self::open(&format!("{name}:{}", adapter.index), precision);
                }
            }
        }
        Self::open(DEFAULT, precision)
    }

    /// The backend's name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// What a result depends on: the name, the adapter or address where there are several, the precision where it is not
    /// single.
    pub fn identity(&self) -> String {
        let mut identity = self.name.to_owned();
        if let Some(place) = &self.place {
            identity += &format!(":{place}");
        }
        if self.precision != Precision::F32 {
            identity += &format!("@{}", self.precision);
        }
        identity
    }

    /// The device itself, for encoders, which are Burn networks too.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Whether the device is a graphics card with kernels of RouteLab's own.
    pub fn is_card(&self) -> bool {
        is_card(&self.device)
    }

    /// The precision in which fitted networks predict. They are trained in single precision, but for the matrix products of mixed
    /// precision: Adam's second moment and its `ε` vanish in half precision.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// Bytes that Burn holds on the device now, what it keeps for reuse included; none where it does not tell, as on most
    /// processors.
    pub fn device_memory(&self) -> Option<u64> {
        let usage = self.device.memory_pool_usage();
        usage.map(|usage| usage.bytes_reserved)
    }

    /// The precisions in which the device computes.
    pub fn precisions(&self) -> Vec<Precision> {
        Precision::of(&self.device)
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(&self.identity())
    }
}

impl Default for Backend {
    /// The default CPU backend, which every build has.
    fn default() -> Self {
        Self {
            name: DEFAULT,
            place: None,
            device: Device::flex(),
            precision: Precision::F32,
        }
    }
}

/// The devices of a backend that can have several, in the order of their numbers. Each is opened, to see whether it works.
///
/// # Errors
///
/// No such backend, or not in this build, or a broken driver. A machine without such devices is no error.
pub fn adapters(backend: &str) -> Result<Vec<Adapter>, BackendError> {
    let info = info(backend)?;
    info.check_built()?;
    match info.name {
        #[cfg(feature = "tch")]
        "tch" => libtorch::adapters(),
        #[cfg(any(feature = "cuda", feature = "rocm"))]
        "cuda" | "rocm" => cards::adapters(info.name),
        #[cfg(feature = "wgpu")]
        "wgpu" | "vulkan" | "metal" | "webgpu" => graphics::adapters(info.name),
        _ => Ok(Vec::new()),
    }
}

/// The error of a backend without devices.
#[cfg(any(feature = "cuda", feature = "rocm", feature = "wgpu"))]
fn no_adapter(backend: &str) -> BackendError {
    match info(backend) {
        Ok(info) => BackendError::NoAdapter {
            name: info.name,
            needs: info.needs,
        },
        Err(unknown) => unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_cpu_backend_opens_by_name() {
        for info in BACKENDS
            .iter()
            .filter(|info| info.built && info.place == Place::Processor)
        {
            assert_eq!(Backend::from_name(info.name).unwrap().name(), info.name);
            let refused = Backend::from_name(&format!("{}:0", info.name)).unwrap_err();
            assert!(refused.to_string().contains("leave out `:0`"), "{refused}");
        }
        assert_eq!(Backend::default().name(), DEFAULT);
    }

    #[test]
    fn an_unknown_backend_is_refused_with_the_known_names() {
        for name in ["cuda9", "cuda9:1", "", ":", "Flex"] {
            let error = Backend::from_name(name).unwrap_err().to_string();
            let named = name.split(':').next().unwrap();
            assert!(
                error.contains(&format!("`{named}`")) && error.contains("flex"),
                "{error}"
            );
        }
    }

    #[test]
    fn a_precision_that_a_backend_lacks_is_refused_with_those_it_has() {
        let half = Backend::from_name("flex@f16").unwrap();
        assert_eq!(half.precision(), Precision::F16);
        assert_eq!(half.identity(), "flex@f16");
        let error = Backend::from_name("flex@f8").unwrap_err().to_string();
        assert!(error.contains("`f8`") && error.contains("bf16"), "{error}");
        if cfg!(feature = "ndarray") {
            let error = Backend::from_name("ndarray@bf16").unwrap_err().to_string();
            assert!(
                error.contains("bf16") && error.contains("offers f32"),
                "{error}"
            );
        }
    }
}
