//! k nearest neighbours.

use ndarray::{Array2, ArrayView2, Axis, concatenate};
use routelab_data::Embeddings;
use routelab_eval::Scores;
use routelab_heads::neighbours::Neighbour;
use routelab_heads::ranges::{above_zero, at_least_one};
use routelab_kernels::vectorised;
use serde::{Deserialize, Serialize};

use crate::nearest::Points;
use crate::space::space;
use crate::{
    Archive, Context, FitResult, FittedRouter, Loader, Router, RouterError, SearchSpace,
    TrainingSet, Values, check_dimension, column_means, to_f32, to_f64,
};

/// What was measured, in an archive.
const MEASURED: &str = "measured";

/// Predicts the mean quality and cost of the `k` nearest training queries (Euclidean distance), each weighted by
/// `1 / (distance + epsilon)`, so that an exact match takes all the weight.
///
/// Of a model that was not measured on all of them, the mean over those of them on which it was, with the same weights; of one that
/// was on none of them, its mean over all training queries on which it was.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
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

    fn description(&self) -> &'static str {
        "inverse-distance mean over the nearest training queries"
    }

    fn validate(&self) -> Result<(), String> {
        at_least_one("k", self.k)?;
        above_zero("epsilon", self.epsilon)
    }

    fn takes_mask(&self) -> bool {
        true
    }

    fn search_space(&self) -> SearchSpace {
        space([("k", Values::integers([5, 10, 20, 50, 100, 200, 300]))])
    }

    fn fit_checked(&self, train: &TrainingSet, context: &Context) -> FitResult {
        Ok(Box::new(FittedKnn {
            config: *self,
            points: Points::on(context.backend, train.x().to_owned()),
            quality: train.quality().to_owned(),
            cost: train.cost().to_owned(),
            measured: train.measured().map(|measured| measured.to_owned()),
        }))
    }

    fn load(archive: &Archive, loader: &Loader) -> FitResult {
        let x = archive.matrix("x")?;
        let quality = archive.matrix_with("quality", Some(x.nrows()), None)?;
        let cost = archive.matrix_with("cost", Some(x.nrows()), Some(quality.ncols()))?;
        // Only where there were gaps.
        let measured = if archive.has(MEASURED) {
            let stored = archive.matrix_with(MEASURED, Some(x.nrows()), Some(quality.ncols()))?;
            let measured = stored.mapv(|value| value != 0.0);
            if (measured.axis_iter(Axis(1))).any(|column| column.iter().all(|measured| !measured)) {
                return Err(archive.broken(MEASURED, "has a model without any measurement"));
            }
            Some(measured)
        } else {
            None
        };
        Ok(Box::new(FittedKnn {
            config: archive.get("config")?,
            points: Points::on(loader.backend, to_f32(x.view())),
            quality,
            cost,
            measured,
        }))
    }
}

struct FittedKnn {
    config: Knn,
    points: Points,
    quality: Array2<f64>,
    cost: Array2<f64>,
    /// What was measured; `None` where everything was.
    measured: Option<Array2<bool>>,
}

impl FittedKnn {
    #[inline(always)]
    fn weight(&self, neighbour: Neighbour) -> f64 {
        1.0 / (f64::from(neighbour.squared_distance()).sqrt() + self.config.epsilon)
    }

    /// `[queries, 2 · models]`, where some models were measured on some training queries only.
    fn predict_measured(
        &self,
        queries: &Embeddings,
        mask: ArrayView2<bool>,
    ) -> Result<Vec<Vec<f64>>, RouterError> {
        let models = self.quality.ncols();
        let means = |values: &Array2<f64>| column_means(values.view(), Some(mask));
        let (quality, cost) = (means(&self.quality), means(&self.cost));
        let k = self.config.k;
        self.points.nearest(queries.values(), k, |near| {
            let mut weighted = vec![0.0; 2 * models];
            let mut totals = vec![0.0; models];
            for &neighbour in near {
                let (row, weight) = (neighbour.point(), self.weight(neighbour));
                for model in (0..models).filter(|&model| mask[[row, model]]) {
                    totals[model] += weight;
                    weighted[model] += weight * self.quality[[row, model]];
                    weighted[models + model] += weight * self.cost[[row, model]];
                }
            }
            for (model, &total) in totals.iter().enumerate() {
                if total > 0.0 {
                    weighted[model] /= total;
                    weighted[models + model] /= total;
                } else {
                    weighted[model] = quality[model];
                    weighted[models + model] = cost[model];
                }
            }
            weighted
        })
    }

    /// `[queries, 2 · models]`, where every model was measured on every training query.
    fn predict_all(&self, queries: &Embeddings) -> Result<Vec<Vec<f64>>, RouterError> {
        let models = self.quality.ncols();
        // Side by side, so that a neighbour is one row to add.
        let targets = concatenate![Axis(1), self.quality, self.cost];
        let targets = targets.as_standard_layout();
        let targets = targets.as_slice().expect("it is in the standard layout");
        let k = self.config.k;
        self.points.nearest(queries.values(), k, |near| {
            let mut weighted = vec![0.0; 2 * models];
            let mut total = 0.0;
            vectorised(
                #[inline(always)]
                || {
                    for &neighbour in near {
                        let weight = self.weight(neighbour);
                        total += weight;
                        let target =
                            &targets[neighbour.point() * weighted.len()..][..weighted.len()];
                        for (sum, target) in weighted.iter_mut().zip(target) {
                            *sum += weight * target;
                        }
                    }
                },
            );
            weighted.iter_mut().for_each(|sum| *sum /= total);
            weighted
        })
    }
}

impl FittedRouter for FittedKnn {
    fn predict(&self, queries: &Embeddings) -> Result<Scores, RouterError> {
        check_dimension(self.points.x().ncols(), queries)?;
        let models = self.quality.ncols();
        let rows = match &self.measured {
            None => self.predict_all(queries)?,
            Some(mask) => self.predict_measured(queries, mask.view())?,
        };
        let shape = (rows.len(), 2 * models);
        let predicted = Array2::from_shape_vec(shape, rows.concat()).expect("rows of one length");
        let (quality, cost) = predicted.view().split_at(Axis(1), models);
        Ok(Scores::new(quality.to_owned(), cost.to_owned())?)
    }

    fn save(&self, archive: &mut Archive) -> Result<(), RouterError> {
        archive.put("config", &self.config);
        archive.put_matrix("x", &to_f64(self.points.x().view()));
        archive.put_matrix("quality", &self.quality);
        archive.put_matrix("cost", &self.cost);
        if let Some(measured) = &self.measured {
            let measured = measured.mapv(|measured| f64::from(u8::from(measured)));
            archive.put_matrix(MEASURED, &measured);
        }
        Ok(())
    }
}
