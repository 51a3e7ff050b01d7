//! Queries per second of EquiRouter in training and prediction: `cargo bench --bench heads`.
//!
//! A measurement of training is one epoch of four gradient steps, with drawing the initial weights.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use ndarray::Array2;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use routelab_heads::equirouter::{EquiRouterConfig, FittedEquiRouter};
use routelab_heads::objective::Pairwise;
use routelab_heads::{Backend, Examples, Fit, Objective, TrainConfig};

/// Candidate models, dimension of the embeddings, width of the representations and the hidden layers.
const SIZES: [(usize, usize, usize); 3] = [(4, 64, 64), (11, 384, 512), (33, 768, 512)];

fn benchmark(criterion: &mut Criterion) {
    let backend = Backend::default();
    for (models, dimension, width) in SIZES {
        let rows = 512;
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        let mut matrix =
            |columns| Array2::from_shape_simple_fn((rows, columns), || rng.random::<f32>());
        let (x, quality, cost) = (matrix(dimension), matrix(models), matrix(models));
        let config = EquiRouterConfig {
            trunk_hidden: vec![2 * width, width],
            width,
            head_hidden: vec![width],
            ..EquiRouterConfig::default()
        };
        let objective = Objective::Pairwise(Pairwise::default());
        let examples = Examples {
            x: x.view(),
            quality: quality.view(),
            cost: cost.view(),
            measured: None,
        };
        let training = TrainConfig {
            epochs: 1,
            batch_size: 128,
            learning_rate: 1e-4,
        };
        let train = || {
            let fit = Fit {
                backend: &backend,
                seed: 0,
                progress: &|_| {},
            };
            FittedEquiRouter::fit_on(&examples, &config, &objective, &training, &fit)
                .expect("random data can be fitted")
        };
        let fitted = train();

        let mut group = criterion.benchmark_group("equirouter");
        group
            .sample_size(10)
            .throughput(Throughput::Elements(rows as u64));
        let size = format!("{models} models, {dimension} to {width}");
        group.bench_function(BenchmarkId::new("train", &size), |b| b.iter(train));
        group.bench_function(BenchmarkId::new("predict", &size), |b| {
            b.iter(|| fitted.predict(x.view()))
        });
        group.finish();
    }
}

criterion_group!(benches, benchmark);
criterion_main!(benches);
