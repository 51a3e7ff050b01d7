//! Queries per second of nearest neighbours and of the cost network at three sizes: `cargo bench --bench routers`.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use ndarray::Array2;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use routelab_data::{CostUnit, Embeddings, RoutingTable, RoutingTableParts};
use routelab_heads::Backend;
use routelab_routers::knn::Knn;
use routelab_routers::{Context, CostConfig, Router, SharedCost, TrainingSet};

/// Training queries, candidate models and dimension of the embeddings.
const SIZES: [(usize, usize, usize); 3] = [(500, 4, 64), (2_000, 11, 384), (7_299, 33, 768)];

/// Queries that are predicted.
const QUERIES: usize = 1_000;

fn table(queries: usize, models: usize, rng: &mut ChaCha8Rng) -> RoutingTable {
    let names = |what: &str, count: usize| (0..count).map(|i| format!("{what} {i}")).collect();
    let mut matrix = || Array2::from_shape_simple_fn((queries, models), || rng.random::<f64>());
    RoutingTable::new(RoutingTableParts {
        name: "random".into(),
        models: names("model", models),
        ids: names("query", queries),
        prompts: names("prompt", queries),
        tasks: vec!["task".into(); queries],
        images: Vec::new(),
        groups: None,
        quality: matrix(),
        cost: matrix(),
        cost_unit: CostUnit::recorded("US dollars"),
    })
    .expect("the parts belong together")
}

fn benchmark(criterion: &mut Criterion) {
    let backend = Backend::default();
    for (train, models, dimension) in SIZES {
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        let table = table(train, models, &mut rng);
        let mut embeddings = |rows| {
            let values = Array2::from_shape_simple_fn((rows, dimension), || rng.random::<f32>());
            Embeddings::new(values, "random").expect("random numbers are finite")
        };
        let (x, queries) = (embeddings(train), embeddings(QUERIES));
        let train_set = TrainingSet::new(&x, &table).expect("one embedding per query");
        let one_epoch = || CostConfig {
            epochs: 1,
            ..CostConfig::default()
        };
        let shared = SharedCost::new(one_epoch());
        let context = Context {
            prices: true,
            seed: 0,
            backend: &backend,
            cost: &shared,
            progress: &|_| {},
        };
        let knn = Knn::default().fit(&train_set, &context);
        let knn = knn.expect("kNN has nothing to fail at");
        let size = format!("{train} queries, {models} models, {dimension} numbers");

        let mut group = criterion.benchmark_group("routers");
        group
            .sample_size(10)
            .throughput(Throughput::Elements(QUERIES as u64));
        group.bench_function(BenchmarkId::new("knn predict", &size), |b| {
            b.iter(|| knn.predict(&queries))
        });
        group.throughput(Throughput::Elements(train as u64));
        group.bench_function(BenchmarkId::new("cost network, an epoch", &size), |b| {
            b.iter(|| {
                let shared = SharedCost::new(one_epoch());
                shared
                    .get(
                        &train_set,
                        &Context {
                            cost: &shared,
                            ..context
                        },
                    )
                    .map(drop)
            })
        });
        group.finish();
    }
}

criterion_group!(benches, benchmark);
criterion_main!(benches);
