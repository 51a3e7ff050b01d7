//! Sweep, evaluation and bootstrap at three sizes: `cargo bench --bench evaluate`.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use ndarray::Array2;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use routelab_eval::bootstrap::REPLICATES;
use routelab_eval::{Budgets, EvaluationOptions, Rule, Scores, Sweep, Truth, evaluate, sweep};

const SIZES: [(usize, usize); 3] = [(500, 4), (2_520, 11), (36_000, 11)];

/// Binary qualities, costs over two orders of magnitude, and predictions that are the truth with noise.
fn data(queries: usize, models: usize) -> (Array2<f64>, Array2<f64>, Scores) {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let shape = (queries, models);
    let quality = Array2::from_shape_fn(shape, |(_, m)| {
        f64::from(rng.random_bool(0.3 + 0.6 * m as f64 / models as f64))
    });
    let cost = Array2::from_shape_fn(shape, |(_, m)| {
        100.0_f64.powf(m as f64 / models as f64) * rng.random_range(0.5..1.5)
    });
    let predicted = quality.mapv(|q| 0.5 * q + rng.random_range(0.0..1.0));
    let predicted_cost = cost.mapv(|c| c * rng.random_range(0.9..1.1));
    let scores = Scores::new(predicted, predicted_cost).expect("finite numbers");
    (quality, cost, scores)
}

fn benchmark(criterion: &mut Criterion) {
    let options = EvaluationOptions::default();
    for (queries, models) in SIZES {
        let (quality, cost, scores) = data(queries, models);
        let truth = Truth::new(quality.view(), cost.view()).expect("finite numbers");
        let budgets = Budgets::default().resolve(scores.cost.view());
        let size = format!("{queries}x{models}");
        let mut group = criterion.benchmark_group("routelab-eval");
        group.sample_size(10);
        group.bench_function(BenchmarkId::new("sweep", &size), |b| {
            b.iter(|| sweep(black_box(&truth), &scores, &budgets, &Rule::default()));
        });
        group.bench_function(BenchmarkId::new("evaluate", &size), |b| {
            b.iter(|| evaluate(black_box(&truth), &scores, &options));
        });
        if queries < 10_000 {
            group.bench_function(BenchmarkId::new("bootstrap", &size), |b| {
                b.iter(|| {
                    let sweep = Sweep::new(black_box(&truth), &scores, &options)?;
                    sweep.replicates(REPLICATES, 1, None)
                });
            });
        }
        group.finish();
    }
}

criterion_group!(benches, benchmark);
criterion_main!(benches);
