//! RouteLLM's similarity-weighted ranking (Ong et al. 2024, arXiv 2406.18665).

use std::sync::Arc;

use ndarray::{Array2, ArrayView1, ArrayView2, Axis};
use rayon::prelude::*;
use routelab_data::Embeddings;
use routelab_eval::Scores;
use routelab_heads::ranges::above_zero;
use serde::{Deserialize, Serialize};

use crate::cost::CostNetwork;
use crate::space::space;
use crate::{
    Archive, Context, FitResult, FittedRouter, Loader, Router, RouterError, SearchSpace,
    TrainingSet, Values, check_dimension, to_f64,
};

/// Queries weighted at a time, so that memory stays bounded.
const BLOCK: usize = 128;

/// Fits, for every query, a Bradley–Terry model to the comparisons of all pairs of models on all training queries, each
/// weighted by `exp(cos / temperature)` of the two queries; equal qualities are half a win for each. `q̂` is a model's mean
/// probability to win against the others; costs come from the shared cost network.
///
/// No iteration is needed: since every training query compares every pair, the maximum-likelihood probabilities of a model
/// add up to its weighted wins, so their mean is the weighted share of wins. That holds in the limit as well where a model
/// always wins and its coefficient is infinite.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RouteLlmSw {
    /// Difference in cosine over which the weight of a training query falls by `e`, above 0.
    pub temperature: f64,
}

impl Default for RouteLlmSw {
    fn default() -> Self {
        Self { temperature: 0.07 }
    }
}

impl Router for RouteLlmSw {
    fn kind(&self) -> &'static str {
        "routellm-sw"
    }

    fn description(&self) -> &'static str {
        "Bradley–Terry on comparisons weighted by similarity"
    }

    fn validate(&self) -> Result<(), String> {
        above_zero("temperature", self.temperature)
    }

    fn search_space(&self) -> SearchSpace {
        space([("temperature", Values::log(0.01, 1.0))])
    }

    fn fit_checked(&self, train: &TrainingSet, context: &Context) -> FitResult {
        let mut wins = Array2::zeros(train.quality().dim());
        for (mut wins, quality) in wins.outer_iter_mut().zip(train.quality().outer_iter()) {
            wins.assign(&shares_of_wins(quality));
        }
        Ok(Box::new(FittedSimilarity {
            temperature: self.temperature,
            directions: directions(train.x()),
            wins,
            cost: context.cost.get(train, context)?,
        }))
    }

    fn load(archive: &Archive, loader: &Loader) -> FitResult {
        let directions = archive.matrix_with("directions", None, None)?;
        Ok(Box::new(FittedSimilarity {
            temperature: archive.get("temperature")?,
            wins: archive.matrix_with("wins", Some(directions.nrows()), None)?,
            directions,
            cost: CostNetwork::load(archive, loader)?,
        }))
    }
}

/// For every model the share of the others that it beats, ties counting half; 1/2 without others.
fn shares_of_wins(quality: ArrayView1<f64>) -> ndarray::Array1<f64> {
    let others = quality.len() as f64 - 1.0;
    quality.mapv(|own| {
        if others == 0.0 {
            return 0.5;
        }
        let wins: f64 = (quality.iter())
            .map(|&other| {
                if own > other {
                    1.0
                } else if own == other {
                    0.5
                } else {
                    0.0
                }
            })
            .sum();
        // A model ties with itself.
        (wins - 0.5) / others
    })
}

/// Rows scaled to length 1; a row of zeros stays, and is equally similar to everything.
fn directions(x: ArrayView2<f32>) -> Array2<f64> {
    let mut x = to_f64(x);
    for mut row in x.outer_iter_mut() {
        let length = row.dot(&row).sqrt();
        if length > 0.0 {
            row /= length;
        }
    }
    x
}

struct FittedSimilarity {
    temperature: f64,
    /// Training queries of length 1, `[training queries, dimension]`.
    directions: Array2<f64>,
    /// Shares of wins, `[training queries, models]`.
    wins: Array2<f64>,
    cost: Arc<CostNetwork>,
}

impl FittedRouter for FittedSimilarity {
    fn predict(&self, queries: &Embeddings) -> Result<Scores, RouterError> {
        check_dimension(self.directions.ncols(), queries)?;
        let directions = directions(queries.values());
        let mut quality = Array2::zeros((queries.len(), self.wins.ncols()));
        let blocks: Vec<_> = (directions.axis_chunks_iter(Axis(0), BLOCK))
            .zip(quality.axis_chunks_iter_mut(Axis(0), BLOCK))
            .collect();
        blocks.into_par_iter().for_each(|(queries, mut quality)| {
            let mut weights = queries.dot(&self.directions.t()); // cosines, [block, training queries]
            for mut row in weights.outer_iter_mut() {
                let largest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                row.mapv_inplace(|cosine| ((cosine - largest) / self.temperature).exp());
                let total = row.sum();
                row /= total;
            }
            quality.assign(&weights.dot(&self.wins));
        });
        Ok(Scores::new(quality, self.cost.predict(queries)?)?)
    }

    fn save(&self, archive: &mut Archive) -> Result<(), RouterError> {
        archive.put("temperature", &self.temperature);
        archive.put_matrix("directions", &self.directions);
        archive.put_matrix("wins", &self.wins);
        self.cost.save(archive)
    }
}
