//! What lies behind the numbers: why choices are not right, and how much of the gap to the oracle the prompt can explain.

use std::collections::{HashMap, HashSet};

use routelab_data::Column;
use routelab_eval::bootstrap::REPLICATES;
use routelab_eval::{
    Cause, Neighbours, Predictability, PredictabilityOptions, Stage, Truth, answer_noise,
    predictability,
};
use routelab_plot::{Better, StackedBar, StackedBars};

use super::inputs::Inputs;
use super::results::{Results, RouterResult};
use super::store::Store;
use crate::failure::{Failure, Outcome, bad_request};
use crate::folder::ANSWERS;
use crate::text::Csv;

/// Queries up to which every query is compared with every other one.
const LARGEST_TABLE: usize = 50_000;

/// Numbers of neighbours that are looked at, in tables that are large enough.
const COUNTS: [usize; 6] = [1, 5, 10, 30, 100, 300];

/// The causes of what is not right, in the order of [`Cause::ALL`].
const CAUSES: [Cause; 4] = [
    Cause::Ties,
    Cause::Ordering,
    Cause::Prediction,
    Cause::Budget,
];

/// Writes `decomposition.csv`, and where there is what they need, `answers.json` and `predictability.json`.
pub fn write(inputs: &Inputs, results: &Results, store: &Store) -> Outcome {
    store.write("decomposition.csv", &decomposition_csv(results)?)?;
    if !inputs.answers.is_empty() {
        store.write(ANSWERS, &answers_json(inputs)?)?;
    }
    let Some(embeddings) = inputs.embeddings() else {
        return Ok(());
    };
    // The neighbours are compared by what every model did.
    let complete = inputs
        .table
        .measured()
        .map(|_| inputs.table.complete_rows());
    let selected = complete.map(|rows| (inputs.table.select(&rows), embeddings.select(&rows)));
    let (table, embeddings) = match &selected {
        Some((table, embeddings)) => (table, embeddings),
        None => (&inputs.table, embeddings),
    };
    let options = PredictabilityOptions {
        counts: COUNTS
            .into_iter()
            .filter(|&k| 4 * k < table.len())
            .collect(),
        ..PredictabilityOptions::default()
    };
    if table.len() > LARGEST_TABLE || options.counts.is_empty() {
        return store.log(format!(
            "no comparison of neighbours: it takes between 5 and {LARGEST_TABLE} queries"
        ));
    }
    let groups = table.groups().map(numbered);
    let neighbours = Neighbours::find(
        embeddings.values(),
        options.largest_count(),
        groups.as_deref(),
    )
    .map_err(Failure::failed)?;
    let truth = Truth::new(table.quality(), table.cost()).map_err(Failure::failed)?;
    let found: Predictability =
        predictability(&neighbours, &truth, &options).map_err(Failure::failed)?;
    let mut value = serde_json::to_value(&found).map_err(Failure::failed)?;
    let fields = value.as_object_mut().expect("a struct is an object");
    // One per query: it follows from the table.
    fields.remove("labels");
    fields["best_single_model"] = table.models()[found.best_single_model].as_str().into();
    store.write("predictability.json", format!("{value:#}\n").as_bytes())
}

/// What single answers differ by, on the queries of the run's table.
fn answers_json(inputs: &Inputs) -> Outcome<Vec<u8>> {
    let queries: HashSet<&str> = inputs.table.ids().iter().map(String::as_str).collect();
    let ids = inputs.answers[0].ids().iter().enumerate();
    let rows: Vec<usize> = ids
        .filter(|(_, id)| queries.contains(id.as_str()))
        .map(|(row, _)| row)
        .collect();
    if rows.is_empty() {
        return Err(bad_request!(
            "[data] `answers` has none of the table's queries\nhelp: name the files that were made with the table, or none"
        ));
    }
    let tables: Vec<_> = inputs
        .answers
        .iter()
        .map(|table| table.select(&rows))
        .collect();
    let truths = tables
        .iter()
        .map(|table| Truth::new(table.quality(), table.cost()));
    let truths = truths
        .collect::<Result<Vec<Truth>, _>>()
        .map_err(Failure::failed)?;
    let found = answer_noise(&truths, REPLICATES, 0).map_err(Failure::failed)?;
    let mut value = serde_json::to_value(&found).map_err(Failure::failed)?;
    value["best_single_model"] = tables[0].models()[found.best_single_model].as_str().into();
    Ok(format!("{value:#}\n").into_bytes())
}

/// Groups as numbers.
fn numbered(groups: &Column<String>) -> Vec<usize> {
    let mut numbers = HashMap::new();
    groups
        .iter()
        .map(|group| {
            let next = numbers.len();
            *numbers.entry(group.as_str()).or_insert(next)
        })
        .collect()
}

/// Share of a cause, averaged over the seeds.
fn share(router: &RouterResult, cause: Cause) -> f64 {
    let shares = router
        .seeds
        .iter()
        .map(|seed| seed.decomposition.share(cause));
    shares.sum::<f64>() / router.seeds.len() as f64
}

/// RCI by what would mend it, a bar per router.
pub fn chart(results: &Results, note: Option<String>) -> StackedBars {
    StackedBars {
        metric: routelab_plot::Quantity {
            name: "Routing collapse index".to_owned(),
            percent: true,
            better: Better::Lower,
        },
        parts: [
            "better tie-breaking",
            "better ordering",
            "better prediction",
            "larger budget",
        ]
        .map(str::to_owned)
        .to_vec(),
        bars: results
            .working()
            .map(|router| StackedBar {
                name: router.label.clone(),
                values: CAUSES.map(|cause| share(router, cause)).to_vec(),
                interval: None,
            })
            .collect(),
        note,
    }
}

/// RCI by cause, and what a router with the help of oracles reaches, per router and seed.
fn decomposition_csv(results: &Results) -> Outcome<Vec<u8>> {
    let causes = CAUSES.map(|cause| format!("{cause:?}").to_lowercase());
    let stages = Stage::ALL.into_iter().flat_map(|stage| {
        let stage = format!("{stage:?}").to_lowercase();
        ["quality", "cost", "rci", "nauc_shared"].map(|name| format!("{stage}_{name}"))
    });
    let more = causes.into_iter().chain(stages);
    let mut csv = Csv::headed("router,seed,budget,band,rci", more)?;
    for router in results.working() {
        for seed in &router.seeds {
            let found = &seed.decomposition;
            let mut row = vec![
                router.label.clone(),
                seed.seed.to_string(),
                found.budget.to_string(),
                found.band.to_string(),
                found.rci.to_string(),
            ];
            row.extend(CAUSES.map(|cause| found.share(cause).to_string()));
            for stage in &found.stages {
                let numbers = [stage.quality, stage.cost, stage.rci, stage.nauc_shared];
                row.extend(numbers.map(|number| number.to_string()));
            }
            csv.row(row)?;
        }
    }
    csv.finish()
}
