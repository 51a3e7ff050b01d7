//! `routelab serve`: a fitted router as an OpenAI-compatible server.

use std::net::ToSocketAddrs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use routelab_encode::{EncodeError, Query};
use routelab_routers::Registry;
use routelab_service::{Decider, Decision, Limit, Pool, ServeOptions, Undecided};
use serde_json::json;

use super::refused;
use crate::commands::backends;
use crate::deployed::{DeployOptions, Deployed};
use crate::encoders::Weights;
use crate::failure::{Outcome, bad_request};
use crate::output::Output;

/// Arguments of `serve`.
#[derive(Args)]
pub struct ServeArgs {
    /// A fitted router: a folder `models/ROUTER` of a run.
    pub model: PathBuf,
    /// The models, their endpoints and prices.
    #[arg(long)]
    pub pool: PathBuf,
    /// The address to listen on: 0.0.0.0 for everyone who reaches this machine, which takes a token.
    #[arg(long, default_value = "127.0.0.1")]
    pub host: String,
    /// The port; 0 takes a free one and says which.
    #[arg(long, default_value_t = 8080)]
    pub port: u16,
    /// Largest cost of an answer, for requests that say nothing, in the cost unit of the data that the router was fitted on; no limit
    /// if left out.
    #[arg(long)]
    pub budget: Option<f64>,
    /// In the place of a budget: what a unit of cost is worth in quality.
    #[arg(long, conflicts_with = "budget")]
    pub price: Option<f64>,
    /// The variable of the environment with the token that clients must bring. Without the variable, only this machine is served.
    #[arg(long, value_name = "VARIABLE", default_value = "ROUTELAB_TOKEN")]
    pub token_env: String,
    /// Log every decision as a line of JSON, without prompts. Beside it, a file says how it is read as a table.
    #[arg(long, value_name = "FILE")]
    pub decisions: Option<PathBuf>,
    /// Log the prompts, too.
    #[arg(long, requires = "decisions")]
    pub store_prompts: bool,
    /// MiB of a request, at most.
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub max_body: u32,
    /// Requests at a time; more are told to come again.
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..))]
    pub concurrency: u32,
    /// Seconds that requests under way are waited for at the end.
    #[arg(long, default_value_t = 60)]
    pub drain: u32,
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

/// A fitted router of a run, as a server asks it.
struct Fitted(Deployed);

impl Decider for Fitted {
    fn models(&self) -> &[String] {
        self.0.models()
    }

    fn decide(
        &self,
        text: &str,
        image: Option<&Path>,
        limit: Limit,
    ) -> Result<Decision, Undecided> {
        let queries = self.0.embed(&[Query { text, image }], &|_| {});
        let queries = queries.map_err(|error| match error {
            EncodeError::AtQuery { cause, .. } if matches!(*cause, EncodeError::NoImage { .. }) => {
                Undecided::NeedsImage
            }
            EncodeError::AtQuery { cause, .. } => Undecided::Failed(cause.to_string()),
            error => Undecided::Failed(error.to_string()),
        })?;
        let budget = match limit {
            Limit::Budget(budget) => budget,
            Limit::Price(_) => f64::INFINITY,
        };
        let choices = self.0.choose(&queries, budget);
        let choices = choices.map_err(|error| Undecided::Failed(error.to_string()))?;
        let mut decision = Decision {
            chosen: choices.chosen[0],
            runner_up: choices.runners_up.as_ref().map(|runners_up| runners_up[0]),
            quality: choices.scores.quality.row(0).to_vec(),
            cost: choices.scores.cost.row(0).to_vec(),
        };
        if let Limit::Price(price) = limit {
            decision.chosen = best_at(price, &decision);
            decision.runner_up = None;
        }
        Ok(decision)
    }
}

/// The largest quality less price times cost; equal ones go to the cheaper model.
fn best_at(price: f64, found: &Decision) -> usize {
    let worth = |model: usize| found.quality[model] - price * found.cost[model];
    let models = 0..found.quality.len();
    let best = models.max_by(|&a, &b| {
        let by_cost = found.cost[b].total_cmp(&found.cost[a]);
        worth(a).total_cmp(&worth(b)).then(by_cost)
    });
    best.unwrap_or_default()
}

/// Serves until it is told to stop.
pub fn serve(args: &ServeArgs, registry: &Registry, output: &Output) -> Outcome {
    let limit = match (args.budget, args.price) {
        (_, Some(price)) if price >= 0.0 => Limit::Price(price),
        (Some(budget), None) if budget >= 0.0 => Limit::Budget(budget),
        (None, None) => Limit::Budget(f64::INFINITY),
        _ => {
            return Err(bad_request!(
                "`--budget` and `--price` must be numbers of at least 0\nhelp: leave them out for no limit"
            ));
        }
    };
    let address = (args.host.as_str(), args.port).to_socket_addrs();
    let address = address.ok().and_then(|mut found| found.next()).ok_or_else(|| {
        bad_request!("there is no address {:?}\nhelp: give `--host` an address of this machine, such as 127.0.0.1", args.host)
    })?;
    let has_token = std::env::var_os(&args.token_env).is_some();
    if !has_token && !address.ip().is_loopback() {
        return Err(bad_request!(
            "everyone who reaches {} could spend your money: the variable {} of the environment is not set\nhelp: export {}=… \
             with a token that clients must bring, or serve on 127.0.0.1",
            address.ip(),
            args.token_env,
            args.token_env
        ));
    }
    let pool = Pool::read(&args.pool).map_err(refused)?;
    let options = DeployOptions {
        backend: backends::open(&args.backend, output)?,
        registry: registry.clone(),
        weights: Weights {
            minilm: args.weights.clone(),
            clip: args.clip.clone(),
        },
    };
    // Opened once here, so that what is wrong with it is told like everywhere, and then at every reload.
    let first = Deployed::open_with(&args.model, &options)?;
    let unit = first.cost_unit().to_owned();
    let first = std::sync::Mutex::new(Some(first));
    let model = args.model.clone();
    let load = move || {
        let opened = first
            .lock()
            .unwrap_or_else(|error| error.into_inner())
            .take();
        let opened = match opened {
            Some(opened) => opened,
            None => Deployed::open_with(&model, &options).map_err(|error| error.to_string())?,
        };
        Ok(Arc::new(Fitted(opened)) as Arc<dyn Decider>)
    };
    std::thread::scope(|scope| {
        // What the server says comes from its threads; printing stays here.
        let (said, hears) = std::sync::mpsc::channel::<String>();
        let served = scope.spawn(move || {
            routelab_service::serve(ServeOptions {
                address,
                pool,
                load: Box::new(load),
                limit,
                token_env: has_token.then(|| args.token_env.clone()),
                body: args.max_body as usize * (1 << 20),
                concurrency: args.concurrency as usize,
                decisions: args.decisions.clone(),
                store_prompts: args.store_prompts,
                drain: Duration::from_secs(args.drain.into()),
                say: Box::new(move |line| {
                    // Nobody hears it any more when the program ends.
                    let _ = said.send(line.to_owned());
                }),
            })
        });
        for line in hears {
            if line.starts_with("http") {
                let token = if has_token {
                    ", with the token of clients"
                } else {
                    ""
                };
                output.say(format!(
                    "serving {} at {line} (limit {limit}, costs in {unit}{token})",
                    args.model.display()
                ));
                output.result(&json!({ "address": line, "limit": limit.to_string(), "cost_unit": unit, "token": has_token }));
            } else {
                output.note(line);
            }
        }
        served
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            .map_err(refused)
    })
}
