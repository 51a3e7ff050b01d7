//! Queries per second of loading tables at three sizes, from CSV and from Parquet, of selecting half of their rows, and of loading
//! pickles of pandas, which pandas has to write first: `cargo bench --bench tables`, after
//! `python3 crates/routelab-data/tests/fixtures/make_pickles.py target/pickles 1000 10000 50000` for the pickles.
#![allow(clippy::print_stdout, reason = "a benchmark prints as it likes")]

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use routelab_data::{DataSpec, load, write_parquet};

/// Queries and candidate models.
const SIZES: [(usize, usize); 3] = [(1_000, 4), (10_000, 11), (50_000, 33)];

fn benchmark(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (queries, models) in SIZES {
        let csv = folder.path().join(format!("{queries}.csv"));
        let mut file = BufWriter::new(File::create(&csv).expect("a file"));
        let mut header = "sample_id,prompt,eval_name".to_owned();
        (0..models).for_each(|m| header += &format!(",model {m},model {m}|total_cost"));
        writeln!(file, "{header}").expect("a line");
        for query in 0..queries {
            let mut line = format!("q{query},What is {query} times {query}?,sums");
            for m in 0..models {
                line += &format!(
                    ",{},{}",
                    (query * 7 + m) % 2,
                    1e-5 * (m + query % 9 + 1) as f64
                );
            }
            writeln!(file, "{line}").expect("a line");
        }
        file.flush().expect("the whole file");
        let table = load(&DataSpec::new("routerbench", &csv)).expect("a sound table");
        let parquet = folder.path().join(format!("{queries}.parquet"));
        write_parquet(&table.table, &parquet).expect("the same table");

        let mut group = criterion.benchmark_group("tables");
        group
            .sample_size(10)
            .throughput(Throughput::Elements(queries as u64));
        let size = format!("{queries} queries, {models} models");
        for (name, format, path) in [
            ("csv", "routerbench", &csv),
            ("parquet", "routelab", &parquet),
        ] {
            let spec = DataSpec::new(format, path);
            group.bench_function(BenchmarkId::new(name, &size), |b| {
                b.iter(|| load(&spec).map(drop))
            });
        }
        let every_second: Vec<usize> = (0..queries).step_by(2).collect();
        group.bench_function(BenchmarkId::new("select every second query", &size), |b| {
            b.iter(|| table.table.select(&every_second))
        });
        group.finish();
    }
}

/// Long tables as RouterBench publishes them: a row for each query and model.
fn pickles(criterion: &mut Criterion) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/pickles");
    let mut group = criterion.benchmark_group("pickles");
    group.sample_size(10);
    for (queries, _) in SIZES {
        let path = folder.join(format!("{queries}.pkl"));
        if !path.exists() {
            println!("left out: no {}", path.display());
            continue;
        }
        let spec = DataSpec::new("routerbench", &path);
        group.throughput(Throughput::Elements(queries as u64));
        group.bench_function(BenchmarkId::new("queries of 11 models", queries), |b| {
            b.iter(|| load(&spec).map(drop))
        });
    }
    group.finish();
}

criterion_group!(benches, benchmark, pickles);
criterion_main!(benches);
