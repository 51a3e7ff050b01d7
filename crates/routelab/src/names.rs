//! Names of models, as figures and pages give them.

use std::collections::{BTreeMap, BTreeSet};

/// The names of models in figures: those that the experiment gives, for the others as [`short_names`].
pub fn drawn_names(models: &[String], given: &BTreeMap<String, String>) -> Vec<String> {
    let short = short_names(models).into_iter().zip(models);
    let name = |(short, model)| given.get(model).cloned().unwrap_or(short);
    short.map(name).collect()
}

/// A model's name without its vendor, where that leaves all names different.
pub fn short_names(models: &[String]) -> Vec<String> {
    let short: Vec<String> = models
        .iter()
        .map(|model| model.rsplit('/').next().unwrap_or(model).to_owned())
        .collect();
    let different = short.iter().collect::<BTreeSet<_>>().len() == models.len();
    if different { short } else { models.to_vec() }
}
