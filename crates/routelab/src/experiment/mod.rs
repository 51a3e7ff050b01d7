//! The experiment file: read, checked and completed with its defaults before any work starts.

mod embeddings;
mod strongest;
mod study;
mod tuning;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use routelab_data::DataSpec;
use routelab_data::split::SplitSpec;
use routelab_eval::{Budgets, Decision, EvaluationOptions, Infeasible, Rule, Strongest, Ties};
use routelab_plot::{PlotError, Style};
use routelab_routers::{CostConfig, ParsedRouter, Registry, SearchSpace, decision};
use serde::{Deserialize, Serialize};

pub use embeddings::{EmbeddingsPart, EmbeddingsSpec};
pub use strongest::StrongestSpec;
pub use study::{Request, Study};
pub use tuning::Tuning;

use crate::failure::{Failure, Outcome, bad_request};

/// Budgets of a grid: each is a row of tables and a place of figures for every router and seed.
const MOST_BUDGETS: usize = 10_000;

/// Replicates of the bootstrap: the numbers of each are held in memory.
const MOST_REPLICATES: usize = 1_000_000;

/// Seeds of an experiment: each is a fit of every router.
const MOST_SEEDS: usize = 10_000;

/// Seed of the bootstrap: the same resamples for every router and every seed of the experiment.
pub const BOOTSTRAP_SEED: u64 = 2000;

/// The first seed where a file gives only their number.
const FIRST_SEED: u64 = 42;

/// The file as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: String,
    title: Option<String>,
    #[serde(default)]
    description: String,
    #[serde(default)]
    seeds: Seeds,
    data: toml::Table,
    embeddings: toml::Table,
    #[serde(default)]
    split: SplitSpec,
    #[serde(default)]
    evaluation: EvaluationSpec,
    #[serde(default)]
    cost: CostConfig,
    reference: Option<String>,
    tune: Option<Tuning>,
    #[serde(default)]
    figures: Figures,
    #[serde(default = "kept")]
    models: bool,
    #[serde(default, rename = "router")]
    routers: Vec<toml::Table>,
}

/// Fitted routers are kept unless a file says otherwise.
fn kept() -> bool {
    true
}

/// `seeds = 5` or `seeds = [1, 2, 3]`.
#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "`seeds` must be a number of seeds or a list of seeds"
)]
enum Seeds {
    Count(usize),
    List(Vec<u64>),
}

impl Default for Seeds {
    fn default() -> Self {
        Seeds::Count(5)
    }
}

/// How routers are evaluated.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EvaluationSpec {
    /// Number of budgets of every router's own sweep (quantiles of its predicted costs), at least 2.
    pub budgets: usize,
    /// The budgets that all routers share in the charts: a number (equally spaced in the logarithm over the costs of the
    /// first seed's training queries) or a list.
    pub grid: Grid,
    /// The choice when nothing is within the budget.
    pub infeasible: Infeasible,
    /// The choice among equal predictions.
    pub ties: Ties,
    /// The model onto which routers can collapse: `dearest`, `best-single` (both by the training queries), or its name.
    pub strongest: StrongestSpec,
    /// Margins up to this are called small.
    pub margin_threshold: f64,
    /// Replicates of the bootstrap over queries, at least 1.
    pub bootstrap: usize,
    /// Prices of cost, in units of quality per unit of cost, for which `rci_prices.csv` is written; finite, 0 or more.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rci_prices: Vec<f64>,
}

/// A shared grid of budgets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(
    untagged,
    expecting = "`grid` must be a number of budgets or a list of budgets"
)]
pub enum Grid {
    /// That many.
    Count(usize),
    /// These.
    List(Vec<f64>),
}

impl Default for EvaluationSpec {
    fn default() -> Self {
        Self {
            budgets: 100,
            grid: Grid::Count(80),
            infeasible: Infeasible::default(),
            ties: Ties::default(),
            strongest: StrongestSpec::default(),
            margin_threshold: 0.05,
            bootstrap: 2000,
            rci_prices: Vec::new(),
        }
    }
}

impl EvaluationSpec {
    /// The rule of a router that decides in this way.
    pub fn rule(&self, decision: Decision) -> Rule {
        Rule {
            infeasible: self.infeasible,
            ties: self.ties,
            decision,
        }
    }

    /// Options for a router that decides in this way; `strongest` are the columns of the strongest models.
    pub fn options(
        &self,
        decision: Decision,
        grid: Option<Vec<f64>>,
        strongest: &[usize],
    ) -> EvaluationOptions {
        EvaluationOptions {
            rule: self.rule(decision),
            budgets: Budgets::Quantiles(self.budgets),
            shared_grid: grid,
            margin_threshold: self.margin_threshold,
            strongest: Strongest::Models(strongest.to_vec()),
            rci_prices: self.rci_prices.clone(),
        }
    }
}

/// For what figures are drawn.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Figures {
    /// `single`, `page` or `double`: the width in print.
    width: String,
    /// Resolution of PNG files, in dots per inch.
    dpi: u32,
    /// Names of models in figures, by their names in the data.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    names: BTreeMap<String, String>,
}

impl Default for Figures {
    fn default() -> Self {
        let Style { width, dpi } = Style::default();
        Self {
            width: width.name().to_owned(),
            dpi,
            names: BTreeMap::new(),
        }
    }
}

impl Figures {
    fn style(&self) -> Result<Style, String> {
        let wrong = |error: PlotError| format!("[figures] {error}");
        let style = Style {
            width: self.width.parse().map_err(wrong)?,
            dpi: self.dpi,
        };
        style.check().map_err(wrong)?;
        Ok(style)
    }
}

/// One router of an experiment.
pub struct Entry {
    /// Its name in figures and tables.
    pub label: String,
    /// Its name in files: the label in lower case, with hyphens.
    pub slug: String,
    /// What it is.
    pub plan: Plan,
    /// The settings that a search may change.
    pub space: SearchSpace,
}

/// How a row of the results comes about.
pub enum Plan {
    /// The truth itself, with normal noise of this standard deviation on the qualities.
    Oracle {
        /// 0 or more.
        noise: f64,
        /// How it decides, if not in the common way.
        decision: Option<Decision>,
    },
    /// A router that is fitted.
    Fitted {
        /// Its kind.
        kind: String,
        /// The router and its settings.
        parsed: ParsedRouter,
    },
}

impl Plan {
    /// The name in an experiment file.
    pub fn kind(&self) -> &str {
        match self {
            Plan::Oracle { .. } => "oracle",
            Plan::Fitted { kind, .. } => kind,
        }
    }
}

/// An experiment, checked and complete.
pub struct Experiment {
    /// The name of the run's folder.
    pub name: String,
    /// The heading of the report.
    pub title: String,
    /// What the experiment is about.
    pub description: String,
    /// The seeds, in order.
    pub seeds: Vec<u64>,
    /// The data, with paths that can be opened.
    pub data: DataSpec,
    /// The embeddings, with paths that can be opened.
    pub embeddings: EmbeddingsSpec,
    /// How rows are split.
    pub split: SplitSpec,
    /// How routers are evaluated.
    pub evaluation: EvaluationSpec,
    /// The cost network.
    pub cost: CostConfig,
    /// The label that the others are compared with.
    pub reference: Option<String>,
    /// How settings are searched, if they are.
    pub tuning: Option<Tuning>,
    /// For what figures are drawn.
    pub style: Style,
    /// Names of models in figures, by their names in the data.
    pub names: BTreeMap<String, String>,
    /// The routers, in the order of the file.
    pub routers: Vec<Entry>,
    /// The routers that there are.
    pub registry: Registry,
    /// Whether the fitted routers of the first seed are kept.
    pub models: bool,
    /// The experiment with every default written out, as it was meant: paths as in the file.
    pub resolved: toml::Table,
}

/// Reads an experiment file; an error names it.
fn read_file<T>(path: &Path, parse: impl Fn(&str, &Path) -> Result<T, String>) -> Outcome<T> {
    let text = routelab_data::read_text(path).map_err(|error| {
        let told = format!(
            "cannot read the experiment {error}\nhelp: `experiments/collapse.toml` is one to start from"
        );
        Failure::because(error, told)
    })?;
    let folder = path.parent().unwrap_or(Path::new(""));
    parse(&text, folder).map_err(|reason| {
        bad_request!(
            "{}: {reason}\nhelp: docs/experiments.md lists every key",
            path.display()
        )
    })
}

fn check_name(name: &str) -> Result<(), String> {
    if name.is_empty() || name.contains(['/', '\\']) || name.starts_with('.') {
        Err(format!(
            "`name` must be usable as the name of a folder, not {name:?}"
        ))
    } else {
        Ok(())
    }
}

impl Experiment {
    fn parse(
        text: &str,
        folder: &Path,
        seeds: Option<usize>,
        registry: &Registry,
        more: Vec<toml::Table>,
    ) -> Result<Self, String> {
        let mut file: File =
            toml::from_str(text).map_err(|error| routelab_data::toml_detail(&error))?;
        file.routers.extend(more);
        Self::check(file, folder, seeds, registry)
    }

    fn check(
        file: File,
        folder: &Path,
        seeds: Option<usize>,
        registry: &Registry,
    ) -> Result<Self, String> {
        check_name(&file.name)?;
        let count = match (seeds, &file.seeds) {
            (Some(count), _) => count,
            (None, Seeds::Count(count)) => *count,
            (None, Seeds::List(list)) => list.len(),
        };
        if count > MOST_SEEDS {
            return Err(format!("`seeds` must be at most {MOST_SEEDS}, not {count}"));
        }
        let seeds = match (seeds, file.seeds) {
            (Some(count), _) | (None, Seeds::Count(count)) => {
                (FIRST_SEED..).take(count).collect::<Vec<u64>>()
            }
            (None, Seeds::List(list)) => list,
        };
        if seeds.is_empty() || seeds.iter().collect::<BTreeSet<_>>().len() < seeds.len() {
            return Err("`seeds` must be at least one seed, each once".into());
        }

        let data = read_data(file.data.clone(), folder).map_err(|failure| failure.to_string())?;
        let embeddings = EmbeddingsSpec::parse(file.embeddings.clone(), folder)
            .map_err(|reason| format!("[embeddings] {reason}"))?;
        file.split
            .validate()
            .map_err(|error| format!("[split] {error}"))?;
        file.evaluation.check()?;
        if let Some(tuning) = &file.tune {
            tuning
                .check()
                .map_err(|reason| format!("[tune] {reason}"))?;
        }
        file.cost
            .validate()
            .map_err(|reason| format!("[cost] {reason}"))?;

        let routers = file
            .routers
            .into_iter()
            .enumerate()
            .map(|(index, table)| {
                read_router(table, registry)
                    .map_err(|reason| format!("[[router]] number {}: {reason}", index + 1))
            })
            .collect::<Result<Vec<Entry>, String>>()?;
        if routers.is_empty() {
            return Err(
                "there is no [[router]]: give at least one, for example kind = \"knn\"".into(),
            );
        }
        let mut slugs = BTreeSet::new();
        if let Some(twice) = routers.iter().find(|entry| !slugs.insert(&entry.slug)) {
            return Err(format!(
                "two routers are called {:?}: give one of them another `label`",
                twice.label
            ));
        }
        let reference = match file.reference {
            Some(label) if routers.iter().any(|entry| entry.label == label) => Some(label),
            Some(label) => {
                return Err(format!(
                    "`reference` is {label:?}, but no router has this label"
                ));
            }
            None => routers
                .iter()
                .find(|entry| entry.plan.kind() == "equirouter")
                .map(|entry| entry.label.clone()),
        };

        let mut experiment = Self {
            title: file.title.unwrap_or_else(|| file.name.clone()),
            name: file.name,
            description: file.description,
            seeds,
            data,
            embeddings,
            split: file.split,
            evaluation: file.evaluation,
            cost: file.cost,
            reference,
            tuning: file.tune,
            style: file.figures.style()?,
            names: file.figures.names,
            routers,
            registry: registry.clone(),
            models: file.models,
            resolved: toml::Table::new(),
        };
        experiment.resolved = experiment.resolve(file.data, file.embeddings);
        Ok(experiment)
    }

    /// Makes every fit a search for settings, unless the file asks for one by itself.
    pub fn tune(&mut self, tuning: &Tuning) {
        if self.tuning.is_none() {
            self.tuning = Some(tuning.clone());
            let part = |key: &str| match &self.resolved[key] {
                toml::Value::Table(table) => table.clone(),
                _ => unreachable!("`data` and `embeddings` are tables"),
            };
            let (data, embeddings) = (part("data"), part("embeddings"));
            self.resolved = self.resolve(data, embeddings);
        }
    }

    /// Every setting, defaults included; `data` and `embeddings` as they are in the file, so that the result does not
    /// depend on where the file lies.
    fn resolve(&self, data: toml::Table, embeddings: toml::Table) -> toml::Table {
        let routers = self.routers.iter().map(|entry| {
            let mut table = toml::Table::new();
            table.insert("kind".into(), entry.plan.kind().into());
            table.insert("label".into(), entry.label.clone().into());
            match &entry.plan {
                Plan::Oracle { noise, decision } => {
                    table.insert("noise".into(), (*noise).into());
                    if let Some(decision) = decision {
                        let written = decision::written(*decision);
                        table.insert(decision::KEY.into(), written);
                    }
                }
                Plan::Fitted { parsed, .. } => table.extend(parsed.settings.clone()),
            }
            if self.tuning.is_some() && !entry.space.is_empty() {
                table.insert("tune".into(), value(&entry.space));
            }
            table
        });
        let mut table = toml::Table::new();
        table.insert("name".into(), self.name.clone().into());
        table.insert("title".into(), self.title.clone().into());
        table.insert("description".into(), self.description.clone().into());
        table.insert("seeds".into(), value(&self.seeds));
        if let Some(reference) = &self.reference {
            table.insert("reference".into(), reference.clone().into());
        }
        // Only where it is said: every other manifest stays what it was.
        if !self.models {
            table.insert("models".into(), false.into());
        }
        table.insert("data".into(), data.into());
        table.insert("embeddings".into(), embeddings.into());
        table.insert("split".into(), value(&self.split));
        table.insert("evaluation".into(), value(&self.evaluation));
        let figures = Figures {
            width: self.style.width.name().to_owned(),
            dpi: self.style.dpi,
            names: self.names.clone(),
        };
        table.insert("figures".into(), value(&figures));
        table.insert("cost".into(), value(&self.cost));
        if let Some(tuning) = &self.tuning {
            table.insert("tune".into(), value(tuning));
        }
        table.insert("router".into(), routers.collect::<Vec<_>>().into());
        table
    }
}

/// Settings as TOML.
fn value(settings: &impl Serialize) -> toml::Value {
    toml::Value::try_from(settings).expect("settings are plain data")
}

/// `[data]`: either a whole data spec, or `dataset = FOLDER` with keys that replace those of the folder's own.
///
/// # Errors
///
/// A `dataset.toml` that cannot be read, and a key that is unknown or wrong.
pub fn read_data(mut table: toml::Table, folder: &Path) -> Outcome<DataSpec> {
    let in_data = |error: toml::de::Error| bad_request!("[data] {}", error.message());
    let spec = match table.remove("dataset") {
        None => {
            let mut spec: DataSpec = table.try_into().map_err(in_data)?;
            spec.resolve(folder);
            spec
        }
        Some(toml::Value::String(dataset)) => {
            let path = routelab_data::resolve_path(folder, dataset.as_ref());
            let spec = DataSpec::read(&path).map_err(|error| {
                let told = format!("[data] {error}");
                Failure::because(error, told)
            })?;
            let mut base = toml::Table::try_from(&spec).expect("a data spec is plain data");
            base.extend(table);
            base.try_into().map_err(in_data)?
        }
        Some(_) => {
            return Err(bad_request!(
                "[data] `dataset` must be the path of a data set's folder"
            ));
        }
    };
    Ok(spec)
}

impl EvaluationSpec {
    fn check(&self) -> Result<(), String> {
        let wrong = |reason: String| format!("[evaluation] {reason}");
        if !(1..=MOST_REPLICATES).contains(&self.bootstrap) {
            return Err(wrong(format!(
                "`bootstrap` must be at least 1 and at most {MOST_REPLICATES}"
            )));
        }
        if matches!(&self.grid, Grid::Count(count) if !(2..=MOST_BUDGETS).contains(count)) {
            return Err(wrong(format!(
                "`grid` must have 2 to {MOST_BUDGETS} budgets"
            )));
        }
        if let Grid::List(list) = &self.grid
            && let Some(bad) = list
                .iter()
                .find(|budget| !(budget.is_finite() && **budget >= 0.0))
        {
            return Err(wrong(format!(
                "`grid` has {bad}, but a budget must be a finite number of at least 0"
            )));
        }
        let grid = match &self.grid {
            Grid::Count(_) => None,
            Grid::List(list) => Some(list.clone()),
        };
        self.options(Decision::default(), grid, &[])
            .validate()
            .map_err(|error| wrong(error.to_string()))
    }
}

/// One `[[router]]`.
fn read_router(mut table: toml::Table, registry: &Registry) -> Result<Entry, String> {
    let mut text = |key: &str| match table.remove(key) {
        None => Ok(None),
        Some(toml::Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(format!("`{key}` must be a text")),
    };
    let kind = text("kind")?.ok_or("`kind` is missing, for example kind = \"knn\"")?;
    let label = text("label")?.unwrap_or_else(|| kind.clone());
    let slug = slug(&label);
    if slug.is_empty() {
        return Err(format!(
            "`label` {label:?} has no Latin letter or digit to name files with"
        ));
    }
    let given: Option<SearchSpace> = table
        .remove("tune")
        .map(|value| value.try_into())
        .transpose()
        .map_err(|error: toml::de::Error| format!("`tune`: {}", error.message()))?;
    let plan = if kind == "oracle" {
        let noise = table.remove("noise").unwrap_or(0.0.into());
        let number = noise.as_float().or(noise.as_integer().map(|n| n as f64));
        let Some(noise) = number.filter(|noise| *noise >= 0.0 && noise.is_finite()) else {
            return Err(format!(
                "router `oracle`: `noise` must be a number of at least 0, not {noise}"
            ));
        };
        let decision = (table.remove(decision::KEY))
            .map(|value| decision::parse(&value))
            .transpose()
            .map_err(|reason| format!("router `oracle`: {reason}"))?;
        if let Some(key) = table.keys().next() {
            return Err(format!(
                "router `oracle` has no setting `{key}`, only `noise` and `decision`"
            ));
        }
        Plan::Oracle { noise, decision }
    } else {
        let parsed = registry
            .parse(&kind, table)
            .map_err(|error| error.to_string())?;
        Plan::Fitted {
            kind: kind.clone(),
            parsed,
        }
    };
    let space = match (&plan, given) {
        (Plan::Oracle { .. }, _) => SearchSpace::new(),
        (Plan::Fitted { parsed, .. }, None) => parsed.router.search_space(),
        (Plan::Fitted { parsed, .. }, Some(space)) => {
            for (name, values) in &space {
                let optional = parsed.router.optional_settings();
                if !parsed.settings.contains_key(name) && !optional.contains(&name.as_str()) {
                    return Err(format!("`tune`: router `{kind}` has no setting `{name}`"));
                }
                values
                    .validate()
                    .map_err(|reason| format!("`tune`: `{name}` {reason}"))?;
            }
            space
        }
    };
    Ok(Entry {
        label,
        slug,
        plan,
        space,
    })
}

/// The label's ASCII letters and digits in lower case, with single hyphens for the rest.
pub fn slug(label: &str) -> String {
    let words = label
        .split(|character: char| !character.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase);
    words.collect::<Vec<_>>().join("-")
}
