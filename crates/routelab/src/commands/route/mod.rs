//! `routelab route`: a fitted router of a run chooses a model for a prompt, or for every prompt of a file.

mod prompts;

use clap::{Args, ValueEnum};
use std::path::{Path, PathBuf};

use routelab_encode::{EncodeError, Query};
use routelab_eval::{Decision, Scores};
use routelab_routers::Registry;
use serde_json::{Map, Value, json};

use super::backends;
use crate::deployed::{Choices, DeployOptions, Deployed};
use crate::encoders::Weights;
use crate::failure::{Failure, Outcome, bad_request};
use crate::output::Output;
use crate::text::{Csv, cell};
use prompts::Prompt;

/// Arguments of `route`.
#[derive(Args)]
pub struct RouteArgs {
    /// A fitted router: a folder `models/ROUTER` of a run.
    #[arg(long)]
    pub model: PathBuf,
    /// Largest cost of the answer, in the cost unit of the data that the router was fitted on; no limit if left out.
    #[arg(long)]
    pub budget: Option<f64>,
    /// The prompt; `-` reads prompts from standard input, as `--prompts -` does.
    #[arg(required_unless_present = "prompts")]
    pub prompt: Option<String>,
    /// A file of prompts: text, one per line, or JSON Lines with `prompt` and, relative to the file, `image`; `-` for standard
    /// input.
    #[arg(long, value_name = "FILE", conflicts_with = "prompt")]
    pub prompts: Option<PathBuf>,
    /// What the file of prompts is; by default JSON Lines if its name ends so or its first line is a JSON object.
    #[arg(long, value_enum, value_name = "KIND")]
    pub input: Option<PromptLines>,
    /// What many prompts give; by default JSON Lines.
    #[arg(long, value_enum)]
    pub format: Option<RouteFormat>,
    /// The query's image, for routers that look at images.
    #[arg(long, conflicts_with = "prompts")]
    pub image: Option<PathBuf>,
    /// Folder of MiniLM's weights, for routers that were fitted on its embeddings.
    #[arg(long, default_value = "models/all-MiniLM-L6-v2")]
    pub weights: PathBuf,
    /// Folder of CLIP's weights, for routers that were fitted on its embeddings.
    #[arg(long, default_value = "models/clip-vit-base-patch16")]
    pub clip: PathBuf,
    /// Where networks run.
    #[arg(long, default_value = routelab_heads::backend::DEFAULT)]
    pub backend: String,
}

/// What a file of prompts holds.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PromptLines {
    /// A prompt per line.
    Text,
    /// An object per line.
    JsonLines,
}

/// How choices for many prompts are written.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RouteFormat {
    /// An object per prompt.
    JsonLines,
    /// A row per prompt.
    Csv,
}

/// Chooses a model for a prompt, or for each of many.
pub fn run(args: &RouteArgs, registry: &Registry, output: &Output) -> Outcome {
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
        return one(args, budget, registry, output);
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
    let router = open(args, registry, output)?;
    let choices = route(&router, &prompts, budget, output)?;
    output.lines(&match format {
        RouteFormat::JsonLines => json_lines(&router, &choices, &prompts),
        RouteFormat::Csv => csv(&router, &choices, &prompts)?,
    });
    Ok(())
}

fn open(args: &RouteArgs, registry: &Registry, output: &Output) -> Outcome<Deployed> {
    let options = DeployOptions {
        backend: backends::open(&args.backend, output)?,
        registry: registry.clone(),
        weights: Weights {
            minilm: args.weights.clone(),
            clip: args.clip.clone(),
        },
    };
    Deployed::open_with(&args.model, &options)
}

fn route<'a>(
    router: &'a Deployed,
    prompts: &[Prompt],
    budget: f64,
    output: &Output,
) -> Outcome<Choices<'a>> {
    let bar = output.bar(prompts.len() as u64);
    let queries: Vec<Query> = (prompts.iter())
        .map(|prompt| Query {
            text: &prompt.text,
            image: prompt.image.as_deref(),
        })
        .collect();
    let queries = router.embed(&queries, &|done| bar.set_position(done as u64));
    bar.finish_and_clear();
    router.choose(&queries.map_err(|error| refused(error, prompts))?, budget)
}

fn json(router: &Deployed, choices: &Choices, row: usize) -> Map<String, Value> {
    let predictions = router.models().iter().enumerate().map(|(model, name)| {
        json!({
            "model": name,
            "quality": choices.scores.quality[[row, model]],
            "cost": choices.scores.cost[[row, model]],
            "within_budget": choices.within_budget(row, model),
        })
    });
    let chosen = choices.choice(row);
    let mut object = Map::from_iter([
        ("model".to_owned(), chosen.model.into()),
        ("quality".to_owned(), chosen.quality.into()),
        ("cost".to_owned(), chosen.cost.into()),
        ("within_budget".to_owned(), chosen.within_budget.into()),
    ]);
    let mut add = |name: &str, value: Option<Value>| {
        object.extend(value.map(|value| (name.to_owned(), value)));
    };
    add("spread", chosen.spread.map(Value::from));
    add("trust", chosen.trust.map(Value::from));
    let second = chosen.runner_up.map(|second| {
        let mut object =
            json!({ "model": second.model, "quality": second.quality, "cost": second.cost });
        if let Some(chance) = second.chance {
            object["chance_that_the_choice_is_better"] = chance.into();
        }
        object
    });
    add("runner_up", second);
    add("predictions", Some(predictions.collect()));
    object
}

/// An object per prompt: its line, its id where it has one, and what one prompt gives.
fn json_lines(router: &Deployed, choices: &Choices, prompts: &[Prompt]) -> String {
    let line = |(row, prompt): (usize, &Prompt)| {
        let mut object = Map::from_iter([("line".to_owned(), prompt.line.into())]);
        object.extend(prompt.id.clone().map(|id| ("id".to_owned(), id)));
        object.extend(json(router, choices, row));
        format!("{}\n", Value::Object(object))
    };
    prompts.iter().enumerate().map(line).collect()
}

/// A row per prompt: its line, its id, the choice, and all predictions.
fn csv(router: &Deployed, choices: &Choices, prompts: &[Prompt]) -> Outcome<String> {
    let mut csv = Csv::new();
    let start = ["line", "id", "model", "within_budget"].map(String::from);
    let predictions = router
        .models()
        .iter()
        .flat_map(|model| [format!("{model}|quality"), format!("{model}|cost")]);
    csv.row(start.into_iter().chain(predictions))?;
    for (row, prompt) in prompts.iter().enumerate() {
        let chosen = choices.choice(row);
        let id = match &prompt.id {
            None => String::new(),
            Some(Value::String(id)) => id.clone(),
            Some(id) => id.to_string(),
        };
        let start = [
            prompt.line.to_string(),
            id,
            chosen.model,
            chosen.within_budget.to_string(),
        ];
        let predictions = (0..router.models().len()).flat_map(|model| {
            let scores = [&choices.scores.quality, &choices.scores.cost];
            scores.map(|scores| cell(scores[[row, model]]))
        });
        csv.row(start.into_iter().chain(predictions))?;
    }
    String::from_utf8(csv.finish()?).map_err(Failure::failed)
}

/// The choice for the only prompt and all its predictions, for a reader.
fn text(router: &Deployed, choices: &Choices) -> String {
    let chosen = choices.choice(0);
    let mut text = format!("{}\n", chosen.model);
    if !chosen.within_budget {
        text += match router.decision() {
            Decision::WithinBudget { .. } => {
                "(no model is predicted to be within the budget: this is the cheapest)\n"
            }
            Decision::TradeOff { .. } => {
                "(predicted to cost more: the budget is one for the mean of many queries)\n"
            }
        };
    }
    if let Some(second) = &chosen.runner_up {
        text += &format!("runner-up: {}", second.model);
        if let Some(chance) = second.chance {
            text += &format!(
                "; where one answer is better, it is the choice's with a chance of {:.0} %",
                100.0 * chance
            );
        }
        text += "\n";
    }
    if let (Some(spread), Some(trust)) = (chosen.spread, chosen.trust) {
        text += &format!(
            "predictors differ by ± {spread:.3} in the choice's quality; the query is as near to those of the training as {trust:.2} of 1\n"
        );
    }
    let cost = format!("cost ({})", router.cost_unit());
    text += &format!("\n{:>10}  {cost:>14}  model\n", "score");
    let Scores { quality, cost } = &choices.scores;
    let mut order: Vec<usize> = (0..router.models().len()).collect();
    order.sort_by(|&a, &b| quality[[0, b]].total_cmp(&quality[[0, a]]));
    for model in order {
        let mark = if model == choices.chosen[0] {
            "  ← chosen"
        } else {
            ""
        };
        text += &format!(
            "{:>10.4}  {:>14.6}  {}{mark}\n",
            quality[[0, model]],
            cost[[0, model]],
            router.models()[model]
        );
    }
    text
}

/// Chooses a model for the prompt of the command line and prints it with all predictions.
fn one(args: &RouteArgs, budget: f64, registry: &Registry, output: &Output) -> Outcome {
    let prompt = Prompt {
        line: 0,
        id: None,
        text: args.prompt.clone().unwrap_or_default(),
        image: args.image.clone(),
    };
    let router = open(args, registry, output)?;
    let choices = route(&router, &[prompt], budget, output)?;
    output.result(&Value::Object(json(&router, &choices, 0)));
    output.say(text(&router, &choices));
    Ok(())
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
