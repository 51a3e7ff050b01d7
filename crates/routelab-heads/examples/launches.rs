//! Kernels that one training step of EquiRouter launches on a device of CubeCL, by name, and those of a search for nearest neighbours.
//!
//! `cargo run --release --features wgpu --example launches -- [backend] [rows of a step] [models] [dimension]`
#![allow(clippy::print_stdout, reason = "an example prints as it likes")]

use std::collections::BTreeMap;

use ndarray::Array2;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use routelab_heads::backend::Launches;
use routelab_heads::equirouter::{EquiRouterConfig, FittedEquiRouter};
use routelab_heads::neighbours::PointsOnCard;
use routelab_heads::objective::Pairwise;
use routelab_heads::{Backend, Examples, Fit, Objective, TrainConfig};

fn main() {
    let given: Vec<String> = std::env::args().skip(1).collect();
    let number = |index: usize, default: usize| {
        given.get(index).map_or(default, |value| {
            value.parse().expect("sizes are whole numbers")
        })
    };
    let name = given.first().map_or("wgpu", String::as_str);
    let backend = Backend::from_name(name).expect("a backend");
    let (rows, models, dimension) = (number(1, 128), number(2, 11), number(3, 384));
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let mut matrix =
        |columns| Array2::from_shape_simple_fn((rows, columns), || rng.random::<f32>());
    let (x, quality, cost) = (matrix(dimension), matrix(models), matrix(models));
    let examples = Examples {
        x: x.view(),
        quality: quality.view(),
        cost: cost.view(),
        measured: None,
    };
    let fit = |epochs: usize| {
        let training = TrainConfig {
            epochs,
            batch_size: rows,
            learning_rate: 1e-4,
        };
        let objective = Objective::Pairwise(Pairwise::default());
        let fit = Fit {
            backend: &backend,
            seed: 0,
            progress: &|_| {},
        };
        let config = EquiRouterConfig::default();
        FittedEquiRouter::fit_on(&examples, &config, &objective, &training, &fit).expect("a fit")
    };
    // Compiles, and chooses the variants.
    fit(4);
    let counted = |epochs| {
        let launches = Launches::new();
        fit(epochs);
        launches.by_name()
    };
    let (few, more) = (counted(2), counted(12));
    let mut steps = BTreeMap::new();
    for (name, count) in more {
        let before = few.get(name).copied().unwrap_or_default();
        *steps.entry(short(name)).or_default() += (count as f64 - before as f64) / 10.0;
    }
    print(&format!("a step on {backend}"), steps);

    // The rows, each searched for among all.
    if let Some(points) = PointsOnCard::new(x.view(), &backend) {
        let search = || points.nearest(x.view(), 30, <[_]>::len).expect("a search");
        search();
        let launches = Launches::new();
        search();
        let mut search = BTreeMap::new();
        for (name, count) in launches.by_name() {
            *search.entry(short(name)).or_default() += count as f64;
        }
        print("a search for neighbours", search);
    }
}

/// The name of a kernel without its types and modules.
fn short(name: &str) -> &str {
    let name = name.split('<').next().unwrap_or(name);
    name.rsplit("::").next().unwrap_or(name)
}

fn print(what: &str, kernels: BTreeMap<&str, f64>) {
    let total: f64 = kernels.values().sum();
    println!("{total} kernels {what}");
    for (name, count) in kernels {
        println!("{count:8.1}  {name}");
    }
}
