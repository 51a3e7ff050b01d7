//! Which queries train, validate and test; of a table on which some models were measured on some queries only (`missing = "mask"`)
//! training takes what there is, evaluation complete queries.

use routelab_data::RoutingTable;
use routelab_data::split::{Split, SplitSpec, split};

use crate::experiment::{Experiment, Plan, Tuning};
use crate::failure::{Failure, Outcome, bad_request};

/// Seeds whose counts are written out.
const NAMED_SEEDS: usize = 3;

/// Checks that every router of an experiment takes a table with gaps.
pub fn check_routers(experiment: &Experiment, table: &RoutingTable) -> Outcome {
    for entry in &experiment.routers {
        let Plan::Fitted { parsed, .. } = &entry.plan else {
            continue;
        };
        // Of the whole table every model was measured somewhere.
        if let Err(error) = experiment.registry.check_mask(&*parsed.router, table) {
            return Err(bad_request!(
                "router {:?}: {error}\nhelp: `missing = \"drop-query\"` in [data] trains and evaluates all routers on complete \
                 queries; docs/add-a-model.md says which routers do what",
                entry.label
            ));
        }
    }
    Ok(())
}

/// Takes the incomplete queries out of the test rows, and says how many they were. `rows` names the rows in errors, such as
/// `test queries of seed 42`.
pub fn complete_test(table: &RoutingTable, split: &mut Split, rows: &str) -> Outcome<usize> {
    if table.measured().is_none() {
        return Ok(0);
    }
    let (before, models) = (split.test.len(), 0..table.models().len());
    (split.test).retain(|&row| models.clone().all(|model| table.is_measured(row, model)));
    if split.test.is_empty() {
        return Err(bad_request!(
            "{}: none of the {before} {rows} is complete, so there is nothing to compare models on\nhelp: measure every model on \
             more queries, or give more test queries with `train` in [split]",
            table.name()
        ));
    }
    Ok(before - split.test.len())
}

/// Checks that every model was measured on one of the rows to train on, at least.
pub fn check_training(table: &RoutingTable, train: &[usize], rows: &str) -> Outcome {
    let measured = |&model: &usize| train.iter().any(|&row| table.is_measured(row, model));
    match (0..table.models().len()).find(|model| !measured(model)) {
        None => Ok(()),
        Some(model) => Err(bad_request!(
            "{}: model {:?} was measured on none of the {} {rows}\nhelp: measure it on more queries, give more training queries with `train` in [split], or leave \
             it out with `exclude_models` in [data]",
            table.name(),
            table.models()[model],
            train.len(),
        )),
    }
}

/// What training and evaluation take of a table with gaps; `left_out` counts the incomplete test queries of every seed.
pub fn note(
    table: &RoutingTable,
    splits: &[Split],
    left_out: &[usize],
    seeds: &[u64],
) -> Option<String> {
    table.measured()?;
    let parts = seeds.iter().zip(splits).zip(left_out);
    let parts = parts.map(|((seed, split), left_out)| {
        let complete = table.select(&split.train).complete_rows().len();
        format!(
            "seed {seed} trains on {} queries, {complete} of them complete, and tests on the {} complete of {}",
            split.train.len(),
            split.test.len(),
            split.test.len() + left_out
        )
    });
    let mut note = parts.take(NAMED_SEEDS).collect::<Vec<_>>().join("; ");
    if seeds.len() > NAMED_SEEDS {
        note += "; `splits` of manifest.json has all seeds";
    }
    Some(note)
}

/// Divides the training rows of a seed for a search; the validation rows are complete.
pub fn divide(
    experiment: &Experiment,
    tuning: &Tuning,
    seed: u64,
    train: &RoutingTable,
) -> Outcome<Split> {
    let share = 1.0 - tuning.validation;
    let spec = match experiment.split {
        SplitSpec::OutOfDomain { .. } => SplitSpec::OutOfDomain { train: share },
        SplitSpec::InDomain { .. } | SplitSpec::TrainIsTest { .. } => {
            SplitSpec::InDomain { train: share }
        }
    };
    let mut split = split(train, &spec, seed).map_err(|error| {
        Failure::request(anyhow::anyhow!(
            "the training rows of seed {seed} cannot be divided for the search: {error}"
        ))
    })?;
    let rows = |what: &str| format!("{what} queries of the search of seed {seed}");
    check_training(train, &split.train, &rows("training"))?;
    complete_test(train, &mut split, &rows("validation"))?;
    Ok(split)
}
