//! Time, arithmetic and memory of a piece of work.

use std::fs;
use std::hint::black_box;
use std::time::Instant;

use ndarray::Array2;
use rayon::prelude::*;
use routelab_heads::backend::{BACKENDS, DEFAULT, Launches, Place, peak_memory};
use routelab_heads::{Backend, BackendInfo};
use routelab_kernels::{Threads, product};
use serde::Serialize;

use crate::failure::Outcome;

/// What one stage took.
#[derive(Serialize)]
pub struct Measured {
    /// Name of the stage.
    pub stage: &'static str,
    /// Where it ran: a backend, or `processor`, which is where all runs that is neither a network nor a search on a graphics card.
    pub on: String,
    /// Seconds of a run before the measured ones that compiles kernels, where there is one; of a fit, its first epoch.
    pub warm_up: Option<f64>,
    /// Wall clock, seconds; the median of the runs.
    pub seconds: f64,
    /// Processor time of all threads, seconds, the mean of the runs; `None` where the system does not say.
    pub cpu_seconds: Option<f64>,
    /// How often it ran.
    pub runs: usize,
    /// Rows (queries, prompts) that went through it; an epoch counts each once.
    pub rows: usize,
    /// `rows / seconds`.
    pub rows_per_second: f64,
    /// Gradient steps, for fits of networks.
    pub steps: Option<usize>,
    /// Counted multiplications and additions of its matrix products per second, 1e9; `None` if they are not what it does.
    pub gflops: Option<f64>,
    /// `gflops` as a share of the peak of the machine's matrix products; `None` if another device did them.
    pub share_of_peak: Option<f64>,
    /// Kernels that one run told a graphics card to run; `None` on backends that launch none.
    pub kernels: Option<usize>,
    /// Largest resident memory of the process while it ran, MiB; `None` where the system does not say.
    pub peak_mib: Option<f64>,
}

/// The amount of work in a stage.
#[derive(Default)]
pub struct Work {
    /// Rows that go through it.
    pub rows: usize,
    /// Gradient steps.
    pub steps: Option<usize>,
    /// Multiplications and additions of its matrix products.
    pub operations: Option<f64>,
}

/// Where a stage runs.
pub struct On<'a> {
    /// The backend of a network, or of a search on a graphics card; `None` for what runs on the processor itself.
    pub backend: Option<&'a Backend>,
    /// That of [`peak_gflops`].
    pub peak: f64,
}

impl On<'_> {
    fn name(&self) -> String {
        self.backend
            .map_or_else(|| "processor".into(), Backend::identity)
    }

    /// What can be reached there, as far as it is known.
    fn peak(&self) -> Option<f64> {
        let elsewhere = |info: &&BackendInfo| info.place != Place::Processor;
        let backend = self.backend.map(Backend::name);
        let elsewhere = BACKENDS
            .iter()
            .filter(elsewhere)
            .any(|info| backend == Some(info.name));
        (!elsewhere).then_some(self.peak)
    }

    /// Runs `f` once, not measured as the stage, on a backend that may compile; its seconds.
    pub fn warm_up<R>(&self, f: impl FnOnce() -> Outcome<R>) -> Outcome<Option<f64>> {
        if self.backend.is_none_or(|backend| backend.name() == DEFAULT) {
            return Ok(None);
        }
        let start = Instant::now();
        f()?;
        Ok(Some(start.elapsed().as_secs_f64()))
    }
}

/// Short stages are repeated until they have taken as many seconds in all, or as often: what they take alone is mostly memory
/// that was never touched before and threads that have to wake up.
const REPEAT_SECONDS: f64 = 1.0;
const REPEAT_TIMES: usize = 25;

/// Runs `f` and measures it: medians if it is short enough to be repeated.
pub fn measure<R>(
    stage: &'static str,
    work: Work,
    on: &On,
    mut f: impl FnMut() -> R,
) -> (R, Measured) {
    let resettable = fs::write("/proc/self/clear_refs", "5").is_ok();
    let (start, cpu) = (Instant::now(), cpu_seconds());
    let launches = on.backend.map(|_| Launches::new());
    let count = || launches.as_ref().map_or(0, Launches::count);
    let mut times = Vec::new();
    let (result, kernels) = loop {
        let before = count();
        let once = Instant::now();
        let result = f();
        times.push(once.elapsed().as_secs_f64());
        let kernels = count() - before;
        let enough = start.elapsed().as_secs_f64() >= REPEAT_SECONDS;
        if enough || times.len() == REPEAT_TIMES {
            break (result, kernels);
        }
    };
    let cpu_seconds = cpu.zip(cpu_seconds());
    let cpu_seconds = cpu_seconds.map(|(before, after)| (after - before) / times.len() as f64);
    times.sort_by(f64::total_cmp);
    let seconds = f64::midpoint(times[times.len() / 2], times[(times.len() - 1) / 2]);
    let gflops = work.operations.map(|operations| operations / seconds / 1e9);
    let measured = Measured {
        stage,
        on: on.name(),
        warm_up: None,
        seconds,
        cpu_seconds,
        runs: times.len(),
        rows: work.rows,
        rows_per_second: work.rows as f64 / seconds,
        steps: work.steps,
        gflops,
        share_of_peak: gflops.zip(on.peak()).map(|(gflops, peak)| gflops / peak),
        kernels: (kernels > 0).then_some(kernels),
        peak_mib: peak_memory()
            .filter(|_| resettable)
            .map(|bytes| bytes as f64 / f64::from(1 << 20)),
    };
    (result, measured)
}

/// [`measure`], after a run that is not counted where a backend may compile. The first error ends it.
pub fn measure_warm<R>(
    stage: &'static str,
    work: Work,
    on: &On,
    f: impl Fn() -> Outcome<R>,
) -> Outcome<(R, Measured)> {
    let warm_up = on.warm_up(&f)?;
    let (result, measured) = measure(stage, work, on, f);
    let measured = Measured {
        warm_up,
        ..measured
    };
    Ok((result?, measured))
}

/// The most that matrix products of single precision reach on all threads of this machine, in 1e9 multiplications and additions
/// per second: the best of several products `[512, 512] x [512, 512]`, one per thread.
pub fn peak_gflops() -> f64 {
    let width = 512;
    let values = Array2::from_shape_fn((width, width), |(i, j)| ((i + j) % 13) as f32 / 6.0 - 1.0);
    let tasks = 4 * rayon::current_num_threads();
    let once = || {
        let start = Instant::now();
        (0..tasks).into_par_iter().for_each(|_| {
            let mut out = Array2::zeros((width, width));
            product(values.view(), values.view(), out.view_mut(), Threads::One);
            black_box(out);
        });
        (2 * tasks * width.pow(3)) as f64 / start.elapsed().as_secs_f64() / 1e9
    };
    (0..20).map(|_| once()).fold(0.0, f64::max)
}

/// The processor time of all threads so far (Linux; a hundredth of a second is its unit there).
fn cpu_seconds() -> Option<f64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    let fields: Vec<&str> = stat[stat.rfind(')')? + 2..].split(' ').collect();
    let ticks = |index: usize| fields.get(index)?.parse::<f64>().ok();
    Some((ticks(11)? + ticks(12)?) / 100.0)
}
