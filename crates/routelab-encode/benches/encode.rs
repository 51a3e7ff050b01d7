//! Queries per second of the encoders: `cargo bench --bench encode`. Texts are prompts of the RouterBench slice, images are
//! random.
//!
//! MiniLM needs its weights (`python3 scripts/get-minilm.py`) and is left out without them. CLIP's vision tower has random
//! weights and two of the twelve layers of ViT-B/32.

use std::fs;
use std::path::Path;

use burn::tensor::Device;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use ndarray::Array4;
use routelab_data::{DataSpec, load};
use routelab_encode::{ClipVision, Encoder, HashedConfig, HashedNgrams, MiniLm, Query};
use safetensors::{Dtype, serialize_to_file, tensor::TensorView};

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

/// Images per measurement.
const IMAGES: [usize; 3] = [1, 4, 16];

const CLIP_LAYERS: usize = 2;

/// Writes the vision tower of ViT-B/32, cut after two layers, with made-up weights.
fn write_clip(folder: &Path) {
    let config = format!(r#"{{"vision_config": {{"num_hidden_layers": {CLIP_LAYERS}}}}}"#);
    fs::write(folder.join("config.json"), config).expect("a file");
    let mut shapes: Vec<(String, Vec<usize>)> = [
        ("embeddings.class_embedding", vec![768]),
        ("embeddings.patch_embedding.weight", vec![768, 3, 32, 32]),
        ("embeddings.position_embedding.weight", vec![50, 768]),
        ("pre_layrnorm.weight", vec![768]),
        ("pre_layrnorm.bias", vec![768]),
        ("post_layernorm.weight", vec![768]),
        ("post_layernorm.bias", vec![768]),
    ]
    .map(|(name, shape)| (format!("vision_model.{name}"), shape))
    .into();
    shapes.push(("visual_projection.weight".into(), vec![512, 768]));
    for layer in 0..CLIP_LAYERS {
        for (part, inputs, outputs) in [
            ("self_attn.q_proj", 768, 768),
            ("self_attn.k_proj", 768, 768),
            ("self_attn.v_proj", 768, 768),
            ("self_attn.out_proj", 768, 768),
            ("mlp.fc1", 768, 3072),
            ("mlp.fc2", 3072, 768),
            ("layer_norm1", 0, 768),
            ("layer_norm2", 0, 768),
        ] {
            let name = format!("vision_model.encoder.layers.{layer}.{part}");
            let weight = [outputs, inputs].into_iter().filter(|&size| size > 0);
            shapes.push((format!("{name}.weight"), weight.collect()));
            shapes.push((format!("{name}.bias"), vec![outputs]));
        }
    }
    let values: Vec<Vec<u8>> = (shapes.iter())
        .map(|(_, shape)| {
            let count = shape.iter().product::<usize>();
            let value = |i: usize| (i * 7919 % 1000) as f32 / 20_000.0 - 0.025;
            (0..count).flat_map(|i| value(i).to_le_bytes()).collect()
        })
        .collect();
    let tensors = (shapes.iter().zip(&values)).map(|((name, shape), values)| {
        let view = TensorView::new(Dtype::F32, shape.clone(), values);
        (name, view.expect("as many values as the shape says"))
    });
    serialize_to_file(tensors, None, &folder.join("model.safetensors")).expect("a file");
}

fn clip(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    write_clip(folder.path());
    let tower = ClipVision::load(folder.path(), &Device::flex()).expect("sound weights");
    let mut group = criterion.benchmark_group("clip");
    group.sample_size(10);
    for count in IMAGES {
        let shape = (count, 3, 224, 224);
        let pixels = Array4::from_shape_fn(shape, |(i, c, y, x)| {
            ((i * 131 + c * 71 + y * 31 + x * 17) % 255) as f32 / 127.5 - 1.0
        });
        group.throughput(Throughput::Elements(count as u64));
        group.bench_function(BenchmarkId::new("flex", count), |b| {
            b.iter(|| tower.features(pixels.view()))
        });
    }
    group.finish();
}

criterion_group!(benches, benchmark, clip);
criterion_main!(benches);
