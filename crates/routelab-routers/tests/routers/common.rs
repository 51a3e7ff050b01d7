//! Small tables and short ways to fit.

use std::path::Path;

use ndarray::{Array1, Array2, Axis, concatenate};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use routelab_data::{CostUnit, Embeddings, RoutingTable, RoutingTableParts};
use routelab_eval::{Rule, Scores, choose};
use routelab_heads::Backend;
use routelab_routers::{
    Context, CostConfig, FitResult, FittedRouter, Registry, SharedCost, TrainingSet,
};
use serde::Deserialize;

/// Queries with their embeddings.
pub struct Data {
    pub embeddings: Embeddings,
    pub table: RoutingTable,
}

impl Data {
    pub fn new(x: Array2<f32>, quality: Array2<f64>, cost: Array2<f64>) -> Self {
        let (rows, models) = quality.dim();
        let names = |what: &str, count: usize| -> Vec<String> {
            (0..count).map(|i| format!("{what} {i}")).collect()
        };
        let table = RoutingTable::new(RoutingTableParts {
            name: "constructed".into(),
            models: names("model", models),
            ids: names("query", rows),
            prompts: names("prompt", rows),
            tasks: vec!["task".into(); rows],
            images: Vec::new(),
            groups: None,
            quality,
            cost,
            cost_unit: CostUnit::recorded("US dollars"),
        });
        Self {
            embeddings: queries(x),
            table: table.unwrap(),
        }
    }

    /// The same queries with the models in another order.
    pub fn with_models(&self, order: &[usize]) -> Self {
        Self::new(
            self.embeddings.values().to_owned(),
            self.table.quality().select(Axis(1), order),
            self.table.cost().select(Axis(1), order),
        )
    }
}

pub fn queries(x: Array2<f32>) -> Embeddings {
    Embeddings::new(x, "constructed").unwrap()
}

pub fn registry() -> Registry {
    Registry::default()
}

pub fn backend() -> Backend {
    Backend::from_name("flex").unwrap()
}

/// A cost network that is fitted in no time.
pub fn cost_config() -> CostConfig {
    CostConfig {
        rank: 4,
        hidden: vec![16],
        epochs: 60,
        batch_size: 32,
        learning_rate: 1e-2,
        ..CostConfig::default()
    }
}

/// Fits a router; `settings` is TOML.
pub fn try_fit(kind: &str, settings: &str, data: &Data, seed: u64) -> FitResult {
    let backend = backend();
    let cost = SharedCost::new(cost_config());
    let context = Context {
        prices: true,
        seed,
        backend: &backend,
        cost: &cost,
        progress: &|_| {},
    };
    let router = registry()
        .parse(kind, toml::from_str(settings).unwrap())?
        .router;
    router.fit(&TrainingSet::new(&data.embeddings, &data.table)?, &context)
}

#[track_caller]
pub fn fit(kind: &str, settings: &str, data: &Data) -> Box<dyn FittedRouter> {
    try_fit(kind, settings, data, 1).unwrap_or_else(|error| panic!("{kind}: {error}"))
}

#[track_caller]
pub fn predict(kind: &str, settings: &str, data: &Data, x: &Array2<f32>) -> Scores {
    fit(kind, settings, data)
        .predict(&queries(x.clone()))
        .unwrap()
}

/// Choices without a limit.
pub fn favourites(fitted: &dyn FittedRouter, embeddings: &Embeddings) -> Vec<usize> {
    let rule = Rule {
        decision: fitted.decision(),
        ..Rule::default()
    };
    choose(&fitted.predict(embeddings).unwrap(), f64::INFINITY, &rule)
}

/// Two well separated clusters, in turn. Model 0 answers every query of the first and none of the second, model 1 the other
/// way round; model 2 is dear and right half of the time. So the right choice is the query's cluster, and never model 2.
pub fn clusters(rows: usize, seed: u64) -> Data {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut noise = |scale: f64| (rng.random::<f64>() - 0.5) * scale;
    let x = Array2::from_shape_fn((rows, 6), |(row, axis)| {
        (f64::from(u8::from(axis == row % 2)) + noise(0.2)) as f32
    });
    let quality = Array2::from_shape_fn((rows, 3), |(row, model)| match model {
        2 => f64::from(u8::from(row % 4 < 2)),
        model => f64::from(u8::from(row % 2 == model)),
    });
    let cost = Array2::from_shape_fn((rows, 3), |(row, model)| {
        [1.0, 1.5, 9.0][model] + [0.0, 0.2][row % 2] + noise(0.1)
    });
    Data::new(x, quality, cost)
}

/// Settings with which a network learns the small tables of these tests; the others take their defaults.
pub fn settings_for(kind: &str) -> &'static str {
    match kind {
        "mlp" => "hidden = [32]\nbatch_size = 16\nlearning_rate = 3e-3",
        "mlp-mf" => "rank = 4\nhidden = [32]\nbatch_size = 16\nlearning_rate = 3e-3",
        "equirouter" => {
            "trunk_hidden = [32]\nwidth = 16\nmodel_embedding = 8\nhead_hidden = [16]\nbatch_size = 32\n\
             learning_rate = 1e-3\nepochs = 20"
        }
        "embedllm" => "learning_rate = 1e-2",
        "routellm-mf" => "learning_rate = 1e-2",
        "routerdc" => "hidden = [32]\nwidth = 16\ntop = 1\nclusters = 2\nlearning_rate = 1e-2",
        "hybridllm" => "hidden = [32]\nbatch_size = 32\nlearning_rate = 1e-2\nepochs = 40",
        "mirt" => "learning_rate = 2e-2\nepochs = 50",
        "nirt" => "hidden = 64\nlearning_rate = 2e-2\nepochs = 30",
        "graphrouter" => "hidden = 32\nbatch_size = 32\nlearning_rate = 3e-3\nepochs = 20",
        "rm-softmax" | "rm-interval" => "hidden = [32]\nlearning_rate = 1e-2",
        _ => "",
    }
}

/// Numbers that another program computed.
pub fn fixture<T: for<'a> Deserialize<'a>>(name: &str) -> T {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/{name}.json"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// A matrix as JSON has it.
#[derive(Deserialize)]
#[serde(transparent)]
pub struct Rows(Vec<Vec<f64>>);

impl Rows {
    pub fn matrix(&self) -> Array2<f64> {
        let rows: Vec<Array2<f64>> = (self.0.iter())
            .map(|row| Array1::from(row.clone()).insert_axis(Axis(0)))
            .collect();
        concatenate(
            Axis(0),
            &rows.iter().map(|row| row.view()).collect::<Vec<_>>(),
        )
        .unwrap()
    }

    pub fn single(&self) -> Array2<f32> {
        self.matrix().mapv(|value| value as f32)
    }
}

#[track_caller]
pub fn assert_close(found: &Array2<f64>, expected: &Array2<f64>, tolerance: f64) {
    assert_eq!(found.dim(), expected.dim());
    for (at, (found, expected)) in found
        .indexed_iter()
        .zip(expected)
        .map(|((at, f), e)| (at, (f, e)))
    {
        assert!(
            (found - expected).abs() <= tolerance,
            "{at:?}: {found}, expected {expected}"
        );
    }
}
