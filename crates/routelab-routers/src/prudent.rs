//! RouteLab's own router: several cheap predictors, no more trusted than held-out queries say.

use ndarray::{Array1, Array2, ArrayView2, Axis, s};
use routelab_data::{Embeddings, split};
use routelab_eval::{Decision, Scores};
use routelab_heads::ranges::{at_least_one, not_negative};
use serde::{Deserialize, Serialize};

use crate::base::FittedBase;
use crate::decision::FittedDecided;
use crate::held_out::held_out;
use crate::{
    Archive, Base, Context, FitResult, FittedRouter, Loader, Outlook, Registry, Router,
    RouterError, TrainingSet, check_dimension, column_means, to_f32,
};

mod caution;
mod clusters;
mod neighbours;
mod ridge;
mod targets;

use caution::{Caution, Held, Wanted};
use clusters::Clusters;
use neighbours::Neighbours;
use ridge::{Kernel, Linear};
use targets::{Folds, Targets};

/// A predictor of the ensemble.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Predictor {
    /// Means over the nearest training queries, one for each number of [`Prudent::neighbours`].
    Neighbours,
    /// Ridge regression on the embedding.
    Ridge,
    /// Kernel ridge regression.
    Kernel,
    /// Means over clusters.
    Clusters,
}

/// The mean of several predictors of quality and cost, all cross-fitted inside the training queries; shrunk towards the models' means
/// by the loss of the decision, guarded where leaving the best single model is not certain to pay, and decided by a price.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Prudent {
    /// The predictors, at least one here or in `with`.
    pub predictors: Vec<Predictor>,
    /// Other routers whose predicted quality counts as much as a predictor's, scaled to what it says on held-out queries.
    pub with: Vec<Base>,
    /// Numbers of neighbours, each at least 1; each is a predictor.
    pub neighbours: Vec<usize>,
    /// Clusters, at least 1; at most one for every 8 training queries.
    pub clusters: usize,
    /// Training queries around which kernels stand, at least 1.
    pub landmarks: usize,
    /// Parts of the training queries for cross-fitting, at least 2.
    pub folds: usize,
    /// Whether predictions are shrunk towards the models' means.
    pub shrink: bool,
    /// Whether the best single model is left for certain gains only.
    pub guard: bool,
    /// Standard errors that the mean gain of leaving the best single model has to be above zero, 0 or more.
    pub certainty: f64,
    /// Whether queries that are far from all training queries get the models' means.
    pub trust: bool,
}

impl Default for Prudent {
    fn default() -> Self {
        Self {
            predictors: vec![
                Predictor::Neighbours,
                Predictor::Ridge,
                Predictor::Kernel,
                Predictor::Clusters,
            ],
            with: Vec::new(),
            neighbours: vec![30, 100],
            clusters: 50,
            landmarks: 512,
            folds: 5,
            shrink: true,
            guard: true,
            certainty: 0.5,
            trust: true,
        }
    }
}

impl Prudent {
    fn wants(&self, predictor: Predictor) -> bool {
        self.predictors.contains(&predictor)
    }
}

impl Router for Prudent {
    fn kind(&self) -> &'static str {
        "prudent"
    }

    fn description(&self) -> &'static str {
        "RouteLab's own: several predictors, no more trusted than held-out queries say, and one price of cost"
    }

    fn validate(&self) -> Result<(), String> {
        if self.predictors.is_empty() && self.with.is_empty() {
            return Err(
                "`predictors` and `with` are both empty: name at least one predictor".into(),
            );
        }
        if self.neighbours.is_empty() && self.wants(Predictor::Neighbours) {
            return Err("`neighbours` is empty: name at least one number of neighbours".into());
        }
        (self.neighbours.iter()).try_for_each(|&count| at_least_one("neighbours", count))?;
        at_least_one("clusters", self.clusters)?;
        at_least_one("landmarks", self.landmarks)?;
        not_negative("certainty", self.certainty)?;
        for (index, base) in self.with.iter().enumerate() {
            let named = |reason| format!("`with`, router {}: {reason}", index + 1);
            base.parse().map_err(named)?;
        }
        if self.folds >= 2 {
            return Ok(());
        }
        Err(format!("`folds` must be at least 2, not {}", self.folds))
    }

    fn resolve(&mut self, registry: &Registry) {
        (self.with.iter_mut()).for_each(|base| base.resolve(registry));
    }

    fn takes_mask(&self) -> bool {
        self.with.iter().all(Base::takes_mask)
    }

    fn fit_checked(&self, train: &TrainingSet, context: &Context) -> FitResult {
        let (fitted, held_out) = FittedPrudent::fit(self, train, context)?;
        let decision = fitted.decision();
        Ok(Box::new(FittedDecided::priced(
            Box::new(fitted),
            decision,
            held_out,
        )))
    }

    fn load(archive: &Archive, loader: &Loader) -> FitResult {
        let fitted = FittedPrudent::load(archive, loader)?;
        let decision = fitted.decision();
        let loaded = FittedDecided::load(decision, archive, Box::new(fitted))?;
        Ok(Box::new(loaded))
    }
}

struct FittedPrudent {
    /// Means of quality, cost and its logarithm, `[3 models]`.
    means: Array1<f64>,
    /// What was added to costs before the logarithm, `[models]`.
    shift: Array1<f64>,
    /// The mean cost over that of the exponential of its predicted logarithm, `[models]`.
    smear: Array1<f64>,
    /// The least cost of every model in training.
    least: Array1<f64>,
    /// Tells how far away a query is, whether or not it predicts.
    neighbours: Neighbours,
    says: bool,
    linear: Option<Linear>,
    kernel: Option<Kernel>,
    clusters: Option<Clusters>,
    with: Vec<With>,
    caution: Caution,
}

/// Another router among the predictors.
struct With {
    base: FittedBase,
    /// Mean of its held-out predictions, `[models]`.
    means: Array1<f64>,
    /// What its deviations from them are multiplied by.
    scale: f64,
}

/// What the predictors say of some queries: a matrix `[queries, 3 models]` each, and the deviations of quality of other routers.
struct Votes {
    parts: Vec<Array2<f64>>,
    with: Vec<Array2<f64>>,
    distances: Array1<f64>,
}

impl Votes {
    /// The deviations of quality from `means [queries or 1, 3 models]`, of every predictor.
    fn deviations<'a>(
        &'a self,
        means: ArrayView2<'a, f64>,
    ) -> impl Iterator<Item = Array2<f64>> + 'a {
        let models = means.ncols() / 3;
        let means = means.slice_move(s![.., ..models]);
        let parts = self
            .parts
            .iter()
            .map(move |part| &part.slice(s![.., ..models]) - &means);
        parts.chain(self.with.iter().cloned())
    }

    fn mean_deviation(&self, means: ArrayView2<f64>) -> Array2<f64> {
        let count = (self.parts.len() + self.with.len()) as f64;
        let sum = self.deviations(means).reduce(|sum, next| sum + next);
        sum.expect("there is a predictor") / count
    }
}

impl FittedPrudent {
    /// The router and its predictions on training queries that it had not seen.
    fn fit(
        settings: &Prudent,
        train: &TrainingSet,
        context: &Context,
    ) -> Result<(Self, Scores), RouterError> {
        let (x, models) = (train.x(), train.models());
        let targets = Targets::of(train);
        let typical = typical_distance(x);
        let rows = split::folds(train.table(), settings.folds, context.seed);
        // A single query, or group of them: nothing can be held out, and nothing is learned but the means.
        let alone = rows.len() < 2;
        let folds = targets.folds(rows);
        let steps = (4 + settings.with.len()) as f64;
        let progress = |step: usize| (context.progress)(step as f64 / steps);
        let quiet = Context {
            prices: false,
            progress: &|_| {},
            ..*context
        };

        let neighbours =
            Neighbours::new(x, &targets, &settings.neighbours, typical, context.backend);
        let says = settings.wants(Predictor::Neighbours);
        let linear = (settings.wants(Predictor::Ridge))
            .then(|| Linear::fit(x, &targets, &folds))
            .transpose()?;
        progress(1);
        let kernel = (settings.wants(Predictor::Kernel))
            .then(|| {
                Kernel::fit(
                    x,
                    &targets,
                    settings.landmarks,
                    typical,
                    &folds,
                    context.seed,
                )
            })
            .transpose()?;
        progress(2);
        let clusters = (settings.wants(Predictor::Clusters))
            .then(|| Clusters::fit(x, &targets, settings.clusters, typical, context.seed));
        progress(3);
        let routers = (settings.with.iter())
            .map(|base| base.router(settings.kind()))
            .collect::<Result<Vec<_>, _>>()?;
        let mut bases = Vec::new();
        for (number, router) in routers.iter().enumerate() {
            bases.push(FittedBase::fit(&**router, train, &quiet)?);
            progress(4 + number);
        }

        // What is learned of the other folds says of every training query.
        let cross_fit = || -> Result<Votes, RouterError> {
            let said = neighbours.held_out(&folds, context.backend)?;
            let mut parts = if says { said.predictions } else { Vec::new() };
            parts.extend(linear.as_ref().map(|(_, held_out)| held_out.clone()));
            parts.extend(kernel.as_ref().map(|(_, held_out)| held_out.clone()));
            if let Some((clusters, labels)) = &clusters {
                parts.push(clusters.held_out(labels, x, &targets, &folds));
            }
            let with = (routers.iter())
                .map(|router| {
                    let fit = |seen: &TrainingSet, _| router.fit(seen, &quiet);
                    Ok(held_out(train, &folds.rows, fit)?.quality)
                })
                .collect::<Result<_, RouterError>>()?;
            Ok(Votes {
                parts,
                with,
                distances: said.distances,
            })
        };
        let mut held = if alone { None } else { Some(cross_fit()?) };
        let mut with = Vec::new();
        for (number, base) in bases.into_iter().enumerate() {
            let (means, scale) = match &held {
                None => (Array1::zeros(models), 0.0),
                Some(held) => {
                    let predicted = held.with[number].view();
                    let means = column_means(predicted, None);
                    let real = &train.quality() - &folds.row_means().slice(s![.., ..models]);
                    let deviations = &predicted - &means;
                    let scale = scale(deviations.view(), real.view(), train.measured());
                    (means, scale)
                }
            };
            if let Some(votes) = &mut held {
                let predicted = &mut votes.with[number];
                *predicted = (&*predicted - &means) * scale;
            }
            with.push(With { base, means, scale });
        }

        let means = targets.means.clone();
        let least = least_costs(train);
        let mut fitted = Self {
            caution: Caution::of_means(
                means.slice(s![..models]),
                means.slice(s![models..2 * models]),
            ),
            smear: Array1::ones(models),
            shift: targets.shift.clone(),
            means,
            least,
            neighbours,
            says,
            linear: linear.map(|(linear, _)| linear),
            kernel: kernel.map(|(kernel, _)| kernel),
            clusters: clusters.map(|(clusters, _)| clusters),
            with,
        };
        let Some(held) = held else {
            let predicted = fitted.predict(train.embeddings)?;
            return Ok((fitted, predicted));
        };
        fitted.smear = smears(train, &held, &fitted.shift);
        let known = fitted.held(&held, &folds);
        fitted.caution = Caution::learn(
            train,
            &fitted.means,
            &known,
            Wanted {
                shrink: settings.shrink,
                trust: settings.trust,
                guard: settings.guard.then_some(settings.certainty),
            },
        )?;
        let scores = fitted.scores(&held, folds.row_means().view())?;
        Ok((fitted, scores))
    }

    /// Held-out predictions before caution.
    fn held(&self, votes: &Votes, folds: &Folds) -> Held {
        let means = folds.row_means();
        Held {
            deviations: votes.mean_deviation(means.view()),
            cost: self.cost(votes, means.view()),
            distances: votes.distances.clone(),
        }
    }

    /// What the predictors say of queries.
    fn votes(&self, queries: &Embeddings) -> Result<Votes, RouterError> {
        let x = queries.values();
        let said = self.neighbours.say(x)?;
        let mut parts = if self.says {
            said.predictions
        } else {
            Vec::new()
        };
        parts.extend(self.linear.as_ref().map(|part| part.predict(x)));
        parts.extend(self.kernel.as_ref().map(|part| part.predict(x)));
        parts.extend(self.clusters.as_ref().map(|part| part.predict(x)));
        let with = (self.with.iter())
            .map(|with| {
                let quality = with.base.router.predict(queries)?.quality;
                let (one, other) = (quality.ncols(), with.means.len());
                if one != other {
                    return Err(RouterError::Pools { one, other });
                }
                Ok((quality - &with.means) * with.scale)
            })
            .collect::<Result<_, _>>()?;
        Ok(Votes {
            parts,
            with,
            distances: said.distances,
        })
    }

    /// Predicted cost `[queries, models]`: half the mean of predicted costs, half what the mean of predicted logarithms says; the models'
    /// means where no predictor has costs.
    fn cost(&self, votes: &Votes, means: ArrayView2<f64>) -> Array2<f64> {
        let models = self.least.len();
        let block = |number: usize| s![.., number * models..(number + 1) * models];
        let average = |number: usize| {
            let sum = (votes.parts.iter())
                .map(|part| part.slice(block(number)).to_owned())
                .reduce(|sum, next| sum + next);
            sum.map(|sum| sum / votes.parts.len() as f64)
        };
        let Some((direct, logarithm)) = average(1).zip(average(2)) else {
            let shape = (votes.distances.len(), models);
            let means = means.slice(block(1));
            return (means.broadcast(shape))
                .expect("one row, or one per query")
                .to_owned();
        };
        let back = logarithm.mapv(f64::exp) * &self.smear - &self.shift;
        let mut cost = (direct + back) * 0.5;
        for (model, mut column) in cost.axis_iter_mut(Axis(1)).enumerate() {
            column.mapv_inplace(|cost| cost.max(self.least[model]));
        }
        cost
    }

    fn scores(&self, votes: &Votes, means: ArrayView2<f64>) -> Result<Scores, RouterError> {
        let models = self.least.len();
        let (quality_means, cost_means) = (
            self.means.slice(s![..models]),
            self.means.slice(s![models..2 * models]),
        );
        let deviations = votes.mean_deviation(means);
        let mut quality =
            (self.caution).quality(quality_means, deviations.view(), votes.distances.view());
        self.caution.guard(&mut quality);
        let trust = self.caution.trust(votes.distances.view());
        let cost = caution::cost(self.cost(votes, means).view(), cost_means, trust.view());
        Ok(Scores::new(quality, cost)?)
    }

    fn load(archive: &Archive, loader: &Loader) -> Result<Self, RouterError> {
        let x = archive.matrix("x")?;
        let values = archive.matrix_with("values", Some(x.nrows()), None)?;
        let columns = values.ncols();
        if columns % 3 != 0 {
            return Err(archive.broken("values", "has not three columns for every model"));
        }
        let models = columns / 3;
        let measured = if archive.has("measured") {
            let stored = archive.matrix_with("measured", Some(x.nrows()), Some(columns))?;
            Some(stored.mapv(|value| value != 0.0))
        } else {
            None
        };
        let list = |name: &str, length: usize| -> Result<Array1<f64>, RouterError> {
            Ok(archive
                .matrix_with(name, Some(1), Some(length))?
                .row(0)
                .to_owned())
        };
        let means = list("means", columns)?;
        let counts: Vec<usize> = archive.get("neighbours")?;
        let typical: f64 = archive.get("typical")?;
        let targets = Targets {
            values,
            measured,
            means: means.clone(),
            shift: list("shift", models)?,
        };
        let map = |name: &str, features: usize| {
            archive.matrix_with(name, Some(features + 1), Some(columns))
        };
        let linear = if archive.has("ridge") {
            Some(Linear::of(map("ridge", x.ncols())?.view()))
        } else {
            None
        };
        let kernel = if archive.has("landmarks") {
            let landmarks = archive.matrix_with("landmarks", None, Some(x.ncols()))?;
            let map = map("kernel", landmarks.nrows())?;
            Some(Kernel::of(
                landmarks.view(),
                map.view(),
                archive.get("width")?,
            ))
        } else {
            None
        };
        let clusters = if archive.has("centroids") {
            let centroids = archive.matrix_with("centroids", None, Some(x.ncols()))?;
            let means = archive.matrix_with("clusters", Some(centroids.nrows()), Some(columns))?;
            Some(Clusters::of(
                centroids.view(),
                means,
                archive.get("softness")?,
            ))
        } else {
            None
        };
        let scales: Vec<f64> = archive.get("with_scales")?;
        let with = (scales.iter().enumerate())
            .map(|(number, &scale)| {
                let name = format!("with_{number}");
                Ok(With {
                    base: FittedBase::load(&name, archive, loader)?,
                    means: list(&format!("{name}_means"), models)?,
                    scale,
                })
            })
            .collect::<Result<_, RouterError>>()?;
        let caution: Caution = archive.get("caution")?;
        if caution.default >= models {
            return Err(archive.broken("caution", "names a model that is not there"));
        }
        Ok(Self {
            neighbours: Neighbours::new(
                to_f32(x.view()).view(),
                &targets,
                &counts,
                typical,
                loader.backend,
            ),
            shift: targets.shift,
            means,
            smear: list("smear", models)?,
            least: list("least", models)?,
            says: archive.get("says")?,
            linear,
            kernel,
            clusters,
            with,
            caution,
        })
    }
}

impl FittedRouter for FittedPrudent {
    fn predict(&self, queries: &Embeddings) -> Result<Scores, RouterError> {
        check_dimension(self.neighbours.dimension(), queries)?;
        let means = self.means.view().insert_axis(Axis(0));
        self.scores(&self.votes(queries)?, means)
    }

    fn decision(&self) -> Decision {
        Decision::PRICE
    }

    fn outlook(&self, queries: &Embeddings) -> Result<Option<Outlook>, RouterError> {
        check_dimension(self.neighbours.dimension(), queries)?;
        let votes = self.votes(queries)?;
        let means = self.means.view().insert_axis(Axis(0));
        let trust = self.caution.trust(votes.distances.view());
        let mean = votes.mean_deviation(means);
        let count = (votes.parts.len() + votes.with.len()) as f64;
        let squares = (votes.deviations(means))
            .map(|deviation| (deviation - &mean).mapv(|value| value * value))
            .reduce(|sum, next| sum + next);
        let spread = squares
            .expect("there is a predictor")
            .mapv(|sum| (sum / count).sqrt());
        Ok(Some(Outlook {
            spread,
            trust,
            slope: self.caution.slope,
        }))
    }

    fn save(&self, archive: &mut Archive) -> Result<(), RouterError> {
        let row = |values: &Array1<f64>| values.clone().insert_axis(Axis(0));
        self.neighbours.save(archive);
        for (name, values) in [
            ("means", &self.means),
            ("shift", &self.shift),
            ("smear", &self.smear),
            ("least", &self.least),
        ] {
            archive.put_matrix(name, &row(values));
        }
        archive.put("says", &self.says);
        if let Some(linear) = &self.linear {
            archive.put_matrix("ridge", &linear.stored());
        }
        if let Some(kernel) = &self.kernel {
            let (landmarks, map, width) = kernel.parts();
            archive.put_matrix("landmarks", &landmarks);
            archive.put_matrix("kernel", &map);
            archive.put("width", &width);
        }
        if let Some(clusters) = &self.clusters {
            let (centroids, means, softness) = clusters.parts();
            archive.put_matrix("centroids", &centroids);
            archive.put_matrix("clusters", means);
            archive.put("softness", &softness);
        }
        for (number, with) in self.with.iter().enumerate() {
            let name = format!("with_{number}");
            with.base.save(&name, archive)?;
            archive.put_matrix(&format!("{name}_means"), &row(&with.means));
        }
        let scales: Vec<f64> = self.with.iter().map(|with| with.scale).collect();
        archive.put("with_scales", &scales);
        archive.put("caution", &self.caution);
        Ok(())
    }
}

/// The root of the mean squared distance of two training queries; 1 where all are equal.
fn typical_distance(x: ArrayView2<f32>) -> f64 {
    let x = x.mapv(f64::from);
    let mean = (x.mean_axis(Axis(0))).expect("a training set has at least one query");
    let variance = (&x - &mean).mapv(|value| value * value).sum() / x.nrows() as f64;
    if variance > 0.0 {
        (2.0 * variance).sqrt()
    } else {
        1.0
    }
}

/// The least cost that was measured of every model.
fn least_costs(train: &TrainingSet) -> Array1<f64> {
    let is_measured = |at| train.measured().is_none_or(|measured| measured[at]);
    (train.cost().axis_iter(Axis(1)).enumerate())
        .map(|(model, costs)| {
            (costs.iter().enumerate())
                .filter(|&(row, _)| is_measured([row, model]))
                .map(|(_, &cost)| cost)
                .fold(f64::INFINITY, f64::min)
        })
        .collect()
}

/// By what least squares multiplies predicted deviations; between 0 and 1.5.
fn scale(
    predicted: ArrayView2<f64>,
    real: ArrayView2<f64>,
    measured: Option<ArrayView2<bool>>,
) -> f64 {
    let (mut products, mut squares) = (0.0, 0.0);
    for (at, &predicted) in predicted.indexed_iter() {
        let at = <[usize; 2]>::from(at);
        if measured.is_none_or(|measured| measured[at]) {
            products += predicted * real[at];
            squares += predicted * predicted;
        }
    }
    if squares > 0.0 {
        (products / squares).clamp(0.0, 1.5)
    } else {
        0.0
    }
}

/// What the exponential of predicted logarithms is multiplied by, so that costs of held-out queries are met on average (Duan 1983);
/// `[models]`, 1 where there is no predictor of costs.
fn smears(train: &TrainingSet, held: &Votes, shift: &Array1<f64>) -> Array1<f64> {
    let models = train.models();
    let is_measured = |at| train.measured().is_none_or(|measured| measured[at]);
    (0..models)
        .map(|model| {
            let (mut real, mut predicted) = (0.0, 0.0);
            for row in (0..train.cost().nrows()).filter(|&row| is_measured([row, model])) {
                let parts = held
                    .parts
                    .iter()
                    .map(|part| part[[row, 2 * models + model]]);
                let mean = parts.sum::<f64>() / held.parts.len() as f64;
                real += train.cost()[[row, model]] + shift[model];
                predicted += mean.exp();
            }
            if predicted > 0.0 && predicted.is_finite() {
                real / predicted
            } else {
                1.0
            }
        })
        .collect()
}
