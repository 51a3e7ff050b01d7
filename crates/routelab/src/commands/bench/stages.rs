//! The stages that are measured, on random data of given sizes.

use std::cell::OnceCell;

use ndarray::{Array2, Array4, s};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use routelab_data::{CostUnit, Embeddings, RoutingTable, RoutingTableParts};
use routelab_encode::{ClipVision, Encoder, MiniLm, Query};
use routelab_eval::{
    Budgets, Decision, EvaluationOptions, Rule, Scores, Truth, evaluate, sweep_over,
};
use routelab_heads::equirouter::{EquiRouterConfig, FittedEquiRouter};
use routelab_heads::objective::Pairwise;
use routelab_heads::{Backend, Examples, Fit, Objective, TrainConfig};
use routelab_routers::knn::Knn;
use routelab_routers::prudent::Prudent;
use routelab_routers::{Context, CostConfig, Router, SharedCost, TrainingSet};

use super::measure::{Measured, On, Work, measure, measure_warm};
use crate::failure::{Failure, Outcome};

/// Sizes of the random data.
#[derive(Clone, Copy)]
pub struct Sizes {
    pub queries: usize,
    pub models: usize,
    pub dimension: usize,
    /// Queries that are trained on; the others are predicted.
    pub train: usize,
}

/// Random data, made when a stage asks for it, so that it does not count as memory of the other stages.
pub struct Data {
    sizes: Sizes,
    /// The queries that are trained on, and the others.
    train: Part,
    test: Part,
}

/// Some of the queries.
struct Part {
    rows: usize,
    sizes: Sizes,
    seed: u64,
    outcomes: OnceCell<[Array2<f64>; 2]>,
    table: OnceCell<RoutingTable>,
    embeddings: OnceCell<Embeddings>,
}

impl Part {
    fn new(rows: usize, sizes: Sizes, seed: u64) -> Self {
        Self {
            rows,
            sizes,
            seed,
            outcomes: OnceCell::new(),
            table: OnceCell::new(),
            embeddings: OnceCell::new(),
        }
    }

    /// Binary qualities and costs over two orders of magnitude, `[rows, models]`.
    fn outcomes(&self) -> &[Array2<f64>; 2] {
        self.outcomes.get_or_init(|| {
            let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
            let share = |model: usize| model as f64 / self.sizes.models as f64;
            let price = |model: usize| 100.0_f64.powf(share(model)) * 1e-4;
            let shape = (self.rows, self.sizes.models);
            let quality = Array2::from_shape_fn(shape, |(_, model)| {
                f64::from(rng.random_bool(0.3 + 0.6 * share(model)))
            });
            let cost = Array2::from_shape_fn(shape, |(_, model)| {
                price(model) * rng.random_range(0.5..1.5)
            });
            [quality, cost]
        })
    }

    fn table(&self) -> &RoutingTable {
        self.table.get_or_init(|| {
            let (rows, [quality, cost]) = (0..self.rows, self.outcomes());
            let models = 0..self.sizes.models;
            RoutingTable::new(RoutingTableParts {
                name: "random".into(),
                models: models.map(|model| format!("model-{model}")).collect(),
                ids: rows.clone().map(|row| format!("query-{row}")).collect(),
                prompts: rows.clone().map(|row| prompt(row % 32)).collect(),
                tasks: rows.map(|row| format!("task-{}", row % 8)).collect(),
                images: Vec::new(),
                groups: None,
                quality: quality.clone(),
                cost: cost.clone(),
                cost_unit: CostUnit::recorded("USD"),
            })
            .expect("the parts belong together")
        })
    }

    /// `[rows, dimension]`
    fn embeddings(&self) -> &Embeddings {
        self.embeddings.get_or_init(|| {
            let mut rng = ChaCha8Rng::seed_from_u64(self.seed + 100);
            let shape = (self.rows, self.sizes.dimension);
            let x = Array2::from_shape_simple_fn(shape, || rng.random::<f32>() - 0.5);
            Embeddings::new(x, "random").expect("random numbers are finite")
        })
    }
}

/// A made-up prompt of 8 to 207 words; `scripts/bench_compare.py` makes the same.
fn prompt(row: usize) -> String {
    const WORDS: [&str; 16] = [
        "the", "model", "answers", "a", "question", "about", "which", "price", "of", "water", "in",
        "seven", "cities", "is", "largest", "?",
    ];
    let words: Vec<&str> = (0..8 + row * 37 % 200)
        .map(|at| WORDS[(row * 7 + at * at) % WORDS.len()])
        .collect();
    words.join(" ")
}

impl Data {
    pub fn new(sizes: Sizes) -> Self {
        Self {
            sizes,
            train: Part::new(sizes.train, sizes, 0),
            test: Part::new(sizes.queries - sizes.train, sizes, 1),
        }
    }

    /// EquiRouter with its defaults: fit, then prediction.
    ///
    /// Counted per query, forwards: every layer of the trunk, and for every model two blocks of the head's first layer and the last
    /// layer. Backwards: twice that, without the gradient of the embeddings.
    pub fn equirouter(
        &self,
        epochs: usize,
        backend: &Backend,
        peak: f64,
    ) -> Outcome<Vec<Measured>> {
        let on = On {
            backend: Some(backend),
            peak,
        };
        let (sizes, config) = (self.sizes, EquiRouterConfig::default());
        let layers = |widths: &[usize]| -> usize { widths.windows(2).map(|w| w[0] * w[1]).sum() };
        let trunk = [
            &[sizes.dimension],
            &config.trunk_hidden[..],
            &[config.width],
        ]
        .concat();
        let head = [&[2 * config.width], &config.head_hidden[..], &[1]].concat();
        let forwards = layers(&trunk) + sizes.models * layers(&head);
        let both = 3 * forwards - trunk[0] * trunk[1];
        let training = TrainConfig {
            epochs,
            batch_size: 128,
            learning_rate: 1e-4,
        };
        let objective = Objective::Pairwise(Pairwise::default());
        let fit = Fit {
            backend,
            seed: 0,
            progress: &|_| {},
        };
        let (x, new) = (self.train.embeddings(), self.test.embeddings());
        let [quality, cost] = self.train.outcomes();
        let (quality, cost) = (quality.mapv(|q| q as f32), cost.mapv(|c| c as f32));
        let examples = Examples {
            x: x.values(),
            quality: quality.view(),
            cost: cost.view(),
            measured: None,
        };
        let rows = epochs * sizes.train;
        let work = Work {
            rows,
            steps: Some(epochs * sizes.train.div_ceil(training.batch_size)),
            operations: Some(2.0 * both as f64 * rows as f64),
        };
        let fitted = |training: &TrainConfig| {
            let fitted = FittedEquiRouter::fit_on(&examples, &config, &objective, training, &fit);
            fitted.map_err(Failure::failed)
        };
        let warm_up = on.warm_up(|| {
            fitted(&TrainConfig {
                epochs: 1,
                ..training
            })
        })?;
        let (fitted, fit) = measure("equirouter fit", work, &on, || fitted(&training));
        let (fitted, fit) = (fitted?, Measured { warm_up, ..fit });
        let work = Work {
            rows: new.len(),
            operations: Some(2.0 * forwards as f64 * new.len() as f64),
            ..Work::default()
        };
        let predicted = || fitted.predict(new.values()).map_err(Failure::failed);
        let (_, predict) = measure_warm("equirouter predict", work, &on, predicted)?;
        Ok(vec![fit, predict])
    }

    /// The cost network with its defaults: fit.
    ///
    /// Counted per query: every layer forwards, and twice that backwards.
    pub fn cost(&self, backend: &Backend, peak: f64) -> Outcome<Vec<Measured>> {
        let config = CostConfig::default();
        let widths = [
            &[self.sizes.dimension, config.rank],
            &config.hidden[..],
            &[self.sizes.models],
        ]
        .concat();
        let forwards: usize = widths.windows(2).map(|w| w[0] * w[1]).sum();
        let rows = config.epochs * self.sizes.train;
        let work = Work {
            rows,
            steps: Some(config.epochs * self.sizes.train.div_ceil(config.batch_size)),
            operations: Some(2.0 * (3 * forwards - widths[0] * widths[1]) as f64 * rows as f64),
        };
        let train = self.training()?;
        let fitted = |config: CostConfig| {
            let shared = SharedCost::new(config);
            let fitted = shared.get(&train, &context(backend, &shared));
            fitted.map(drop).map_err(Failure::failed)
        };
        let on = On {
            backend: Some(backend),
            peak,
        };
        let warm_up = on.warm_up(|| {
            fitted(CostConfig {
                epochs: 1,
                ..config.clone()
            })
        })?;
        let (fitted, measured) = measure("cost network fit", work, &on, || fitted(config.clone()));
        fitted?;
        Ok(vec![Measured {
            warm_up,
            ..measured
        }])
    }

    /// kNN with its defaults: fit, which stores the training queries, then prediction.
    ///
    /// Counted: the products of all queries with all training queries.
    pub fn knn(&self, backend: &Backend, peak: f64) -> Outcome<Vec<Measured>> {
        let products = self.test.rows * self.sizes.train * self.sizes.dimension;
        let operations = Some(2.0 * products as f64);
        let on = searched(backend, peak);
        self.router(
            &Knn::default(),
            ["knn fit", "knn predict"],
            operations,
            backend,
            &on,
        )
    }

    /// Prudent with its defaults: fit, with its held-out predictions, then prediction.
    pub fn prudent(&self, backend: &Backend, peak: f64) -> Outcome<Vec<Measured>> {
        let (stages, on) = (["prudent fit", "prudent predict"], searched(backend, peak));
        self.router(&Prudent::default(), stages, None, backend, &on)
    }

    /// A router's fit, then prediction, which takes so many `operations`.
    fn router(
        &self,
        router: &dyn Router,
        [fit, predict]: [&'static str; 2],
        operations: Option<f64>,
        backend: &Backend,
        on: &On,
    ) -> Outcome<Vec<Measured>> {
        let shared = SharedCost::new(CostConfig::default());
        let (train, new) = (self.training()?, self.test.embeddings());
        let fitted = || {
            let fitted = router.fit(&train, &context(backend, &shared));
            fitted.map_err(Failure::failed)
        };
        let work = Work {
            rows: self.sizes.train,
            ..Work::default()
        };
        let (fitted, fit) = measure_warm(fit, work, on, fitted)?;
        let predicted = || fitted.predict(new).map_err(Failure::failed);
        let work = Work {
            rows: new.len(),
            operations,
            ..Work::default()
        };
        let (_, predict) = measure_warm(predict, work, on, predicted)?;
        Ok(vec![fit, predict])
    }

    /// The sweep over 100 budgets for every decision, and all metrics, which include one.
    pub fn evaluation(&self, peak: f64) -> Outcome<Vec<Measured>> {
        let on = processor(peak);
        let [quality, cost] = self.test.outcomes();
        // Predictions that are the truth with noise, so that no router has to be fitted.
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        let predicted_quality = quality.mapv(|q| 0.5 * q + rng.random_range(0.0..1.0));
        let predicted_cost = cost.mapv(|c| c * rng.random_range(0.9..1.1));
        let scores = Scores::new(predicted_quality, predicted_cost).map_err(Failure::failed)?;
        let truth = Truth::new(quality.view(), cost.view()).map_err(Failure::failed)?;
        let work = || Work {
            rows: truth.queries(),
            ..Work::default()
        };
        let mut stages = Vec::new();
        for (name, decision) in [
            ("sweep", Decision::CAP),
            ("sweep, price", Decision::PRICE),
            ("sweep, cap+price", Decision::capped_price(2.0)),
        ] {
            let rule = Rule {
                decision,
                ..Rule::default()
            };
            let (points, measured) = measure(name, work(), &on, || {
                sweep_over(&truth, &scores, &Budgets::default(), &rule)
            });
            points.map_err(Failure::failed)?;
            stages.push(measured);
        }
        let (metrics, evaluated) = measure("metrics", work(), &on, || {
            evaluate(&truth, &scores, &EvaluationOptions::default())
        });
        metrics.map_err(Failure::failed)?;
        stages.push(evaluated);
        Ok(stages)
    }

    /// The table of the queries that are predicted, written to a Parquet file and loaded again.
    pub fn table(&self, peak: f64) -> Outcome<Vec<Measured>> {
        let on = processor(peak);
        let folder = tempfile::tempdir().map_err(Failure::failed)?;
        let path = folder.path().join("table.parquet");
        let table = self.test.table();
        let work = || Work {
            rows: table.len(),
            ..Work::default()
        };
        let (written, write) = measure("table write", work(), &on, || {
            routelab_data::write_parquet(table, &path)
        });
        written.map_err(Failure::failed)?;
        let spec = routelab_data::DataSpec::new("routelab", &path);
        let (loaded, load) = measure("table load", work(), &on, || routelab_data::load(&spec));
        loaded.map_err(Failure::failed)?;
        Ok(vec![write, load])
    }

    fn training(&self) -> Outcome<TrainingSet<'_>> {
        TrainingSet::new(self.train.embeddings(), self.train.table()).map_err(Failure::failed)
    }
}

/// `prompts` made-up prompts embedded with all-MiniLM-L6-v2, after a few to warm up.
pub fn minilm(encoder: &MiniLm, prompts: usize, on: &On) -> Outcome<Vec<Measured>> {
    let prompts: Vec<String> = (0..prompts).map(prompt).collect();
    let queries: Vec<Query> = prompts.iter().map(|text| Query::text(text)).collect();
    encoder
        .encode(&queries[..queries.len().min(2)])
        .map_err(Failure::failed)?;
    let work = Work {
        rows: prompts.len(),
        ..Work::default()
    };
    let encode = || encoder.encode(&queries).map_err(Failure::failed);
    let (_, measured) = measure_warm("minilm encode", work, on, encode)?;
    Ok(vec![measured])
}

/// `images` random images, preprocessed, through CLIP's vision tower, after one to warm up.
pub fn clip(encoder: &ClipVision, images: usize, on: &On) -> Outcome<Vec<Measured>> {
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let size = encoder.image_size();
    let shape = (images, 3, size, size);
    let pixels = Array4::from_shape_simple_fn(shape, || rng.random::<f32>() - 0.5);
    let first = pixels.slice(s![..1, .., .., ..]);
    encoder.features(first).map_err(Failure::failed)?;
    let work = Work {
        rows: images,
        ..Work::default()
    };
    let encode = || encoder.features(pixels.view()).map_err(Failure::failed);
    let (_, measured) = measure_warm("clip encode", work, on, encode)?;
    Ok(vec![measured])
}

/// Where nearest neighbours are searched: on the backend if that is a graphics card, else on the processor.
fn searched(backend: &Backend, peak: f64) -> On<'_> {
    On {
        backend: backend.is_card().then_some(backend),
        peak,
    }
}

/// What is neither a network nor a search on a graphics card runs on the processor, whatever the backend.
fn processor(peak: f64) -> On<'static> {
    On {
        backend: None,
        peak,
    }
}

fn context<'a>(backend: &'a Backend, cost: &'a SharedCost) -> Context<'a> {
    Context {
        prices: true,
        seed: 0,
        backend,
        cost,
        progress: &|_| {},
    }
}
