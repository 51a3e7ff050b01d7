//! Reduced-rank ridge regression (Mukherjee & Zhu 2011): every model's prediction is a linear function of the same few factors
//! of the query.

use ndarray::{Array1, Array2, ArrayView2, Axis, concatenate, s};
use routelab_heads::ranges::at_least_one;
use serde::{Deserialize, Serialize};

use crate::linear::{FittedLinear, Linear, ridge, to_nalgebra};
use crate::space::space;
use crate::{
    Archive, Context, FitResult, Loader, Router, RouterError, SearchSpace, TrainingSet, Values,
    column_scales, to_f64,
};

/// Minimises `|X W - Y|² + alpha |W|²` over weights `W [dimension, models]` of rank at most `rank`, exactly; once for
/// quality and once for cost, every model's costs scaled to deviation 1 so that the dear models do not take all factors.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LinearMf {
    /// Factors, at least 1; with as many as models it is the router `linear`.
    pub rank: usize,
    /// Penalty on the weights, above 0.
    pub alpha: f64,
}

impl Default for LinearMf {
    fn default() -> Self {
        Self {
            rank: 4,
            alpha: Linear::default().alpha,
        }
    }
}

impl Router for LinearMf {
    fn kind(&self) -> &'static str {
        "linear-mf"
    }

    fn description(&self) -> &'static str {
        "ridge regression through a few factors"
    }

    fn validate(&self) -> Result<(), String> {
        at_least_one("rank", self.rank)?;
        Linear { alpha: self.alpha }.validate()
    }

    fn search_space(&self) -> SearchSpace {
        space([
            ("alpha", Values::log(1e-3, 1e3)),
            ("rank", Values::integers([1, 2, 3, 5, 8])),
        ])
    }

    fn fit_checked(&self, train: &TrainingSet, _: &Context) -> FitResult {
        let x = to_f64(train.x());
        let quality = self.map(x.view(), train.quality())?;
        let (_, deviation) = column_scales(train.cost());
        let scaled = &train.cost() / &deviation;
        let cost = self.map(x.view(), scaled.view())? * &deviation;
        Ok(Box::new(FittedLinear {
            map: concatenate![Axis(1), quality, cost],
        }))
    }

    fn load(archive: &Archive, loader: &Loader) -> FitResult {
        Linear::load(archive, loader)
    }
}

impl LinearMf {
    /// Weights `[dimension, outputs]` with the intercepts as a last row.
    ///
    /// With the unrestricted solution `W` and centred `X`, the best of rank `r` is `W V Vᵀ`, where `V` are the `r` leading
    /// eigenvectors of `(X W)ᵀ X W + alpha Wᵀ W`.
    fn map(
        &self,
        x: ArrayView2<f64>,
        targets: ArrayView2<f64>,
    ) -> Result<Array2<f64>, RouterError> {
        let mut map = ridge(x, targets, self.alpha)?;
        let (dimension, outputs) = (x.ncols(), targets.ncols());
        if self.rank >= outputs {
            return Ok(map);
        }
        let mean = |values: ArrayView2<f64>| column_scales(values).0;
        let (x_mean, target_mean) = (mean(x), mean(targets));
        let weights = map.slice(s![..dimension, ..]);
        let fitted = (&x - &x_mean).dot(&weights);
        let explained = fitted.t().dot(&fitted) + weights.t().dot(&weights) * self.alpha;
        let eigen = to_nalgebra(&explained).symmetric_eigen();
        let mut order: Vec<usize> = (0..outputs).collect();
        order.sort_by(|&a, &b| eigen.eigenvalues[b].total_cmp(&eigen.eigenvalues[a]));
        let leading = Array2::from_shape_fn((outputs, self.rank), |(output, factor)| {
            eigen.eigenvectors[(output, order[factor])]
        });
        let weights = weights.dot(&leading).dot(&leading.t());
        let intercepts: Array1<f64> = target_mean - x_mean.dot(&weights);
        map.slice_mut(s![..dimension, ..]).assign(&weights);
        map.row_mut(dimension).assign(&intercepts);
        Ok(map)
    }
}
