//! `routelab report`: one page with every figure and table of a run and a sample of its queries. It works from disk, without
//! network; without scripts it still shows every figure and table.

mod data;
mod index;
mod overview;
mod page;
mod predictability;
mod tables;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use routelab_data::write_atomically;
use routelab_plot::Role;
use serde_json::{Value, json};

use crate::cli::ReportArgs;
use crate::failure::{Failure, Outcome, bad_request};
use crate::output::Output;
use crate::run::tasks;

pub use index::{IndexEntry, html as index};
pub use overview::{OverviewPage, OverviewTable, html as overview};

/// Writes the report of a run and says where it is.
pub fn run(args: &ReportArgs, output: &Output) -> Outcome {
    let path = write(&args.run)?;
    output.say(path.display().to_string());
    output.result(&json!({"report": path}));
    Ok(())
}

/// What the page shows of a run's folder.
struct Run {
    manifest: Value,
    metrics: Value,
    settings: String,
    comparisons: Vec<Vec<String>>,
    /// The rows of `tasks.csv`.
    tasks: Vec<Vec<String>>,
    /// What the nearest other queries say; null where the run has no such file.
    predictability: Value,
    figures: Vec<Figure>,
    /// By the routers' names, as in the figures.
    roles: HashMap<String, Role>,
    /// What the page's scripts read.
    data: Value,
}

impl Run {
    fn routers(&self) -> &[Value] {
        self.metrics["routers"]
            .as_array()
            .map_or(&[], Vec::as_slice)
    }

    /// What a router stands for; `None` if it worked on no seed.
    fn role(&self, router: &Value) -> Option<Role> {
        self.roles.get(text(&router["router"])).copied()
    }

    fn is_learned(&self, router: &Value) -> bool {
        matches!(self.role(router), Some(Role::Router | Role::Highlight))
    }
}

/// A figure with its explanation.
struct Figure {
    title: &'static str,
    short: &'static str,
    explanation: &'static str,
    svg: String,
    csv: String,
    stem: &'static str,
}

/// File names, titles, short titles and explanations of the figures, in the order of the page. The scripts draw those of
/// [`INTERACTIVE`] themselves; the others are shown as they are, if the run has them.
const FIGURES: [(&str, &str, &str, &str); 8] = [
    (
        "call_rate",
        "Calls to the strongest model",
        "Collapse",
        "The share of queries that each router sends to the strongest model, as the budget per query grows; \
         shaded: 95 % interval over the seeds. A router collapses where its line rises towards 100 % while the oracle's \
         stays low: the budget is spent because it is there, not because the query needs it.",
    ),
    (
        "cost_quality",
        "Quality against cost",
        "Quality and cost",
        "Every line is a router: mean quality and mean real cost of its choices as the budget grows. Points are single \
         models, always called. Higher and further left is better; the oracle shows what perfect choices would reach.",
    ),
    (
        "call_mix",
        "Who is called",
        "Who is called",
        "How each router divides the queries among the models at every budget. A healthy router keeps many colours at the \
         right edge; a collapsed one shows one.",
    ),
    (
        "margins",
        "Margins between the best two models",
        "Margins",
        "The share of queries whose best model is at most this far above the second best: in truth, and as predicted. \
         Where real margins are nearly all zero, a prediction error of any size changes the choice.",
    ),
    (
        "rci",
        "Routing collapse index",
        "RCI",
        "The share of queries that are routed badly at the largest budget: wasteful (the strongest model, although another \
         was as good) or wrong (a model that is not among the best). Lower is better; whiskers: 95 % interval over seeds.",
    ),
    (
        "decomposition",
        "What would mend the collapse",
        "What would mend it",
        "The routing collapse index, divided by the least help that would make the choice right at the largest budget: another \
         order of equal predictions, another order of nearly equal ones, better predictions, or more money.",
    ),
    (
        "differences",
        "Differences from the reference",
        "Differences",
        "Every other router minus the reference, on the same queries: nAUC with the 95 % interval of a paired bootstrap over \
         queries. Where the interval holds 0, the two cannot be told apart.",
    ),
    (
        "tuning",
        "The search for settings",
        "Search",
        "The best value so far of every router's search on the validation rows of the first seed.",
    ),
];

/// The figures that the scripts draw. A run has those for which it has numbers.
const INTERACTIVE: [&str; 5] = ["call_rate", "cost_quality", "call_mix", "margins", "rci"];

/// Writes `report.html` into the folder of a run.
pub fn write(folder: &Path) -> Outcome<PathBuf> {
    let run = read(folder)?;
    let path = folder.join("report.html");
    write_atomically(&path, page::html(&run).as_bytes())
        .map_err(|error| Failure::write(&path, error))?;
    Ok(path)
}

fn read(folder: &Path) -> Outcome<Run> {
    let text = |name: &str| -> Outcome<String> {
        let path = folder.join(name);
        std::fs::read_to_string(&path).map_err(|error| {
            bad_request!(
                "cannot read {}: {error}\nhelp: give the folder of a finished run, such as runs/collapse",
                path.display()
            )
        })
    };
    let json = |name: &str| -> Outcome<Value> {
        serde_json::from_str(&text(name)?).map_err(|error| {
            bad_request!(
                "{}: {error}\nhelp: run the experiment again",
                folder.join(name).display()
            )
        })
    };
    let (manifest, metrics) = (json("manifest.json")?, json("metrics.json")?);
    let mut figures = Vec::new();
    // A run without a working router has nothing to draw.
    if folder.join("figures").is_dir() {
        for (stem, title, short, explanation) in FIGURES {
            let always = stem == "call_rate";
            if !always && !folder.join(format!("figures/{stem}.svg")).exists() {
                continue;
            }
            figures.push(Figure {
                title,
                short,
                explanation,
                svg: text(&format!("figures/{stem}.svg"))?,
                csv: text(&format!("figures/{stem}.csv"))?,
                stem,
            });
        }
    }
    let if_there = |name: &str| match folder.join(name).exists() {
        true => json(name),
        false => Ok(Value::Null),
    };
    // Runs before there was such a file have none.
    let queries = if_there("queries.json")?;
    let comparisons = records(&text("comparisons.csv")?, &folder.join("comparisons.csv"))?;
    let mut roles = HashMap::new();
    if let Some(figure) = figures.iter().find(|figure| figure.stem == "call_rate") {
        for row in records(&figure.csv, &folder.join("figures/call_rate.csv"))? {
            if let Some(role) = Role::from_name(&row[1]) {
                roles.insert(row[0].clone(), role);
            }
        }
    }
    let tasks = match folder.join(tasks::FILE).exists() {
        true => records(&text(tasks::FILE)?, &folder.join(tasks::FILE))?,
        // Runs before there was such a file have none.
        false => Vec::new(),
    };
    let data = data::data(
        &metrics, &manifest, &roles, queries, &figures, folder, &text,
    )?;
    Ok(Run {
        manifest,
        metrics,
        settings: text("experiment.toml")?,
        comparisons,
        tasks,
        predictability: if_there("predictability.json")?,
        figures,
        roles,
        data,
    })
}

/// The rows of a CSV file below its header.
fn records(text: &str, path: &Path) -> Outcome<Vec<Vec<String>>> {
    csv::Reader::from_reader(text.as_bytes())
        .records()
        .map(|record| Ok(record?.iter().map(str::to_owned).collect()))
        .collect::<Result<_, csv::Error>>()
        .map_err(|error| {
            bad_request!(
                "{}: {error}\nhelp: run the experiment again",
                path.display()
            )
        })
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
