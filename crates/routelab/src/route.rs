//! `routelab route`: a fitted router of a run chooses a model for a prompt.

use std::path::Path;

use routelab_data::Embeddings;
use routelab_encode::{EncodeError, Query};
use routelab_eval::{Rule, choose};
use routelab_routers::{Archive, registry};
use serde::Deserialize;
use serde_json::json;

use crate::backends;
use crate::cli::RouteArgs;
use crate::encoders::{self, Weights};
use crate::failure::{Failure, Outcome, bad_request};
use crate::output::Output;

/// What is needed of a run's manifest.
#[derive(Deserialize)]
struct Manifest {
    data: Data,
    embeddings: EmbeddingsInfo,
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

/// Chooses a model and prints it with all predictions.
pub fn run(args: &RouteArgs, output: &Output) -> Outcome {
    let backend = backends::open(&args.backend, output)?;
    let archive = Archive::read(&args.model).map_err(|error| {
        bad_request!("{error}\nhelp: `--model` takes a folder `models/ROUTER` of a run")
    })?;
    let router = registry::load(&archive, &backend).map_err(Failure::request)?;
    let run = args
        .model
        .parent()
        .and_then(Path::parent)
        .ok_or_else(|| bad_request!("{} is not inside a run's folder", args.model.display()))?;
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
    let query = Query {
        text: &args.prompt,
        image: args.image.as_deref(),
    };
    let values = encoder.encode(&[query]).map_err(refused)?;
    let query = Embeddings::new(values, encoder.id()).map_err(Failure::request)?;
    let scores = router.predict(&query).map_err(Failure::request)?;
    let budget = args.budget.unwrap_or(f64::INFINITY);
    if budget.is_nan() {
        return Err(bad_request!(
            "`--budget` must be a number\nhelp: leave it out for no limit"
        ));
    }
    let rule = Rule {
        decision: router.decision(),
        ..Rule::default()
    };
    let chosen = choose(&scores, budget, &rule)[0];

    let Data { models, cost_unit } = &manifest.data;
    let feasible = |model: usize| scores.cost[[0, model]] <= budget;
    output.result(&json!({
        "model": models[chosen],
        "within_budget": feasible(chosen),
        "predictions": models.iter().enumerate().map(|(model, name)| json!({
            "model": name,
            "quality": scores.quality[[0, model]],
            "cost": scores.cost[[0, model]],
            "within_budget": feasible(model),
        })).collect::<Vec<_>>(),
    }));
    let mut text = format!("{}\n", models[chosen]);
    if !feasible(chosen) {
        text += "(no model is predicted to be within the budget: this is the cheapest)\n";
    }
    text += &format!(
        "\n{:>10}  {:>14}  model\n",
        "score",
        format!("cost ({cost_unit})")
    );
    let mut order: Vec<usize> = (0..models.len()).collect();
    order.sort_by(|&a, &b| scores.quality[[0, b]].total_cmp(&scores.quality[[0, a]]));
    for model in order {
        let mark = if model == chosen { "  ← chosen" } else { "" };
        text += &format!(
            "{:>10.4}  {:>14.6}  {}{mark}\n",
            scores.quality[[0, model]],
            scores.cost[[0, model]],
            models[model]
        );
    }
    output.say(text);
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

/// Why the query has no embedding.
fn refused(error: EncodeError) -> Failure {
    match error {
        EncodeError::AtQuery { cause, .. } if matches!(*cause, EncodeError::NoImage { .. }) => {
            bad_request!("the router looks at images\nhelp: name the query's with `--image FILE`")
        }
        EncodeError::AtQuery { cause, .. } => Failure::request(*cause),
        other => Failure::request(other),
    }
}
