//! `truth.safetensors`: what every model really scored and cost, and the test rows of every seed. Whoever compares runs
//! needs no data set beside their folders.

use std::collections::{BTreeMap, HashMap};

use ndarray::Array2;
use routelab_data::{matrix_bytes, read_matrix};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

/// The whole table of a run (of its complete queries where it has gaps), without its prompts.
pub struct StoredTruth {
    /// One per query.
    pub ids: Vec<String>,
    /// Quality, `[queries, models]`.
    pub quality: Array2<f64>,
    /// Cost, `[queries, models]`.
    pub cost: Array2<f64>,
    /// The test rows of every seed, in the order of its predictions.
    pub tests: BTreeMap<u64, Vec<usize>>,
    /// The columns of the strongest models of every seed.
    pub strongest: BTreeMap<u64, Vec<usize>>,
}

impl StoredTruth {
    /// The file: tensors `quality` and `cost`, `test/SEED` with row numbers, `strongest/SEED` with columns, and the ids as a JSON
    /// list in the metadata.
    pub fn bytes(&self) -> Vec<u8> {
        let numbers = |numbers: &[usize]| -> Vec<u8> {
            let numbers = numbers.iter().map(|&number| number as u64);
            numbers.flat_map(u64::to_le_bytes).collect()
        };
        let mut tensors = Vec::new();
        for (name, matrix) in [("quality", &self.quality), ("cost", &self.cost)] {
            tensors.push((
                name.to_owned(),
                Dtype::F64,
                matrix.shape().to_vec(),
                matrix_bytes(matrix.view()),
            ));
        }
        for (part, lists) in [("test", &self.tests), ("strongest", &self.strongest)] {
            for (seed, list) in lists {
                let name = format!("{part}/{seed}");
                tensors.push((name, Dtype::U64, vec![list.len()], numbers(list)));
            }
        }
        let ids = serde_json::to_string(&self.ids).expect("a list of texts");
        let views = tensors.iter().map(|(name, dtype, shape, bytes)| {
            let view =
                TensorView::new(*dtype, shape.clone(), bytes).expect("eight bytes per value");
            (name.as_str(), view)
        });
        safetensors::serialize(views, Some(HashMap::from([("ids".to_owned(), ids)])))
            .expect("named tensors")
    }

    /// Reads the file; `None` if it is not one.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let (_, metadata) = SafeTensors::read_metadata(bytes).ok()?;
        let ids = metadata.metadata().as_ref()?.get("ids")?;
        let ids: Vec<String> = serde_json::from_str(ids).ok()?;
        let file = SafeTensors::deserialize(bytes).ok()?;
        let [quality, cost] = ["quality", "cost"].map(|name| read_matrix(&file, name).ok());
        let (quality, cost) = (quality?, cost?);
        if quality.dim() != cost.dim() || quality.nrows() != ids.len() {
            return None;
        }
        let lists = |part: &str, below: usize| -> Option<BTreeMap<u64, Vec<usize>>> {
            let mut lists = BTreeMap::new();
            for (name, tensor) in file.iter() {
                let Some(seed) = name.strip_prefix(part) else {
                    continue;
                };
                let (numbers, _) = tensor.data().as_chunks::<8>();
                let numbers: Vec<usize> = numbers
                    .iter()
                    .map(|bytes| u64::from_le_bytes(*bytes) as usize)
                    .collect();
                if numbers.iter().any(|&number| number >= below) {
                    return None;
                }
                lists.insert(seed.parse().ok()?, numbers);
            }
            Some(lists)
        };
        let tests = lists("test/", ids.len())?;
        let strongest = lists("strongest/", quality.ncols())?;
        if !strongest.keys().eq(tests.keys()) {
            return None;
        }
        Some(Self {
            ids,
            quality,
            cost,
            tests,
            strongest,
        })
    }
}
