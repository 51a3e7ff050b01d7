//! `routelab route`: a fitted router of a run chooses a model for a prompt, or for every prompt of a file.

mod prompts;

use std::path::Path;

use ndarray::{Axis, concatenate};
use routelab_data::Embeddings;
use routelab_encode::{EncodeError, Encoder, Query};
use routelab_eval::{Decision, Infeasible, Rule, Scores, Ties};
use routelab_routers::{Archive, FittedRouter};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::backends;
use crate::cli::{RouteArgs, RouteFormat};
use crate::encoders::{self, Weights};
use crate::failure::{Failure, Outcome, bad_request};
use crate::output::Output;
use crate::registry::registry;
use crate::run::results::{Csv, cell};
use prompts::Prompt;

/// What is needed of a run's manifest.
#[derive(Deserialize)]
struct Manifest {
    experiment: Experiment,
    data: Data,
    embeddings: EmbeddingsInfo,
}

#[derive(Deserialize)]
struct Experiment {
    evaluation: Conventions,
}

/// By which the run's evaluation chose.
#[derive(Deserialize)]
struct Conventions {
    infeasible: Infeasible,
    ties: Ties,
}

#[derive(Deserialize)]
struct Data {
    models: Vec<String>,
    cost_unit: String,
}

#[derive(Deserialize)]
struct EmbeddingsInfo {
    encoders: Vec<String>,
}

/// Prompts that are encoded at once.
const BATCH: usize = 256;

/// Chooses a model for a prompt, or for each of many.
pub fn run(args: &RouteArgs, output: &Output) -> Outcome {
    let budget = args.budget.unwrap_or(f64::INFINITY);
    if budget.is_nan() {
        return Err(bad_request!(
            "`--budget` must be a number\nhelp: leave it out for no limit"
        ));
    }
    let many = match (&args.prompts, &args.prompt) {
        (Some(path), _) => Some(path.as_path()),
        (None, Some(prompt)) if prompt == "-" => Some(Path::new("-")),
        _ => None,
    };
    let Some(path) = many else {
        if args.format.is_some() || args.input.is_some() {
            return Err(bad_request!(
                "`--format` and `--input` are for many prompts\nhelp: name their file with `--prompts FILE`, or give `-` to read \
                 them from standard input"
            ));
        }
        return one(args, budget, output);
    };
    if args.image.is_some() {
        return Err(bad_request!(
            "`--image` is for one prompt\nhelp: give many prompts with images as JSON Lines: {{\"prompt\": \"…\", \"image\": \"FILE\"}}"
        ));
    }
    let format = match (args.format, output.is_json()) {
        (Some(RouteFormat::Csv), true) => {
            return Err(bad_request!(
                "`--json` and `--format csv` cannot both be\nhelp: leave one of them out"
            ));
        }
        (format, _) => format.unwrap_or(RouteFormat::JsonLines),
    };
    // Before the router, which may be large: a mistake in a line shows at once.
    let (prompts, blank) = prompts::read(path, args.input)?;
    if blank > 0 {
        let lines = if blank == 1 { "line" } else { "lines" };
        output.note(format!("note: left out {blank} blank {lines}"));
    }
    let routing = Routing::load(args, output)?;
    let routed = routing.route(&prompts, budget, output)?;
    output.lines(&match format {
        RouteFormat::JsonLines => routed.json_lines(&prompts),
        RouteFormat::Csv => routed.csv(&prompts)?,
    });
    Ok(())
}

/// A router, and what its queries have to become before it sees them.
struct Routing {
    router: Box<dyn FittedRouter>,
    encoder: Box<dyn Encoder>,
    rule: Rule,
    data: Data,
}

/// The choices for some prompts.
struct Routed {
    models: Vec<String>,
    cost_unit: String,
    budget: f64,
    decision: Decision,
    scores: Scores,
    chosen: Vec<usize>,
}

impl Routing {
    fn load(args: &RouteArgs, output: &Output) -> Outcome<Self> {
        let backend = backends::open(&args.backend, output)?;
        let archive = Archive::read(&args.model).map_err(|error| {
            bad_request!("{error}\nhelp: `--model` takes a folder `models/ROUTER` of a run")
        })?;
        let router = registry()
            .load(&archive, &backend)
            .map_err(Failure::request)?;
        let run =
            args.model.parent().and_then(Path::parent).ok_or_else(|| {
                bad_request!("{} is not inside a run's folder", args.model.display())
            })?;
        let manifest = read_manifest(run)?;
        let weights = Weights {
            minilm: &args.weights,
            clip: &args.clip,
        };
        let encoder = encoders::restore(
            &manifest.embeddings.encoders,
            &run.join("encoder.safetensors"),
            &weights,
            &backend,
        )?;
        let Conventions { infeasible, ties } = manifest.experiment.evaluation;
        Ok(Self {
            rule: Rule {
                infeasible,
                ties,
                decision: router.decision(),
            },
            router,
            encoder,
            data: manifest.data,
        })
    }

    fn route(self, prompts: &[Prompt], budget: f64, output: &Output) -> Outcome<Routed> {
        let bar = output.bar(prompts.len() as u64);
        let mut parts = Vec::new();
        for batch in prompts.chunks(BATCH) {
            let queries: Vec<Query> = batch
                .iter()
                .map(|prompt| Query {
                    text: &prompt.text,
                    image: prompt.image.as_deref(),
                })
                .collect();
            let values = self.encoder.encode(&queries);
            parts.push(values.map_err(|error| refused(error, batch))?);
            bar.inc(batch.len() as u64);
        }
        bar.finish_and_clear();
        let views: Vec<_> = parts.iter().map(|part| part.view()).collect();
        let values = concatenate(Axis(0), &views).map_err(Failure::failed)?;
        let queries = Embeddings::new(values, self.encoder.id()).map_err(Failure::request)?;
        let scores = self.router.predict(&queries).map_err(Failure::request)?;
        let chosen = self.router.choose(&scores, budget, &self.rule);
        Ok(Routed {
            chosen: chosen.map_err(Failure::request)?,
            decision: self.rule.decision,
            models: self.data.models,
            cost_unit: self.data.cost_unit,
            budget,
            scores,
        })
    }
}

impl Routed {
    fn within_budget(&self, row: usize, model: usize) -> bool {
        self.scores.cost[[row, model]] <= self.budget
    }

    fn json(&self, row: usize) -> Map<String, Value> {
        let predictions = self.models.iter().enumerate().map(|(model, name)| {
            json!({
                "model": name,
                "quality": self.scores.quality[[row, model]],
                "cost": self.scores.cost[[row, model]],
                "within_budget": self.within_budget(row, model),
            })
        });
        let chosen = self.chosen[row];
        Map::from_iter([
            ("model".to_owned(), self.models[chosen].as_str().into()),
            (
                "within_budget".to_owned(),
                self.within_budget(row, chosen).into(),
            ),
            ("predictions".to_owned(), predictions.collect()),
        ])
    }

    /// An object per prompt: its line, its id where it has one, and what one prompt gives.
    fn json_lines(&self, prompts: &[Prompt]) -> String {
        let line = |(row, prompt): (usize, &Prompt)| {
            let mut object = Map::from_iter([("line".to_owned(), prompt.line.into())]);
            object.extend(prompt.id.clone().map(|id| ("id".to_owned(), id)));
            object.extend(self.json(row));
            format!("{}\n", Value::Object(object))
        };
        prompts.iter().enumerate().map(line).collect()
    }

    /// A row per prompt: its line, its id, the choice, and all predictions.
    fn csv(&self, prompts: &[Prompt]) -> Outcome<String> {
        let mut csv = Csv::new();
        let start = ["line", "id", "model", "within_budget"].map(String::from);
        let predictions = self
            .models
            .iter()
            .flat_map(|model| [format!("{model}|quality"), format!("{model}|cost")]);
        csv.row(start.into_iter().chain(predictions))?;
        for (row, prompt) in prompts.iter().enumerate() {
            let chosen = self.chosen[row];
            let id = match &prompt.id {
                None => String::new(),
                Some(Value::String(id)) => id.clone(),
                Some(id) => id.to_string(),
            };
            let start = [
                prompt.line.to_string(),
                id,
                self.models[chosen].clone(),
                self.within_budget(row, chosen).to_string(),
            ];
            let predictions = (0..self.models.len()).flat_map(|model| {
                let scores = [&self.scores.quality, &self.scores.cost];
                scores.map(|scores| cell(scores[[row, model]]))
            });
            csv.row(start.into_iter().chain(predictions))?;
        }
        String::from_utf8(csv.finish()?).map_err(Failure::failed)
    }

    /// The choice for the first prompt and all its predictions, for a reader.
    fn text(&self) -> String {
        let chosen = self.chosen[0];
        let mut text = format!("{}\n", self.models[chosen]);
        if !self.within_budget(0, chosen) {
            text += match self.decision {
                Decision::WithinBudget { .. } => {
                    "(no model is predicted to be within the budget: this is the cheapest)\n"
                }
                Decision::TradeOff => {
                    "(predicted to cost more: the budget is one for the mean of many queries)\n"
                }
            };
        }
        let cost = format!("cost ({})", self.cost_unit);
        text += &format!("\n{:>10}  {cost:>14}  model\n", "score");
        let Scores { quality, cost } = &self.scores;
        let mut order: Vec<usize> = (0..self.models.len()).collect();
        order.sort_by(|&a, &b| quality[[0, b]].total_cmp(&quality[[0, a]]));
        for model in order {
            let mark = if model == chosen { "  ← chosen" } else { "" };
            text += &format!(
                "{:>10.4}  {:>14.6}  {}{mark}\n",
                quality[[0, model]],
                cost[[0, model]],
                self.models[model]
            );
        }
        text
    }
}

/// Chooses a model for the prompt of the command line and prints it with all predictions.
fn one(args: &RouteArgs, budget: f64, output: &Output) -> Outcome {
    let prompt = Prompt {
        line: 0,
        id: None,
        text: args.prompt.clone().unwrap_or_default(),
        image: args.image.clone(),
    };
    let routing = Routing::load(args, output)?;
    let routed = routing.route(&[prompt], budget, output)?;
    output.result(&Value::Object(routed.json(0)));
    output.say(routed.text());
    Ok(())
}

fn read_manifest(run: &Path) -> Outcome<Manifest> {
    let path = run.join("manifest.json");
    let bytes = std::fs::read(&path).map_err(|error| {
        bad_request!(
            "cannot read {}: {error}\nhelp: `--model` takes a folder `models/ROUTER` of a run",
            path.display()
        )
    })?;
    serde_json::from_slice(&bytes).map_err(|error| {
        bad_request!(
            "{}: {error}\nhelp: run the experiment again",
            path.display()
        )
    })
}

/// Why one of the prompts has no embedding.
fn refused(error: EncodeError, prompts: &[Prompt]) -> Failure {
    let EncodeError::AtQuery { index, cause } = error else {
        return Failure::request(error);
    };
    // The prompt of the command line has no line.
    let line = prompts[index].line;
    let place = match line {
        0 => String::new(),
        line => format!("line {line}: "),
    };
    match *cause {
        EncodeError::NoImage { .. } => bad_request!(
            "{place}the router looks at images\nhelp: {}",
            match line {
                0 => "name the query's with `--image FILE`",
                _ =>
                    "give prompts with images as JSON Lines: {\"prompt\": \"…\", \"image\": \"FILE\"}",
            }
        ),
        cause => Failure::request(anyhow::anyhow!("{place}{cause}")),
    }
}
