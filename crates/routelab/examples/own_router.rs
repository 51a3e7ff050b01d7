//! A router of one's own, in a program that does all that `routelab` does: it is in every table and figure of a run, is searched,
//! stored, merged and routed with, and nothing of RouteLab is changed.
//!
//! ```sh
//! cargo run --release --example own_router -- run docs/examples/own-router.toml
//! ```

use std::process::ExitCode;

use ndarray::{Array2, Axis};
use routelab::prelude::*;
use serde::{Deserialize, Serialize};

/// Asks whether a query lies nearer to those that a model answered well than to the others.
///
/// Its fields are the keys of `[[router]]` in an experiment file.
#[derive(Serialize, Deserialize)]
struct Centroids {
    /// How much nearness counts beside the model's mean quality, 0 or more.
    weight: f64,
}

impl Default for Centroids {
    fn default() -> Self {
        Self { weight: 1.0 }
    }
}

impl Router for Centroids {
    fn kind(&self) -> &'static str {
        "centroids"
    }

    fn description(&self) -> &'static str {
        "nearness to the mean of the queries that a model answered well"
    }

    fn validate(&self) -> Result<(), String> {
        if self.weight >= 0.0 {
            return Ok(());
        }
        Err(format!("`weight` must be at least 0, not {}", self.weight))
    }

    fn fit_checked(
        &self,
        train: &TrainingSet,
        _: &Context,
    ) -> Result<Box<dyn FittedRouter>, RouterError> {
        let x = train.x().mapv(f64::from);
        let mean = |values: &Array2<f64>| values.mean_axis(Axis(0)).expect("there are queries");
        let (quality, cost) = (train.quality().to_owned(), train.cost().to_owned());
        // [models, dimension]: where queries lie that the model answers better than it does on average.
        let direction = (&quality - &mean(&quality)).t().dot(&(&x - &mean(&x))) / x.nrows() as f64;
        Ok(Box::new(FittedCentroids {
            direction: direction * self.weight,
            means: ndarray::stack![Axis(0), mean(&quality), mean(&cost)],
        }))
    }

    fn load(archive: &Archive, _: &Loader) -> Result<Box<dyn FittedRouter>, RouterError> {
        Ok(Box::new(FittedCentroids {
            direction: archive.matrix("direction")?,
            means: archive.matrix("means")?,
        }))
    }
}

struct FittedCentroids {
    /// `[models, dimension]`
    direction: Array2<f64>,
    /// Mean quality and mean cost, `[2, models]`.
    means: Array2<f64>,
}

impl FittedRouter for FittedCentroids {
    fn predict(&self, queries: &Embeddings) -> Result<Scores, RouterError> {
        let x = queries.values().mapv(f64::from);
        let quality = x.dot(&self.direction.t()) + self.means.row(0);
        let cost = self.means.select(Axis(0), &vec![1; x.nrows()]);
        Ok(Scores::new(quality, cost)?)
    }

    fn save(&self, archive: &mut Archive) -> Result<(), RouterError> {
        archive.put_matrix("direction", &self.direction);
        archive.put_matrix("means", &self.means);
        Ok(())
    }
}

fn main() -> ExitCode {
    main_with(Registry::default().with::<Centroids>())
}
