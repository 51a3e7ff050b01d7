//! Policies that do not read the query: what a router has to beat.
//!
//! Each has one predicted quality and one predicted cost (the training mean) per model, so under a budget it takes its
//! favourite among the models that are affordable on average.

use ndarray::{Array2, Axis};
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use routelab_data::Embeddings;
use routelab_eval::Scores;
use routelab_heads::Backend;
use serde::{Deserialize, Serialize};

use crate::{Archive, Context, FittedRouter, Router, RouterError, TrainingSet};

/// What a policy prefers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Preference {
    /// One preference per model, the same for every query.
    Fixed(Vec<f64>),
    /// Drawn for every query from this seed.
    Random(u64),
}

macro_rules! policy {
    ($(#[$doc:meta])* $name:ident, $kind:literal, |$train:ident, $context:ident| $preference:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct $name {}

        impl Router for $name {
            fn kind(&self) -> &'static str {
                $kind
            }

            fn fit(
                &self,
                $train: &TrainingSet,
                $context: &Context,
            ) -> Result<Box<dyn FittedRouter>, RouterError> {
                Ok(Box::new(FittedPolicy {
                    preference: $preference,
                    cost: mean($train.cost()),
                }))
            }
        }
    };
}

policy!(
    /// A random model, uniformly among those within the budget. The draw belongs to the query, not to its place.
    Random, "random", |train, context| Preference::Random(context.seed)
);
policy!(
    /// The model with the smallest mean cost.
    Cheapest, "cheapest", |train, _context| Preference::Fixed(mean(train.cost()).iter().map(|cost| -cost).collect())
);
policy!(
    /// The model with the largest mean cost: what a collapsed router does.
    Strongest, "strongest", |train, _context| Preference::Fixed(mean(train.cost()))
);
policy!(
    /// The model with the largest mean quality.
    BestSingle, "best-single", |train, _context| Preference::Fixed(mean(train.quality()))
);

/// Mean over the queries, one per model.
fn mean(values: ndarray::ArrayView2<f64>) -> Vec<f64> {
    let mean = values
        .mean_axis(Axis(0))
        .expect("a table has at least one query");
    mean.to_vec()
}

#[derive(Serialize, Deserialize)]
struct FittedPolicy {
    preference: Preference,
    cost: Vec<f64>,
}

impl FittedRouter for FittedPolicy {
    fn predict(&self, queries: &Embeddings) -> Result<Scores, RouterError> {
        let shape = (queries.len(), self.cost.len());
        let quality = match &self.preference {
            Preference::Fixed(quality) => Array2::from_shape_fn(shape, |(_, model)| quality[model]),
            Preference::Random(seed) => {
                let mut quality = Array2::zeros(shape);
                for (mut row, x) in quality.outer_iter_mut().zip(queries.values().outer_iter()) {
                    let mut rng = query_rng(*seed, x.iter());
                    row.mapv_inplace(|_: f64| rng.random::<f64>());
                }
                quality
            }
        };
        let cost = Array2::from_shape_fn(shape, |(_, model)| self.cost[model]);
        Ok(Scores::new(quality, cost)?)
    }

    fn save(&self, archive: &mut Archive) -> Result<(), RouterError> {
        archive.put("policy", self);
        Ok(())
    }
}

/// A generator that depends on the seed and on the query alone, so that order and batches do not matter.
fn query_rng<'a>(seed: u64, x: impl Iterator<Item = &'a f32>) -> impl Rng {
    // FNV-1a over the bits of the embedding.
    let hash = x
        .flat_map(|value| value.to_bits().to_le_bytes())
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
        });
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(hash);
    rng
}

pub(crate) fn load(archive: &Archive, _: &Backend) -> Result<Box<dyn FittedRouter>, RouterError> {
    Ok(Box::new(archive.get::<FittedPolicy>("policy")?))
}
