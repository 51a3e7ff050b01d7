//! A scalar router whose predictions are calibrated, model by model, on queries that it was not fitted on.

use ndarray::{Array1, ArrayView1, Axis};
use routelab_data::{Embeddings, split};
use routelab_eval::{Decision, Scores};
use routelab_heads::History;
use serde::{Deserialize, Serialize};

use crate::base::FittedBase;
use crate::decision::FittedDecided;
use crate::held_out::held_out;
use crate::{
    Archive, Base, Context, FitResult, FittedRouter, Loader, Registry, Router, RouterError,
    TrainingSet, measured_only,
};

/// Takes the predictions of another router and maps those of every model to the quality that such predictions really had.
///
/// The map of a model is the isotonic regression of its real quality on its prediction, both on training queries that the
/// base, fitted on the other folds, had not seen, and on which the model was measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Calibrated {
    /// Parts into which the training queries are divided, at least 2; the base is fitted once more for each.
    pub folds: usize,
    /// The router whose predictions are calibrated: its `kind` and its settings.
    pub base: Base,
}

impl Default for Calibrated {
    fn default() -> Self {
        Self {
            folds: 5,
            base: Base::new("knn"),
        }
    }
}

impl Router for Calibrated {
    fn kind(&self) -> &'static str {
        "calibrated"
    }

    fn description(&self) -> &'static str {
        "another router's predictions, calibrated per model on held-out queries"
    }

    fn validate(&self) -> Result<(), String> {
        self.base.parse()?;
        if self.folds >= 2 {
            return Ok(());
        }
        Err(format!("`folds` must be at least 2, not {}", self.folds))
    }

    fn resolve(&mut self, registry: &Registry) {
        self.base.resolve(registry);
    }

    fn takes_mask(&self) -> bool {
        self.base.takes_mask()
    }

    fn fit_checked(&self, train: &TrainingSet, context: &Context) -> FitResult {
        let router = self.base.router(self.kind())?;
        let folds = split::folds(train.table(), self.folds, context.seed);
        if folds.len() < 2 {
            return Err(RouterError::Settings {
                kind: self.kind().to_owned(),
                reason: "calibration takes at least two training queries (or groups of them)"
                    .to_owned(),
            });
        }
        let fits = folds.len() as f64 + 1.0;
        let part = |done: usize| move |share: f64| (context.progress)((done as f64 + share) / fits);
        let first = Context {
            progress: &part(0),
            ..*context
        };
        let base = FittedBase::fit(&*router, train, &first)?;
        let mut held_out = held_out(train, &folds, |seen, fold| {
            let progress = &part(fold + 1);
            router.fit(
                seen,
                &Context {
                    prices: false,
                    progress,
                    ..*context
                },
            )
        })?;
        let curves: Vec<Curve> = (held_out.quality.axis_iter(Axis(1)).enumerate())
            .zip(train.quality().axis_iter(Axis(1)))
            .map(|((model, predicted), real)| match train.measured() {
                None => Curve::fit(predicted, real),
                Some(measured) => {
                    let only = |values| Array1::from(measured_only(values, measured.column(model)));
                    Curve::fit(only(predicted).view(), only(real).view())
                }
            })
            .collect();
        calibrate(&mut held_out, &curves);
        let calibrated = FittedCalibrated { base, curves };
        let decision = calibrated.decision();
        Ok(Box::new(FittedDecided::priced(
            Box::new(calibrated),
            decision,
            held_out,
        )))
    }

    fn load(archive: &Archive, loader: &Loader) -> FitResult {
        let curves: Vec<Curve> = archive.get("curves")?;
        let sound = |curve: &Curve| {
            !curve.predicted.is_empty() && curve.predicted.len() == curve.quality.len()
        };
        if !curves.iter().all(sound) {
            return Err(archive.broken(
                "curves",
                "has one without points, or with points of one coordinate",
            ));
        }
        let calibrated = FittedCalibrated {
            curves,
            base: FittedBase::load("base", archive, loader)?,
        };
        let decision = calibrated.decision();
        let loaded = FittedDecided::load(decision, archive, Box::new(calibrated))?;
        Ok(Box::new(loaded))
    }
}

/// An increasing, piecewise linear map from a prediction to a quality; constant beyond its ends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Curve {
    /// Predictions, increasing.
    predicted: Vec<f64>,
    /// The quality at each, not decreasing.
    quality: Vec<f64>,
}

/// Neighbouring predictions with one quality.
struct Block {
    first: f64,
    last: f64,
    sum: f64,
    count: f64,
}

impl Block {
    fn mean(&self) -> f64 {
        self.sum / self.count
    }
}

impl Curve {
    /// The isotonic regression of `real` on `predicted`: least squares among increasing maps, found by pooling neighbours
    /// that are in the wrong order (Ayer et al. 1955).
    fn fit(predicted: ArrayView1<f64>, real: ArrayView1<f64>) -> Self {
        let mut order: Vec<usize> = (0..predicted.len()).collect();
        order.sort_by(|&a, &b| predicted[a].total_cmp(&predicted[b]));
        let mut blocks: Vec<Block> = Vec::new();
        for row in order {
            let mut block = Block {
                first: predicted[row],
                last: predicted[row],
                sum: real[row],
                count: 1.0,
            };
            // Equal predictions have one quality, in whatever order they stand.
            while let Some(before) =
                blocks.pop_if(|before| before.last == block.first || before.mean() >= block.mean())
            {
                block.first = before.first;
                block.sum += before.sum;
                block.count += before.count;
            }
            blocks.push(block);
        }
        let mut curve = Self {
            predicted: Vec::new(),
            quality: Vec::new(),
        };
        for block in &blocks {
            for end in [block.first, block.last] {
                if curve.predicted.last() != Some(&end) {
                    curve.predicted.push(end);
                    curve.quality.push(block.mean());
                }
            }
        }
        curve
    }

    fn at(&self, prediction: f64) -> f64 {
        let above = self.predicted.partition_point(|&x| x <= prediction);
        if above == 0 {
            return self.quality[0];
        }
        let below = above - 1;
        let Some(&x) = self.predicted.get(above) else {
            return self.quality[below];
        };
        let share = (prediction - self.predicted[below]) / (x - self.predicted[below]);
        self.quality[below] + share * (self.quality[above] - self.quality[below])
    }
}

/// Maps the predicted quality of every model by its curve.
fn calibrate(scores: &mut Scores, curves: &[Curve]) {
    for (mut column, curve) in scores.quality.axis_iter_mut(Axis(1)).zip(curves) {
        column.mapv_inplace(|prediction| curve.at(prediction));
    }
}

struct FittedCalibrated {
    base: FittedBase,
    /// One per model.
    curves: Vec<Curve>,
}

impl FittedRouter for FittedCalibrated {
    fn predict(&self, queries: &Embeddings) -> Result<Scores, RouterError> {
        let mut scores = self.base.router.predict(queries)?;
        if scores.quality.ncols() != self.curves.len() {
            return Err(RouterError::Pools {
                one: scores.quality.ncols(),
                other: self.curves.len(),
            });
        }
        calibrate(&mut scores, &self.curves);
        Ok(scores)
    }

    fn decision(&self) -> Decision {
        self.base.router.decision()
    }

    fn history(&self) -> Option<&History> {
        self.base.router.history()
    }

    fn save(&self, archive: &mut Archive) -> Result<(), RouterError> {
        archive.put("curves", &self.curves);
        self.base.save("base", archive)
    }
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn isotonic_regression_pools_what_is_in_the_wrong_order() {
        // By hand: the means of (0.5, 0.25) and of the two rows with prediction 1.
        let predicted = array![1.0, 0.0, 0.5, 0.25, 1.0];
        let real = array![1.0, 0.0, 0.25, 0.5, 0.5];
        let curve = Curve::fit(predicted.view(), real.view());
        assert_eq!(curve.predicted, [0.0, 0.25, 0.5, 1.0]);
        assert_eq!(curve.quality, [0.0, 0.375, 0.375, 0.75]);
        let found = [-1.0, 0.125, 0.375, 0.75, 9.0].map(|x| curve.at(x));
        assert_eq!(found, [0.0, 0.1875, 0.375, 0.5625, 0.75]);
    }

    #[test]
    fn equal_predictions_give_one_quality_in_any_order() {
        let predicted = array![0.5, 0.5, 0.5];
        for real in [array![0.0, 0.0, 1.0], array![1.0, 0.0, 0.0]] {
            let curve = Curve::fit(predicted.view(), real.view());
            assert_eq!(curve.at(0.5), 1.0 / 3.0);
        }
    }
}
