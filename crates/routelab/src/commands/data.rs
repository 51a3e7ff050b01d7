//! `routelab data`: list, inspect, convert.

use clap::{Args, Subcommand};
use std::path::{Path, PathBuf};

use routelab_data::{
    DataSpec, Modality, RoutingTable, TableSummary, formats, summary, write_parquet,
};
use routelab_plot::{PoolChart, PoolModel, Style, missing_note};
use serde_json::json;

use crate::failure::{Failure, Outcome, bad_request};
use crate::names::short_names;
use crate::output::Output;

/// Arguments of `data`.
#[derive(Args)]
pub struct DataArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: DataCommand,
}

/// The commands of `data`.
#[derive(Subcommand)]
pub enum DataCommand {
    /// List the formats that can be read, and the data sets in a folder.
    List {
        /// The folder of data sets.
        #[arg(default_value = "datasets")]
        folder: PathBuf,
    },
    /// Quality and cost of every model, the oracle, ties, and how often each model is the only best one.
    ///
    /// Also draws the pool: quality against cost of every model, and how often each is the best.
    Inspect {
        /// A folder with a `dataset.toml`, or such a file.
        dataset: PathBuf,
        /// Where the picture goes: OUT/NAME/pool.svg, .pdf, .png and .csv.
        #[arg(long, default_value = "runs/data")]
        out: PathBuf,
    },
    /// Write a data set as one Parquet file, which reads back to the same table (format `routelab`).
    Convert {
        /// A folder with a `dataset.toml`, or such a file.
        dataset: PathBuf,
        /// The Parquet file.
        out: PathBuf,
    },
}

/// Runs one of the commands.
pub fn run(args: &DataArgs, output: &Output) -> Outcome {
    match &args.command {
        DataCommand::List { folder } => list(folder, output),
        DataCommand::Inspect { dataset, out } => inspect(dataset, out, output),
        DataCommand::Convert { dataset, out } => convert(dataset, out, output),
    }
}

fn list(folder: &Path, output: &Output) -> Outcome {
    output.say("formats");
    for format in formats() {
        let modality = match format.modality {
            Modality::Text => "text",
            Modality::TextAndImage => "text + image",
        };
        let shipped = if format.shipped.is_empty() {
            ""
        } else {
            "shipped"
        };
        output.say(format!(
            "  {:<15} {:<14} {:<22} {shipped:<8} {}",
            format.name, modality, format.size, format.description
        ));
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
        "formats": formats(),
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

fn inspect(dataset: &Path, out: &Path, output: &Output) -> Outcome {
    let table = load(dataset, output)?;
    let summary = summary(&table);
    let pictures = draw_pool(&summary, &out.join(&summary.name), output)?;
    let unit = &summary.cost_unit;
    let mut models: Vec<_> = summary.models.iter().collect();
    models.sort_by(|a, b| b.mean_quality.total_cmp(&a.mean_quality));
    let share = |count: usize| 100.0 * count as f64 / summary.complete_queries.max(1) as f64;

    let mut text = format!(
        "{}: {} queries × {} models\n",
        summary.name,
        summary.queries,
        models.len()
    );
    if summary.images > 0 {
        text += &format!("{} queries have an image\n", summary.images);
    }
    if let Some(groups) = summary.groups {
        text += &format!("{groups} groups, which no split divides\n");
    }
    if summary.complete_queries < summary.queries {
        text += &format!(
            "{} of them are complete; what compares models is about these\n",
            summary.complete_queries
        );
    }
    if summary.different_prompts < summary.queries {
        text += &format!(
            "{} different prompts; {}\n",
            summary.different_prompts,
            match summary.repeated_prompts {
                0 => "equal ones are in one group".to_owned(),
                repeated => format!(
                    "{repeated} queries share theirs with one that a split may put on the other side"
                ),
            }
        );
    }
    if let Some(assumption) = &unit.assumption {
        text += &format!("costs are an assumption: {assumption}\n");
    }
    text += &format!(
        "\n{:>8}  {:>12}  {:>9}  model   (mean cost in {})\n",
        "quality",
        "mean cost",
        "only best",
        unit.label()
    );
    for model in &models {
        text += &format!(
            "{:>8.4}  {:>12.6}  {:>7.1} %  {}{}\n",
            model.mean_quality,
            model.mean_cost,
            share(model.only_best),
            model.name,
            if model.measured == summary.queries {
                String::new()
            } else {
                format!("  (measured on {})", model.measured)
            }
        );
    }
    text += &format!(
        "\nbest single model  {}\nstrongest model    {}\noracle             {:.4} at mean cost {:.6}\n\nseveral models are \
         best on {:.1} % of the queries, all are equally good on {:.1} %\n",
        summary.best_single,
        summary.strongest.join(", "),
        summary.oracle_quality,
        summary.oracle_cost,
        100.0 * summary.tied_share,
        100.0 * summary.all_equal_share,
    );
    if let Some(small) = summary.small_margin_share {
        text += &format!(
            "the best is at most 0.05 above the second on {:.1} %\n",
            100.0 * small
        );
    }
    let files: Vec<String> = pictures
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    text += &format!("\npicture of the pool: {}\n", files.join(", "));
    output.say(text);
    let mut found = serde_json::to_value(&summary).map_err(Failure::failed)?;
    found["pictures"] = json!(pictures);
    output.result(&found);
    Ok(())
}

/// Draws quality and cost of the models, and how often each is the best.
fn draw_pool(summary: &TableSummary, folder: &Path, output: &Output) -> Outcome<Vec<PathBuf>> {
    let names: Vec<String> = summary
        .models
        .iter()
        .map(|model| model.name.clone())
        .collect();
    let share = |count: usize| count as f64 / summary.complete_queries.max(1) as f64;
    let chart = PoolChart {
        models: summary
            .models
            .iter()
            .zip(short_names(&names))
            .map(|(model, name)| PoolModel {
                name,
                cost: model.mean_cost,
                quality: model.mean_quality,
                best: share(model.best),
                only_best: share(model.only_best),
            })
            .collect(),
        oracle: Some((summary.oracle_cost, summary.oracle_quality)),
        cost_unit: summary.cost_unit.label(),
        note: summary
            .cost_unit
            .assumption
            .as_ref()
            .map(|assumption| format!("Costs are an assumption: {assumption}")),
    };
    std::fs::create_dir_all(folder).map_err(|error| Failure::write(folder, error))?;
    let drawing = chart.draw(&Style::default()).map_err(Failure::failed)?;
    if !drawing.missing().is_empty() {
        output.remark(format!("note: {}", missing_note(drawing.missing())));
    }
    drawing.save(folder, "pool").map_err(Failure::failed)
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
