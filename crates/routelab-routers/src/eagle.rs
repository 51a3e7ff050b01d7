//! Eagle (Zhao et al. 2024, arXiv 2409.15518): Elo ratings of the models over all training queries and over similar ones.

use std::sync::Arc;

use ndarray::{Array1, Array2, ArrayView1};
use routelab_data::Embeddings;
use routelab_eval::Scores;
use routelab_heads::neighbours::Neighbour;
use routelab_heads::ranges::{above_zero, at_least_one, share};
use serde::{Deserialize, Serialize};

use crate::cost::CostNetwork;
use crate::nearest::Points;
use crate::space::space;
use crate::{
    Archive, Context, FitResult, FittedRouter, Loader, Router, RouterError, SearchSpace,
    TrainingSet, Values, check_dimension, stack, to_f32, to_f64,
};

/// The difference in ratings at which the better one is expected to win ten times out of eleven.
const SCALE: f64 = 400.0;

/// Rates the models by Elo: every training query is a round in which each plays each other, the better quality wins and equal
/// ones draw. Ratings over all rounds are mixed with ratings that go on from them over the rounds of the nearest training
/// queries. `q̂` is the expected score of a model against the pool; costs come from the shared cost network.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Eagle {
    /// `K`: how far a rating moves in a round that is won against all expectation, above 0.
    pub k_factor: f64,
    /// Nearest training queries, at least 1; all if there are fewer.
    pub neighbours: usize,
    /// Share of the ratings over all queries in the mixture, in [0, 1].
    pub global: f64,
}

impl Default for Eagle {
    fn default() -> Self {
        Self {
            k_factor: 32.0,
            neighbours: 10,
            global: 0.5,
        }
    }
}

impl Router for Eagle {
    fn kind(&self) -> &'static str {
        "eagle"
    }

    fn description(&self) -> &'static str {
        "Elo ratings over all and over similar training queries"
    }

    fn validate(&self) -> Result<(), String> {
        above_zero("k_factor", self.k_factor)?;
        at_least_one("neighbours", self.neighbours)?;
        share("global", self.global)
    }

    fn search_space(&self) -> SearchSpace {
        space([
            ("k_factor", Values::numbers([8.0, 16.0, 32.0, 64.0])),
            ("neighbours", Values::integers([5, 10, 20, 50, 100])),
            ("global", Values::numbers([0.0, 0.25, 0.5, 0.75])),
        ])
    }

    fn fit_checked(&self, train: &TrainingSet, context: &Context) -> FitResult {
        let mut ratings = vec![0.0; train.models()];
        for quality in train.quality().outer_iter() {
            play(&mut ratings, quality, self.k_factor);
        }
        Ok(Box::new(FittedRatings {
            config: *self,
            ratings,
            points: Points::on(context.backend, train.x().to_owned()),
            quality: train.quality().to_owned(),
            cost: context.cost.get(train, context)?,
        }))
    }

    fn load(archive: &Archive, loader: &Loader) -> FitResult {
        let x = archive.matrix_with("x", None, None)?;
        let ratings: Vec<f64> = archive.get("ratings")?;
        Ok(Box::new(FittedRatings {
            config: archive.get("config")?,
            quality: archive.matrix_with("quality", Some(x.nrows()), Some(ratings.len()))?,
            points: Points::on(loader.backend, to_f32(x.view())),
            ratings,
            cost: CostNetwork::load(archive, loader)?,
        }))
    }
}

/// The score that a rating expects against another, in (0, 1).
fn expected(rating: f64, other: f64) -> f64 {
    1.0 / (1.0 + 10.0_f64.powf((other - rating) / SCALE))
}

/// One round: all pairs play at once, so that the order of the models does not matter. The `M - 1` games of a model share the
/// factor, or a pool of many models would forget all but the last rounds.
fn play(ratings: &mut [f64], quality: ArrayView1<f64>, k_factor: f64) {
    let before = ratings.to_vec();
    let games = before.len() as f64 - 1.0;
    for (model, rating) in ratings.iter_mut().enumerate() {
        let surprise: f64 = (0..before.len())
            .filter(|&other| other != model)
            .map(|other| {
                let score = match quality[model].total_cmp(&quality[other]) {
                    std::cmp::Ordering::Greater => 1.0,
                    std::cmp::Ordering::Equal => 0.5,
                    std::cmp::Ordering::Less => 0.0,
                };
                score - expected(before[model], before[other])
            })
            .sum();
        if games > 0.0 {
            *rating += k_factor * surprise / games;
        }
    }
}

struct FittedRatings {
    config: Eagle,
    /// Over all training queries, one per model.
    ratings: Vec<f64>,
    points: Points,
    quality: Array2<f64>,
    cost: Arc<CostNetwork>,
}

impl FittedRatings {
    /// Expected scores against the pool, from the nearest training queries.
    fn scores(&self, near: &[Neighbour]) -> Array1<f64> {
        let mut local = self.ratings.clone();
        // The last rounds weigh most, so the nearest query comes last.
        for neighbour in near.iter().rev() {
            let quality = self.quality.row(neighbour.point());
            play(&mut local, quality, self.config.k_factor);
        }
        let share = self.config.global;
        let mixed: Vec<f64> = (self.ratings.iter().zip(&local))
            .map(|(global, local)| share * global + (1.0 - share) * local)
            .collect();
        let score = |&rating: &f64| {
            mixed
                .iter()
                .map(|&other| expected(rating, other))
                .sum::<f64>()
        };
        mixed
            .iter()
            .map(|rating| score(rating) / mixed.len() as f64)
            .collect()
    }
}

impl FittedRouter for FittedRatings {
    fn predict(&self, queries: &Embeddings) -> Result<Scores, RouterError> {
        check_dimension(self.points.x().ncols(), queries)?;
        let near = self.config.neighbours;
        let rows = (self.points).nearest(queries.values(), near, |near| self.scores(near))?;
        let quality = stack(&rows, self.ratings.len());
        Ok(Scores::new(quality, self.cost.predict(queries)?)?)
    }

    fn save(&self, archive: &mut Archive) -> Result<(), RouterError> {
        archive.put("config", &self.config);
        archive.put("ratings", &self.ratings);
        archive.put_matrix("x", &to_f64(self.points.x().view()));
        archive.put_matrix("quality", &self.quality);
        self.cost.save(archive)
    }
}
