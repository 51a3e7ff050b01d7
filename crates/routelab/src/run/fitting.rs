//! Fits every router on every seed.

use std::collections::HashMap;
use std::num::NonZero;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Instant;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Normal};
use routelab_data::RoutingTable;
use routelab_eval::{Truth, oracle};
use routelab_heads::Backend;
use routelab_routers::decision;
use routelab_routers::{Context, FittedRouter, Registry, RouterError, SharedCost, TrainingSet};

use super::inputs::{Inputs, SplitEmbeddings};
use super::store::Store;
use super::tuning::{self, Search};
use crate::experiment::{Entry, Experiment, Plan};
use crate::failure::{Failure, Outcome};
use crate::folder::{ENCODER, Seconds, Unit, UnitOutcome};
use crate::output::{Bar, Output};
use crate::run::Job;

/// Steps of the progress bar per unit.
const STEPS: u64 = 1000;

/// Fits what an earlier run has not fitted yet: per seed, per router, in the order of the experiment.
pub fn fit_all(
    experiment: &Experiment,
    inputs: &Inputs,
    job: &Job,
    store: &Store,
) -> Outcome<Vec<Vec<Unit>>> {
    let units = fit(experiment, inputs, job, store, &|_, _| true)?;
    let whole = |row: Vec<Option<Unit>>| row.into_iter().collect::<Option<Vec<Unit>>>();
    let units: Option<Vec<Vec<Unit>>> = units.into_iter().map(whole).collect();
    Ok(units.expect("every open unit was fitted"))
}

/// Fits those units that are `wanted`, by the number of their seed and of their router, and that an earlier run has not fitted
/// yet. The others are `None`.
///
/// They are fitted side by side, one per core unless the job says otherwise: a fit keeps a single core busy most of the time, and what it does
/// on several cores it hands to the one thread pool of the process. On a graphics card each has a stream of its own. Results do not depend on
/// it.
pub fn fit(
    experiment: &Experiment,
    inputs: &Inputs,
    job: &Job,
    store: &Store,
    wanted: &dyn Fn(usize, usize) -> bool,
) -> Outcome<Vec<Vec<Option<Unit>>>> {
    let mut units = vec![vec![None; experiment.routers.len()]; experiment.seeds.len()];
    let (mut open, mut done) = (Vec::new(), 0);
    for (index, &seed) in experiment.seeds.iter().enumerate() {
        for (router, entry) in experiment.routers.iter().enumerate() {
            if wanted(index, router) {
                units[index][router] = store.unit(&entry.label, seed);
                match units[index][router] {
                    Some(_) => done += 1,
                    None => open.push((index, router)),
                }
            }
        }
    }
    let (backend, output) = (job.backend, job.output);
    let bar = output.bar((done + open.len()) as u64 * STEPS);
    bar.inc(done as u64 * STEPS);
    let report = Report {
        store,
        output,
        bar: &bar,
    };
    let seeds = SeedFits {
        new: &|index| SeedFit::new(experiment, inputs, backend, store, index),
        fits: Mutex::new(experiment.seeds.iter().map(|_| Weak::new()).collect()),
    };
    let open = grouped(experiment, open);
    for ((index, router), unit) in side_by_side(&seeds, experiment, &open, job.at_once, &report)? {
        units[index][router] = Some(unit);
    }
    bar.finish_and_clear();
    Ok(units)
}

/// A reason as tables and pages tell it: numbers that are none have no name there.
fn in_words(reason: &str) -> String {
    let words = reason.split(' ').map(|word| match word {
        "inf" => "∞",
        "-inf" => "-∞",
        "NaN" => "no number",
        word => word,
    });
    words.collect::<Vec<_>>().join(" ")
}

/// What the fits of every seed share: made when the first of them begins, and dropped after the last one.
struct SeedFits<'a> {
    new: &'a (dyn Fn(usize) -> Outcome<SeedFit<'a>> + Sync),
    fits: Mutex<Vec<Weak<SeedFit<'a>>>>,
}

impl<'a> SeedFits<'a> {
    fn get(&self, index: usize) -> Outcome<Arc<SeedFit<'a>>> {
        let mut fits = self.fits.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(fit) = fits[index].upgrade() {
            return Ok(fit);
        }
        let fit = Arc::new((self.new)(index)?);
        fits[index] = Arc::downgrade(&fit);
        Ok(fit)
    }
}

/// Where fits say how far they are.
struct Report<'a> {
    store: &'a Store,
    output: &'a Output,
    bar: &'a Bar<'a>,
}

impl Report<'_> {
    fn finished(&self, seed: u64, entry: &Entry, unit: &Unit) -> Outcome {
        let line = match &unit.outcome {
            UnitOutcome::Predicted { .. } => format!(
                "seed {seed}: {}: fit {:.1} s, predict {:.2} s",
                entry.label, unit.seconds.fit, unit.seconds.predict
            ),
            UnitOutcome::Failed(reason) => {
                format!("seed {seed}: {}: failed: {reason}", entry.label)
            }
        };
        self.store.log(line.clone())?;
        if self.bar.is_hidden() {
            self.output.note(line);
        }
        Ok(())
    }
}

/// Puts units together, given by the numbers of their seed and router, whose routers differ in nothing but the decision that they name:
/// they predict the same. Not where fitted routers are kept, or settings are searched: each then has a fit of its own.
fn grouped(experiment: &Experiment, open: Vec<(usize, usize)>) -> Vec<Vec<(usize, usize)>> {
    let mut groups: Vec<Vec<(usize, usize)>> = Vec::new();
    let mut known: HashMap<(usize, String), usize> = HashMap::new();
    for (index, router) in open {
        let kept = index == 0 && experiment.models;
        let key = match &experiment.routers[router].plan {
            Plan::Fitted { kind, parsed } if !kept && experiment.tuning.is_none() => {
                let mut settings = parsed.settings.clone();
                let named = settings.remove(decision::KEY);
                named.map(|_| (index, format!("{kind} {settings}")))
            }
            _ => None,
        };
        match key.as_ref().and_then(|key| known.get(key)) {
            Some(&group) => groups[group].push((index, router)),
            None => {
                known.extend(key.map(|key| (key, groups.len())));
                groups.push(vec![(index, router)]);
            }
        }
    }
    groups
}

/// Fits the `open` units in their groups, so many at once, as many as there are cores by default; every thread takes the next group when it is
/// done.
fn side_by_side<'a>(
    seeds: &SeedFits<'a>,
    experiment: &Experiment,
    open: &[Vec<(usize, usize)>],
    at_once: Option<NonZero<usize>>,
    report: &Report,
) -> Outcome<Vec<((usize, usize), Unit)>> {
    let next = AtomicUsize::new(0);
    let worker = || -> Outcome<Vec<((usize, usize), Unit)>> {
        let mut done = Vec::new();
        // Held until the next one is there, so that what a seed's fits share outlives the time between two of them.
        let mut held: Option<Arc<SeedFit>> = None;
        while let Some(group) = open.get(next.fetch_add(1, Ordering::Relaxed)) {
            // What the first of the group predicted.
            let mut first: Option<Unit> = None;
            for &(index, router) in group {
                report.output.go_on()?;
                let entry = &experiment.routers[router];
                let seed_fit = &*held.insert(seeds.get(index)?);
                report
                    .bar
                    .set_message(format!("seed {}: {}", seed_fit.seed, entry.label));
                let steps = AtomicU64::new(0);
                let unit = match &first {
                    Some(first) => seed_fit.decide(entry, first)?,
                    None => seed_fit.fit(entry, &|share| {
                        report.output.leave_if_stopped();
                        let now = (share * STEPS as f64) as u64;
                        let before = steps.fetch_max(now, Ordering::Relaxed);
                        report.bar.inc(now.saturating_sub(before));
                    })?,
                };
                report.bar.inc(STEPS - steps.into_inner().min(STEPS));
                report.finished(seed_fit.seed, entry, &unit)?;
                if group.len() > 1 {
                    first.get_or_insert_with(|| unit.clone());
                }
                done.push(((index, router), unit));
            }
        }
        Ok(done)
    };
    let cores = || std::thread::available_parallelism().map_or(1, NonZero::get);
    let at_once = at_once.map_or_else(cores, NonZero::get);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..at_once.min(open.len()))
            .map(|_| scope.spawn(worker))
            .collect();
        // All are joined before anything is said of one: what a thread leaves unjoined, the scope reports in its own words.
        let ended: Vec<_> = threads.into_iter().map(|thread| thread.join()).collect();
        let mut units = Vec::new();
        for found in ended {
            units.extend(found.unwrap_or_else(|panic| std::panic::resume_unwind(panic))?);
        }
        Ok(units)
    })
}

/// What the fits of one seed share.
struct SeedFit<'a> {
    seed: u64,
    /// Whether its fitted routers are kept.
    first: bool,
    registry: &'a Registry,
    train: RoutingTable,
    test: RoutingTable,
    embeddings: SplitEmbeddings,
    cost: SharedCost,
    search: Option<Search<'a>>,
    backend: &'a Backend,
    store: &'a Store,
}

impl<'a> SeedFit<'a> {
    fn new(
        experiment: &'a Experiment,
        inputs: &Inputs,
        backend: &'a Backend,
        store: &'a Store,
        index: usize,
    ) -> Outcome<Self> {
        let split = &inputs.splits[index];
        let embeddings = inputs.split_embeddings(index)?;
        if let (0, Some(encoder)) = (index, &embeddings.encoder) {
            let path = store.file(ENCODER);
            encoder.save(&path).map_err(Failure::failed)?;
        }
        let seed = experiment.seeds[index];
        let train = inputs.table.select(&split.train);
        let search = experiment
            .tuning
            .as_ref()
            .map(|tuning| Search::new(experiment, tuning, seed, &train, &embeddings.train))
            .transpose()?;
        Ok(Self {
            seed,
            first: index == 0 && experiment.models,
            registry: &experiment.registry,
            train,
            search,
            test: inputs.table.select(&split.test),
            embeddings,
            cost: SharedCost::new(experiment.cost.clone()),
            backend,
            store,
        })
    }

    /// Fits one router and stores the unit. A router that fails is a result, too.
    fn fit(&self, entry: &Entry, progress: &(dyn Fn(f64) + Sync)) -> Outcome<Unit> {
        let (mut trials, mut tuned) = (Vec::new(), None);
        if let (Plan::Fitted { kind, parsed }, Some(search), false) =
            (&entry.plan, &self.search, entry.space.is_empty())
        {
            let start = Instant::now();
            trials = search.run(entry, kind, parsed, self.backend, progress)?;
            self.store.log(format!(
                "seed {}: {}: {} trials in {:.1} s",
                self.seed,
                entry.label,
                trials.len(),
                start.elapsed().as_secs_f64()
            ))?;
            // Where every trial failed, the settings of the file fail again and say why.
            if let Some(best) = tuning::best(&trials, search.metric()) {
                let settings = tuning::merged(parsed, &trials[best].settings);
                tuned = Some(
                    self.registry
                        .parse(kind, settings)
                        .map_err(Failure::failed)?,
                );
            }
        }
        let start = Instant::now();
        let (unit, fitted) = match &entry.plan {
            Plan::Oracle { noise, decision } => {
                let truth =
                    Truth::new(self.test.quality(), self.test.cost()).map_err(Failure::failed)?;
                let mut scores = oracle(&truth);
                if *noise > 0.0 {
                    let normal = Normal::new(0.0, *noise).map_err(Failure::failed)?;
                    let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
                    scores
                        .quality
                        .mapv_inplace(|quality| quality + normal.sample(&mut rng));
                }
                let outcome = UnitOutcome::Predicted {
                    scores,
                    decision: decision.unwrap_or_default(),
                };
                (
                    Unit {
                        outcome,
                        seconds: Seconds::default(),
                        trials,
                    },
                    None,
                )
            }
            Plan::Fitted { parsed, .. } => {
                let train = TrainingSet::new(&self.embeddings.train, &self.train)
                    .map_err(Failure::failed)?;
                let context = Context {
                    prices: self.first,
                    seed: self.seed,
                    backend: self.backend,
                    cost: &self.cost,
                    progress,
                };
                let router = &tuned.as_ref().unwrap_or(parsed).router;
                let fitted = router.fit(&train, &context);
                let fit = start.elapsed().as_secs_f64();
                let start = Instant::now();
                let (outcome, fitted) = match self.predict(fitted) {
                    Ok((outcome, fitted)) => (outcome, Some(fitted)),
                    Err(error) => (UnitOutcome::Failed(in_words(&error.to_string())), None),
                };
                let predict = start.elapsed().as_secs_f64();
                (
                    Unit {
                        outcome,
                        seconds: Seconds { fit, predict },
                        trials,
                    },
                    fitted,
                )
            }
        };
        if let (true, Some(fitted)) = (self.first, &fitted) {
            let archive = (self.registry).save(entry.plan.kind(), &**fitted);
            let archive = archive.map_err(Failure::failed)?;
            self.store.put_model(&entry.label, &archive)?;
        }
        let history = fitted.as_ref().and_then(|fitted| fitted.history());
        self.store
            .put_unit(&entry.label, self.seed, &unit, history)?;
        Ok(unit)
    }

    /// The unit of a router that predicts as `first` does, with its own decision.
    fn decide(&self, entry: &Entry, first: &Unit) -> Outcome<Unit> {
        let mut unit = first.clone();
        if let (Plan::Fitted { parsed, .. }, UnitOutcome::Predicted { decision, .. }) =
            (&entry.plan, &mut unit.outcome)
            && let Some(value) = parsed.settings.get(decision::KEY)
        {
            *decision = decision::parse(value)
                .map_err(|reason| Failure::failed(anyhow::anyhow!(reason)))?;
        }
        self.store.put_unit(&entry.label, self.seed, &unit, None)?;
        Ok(unit)
    }

    fn predict(
        &self,
        fitted: Result<Box<dyn FittedRouter>, RouterError>,
    ) -> Result<(UnitOutcome, Box<dyn FittedRouter>), RouterError> {
        let fitted = fitted?;
        let outcome = UnitOutcome::Predicted {
            scores: fitted.predict(&self.embeddings.test)?,
            decision: fitted.decision(),
        };
        Ok((outcome, fitted))
    }
}
