//! Gradient-boosted regression trees, one ensemble per model and target, grown by the crate `forust-ml`.

use std::sync::atomic::{AtomicUsize, Ordering};

use forust_ml::gradientbooster::GradientBooster;
use forust_ml::objective::ObjectiveType;
use forust_ml::tree::Tree;
use ndarray::{Array1, Array2, ArrayView1, Axis, concatenate, s};
use rayon::prelude::*;
use routelab_data::Embeddings;
use routelab_eval::Scores;
use routelab_heads::ranges::{at_least_one, not_negative};
use serde::{Deserialize, Serialize};

use crate::space::space;
use crate::{
    Archive, Context, FitResult, FittedRouter, Loader, Router, RouterError, SearchSpace,
    TrainingSet, Values, check_dimension, column_scales, stack, to_f64,
};

/// Predicts quality and cost of every model by a sum of regression trees, each grown on what the ones before leave over
/// (squared error; costs are learned as `(c - mean) / deviation` of each model).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Gbt {
    /// Trees per model and target, at least 1.
    pub trees: usize,
    /// Share of each tree that counts, in (0, 1].
    pub learning_rate: f64,
    /// Depth of a tree, from 1 to 16.
    pub depth: usize,
    /// Training queries that a leaf must have, at least 1.
    pub min_leaf: usize,
    /// Penalty on the values of the leaves, 0 or more.
    pub l2: f64,
    /// Share of the embedding's dimensions that a tree may split on, drawn for each tree, in (0, 1].
    pub dimensions: f64,
    /// Bins of a dimension between which a split can be, from 2 to 256.
    pub bins: u16,
}

impl Default for Gbt {
    fn default() -> Self {
        Self {
            trees: 100,
            learning_rate: 0.1,
            depth: 4,
            min_leaf: 5,
            l2: 1.0,
            dimensions: 0.3,
            bins: 32,
        }
    }
}

impl Router for Gbt {
    fn kind(&self) -> &'static str {
        "gbt"
    }

    fn description(&self) -> &'static str {
        "gradient-boosted regression trees"
    }

    fn validate(&self) -> Result<(), String> {
        at_least_one("trees", self.trees)?;
        at_least_one("min_leaf", self.min_leaf)?;
        for (name, value) in [
            ("learning_rate", self.learning_rate),
            ("dimensions", self.dimensions),
        ] {
            if !(value > 0.0 && value <= 1.0) {
                return Err(format!(
                    "`{name}` must be a number above 0 and up to 1, not {value}"
                ));
            }
        }
        if !(1..=16).contains(&self.depth) {
            return Err(format!("`depth` must be from 1 to 16, not {}", self.depth));
        }
        if !(2..=256).contains(&self.bins) {
            return Err(format!("`bins` must be from 2 to 256, not {}", self.bins));
        }
        not_negative("l2", self.l2)
    }

    fn search_space(&self) -> SearchSpace {
        space([
            ("trees", Values::integers([25, 50, 100, 200])),
            ("learning_rate", Values::log(0.02, 0.3)),
            ("depth", Values::integers([2, 3, 4])),
            ("min_leaf", Values::integers([5, 10, 20, 40])),
            ("dimensions", Values::numbers([0.1, 0.3, 1.0])),
        ])
    }

    fn fit_checked(&self, train: &TrainingSet, context: &Context) -> FitResult {
        let x = to_f64(train.x());
        let (rows, dimension) = x.dim();
        let columns: Vec<f64> = x.t().iter().copied().collect();
        let (mean, deviation) = column_scales(train.cost());
        let scaled = (&train.cost() - &mean) / &deviation;
        let targets = concatenate![Axis(1), train.quality(), scaled];

        let done = AtomicUsize::new(0);
        let outputs = targets.ncols();
        let boosters: Vec<GradientBooster> = (0..outputs)
            .into_par_iter()
            .map(|output| {
                let mut booster = self.booster(dimension, context.seed);
                let data = forust_ml::Matrix::new(&columns, rows, dimension);
                let targets = targets.column(output).to_vec();
                let grown = booster.fit_unweighted(&data, &targets, None);
                let done = done.fetch_add(1, Ordering::Relaxed) + 1;
                (context.progress)(done as f64 / outputs as f64);
                match grown {
                    Ok(()) => Ok(booster),
                    Err(error) => Err(RouterError::Trees(error.to_string())),
                }
            })
            .collect::<Result<_, _>>()?;

        let mut forest = Forest::default();
        for booster in &boosters {
            forest.push(booster);
        }
        Ok(Box::new(FittedGbt {
            dimension,
            forest,
            mean,
            deviation,
        }))
    }

    fn load(archive: &Archive, _: &Loader) -> FitResult {
        let dimension = archive.get("dimension")?;
        let mean: Vec<f64> = archive.get("mean")?;
        let deviation: Vec<f64> = archive.get("deviation")?;
        let forest = Forest::load(archive, dimension)?;
        if deviation.len() != mean.len() || forest.outputs.len() != 2 * mean.len() {
            return Err(archive.broken("outputs", "has not a quality and a cost for every model"));
        }
        Ok(Box::new(FittedGbt {
            dimension,
            forest,
            mean: mean.into(),
            deviation: deviation.into(),
        }))
    }
}

impl Gbt {
    fn booster(&self, dimension: usize, seed: u64) -> GradientBooster {
        // The crate rounds the number of dimensions down; half a dimension more keeps that from going below what is meant.
        let split_on = (self.dimensions * dimension as f64).ceil();
        let share = if split_on >= dimension as f64 {
            1.0
        } else {
            (split_on + 0.5) / dimension as f64
        };
        GradientBooster::default()
            .set_objective_type(ObjectiveType::SquaredLoss)
            .set_iterations(self.trees)
            .set_learning_rate(self.learning_rate as f32)
            .set_max_depth(self.depth)
            .set_min_leaf_weight(self.min_leaf as f32)
            .set_l2(self.l2 as f32)
            .set_colsample_bytree(share)
            .set_nbins(self.bins)
            .set_initialize_base_score(true)
            .set_seed(seed)
            // The ensembles are grown side by side.
            .set_parallel(false)
    }
}

/// Trees in a flat form: what prediction needs, and no more.
#[derive(Default)]
struct Forest {
    nodes: Vec<Node>,
    outputs: Vec<Ensemble>,
}

/// The trees of one model and target.
#[derive(Clone, Serialize, Deserialize)]
struct Ensemble {
    /// What is predicted without any tree.
    base: f64,
    /// Places of the roots in [`Forest::nodes`].
    roots: Vec<usize>,
}

#[derive(Clone, Copy)]
enum Node {
    Leaf(f64),
    /// Entries below the threshold go left. Children are behind their parent.
    Split {
        axis: usize,
        threshold: f64,
        left: usize,
        right: usize,
    },
}

impl Forest {
    fn push(&mut self, booster: &GradientBooster) {
        let roots = (booster.trees.iter())
            .map(|tree| self.push_tree(tree))
            .collect();
        self.outputs.push(Ensemble {
            base: booster.base_score,
            roots,
        });
    }

    fn push_tree(&mut self, tree: &Tree) -> usize {
        let root = self.nodes.len();
        self.nodes.extend(tree.nodes.iter().map(|node| {
            if node.is_leaf {
                return Node::Leaf(f64::from(node.weight_value));
            }
            Node::Split {
                axis: node.split_feature,
                threshold: node.split_value,
                left: root + node.left_child,
                right: root + node.right_child,
            }
        }));
        root
    }

    /// One prediction per output for an embedding `[dimension]`.
    fn predict(&self, x: ArrayView1<f32>) -> Array1<f64> {
        let leaf = |mut at: usize| loop {
            match self.nodes[at] {
                Node::Leaf(value) => return value,
                Node::Split {
                    axis,
                    threshold,
                    left,
                    right,
                } => {
                    at = if f64::from(x[axis]) < threshold {
                        left
                    } else {
                        right
                    };
                }
            }
        };
        let output = |ensemble: &Ensemble| {
            ensemble.base + ensemble.roots.iter().map(|&root| leaf(root)).sum::<f64>()
        };
        self.outputs.iter().map(output).collect()
    }

    fn save(&self, archive: &mut Archive) {
        archive.put("outputs", &self.outputs);
        let mut nodes = Array2::zeros((self.nodes.len(), COLUMNS));
        for (mut row, node) in nodes.outer_iter_mut().zip(&self.nodes) {
            let values = match *node {
                Node::Leaf(value) => [LEAF, value, 0.0, 0.0],
                Node::Split {
                    axis,
                    threshold,
                    left,
                    right,
                } => [axis as f64, threshold, left as f64, right as f64],
            };
            row.assign(&ArrayView1::from(&values));
        }
        archive.put_matrix("nodes", &nodes);
    }

    fn load(archive: &Archive, dimension: usize) -> Result<Self, RouterError> {
        let outputs: Vec<Ensemble> = archive.get("outputs")?;
        let matrix = archive.matrix_with("nodes", None, Some(COLUMNS))?;
        let count = matrix.nrows();
        let nodes = (matrix.outer_iter().enumerate())
            .map(|(at, row)| {
                if row[0] == LEAF {
                    return Ok(Node::Leaf(row[1]));
                }
                let [axis, left, right] = [row[0], row[2], row[3]].map(|value| value as usize);
                // Children behind their parent: a walk ends.
                if axis < dimension
                    && (at + 1..count).contains(&left)
                    && (at + 1..count).contains(&right)
                {
                    return Ok(Node::Split {
                        axis,
                        threshold: row[1],
                        left,
                        right,
                    });
                }
                Err(archive.broken("nodes", &format!("has a node {at} that leads nowhere")))
            })
            .collect::<Result<_, _>>()?;
        let roots = outputs.iter().flat_map(|ensemble| &ensemble.roots);
        if let Some(root) = roots.copied().find(|&root| root >= count) {
            return Err(archive.broken("outputs", &format!("has a root {root} of {count} nodes")));
        }
        Ok(Self { nodes, outputs })
    }
}

/// Columns of stored nodes: axis or [`LEAF`], threshold or value, left, right.
const COLUMNS: usize = 4;
const LEAF: f64 = -1.0;

struct FittedGbt {
    dimension: usize,
    /// Quality of every model, then standardised cost.
    forest: Forest,
    /// Mean and deviation of the costs.
    mean: Array1<f64>,
    deviation: Array1<f64>,
}

impl FittedRouter for FittedGbt {
    fn predict(&self, queries: &Embeddings) -> Result<Scores, RouterError> {
        check_dimension(self.dimension, queries)?;
        let x = queries.values();
        let rows: Vec<ArrayView1<f32>> = x.outer_iter().collect();
        let predicted: Vec<Array1<f64>> = (rows.into_par_iter())
            .map(|x| self.forest.predict(x))
            .collect();
        let models = self.mean.len();
        let predicted = stack(&predicted, 2 * models);
        Ok(Scores::new(
            predicted.slice(s![.., ..models]).to_owned(),
            &predicted.slice(s![.., models..]) * &self.deviation + &self.mean,
        )?)
    }

    fn save(&self, archive: &mut Archive) -> Result<(), RouterError> {
        archive.put("dimension", &self.dimension);
        archive.put("mean", &self.mean.to_vec());
        archive.put("deviation", &self.deviation.to_vec());
        self.forest.save(archive);
        Ok(())
    }
}
