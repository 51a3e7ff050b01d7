//! Predictions on a table, evaluated: for `routelab evaluate`, and for programs that have predictions of their own.

use std::sync::Arc;

use ndarray::Axis;
use routelab_data::RoutingTable;
use routelab_eval::bootstrap::{Population, Replicates};
use routelab_eval::two_model::CallShare;
use routelab_eval::{
    Budgets, DecompositionOptions, Evaluation, EvaluationOptions, METRICS, Metric, Point, Rule,
    Scores, Strongest, Sweep, Truth,
};
use routelab_plot::{Drawing, LabelledPoint, Style};
use serde_json::{Map, Value, json};

use crate::experiment::{BOOTSTRAP_SEED, EvaluationSpec, StrongestSpec};
use crate::failure::{Failure, Outcome, bad_request};
use crate::folder::Seconds;
use crate::names::short_names;
use crate::run::figures;
use crate::run::results::{Results, RouterResult, SeedResult, grid};

/// How predictions are evaluated.
#[derive(Clone, Debug, PartialEq)]
pub struct EvaluateOptions {
    /// The decision, and the conventions for what it leaves open.
    pub rule: Rule,
    /// Number of budgets of the sweep, at least 2.
    pub budgets: usize,
    /// The model onto which routing can collapse, by the queries that are evaluated.
    pub strongest: StrongestSpec,
    /// Margins up to this count as small; 0 or more.
    pub margin_threshold: f64,
}

impl Default for EvaluateOptions {
    fn default() -> Self {
        let spec = EvaluationSpec::default();
        Self {
            rule: spec.rule(Default::default()),
            budgets: spec.budgets,
            strongest: spec.strongest,
            margin_threshold: spec.margin_threshold,
        }
    }
}

/// Predictions with everything that is known about them.
pub struct Evaluated {
    /// All metrics, and the sweep behind them.
    pub evaluation: Evaluation,
    table: Arc<RoutingTable>,
    /// The rows of a larger table that the queries are, and its size.
    population: Option<(Vec<usize>, usize)>,
    scores: Scores,
    options: EvaluationOptions,
    strongest: StrongestSpec,
}

/// A threshold for a share of calls to the strong of two models, and the first point of the sweep that reaches the share.
pub type Share<'a> = (CallShare, Option<&'a Point>);

/// The predictions of one router, or the truth itself, on one or several splits of a table: a line of a figure.
pub struct Plotted<'a> {
    /// Its name in the figure.
    pub label: String,
    /// What it is: `oracle`, `random`, `cheapest`, `strongest` and `best-single` are drawn as what they are, all others as routers.
    pub kind: String,
    /// One per split, on the same models.
    pub splits: Vec<&'a Evaluated>,
}

impl Evaluated {
    /// Evaluates predictions for the queries of `table`, or for these `rows` of it, in their order.
    ///
    /// # Errors
    ///
    /// Predictions of another shape, or that are no numbers; options out of range; queries on which some model was not measured;
    /// rows that the table does not have, or one of them twice.
    pub fn new(
        table: Arc<RoutingTable>,
        rows: Option<Vec<usize>>,
        scores: Scores,
        options: &EvaluateOptions,
    ) -> Outcome<Self> {
        let size = table.len();
        let (table, population) = match rows {
            None => (table, None),
            Some(rows) => {
                check_rows(&rows, size).map_err(|reason| bad_request!("{reason}"))?;
                (Arc::new(table.select(&rows)), Some((rows, size)))
            }
        };
        if let Some(measured) = table.measured() {
            let gap = measured
                .indexed_iter()
                .find_map(|(at, &measured)| (!measured).then_some(at));
            let (row, model) = gap.expect("a mask has gaps");
            return Err(bad_request!(
                "model {:?} was not measured on query {:?}: predictions are evaluated on queries on which every model was",
                table.models()[model],
                table.ids()[row]
            ));
        }
        let truth = truth(&table)?;
        let strongest = options
            .strongest
            .resolve(table.models(), &truth)
            .map_err(|reason| bad_request!("{reason}"))?;
        let all = EvaluationOptions {
            rule: options.rule,
            budgets: Budgets::Quantiles(options.budgets),
            strongest: Strongest::Models(strongest),
            margin_threshold: options.margin_threshold,
            ..EvaluationOptions::default()
        };
        let evaluation = routelab_eval::evaluate(&truth, &scores, &all);
        let evaluation = evaluation.map_err(Failure::request)?;
        Ok(Self {
            evaluation,
            table,
            population,
            scores,
            options: all,
            strongest: options.strongest.clone(),
        })
    }

    /// The queries that were evaluated.
    pub fn table(&self) -> &Arc<RoutingTable> {
        &self.table
    }

    /// The predictions.
    pub fn scores(&self) -> &Scores {
        &self.scores
    }

    /// Every metric of one router by name, in the order of files; `None` where one is undefined. Those of two models are there for a
    /// pool of two.
    pub fn metrics(&self) -> impl Iterator<Item = (&'static Metric, Option<f64>)> {
        let pair = self.table.models().len() == 2;
        let metrics = METRICS
            .iter()
            .filter(move |metric| metric.is_of_router() || (pair && metric.is_of_two_models()));
        metrics.map(|metric| (metric, self.evaluation.get(metric)))
    }

    /// The metrics on `count` resamples of the queries, those of a run's comparisons: of the whole table, where the evaluation has some
    /// of its rows.
    ///
    /// # Errors
    ///
    /// No resample.
    pub fn replicates(&self, count: usize) -> Outcome<Replicates> {
        let population = self
            .population
            .as_ref()
            .map(|(rows, size)| Population { rows, size: *size });
        let sweep = self.sweep(&self.options)?;
        sweep
            .replicates(count, BOOTSTRAP_SEED, population)
            .map_err(Failure::request)
    }

    fn sweep<'a>(&'a self, options: &'a EvaluationOptions) -> Outcome<Sweep<'a>> {
        Sweep::new(&truth(&self.table)?, &self.scores, options).map_err(Failure::request)
    }

    /// For pools of two models: for each of these shares of the queries, in (0, 1], the threshold that sends it to the strong one.
    ///
    /// # Errors
    ///
    /// A share out of range.
    pub fn shares(&self, shares: &[f64]) -> Outcome<Vec<Share<'_>>> {
        if let Some(bad) = shares.iter().find(|&&share| !(share > 0.0 && share <= 1.0)) {
            return Err(bad_request!(
                "`shares` has {bad}\nhelp: `--shares` takes numbers above 0 and up to 1, for example 0.2,0.5,0.8"
            ));
        }
        let Some(two) = &self.evaluation.two_model else {
            return Ok(Vec::new());
        };
        let found = two.thresholds(&truth(&self.table)?, &self.scores, shares);
        let budget = |share: f64| {
            let mut points = self.evaluation.points.iter();
            points.find(|point| point.call_rates[two.strong] >= share)
        };
        Ok(found
            .into_iter()
            .map(|call| (call, budget(call.share)))
            .collect())
    }
}

/// What really happened.
fn truth(table: &RoutingTable) -> Outcome<Truth<'_>> {
    Truth::new(table.quality(), table.cost()).map_err(Failure::request)
}

/// Checks that rows are some of a table's, each once.
///
/// # Errors
///
/// In words.
pub fn check_rows(rows: &[usize], size: usize) -> Result<(), String> {
    if rows.is_empty() {
        return Err("`rows` is empty: give at least one row".into());
    }
    let mut seen = vec![false; size];
    for &row in rows {
        match seen.get_mut(row) {
            None => {
                return Err(format!(
                    "`rows` has {row}, but the table has {size} rows, counted from 0"
                ));
            }
            Some(true) => return Err(format!("`rows` has {row} twice")),
            Some(seen) => *seen = true,
        }
    }
    Ok(())
}

/// A figure of a run, of predictions that were made elsewhere. `stem`: one of `call_rate`, `cost_quality`, `call_mix`, `margins`, `rci`
/// and `decomposition`; `reference`: the label of the line that the figure is about.
///
/// # Errors
///
/// An unknown figure, nothing to draw, and evaluations on other models or in another unit of cost than the first.
pub fn plot(
    stem: &str,
    plotted: &[Plotted],
    reference: Option<&str>,
    style: &Style,
) -> Outcome<Drawing> {
    let first = plotted
        .first()
        .and_then(|plotted| plotted.splits.first())
        .ok_or_else(|| bad_request!("there is nothing to draw: give an evaluation"))?;
    let (models, unit) = (first.table.models(), first.table.cost_unit());
    let splits = || plotted.iter().flat_map(|plotted| &plotted.splits);
    if splits().any(|other| other.table.models() != models || other.table.cost_unit() != unit) {
        return Err(bad_request!(
            "the evaluations are about different models or units of cost: one figure needs the same"
        ));
    }
    let spec = EvaluationSpec::default();
    let budgets = grid(&spec, &first.table);
    let mut routers = Vec::new();
    for one in plotted {
        let mut seeds = Vec::new();
        for (number, split) in one.splits.iter().enumerate() {
            let options = EvaluationOptions {
                shared_grid: Some(budgets.clone()),
                ..split.options.clone()
            };
            let sweep = split.sweep(&options)?;
            let decomposition = sweep.decompose(&DecompositionOptions {
                band: Some(options.margin_threshold),
                ..DecompositionOptions::default()
            });
            seeds.push(SeedResult {
                seed: number as u64,
                evaluation: sweep.evaluate(),
                decomposition: decomposition.map_err(Failure::request)?,
                choices: None,
                seconds: Seconds::default(),
            });
        }
        routers.push(RouterResult {
            label: one.label.clone(),
            kind: one.kind.clone(),
            noise: 0.0,
            seeds,
            failures: Vec::new(),
            searches: Vec::new(),
        });
    }
    let results = Results {
        title: String::new(),
        models: models.to_vec(),
        names: short_names(models),
        cost_unit: unit.label(),
        cost_assumption: unit.assumption.clone(),
        grid: budgets,
        reference: reference.map(str::to_owned),
        margin_threshold: first.options.margin_threshold,
        strongest: plotted[0]
            .splits
            .iter()
            .map(|split| split.evaluation.strongest.clone())
            .collect(),
        strongest_meaning: first.strongest.meaning_here(),
        routers,
        comparisons: Vec::new(),
    };
    let single = |model: usize| {
        let mean = |values: fn(&RoutingTable) -> ndarray::ArrayView2<f64>| {
            let splits = &plotted[0].splits;
            let sum: f64 = splits
                .iter()
                .map(|split| values(&split.table).index_axis(Axis(1), model).sum())
                .sum();
            sum / splits.iter().map(|split| split.table.len()).sum::<usize>() as f64
        };
        LabelledPoint {
            name: results.names[model].clone(),
            cost: mean(RoutingTable::cost),
            quality: mean(RoutingTable::quality),
        }
    };
    let singles = (0..models.len()).map(single).collect();
    let drawing = figures::alone(stem, &results, singles, style).ok_or_else(|| {
        bad_request!(
            "there is no figure {stem:?}: expected one of {}",
            figures::ALONE.join(", ")
        )
    })?;
    drawing.map_err(Failure::request)
}

impl Evaluated {
    /// Everything as `routelab evaluate --json` prints it; `ignored`: predictions about other queries.
    pub fn json(&self, shares: &[Share], ignored: usize) -> Value {
        let (e, models) = (&self.evaluation, self.table.models());
        let by_model = |rates: &[f64]| -> Value {
            let pairs = models
                .iter()
                .cloned()
                .zip(rates.iter().copied().map(Value::from));
            Value::Object(pairs.collect::<Map<_, _>>())
        };
        let names = |indices: &[usize]| {
            indices
                .iter()
                .map(|&model| &models[model])
                .collect::<Vec<_>>()
        };
        let points = e.points.iter().map(|point| {
            json!({
                "budget": point.budget,
                "cost": point.cost,
                "quality": point.quality,
                "call_rates": by_model(&point.call_rates),
            })
        });
        let pareto = e
            .pareto
            .iter()
            .map(|point| json!({"cost": point.cost, "quality": point.quality}));
        let strong = e.two_model.as_ref().map_or(0, |two| two.strong);
        let share_values: Value = shares
            .iter()
            .map(|(call, point)| {
                json!({
                    "share": call.share,
                    "threshold": call.threshold,
                    "called": call.calls,
                    "quality": call.quality,
                    "cost": call.cost,
                    "budget": point.map(|point| point.budget),
                    "called_at_budget": point.map(|point| point.call_rates[strong]),
                })
            })
            .collect();
        let mut found = json!({
            "best_single_model": models[e.best_single_model],
            "best_single_quality": e.best_single_quality,
            "best_single_cost": e.best_single_cost,
            "strongest_models": names(&e.strongest),
            "call_rates": by_model(&e.call_rates),
            "two_model": e.two_model.as_ref().map(|two| json!({
                "weak": models[two.weak],
                "strong": models[two.strong],
                "apgr": two.apgr,
                "cpt_50": two.cpt_50,
                "cpt_80": two.cpt_80,
                "shares": share_values,
            })),
            "ignored_predictions": ignored,
            "points": points.collect::<Vec<_>>(),
            "pareto": pareto.collect::<Vec<_>>(),
        });
        for metric in METRICS.iter().filter(|metric| metric.is_of_router()) {
            found[metric.name] = e.get(metric).into();
        }
        found
    }

    /// The metrics for a reader, in lines.
    pub fn text(&self, shares: &[Share]) -> String {
        let (e, models) = (&self.evaluation, self.table.models());
        let unit = &self.table.cost_unit().label();
        let always = |name: &str| e.get(Metric::known(name)).expect("it is always defined");
        let written = |name: &str| match e.get(Metric::known(name)) {
            None => "undefined".to_owned(),
            Some(value) if value.is_infinite() => "∞".to_owned(),
            Some(value) => format!("{value:.4}"),
        };
        let lines = [
            ("nAUC (shared)", written("nauc_shared")),
            ("nAUC (legacy)", written("nauc_legacy")),
            ("nAUC (own range)", written("nauc_own_range")),
            ("AIQ", written("aiq")),
            ("peak score P_s", written("peak")),
            ("QNC", written("qnc")),
            (
                "best single model",
                format!(
                    "{}: quality {:.4} at {:.6} {unit}",
                    models[e.best_single_model], e.best_single_quality, e.best_single_cost
                ),
            ),
            (
                "RCI",
                format!(
                    "{} = wasteful {} + wrong {}",
                    written("rci"),
                    written("rci_wasteful"),
                    written("rci_wrong")
                ),
            ),
            (
                "strongest model",
                format!(
                    "{}: called on {:.1} %",
                    e.strongest
                        .iter()
                        .map(|&model| models[model].as_str())
                        .collect::<Vec<_>>()
                        .join(", "),
                    always("strongest_call_rate") * 100.0
                ),
            ),
            (
                "effective models",
                format!("{:.2} of {}", always("effective_models"), models.len()),
            ),
            ("pair accuracy", written("pair_accuracy")),
            ("Kendall τ-b", written("kendall_tau_b")),
            ("NDCG", written("ndcg")),
            ("top-1 regret", written("regret")),
        ];
        let mut text: String = lines
            .iter()
            .map(|(name, value)| format!("{name:<18} {value}\n"))
            .collect();
        text += "call rates at the largest budget\n";
        for (model, rate) in models.iter().zip(&e.call_rates) {
            text += &format!("  {:>5.1} %  {model}\n", rate * 100.0);
        }
        if models.len() == 2 {
            text += &two_models(e, shares, models, unit);
        }
        text
    }
}

/// RouteLLM's metrics, and where shares of the queries go to the strong model.
fn two_models(e: &Evaluation, shares: &[Share], models: &[String], unit: &str) -> String {
    let Some(two) = &e.two_model else {
        return "two models         equally good on average, so APGR and CPT are undefined\n"
            .to_owned();
    };
    let (weak, strong) = (&models[two.weak], &models[two.strong]);
    let mut text = format!("two models         {weak} (weak), {strong} (strong)\n");
    text += &format!("APGR               {:.4}\n", two.apgr);
    for (name, calls) in [("CPT(50 %)", two.cpt_50), ("CPT(80 %)", two.cpt_80)] {
        text += &format!("{name:<18} {:.1} % of calls to {strong}\n", 100.0 * calls);
    }
    text += &format!(
        "queries to {strong}: by a threshold on the predicted gain, its quality less that of {weak}\n"
    );
    for (call, point) in shares {
        text += &format!(
            "  {:>5.1} %  gain ≥ {:.6}: {:.1} % of these queries, quality {:.4} at {:.6} {unit}; ",
            100.0 * call.share,
            // Rounded down: the query that is just at the threshold reaches what is written, too.
            (call.threshold * 1e6).floor() / 1e6,
            100.0 * call.calls,
            call.quality,
            call.cost
        );
        text += &match point {
            Some(point) => format!(
                "by budget: {:.6}, {:.1} %\n",
                point.budget,
                100.0 * point.call_rates[two.strong]
            ),
            None => "no budget reaches that share\n".to_owned(),
        };
    }
    text
}
