//! A fitted router of a run at work: prompts in, models out.

use std::path::Path;

use ndarray::Array2;
use routelab_data::Embeddings;
use routelab_encode::{EncodeError, Encoder, Query, embed_queries};
use routelab_eval::{Decision, Rule, Scores};
use routelab_heads::Backend;
use routelab_routers::{Archive, FittedRouter, Outlook, Registry};

use crate::encoders::{Weights, restore};
use crate::experiment::EvaluationSpec;
use crate::failure::{Failure, Outcome, bad_request};
use crate::folder::{ENCODER, RunFolder};

/// What a router needs beside its run's folder.
#[derive(Clone, Debug, Default)]
pub struct DeployOptions {
    /// Where networks run.
    pub backend: Backend,
    /// The routers that there are.
    pub registry: Registry,
    /// The weights of published encoders, for routers that were fitted on their embeddings.
    pub weights: Weights,
}

/// A router of a run, with what its queries have to become before it sees them.
pub struct Deployed {
    router: Box<dyn FittedRouter>,
    encoder: Box<dyn Encoder>,
    rule: Rule,
    models: Vec<String>,
    cost_unit: String,
}

/// What a router chose for one query.
#[derive(Clone, Debug, PartialEq)]
pub struct Choice {
    /// The name of the model.
    pub model: String,
    /// Its predicted quality, on the router's own scale.
    pub quality: f64,
    /// Its predicted cost, in the unit of the data that the router was fitted on.
    pub cost: f64,
    /// Whether that is within the budget.
    pub within_budget: bool,
    /// What would have been chosen without this model; none in a pool of one.
    pub runner_up: Option<RunnerUp>,
    /// How near the query is to those of the training, from 0 to 1; none for a router that cannot say.
    pub trust: Option<f64>,
    /// The standard deviation of what the router's predictors say of the quality; none for a router that has not several.
    pub spread: Option<f64>,
}

/// The second choice for a query.
#[derive(Clone, Debug, PartialEq)]
pub struct RunnerUp {
    /// The name of the model.
    pub model: String,
    /// Its predicted quality.
    pub quality: f64,
    /// Its predicted cost.
    pub cost: f64,
    /// The chance that the chosen model's answer is the better of the two, where one is; none for a router that cannot say.
    pub chance: Option<f64>,
}

/// What a router predicted and chose for some queries.
pub struct Choices<'a> {
    /// Of quality and cost, `[queries, models]`.
    pub scores: Scores,
    /// The columns of the chosen models.
    pub chosen: Vec<usize>,
    /// Those of what would have been chosen without them; none in a pool of one.
    pub runners_up: Option<Vec<usize>>,
    /// How sure the router is; none for one that cannot say.
    pub outlook: Option<Outlook>,
    budget: f64,
    router: &'a Deployed,
}

impl Deployed {
    /// Opens a router: a folder `models/ROUTER` of a run.
    ///
    /// # Errors
    ///
    /// Another folder, a damaged one, and one whose encoder cannot be had here.
    pub fn open(model: &Path) -> Outcome<Self> {
        Self::open_with(model, &DeployOptions::default())
    }

    /// The same, on another backend or with weights from elsewhere.
    ///
    /// # Errors
    ///
    /// As [`Deployed::open`].
    pub fn open_with(model: &Path, options: &DeployOptions) -> Outcome<Self> {
        let archive = Archive::read(model).map_err(|error| {
            let told = format!("{error}\nhelp: `--model` takes a folder `models/ROUTER` of a run");
            Failure::because(error, told)
        })?;
        let router =
            (options.registry.load(&archive, &options.backend)).map_err(Failure::request)?;
        let run = (model.parent().and_then(Path::parent))
            .ok_or_else(|| bad_request!("{} is not inside a run's folder", model.display()))?;
        let run = RunFolder::open(run)?;
        let manifest = run.manifest()?;
        let ids: Vec<String> = run.part(&manifest, "/embeddings/encoders")?;
        let evaluation: EvaluationSpec = run.part(&manifest, "/experiment/evaluation")?;
        Ok(Self {
            encoder: restore(&ids, &run.file(ENCODER), &options.weights, &options.backend)?,
            rule: evaluation.rule(router.decision()),
            router,
            models: run.part(&manifest, "/data/models")?,
            cost_unit: run.part(&manifest, "/data/cost_unit")?,
        })
    }

    /// The models' names, in the order of all predictions.
    pub fn models(&self) -> &[String] {
        &self.models
    }

    /// The unit of costs and budgets.
    pub fn cost_unit(&self) -> &str {
        &self.cost_unit
    }

    /// Whether a budget limits every query, or only the mean of many.
    pub fn decision(&self) -> Decision {
        self.rule.decision
    }

    /// Embeds queries; `progress` hears how many are done.
    ///
    /// # Errors
    ///
    /// No queries; a query without an image, for a router that looks at images; one that cannot be read. The error says which.
    pub fn embed(
        &self,
        queries: &[Query],
        progress: &dyn Fn(usize),
    ) -> Result<Embeddings, EncodeError> {
        embed_queries(&*self.encoder, queries, &|done, _| progress(done))
    }

    /// Chooses a model for every embedded query.
    ///
    /// # Errors
    ///
    /// Embeddings of another dimension than those that the router was fitted on.
    pub fn choose(&self, queries: &Embeddings, budget: f64) -> Outcome<Choices<'_>> {
        let scores = self.router.predict(queries).map_err(Failure::request)?;
        let choose = |scores: &Scores| {
            let chosen = self.router.choose(scores, budget, &self.rule);
            chosen.map_err(Failure::request)
        };
        let chosen = choose(&scores)?;
        let runners_up = (self.models.len() > 1)
            .then(|| choose(&without(&scores, &chosen)))
            .transpose()?;
        Ok(Choices {
            chosen,
            runners_up,
            outlook: self.router.outlook(queries).map_err(Failure::request)?,
            scores,
            budget,
            router: self,
        })
    }

    /// Chooses a model for a prompt under a budget, in the unit of the costs; infinite for none.
    ///
    /// # Errors
    ///
    /// A router that looks at images.
    pub fn route(&self, prompt: &str, budget: f64) -> Outcome<Choice> {
        let queries = self.embed(&[Query::text(prompt)], &|_| {});
        let choices = self.choose(&queries.map_err(Failure::request)?, budget)?;
        Ok(choices.choice(0))
    }
}

impl Choices<'_> {
    /// What was chosen for a query.
    pub fn choice(&self, row: usize) -> Choice {
        let model = self.chosen[row];
        let outlook = self.outlook.as_ref();
        let runner_up = self.runners_up.as_ref().map(|runners_up| {
            let second = runners_up[row];
            let quality = self.scores.quality[[row, second]];
            let difference = self.scores.quality[[row, model]] - quality;
            RunnerUp {
                model: self.router.models[second].clone(),
                quality,
                cost: self.scores.cost[[row, second]],
                chance: outlook.map(|outlook| outlook.chance(difference)),
            }
        });
        Choice {
            model: self.router.models[model].clone(),
            quality: self.scores.quality[[row, model]],
            cost: self.scores.cost[[row, model]],
            within_budget: self.within_budget(row, model),
            runner_up,
            trust: outlook.map(|outlook| outlook.trust[row]),
            spread: outlook.map(|outlook| outlook.spread[[row, model]]),
        }
    }

    /// Whether a model is predicted to be within the budget.
    pub fn within_budget(&self, row: usize, model: usize) -> bool {
        self.scores.cost[[row, model]] <= self.budget
    }
}

/// Predictions with which nothing that was chosen is chosen again: these models are worse and dearer than all others.
fn without(scores: &Scores, chosen: &[usize]) -> Scores {
    let mut left = scores.clone();
    let largest = |values: &Array2<f64>| {
        values
            .iter()
            .fold(1.0, |most: f64, value| most.max(value.abs()))
    };
    let (worst, dearest) = (-1e9 * largest(&left.quality), 1e9 * largest(&left.cost));
    for (row, &model) in chosen.iter().enumerate() {
        left.quality[[row, model]] = worst;
        left.cost[[row, model]] = dearest;
    }
    left
}
