//! Fits EquiRouter on random data and predicts, timed: the twin of `scripts/bench_pytorch.py`. Prints one line of JSON.
//!
//! `cargo run --release --example bench_equirouter -- [rows] [models] [dimension] [batch] [steps] [threads] [backend]`
#![allow(clippy::print_stdout, reason = "an example prints as it likes")]

use std::time::Instant;

use ndarray::Array2;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use routelab_heads::backend::peak_memory;
use routelab_heads::equirouter::{EquiRouterConfig, FittedEquiRouter};
use routelab_heads::objective::Pairwise;
use routelab_heads::{Backend, Examples, Fit, Objective, TrainConfig};
use serde_json::json;

fn main() {
    let given: Vec<String> = std::env::args().skip(1).collect();
    let number = |index: usize, default: usize| {
        given.get(index).map_or(default, |value| {
            value.parse().expect("arguments are whole numbers")
        })
    };
    let (rows, models, dimension) = (number(0, 2048), number(1, 11), number(2, 384));
    let (batch_size, steps) = (number(3, 128), number(4, 32));
    let backend = given
        .get(6)
        .map_or_else(Backend::default, |name| Backend::from_name(name).unwrap());

    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let mut matrix =
        |columns| Array2::from_shape_simple_fn((rows, columns), || rng.random::<f32>());
    let (x, quality, cost) = (matrix(dimension), matrix(models), matrix(models));
    let objective = Objective::Pairwise(Pairwise::default());
    let examples = Examples {
        x: x.view(),
        quality: quality.view(),
        cost: cost.view(),
        measured: None,
    };
    let training = TrainConfig {
        epochs: (steps * batch_size).div_ceil(rows),
        batch_size,
        learning_rate: 1e-4,
    };
    let fit = Fit {
        backend: &backend,
        seed: 0,
        progress: &|_| {},
    };
    let config = EquiRouterConfig::default();
    let start_mib = peak_mib();

    let begin = (Instant::now(), cpu_seconds());
    let fitted = FittedEquiRouter::fit_on(&examples, &config, &objective, &training, &fit).unwrap();
    let fit_s = (begin.0.elapsed().as_secs_f64(), cpu_seconds() - begin.1);
    let fit_mib = peak_mib();

    let begin = (Instant::now(), cpu_seconds());
    fitted.predict(x.view()).unwrap();
    let predict_s = (begin.0.elapsed().as_secs_f64(), cpu_seconds() - begin.1);
    println!(
        "{}",
        json!({
            "fit_s": fit_s.0, "fit_cpu_s": fit_s.1,
            "predict_s": predict_s.0, "predict_cpu_s": predict_s.1,
            "start_mib": start_mib, "fit_mib": fit_mib, "peak_mib": peak_mib(),
        })
    );
}

/// The processor time of all threads so far (Linux).
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("Linux");
    let fields: Vec<&str> = stat[stat.rfind(')').unwrap() + 2..].split(' ').collect();
    let ticks: f64 = fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap();
    ticks / 100.0
}

/// The largest resident memory so far (Linux).
fn peak_mib() -> f64 {
    peak_memory().expect("Linux") as f64 / f64::from(1 << 20)
}
