//! `routelab data`: list, inspect, convert.

use std::path::{Path, PathBuf};

use ndarray::Axis;
use routelab_data::{DataSpec, RoutingTable, formats, write_parquet};
use routelab_eval::{EvaluationOptions, Truth, evaluate, oracle};
use serde_json::json;

use crate::cli::{DataArgs, DataCommand};
use crate::failure::{Failure, Outcome, bad_request};
use crate::output::Output;

/// Runs one of the commands.
pub fn run(args: &DataArgs, output: &Output) -> Outcome {
    match &args.command {
        DataCommand::List { folder } => list(folder, output),
        DataCommand::Inspect { dataset } => inspect(dataset, output),
        DataCommand::Convert { dataset, out } => convert(dataset, out, output),
    }
}

fn list(folder: &Path, output: &Output) -> Outcome {
    output.say("formats");
    for format in formats() {
        output.say(format!("  {:<14} {}", format.name, format.description));
    }
    let mut sets: Vec<PathBuf> = std::fs::read_dir(folder)
        .map_err(|error| {
            bad_request!(
                "cannot list {}: {error}\nhelp: name the folder of the data sets",
                folder.display()
            )
        })?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.join("dataset.toml").is_file())
        .collect();
    sets.sort();
    output.say(format!("\ndata sets in {}", folder.display()));
    let mut rows = Vec::new();
    for path in sets {
        let spec = DataSpec::read(&path).map_err(Failure::request)?;
        output.say(format!(
            "  {:<36} {}",
            path.display().to_string(),
            spec.format
        ));
        rows.push(json!({"path": path, "format": spec.format, "name": spec.name}));
    }
    output.result(&json!({
        "formats": formats().iter().map(|format| json!({
            "name": format.name,
            "description": format.description,
        })).collect::<Vec<_>>(),
        "datasets": rows,
    }));
    Ok(())
}

fn load(dataset: &Path, output: &Output) -> Outcome<RoutingTable> {
    let spec = DataSpec::read(dataset).map_err(Failure::request)?;
    let loaded = routelab_data::load(&spec).map_err(Failure::request)?;
    if loaded.report.dropped_queries > 0 {
        output.note(format!(
            "left out {} queries with {} missing cells",
            loaded.report.dropped_queries, loaded.report.missing_cells
        ));
    }
    for note in &loaded.report.notes {
        output.note(format!("note: {note}"));
    }
    Ok(loaded.table)
}

fn inspect(dataset: &Path, output: &Output) -> Outcome {
    let table = load(dataset, output)?;
    let truth = Truth::new(table.quality(), table.cost()).map_err(Failure::failed)?;
    let best = evaluate(&truth, &oracle(&truth), &EvaluationOptions::default())
        .map_err(Failure::failed)?;
    let quality = table
        .quality()
        .mean_axis(Axis(0))
        .expect("a table has at least one query");
    let cost = table
        .cost()
        .mean_axis(Axis(0))
        .expect("a table has at least one query");
    let mut only_best = vec![0_usize; table.models().len()];
    let mut tied = 0;
    for row in table.quality().outer_iter() {
        let top = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let winners: Vec<usize> = row
            .iter()
            .enumerate()
            .filter(|(_, value)| **value == top)
            .map(|(model, _)| model)
            .collect();
        match winners[..] {
            [model] => only_best[model] += 1,
            _ => tied += 1,
        }
    }
    let share = |count: usize| count as f64 / table.len() as f64;
    let unit = table.cost_unit();
    let mut order: Vec<usize> = (0..table.models().len()).collect();
    order.sort_by(|&a, &b| quality[b].total_cmp(&quality[a]));

    let mut text = format!(
        "{}: {} queries × {} models\n",
        table.name(),
        table.len(),
        table.models().len()
    );
    if let Some(assumption) = &unit.assumption {
        text += &format!("costs are an assumption: {assumption}\n");
    }
    text += &format!(
        "\n{:>8}  {:>12}  {:>9}  model   (mean cost in {})\n",
        "quality", "mean cost", "only best", unit.name
    );
    for &model in &order {
        text += &format!(
            "{:>8.4}  {:>12.6}  {:>7.1} %  {}\n",
            quality[model],
            cost[model],
            100.0 * share(only_best[model]),
            table.models()[model]
        );
    }
    text += &format!(
        "\noracle {:.4} at mean cost {:.6}\nseveral models are equally good on {:.1} % of the queries\nthe best is at most \
         0.05 above the second on {:.1} %",
        best.quality,
        best.cost,
        100.0 * share(tied),
        100.0 * best.real_margin_share.unwrap_or(0.0)
    );
    output.say(text);
    output.result(&json!({
        "name": table.name(),
        "queries": table.len(),
        "cost_unit": unit.name,
        "cost_assumption": unit.assumption,
        "models": order.iter().map(|&model| json!({
            "model": table.models()[model],
            "quality": quality[model],
            "cost": cost[model],
            "only_best_share": share(only_best[model]),
        })).collect::<Vec<_>>(),
        "oracle_quality": best.quality,
        "oracle_cost": best.cost,
        "tied_share": share(tied),
        "small_margin_share": best.real_margin_share,
    }));
    Ok(())
}

fn convert(dataset: &Path, out: &Path, output: &Output) -> Outcome {
    let table = load(dataset, output)?;
    write_parquet(&table, out).map_err(Failure::failed)?;
    output.say(format!(
        "{}: {} queries × {} models",
        out.display(),
        table.len(),
        table.models().len()
    ));
    output.result(&json!({"file": out, "queries": table.len(), "models": table.models()}));
    Ok(())
}
