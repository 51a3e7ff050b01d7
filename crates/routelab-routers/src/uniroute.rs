//! UniRoute (Jitkrittum et al. 2025, arXiv 2502.08773): a model is the vector of its errors on clusters of queries.

use std::sync::Arc;

use ndarray::{Array1, Array2};
use routelab_data::Embeddings;
use routelab_eval::Scores;
use routelab_heads::ranges::{above_zero, at_least_one};
use serde::{Deserialize, Serialize};

use crate::cost::CostNetwork;
use crate::kmeans::Clustering;
use crate::nearest::Points;
use crate::space::space;
use crate::{
    Archive, Context, FitResult, FittedRouter, Loader, Router, RouterError, SearchSpace,
    TrainingSet, Values, check_dimension, stack, to_f32, to_f64,
};

/// Predicts `q̂ = 1 - Φ(x) · Ψ_m`: `Ψ_m` holds the mean error `1 - q` of model `m` on every cluster of training queries, `Φ(x)` is
/// the soft assignment of the query to the clusters, `exp(-|x - μ_k|² / (temperature · s²))` scaled to sum 1, where `s²` is the mean
/// squared distance of training queries to their centroids. Costs come from the shared cost network.
///
/// A model that was measured on no query of a cluster has its mean error over all there.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct UniRoute {
    /// Clusters, at least 1; one per distinct training query if there are fewer.
    pub clusters: usize,
    /// Softness of the assignment, above 0.
    pub temperature: f64,
}

impl Default for UniRoute {
    fn default() -> Self {
        Self {
            clusters: 50,
            temperature: 0.2,
        }
    }
}

impl Router for UniRoute {
    fn kind(&self) -> &'static str {
        "uniroute"
    }

    fn description(&self) -> &'static str {
        "errors of a model per cluster, queries assigned softly"
    }

    fn validate(&self) -> Result<(), String> {
        at_least_one("clusters", self.clusters)?;
        above_zero("temperature", self.temperature)
    }

    fn takes_mask(&self) -> bool {
        true
    }

    fn search_space(&self) -> SearchSpace {
        space([
            ("clusters", Values::integers([5, 10, 20, 50, 100])),
            ("temperature", Values::log(0.01, 1.0)),
        ])
    }

    fn fit_checked(&self, train: &TrainingSet, context: &Context) -> FitResult {
        let clustering = Clustering::fit(train.x(), self.clusters, context.seed);
        let spread = (clustering.squared_distances.iter())
            .map(|&distance| f64::from(distance))
            .sum::<f64>()
            / train.x().nrows() as f64;
        Ok(Box::new(FittedAssignment {
            errors: clustering
                .measured_means(train.quality(), train.measured())
                .mapv(|quality| 1.0 - quality),
            width: self.temperature * spread,
            centroids: Points::new(clustering.centroids),
            cost: context.cost.get(train, context)?,
        }))
    }

    fn load(archive: &Archive, loader: &Loader) -> FitResult {
        let centroids = archive.matrix_with("centroids", None, None)?;
        Ok(Box::new(FittedAssignment {
            errors: archive.matrix_with("errors", Some(centroids.nrows()), None)?,
            centroids: Points::new(to_f32(centroids.view())),
            width: archive.get("width")?,
            cost: CostNetwork::load(archive, loader)?,
        }))
    }
}

struct FittedAssignment {
    centroids: Points,
    /// Squared distance over which the assignment to a cluster fades by `e`; 0 gives all to the nearest.
    width: f64,
    /// `Ψ`, `[clusters, models]`.
    errors: Array2<f64>,
    cost: Arc<CostNetwork>,
}

impl FittedAssignment {
    /// `Φ(x)` from the squared distances to the centroids.
    fn assignment(&self, squared: &[f32]) -> Array1<f64> {
        let smallest = squared.iter().copied().fold(f32::INFINITY, f32::min);
        let mut assignment: Array1<f64> = (squared.iter())
            .map(|&distance| {
                let beyond = f64::from(distance - smallest);
                // Without spread the quotient of two zeros is not a number.
                if beyond == 0.0 {
                    1.0
                } else {
                    (-beyond / self.width).exp()
                }
            })
            .collect();
        assignment /= assignment.sum();
        assignment
    }
}

impl FittedRouter for FittedAssignment {
    fn predict(&self, queries: &Embeddings) -> Result<Scores, RouterError> {
        check_dimension(self.centroids.x().ncols(), queries)?;
        let rows = self.centroids.map(queries.values(), |squared| {
            1.0 - self.assignment(squared).dot(&self.errors)
        });
        let quality = stack(&rows, self.errors.ncols());
        Ok(Scores::new(quality, self.cost.predict(queries)?)?)
    }

    fn save(&self, archive: &mut Archive) -> Result<(), RouterError> {
        archive.put("width", &self.width);
        archive.put_matrix("centroids", &to_f64(self.centroids.x().view()));
        archive.put_matrix("errors", &self.errors);
        self.cost.save(archive)
    }
}
