//! The table of a collection: one Parquet file that RouteLab reads at once, its card, and an experiment to begin with.

use std::fmt::Write as _;
use std::path::Path;

use ndarray::Array2;
use routelab_data::{CostUnit, RoutingTable, RoutingTableParts, write_atomically, write_parquet};

use crate::error::ServiceError;
use crate::grade::{Grading, Rule};
use crate::money::Money;
use crate::pool::Pool;
use crate::prompts::Prompt;
use crate::summary::{Summary, Written};

/// The table.
const TABLE: &str = "table.parquet";
/// The same for every answer of several by itself: `answers/1.parquet`, ….
const ANSWERS: &str = "answers";
/// Where RouteLab finds the table.
const DATASET: &str = "dataset.toml";
/// What the table is.
const CARD: &str = "README.md";
/// An experiment on it.
const EXPERIMENT: &str = "experiment.toml";

/// A graded answer.
#[derive(Clone, Copy, Debug)]
pub struct Cell {
    /// Which of several, from 1.
    pub repetition: u32,
    /// In [0, 1].
    pub quality: f64,
    /// What it cost.
    pub cost: Money,
    /// How long it took.
    pub seconds: f64,
    /// Whether the endpoint counted its tokens.
    pub counted: bool,
}

/// What the card tells.
pub struct Card<'a> {
    /// The folder.
    pub folder: &'a Path,
    /// The rows.
    pub prompts: &'a [Prompt],
    /// The columns.
    pub pool: &'a Pool,
    /// How answers were graded.
    pub grading: &'a Grading,
    /// Answers to a prompt.
    pub repetitions: u32,
}

impl Card<'_> {
    /// Writes the table of the graded answers `[prompts][models]`, card and experiment; nothing where there is no answer.
    pub fn write(
        &self,
        cells: &[Vec<Vec<Cell>>],
        summary: &Summary,
    ) -> Result<Option<Written>, ServiceError> {
        let columns: Vec<usize> = (0..self.pool.model.len())
            .filter(|&model| cells.iter().any(|row| !row[model].is_empty()))
            .collect();
        let rows: Vec<usize> = (0..cells.len())
            .filter(|&row| columns.iter().any(|&model| !cells[row][model].is_empty()))
            .collect();
        if rows.is_empty() {
            return Ok(None);
        }
        let measured = Array2::from_shape_fn((rows.len(), columns.len()), |(row, column)| {
            !cells[rows[row]][columns[column]].is_empty()
        });
        let complete = measured
            .rows()
            .into_iter()
            .filter(|row| row.iter().all(|&there| there))
            .count();
        let uncounted = cells
            .iter()
            .flatten()
            .flatten()
            .filter(|cell| !cell.counted)
            .count();
        let mean = |cells: &[Cell], value: &dyn Fn(&Cell) -> f64| {
            if cells.is_empty() {
                0.0
            } else {
                cells.iter().map(value).sum::<f64>() / cells.len() as f64
            }
        };
        let table = |rows: &[usize],
                     keep: &dyn Fn(&Cell) -> bool|
         -> Result<RoutingTable, ServiceError> {
            let of = |value: &dyn Fn(&Cell) -> f64| {
                Array2::from_shape_fn((rows.len(), columns.len()), |(row, column)| {
                    let kept: Vec<Cell> = cells[rows[row]][columns[column]]
                        .iter()
                        .copied()
                        .filter(keep)
                        .collect();
                    mean(&kept, value)
                })
            };
            let prompts: Vec<&Prompt> = rows.iter().map(|&row| &self.prompts[row]).collect();
            let has_images = prompts.iter().any(|prompt| prompt.image.is_some());
            RoutingTable::new(RoutingTableParts {
                name: self.name(),
                models: columns.iter().map(|&model| self.pool.model[model].name.clone()).collect(),
                ids: prompts.iter().map(|prompt| prompt.id.clone()).collect(),
                prompts: prompts.iter().map(|prompt| prompt.text.clone()).collect(),
                tasks: prompts.iter().map(|prompt| prompt.task.clone()).collect(),
                images: if has_images { prompts.iter().map(|prompt| prompt.image.clone()).collect() } else { Vec::new() },
                groups: None,
                quality: of(&|cell| cell.quality),
                cost: of(&|cell| cell.cost.dollars()),
                cost_unit: CostUnit {
                    name: "US dollars".to_owned(),
                    assumption: (uncounted > 0).then(|| {
                        format!("the endpoints counted no tokens of {uncounted} answers; these cost the most that they can")
                    }),
                },
            })
            .map_err(|error| ServiceError::Failed(format!("the answers make no table: {error}")))
        };
        let whole = table(&rows, &|_| true)?;
        let whole = if complete < rows.len() {
            let masked = whole.with_measured(measured.clone());
            masked.map_err(|error| {
                ServiceError::Failed(format!("the answers make no table: {error}"))
            })?
        } else {
            whole
        };
        let path = self.folder.join(TABLE);
        write_parquet(&whole, &path)?;
        // Rows of which every model has every answer.
        let full: Vec<usize> = rows
            .iter()
            .copied()
            .filter(|&row| {
                columns
                    .iter()
                    .all(|&model| cells[row][model].len() == self.repetitions as usize)
            })
            .collect();
        let mut answers = Vec::new();
        if self.repetitions > 1 && !full.is_empty() {
            let folder = self.folder.join(ANSWERS);
            std::fs::create_dir_all(&folder).map_err(|error| ServiceError::io(&folder, &error))?;
            for repetition in 1..=self.repetitions {
                let name = format!("{ANSWERS}/{repetition}.parquet");
                write_parquet(
                    &table(&full, &|cell| cell.repetition == repetition)?,
                    &self.folder.join(&name),
                )?;
                answers.push(name);
            }
        }
        let written = Written {
            table: path,
            experiment: self.folder.join(EXPERIMENT),
            queries: rows.len(),
            complete,
            without: (0..self.pool.model.len())
                .filter(|model| !columns.contains(model))
                .map(|model| self.pool.model[model].name.clone())
                .collect(),
        };
        let means: Vec<(String, f64, f64, f64, usize)> = columns
            .iter()
            .map(|&model| {
                let of: Vec<Cell> = cells.iter().flat_map(|row| &row[model]).copied().collect();
                (
                    self.pool.model[model].name.clone(),
                    mean(&of, &|cell| cell.quality),
                    mean(&of, &|cell| cell.cost.dollars()),
                    mean(&of, &|cell| cell.seconds),
                    of.len(),
                )
            })
            .collect();
        self.put(DATASET, &dataset(&answers, complete < rows.len()))?;
        self.put(CARD, &self.text(&written, &means, summary, uncounted))?;
        self.put(EXPERIMENT, &self.experiment())?;
        Ok(Some(written))
    }

    fn put(&self, name: &str, text: &str) -> Result<(), ServiceError> {
        let path = self.folder.join(name);
        write_atomically(&path, text.as_bytes()).map_err(|error| ServiceError::io(&path, &error))
    }

    /// The folder's name.
    fn name(&self) -> String {
        let path = self
            .folder
            .canonicalize()
            .unwrap_or_else(|_| self.folder.to_owned());
        let name = path
            .file_name()
            .map(|name| name.to_string_lossy().into_owned());
        name.unwrap_or_else(|| "collection".to_owned())
    }

    fn text(
        &self,
        written: &Written,
        means: &[(String, f64, f64, f64, usize)],
        summary: &Summary,
        uncounted: usize,
    ) -> String {
        let mut text = format!(
            "# {}\n\nMade by `routelab collect`: {} prompts, {} models, {} of each model to each prompt. {} queries are in the table, {} of them with every \
             model.\n\n",
            self.name(),
            self.prompts.len(),
            self.pool.model.len(),
            if self.repetitions == 1 {
                "one answer".to_owned()
            } else {
                format!("{} answers", self.repetitions)
            },
            written.queries,
            written.complete,
        );
        text += "| model | asked as | in, $ / 10⁶ | out, $ / 10⁶ | $ / call | longest answer | parameters | answers | quality | $ | seconds |\n|---|---|---:|---:|---:|---:|---|---:|---:|---:|---:|\n";
        for model in &self.pool.model {
            let found = means.iter().find(|(name, ..)| *name == model.name);
            let (quality, cost, seconds, count) = found
                .map_or((f64::NAN, f64::NAN, f64::NAN, 0), |(_, q, c, s, n)| {
                    (*q, *c, *s, *n)
                });
            let parameters = serde_json::to_string(&model.parameters).unwrap_or_default();
            let _ = writeln!(
                text,
                "| {} | {} | {} | {} | {} | {} | `{parameters}` | {count} | {quality:.3} | {cost:.6} | {seconds:.2} |",
                model.name,
                model.id(),
                model.prices.input,
                model.prices.output,
                model.prices.call,
                model.max_tokens,
            );
        }
        let _ = write!(
            text,
            "\nQuality, cost and seconds are means over graded answers; a cell of the table is the mean over the answers to one prompt. Costs are tokens, as \
             the endpoints counted them, times these prices.\n\n- answered: {}; refused for good: {}; without an answer and perhaps charged: {}; not asked: {}\n- \
             cost of the answers: ${}; of judges: ${}; of what has no answer, at most: ${}\n",
            summary.answered,
            summary.refused,
            summary.unknown,
            summary.left,
            summary.spent,
            summary.judges,
            summary.possible,
        );
        if uncounted > 0 {
            let _ = writeln!(
                text,
                "- answers whose tokens were not counted, and that cost the most they can: {uncounted}"
            );
        }
        if summary.ungraded + summary.failed_commands > 0 {
            let _ = writeln!(
                text,
                "- answers without a grade: {}; graded 0 because the command failed: {}",
                summary.ungraded, summary.failed_commands
            );
        }
        if !written.without.is_empty() {
            let _ = writeln!(
                text,
                "- models without any graded answer, which the table lacks: {}",
                written.without.join(", ")
            );
        }
        let named = |rule: &Rule| {
            let value = serde_json::to_value(rule).unwrap_or_default();
            value["kind"].as_str().unwrap_or_default().to_owned()
        };
        let _ = writeln!(
            text,
            "- grading (`grading.toml`): {}",
            named(&self.grading.default)
        );
        for (task, rule) in &self.grading.task {
            let _ = writeln!(text, "- grading of {task}: {}", named(rule));
        }
        text += "\n`journal.jsonl` has every call: what was sent, and with `\"event\":\"answered\"` the answer, tokens, cost and seconds. `grades.jsonl` has every \
                 score. `routelab grade` grades again without asking again; `routelab run experiment.toml` runs the experiment beside this file.\n";
        text
    }

    fn experiment(&self) -> String {
        let name: String = self
            .name()
            .to_lowercase()
            .chars()
            .map(|c| if c.is_alphanumeric() { c } else { '-' })
            .collect();
        let name = if name.trim_matches('-').is_empty() {
            "collection".to_owned()
        } else {
            name
        };
        format!(
            r#"# Does routing pay for these prompts and these models? A first answer; docs/experiments.md says what else can be asked.
name = {name:?}
title = {:?}
description = "Collected with routelab collect: the card beside this file says how."
seeds = 5

[data]
dataset = "."

[embeddings]
encoder = "hashed-ngrams"      # no weights; "minilm" sees more

[split]
kind = "in-domain"
train = 0.5

[evaluation]
strongest = "best-single"

[[router]]
kind = "oracle"
label = "Oracle"

[[router]]
kind = "random"
label = "Random"

[[router]]
kind = "cheapest"
label = "Cheapest"

[[router]]
kind = "best-single"
label = "Best single"

[[router]]
kind = "knn"
label = "kNN"
k = 10

[[router]]
kind = "linear"
label = "Linear"

[[router]]
kind = "margin-rule"
label = "Margin rule"
delta = 0.05
base = {{ kind = "linear" }}
"#,
            format!("Routing on {}", self.name()),
        )
    }
}

/// How RouteLab reads the table.
fn dataset(answers: &[String], gaps: bool) -> String {
    let mut text = format!("format = \"routelab\"\npath = {TABLE:?}\n");
    if gaps {
        text += "# Queries that not every model answered are left out, and counted. \"mask\" trains on them, too.\nmissing = \"drop-query\"\n";
    }
    if !answers.is_empty() {
        let _ = writeln!(
            text,
            "# The same, answer by answer: what single answers differ by.\nanswers = {answers:?}"
        );
    }
    text
}
