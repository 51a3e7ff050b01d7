//! The data of a run: table, embeddings, splits.

use std::collections::HashSet;
use std::path::Path;

use ndarray::{Array2, ArrayView1};
use routelab_data::split::{self, Split};
use routelab_data::{Embeddings, InputFile, LoadReport, RoutingTable};
use routelab_encode::{Cache, CachedEncoder, Encoder, HashedNgrams, MiniLm, Query, embed_table};
use routelab_heads::Backend;

use crate::experiment::{EmbeddingSource, Experiment};
use crate::failure::{Failure, Outcome, bad_request};
use crate::output::Output;

/// Everything that a run reads.
pub struct Inputs {
    /// What every model scored and cost.
    pub table: RoutingTable,
    /// How it was read.
    pub report: LoadReport,
    /// The embeddings' file, if they come from one.
    pub embeddings_file: Option<InputFile>,
    embeddings: Option<Embeddings>,
    source: EmbeddingSource,
    /// One split per seed.
    pub splits: Vec<Split>,
}

/// The embeddings of one split.
pub struct SplitEmbeddings {
    /// Of the training rows.
    pub train: Embeddings,
    /// Of the test rows.
    pub test: Embeddings,
    /// The encoder, where it was fitted on the training prompts.
    pub encoder: Option<HashedNgrams>,
}

/// Reads data and embeddings, and splits the rows once per seed.
pub fn load(experiment: &Experiment, backend: &Backend, output: &Output) -> Outcome<Inputs> {
    let loaded = routelab_data::load(&experiment.data).map_err(Failure::request)?;
    let (table, report) = (loaded.table, loaded.report);
    output.note(format!(
        "{}: {} queries × {} models",
        table.name(),
        table.len(),
        table.models().len()
    ));
    if report.dropped_queries > 0 {
        output.note(format!(
            "left out {} queries with {} missing cells",
            report.dropped_queries, report.missing_cells
        ));
    }
    for note in &report.notes {
        output.note(format!("note: {note}"));
    }
    let splits = experiment
        .seeds
        .iter()
        .map(|&seed| split::split(&table, &experiment.split, seed))
        .collect::<Result<Vec<Split>, _>>()
        .map_err(Failure::request)?;

    let mut embeddings_file = None;
    let embeddings = match &experiment.embeddings {
        EmbeddingSource::File(path) => {
            embeddings_file = Some(InputFile::of(path).map_err(Failure::request)?);
            Some(Embeddings::read(path, table.ids()).map_err(Failure::request)?)
        }
        EmbeddingSource::MiniLm { weights, keep_end } => {
            Some(embed(minilm(weights, *keep_end, backend)?, &table, output)?)
        }
        EmbeddingSource::Hashed(_) => None,
    };
    if let Some(embeddings) = &embeddings {
        let distinct = distinct(embeddings);
        if distinct < table.len() {
            output.note(format!(
                "note: {distinct} of {} embeddings are distinct: routers cannot tell the other queries apart",
                table.len()
            ));
        }
    }
    Ok(Inputs {
        table,
        report,
        embeddings_file,
        embeddings,
        source: experiment.embeddings.clone(),
        splits,
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

/// MiniLM with the weights in a folder.
pub fn minilm(weights: &Path, keep_end: bool, backend: &Backend) -> Outcome<Box<dyn Encoder>> {
    let encoder = MiniLm::load(weights, backend.device()).map_err(|error| {
        bad_request!(
            "{error}\nhelp: `python3 scripts/get-minilm.py` fetches the weights of all-MiniLM-L6-v2"
        )
    })?;
    Ok(Box::new(match keep_end {
        true => encoder.keep_end(),
        false => encoder,
    }))
}

/// Embeds a table through the cache.
pub fn embed(
    encoder: Box<dyn Encoder>,
    table: &RoutingTable,
    output: &Output,
) -> Outcome<Embeddings> {
    let cache = Cache::open_default().map_err(Failure::request)?;
    let encoder = CachedEncoder::new(encoder, cache);
    let bar = output.bar(table.len() as u64);
    bar.set_message("embedding");
    let embeddings = embed_table(&encoder, table, &|done, _| bar.set_position(done as u64))
        .map_err(Failure::failed)?;
    bar.finish_and_clear();
    let report = encoder.report();
    for warning in &report.warnings {
        output.note(format!("warning: {warning}"));
    }
    output.note(format!(
        "embedded {} queries ({} from the cache)",
        table.len(),
        report.hits
    ));
    Ok(embeddings)
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
        let EmbeddingSource::Hashed(config) = &self.source else {
            unreachable!("every other source has embeddings of the whole table");
        };
        let prompts = |rows: &[usize]| -> Vec<&str> {
            rows.iter()
                .map(|&row| self.table.prompts()[row].as_str())
                .collect()
        };
        let (train, test) = (prompts(&split.train), prompts(&split.test));
        let encoder = HashedNgrams::fit(&train, config).map_err(Failure::failed)?;
        let encode = |prompts: &[&str]| -> Outcome<Embeddings> {
            let queries: Vec<Query> = prompts.iter().map(|text| Query::text(text)).collect();
            let values: Array2<f32> = encoder.encode(&queries).map_err(Failure::failed)?;
            Embeddings::new(values, encoder.id()).map_err(Failure::failed)
        };
        Ok(SplitEmbeddings {
            train: encode(&train)?,
            test: encode(&test)?,
            encoder: Some(encoder),
        })
    }

    /// Hash of the embeddings of the whole table, where there is one.
    pub fn embeddings_hash(&self) -> Option<String> {
        self.embeddings.as_ref().map(Embeddings::content_hash)
    }

    /// How many of the table's embeddings are distinct, where they do not depend on the split.
    pub fn distinct_embeddings(&self) -> Option<usize> {
        self.embeddings.as_ref().map(distinct)
    }

    /// What made the embeddings.
    pub fn encoder(&self) -> String {
        match &self.embeddings {
            Some(embeddings) => embeddings.encoder().to_owned(),
            None => "hashed n-grams, fitted on the training prompts of every split".to_owned(),
        }
    }
}
