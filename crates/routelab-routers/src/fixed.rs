//! Policies that do not read the query: what a router has to beat.
//!
//! Each has one predicted quality and one predicted cost (the training mean) per model, so under a budget it takes its
//! favourite among the models that are affordable on average.

use std::collections::HashMap;

use ndarray::{Array2, ArrayView2};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use routelab_data::Embeddings;
use routelab_eval::Scores;
use serde::{Deserialize, Serialize};

use crate::{
    Archive, Context, FitResult, FittedRouter, Loader, Router, RouterError, TrainingSet,
    column_means,
};

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
    ($(#[$doc:meta])* $name:ident, $kind:literal, $description:literal, |$train:ident, $context:ident| $preference:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
        pub struct $name {}

        impl Router for $name {
            fn kind(&self) -> &'static str {
                $kind
            }

            fn description(&self) -> &'static str {
                $description
            }

            fn fit_checked(
                &self,
                $train: &TrainingSet,
                $context: &Context,
            ) -> FitResult {
                Ok(Box::new(FittedPolicy {
                    preference: $preference,
                    cost: mean($train, $train.cost()),
                }))
            }

            fn takes_mask(&self) -> bool {
                true
            }

            fn load(archive: &Archive, _: &Loader) -> FitResult {
                FittedPolicy::load(archive)
            }
        }
    };
}

policy!(
    /// A random model, uniformly among those within the budget. The draw belongs to the query, not to its place.
    Random, "random",
    "a random model of those within the budget",
    |train, context| Preference::Random(context.seed)
);
policy!(
    /// The model with the smallest mean cost.
    Cheapest, "cheapest",
    "always the model that is cheapest on average",
    |train, _context| Preference::Fixed(mean(train, train.cost()).iter().map(|cost| -cost).collect())
);
policy!(
    /// The model with the largest mean cost: what a collapsed router does.
    Strongest, "strongest",
    "the dearest model within the budget",
    |train, _context| Preference::Fixed(mean(train, train.cost()))
);
policy!(
    /// The model with the largest mean quality.
    BestSingle, "best-single",
    "the model that is best on average, within the budget",
    |train, _context| Preference::Fixed(mean(train, train.quality()))
);

/// Mean over the queries on which a model was measured, one per model.
fn mean(train: &TrainingSet, values: ArrayView2<f64>) -> Vec<f64> {
    column_means(values, train.measured()).to_vec()
}

#[derive(Serialize, Deserialize)]
struct FittedPolicy {
    preference: Preference,
    cost: Vec<f64>,
}

impl FittedPolicy {
    fn load(archive: &Archive) -> FitResult {
        let policy: FittedPolicy = archive.get("policy")?;
        match &policy.preference {
            Preference::Fixed(quality) if quality.len() != policy.cost.len() => {
                Err(archive.broken("policy", "has not one preference for every cost"))
            }
            Preference::Fixed(_) | Preference::Random(_) => Ok(Box::new(policy)),
        }
    }
}

impl FittedRouter for FittedPolicy {
    fn predict(&self, queries: &Embeddings) -> Result<Scores, RouterError> {
        let shape = (queries.len(), self.cost.len());
        let quality = match &self.preference {
            Preference::Fixed(quality) => Array2::from_shape_fn(shape, |(_, model)| quality[model]),
            Preference::Random(seed) => {
                let mut quality = Array2::zeros(shape);
                let mut seen: HashMap<u64, u64> = HashMap::new();
                for (mut row, x) in quality.outer_iter_mut().zip(queries.values().outer_iter()) {
                    let hash = hash(x.iter());
                    let repeats = seen.entry(hash).or_default();
                    let mut rng = ChaCha8Rng::seed_from_u64(*seed);
                    // Queries that an encoder cannot tell apart (a shared beginning, cut off) still differ.
                    rng.set_stream(hash.wrapping_add(*repeats));
                    *repeats += 1;
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

/// FNV-1a over the bits of an embedding: the draw belongs to the query, whatever stands before it.
fn hash<'a>(x: impl Iterator<Item = &'a f32>) -> u64 {
    x.flat_map(|value| value.to_bits().to_le_bytes())
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
        })
}
