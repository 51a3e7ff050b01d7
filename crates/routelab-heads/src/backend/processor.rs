//! What the processor is.

use serde::Serialize;
use sysinfo::{Cpu, CpuRefreshKind, MemoryRefreshKind, RefreshKind, System};

/// The processor of this machine, as far as it is known.
#[derive(Clone, Debug, Serialize)]
pub struct Processor {
    /// Its name, where the system tells.
    pub name: Option<String>,
    /// Its architecture.
    pub architecture: &'static str,
    /// Threads that run at the same time, as many as this process may use.
    pub threads: usize,
    /// Main memory in bytes, where the system tells.
    pub memory: Option<u64>,
    /// The vector instructions that matter to matrix products, of those that it has.
    pub instructions: Vec<&'static str>,
}

impl Processor {
    /// That of this machine.
    pub fn here() -> Self {
        let system = System::new_with_specifics(
            RefreshKind::nothing()
                .with_cpu(CpuRefreshKind::nothing())
                .with_memory(MemoryRefreshKind::nothing().with_ram()),
        );
        let name = system.cpus().first().map(Cpu::brand);
        Self {
            name: name.filter(|name| !name.is_empty()).map(str::to_owned),
            architecture: std::env::consts::ARCH,
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            memory: Some(system.total_memory()).filter(|&bytes| bytes > 0),
            instructions: instructions(),
        }
    }
}

/// The largest memory that this process has held, in bytes (Linux; other systems do not tell).
pub fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(target_arch = "x86_64")]
fn instructions() -> Vec<&'static str> {
    let known = [
        ("SSE2", true),
        ("AVX", is_x86_feature_detected!("avx")),
        ("F16C", is_x86_feature_detected!("f16c")),
        ("FMA", is_x86_feature_detected!("fma")),
        ("AVX2", is_x86_feature_detected!("avx2")),
        ("AVX-512F", is_x86_feature_detected!("avx512f")),
        ("AVX-512 BF16", is_x86_feature_detected!("avx512bf16")),
    ];
    known
        .into_iter()
        .filter(|(_, there)| *there)
        .map(|(name, _)| name)
        .collect()
}

#[cfg(target_arch = "aarch64")]
fn instructions() -> Vec<&'static str> {
    let known = [
        ("NEON", true),
        ("FP16", std::arch::is_aarch64_feature_detected!("fp16")),
        ("BF16", std::arch::is_aarch64_feature_detected!("bf16")),
    ];
    known
        .into_iter()
        .filter(|(_, there)| *there)
        .map(|(name, _)| name)
        .collect()
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn instructions() -> Vec<&'static str> {
    Vec::new()
}
