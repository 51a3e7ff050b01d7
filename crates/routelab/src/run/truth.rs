//! `truth.safetensors`: what every model really scored and cost, and the test rows of every seed. Whoever compares runs
//! needs no data set beside their folders.

use std::collections::{BTreeMap, HashMap};

use ndarray::Array2;
use routelab_data::RoutingTable;
use routelab_data::split::Split;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use super::store::{matrix_bytes, read_matrix};

/// The file in a run's folder.
pub const FILE: &str = "truth.safetensors";

/// The whole table of a run, without its prompts.
pub struct StoredTruth {
    /// One per query.
    pub ids: Vec<String>,
    /// Quality, `[queries, models]`.
    pub quality: Array2<f64>,
    /// Cost, `[queries, models]`.
    pub cost: Array2<f64>,
    /// The test rows of every seed, in the order of its predictions.
    pub tests: BTreeMap<u64, Vec<usize>>,
}

/// The file: tensors `quality` and `cost` of the whole table, `test/SEED` with row numbers, and the ids as a JSON list in
/// the metadata.
pub fn bytes(table: &RoutingTable, seeds: &[u64], splits: &[Split]) -> Vec<u8> {
    let shape = vec![table.len(), table.models().len()];
    let rows = |split: &Split| -> Vec<u8> {
        let rows = split.test.iter().map(|&row| row as u64);
        rows.flat_map(u64::to_le_bytes).collect()
    };
    let mut tensors = vec![
        (
            "quality".to_owned(),
            Dtype::F64,
            shape.clone(),
            matrix_bytes(table.quality()),
        ),
        (
            "cost".to_owned(),
            Dtype::F64,
            shape,
            matrix_bytes(table.cost()),
        ),
    ];
    tensors.extend(seeds.iter().zip(splits).map(|(seed, split)| {
        (
            format!("test/{seed}"),
            Dtype::U64,
            vec![split.test.len()],
            rows(split),
        )
    }));
    let ids = serde_json::to_string(table.ids()).expect("a list of texts");
    let views = tensors.iter().map(|(name, dtype, shape, bytes)| {
        let view = TensorView::new(*dtype, shape.clone(), bytes).expect("eight bytes per value");
        (name.as_str(), view)
    });
    safetensors::serialize(views, Some(HashMap::from([("ids".to_owned(), ids)])))
        .expect("named tensors")
}

impl StoredTruth {
    /// Reads the file; `None` if it is not one.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let (_, metadata) = SafeTensors::read_metadata(bytes).ok()?;
        let ids = metadata.metadata().as_ref()?.get("ids")?;
        let ids: Vec<String> = serde_json::from_str(ids).ok()?;
        let file = SafeTensors::deserialize(bytes).ok()?;
        let (quality, cost) = (read_matrix(&file, "quality")?, read_matrix(&file, "cost")?);
        if quality.dim() != cost.dim() || quality.nrows() != ids.len() {
            return None;
        }
        let mut tests = BTreeMap::new();
        for (name, tensor) in file.iter() {
            let Some(seed) = name.strip_prefix("test/") else {
                continue;
            };
            let (rows, _) = tensor.data().as_chunks::<8>();
            let rows: Vec<usize> = rows
                .iter()
                .map(|bytes| u64::from_le_bytes(*bytes) as usize)
                .collect();
            if rows.iter().any(|&row| row >= ids.len()) {
                return None;
            }
            tests.insert(seed.parse().ok()?, rows);
        }
        Some(Self {
            ids,
            quality,
            cost,
            tests,
        })
    }
}
