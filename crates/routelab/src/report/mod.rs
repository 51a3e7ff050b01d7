//! One page with every figure and table of a run and a sample of its queries. It works from disk, without network; without scripts
//! it still shows every figure and table.

mod data;
mod page;
mod pages;
mod tables;

use std::path::PathBuf;

use maud::PreEscaped;
use serde_json::Value;

use crate::failure::{Outcome, bad_request};
use crate::folder::{ANSWERS, EXPERIMENT, FigureRecord, REPORT, RunFolder, RunResults};

pub use pages::{IndexEntry, OverviewPage, OverviewTable, index, overview};

/// What the page shows of a run's folder.
struct Run {
    manifest: Value,
    results: RunResults,
    settings: String,
    /// What the nearest other queries say; null where the run has no such file.
    predictability: Value,
    /// What single answers differ by; null where every model was asked once.
    answers: Value,
    figures: Vec<Figure>,
    /// What the page's scripts read.
    data: Value,
}

/// A figure with its files.
struct Figure {
    record: FigureRecord,
    svg: String,
    csv: String,
}

/// Writes the page into the folder of a run, and says where it is.
///
/// # Errors
///
/// A run that is not finished, of another version, or damaged.
pub fn write(folder: &RunFolder) -> Outcome<PathBuf> {
    let run = read(folder)?;
    folder.write(REPORT, page::html(&run).into_string().as_bytes())?;
    Ok(folder.file(REPORT))
}

fn read(folder: &RunFolder) -> Outcome<Run> {
    let json = |name: &str| -> Outcome<Value> {
        // Not every run has the file.
        if !folder.file(name).exists() {
            return Ok(Value::Null);
        }
        serde_json::from_str(&folder.text(name)?).map_err(|error| {
            bad_request!(
                "{}: {error}\nhelp: run the experiment again",
                folder.file(name).display()
            )
        })
    };
    let (manifest, results) = (folder.manifest()?, folder.results()?);
    let figures = results.figures.iter().map(|record| {
        Ok(Figure {
            record: record.clone(),
            svg: folder.text(&format!("figures/{}.svg", record.stem))?,
            csv: folder.text(&format!("figures/{}.csv", record.stem))?,
        })
    });
    Ok(Run {
        figures: figures.collect::<Outcome<_>>()?,
        settings: folder.text(EXPERIMENT)?,
        predictability: json("predictability.json")?,
        answers: json(ANSWERS)?,
        data: data::data(&results, json("queries.json")?),
        manifest,
        results,
    })
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// A picture, without what stands before it in its file.
fn picture(svg: &str) -> PreEscaped<&str> {
    PreEscaped(svg.find("<svg").map_or("", |start| &svg[start..]))
}
