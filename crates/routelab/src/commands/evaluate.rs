//! `routelab evaluate`: every metric for predictions that were made elsewhere.

use crate::experiment::StrongestSpec;
use clap::{Args, ValueEnum};
use routelab_data::DataSpec;
use routelab_eval::{Decision, Infeasible, Rule, Ties};
use std::path::PathBuf;

use super::predictions;
use crate::evaluated::{EvaluateOptions, Evaluated};
use crate::failure::{Failure, Outcome};
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
    let options = EvaluateOptions {
        rule: Rule {
            infeasible: args.infeasible.into(),
            ties: args.ties.into(),
            decision: args.decision,
        },
        budgets: args.budgets as usize,
        strongest: args.strongest.clone(),
        ..EvaluateOptions::default()
    };
    let evaluated = Evaluated::new(table.into(), None, predictions.scores, &options)?;
    let shares = evaluated.shares(&args.shares)?;
    output.result(&evaluated.json(&shares, predictions.ignored));
    output.say(evaluated.text(&shares));
    Ok(())
}
