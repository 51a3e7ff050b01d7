//! One backend, measured: the child process of `routelab backends compare`.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use routelab_data::{Embeddings, RoutingTable};
use routelab_eval::{Choices, Metric, Scores, Truth, evaluate};
use routelab_heads::Backend;
use routelab_heads::backend::peak_memory;
use routelab_routers::{Context, Router, SharedCost, TrainingSet};
use serde::{Deserialize, Serialize};

use super::CompareBackendsArgs;
use crate::experiment::{Experiment, Plan};
use crate::failure::{Failure, Outcome, bad_request};
use crate::output::Output;
use crate::run::{inputs, results, tuning};

/// The metrics that are put side by side.
pub const METRICS: [&Metric; 4] = [
    Metric::known("nauc_shared"),
    Metric::known("peak"),
    Metric::known("qnc"),
    Metric::known("rci"),
];

/// Queries of the first step.
const FIRST_STEP: usize = 128;

/// What one backend did.
#[derive(Serialize, Deserialize)]
pub struct Measured {
    /// Name, adapter, precision.
    pub identity: String,
    /// The routers, in the order of the experiment.
    pub routers: Vec<MeasuredRouter>,
    /// Largest resident memory of the process in bytes, data and program included, where the system tells (Linux). Memory of
    /// a graphics card is not in it.
    pub peak_memory: Option<u64>,
}

/// What one router did on it.
#[derive(Serialize, Deserialize)]
pub struct MeasuredRouter {
    /// The router's label.
    pub label: String,
    /// Training queries.
    pub train: usize,
    /// Test queries.
    pub test: usize,
    /// Seconds of a fit of one epoch on up to 128 queries, before any other: the first router's compiles the kernels.
    pub first_step: f64,
    /// Seconds of every epoch; the first one has the start of the fit and what is compiled in it.
    pub epochs: Vec<f64>,
    /// Seconds of the first prediction of the test queries.
    pub first_prediction: f64,
    /// Seconds of the second one.
    pub prediction: f64,
    /// Training loss of every epoch.
    pub losses: Vec<f32>,
    /// Predictions for the test queries.
    pub scores: Scores,
    /// The model chosen at every budget of the shared grid, for every test query.
    pub choices: Vec<Vec<usize>>,
    /// The value of each of [`METRICS`]; none where it is infinite.
    pub metrics: Vec<Option<f64>>,
}

impl MeasuredRouter {
    /// Seconds of an epoch once everything is compiled: the median over all epochs but the first, if there are others.
    pub fn epoch(&self) -> f64 {
        let mut steady = self.steady().to_vec();
        steady.sort_by(f64::total_cmp);
        (steady[(steady.len() - 1) / 2] + steady[steady.len() / 2]) / 2.0
    }

    /// The epochs after the first, or that one if there is no other.
    pub fn steady(&self) -> &[f64] {
        match self.epochs.as_slice() {
            [_, rest @ ..] if !rest.is_empty() => rest,
            all => all,
        }
    }
}

/// A router that is compared: its label, and the router with the epochs that were asked for, and with one.
type Compared = (String, [Box<dyn Router>; 2]);

/// The routers that are compared.
pub fn routers(experiment: &Experiment, args: &CompareBackendsArgs) -> Outcome<Vec<Compared>> {
    let trained = |plan: &Plan| match plan {
        Plan::Fitted { parsed, .. } => parsed.settings.contains_key("epochs"),
        Plan::Oracle { .. } => false,
    };
    let labels: Vec<&str> = (experiment.routers.iter())
        .filter(|entry| trained(&entry.plan))
        .map(|entry| entry.label.as_str())
        .collect();
    if let Some(label) = args
        .routers
        .iter()
        .find(|label| !labels.contains(&label.as_str()))
    {
        return Err(bad_request!(
            "the experiment has no router {label:?} that is trained in epochs\nhelp: there are {}",
            labels.join(", ")
        ));
    }
    if labels.is_empty() {
        return Err(bad_request!(
            "no router of the experiment is trained in epochs, so there is nothing to compare\nhelp: add one, for example \
             kind = \"equirouter\""
        ));
    }
    let wanted = |label: &String| args.routers.is_empty() || args.routers.contains(label);
    let mut routers = Vec::new();
    for entry in experiment
        .routers
        .iter()
        .filter(|entry| wanted(&entry.label) && trained(&entry.plan))
    {
        let Plan::Fitted { kind, parsed } = &entry.plan else {
            continue;
        };
        let with = |epochs: Option<u32>| {
            let mut settings = toml::Table::new();
            settings.extend(epochs.map(|epochs| ("epochs".to_owned(), i64::from(epochs).into())));
            let parsed = experiment
                .registry
                .parse(kind, tuning::merged(parsed, &settings));
            parsed.map(|parsed| parsed.router).map_err(Failure::request)
        };
        routers.push((entry.label.clone(), [with(args.epochs)?, with(Some(1))?]));
    }
    Ok(routers)
}

/// Fits every router on one backend.
pub fn measure(
    experiment: &Experiment,
    backend: &Backend,
    args: &CompareBackendsArgs,
    output: &Output,
) -> Outcome<Measured> {
    let inputs = inputs::load(experiment, backend, output)?;
    let (split, embeddings) = (&inputs.splits[0], inputs.split_embeddings(0)?);
    let grid = results::grid(&experiment.evaluation, &inputs.table.select(&split.train));
    let part = |rows: &[usize], embeddings: &Embeddings| {
        let count = args
            .rows
            .map_or(rows.len(), |most| rows.len().min(most as usize));
        let embeddings = embeddings.select(&(0..count).collect::<Vec<usize>>());
        (inputs.table.select(&rows[..count]), embeddings)
    };
    let train = part(&split.train, &embeddings.train);
    let test = part(&split.test, &embeddings.test);
    let cost = SharedCost::new(experiment.cost.clone());
    let mut measured = Vec::new();
    for (label, routers) in routers(experiment, args)? {
        output.note(format!("{backend}: {label}"));
        let fit = FitOf {
            experiment,
            backend,
            cost: &cost,
            train: &train,
            test: &test,
            grid: &grid,
            strongest: &inputs.strongest[0],
        };
        measured.push(fit.measure(label, &routers)?);
    }
    Ok(Measured {
        identity: backend.identity(),
        routers: measured,
        peak_memory: peak_memory(),
    })
}

/// What the fits of one backend share.
struct FitOf<'a> {
    experiment: &'a Experiment,
    backend: &'a Backend,
    cost: &'a SharedCost,
    train: &'a (RoutingTable, Embeddings),
    test: &'a (RoutingTable, Embeddings),
    grid: &'a [f64],
    strongest: &'a [usize],
}

impl FitOf<'_> {
    fn measure(
        &self,
        label: String,
        [router, one_epoch]: &[Box<dyn Router>; 2],
    ) -> Outcome<MeasuredRouter> {
        let (table, embeddings) = self.train;
        let train = TrainingSet::new(embeddings, table).map_err(Failure::failed)?;
        let silent = |_: f64| {};
        let default = Backend::default();

        // A small batch is one step of most routers. Its costs are fitted elsewhere, so that nothing is compiled before.
        let rows: Vec<usize> = (0..table.len().min(FIRST_STEP)).collect();
        let one = (table.select(&rows), embeddings.select(&rows));
        let elsewhere = SharedCost::new(self.experiment.cost.clone());
        let seed = self.experiment.seeds[0];
        let context = |cost, progress, backend| Context {
            prices: true,
            seed,
            backend,
            cost,
            progress,
        };
        let cpu = context(&elsewhere, &silent, &default);
        let first = TrainingSet::new(&one.1, &one.0).map_err(Failure::failed)?;
        elsewhere.get(&first, &cpu).map_err(Failure::failed)?;
        let here = context(&elsewhere, &silent, self.backend);
        let start = Instant::now();
        one_epoch.fit(&first, &here).map_err(Failure::failed)?;
        let first_step = start.elapsed().as_secs_f64();

        self.cost
            .get(&train, &context(self.cost, &silent, self.backend))
            .map_err(Failure::failed)?;
        let steps: Mutex<Vec<(f64, Instant)>> = Mutex::default();
        let note = |share: f64| {
            let now = (share, Instant::now());
            steps
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(now);
        };
        let start = Instant::now();
        let fitted = router.fit(&train, &context(self.cost, &note, self.backend));
        let end = Instant::now();
        let fitted = fitted.map_err(Failure::failed)?;
        let losses = fitted
            .history()
            .map(|history| history.losses.clone())
            .unwrap_or_default();
        let steps = steps.into_inner().unwrap_or_else(PoisonError::into_inner);

        let predict = || {
            let start = Instant::now();
            let scores = fitted.predict(&self.test.1).map_err(Failure::failed)?;
            Ok((start.elapsed().as_secs_f64(), scores))
        };
        let (first_prediction, _) = predict()?;
        let (prediction, scores) = predict()?;

        let test = &self.test.0;
        let options = self
            .experiment
            .evaluation
            .options(fitted.decision(), None, self.strongest);
        let truth = Truth::new(test.quality(), test.cost()).map_err(Failure::failed)?;
        let evaluation = evaluate(&truth, &scores, &options).map_err(Failure::failed)?;
        let metric = |metric: &Metric| evaluation.get(metric).filter(|value| value.is_finite());
        let choices = Choices::new(&scores, self.grid, &options.rule);
        Ok(MeasuredRouter {
            label,
            train: table.len(),
            test: test.len(),
            first_step,
            epochs: epochs(&steps, losses.len().max(1), start, end),
            first_prediction,
            prediction,
            choices: (0..self.grid.len()).map(|at| choices.at(at)).collect(),
            metrics: METRICS.map(metric).to_vec(),
            losses,
            scores,
        })
    }
}

/// Seconds of every epoch, from when the share of the fit was told. The last step of an epoch is told when it is done.
fn epochs(steps: &[(f64, Instant)], count: usize, start: Instant, end: Instant) -> Vec<f64> {
    let ends = (1..=count).map(|epoch| {
        let share = (epoch as f64 - 1e-6) / count as f64;
        let step = steps.iter().find(|(done, _)| *done >= share);
        step.map_or(end, |(_, at)| *at)
    });
    let edges: Vec<Instant> = std::iter::once(start).chain(ends).collect();
    edges
        .windows(2)
        .map(|pair| (pair[1] - pair[0]).as_secs_f64())
        .collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn an_epoch_ends_with_its_last_step() {
        let start = Instant::now();
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        // Three epochs of two steps.
        let steps: Vec<(f64, Instant)> = [1, 12, 13, 19, 20, 30]
            .iter()
            .enumerate()
            .map(|(step, &seconds)| ((step + 1) as f64 / 6.0, at(seconds)))
            .collect();
        assert_eq!(epochs(&steps, 3, start, at(31)), [12.0, 7.0, 11.0]);
        // A fit that tells nothing.
        assert_eq!(epochs(&[], 1, start, at(31)), [31.0]);
    }
}
