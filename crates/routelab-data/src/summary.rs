//! What a table looks like at a glance: its models, how often they differ, and what an oracle would gain.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use ndarray::ArrayView1;
use serde::Serialize;

use crate::column::Column;
use crate::table::{CostUnit, RoutingTable};

/// Margins up to this count as small; the threshold of Lai & Ye 2026, of whose RouterBench queries 94.9 % are below.
const SMALL_MARGIN: f64 = 0.05;

/// Facts about a table of `N` queries and `M` models. Shares are of the queries, in [0, 1]; costs are in `cost_unit`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TableSummary {
    /// Name of the data set.
    pub name: String,
    /// `N`.
    pub queries: usize,
    /// Queries on which every model was measured; only these count where models are compared.
    pub complete_queries: usize,
    /// Queries with an image.
    pub images: usize,
    /// Number of groups, whose rows no split divides; `None` where there are no groups.
    pub groups: Option<usize>,
    /// Different prompts; a prompt with another image is another one.
    pub different_prompts: usize,
    /// Queries that share their prompt and image with a query of another group (of any other, without groups), so that a split
    /// may divide them.
    pub repeated_prompts: usize,
    /// Tasks in alphabetical order.
    pub tasks: Vec<TaskSummary>,
    /// Unit of the costs, and the assumption that they rest on.
    pub cost_unit: CostUnit,
    /// `M` models, in the order of the table.
    pub models: Vec<ModelSummary>,
    /// The model with the largest mean quality; the cheaper one, then the first, of several.
    pub best_single: String,
    /// The models with the largest mean cost: the *strongest* of the literature on collapse.
    pub strongest: Vec<String>,
    /// Mean over queries of the best model's quality.
    pub oracle_quality: f64,
    /// Mean cost when every query goes to the cheapest of its best models.
    pub oracle_cost: f64,
    /// Queries on which two or more models are best.
    pub tied_share: f64,
    /// Queries on which all models are equally good, so that routing cannot matter.
    pub all_equal_share: f64,
    /// Queries on which the best quality is at most 0.05 above the second best (0 for ties). `None` for one model.
    pub small_margin_share: Option<f64>,
}

/// Facts about one model.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ModelSummary {
    /// Its name.
    pub name: String,
    /// Queries on which it was measured.
    pub measured: usize,
    /// Mean quality on these, in [0, 1].
    pub mean_quality: f64,
    /// Mean cost on these, not negative.
    pub mean_cost: f64,
    /// Queries on which no model is better.
    pub best: usize,
    /// Queries on which every other model is worse.
    pub only_best: usize,
}

/// How many queries a task has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TaskSummary {
    /// Name of the task.
    pub name: String,
    /// Its queries.
    pub queries: usize,
}

/// Summarises a table.
pub fn summary(table: &RoutingTable) -> TableSummary {
    let (quality, cost) = (table.quality(), table.cost());
    let queries = table.len();
    // What compares models can only be said of queries on which all were measured.
    let rows = table.complete_rows();
    let complete = rows.len();
    let mean = |total: f64| total / complete.max(1) as f64;
    let measured = |model: usize| {
        let rows = (0..queries).filter(move |&row| table.is_measured(row, model));
        rows.collect::<Vec<usize>>()
    };
    let mut models: Vec<ModelSummary> = table
        .models()
        .iter()
        .enumerate()
        .map(|(model, name)| {
            let rows = measured(model);
            // Without a mask the sum is that of the whole column, to the last bit.
            let mean = |values: ArrayView1<'_, f64>| {
                if rows.len() == queries {
                    values.sum() / queries as f64
                } else {
                    rows.iter().map(|&row| values[row]).sum::<f64>() / rows.len().max(1) as f64
                }
            };
            (
                name,
                rows.len(),
                mean(quality.column(model)),
                mean(cost.column(model)),
            )
        })
        .map(|(name, measured, mean_quality, mean_cost)| ModelSummary {
            name: name.clone(),
            measured,
            mean_quality,
            mean_cost,
            best: 0,
            only_best: 0,
        })
        .collect();
    let mut counts = Counts::default();
    for row in rows {
        counts.add(quality.row(row), cost.row(row), &mut models);
    }
    let highest_cost = models
        .iter()
        .fold(0.0, |most, model| f64::max(most, model.mean_cost));
    let strongest = models
        .iter()
        .filter(|model| model.mean_cost == highest_cost)
        .map(|model| model.name.clone())
        .collect();
    let share = |count: usize| count as f64 / complete.max(1) as f64;
    let repeats = repeated_prompts(table);
    TableSummary {
        name: table.name().to_owned(),
        queries,
        complete_queries: complete,
        images: table
            .images()
            .map_or(0, |images| images.iter().flatten().count()),
        groups: table
            .groups()
            .map(|groups| groups.iter().collect::<BTreeSet<_>>().len()),
        different_prompts: repeats.different,
        repeated_prompts: repeats.divisible,
        tasks: tasks(table.tasks()),
        cost_unit: table.cost_unit().clone(),
        best_single: best_single(&models),
        strongest,
        oracle_quality: mean(counts.oracle_quality),
        oracle_cost: mean(counts.oracle_cost),
        tied_share: share(counts.tied),
        all_equal_share: share(counts.all_equal),
        small_margin_share: (models.len() > 1).then(|| share(counts.small_margin)),
        models,
    }
}

/// How often prompts repeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RepeatedPrompts {
    /// Different pairs of prompt and image.
    pub different: usize,
    /// Queries that share their pair with a query of another group (of any other, without groups), so that a split may divide
    /// them.
    pub divisible: usize,
}

/// Counts equal prompts. Compares 64 bits of a hash, so that a large table costs a few bytes per query.
pub fn repeated_prompts(table: &RoutingTable) -> RepeatedPrompts {
    let image = |row: usize| table.images().and_then(|images| images[row].as_deref());
    let hash = |row: usize| {
        let mut hasher = DefaultHasher::new();
        (&table.prompts()[row], image(row)).hash(&mut hasher);
        (hasher.finish(), row as u32)
    };
    let mut hashes: Vec<(u64, u32)> = (0..table.len()).map(hash).collect();
    hashes.sort_unstable();
    let (mut different, mut divisible) = (0, 0);
    for equal in hashes.chunk_by(|a, b| a.0 == b.0) {
        different += 1;
        let group = |&(_, row): &(u64, u32)| table.groups().map(|groups| &groups[row as usize]);
        let together =
            group(&equal[0]).is_some() && equal.iter().all(|row| group(row) == group(&equal[0]));
        if equal.len() > 1 && !together {
            divisible += equal.len();
        }
    }
    RepeatedPrompts {
        different,
        divisible,
    }
}

/// Sums and counts over queries.
#[derive(Default)]
struct Counts {
    oracle_quality: f64,
    oracle_cost: f64,
    tied: usize,
    all_equal: usize,
    small_margin: usize,
}

impl Counts {
    fn add(
        &mut self,
        quality: ArrayView1<'_, f64>,
        cost: ArrayView1<'_, f64>,
        models: &mut [ModelSummary],
    ) {
        let (mut best, mut second) = (f64::NEG_INFINITY, f64::NEG_INFINITY);
        for &value in quality {
            if value > best {
                (best, second) = (value, best);
            } else if value > second {
                second = value;
            }
        }
        let mut winners = 0;
        let mut winner = 0;
        let mut cheapest = f64::INFINITY;
        for (model, (&value, &price)) in quality.iter().zip(cost).enumerate() {
            if value == best {
                models[model].best += 1;
                winners += 1;
                winner = model;
                cheapest = cheapest.min(price);
            }
        }
        self.oracle_quality += best;
        self.oracle_cost += cheapest;
        if winners == 1 {
            models[winner].only_best += 1;
        } else {
            self.tied += 1;
        }
        self.all_equal += usize::from(winners == models.len());
        self.small_margin += usize::from(winners > 1 || best - second <= SMALL_MARGIN);
    }
}

fn best_single(models: &[ModelSummary]) -> String {
    let better = |a: &ModelSummary, b: &ModelSummary| {
        a.mean_quality > b.mean_quality
            || (a.mean_quality == b.mean_quality && a.mean_cost < b.mean_cost)
    };
    models
        .iter()
        .reduce(|best, model| if better(model, best) { model } else { best })
        .map(|best| best.name.clone())
        .unwrap_or_default()
}

fn tasks(names: &Column<String>) -> Vec<TaskSummary> {
    let mut counts: BTreeMap<&String, usize> = BTreeMap::new();
    for name in names {
        *counts.entry(name).or_default() += 1;
    }
    let task = |(name, queries): (&String, usize)| TaskSummary {
        name: name.clone(),
        queries,
    };
    counts.into_iter().map(task).collect()
}
