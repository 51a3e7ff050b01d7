//! The graphics adapters of this machine.

use std::fmt;

use serde::Serialize;

use super::Precision;

/// A graphics adapter, real or in software.
#[derive(Clone, Debug, Serialize)]
pub struct Adapter {
    /// Its number after the backend's name: `wgpu:0` is the first.
    pub index: usize,
    /// The name that its driver gives it.
    pub name: String,
    /// What it is.
    pub kind: AdapterKind,
    /// The graphics API that reaches it.
    pub api: String,
    /// The driver and its version, as the driver puts it.
    pub driver: String,
    /// Bytes of memory that it computes in: its own, or the main memory that it shares. `None` where the driver does not tell;
    /// those of AMD and NVIDIA on Linux do.
    pub memory: Option<u64>,
    /// The largest buffer in bytes that a shader can read, a limit of the API.
    pub largest_buffer: u64,
    /// The precisions in which it computes; empty where it does not work.
    pub precisions: Vec<Precision>,
    /// Why it does not work, if it does not.
    pub problem: Option<String>,
}

/// What an adapter is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum AdapterKind {
    /// A card with memory of its own.
    Discrete,
    /// A part of the processor's chip.
    Integrated,
    /// A part of another machine's GPU.
    Virtual,
    /// The processor, pretending.
    Software,
    /// The driver does not say.
    Other,
}

impl AdapterKind {
    /// Whether there is a GPU behind it, as far as the driver says.
    pub fn is_hardware(self) -> bool {
        self != Self::Software
    }
}

impl fmt::Display for AdapterKind {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            Self::Discrete => "discrete GPU",
            Self::Integrated => "integrated GPU",
            Self::Virtual => "virtual GPU",
            Self::Software => "software",
            Self::Other => "other",
        })
    }
}
