//! The devices among which a backend chooses.

use std::fmt;

use serde::Serialize;

#[cfg(any(feature = "cuda", feature = "rocm", feature = "tch", feature = "wgpu"))]
use super::BackendError;
use super::Precision;

/// A device of a backend that can have several: a graphics adapter, real or in software, a card, or one of LibTorch's devices.
#[derive(Clone, Debug, Serialize)]
pub struct Adapter {
    /// Its number after the backend's name: `wgpu:0` is the first.
    pub index: usize,
    /// The name that its driver gives it.
    pub name: String,
    /// What it is.
    pub kind: AdapterKind,
    /// The API or library that reaches it.
    pub api: String,
    /// The driver and its version, as the driver puts it; on CUDA and ROCm what kernels are compiled for. Empty where nothing tells.
    pub driver: String,
    /// Bytes of memory that it computes in: its own, or the main memory that it shares. `None` where the driver does not tell;
    /// those of AMD and NVIDIA on Linux, CUDA and ROCm do.
    pub memory: Option<u64>,
    /// The largest buffer in bytes that a kernel can read, where the API sets a limit.
    pub largest_buffer: Option<u64>,
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
    /// The processor, as such.
    Processor,
    /// The driver does not say.
    Other,
}

impl AdapterKind {
    /// Whether there is a GPU behind it, as far as the driver says.
    pub fn is_hardware(self) -> bool {
        !matches!(self, Self::Software | Self::Processor)
    }
}

impl fmt::Display for AdapterKind {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            Self::Discrete => "discrete GPU",
            Self::Integrated => "integrated GPU",
            Self::Virtual => "virtual GPU",
            Self::Software => "software",
            Self::Processor => "processor",
            Self::Other => "other",
        })
    }
}

/// Which of the devices, each with its name and API, a number or a part of a name chooses.
///
/// # Errors
///
/// None of them, or several.
#[cfg(any(feature = "cuda", feature = "rocm", feature = "tch", feature = "wgpu"))]
pub(super) fn choose(
    backend: &'static str,
    wanted: &str,
    found: &[(&str, &str)],
) -> Result<usize, BackendError> {
    let lower = wanted.to_lowercase();
    let suits = |index: &usize| match wanted.parse::<usize>() {
        Ok(number) => *index == number,
        Err(_) => !wanted.is_empty() && found[*index].0.to_lowercase().contains(&lower),
    };
    let chosen: Vec<usize> = (0..found.len()).filter(suits).collect();
    if let [chosen] = chosen[..] {
        return Ok(chosen);
    }
    let lines = found.iter().enumerate();
    let lines = lines.map(|(index, (name, api))| format!("  {backend}:{index}  {name} ({api})"));
    Err(BackendError::Adapter {
        name: backend,
        wanted: wanted.to_owned(),
        found: if chosen.is_empty() {
            "no"
        } else {
            "more than one"
        },
        adapters: lines.collect::<Vec<_>>().join("\n"),
    })
}

#[cfg(all(
    test,
    any(feature = "cuda", feature = "rocm", feature = "tch", feature = "wgpu")
))]
mod tests {
    use super::*;

    #[test]
    fn devices_are_chosen_by_number_or_a_part_of_the_name() {
        let cards = [("NVIDIA H200", "CUDA"), ("NVIDIA A100", "CUDA")];
        let choose = |wanted| choose("cuda", wanted, &cards);
        for (wanted, index) in [("0", 0), ("1", 1), ("H200", 0), ("a100", 1)] {
            assert_eq!(choose(wanted).unwrap(), index, "{wanted}");
        }
        let refused = choose("nvidia").unwrap_err().to_string();
        assert!(
            refused.contains("more than one device `nvidia`"),
            "{refused}"
        );
        for wanted in ["2", "-1", "", "rtx"] {
            let refused = choose(wanted).unwrap_err().to_string();
            let said = [
                &format!("no device `{wanted}`"),
                "cuda:1  NVIDIA A100 (CUDA)",
            ];
            assert!(said.iter().all(|part| refused.contains(*part)), "{refused}");
        }
    }
}
