//! Embeds every query of a data set with all-MiniLM-L6-v2, in half precision, beside the data:
//!
//! ```text
//! python3 scripts/get-minilm.py
//! cargo run --release -p routelab-encode --example embed_dataset -- datasets/routerbench-slice
//! ```
//!
//! `routelab embed` embeds the queries that every model answered. This takes those that any model answered, so that the
//! file also serves experiments on a part of the models.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "an example prints as it likes"
)]

use std::collections::HashSet;
use std::error::Error;
use std::path::PathBuf;

use burn::tensor::Device;
use ndarray::{Array2, Axis, Slice};
use routelab_data::{DataSpec, Embeddings, Missing, Precision, RoutingTable, load};
use routelab_encode::{Encoder, MiniLm, embed_table};

fn main() -> Result<(), Box<dyn Error>> {
    let folder: PathBuf = std::env::args_os()
        .nth(1)
        .ok_or("give the data set's folder")?
        .into();
    let encoder = MiniLm::load("models/all-MiniLM-L6-v2".as_ref(), &Device::flex())?;
    let tables = tables(&DataSpec::read(&folder)?)?;
    let ids: Vec<String> = tables
        .iter()
        .flat_map(|table| table.ids().iter().cloned())
        .collect();
    let mut values = Array2::zeros((ids.len(), encoder.dim()));
    let mut start = 0;
    for table in &tables {
        let total = ids.len();
        let part = embed_table(&encoder, table, &|done, _| {
            eprintln!("{} of {total}", start + done)
        })?;
        let end = start + table.len();
        values
            .slice_axis_mut(Axis(0), Slice::from(start..end))
            .assign(&part.values());
        start = end;
    }
    let out = folder.join("minilm.safetensors");
    Embeddings::new(values, encoder.id())?.write(&out, &ids, Precision::F16)?;
    println!("{}: {} queries", out.display(), ids.len());
    Ok(())
}

/// The complete queries, then those that some model alone adds, every query once.
fn tables(spec: &DataSpec) -> Result<Vec<RoutingTable>, Box<dyn Error>> {
    let complete = load(spec)?.table;
    let mut seen: HashSet<String> = complete.ids().iter().cloned().collect();
    let models = complete.models().to_vec();
    let mut tables = vec![complete];
    for model in models {
        let alone = DataSpec {
            models: Some(vec![model]),
            missing: Missing::DropQuery,
            ..spec.clone()
        };
        let table = load(&alone)?.table;
        let new: Vec<usize> = (0..table.len())
            .filter(|&row| seen.insert(table.ids()[row].clone()))
            .collect();
        if !new.is_empty() {
            tables.push(table.select(&new));
        }
    }
    Ok(tables)
}
