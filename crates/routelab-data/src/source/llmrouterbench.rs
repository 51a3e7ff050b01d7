//! LLMRouterBench (Li et al. 2026): `DATASET/SPLIT/MODEL/TIME.json`, one file per data set, split and model, with a list of
//! `records` that have `index`, `origin_query`, `score` and `cost` in US dollars.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value as Json;

use crate::builder::{Query, TableBuilder};
use crate::error::{DataError, Place};
use crate::report::Loaded;
use crate::source::files::{entries, has_extension, no_files, stem};
use crate::source::rows::{value_cell, whole_json};
use crate::spec::DataSpec;
use crate::table::CostUnit;

/// What is used of a file.
#[derive(Deserialize)]
struct Results {
    /// A trial run on a few questions.
    #[serde(default)]
    demo: bool,
    records: Vec<Record>,
}

#[derive(Deserialize)]
struct Record {
    index: Json,
    #[serde(default)]
    origin_query: Json,
    #[serde(default)]
    prompt: Json,
    #[serde(default)]
    score: Json,
    #[serde(default)]
    cost: Json,
}

/// Reads a folder: `results/bench` or one laid out like it. Where a model was run several times on a split, the file with the
/// latest time in its name counts; trial runs (`demo`) do not. A query is a record's `index` in its data set and split.
pub(super) fn read(spec: &DataSpec) -> Result<Loaded, DataError> {
    if !spec.path.is_dir() {
        return Err(DataError::NotAFolder {
            path: spec.path.clone(),
            expected: "give the folder of the results, such as `results/bench`",
        });
    }
    let mut builder = TableBuilder::new(spec, Some(CostUnit::recorded("US dollars")))?;
    let mut others = 0;
    for ((dataset, split, model), files) in runs(&spec.path)? {
        // A model that is left out need not be read, and these files are large.
        if builder.column(&model).is_none() {
            continue;
        }
        let mut found = None;
        for file in files.iter().rev() {
            let results = results(file)?;
            if !results.demo {
                found = Some((file, results.records));
                break;
            }
        }
        others += files.len() - usize::from(found.is_some());
        let Some((file, records)) = found else {
            continue;
        };
        builder.start_file(file)?;
        for (row, record) in (1..).zip(records) {
            builder.count_row();
            let place = Place { row, line: None };
            let query = Query {
                id: format!("{dataset}/{split}/{}", text(&record.index)),
                prompt: prompt(&record),
                task: Some(dataset.clone()),
                ..Query::default()
            };
            builder.add_pair(
                place,
                query,
                "origin_query",
                &model,
                (&value_cell(&record.score), "score"),
                Some((&value_cell(&record.cost), "cost")),
            )?;
        }
    }
    if others > 0 {
        builder.note(format!(
            "{others} files of earlier or trial runs were not used"
        ));
    }
    builder.finish()
}

type Run = (String, String, String);

/// The files of every data set, split and model, in the order of the times in their names.
fn runs(folder: &Path) -> Result<BTreeMap<Run, Vec<PathBuf>>, DataError> {
    let mut runs: BTreeMap<Run, Vec<PathBuf>> = BTreeMap::new();
    for dataset in folders(folder)? {
        for split in folders(&dataset)? {
            for model in folders(&split)? {
                let mut files = entries(&model)?;
                files.retain(|file| has_extension(file, "json"));
                files.sort_by_key(|file| time(file));
                if !files.is_empty() {
                    let run = (name(&dataset), name(&split), name(&model));
                    runs.insert(run, files);
                }
            }
        }
    }
    if runs.is_empty() {
        return Err(no_files(
            folder,
            "file DATASET/SPLIT/MODEL/TIME.json".to_owned(),
        ));
    }
    Ok(runs)
}

fn folders(folder: &Path) -> Result<Vec<PathBuf>, DataError> {
    let mut folders = entries(folder)?;
    folders.retain(|entry| entry.is_dir());
    Ok(folders)
}

fn name(path: &Path) -> String {
    path.file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default()
}

/// The time at the end of a file's name, as in `…-20251001_120000.json`; empty, and so before all others, without one.
fn time(path: &Path) -> String {
    let stem = stem(path);
    stem.rsplit('-')
        .next()
        .filter(|time| {
            time.len() == 15
                && time
                    .bytes()
                    .all(|byte| byte.is_ascii_digit() || byte == b'_')
        })
        .unwrap_or_default()
        .to_owned()
}

fn results(path: &Path) -> Result<Results, DataError> {
    let expected =
        "an object with `records`, each with `index`, `origin_query`, `score` and `cost`";
    whole_json(path, expected)
}

/// The query as the data set has it, before a template; where it is not a text, its JSON. The prompt where there is none.
fn prompt(record: &Record) -> String {
    let query = text(&record.origin_query);
    if query.is_empty() {
        text(&record.prompt)
    } else {
        query
    }
}

fn text(value: &Json) -> String {
    value_cell(value)
        .text()
        .map(|text| text.into_owned())
        .unwrap_or_default()
}
