//! Cluster-wise means: Avengers (Zhang et al. 2025, arXiv 2505.19797) and Avengers-Pro (Zhang et al. 2025, arXiv 2508.12631).

use std::sync::Arc;

use ndarray::{Array1, Array2};
use routelab_data::Embeddings;
use routelab_eval::Scores;
use routelab_heads::ranges::at_least_one;
use serde::{Deserialize, Serialize};

use crate::cost::CostNetwork;
use crate::kmeans::Clustering;
use crate::nearest::Points;
use crate::space::space;
use crate::{
    Archive, Context, FitResult, FittedRouter, Loader, Router, RouterError, SearchSpace,
    TrainingSet, Values, check_dimension, stack, to_f32, to_f64,
};

/// Predicts, for every model, the mean quality and the mean cost of the training queries of a cluster, averaged over the
/// clusters nearest to the query. A model that was measured on no query of a cluster has its mean over all there.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct AvengersPro {
    /// Clusters, at least 1; one per distinct training query if there are fewer.
    pub clusters: usize,
    /// Nearest clusters to average over, at least 1; all if there are fewer.
    pub nearest: usize,
}

impl Default for AvengersPro {
    fn default() -> Self {
        Self {
            clusters: 200,
            nearest: 4,
        }
    }
}

/// Predicts, for every model, the mean quality of the training queries of the query's cluster; costs come from the shared
/// cost network. A model that was measured on no query of a cluster has its mean over all there.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Avengers {
    /// Clusters, at least 1; one per distinct training query if there are fewer.
    pub clusters: usize,
}

impl Default for Avengers {
    fn default() -> Self {
        Self { clusters: 300 }
    }
}

impl Router for AvengersPro {
    fn kind(&self) -> &'static str {
        "avengers-pro"
    }

    fn description(&self) -> &'static str {
        "mean quality and cost of the nearest clusters"
    }

    fn validate(&self) -> Result<(), String> {
        at_least_one("clusters", self.clusters)?;
        at_least_one("nearest", self.nearest)
    }

    fn takes_mask(&self) -> bool {
        true
    }

    fn search_space(&self) -> SearchSpace {
        space([
            ("clusters", Values::integers([5, 10, 20, 50, 100, 200])),
            ("nearest", Values::integers([1, 2, 4, 8])),
        ])
    }

    fn fit_checked(&self, train: &TrainingSet, context: &Context) -> FitResult {
        let clustering = Clustering::fit(train.x(), self.clusters, context.seed);
        let quality = clustering.measured_means(train.quality(), train.measured());
        let cost = Cost::OfClusters(clustering.measured_means(train.cost(), train.measured()));
        Ok(Box::new(FittedClusters {
            nearest: self.nearest,
            centroids: Points::on(context.backend, clustering.centroids),
            quality,
            cost,
        }))
    }

    fn load(archive: &Archive, loader: &Loader) -> FitResult {
        load(archive, loader, |clusters, models| {
            let values = archive.matrix_with("cost", Some(clusters), Some(models))?;
            Ok(Cost::OfClusters(values))
        })
    }
}

impl Router for Avengers {
    fn kind(&self) -> &'static str {
        "avengers"
    }

    fn description(&self) -> &'static str {
        "mean quality of the query's cluster"
    }

    fn validate(&self) -> Result<(), String> {
        at_least_one("clusters", self.clusters)
    }

    fn takes_mask(&self) -> bool {
        true
    }

    fn search_space(&self) -> SearchSpace {
        space([("clusters", Values::integers([5, 10, 20, 50, 100, 300]))])
    }

    fn fit_checked(&self, train: &TrainingSet, context: &Context) -> FitResult {
        let clustering = Clustering::fit(train.x(), self.clusters, context.seed);
        let quality = clustering.measured_means(train.quality(), train.measured());
        let cost = Cost::Network(context.cost.get(train, context)?);
        Ok(Box::new(FittedClusters {
            nearest: 1,
            centroids: Points::on(context.backend, clustering.centroids),
            quality,
            cost,
        }))
    }

    fn load(archive: &Archive, loader: &Loader) -> FitResult {
        load(archive, loader, |_, _| {
            Ok(Cost::Network(CostNetwork::load(archive, loader)?))
        })
    }
}

/// Where predicted costs come from.
enum Cost {
    /// Mean costs `[clusters, models]`.
    OfClusters(Array2<f64>),
    Network(Arc<CostNetwork>),
}

struct FittedClusters {
    nearest: usize,
    centroids: Points,
    /// Mean quality `[clusters, models]`.
    quality: Array2<f64>,
    cost: Cost,
}

impl FittedRouter for FittedClusters {
    fn predict(&self, queries: &Embeddings) -> Result<Scores, RouterError> {
        check_dimension(self.centroids.x().ncols(), queries)?;
        let clusters: Vec<Vec<usize>> =
            (self.centroids).nearest(queries.values(), self.nearest, |near| {
                near.iter().map(|cluster| cluster.point()).collect()
            })?;
        let average = |values: &Array2<f64>| {
            let rows: Vec<Array1<f64>> = (clusters.iter())
                .map(|clusters| {
                    let mut row = Array1::zeros(values.ncols());
                    for &cluster in clusters {
                        row += &values.row(cluster);
                    }
                    row / clusters.len() as f64
                })
                .collect();
            stack(&rows, values.ncols())
        };
        let cost = match &self.cost {
            Cost::OfClusters(values) => average(values),
            Cost::Network(network) => network.predict(queries)?,
        };
        Ok(Scores::new(average(&self.quality), cost)?)
    }

    fn save(&self, archive: &mut Archive) -> Result<(), RouterError> {
        archive.put("nearest", &self.nearest);
        archive.put_matrix("centroids", &to_f64(self.centroids.x().view()));
        archive.put_matrix("quality", &self.quality);
        match &self.cost {
            Cost::OfClusters(values) => archive.put_matrix("cost", values),
            Cost::Network(network) => network.save(archive)?,
        }
        Ok(())
    }
}

fn load(
    archive: &Archive,
    loader: &Loader,
    cost: impl FnOnce(usize, usize) -> Result<Cost, RouterError>,
) -> FitResult {
    let centroids = archive.matrix_with("centroids", None, None)?;
    let quality = archive.matrix_with("quality", Some(centroids.nrows()), None)?;
    Ok(Box::new(FittedClusters {
        nearest: archive.get("nearest")?,
        cost: cost(centroids.nrows(), quality.ncols())?,
        centroids: Points::on(loader.backend, to_f32(centroids.view())),
        quality,
    }))
}
