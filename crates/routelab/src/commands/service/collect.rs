//! `routelab collect`: every model of a pool is asked every prompt. `routelab grade`: the answers are graded again.

use std::io::{BufRead, IsTerminal, Write};
use std::path::PathBuf;
use std::sync::Mutex;

use clap::Args;
use routelab_service::{Collection, Estimate, Money, Request, Status, Summary, Terms};
use serde_json::json;

use super::{dollars, refused};
use crate::failure::{Failure, Outcome, bad_request};
use crate::output::Output;

/// Arguments of `collect`.
#[derive(Args)]
pub struct CollectArgs {
    /// The prompts: JSON Lines, CSV, JSON or Parquet with a column `prompt` and, where they are there, `id`, `reference`, `task` and
    /// `image`, a path relative to the file.
    pub prompts: PathBuf,
    /// The models, their endpoints and prices.
    #[arg(long)]
    pub pool: PathBuf,
    /// The folder of the collection; one that is there goes on.
    #[arg(long)]
    pub out: PathBuf,
    /// How answers are graded; by default they must be the reference.
    #[arg(long, value_name = "FILE")]
    pub grading: Option<PathBuf>,
    /// Answers of every model to every prompt.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub repetitions: u32,
    #[command(flatten)]
    pub terms: TermArgs,
}

/// Arguments of `grade`.
#[derive(Args)]
pub struct GradeArgs {
    /// The folder of a collection.
    pub folder: PathBuf,
    /// How answers are graded; by default as before.
    #[arg(long, value_name = "FILE")]
    pub grading: Option<PathBuf>,
    #[command(flatten)]
    pub terms: TermArgs,
}

/// Arguments about money and doubt.
#[derive(Args)]
pub struct TermArgs {
    /// US dollars that the folder may cost in all, in this and all other runs, judges with it; never passed. By default the most that
    /// the calls can cost, which is shown before.
    #[arg(long, value_name = "DOLLARS")]
    pub cap: Option<f64>,
    /// Ask nothing before the first call.
    #[arg(long)]
    pub yes: bool,
    /// Make calls again that nobody answered and that may have been charged, at endpoints that do not promise to charge them once.
    #[arg(long)]
    pub retry_unknown: bool,
}

impl TermArgs {
    fn terms(&self) -> Outcome<Terms> {
        Ok(Terms {
            cap: dollars("--cap", self.cap)?,
            retry_unknown: self.retry_unknown,
        })
    }
}

/// Asks, grades, and writes the table.
pub fn collect(args: &CollectArgs, output: &Output) -> Outcome {
    let request = Request {
        prompts: args.prompts.clone(),
        pool: args.pool.clone(),
        grading: args.grading.clone(),
        out: args.out.clone(),
        repetitions: args.repetitions,
        terms: args.terms.terms()?,
    };
    make(
        Collection::open(&request).map_err(refused)?,
        &args.terms,
        output,
    )
}

/// Grades again, and writes the table.
pub fn grade(args: &GradeArgs, output: &Output) -> Outcome {
    let terms = args.terms.terms()?;
    let collection = Collection::reopen(&args.folder, args.grading.as_deref(), terms);
    make(collection.map_err(refused)?, &args.terms, output)
}

fn make(mut collection: Collection, terms: &TermArgs, output: &Output) -> Outcome {
    if collection.cut > 0 {
        output.note(format!(
            "note: took away {} bytes of a line that was cut off at the end of the journal",
            collection.cut
        ));
    }
    let estimate = collection.estimate().map_err(refused)?;
    let most = estimate.at_most + estimate.judges + estimate.spent + estimate.possible;
    output.note(told(&estimate));
    if estimate.calls > 0 || estimate.judges > Money::ZERO {
        let cap = dollars("--cap", terms.cap)?.unwrap_or(most);
        collection.limit(cap);
        if !terms.yes {
            confirm(cap)?;
        }
    }
    // In thousandths: answers come first, and then what judges say.
    let bar = output.bar(1000);
    let last = Mutex::new(0);
    let made = collection.make(&|status: Status| {
        bar.set_position((status.done * 1000 / status.total.max(1)) as u64);
        bar.set_message(format!("${} spent", status.spent));
        let mut last = last.lock().unwrap_or_else(|error| error.into_inner());
        // Plain lines where there is no bar: one for every tenth.
        let tenth = status.done * 10 / status.total.max(1);
        if bar.is_hidden() && tenth > *last {
            *last = tenth;
            output.note(format!(
                "{} of {}, ${} spent",
                status.done, status.total, status.spent
            ));
        }
    });
    bar.finish_and_clear();
    let summary = made.map_err(refused)?;
    output.result(&json!(summary));
    output.say(text(&summary));
    Ok(())
}

fn told(estimate: &Estimate) -> String {
    let mut text = format!(
        "{} calls to make, {} answered before; at most ${} (every answer as long as its limit), their prompts alone about ${}",
        estimate.calls, estimate.answered, estimate.at_most, estimate.prompts
    );
    if estimate.judges > Money::ZERO {
        text += &format!("; judges at most ${}", estimate.judges);
    }
    if estimate.spent > Money::ZERO {
        text += &format!("; spent before ${}", estimate.spent);
    }
    if estimate.possible > Money::ZERO {
        text += &format!(
            "; calls without an answer may have cost ${} beside it",
            estimate.possible
        );
    }
    if estimate.unknown > 0 {
        text += &format!(
            "\nnote: {} calls may have been charged without an answer; they are not made again unless `--retry-unknown` says so",
            estimate.unknown
        );
    }
    text
}

/// Asks whether money may be spent.
fn confirm(cap: Money) -> Outcome {
    let stdin = std::io::stdin();
    if !stdin.is_terminal() {
        return Err(bad_request!(
            "nobody is there to be asked whether up to ${cap} may be spent\nhelp: give `--yes`, and `--cap DOLLARS` for another limit"
        ));
    }
    let mut stderr = std::io::stderr().lock();
    let asked = write!(stderr, "spend up to ${cap} in all? [y/N] ").and_then(|()| stderr.flush());
    asked.map_err(Failure::failed)?;
    let mut answer = String::new();
    stdin
        .lock()
        .read_line(&mut answer)
        .map_err(Failure::failed)?;
    match answer.trim() {
        "y" | "Y" | "yes" => Ok(()),
        _ => Err(bad_request!(
            "nothing was asked\nhelp: answer y, or give `--yes`"
        )),
    }
}

fn text(summary: &Summary) -> String {
    let mut text = format!("{} answers for ${}", summary.answered, summary.spent);
    if summary.judges > Money::ZERO {
        text += &format!(", judges ${}", summary.judges);
    }
    for (count, what) in [
        (summary.refused, "calls were refused for good"),
        (
            summary.unknown,
            "calls may have been charged without an answer",
        ),
        (
            summary.left,
            "calls were not answered; the same command makes them again",
        ),
        (
            summary.ungraded,
            "answers have no grade: the judge said none",
        ),
        (
            summary.failed_commands,
            "answers are graded 0 because the command failed",
        ),
    ] {
        if count > 0 {
            text += &format!("\n{count} {what}");
        }
    }
    match &summary.table {
        None => text += "\nno answer has a grade, so there is no table",
        Some(table) => {
            text += &format!(
                "\n{}: {} queries, {} of them with every model",
                table.table.display(),
                table.queries,
                table.complete
            );
            if !table.without.is_empty() {
                text += &format!(
                    "\nwithout {}: no answer of theirs has a grade",
                    table.without.join(", ")
                );
            }
            text += &format!("\nnext: routelab run {}", table.experiment.display());
        }
    }
    text
}
