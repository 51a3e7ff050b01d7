//! An experiment in several variants: `[vary]` and `[[variant]]`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use routelab_eval::check_full_design;
use routelab_routers::Registry;
use serde::Deserialize;
use toml::{Table, Value};

use super::{Experiment, Tuning, read_file, slug};
use crate::failure::{Outcome, bad_request};

/// What an experiment file asks for.
pub enum Request {
    /// One experiment.
    Single(Box<Experiment>),
    /// The same experiment in several variants.
    Study(Study),
}

/// An experiment in several variants.
pub struct Study {
    /// The name of the folder.
    pub name: String,
    /// The heading of the report.
    pub title: String,
    /// What the study is about.
    pub description: String,
    /// What varies, for tables and axes.
    pub axis: String,
    /// In the order of the file.
    pub variants: Vec<Variant>,
    /// Settings of routers among which the variance of metrics is divided.
    pub factors: Vec<Factor>,
}

/// A setting of routers whose effect on metrics is asked for.
pub struct Factor {
    /// What it is called in tables and figures.
    pub name: String,
    /// The key in `[[router]]`.
    setting: String,
}

/// `factors = ["kind", "objective"]` or `factors = { network = "kind", objective = "objective" }`.
#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "`factors` must be a list of settings of routers, or a table of names and such settings"
)]
enum Factors {
    List(Vec<String>),
    Named(BTreeMap<String, String>),
}

impl From<Factors> for Vec<Factor> {
    fn from(factors: Factors) -> Self {
        let pairs: Vec<(String, String)> = match factors {
            Factors::List(list) => list.into_iter().map(|key| (key.clone(), key)).collect(),
            Factors::Named(named) => named.into_iter().collect(),
        };
        let factor = |(name, setting)| Factor { name, setting };
        pairs.into_iter().map(factor).collect()
    }
}

/// One variant of a study.
pub struct Variant {
    /// Its name in tables and figures.
    pub label: String,
    /// Its place on the axis, where what varies is a number.
    pub value: Option<f64>,
    /// The experiment; its name is the folder inside the study's.
    pub experiment: Experiment,
}

impl Variant {
    /// The levels of these settings for every router, as numbers; of a table its `kind` is the level. `None` for a router that lacks one
    /// of them.
    pub fn levels(&self, factors: &[Factor]) -> Vec<Option<Vec<usize>>> {
        let routers = self.experiment.resolved["router"].as_array();
        let mut known: Vec<Vec<&Value>> = vec![Vec::new(); factors.len()];
        let mut levels = Vec::new();
        for router in routers.into_iter().flatten() {
            let of_router = factors.iter().zip(&mut known).map(|(factor, known)| {
                let value = router.get(&factor.setting)?;
                // Of a table its kind counts: what else is in it belongs to the kind.
                let value = value.get("kind").unwrap_or(value);
                let found = known.iter().position(|other| *other == value);
                Some(found.unwrap_or_else(|| {
                    known.push(value);
                    known.len() - 1
                }))
            });
            levels.push(of_router.collect());
        }
        levels
    }

    /// Checks that the routers with these settings are a full design.
    fn check_factors(&self, factors: &[Factor]) -> Result<(), String> {
        let levels: Vec<Vec<usize>> = self.levels(factors).into_iter().flatten().collect();
        check_full_design(&levels).map_err(|_| {
            format!(
                "`factors` are {}, but its routers do not have every combination of them, each equally often",
                factors.iter().map(|factor| &*factor.setting).collect::<Vec<_>>().join(", ")
            )
        })
    }
}

/// `[vary]`: one key, or several keys together, take several values.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Vary {
    key: Keys,
    values: Vec<Value>,
    labels: Option<Vec<String>>,
    name: Option<String>,
}

/// `key = "split.train"` or `key = ["router.A.epochs", "router.B.epochs"]`.
#[derive(Deserialize)]
#[serde(untagged, expecting = "`key` must be a key or a list of keys")]
enum Keys {
    One(String),
    All(Vec<String>),
}

/// A variant before it is checked: label, place on the axis, keys that replace those of the file.
type Draft = (String, Option<f64>, Table);

impl Experiment {
    /// Reads an experiment file.
    ///
    /// # Errors
    ///
    /// A file that cannot be read, a key that is unknown or wrong, and a study, which is several experiments.
    pub fn from_toml(path: impl AsRef<Path>) -> Outcome<Self> {
        Self::from_toml_with(path, &Registry::default())
    }

    /// The same, with routers of one's own.
    ///
    /// # Errors
    ///
    /// As [`Experiment::from_toml`].
    pub fn from_toml_with(path: impl AsRef<Path>, registry: &Registry) -> Outcome<Self> {
        let path = path.as_ref();
        match Request::read(path, None, registry, &[])? {
            Request::Single(experiment) => Ok(*experiment),
            Request::Study(_) => Err(bad_request!(
                "{} is a study: several experiments in one file\nhelp: `routelab run` runs it",
                path.display()
            )),
        }
    }
}

impl Request {
    /// Reads an experiment file. `seeds` replaces the file's own number of seeds; a router of `kinds` that the file does not name is
    /// one more row, with its default settings.
    pub fn read(
        path: &Path,
        seeds: Option<usize>,
        registry: &Registry,
        kinds: &[&str],
    ) -> Outcome<Self> {
        read_file(path, |text, folder| {
            parse(text, folder, seeds, registry, kinds)
        })
    }

    /// Makes every fit a search for settings; the folder is called after that.
    pub fn tune(&mut self, tuning: &Tuning) {
        let name = match self {
            Self::Single(experiment) => {
                experiment.tune(tuning);
                &mut experiment.name
            }
            Self::Study(study) => {
                let experiments = study
                    .variants
                    .iter_mut()
                    .map(|variant| &mut variant.experiment);
                experiments.for_each(|experiment| experiment.tune(tuning));
                &mut study.name
            }
        };
        name.push_str("-tuned");
    }

    /// The experiment, or that of every variant.
    pub fn experiments(&self) -> Vec<&Experiment> {
        match self {
            Self::Single(experiment) => vec![experiment],
            Self::Study(study) => {
                let variants = study.variants.iter();
                variants.map(|variant| &variant.experiment).collect()
            }
        }
    }

    /// The name of the folder.
    pub fn name(&self) -> &str {
        match self {
            Self::Single(experiment) => &experiment.name,
            Self::Study(study) => &study.name,
        }
    }

    /// The heading of the report, and what the experiment is about.
    pub fn heading(&self) -> (&str, &str) {
        match self {
            Self::Single(experiment) => (&experiment.title, &experiment.description),
            Self::Study(study) => (&study.title, &study.description),
        }
    }
}

fn parse(
    text: &str,
    folder: &Path,
    seeds: Option<usize>,
    registry: &Registry,
    kinds: &[&str],
) -> Result<Request, String> {
    let mut base: Table =
        toml::from_str(text).map_err(|error| routelab_data::toml_detail(&error))?;
    let named = base.get("router").cloned();
    let more: Vec<Table> = kinds
        .iter()
        .filter(|kind| !named.as_ref().is_some_and(|routers| names(routers, kind)))
        .map(|&kind| Table::from_iter([("kind".to_owned(), kind.into())]))
        .collect();
    let (axis, drafts) = match (base.remove("vary"), base.remove("variant")) {
        // From the text, so that an error shows its line.
        (None, None) => {
            return Experiment::parse(text, folder, seeds, registry, more)
                .map(|one| Request::Single(Box::new(one)));
        }
        (Some(vary), None) => read_vary(vary).map_err(|reason| format!("[vary] {reason}"))?,
        (None, Some(variants)) => ("variant".to_owned(), read_variants(variants)?),
        (Some(_), Some(_)) => {
            return Err("[vary] and [[variant]] are two ways to say the same: give one".into());
        }
    };
    if let (false, Value::Array(routers)) = (
        more.is_empty(),
        base.entry("router").or_insert(Value::Array(Vec::new())),
    ) {
        routers.extend(more.into_iter().map(Value::Table));
    }
    let factors = match base.remove("factors") {
        None => Vec::new(),
        Some(value) => value
            .try_into::<Factors>()
            .map_err(|error| error.message().to_owned())?
            .into(),
    };
    let text_of = |key: &str| {
        base.get(key)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let name = text_of("name");
    super::check_name(&name)?;
    let title = match text_of("title") {
        title if title.is_empty() => name.clone(),
        title => title,
    };
    let mut slugs = BTreeSet::new();
    let mut variants = Vec::new();
    for (label, value, patch) in drafts {
        let wrong = |reason: String| format!("variant {label:?}: {reason}");
        let folder_name = slug(&label);
        if folder_name.is_empty() || !slugs.insert(folder_name.clone()) {
            return Err(wrong(
                "its label must have a Latin letter or digit and differ from the others'".into(),
            ));
        }
        let mut table = base.clone();
        merge(&mut table, patch).map_err(wrong)?;
        table.insert("name".into(), folder_name.into());
        table.insert("title".into(), format!("{title}: {label}").into());
        let file = table
            .try_into()
            .map_err(|error: toml::de::Error| error.to_string().trim_end().replace('\n', " "));
        let experiment = file
            .and_then(|file| Experiment::check(file, folder, seeds, registry))
            .map_err(wrong)?;
        let variant = Variant {
            label,
            value,
            experiment,
        };
        if !factors.is_empty() {
            let wrong = |reason| format!("variant {:?}: {reason}", variant.label);
            variant.check_factors(&factors).map_err(wrong)?;
        }
        variants.push(variant);
    }
    Ok(Request::Study(Study {
        description: text_of("description"),
        name,
        title,
        axis,
        variants,
        factors,
    }))
}

/// Whether a router, or one that it is made of, is of this kind.
fn names(routers: &Value, kind: &str) -> bool {
    match routers {
        Value::Array(list) => list.iter().any(|inner| names(inner, kind)),
        Value::Table(table) => {
            table.get("kind").and_then(Value::as_str) == Some(kind)
                || table.values().any(|inner| names(inner, kind))
        }
        _ => false,
    }
}

fn read_vary(vary: Value) -> Result<(String, Vec<Draft>), String> {
    let vary: Vary = vary
        .try_into()
        .map_err(|error| error.message().to_owned())?;
    if vary.values.is_empty() {
        return Err("`values` must have at least one value".into());
    }
    let keys = match vary.key {
        Keys::One(key) => vec![key],
        Keys::All(keys) => keys,
    };
    let Some(first) = keys.first().cloned() else {
        return Err("`key` must have at least one key".into());
    };
    let labels = match vary.labels {
        Some(labels) if labels.len() != vary.values.len() => {
            return Err(format!(
                "`labels` has {} entries, `values` has {}",
                labels.len(),
                vary.values.len()
            ));
        }
        Some(labels) => labels,
        None => vary
            .values
            .iter()
            .map(|value| match value {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            })
            .collect(),
    };
    let number = |value: &Value| value.as_float().or(value.as_integer().map(|n| n as f64));
    // Where the values are no numbers, their labels may be: sizes of lists of models, for example.
    let numbers: Option<Vec<f64>> = (vary.values.iter().map(number).collect::<Option<_>>())
        .or_else(|| labels.iter().map(|label| label.parse().ok()).collect());
    let drafts = labels
        .into_iter()
        .zip(vary.values)
        .enumerate()
        .map(|(index, (label, value))| {
            let place = numbers.as_ref().map(|numbers| numbers[index]);
            let mut patch = Table::new();
            for key in &keys {
                merge(&mut patch, at(key, value.clone())?)?;
            }
            Ok((label, place, patch))
        })
        .collect::<Result<Vec<Draft>, String>>()?;
    Ok((vary.name.unwrap_or(first), drafts))
}

/// A table with one value at a dotted key, as TOML reads such a key.
fn at(key: &str, value: Value) -> Result<Table, String> {
    let mut table: Table = toml::from_str(&format!("{key} = 0"))
        .map_err(|_| format!("`key` {key:?} is not a key such as `split.train`"))?;
    let mut place = table.iter_mut().next().expect("one key was read").1;
    while let Value::Table(inner) = place {
        place = inner.iter_mut().next().expect("one key was read").1;
    }
    *place = value;
    Ok(table)
}

fn read_variants(variants: Value) -> Result<Vec<Draft>, String> {
    let Value::Array(variants) = variants else {
        return Err("variants are written as [[variant]]".into());
    };
    variants
        .into_iter()
        .enumerate()
        .map(|(index, variant)| {
            let wrong = |reason: &str| format!("[[variant]] number {}: {reason}", index + 1);
            let Value::Table(mut patch) = variant else {
                return Err(wrong("must be a table"));
            };
            match patch.remove("label") {
                Some(Value::String(label)) => Ok((label, None, patch)),
                _ => Err(wrong(
                    "`label` is missing, for example label = \"text only\"",
                )),
            }
        })
        .collect()
}

/// Puts the keys of `patch` into `table`, tables inside into tables. `router.LABEL` means the router with this label, `router."*"` all
/// routers that give the keys that are replaced.
fn merge(table: &mut Table, patch: Table) -> Result<(), String> {
    for (key, value) in patch {
        match (table.get_mut(&key), value) {
            (Some(Value::Table(inner)), Value::Table(patch)) => merge(inner, patch)?,
            (Some(Value::Array(routers)), Value::Table(patches)) if key == "router" => {
                for (label, patch) in patches {
                    let Value::Table(patch) = patch else {
                        return Err(format!("`router.{label}` must be a table of settings"));
                    };
                    let all = label == "*";
                    let mut found = false;
                    for router in routers.iter_mut().filter_map(Value::as_table_mut) {
                        let name = router.get("label").or(router.get("kind"));
                        let meant = name.and_then(Value::as_str) == Some(&label);
                        if meant || (all && patch.keys().all(|key| router.contains_key(key))) {
                            found = true;
                            merge(router, patch.clone())?;
                        }
                    }
                    if !found {
                        return Err(if all {
                            format!(
                                "no router gives {}",
                                patch.keys().cloned().collect::<Vec<_>>().join(" and ")
                            )
                        } else {
                            format!("there is no router with the label {label:?}")
                        });
                    }
                }
            }
            (_, value) => {
                table.insert(key, value);
            }
        }
    }
    Ok(())
}
