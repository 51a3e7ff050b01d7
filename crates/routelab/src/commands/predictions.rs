//! Predictions that were made elsewhere: a CSV file with `sample_id`, `MODEL|quality` and `MODEL|cost`.

use std::collections::HashMap;
use std::path::Path;

use ndarray::Array2;
use routelab_data::RoutingTable;
use routelab_eval::Scores;

use crate::failure::{Failure, Outcome, bad_request};

/// Predictions in the order of a table's queries.
pub struct GivenScores {
    /// Predicted quality and cost.
    pub scores: Scores,
    /// Rows about queries that the table does not have.
    pub ignored: usize,
}

/// Reads the predictions of every query of `table`; rows may be in any order.
pub fn read(path: &Path, table: &RoutingTable) -> Outcome<GivenScores> {
    let name = path.display();
    // The file is small beside the table, and may have a byte order mark or be compressed.
    let text = routelab_data::read_text(path).map_err(|error| {
        bad_request!("cannot read the predictions {error}\nhelp: check the path")
    })?;
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let malformed = |error: csv::Error| {
        bad_request!(
            "{name}: {error}\nhelp: write the file as UTF-8 CSV with one header and equally long rows"
        )
    };
    let header = reader.headers().map_err(malformed)?.clone();
    if header.is_empty() || header.iter().all(str::is_empty) {
        return Err(bad_request!(
            "{name} is empty\nhelp: expected a header `sample_id, MODEL|quality, MODEL|cost` and one row per query"
        ));
    }
    let column = |wanted: &str| {
        header.iter().position(|column| column == wanted).ok_or_else(|| {
            bad_request!(
                "{name}: there is no column `{wanted}`; the file has {}\nhelp: give `sample_id`, and for every model of \
                 the table `MODEL|quality` and `MODEL|cost`",
                list(header.iter())
            )
        })
    };
    let id = column("sample_id")?;
    let of_models = |part: &str| -> Outcome<Vec<usize>> {
        table
            .models()
            .iter()
            .map(|model| column(&format!("{model}|{part}")))
            .collect()
    };
    let (quality, cost) = (of_models("quality")?, of_models("cost")?);
    let known = |column: &str| {
        let model = column
            .strip_suffix("|quality")
            .or_else(|| column.strip_suffix("|cost"));
        model.is_none_or(|model| table.models().iter().any(|other| other == model))
    };
    if let Some(unknown) = header.iter().find(|column| !known(column)) {
        return Err(bad_request!(
            "{name}: column `{unknown}` is about a model that the table does not have; it has {}\nhelp: name the models \
             as in the table",
            list(table.models().iter().map(String::as_str))
        ));
    }

    let row_of: HashMap<&str, usize> = table
        .ids()
        .iter()
        .enumerate()
        .map(|(row, id)| (id.as_str(), row))
        .collect();
    let shape = (table.len(), table.models().len());
    let mut predicted = [Array2::zeros(shape), Array2::zeros(shape)];
    let mut lines: Vec<Option<u64>> = vec![None; table.len()];
    let mut ignored = 0;
    for record in reader.records() {
        let record = record.map_err(malformed)?;
        let line = record.position().map_or(0, csv::Position::line);
        let id = &record[id];
        let Some(&row) = row_of.get(id) else {
            ignored += 1;
            continue;
        };
        if let Some(earlier) = lines[row].replace(line) {
            return Err(bad_request!(
                "{name}, line {line}: sample_id {id:?} stands on line {earlier} already\nhelp: give one row per query"
            ));
        }
        for (matrix, columns) in predicted.iter_mut().zip([&quality, &cost]) {
            for (model, &column) in columns.iter().enumerate() {
                let text = record[column].trim();
                let value = text.parse::<f64>().ok().filter(|value| value.is_finite()).ok_or_else(|| {
                    bad_request!(
                        "{name}, line {line}, column `{}`: {text:?} is not a finite number\nhelp: predict a quality and \
                         a cost for every query and model",
                        &header[column]
                    )
                })?;
                matrix[[row, model]] = value;
            }
        }
    }
    let missing: Vec<&String> = table
        .ids()
        .iter()
        .zip(&lines)
        .filter(|(_, line)| line.is_none())
        .map(|(id, _)| id)
        .collect();
    if let Some(first) = missing.first() {
        return Err(bad_request!(
            "{name}: no predictions for {} of the {} queries, the first is sample_id {first:?}\nhelp: predict every \
             query of the table, or evaluate on a table of the queries that you predicted",
            missing.len(),
            table.len()
        ));
    }
    let [quality, cost] = predicted;
    let scores = Scores::new(quality, cost).map_err(Failure::request)?;
    Ok(GivenScores { scores, ignored })
}

/// Names for an error message: the first ones, and how many more.
fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    const SHOWN: usize = 12;
    let names: Vec<String> = names.map(|name| format!("`{name}`")).collect();
    match names.len().saturating_sub(SHOWN) {
        0 => names.join(", "),
        more => format!("{} and {more} more", names[..SHOWN].join(", ")),
    }
}
