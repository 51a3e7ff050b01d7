//! What a router predicts on its training queries when it has not seen them.

use ndarray::Array2;
use routelab_data::split;
use routelab_eval::Scores;

use crate::{Context, FitResult, FittedRouter, RouterError, TrainingSet};

/// Folds on which prices of cost are found.
const FOLDS: usize = 5;

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

/// The same for a router that is fitted already by `fit`, in folds of their own. Where there is a single query (or group of them),
/// nothing can be held out, and the router's own predictions have to do.
pub(crate) fn held_out_scores(
    router: &dyn FittedRouter,
    train: &TrainingSet,
    context: &Context,
    fit: impl Fn(&TrainingSet, &Context) -> FitResult,
) -> Result<Scores, RouterError> {
    let quiet = Context {
        prices: false,
        progress: &|_| {},
        ..*context
    };
    let folds = split::folds(train.table(), FOLDS, context.seed);
    if folds.len() < 2 {
        return router.predict(train.embeddings);
    }
    held_out(train, &folds, |seen, _| fit(seen, &quiet))
}
