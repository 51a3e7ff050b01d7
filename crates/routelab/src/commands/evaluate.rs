//! `routelab evaluate`: every metric for predictions that were made elsewhere.

use crate::experiment::StrongestSpec;
use clap::{Args, ValueEnum};
use routelab_data::DataSpec;
use routelab_eval::two_model::CallShare;
use routelab_eval::{
    Budgets, Decision, Evaluation, EvaluationOptions, Infeasible, METRICS, Metric, Point, Rule,
    Strongest, Ties, Truth, evaluate,
};
use serde_json::{Map, Value, json};
use std::path::PathBuf;

use super::predictions;
use crate::failure::{Failure, Outcome, bad_request};
use crate::output::Output;

/// Arguments of `evaluate`.
#[derive(Args)]
pub struct EvaluateArgs {
    /// What every model really scored and cost, in RouterBench's wide layout: `sample_id`, `prompt`, `eval_name`,
    /// and for every model `MODEL` (quality) and `MODEL|total_cost`.
    #[arg(long)]
    pub table: PathBuf,
    /// The router's predictions: `sample_id`, and for every model `MODEL|quality` and `MODEL|cost`; rows in any order.
    #[arg(long)]
    pub predictions: PathBuf,
    /// What a budget means: `cap` (a limit for every query), `margin=δ` (the cheapest within δ of the best), `price` (a limit for the
    /// mean of all queries), or `cap+price=κ` (the same, and κ times as much for every query).
    #[arg(long, default_value = "cap", value_name = "DECISION")]
    pub decision: Decision,
    /// The choice when nothing is predicted to be within the budget.
    #[arg(long, value_enum, default_value = "cheapest")]
    pub infeasible: Convention,
    /// The choice among equal predictions.
    #[arg(long, value_enum, default_value = "cheapest")]
    pub ties: Convention,
    /// What to do with queries that lack a quality or a cost in the table.
    #[arg(long, value_enum, default_value = "error")]
    pub missing: Missing,
    /// The model onto which routing can collapse, for RCI and calls: `dearest`, `best-single` or a model's name.
    #[arg(long, default_value = "dearest", value_name = "MODEL")]
    pub strongest: StrongestSpec,
    /// Number of budgets of the sweep.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(2..))]
    pub budgets: u32,
    /// For two models: shares of the queries in (0, 1], for each of which the threshold is given that sends it to the strong model.
    #[arg(long, value_delimiter = ',', default_values_t = [0.2, 0.5, 0.8])]
    pub shares: Vec<f64>,
}

/// One of the two conventions for the cases that a rule leaves open.
#[derive(Clone, Copy, ValueEnum)]
pub enum Convention {
    /// The model with the smallest predicted cost.
    Cheapest,
    /// The first model, as in the older ORBIT.
    First,
}

impl From<Convention> for Infeasible {
    fn from(convention: Convention) -> Self {
        match convention {
            Convention::Cheapest => Infeasible::Cheapest,
            Convention::First => Infeasible::First,
        }
    }
}

impl From<Convention> for Ties {
    fn from(convention: Convention) -> Self {
        match convention {
            Convention::Cheapest => Ties::Cheapest,
            Convention::First => Ties::First,
        }
    }
}

/// What to do with incomplete queries.
#[derive(Clone, Copy, ValueEnum)]
pub enum Missing {
    /// Stop.
    Error,
    /// Leave them out and say how many.
    DropQuery,
}

impl From<Missing> for routelab_data::Missing {
    fn from(missing: Missing) -> Self {
        match missing {
            Missing::Error => routelab_data::Missing::Error,
            Missing::DropQuery => routelab_data::Missing::DropQuery,
        }
    }
}

/// Evaluates the predictions and prints the metrics.
pub fn run(args: &EvaluateArgs, output: &Output) -> Outcome {
    if let Some(bad) = args
        .shares
        .iter()
        .find(|&&share| !(share > 0.0 && share <= 1.0))
    {
        return Err(bad_request!(
            "`--shares` has {bad}\nhelp: a share is a number above 0 and up to 1, for example --shares 0.2,0.5,0.8"
        ));
    }
    let spec = DataSpec {
        missing: args.missing.into(),
        ..DataSpec::new("routerbench", &args.table)
    };
    let loaded = routelab_data::load(&spec).map_err(Failure::request)?;
    let table = loaded.table;
    if loaded.report.dropped_queries > 0 {
        output.note(format!(
            "left out {} queries with {} missing cells",
            loaded.report.dropped_queries, loaded.report.missing_cells
        ));
    }
    let predictions = predictions::read(&args.predictions, &table)?;
    if predictions.ignored > 0 {
        output.note(format!(
            "note: {} predictions are about queries that are not in the table, or were left out of it",
            predictions.ignored
        ));
    }
    let truth = Truth::new(table.quality(), table.cost()).map_err(Failure::request)?;
    let strongest = args
        .strongest
        .resolve(table.models(), &truth)
        .map_err(|reason| bad_request!("{reason}"))?;
    let options = EvaluationOptions {
        rule: Rule {
            infeasible: args.infeasible.into(),
            ties: args.ties.into(),
            decision: args.decision,
        },
        budgets: Budgets::Quantiles(args.budgets as usize),
        strongest: Strongest::Models(strongest),
        ..EvaluationOptions::default()
    };
    let evaluation = evaluate(&truth, &predictions.scores, &options).map_err(Failure::request)?;
    let models = table.models();
    let shares = evaluation.two_model.as_ref().map_or_else(Vec::new, |two| {
        let found = two.thresholds(&truth, &predictions.scores, &args.shares);
        let budget = |share: f64| {
            let mut points = evaluation.points.iter();
            points.find(|point| point.call_rates[two.strong] >= share)
        };
        found
            .into_iter()
            .map(|call| (call, budget(call.share)))
            .collect()
    });
    output.result(&to_json(&evaluation, &shares, models, predictions.ignored));
    output.say(to_text(
        &evaluation,
        &shares,
        models,
        &table.cost_unit().label(),
    ));
    Ok(())
}

/// A threshold for a share of calls to the strong of two models, and the first point of the sweep that reaches the share.
type Share<'a> = (CallShare, Option<&'a Point>);

fn to_json(evaluation: &Evaluation, shares: &[Share], models: &[String], ignored: usize) -> Value {
    let e = evaluation;
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

fn to_text(evaluation: &Evaluation, shares: &[Share], models: &[String], unit: &str) -> String {
    let e = evaluation;
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
