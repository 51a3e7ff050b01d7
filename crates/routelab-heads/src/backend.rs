//! The backend, chosen by name at run time.

use burn::tensor::Device;
use serde::Serialize;

/// The CPU backend used when none is named.
pub const DEFAULT: &str = "flex";

/// A device on which networks run.
#[derive(Clone, Debug)]
pub struct Backend {
    name: &'static str,
    device: Device,
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
    #[error(
        "backend `{name}` is not in this build: build with `cargo build --release --features {feature}`"
    )]
    NotBuilt {
        /// The backend.
        name: &'static str,
        /// The Cargo feature that brings it.
        feature: &'static str,
    },
    /// The backend is in this build, but the machine offers no device for it.
    #[error(
        "backend `{name}` found no graphics adapter on this machine: install a driver (on Linux without a GPU, Mesa's \
         software Vulkan: `apt-get install mesa-vulkan-drivers libvulkan1`), or use `--backend {DEFAULT}`"
    )]
    NoAdapter {
        /// The backend.
        name: &'static str,
    },
}

/// Every backend that RouteLab knows.
pub const BACKENDS: [BackendInfo; 4] = [
    BackendInfo {
        name: "flex",
        description: "CPU, Burn's portable backend with vectorised matrix products; the default",
        feature: "",
        built: true,
    },
    BackendInfo {
        name: "ndarray",
        description: "CPU, Burn's older backend on the ndarray crate",
        feature: "ndarray",
        built: cfg!(feature = "ndarray"),
    },
    BackendInfo {
        name: "wgpu",
        description: "GPU through Vulkan, Metal, DirectX 12 or OpenGL, whichever the machine offers",
        feature: "wgpu",
        built: cfg!(feature = "wgpu"),
    },
    BackendInfo {
        name: "vulkan",
        description: "GPU through Vulkan with SPIR-V kernels",
        feature: "vulkan",
        built: cfg!(feature = "vulkan"),
    },
];

impl Backend {
    /// Chooses a backend by name (see [`BACKENDS`]).
    ///
    /// # Errors
    ///
    /// An unknown name, a backend that this build lacks, or a machine without a device for it.
    pub fn from_name(name: &str) -> Result<Self, BackendError> {
        let info = BACKENDS
            .iter()
            .find(|info| info.name == name)
            .ok_or_else(|| BackendError::Unknown {
                name: name.to_owned(),
                known: BACKENDS.map(|info| info.name).join(", "),
            })?;
        if !info.built {
            return Err(BackendError::NotBuilt {
                name: info.name,
                feature: info.feature,
            });
        }
        let device = match info.name {
            #[cfg(feature = "ndarray")]
            "ndarray" => {
                // Deprecated upstream in favour of flex, and kept so that the two can be compared.
                #[allow(deprecated)]
                Device::ndarray()
            }
            #[cfg(feature = "wgpu")]
            "wgpu" => gpu("wgpu", Device::wgpu)?,
            #[cfg(feature = "vulkan")]
            "vulkan" => gpu("vulkan", Device::vulkan)?,
            _ => Device::flex(),
        };
        Ok(Self {
            name: info.name,
            device,
        })
    }

    /// The backend's name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The device itself, for encoders, which are Burn networks too.
    pub fn device(&self) -> &Device {
        &self.device
    }
}

impl Default for Backend {
    /// The default CPU backend, which every build has.
    fn default() -> Self {
        Self {
            name: DEFAULT,
            device: Device::flex(),
        }
    }
}

/// Opens the default adapter of a graphics backend.
#[cfg(feature = "wgpu")]
fn gpu(
    name: &'static str,
    open: fn(burn::tensor::DeviceKind) -> Device,
) -> Result<Device, BackendError> {
    // Without an adapter the runtime panics on its first use and offers no way to ask before.
    let opened = std::panic::catch_unwind(|| {
        let device = open(burn::tensor::DeviceKind::DefaultDevice);
        let probe = burn::tensor::Tensor::<1>::from_floats([1.0, 2.0], &device).sum();
        probe.into_scalar::<f32>();
        device
    });
    opened.map_err(|_| BackendError::NoAdapter { name })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_cpu_backend_opens_by_name() {
        for info in BACKENDS
            .iter()
            .filter(|info| info.built && info.description.starts_with("CPU"))
        {
            assert_eq!(Backend::from_name(info.name).unwrap().name(), info.name);
        }
        assert_eq!(Backend::default().name(), DEFAULT);
    }

    #[test]
    fn an_unknown_backend_is_refused_with_the_known_names() {
        let error = Backend::from_name("cuda9").unwrap_err().to_string();
        assert!(error.contains("cuda9") && error.contains("flex"), "{error}");
    }
}
