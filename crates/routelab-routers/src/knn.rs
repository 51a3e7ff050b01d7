//! k nearest neighbours.

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis};
use rayon::prelude::*;
use routelab_data::Embeddings;
use routelab_eval::Scores;
use routelab_heads::Backend;
use serde::{Deserialize, Serialize};

use crate::{
    Archive, Context, FittedRouter, Router, RouterError, TrainingSet, check_dimension, to_f32,
    to_f64,
};

/// Queries whose distances are computed as one matrix product.
const BLOCK: usize = 128;

/// Below this share of the two squared norms a squared distance is computed again by differences: the matrix product
/// loses its digits to cancellation there, and an exact match must be exactly zero.
const CANCELLATION: f32 = 1e-4;

/// Predicts the mean quality and cost of the `k` nearest training queries (Euclidean distance), each weighted by
/// `1 / (distance + epsilon)`, so that an exact match takes all the weight.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Knn {
    /// Neighbours, at least 1; all training queries if there are fewer.
    pub k: usize,
    /// Added to distances, above 0.
    pub epsilon: f64,
}

impl Default for Knn {
    fn default() -> Self {
        Self {
            k: 300,
            epsilon: 1e-8,
        }
    }
}

impl Router for Knn {
    fn kind(&self) -> &'static str {
        "knn"
    }

    fn validate(&self) -> Result<(), String> {
        if self.k == 0 {
            return Err("`k` must be at least 1".into());
        }
        if !(self.epsilon > 0.0 && self.epsilon.is_finite()) {
            return Err(format!(
                "`epsilon` must be a number above 0, not {}",
                self.epsilon
            ));
        }
        Ok(())
    }

    fn fit(&self, train: &TrainingSet, _: &Context) -> Result<Box<dyn FittedRouter>, RouterError> {
        let x = train.x().to_owned();
        Ok(Box::new(FittedKnn {
            config: *self,
            norms: squared_norms(x.view()),
            x,
            quality: train.quality().to_owned(),
            cost: train.cost().to_owned(),
        }))
    }
}

struct FittedKnn {
    config: Knn,
    x: Array2<f32>,
    norms: Array1<f32>,
    quality: Array2<f64>,
    cost: Array2<f64>,
}

impl FittedRouter for FittedKnn {
    fn predict(&self, queries: &Embeddings) -> Result<Scores, RouterError> {
        check_dimension(self.x.ncols(), queries)?;
        let models = self.quality.ncols();
        let mut quality = Array2::zeros((queries.len(), models));
        let mut cost = Array2::zeros((queries.len(), models));
        let outputs: Vec<_> = quality
            .axis_chunks_iter_mut(Axis(0), BLOCK)
            .zip(cost.axis_chunks_iter_mut(Axis(0), BLOCK))
            .collect();
        let inputs: Vec<_> = queries
            .values()
            .axis_chunks_iter(Axis(0), BLOCK)
            .map(|x| x.to_owned())
            .collect();
        inputs
            .par_iter()
            .zip(outputs)
            .for_each(|(x, (mut quality, mut cost))| {
                let products = x.dot(&self.x.t()); // [block, training queries]
                let norms = squared_norms(x.view());
                for (row, products) in products.outer_iter().enumerate() {
                    let neighbours = self.neighbours(x.row(row), norms[row], products);
                    let total: f64 = neighbours.iter().map(|&(weight, _)| weight).sum();
                    for (weight, training) in neighbours {
                        let share = weight / total;
                        quality
                            .row_mut(row)
                            .scaled_add(share, &self.quality.row(training));
                        cost.row_mut(row)
                            .scaled_add(share, &self.cost.row(training));
                    }
                }
            });
        Ok(Scores::new(quality, cost)?)
    }

    fn save(&self, archive: &mut Archive) -> Result<(), RouterError> {
        archive.put("config", &self.config);
        archive.put_matrix("x", &to_f64(self.x.view()));
        archive.put_matrix("quality", &self.quality);
        archive.put_matrix("cost", &self.cost);
        Ok(())
    }
}

impl FittedKnn {
    /// Weights and rows of the nearest training queries, in the order of the rows.
    fn neighbours(
        &self,
        x: ArrayView1<f32>,
        norm: f32,
        products: ArrayView1<f32>,
    ) -> Vec<(f64, usize)> {
        let mut squared: Vec<(f32, usize)> = products
            .iter()
            .zip(&self.norms)
            .enumerate()
            .map(|(row, (product, other))| {
                let mut distance = norm + other - 2.0 * product;
                if distance < CANCELLATION * (norm + other) {
                    distance = x
                        .iter()
                        .zip(self.x.row(row))
                        .map(|(a, b)| (a - b) * (a - b))
                        .sum();
                }
                (distance, row)
            })
            .collect();
        let k = self.config.k.min(squared.len());
        // Equal distances go to the earlier row, so the selection does not depend on the algorithm.
        if k < squared.len() {
            squared.select_nth_unstable_by(k, |a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        }
        squared.truncate(k);
        squared.sort_unstable_by_key(|&(_, row)| row);
        squared
            .into_iter()
            .map(|(distance, row)| {
                (
                    1.0 / (f64::from(distance).sqrt() + self.config.epsilon),
                    row,
                )
            })
            .collect()
    }
}

fn squared_norms(x: ArrayView2<f32>) -> Array1<f32> {
    x.outer_iter().map(|row| row.dot(&row)).collect()
}

pub(crate) fn load(archive: &Archive, _: &Backend) -> Result<Box<dyn FittedRouter>, RouterError> {
    let x = to_f32(archive.matrix("x")?.view());
    Ok(Box::new(FittedKnn {
        config: archive.get("config")?,
        norms: squared_norms(x.view()),
        x,
        quality: archive.matrix("quality")?,
        cost: archive.matrix("cost")?,
    }))
}
