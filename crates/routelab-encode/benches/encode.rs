//! Queries per second of the encoders on prompts of the RouterBench slice: `cargo bench --bench encode`.
//!
//! MiniLM needs its weights (`python3 scripts/get-minilm.py`); without them only the encoders that need none are measured.

use std::path::Path;

use burn::tensor::Device;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use routelab_data::{DataSpec, load};
use routelab_encode::{Encoder, HashedConfig, HashedNgrams, MiniLm, Query};

/// Prompts per measurement, spread over the table so that every length occurs.
const PROMPTS: [usize; 3] = [1, 16, 64];

fn benchmark(criterion: &mut Criterion) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let spec = DataSpec::read(&root.join("datasets/routerbench-slice")).expect("the shipped data");
    let table = load(&spec).expect("the shipped data").table;
    let prompts: Vec<&str> = table.prompts().iter().map(String::as_str).collect();
    let hashed = HashedNgrams::fit(&prompts, &HashedConfig::default()).expect("valid settings");
    let mut encoders: Vec<(&str, Box<dyn Encoder>)> = vec![("hashed", Box::new(hashed))];
    let weights = root.join("models/all-MiniLM-L6-v2");
    if let Ok(minilm) = MiniLm::load(&weights, &Device::flex()) {
        encoders.push(("minilm flex", Box::new(minilm)));
    }
    #[cfg(feature = "ndarray")]
    #[allow(deprecated)]
    if let Ok(minilm) = MiniLm::load(&weights, &Device::ndarray()) {
        encoders.push(("minilm ndarray", Box::new(minilm)));
    }
    let mut group = criterion.benchmark_group("encode");
    group.sample_size(10);
    for count in PROMPTS {
        let spread = prompts.iter().step_by(prompts.len() / count).take(count);
        let queries: Vec<Query> = spread.map(|text| Query::text(text)).collect();
        group.throughput(Throughput::Elements(count as u64));
        for (name, encoder) in &encoders {
            group.bench_function(BenchmarkId::new(*name, count), |b| {
                b.iter(|| encoder.encode(&queries))
            });
        }
    }
    group.finish();
}

criterion_group!(benches, benchmark);
criterion_main!(benches);
