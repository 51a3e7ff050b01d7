//! The data of a run: table, embeddings, splits.

use std::collections::{BTreeMap, HashSet};

use ndarray::{Array2, ArrayView1};
use routelab_data::split::{self, Split};
use routelab_data::{DataSpec, Embeddings, InputFile, LoadReport, RoutingTable};
use routelab_encode::{Query, side_by_side};
use routelab_heads::Backend;

use super::rows;
use crate::encoders;
use crate::encoders::{FitEncoder, FittedEncoder, Source};
use crate::experiment::{EmbeddingsPart, Experiment};
use crate::failure::{Failure, Outcome, bad_request};
use crate::folder::StoredTruth;
use crate::names::drawn_names;
use crate::output::Output;

/// Everything that a run reads.
pub struct Inputs {
    /// What every model scored and cost.
    pub table: RoutingTable,
    /// How it was read.
    pub report: LoadReport,
    /// What the models answered when they were asked several times, one table for each answer.
    pub answers: Vec<RoutingTable>,
    /// The files of embeddings.
    pub embeddings_files: Vec<InputFile>,
    parts: Vec<PartEmbeddings>,
    /// All parts side by side, unless one depends on the split.
    embeddings: Option<Embeddings>,
    /// One split per seed.
    pub splits: Vec<Split>,
    /// The incomplete test queries of every split, which are left out of its test rows.
    pub incomplete_tests: Vec<usize>,
    /// What training and evaluation take, where some models were measured on some queries only.
    pub gaps: Option<String>,
    /// The columns of the strongest models of every split, by its training rows.
    pub strongest: Vec<Vec<usize>>,
}

/// A part of the embeddings.
enum PartEmbeddings {
    /// The same for every split.
    Whole(Embeddings),
    /// Of an encoder that is fitted on the training prompts of every split.
    Fitted(Box<dyn FitEncoder>),
}

/// The embeddings of one split.
pub struct SplitEmbeddings {
    /// Of the training rows.
    pub train: Embeddings,
    /// Of the test rows.
    pub test: Embeddings,
    /// The encoder, where it was fitted on the training prompts.
    pub encoder: Option<Box<dyn FittedEncoder>>,
}

/// Reads data and embeddings, and splits the rows once per seed.
pub fn load(experiment: &Experiment, backend: &Backend, output: &Output) -> Outcome<Inputs> {
    let loaded = routelab_data::load(&experiment.data).map_err(Failure::request)?;
    let (table, mut report) = (loaded.table, loaded.report);
    output.note(format!(
        "{}: {} queries × {} models",
        table.name(),
        table.len(),
        table.models().len()
    ));
    if report.dropped_queries > 0 {
        output.remark(format!(
            "left out {} queries with {} missing cells",
            report.dropped_queries, report.missing_cells
        ));
    }
    for note in &report.notes {
        output.remark(format!("note: {note}"));
    }
    if let [only] = table.models() {
        return Err(bad_request!(
            "{} has one model, {only:?}: there is nothing to route\nhelp: give a table, or `models` in [data], with two models \
             or more",
            table.name()
        ));
    }
    check_names(&experiment.names, table.models())?;
    let answers = load_answers(experiment, &mut report)?;
    if let Some(note) = repeated_prompts(&table) {
        output.remark(note);
    }
    rows::check_routers(experiment, &table)?;
    let mut splits = experiment
        .seeds
        .iter()
        .map(|&seed| split::split(&table, &experiment.split, seed))
        .collect::<Result<Vec<Split>, _>>()
        .map_err(Failure::request)?;
    let mut incomplete_tests = Vec::new();
    for (seed, split) in experiment.seeds.iter().zip(&mut splits) {
        rows::check_training(
            &table,
            &split.train,
            &format!("training queries of seed {seed}"),
        )?;
        let rows = format!("test queries of seed {seed}");
        incomplete_tests.push(rows::complete_test(&table, split, &rows)?);
    }
    let gaps = rows::note(&table, &splits, &incomplete_tests, &experiment.seeds);
    if let Some(note) = &gaps {
        output.remark(format!("note: {note}"));
    }
    if let Some(tuning) = &experiment.tuning {
        for (&seed, split) in experiment.seeds.iter().zip(&splits) {
            rows::divide(experiment, tuning, seed, &table.select(&split.train))?;
        }
    }

    let strongest = splits
        .iter()
        .map(|split| {
            let spec = &experiment.evaluation.strongest;
            spec.resolve_on(&table.select(&split.train))
                .map_err(|reason| bad_request!("[evaluation] {reason}"))
        })
        .collect::<Outcome<Vec<_>>>()?;

    let mut embeddings_files = Vec::new();
    let mut parts = Vec::new();
    for part in &experiment.embeddings.parts {
        parts.push(match part {
            EmbeddingsPart::File(path) => {
                embeddings_files.push(InputFile::of(path).map_err(Failure::request)?);
                let embeddings = Embeddings::read(path, table.ids()).map_err(Failure::request)?;
                PartEmbeddings::Whole(embeddings)
            }
            EmbeddingsPart::Encoder { spec, .. } => match spec.build(backend)? {
                Source::Ready(encoder) => {
                    PartEmbeddings::Whole(encoders::embed(encoder, &table, output)?)
                }
                Source::Fitted(encoder) => PartEmbeddings::Fitted(encoder),
            },
        });
    }
    let whole = parts.iter().map(|part| match part {
        PartEmbeddings::Whole(embeddings) => Some(embeddings.clone()),
        PartEmbeddings::Fitted(_) => None,
    });
    let embeddings = whole
        .collect::<Option<Vec<Embeddings>>>()
        .map(combine)
        .transpose()?;
    if let Some(embeddings) = &embeddings {
        let distinct = distinct(embeddings);
        if distinct < table.len() {
            output.remark(format!(
                "note: {distinct} of {} embeddings are distinct: routers cannot tell the other queries apart",
                table.len()
            ));
        }
    }
    Ok(Inputs {
        table,
        report,
        answers,
        embeddings_files,
        parts,
        embeddings,
        splits,
        incomplete_tests,
        gaps,
        strongest,
    })
}

/// Reads the answers of models that were asked several times, with the experiment's choice of models.
fn load_answers(experiment: &Experiment, report: &mut LoadReport) -> Outcome<Vec<RoutingTable>> {
    let mut tables = Vec::new();
    for path in &experiment.data.answers {
        let spec = DataSpec {
            models: experiment.data.models.clone(),
            exclude_models: experiment.data.exclude_models.clone(),
            ..DataSpec::new("routelab", path)
        };
        let loaded = routelab_data::load(&spec).map_err(Failure::request)?;
        report.files.extend(loaded.report.files);
        tables.push(loaded.table);
    }
    let [first, others @ ..] = tables.as_slice() else {
        return Ok(tables);
    };
    if let Some(other) = others
        .iter()
        .find(|other| other.models() != first.models() || other.ids() != first.ids())
    {
        return Err(bad_request!(
            "[data] `answers`: {} has other queries or models than {}\nhelp: name one file for each answer of the same models to the same queries, or none",
            other.name(),
            first.name()
        ));
    }
    if others.is_empty() {
        return Err(bad_request!(
            "[data] `answers` names one file\nhelp: name two or more, or none"
        ));
    }
    Ok(tables)
}

/// Names that an experiment gives to models in figures.
fn check_names(given: &BTreeMap<String, String>, models: &[String]) -> Outcome {
    if let Some(unknown) = given.keys().find(|name| !models.contains(name)) {
        return Err(bad_request!(
            "[figures] `names` has {unknown:?}, but no model is called so\nhelp: the models are {}",
            models.join(", ")
        ));
    }
    let drawn = drawn_names(models, given);
    let mut seen = HashSet::new();
    match drawn
        .iter()
        .find(|name| name.trim().is_empty() || !seen.insert(*name))
    {
        None => Ok(()),
        Some(bad) => Err(bad_request!(
            "[figures] `names` calls two models {bad:?}, or one nothing\nhelp: give every model a name of its own"
        )),
    }
}

/// Says how many queries share their prompt and image with others, where a group keeps them on one side of a split; where none does, the
/// report has a note.
fn repeated_prompts(table: &RoutingTable) -> Option<String> {
    let (queries, repeats) = (table.len(), routelab_data::repeated_prompts(table));
    let prompts = repeats.different;
    (prompts < queries && repeats.divisible == 0).then(|| {
        format!("note: {queries} queries have {prompts} different prompts; equal ones are in one group, which no split divides")
    })
}

/// How many different embeddings there are. Few-shot prompts that an encoder cuts at their end may all be the same to it.
fn distinct(embeddings: &Embeddings) -> usize {
    let bits = |row: ArrayView1<f32>| {
        row.iter()
            .map(|value| value.to_bits())
            .collect::<Vec<u32>>()
    };
    let rows: HashSet<Vec<u32>> = embeddings.values().outer_iter().map(bits).collect();
    rows.len()
}

/// Parts side by side; one part as it is.
fn combine(mut parts: Vec<Embeddings>) -> Outcome<Embeddings> {
    if parts.len() == 1 {
        return Ok(parts.remove(0));
    }
    let ids: Vec<&str> = parts.iter().map(Embeddings::encoder).collect();
    let values: Vec<Array2<f32>> = parts.iter().map(|part| part.values().to_owned()).collect();
    Embeddings::new(side_by_side(&values), ids.join("+")).map_err(Failure::failed)
}

impl Inputs {
    /// The embeddings of the split of seed number `index`.
    pub fn split_embeddings(&self, index: usize) -> Outcome<SplitEmbeddings> {
        let split = &self.splits[index];
        if let Some(embeddings) = &self.embeddings {
            return Ok(SplitEmbeddings {
                train: embeddings.select(&split.train),
                test: embeddings.select(&split.test),
                encoder: None,
            });
        }
        let (mut train, mut test, mut fitted) = (Vec::new(), Vec::new(), None);
        for part in &self.parts {
            match part {
                PartEmbeddings::Whole(embeddings) => {
                    train.push(embeddings.select(&split.train));
                    test.push(embeddings.select(&split.test));
                }
                PartEmbeddings::Fitted(encoder) => {
                    let prompts = self.prompts(&split.train);
                    let encoder = encoder.fit(&prompts).map_err(Failure::failed)?;
                    train.push(encode(&*encoder, &prompts)?);
                    test.push(encode(&*encoder, &self.prompts(&split.test))?);
                    fitted = Some(encoder);
                }
            }
        }
        Ok(SplitEmbeddings {
            train: combine(train)?,
            test: combine(test)?,
            encoder: fitted,
        })
    }

    /// What is kept of the table: of one with gaps the complete queries, since the others have cells that nobody measured.
    pub fn truth(&self, experiment: &Experiment) -> StoredTruth {
        let complete = self.table.measured().map(|_| self.table.complete_rows());
        let selected = complete.as_ref().map(|rows| self.table.select(rows));
        let table = selected.as_ref().unwrap_or(&self.table);
        let place = |&row: &usize| match &complete {
            Some(complete) => complete
                .binary_search(&row)
                .expect("a test row is complete"),
            None => row,
        };
        let tests = self.splits.iter();
        let tests = tests.map(|split| split.test.iter().map(place).collect());
        let seeds = || experiment.seeds.iter().copied();
        StoredTruth {
            ids: table.ids().iter().cloned().collect(),
            quality: table.quality().to_owned(),
            cost: table.cost().to_owned(),
            tests: seeds().zip(tests).collect(),
            strongest: seeds().zip(self.strongest.iter().cloned()).collect(),
        }
    }

    fn prompts(&self, rows: &[usize]) -> Vec<&str> {
        rows.iter()
            .map(|&row| self.table.prompts()[row].as_str())
            .collect()
    }

    /// The embeddings of the whole table, where they do not depend on the split.
    pub fn embeddings(&self) -> Option<&Embeddings> {
        self.embeddings.as_ref()
    }

    /// Hash of the embeddings of the whole table, where there is one.
    pub fn embeddings_hash(&self) -> Option<String> {
        self.embeddings.as_ref().map(Embeddings::content_hash)
    }

    /// How many of the table's embeddings are distinct, where they do not depend on the split.
    pub fn distinct_embeddings(&self) -> Option<usize> {
        self.embeddings.as_ref().map(distinct)
    }

    /// What made the parts of the embeddings.
    pub fn encoders(&self) -> Vec<&str> {
        self.parts
            .iter()
            .map(|part| match part {
                PartEmbeddings::Whole(embeddings) => embeddings.encoder(),
                PartEmbeddings::Fitted(_) => {
                    "hashed-ngrams, fitted on the training prompts of every split"
                }
            })
            .collect()
    }
}

fn encode(encoder: &dyn FittedEncoder, prompts: &[&str]) -> Outcome<Embeddings> {
    let queries: Vec<Query> = prompts.iter().map(|text| Query::text(text)).collect();
    let values = encoder.encode(&queries).map_err(Failure::failed)?;
    Embeddings::new(values, encoder.id()).map_err(Failure::failed)
}
