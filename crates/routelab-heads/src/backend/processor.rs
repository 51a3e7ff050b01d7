//! What the processor is.

use serde::Serialize;

/// The processor of this machine, as far as it is known.
#[derive(Clone, Debug, Serialize)]
pub struct Processor {
    /// Its name, where the system tells (Linux).
    pub name: Option<String>,
    /// Its architecture.
    pub architecture: &'static str,
    /// Threads that run at the same time, as many as this process may use.
    pub threads: usize,
    /// Main memory in bytes, where the system tells (Linux).
    pub memory: Option<u64>,
    /// The vector instructions that matter to matrix products, of those that it has.
    pub instructions: Vec<&'static str>,
}

impl Processor {
    /// That of this machine.
    pub fn here() -> Self {
        let field = |file: &str, key: &str| {
            let text = std::fs::read_to_string(file).ok()?;
            let line = text.lines().find(|line| line.starts_with(key))?;
            Some(line.split_once(':')?.1.trim().to_owned())
        };
        let kibibytes = |text: String| text.split(' ').next()?.parse::<u64>().ok();
        Self {
            name: field("/proc/cpuinfo", "model name"),
            architecture: std::env::consts::ARCH,
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            memory: field("/proc/meminfo", "MemTotal")
                .and_then(kibibytes)
                .map(|size| size * 1024),
            instructions: instructions(),
        }
    }
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
