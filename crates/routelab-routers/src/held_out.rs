//! What a router predicts on its training queries when it has not seen them, and the prices of cost that follow.

use ndarray::Array2;
use routelab_data::{Embeddings, split};
use routelab_eval::{PriceCurve, Scores};
use routelab_heads::History;

use crate::{Archive, Context, FitResult, FittedRouter, RouterError, TrainingSet};

/// Folds on which prices are found.
const FOLDS: usize = 5;

/// The file of prices in an archive.
const PRICES: &str = "prices";

/// Predictions on every training query by the router that `fit` makes of the other folds; it is also given the number of the fold.
pub(crate) fn held_out(
    train: &TrainingSet,
    folds: &[Vec<usize>],
    fit: impl Fn(&TrainingSet, usize) -> FitResult,
) -> Result<Scores, RouterError> {
    let shape = (train.table().len(), train.models());
    let (mut quality, mut cost) = (Array2::zeros(shape), Array2::zeros(shape));
    for (fold, rows) in folds.iter().enumerate() {
        let others: Vec<usize> = (folds.iter().enumerate())
            .filter(|&(other, _)| other != fold)
            .flat_map(|(_, rows)| rows.iter().copied())
            .collect();
        let (embeddings, table) = (
            train.embeddings.select(&others),
            train.table().select(&others),
        );
        let fitted = fit(&TrainingSet::new(&embeddings, &table)?, fold)?;
        let predicted = fitted.predict(&train.embeddings.select(rows))?;
        for (at, &row) in rows.iter().enumerate() {
            quality.row_mut(row).assign(&predicted.quality.row(at));
            cost.row_mut(row).assign(&predicted.cost.row(at));
        }
    }
    Ok(Scores::new(quality, cost)?)
}

/// A router that decides by one price of cost for all queries, with the prices of its training queries.
pub(crate) struct Priced {
    router: Box<dyn FittedRouter>,
    prices: PriceCurve,
}

impl Priced {
    /// What `fit` makes, with the prices of its predictions on held-out queries; those on queries that it has seen would be too sure
    /// of themselves. Where there is a single query (or group of them), nothing can be held out, and its own predictions have to do.
    pub(crate) fn fit(
        train: &TrainingSet,
        context: &Context,
        fit: impl Fn(&TrainingSet, &Context) -> FitResult,
    ) -> FitResult {
        let router = fit(train, context)?;
        let quiet = Context {
            progress: &|_| {},
            ..*context
        };
        let folds = split::folds(train.table(), FOLDS, context.seed);
        let scores = if folds.len() < 2 {
            router.predict(train.embeddings)?
        } else {
            held_out(train, &folds, |seen, _| fit(seen, &quiet))?
        };
        Ok(Self::of(router, &scores))
    }

    /// A router with the prices of these predictions.
    pub(crate) fn of(router: Box<dyn FittedRouter>, scores: &Scores) -> Box<dyn FittedRouter> {
        let prices = PriceCurve::of(scores);
        Box::new(Self { router, prices })
    }

    /// `router` with its prices in an archive.
    ///
    /// # Errors
    ///
    /// [`RouterError::Unpriced`] where there are none, as in archives of the time before there were prices.
    pub(crate) fn load(archive: &Archive, router: Box<dyn FittedRouter>) -> FitResult {
        if !archive.has(PRICES) {
            return Err(RouterError::Unpriced);
        }
        let prices = PriceCurve::from_points(archive.matrix(PRICES)?.view())
            .map_err(|error| archive.broken(PRICES, &error.to_string()))?;
        Ok(Box::new(Self { router, prices }))
    }
}

impl FittedRouter for Priced {
    fn predict(&self, queries: &Embeddings) -> Result<Scores, RouterError> {
        self.router.predict(queries)
    }

    fn prices(&self) -> Option<&PriceCurve> {
        Some(&self.prices)
    }

    fn history(&self) -> Option<&History> {
        self.router.history()
    }

    fn save(&self, archive: &mut Archive) -> Result<(), RouterError> {
        archive.put_matrix(PRICES, &self.prices.points());
        self.router.save(archive)
    }
}
