//! One fitted router of every kind.

use std::path::Path;

use ndarray::Array2;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use routelab_data::{CostUnit, Embeddings, RoutingTable, RoutingTableParts};
use routelab_heads::Backend;
use routelab_routers::{Context, CostConfig, Registry, SharedCost, TrainingSet};

/// A table of three models in which the right one depends on the query, and its embeddings.
pub fn data(seed: u64, rows: usize) -> (RoutingTable, Embeddings) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let names = |what: &str, count| {
        (0..count)
            .map(|i| format!("{what} {i}"))
            .collect::<Vec<_>>()
    };
    let x = Array2::from_shape_fn((rows, 6), |(row, axis)| {
        f32::from(u8::from(axis == row % 2)) + 0.1 * rng.random::<f32>()
    });
    let quality = Array2::from_shape_fn((rows, 3), |(row, model)| match model {
        2 => f64::from(u8::from(row % 4 < 2)),
        model => f64::from(u8::from(row % 2 == model)),
    });
    let cost = Array2::from_shape_fn((rows, 3), |(_, model)| {
        [1.0, 1.5, 9.0][model] + 0.1 * rng.random::<f64>()
    });
    let table = RoutingTable::new(RoutingTableParts {
        name: "fuzz".into(),
        models: names("model", 3),
        ids: names("query", rows),
        prompts: names("prompt", rows),
        tasks: vec!["task".into(); rows],
        images: Vec::new(),
        groups: None,
        quality,
        cost,
        cost_unit: CostUnit::recorded("US dollars"),
    });
    (
        table.expect("a sound table"),
        Embeddings::new(x, "fuzz").expect("finite numbers"),
    )
}

/// Small networks: what is looked at is how they are read.
fn settings(kind: &str) -> &'static str {
    match kind {
        "mlp" => "hidden = [6]\nepochs = 2",
        "mlp-mf" => "rank = 2\nhidden = [6]\nepochs = 2",
        "equirouter" => {
            "trunk_hidden = [6]\nwidth = 4\nmodel_embedding = 3\nhead_hidden = [5]\nepochs = 2"
        }
        "routerdc" => "hidden = [6]\nwidth = 4\ntop = 1\nclusters = 2\nepochs = 2",
        "hybridllm" => "hidden = [6]\nepochs = 2",
        "embedllm" | "routellm-mf" | "mirt" => "epochs = 2",
        "nirt" => "hidden = 6\nepochs = 2",
        "graphrouter" => "hidden = 6\nepochs = 2",
        "rm-softmax" | "rm-interval" => "hidden = [6]\nepochs = 2",
        _ => "",
    }
}

/// Fits every kind and writes it below `folder`.
pub fn fit_all(folder: &Path) {
    let (table, embeddings) = data(1, 24);
    let backend = Backend::from_name("flex").expect("it is always there");
    let cost = SharedCost::new(CostConfig {
        rank: 2,
        hidden: vec![4],
        epochs: 2,
        ..CostConfig::default()
    });
    let context = Context {
        prices: true,
        seed: 1,
        backend: &backend,
        cost: &cost,
        progress: &|_| {},
    };
    let train = TrainingSet::new(&embeddings, &table).expect("one embedding per query");
    for info in Registry::default().routers() {
        let settings = toml::from_str(settings(info.kind)).expect("sound settings");
        let router = Registry::default()
            .parse(info.kind, settings)
            .expect("sound settings")
            .router;
        let fitted = router
            .fit(&train, &context)
            .expect("the table can be learned");
        let archive = Registry::default()
            .save(info.kind, &*fitted)
            .expect("it can be stored");
        archive
            .write(&folder.join(info.kind))
            .expect("a temporary folder");
    }
}
