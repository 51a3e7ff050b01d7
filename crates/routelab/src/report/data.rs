//! What the page's scripts read: one JSON value.

use std::collections::HashMap;
use std::path::Path;

use routelab_eval::bootstrap::seeds_interval;
use routelab_plot::{FillLook, Role, fill_looks, line_looks};
use serde_json::{Value, json};

use super::{Figure, records, text};
use crate::failure::{Outcome, bad_request};
use crate::run::figures::drawn_names;

/// One router at one budget on all seeds.
struct AtBudget<'a> {
    budget: f64,
    /// Per seed: cost, quality, call rate of every model.
    seeds: Vec<&'a [f64]>,
}

/// The data of a run's folder; `read` reads a file of it.
pub fn data(
    metrics: &Value,
    manifest: &Value,
    roles: &HashMap<String, Role>,
    queries: Value,
    figures: &[Figure],
    folder: &Path,
    read: &dyn Fn(&str) -> Outcome<String>,
) -> Outcome<Value> {
    let models: Vec<String> = strings(&metrics["models"]);
    let strongest: Vec<usize> = strings(&metrics["strongest"])
        .iter()
        .filter_map(|name| models.iter().position(|model| model == name))
        .collect();
    let points = Points::read(&read("grid_points.csv")?, &folder.join("grid_points.csv"))?;
    let figure = |stem: &str| -> Outcome<Vec<Vec<String>>> {
        let path = folder.join(format!("figures/{stem}.csv"));
        match figures.iter().find(|figure| figure.stem == stem) {
            Some(figure) => records(&figure.csv, &path),
            None => Ok(Vec::new()),
        }
    };
    let (margins, collapse, curves) = (figure("margins")?, figure("rci")?, figure("cost_quality")?);

    let all = metrics["routers"].as_array().map_or(&[][..], Vec::as_slice);
    let working: Vec<(&Value, Role)> = all
        .iter()
        .filter_map(|router| Some((router, *roles.get(text(&router["router"]))?)))
        .collect();
    let looks = line_looks(working.iter().map(|&(_, role)| role));
    let mut budgets: Vec<f64> = Vec::new();
    let mut use_of = vec![0.0; models.len()];
    let mut routers = Vec::new();
    for (&(router, role), look) in working.iter().zip(looks) {
        let label = text(&router["router"]);
        let grid = points.by_budget(label);
        budgets = grid.iter().map(|at| at.budget).collect();
        let column = |number: &dyn Fn(&[f64]) -> f64, share: bool| -> Value {
            let values = grid.iter().map(|at| {
                let values: Vec<f64> = at.seeds.iter().map(|seed| number(seed)).collect();
                let mean = values.iter().sum::<f64>() / values.len() as f64;
                let interval =
                    seeds_interval(&values).map(|interval| (interval.low, interval.high));
                let (low, high) = interval.unwrap_or((mean, mean));
                let high = if share { high.min(1.0) } else { high };
                [mean, low.max(0.0), high].map(short)
            });
            let values: Vec<[f64; 3]> = values.collect();
            let part = |at: usize| values.iter().map(|value| value[at]).collect::<Vec<_>>();
            json!({"mean": part(0), "low": part(1), "high": part(2)})
        };
        let rates: Vec<Vec<f64>> = grid
            .iter()
            .map(|at| {
                let mean = |model: usize| {
                    at.seeds.iter().map(|seed| seed[2 + model]).sum::<f64>() / at.seeds.len() as f64
                };
                (0..models.len()).map(mean).collect()
            })
            .collect();
        for rates in &rates {
            for (total, rate) in use_of.iter_mut().zip(rates) {
                *total += rate;
            }
        }
        let of_strongest = |seed: &[f64]| strongest.iter().map(|&model| seed[2 + model]).sum();
        let mut value = json!({
            "label": label,
            "kind": router["kind"],
            "role": role.name(),
            "colour": look.colour,
            "width": look.width,
            "dash": look.dash,
            "seeds": grid.first().map_or(0, |at| at.seeds.len()),
            "strongest": column(&of_strongest, true),
            "cost": column(&|seed| seed[0], false),
            "quality": column(&|seed| seed[1], true),
            "rates": rates.iter().map(|rates| rates.iter().map(|&rate| short(rate)).collect()).collect::<Vec<Vec<f64>>>(),
        });
        let curve = steps(&margins, label);
        if !curve.is_empty() {
            value["margins"] = json!(curve);
        }
        if let Some(row) = collapse.iter().find(|row| row[0] == label) {
            value["rci"] = json!(numbers(&row[1..]));
        }
        routers.push(value);
    }

    // Without given names there is no such key.
    let given = manifest["experiment"]["figures"].get("names").cloned();
    let given = given.and_then(|given| serde_json::from_value(given).ok());
    let shorts = drawn_names(&models, &given.unwrap_or_default());
    let models = models.iter().enumerate().zip(model_looks(&use_of)).map(
        |((model, name), look)| {
            // The single models stand in the figure with their short names.
            let point = curves
                .iter()
                .find(|row| row[1] == "model" && row[0] == shorts[model]);
            let point = point.map_or(Vec::new(), |row| numbers(&row[2..]));
            json!({
                "name": name, "short": shorts[model], "colour": look.colour, "lined": look.lined,
                "cost": point.first(), "quality": point.get(1),
            })
        },
    );
    Ok(json!({
        "cost_unit": metrics["cost_unit"],
        "reference": metrics["reference"],
        "strongest": strongest,
        "models": models.collect::<Vec<_>>(),
        "budgets": budgets,
        "routers": routers,
        "real_margins": steps(&margins, "real"),
        "margin_threshold": manifest["experiment"]["evaluation"]["margin_threshold"],
        "queries": queries,
    }))
}

/// The rows of `grid_points.csv`: router, budget, and cost, quality and call rates.
struct Points(Vec<(String, f64, Vec<f64>)>);

impl Points {
    fn read(csv: &str, path: &Path) -> Outcome<Self> {
        let row = |row: Vec<String>| -> Option<(String, f64, Vec<f64>)> {
            let values: Option<Vec<f64>> = row[3..].iter().map(|cell| cell.parse().ok()).collect();
            Some((row[0].clone(), row[2].parse().ok()?, values?))
        };
        let rows = records(csv, path)?;
        let points = rows
            .into_iter()
            .map(row)
            .collect::<Option<_>>()
            .ok_or_else(|| {
                bad_request!(
                    "{}: a cell is not a number\nhelp: run the experiment again",
                    path.display()
                )
            })?;
        Ok(Self(points))
    }

    fn of(&self, label: &str) -> impl Iterator<Item = (f64, &[f64])> {
        let label = label.to_owned();
        let rows = self.0.iter().filter(move |(router, _, _)| *router == label);
        rows.map(|(_, budget, values)| (*budget, values.as_slice()))
    }

    /// In ascending order of budget, as the rows of every seed are.
    fn by_budget(&self, label: &str) -> Vec<AtBudget<'_>> {
        let mut grid: Vec<AtBudget> = Vec::new();
        for (budget, values) in self.of(label) {
            match grid.iter_mut().find(|at| at.budget == budget) {
                Some(at) => at.seeds.push(values),
                None => grid.push(AtBudget {
                    budget,
                    seeds: vec![values],
                }),
            }
        }
        grid
    }
}

/// As in the figures: of more models than can be told apart, those called most get looks of their own.
fn model_looks(use_of: &[f64]) -> Vec<FillLook> {
    let (own, other) = fill_looks();
    if use_of.len() <= own.len() {
        return own[..use_of.len()].to_vec();
    }
    let mut by_use: Vec<usize> = (0..use_of.len()).collect();
    by_use.sort_by(|&a, &b| use_of[b].total_cmp(&use_of[a]).then(a.cmp(&b)));
    by_use.truncate(own.len() - 1);
    by_use.sort_unstable();
    let look = |model: usize| match by_use.binary_search(&model) {
        Ok(at) => own[at].clone(),
        Err(_) => other.clone(),
    };
    (0..use_of.len()).map(look).collect()
}

/// The steps of one curve of `margins.csv`: `[margin, share]`.
fn steps(margins: &[Vec<String>], name: &str) -> Vec<[f64; 2]> {
    let rows = margins.iter().filter(|row| row[0] == name);
    rows.filter_map(|row| Some([short(row[1].parse().ok()?), short(row[2].parse().ok()?)]))
        .collect()
}

fn numbers(cells: &[String]) -> Vec<f64> {
    cells
        .iter()
        .filter_map(|cell| cell.parse().ok())
        .map(short)
        .collect()
}

/// To six significant digits: more than a screen shows.
fn short(value: f64) -> f64 {
    format!("{value:.5e}").parse().unwrap_or(value)
}

fn strings(value: &Value) -> Vec<String> {
    let values = value.as_array().into_iter().flatten();
    values.map(|value| text(value).to_owned()).collect()
}

/// JSON that may stand inside a script element.
pub fn for_script(value: &Value) -> String {
    value.to_string().replace('<', "\\u003c")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_element_cannot_be_closed_by_data() {
        let hostile = json!({"prompt": "</script><!-- <script>"});
        let written = for_script(&hostile);
        assert!(!written.contains('<'));
        assert_eq!(serde_json::from_str::<Value>(&written).unwrap(), hostile);
    }

    #[test]
    fn of_many_models_the_most_used_are_told_apart() {
        let mut use_of = vec![0.0; 30];
        use_of[29] = 1.0;
        use_of[7] = 2.0;
        let looks = model_looks(&use_of);
        let other = fill_looks().1;
        assert!(looks[29] != other && looks[7] != other);
        assert_eq!(looks.iter().filter(|look| **look != other).count(), 13);
        assert!(model_looks(&use_of[..11]).iter().all(|look| *look != other));
    }
}
