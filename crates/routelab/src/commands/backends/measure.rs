//! One backend, measured: the child process of `routelab backends compare`.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use routelab_data::{Embeddings, RoutingTable};
use routelab_eval::{Choices, Metric, Scores, Truth, evaluate};
use routelab_heads::Backend;
use routelab_heads::backend::{Launches, peak_memory};
use routelab_routers::{Context, FittedRouter, ParsedRouter, Router, SharedCost, TrainingSet};
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

/// Training queries of an epoch whose throughput is measured, about: whole batches, and at least one.
const THROUGHPUT_ROWS: usize = 1024;
/// Epochs of such a fit: the first compiles what this size of batch needs.
const THROUGHPUT_EPOCHS: usize = 3;
/// A prediction whose throughput is measured is repeated until that took as many seconds in all, or as often.
const REPEAT_SECONDS: f64 = 0.2;
const REPEAT_TIMES: usize = 10;

/// What one backend did.
#[derive(Serialize, Deserialize)]
pub struct Measured {
    /// Name, adapter, precision.
    pub identity: String,
    /// The routers, in the order of the experiment.
    pub routers: Vec<MeasuredRouter>,
    /// Largest resident memory of the process in bytes, data and program included, where the system tells (Linux). Memory of
    /// a graphics card is not in it. Before throughput was measured, which takes more where batches are larger.
    pub peak_memory: Option<u64>,
    /// Most bytes that Burn held on the device after a fit or a prediction of these, what it keeps for reuse included; none
    /// where it does not tell, as on processors without kernels of CubeCL.
    pub device_memory: Option<u64>,
}

/// Time of so many queries at once.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub struct Throughput {
    /// Queries of a gradient step, or of a prediction.
    pub batch: usize,
    /// Queries in all.
    pub queries: usize,
    /// Seconds for them, the median.
    pub seconds: f64,
}

impl Throughput {
    /// Queries per second.
    pub fn per_second(&self) -> f64 {
        per_second(self.queries, self.seconds)
    }
}

/// Queries per second.
pub fn per_second(queries: usize, seconds: f64) -> f64 {
    queries as f64 / seconds.max(1e-9)
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
    /// Kernels that a gradient step launches, the mean over all epochs but the first; none on backends that launch none, or of a single
    /// epoch.
    pub kernels: Option<f64>,
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
    /// An epoch at every batch size, as far as there are training queries; at that of the experiment if it has no setting for
    /// it.
    pub training: Vec<Throughput>,
    /// Predictions of so many test queries, as far as there are so many.
    pub predicting: Vec<Throughput>,
}

impl MeasuredRouter {
    /// Seconds of an epoch once everything is compiled: the median over all epochs but the first, if there are others.
    pub fn epoch(&self) -> f64 {
        median(self.steady())
    }

    /// The epochs after the first, or that one if there is no other.
    pub fn steady(&self) -> &[f64] {
        steady(&self.epochs)
    }
}

fn steady(epochs: &[f64]) -> &[f64] {
    match epochs {
        [_, rest @ ..] if !rest.is_empty() => rest,
        all => all,
    }
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    f64::midpoint(sorted[(sorted.len() - 1) / 2], sorted[sorted.len() / 2])
}

/// The batch sizes that can be measured with so many rows, ascending: those asked for, or all rows in one batch.
fn sizes(asked: &[u32], rows: usize) -> Vec<usize> {
    let asked = asked.iter().map(|&size| size as usize);
    let mut within: Vec<usize> = asked.filter(|&size| size <= rows).collect();
    within.sort_unstable();
    within.dedup();
    if within.is_empty() {
        return vec![rows];
    }
    within
}

/// A router that is compared.
pub struct Compared<'a> {
    label: &'a str,
    kind: &'a str,
    parsed: &'a ParsedRouter,
    experiment: &'a Experiment,
}

impl Compared<'_> {
    /// The router with some settings instead of its own.
    fn with(&self, settings: &[(&str, usize)]) -> Outcome<Box<dyn Router>> {
        let settings = settings
            .iter()
            .map(|&(name, value)| (name.to_owned(), (value as i64).into()));
        let settings = tuning::merged(self.parsed, &settings.collect());
        let parsed = self.experiment.registry.parse(self.kind, settings);
        parsed.map(|parsed| parsed.router).map_err(Failure::request)
    }
}

/// The routers that are compared.
pub fn routers<'a>(
    experiment: &'a Experiment,
    args: &CompareBackendsArgs,
) -> Outcome<Vec<Compared<'a>>> {
    let trained = experiment
        .routers
        .iter()
        .filter_map(|entry| match &entry.plan {
            Plan::Fitted { kind, parsed } if parsed.settings.contains_key("epochs") => {
                Some(Compared {
                    label: &entry.label,
                    kind,
                    parsed,
                    experiment,
                })
            }
            _ => None,
        });
    let mut trained: Vec<Compared> = trained.collect();
    if trained.is_empty() {
        return Err(bad_request!(
            "no router of the experiment is trained in epochs, so there is nothing to compare\nhelp: add one, for example \
             kind = \"equirouter\""
        ));
    }
    let there = |label: &String| trained.iter().any(|router| router.label == label);
    if let Some(label) = args.routers.iter().find(|label| !there(label)) {
        let labels: Vec<&str> = trained.iter().map(|router| router.label).collect();
        return Err(bad_request!(
            "the experiment has no router {label:?} that is trained in epochs\nhelp: there are {}",
            labels.join(", ")
        ));
    }
    if !args.routers.is_empty() {
        trained.retain(|router| args.routers.iter().any(|label| label == router.label));
    }
    Ok(trained)
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
    let fit = FitOf {
        experiment,
        backend,
        cost: &cost,
        train: &train,
        test: &test,
        grid: &grid,
        strongest: &inputs.strongest[0],
    };
    let compared = routers(experiment, args)?;
    let (mut measured, mut fitted, mut device_memory) = (Vec::new(), Vec::new(), None);
    for router in &compared {
        output.note(format!("{backend}: {}", router.label));
        let epochs = args.epochs.map(|epochs| epochs as usize);
        let (figures, one) = fit.measure(router, epochs)?;
        device_memory = device_memory.max(backend.device_memory());
        measured.push(figures);
        fitted.push(one);
    }
    let peak_memory = peak_memory();
    for ((router, fitted), measured) in compared.iter().zip(fitted).zip(&mut measured) {
        output.note(format!("{backend}: {}: batches", router.label));
        measured.training = fit.training(router, &sizes(&args.batch_sizes, train.0.len()))?;
        measured.predicting = fit.predicting(&*fitted, &sizes(&args.batch_sizes, test.0.len()))?;
    }
    Ok(Measured {
        identity: backend.identity(),
        routers: measured,
        peak_memory,
        device_memory,
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
    /// What a fit asks for. The progress is told to `told`.
    fn context<'b>(
        &'b self,
        cost: &'b SharedCost,
        backend: &'b Backend,
        told: &'b (dyn Fn(f64) + Sync),
    ) -> Context<'b> {
        Context {
            prices: true,
            seed: self.experiment.seeds[0],
            backend,
            cost,
            progress: told,
        }
    }

    /// Fits a router.
    fn timed(&self, router: &dyn Router, train: &TrainingSet, cost: &SharedCost) -> Outcome<Timed> {
        let steps: Mutex<Vec<(f64, Instant, usize)>> = Mutex::default();
        let launches = Launches::new();
        let note = |share: f64| {
            let now = (share, Instant::now(), launches.count());
            steps
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(now);
        };
        let start = Instant::now();
        let fitted = router.fit(train, &self.context(cost, self.backend, &note));
        let end = Instant::now();
        let fitted = fitted.map_err(Failure::failed)?;
        let count = fitted.history().map_or(1, |history| history.losses.len());
        let steps = steps.into_inner().unwrap_or_else(PoisonError::into_inner);
        let kernels = kernels(&steps, count);
        let steps: Vec<(f64, Instant)> = steps.iter().map(|step| (step.0, step.1)).collect();
        Ok(Timed {
            fitted,
            epochs: epochs(&steps, count.max(1), start, end),
            kernels,
        })
    }

    /// Some of the training queries, with their costs fitted elsewhere, so that nothing is compiled before.
    fn some(&self, rows: usize) -> Outcome<(RoutingTable, Embeddings, SharedCost)> {
        let (table, embeddings) = self.train;
        let rows: Vec<usize> = (0..rows).collect();
        let (table, embeddings) = (table.select(&rows), embeddings.select(&rows));
        let cost = SharedCost::new(self.experiment.cost.clone());
        let train = TrainingSet::new(&embeddings, &table).map_err(Failure::failed)?;
        cost.get(&train, &self.context(&cost, &Backend::default(), &|_| {}))
            .map_err(Failure::failed)?;
        Ok((table, embeddings, cost))
    }

    fn measure(
        &self,
        compared: &Compared,
        epochs: Option<usize>,
    ) -> Outcome<(MeasuredRouter, Box<dyn FittedRouter>)> {
        let (table, embeddings) = self.train;
        let train = TrainingSet::new(embeddings, table).map_err(Failure::failed)?;

        // A small batch is one step of most routers.
        let (few, of_few, cost) = self.some(table.len().min(FIRST_STEP))?;
        let first = TrainingSet::new(&of_few, &few).map_err(Failure::failed)?;
        let one_epoch = compared.with(&[("epochs", 1)])?;
        let start = Instant::now();
        one_epoch
            .fit(&first, &self.context(&cost, self.backend, &|_| {}))
            .map_err(Failure::failed)?;
        let first_step = start.elapsed().as_secs_f64();

        self.cost
            .get(&train, &self.context(self.cost, self.backend, &|_| {}))
            .map_err(Failure::failed)?;
        let epochs: Vec<(&str, usize)> = epochs
            .map(|epochs| ("epochs", epochs))
            .into_iter()
            .collect();
        let Timed {
            fitted,
            epochs,
            kernels,
        } = self.timed(&*compared.with(&epochs)?, &train, self.cost)?;
        let losses = fitted
            .history()
            .map(|history| history.losses.clone())
            .unwrap_or_default();

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
        let measured = MeasuredRouter {
            label: compared.label.to_owned(),
            train: table.len(),
            test: test.len(),
            first_step,
            epochs,
            kernels,
            first_prediction,
            prediction,
            choices: (0..self.grid.len()).map(|at| choices.at(at)).collect(),
            metrics: METRICS.map(metric).to_vec(),
            losses,
            scores,
            training: Vec::new(),
            predicting: Vec::new(),
        };
        Ok((measured, fitted))
    }

    /// An epoch at every one of these batch sizes, after another that compiles.
    fn training(&self, compared: &Compared, sizes: &[usize]) -> Outcome<Vec<Throughput>> {
        let all = self.train.0.len();
        let own = compared.parsed.settings.get("batch_size");
        let sizes = match own {
            Some(_) => sizes.to_vec(),
            // All at once, or as the router has it.
            None => vec![all],
        };
        let at = |batch: usize| {
            let batches = (THROUGHPUT_ROWS.min(all) / batch).max(1);
            let (table, embeddings, cost) = self.some(batches * batch)?;
            let train = TrainingSet::new(&embeddings, &table).map_err(Failure::failed)?;
            let mut settings = vec![("epochs", THROUGHPUT_EPOCHS)];
            settings.extend(own.map(|_| ("batch_size", batch)));
            let timed = self.timed(&*compared.with(&settings)?, &train, &cost)?;
            Ok(Throughput {
                batch,
                queries: table.len(),
                seconds: median(steady(&timed.epochs)),
            })
        };
        sizes.into_iter().map(at).collect()
    }

    /// Predictions of so many queries, after another that compiles.
    fn predicting(&self, fitted: &dyn FittedRouter, sizes: &[usize]) -> Outcome<Vec<Throughput>> {
        let at = |&batch: &usize| {
            let queries = self.test.1.select(&(0..batch).collect::<Vec<usize>>());
            let once = || {
                let start = Instant::now();
                fitted.predict(&queries).map_err(Failure::failed)?;
                Ok(start.elapsed().as_secs_f64())
            };
            once()?;
            let mut times = vec![once()?];
            while times.iter().sum::<f64>() < REPEAT_SECONDS && times.len() < REPEAT_TIMES {
                times.push(once()?);
            }
            Ok(Throughput {
                batch,
                queries: batch,
                seconds: median(&times),
            })
        };
        sizes.iter().map(at).collect()
    }
}

/// A fit that was watched.
struct Timed {
    fitted: Box<dyn FittedRouter>,
    /// Seconds of every epoch.
    epochs: Vec<f64>,
    /// See [`MeasuredRouter::kernels`].
    kernels: Option<f64>,
}

/// Kernels of a step: of every step the share of the fit that is done, and the kernels that were launched so far.
fn kernels(steps: &[(f64, Instant, usize)], epochs: usize) -> Option<f64> {
    // The last step of an epoch is told when all its kernels have been launched.
    let first = steps
        .iter()
        .position(|step| step.0 >= 1.0 / epochs as f64 - 1e-6)?;
    let (later, launched) = (steps.len() - 1 - first, steps.last()?.2 - steps[first].2);
    (later > 0 && launched > 0).then(|| launched as f64 / later as f64)
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
    fn kernels_are_those_after_the_first_epoch() {
        let now = Instant::now();
        // Three epochs of two steps; the first compiles and tries variants.
        let steps: Vec<(f64, Instant, usize)> = [500, 900, 910, 920, 930, 940]
            .iter()
            .enumerate()
            .map(|(step, &launched)| ((step + 1) as f64 / 6.0, now, launched))
            .collect();
        assert_eq!(kernels(&steps, 3), Some(10.0));
        assert_eq!(kernels(&steps, 1), None);
        assert_eq!(kernels(&[(0.5, now, 0), (1.0, now, 0)], 2), None);
        assert_eq!(kernels(&[], 1), None);
    }

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
