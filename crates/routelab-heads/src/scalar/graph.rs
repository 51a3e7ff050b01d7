//! GraphRouter (Feng et al. 2024, arXiv 2410.03834): message passing between queries and models.

use burn::module::{Module, Param};
use burn::nn::Linear;
use burn::tensor::{Device, Tensor, activation};
use rand::seq::index;
use serde::{Deserialize, Serialize};

use crate::batch;
use crate::fitted::Network;
use crate::init::{Init, Initializer};
use crate::objective::{Examples, Objective, Output};
use crate::products::{linear, product};
use crate::ranges::at_least_one;
use crate::train::{self, Fit, TrainConfig};
use crate::{Architecture, FittedNetwork, HeadError, matrix};

/// Numbers computed at a time when the models are read off the whole graph: bounds `[queries, models, hidden]`.
const GRAPH_SIZE: usize = 1 << 22;

/// The sizes of the network.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct GraphConfig {
    /// Width of a node, at least 1.
    pub hidden: usize,
    /// Rounds of messages, at least 1.
    pub layers: usize,
}

/// What is left of the graph after training: a new query has no edges, so its node is a map of its embedding, and the
/// models' nodes are the same for every query.
///
/// `P(m is right on x) = σ((W x + w) · g_m / √hidden)`
#[derive(Module, Debug)]
pub struct GraphReadout {
    /// `W`, `w`
    query: Linear,
    /// `g`, `[models, hidden]`
    models: Param<Tensor<2>>,
}

impl Architecture for GraphConfig {
    type Network = GraphReadout;

    fn validate(&self) -> Result<(), String> {
        at_least_one("hidden", self.hidden)?;
        at_least_one("layers", self.layers)
    }

    fn init(&self, dimension: usize, models: usize, init: &mut Initializer) -> GraphReadout {
        GraphReadout {
            query: init.linear(dimension, self.hidden, Init::FanIn),
            models: init.normal_matrix(models, self.hidden, 1.0),
        }
    }
}

impl GraphReadout {
    /// `x`: `[batch, dimension]`, `models`: `[models, hidden]`; returns logits `[batch, models]`.
    fn score(&self, x: Tensor<2>, models: Tensor<2>) -> Tensor<2> {
        let [_, hidden] = models.dims();
        let query = linear(&self.query, x);
        product(query, models.transpose()) / (hidden as f64).sqrt()
    }
}

impl Network for GraphReadout {
    const OUTPUT: Output = Output::Probabilities;

    fn logits(&self) -> impl Fn(Tensor<2>) -> Tensor<2> {
        |x| self.score(x, self.models.val())
    }
}

/// Messages along the edges in one direction, and the update of the nodes that receive them:
/// `own(h) + mean over the edges of relu(source(h') + edge(f))`.
///
/// The ReLU comes before the mean. A routing table has an edge between every query and every model, and the mean of
/// linear messages over all edges would forget which query an edge belongs to.
#[derive(Module, Debug)]
struct Messages {
    own: Linear,
    source: Linear,
    edge: Linear,
}

impl Messages {
    fn new(hidden: usize, init: &mut Initializer) -> Self {
        Self {
            own: init.linear(hidden, hidden, Init::FanIn),
            source: init.linear(hidden, hidden, Init::FanIn),
            edge: init.linear_map(2, hidden, Init::FanIn),
        }
    }

    /// The features of all edges, `[queries, models, hidden]`, from their quality and cost `[queries, models]`.
    fn edges(&self, quality: Tensor<2>, cost: Tensor<2>) -> Tensor<3> {
        let weight = self.edge.weight.val(); // [2, hidden]
        let [_, hidden] = weight.dims();
        let part = |values: Tensor<2>, index: usize| {
            let weight = weight.clone().slice([index..index + 1, 0..hidden]);
            values.unsqueeze_dim::<3>(2) * weight.unsqueeze::<3>()
        };
        part(quality, 0) + part(cost, 1)
    }

    /// The sum over queries of the messages to every model: `[models, hidden]`.
    fn to_models(&self, queries: Tensor<2>, quality: Tensor<2>, cost: Tensor<2>) -> Tensor<2> {
        let source = self.source.forward(queries).unsqueeze_dim::<3>(1); // [queries, 1, hidden]
        let messages = activation::relu(source + self.edges(quality, cost));
        messages.sum_dim(0).squeeze_dim::<2>(0)
    }

    /// The mean over models of the messages to every query: `[queries, hidden]`.
    fn to_queries(&self, models: Tensor<2>, quality: Tensor<2>, cost: Tensor<2>) -> Tensor<2> {
        let source = self.source.forward(models).unsqueeze::<3>(); // [1, models, hidden]
        let messages = activation::relu(source + self.edges(quality, cost));
        messages.mean_dim(1).squeeze_dim::<2>(1)
    }
}

/// One round of messages.
#[derive(Module, Debug)]
struct Layer {
    to_models: Messages,
    /// Missing in the last round, after which nobody reads the queries.
    to_queries: Option<Messages>,
}

/// The whole network, as it is trained.
#[derive(Module, Debug)]
pub(super) struct GraphNetwork {
    readout: GraphReadout,
    layers: Vec<Layer>,
}

/// Queries with all their edges.
pub(super) struct Graph {
    /// `[queries, dimension]`
    pub(super) x: Tensor<2>,
    /// `[queries, models]`
    pub(super) quality: Tensor<2>,
    /// `[queries, models]`, relative to the mean cost
    pub(super) cost: Tensor<2>,
}

impl Graph {
    pub(super) fn rows(&self, rows: &[usize]) -> Graph {
        let index = matrix::to_index(rows, &self.x.device());
        let [x, quality, cost] = [&self.x, &self.quality, &self.cost]
            .map(|values| values.clone().select(0, index.clone()));
        Graph { x, quality, cost }
    }
}

impl GraphConfig {
    /// A new network, as it is trained.
    pub(super) fn network(
        &self,
        [dimension, models]: [usize; 2],
        seed: u64,
        device: &Device,
    ) -> GraphNetwork {
        let mut init = Initializer::new(seed, device);
        let readout = self.init(dimension, models, &mut init);
        let layers = (1..=self.layers)
            .map(|layer| Layer {
                to_models: Messages::new(self.hidden, &mut init),
                to_queries: (layer < self.layers).then(|| Messages::new(self.hidden, &mut init)),
            })
            .collect();
        GraphNetwork { readout, layers }
    }
}

impl GraphNetwork {
    /// The network for new queries, when the models' nodes have read `graph`.
    pub(super) fn readout(&self, graph: &[Graph]) -> GraphReadout {
        GraphReadout {
            query: self.readout.query.clone(),
            models: Param::from_tensor(self.read(graph)),
        }
    }

    /// The models' nodes `[models, hidden]` after all rounds of messages from `graph`, given in parts that fit in memory.
    fn read(&self, graph: &[Graph]) -> Tensor<2> {
        let mut models = self.readout.models.val();
        let total: usize = graph.iter().map(|part| part.x.dims()[0]).sum();
        let mut queries: Vec<Tensor<2>> = graph
            .iter()
            .map(|part| linear(&self.readout.query, part.x.clone()))
            .collect();
        for (round, layer) in self.layers.iter().enumerate() {
            let messages = queries
                .iter()
                .zip(graph)
                .map(|(queries, part)| {
                    let (quality, cost) = (part.quality.clone(), part.cost.clone());
                    layer.to_models.to_models(queries.clone(), quality, cost)
                })
                .reduce(|sum, messages| sum + messages);
            let mut updated = linear(&layer.to_models.own, models.clone());
            if let Some(messages) = messages {
                updated = updated + messages / total as f64;
            }
            if let Some(to_queries) = &layer.to_queries {
                for (queries, part) in queries.iter_mut().zip(graph) {
                    let (quality, cost) = (part.quality.clone(), part.cost.clone());
                    let messages = to_queries.to_queries(models.clone(), quality, cost);
                    *queries =
                        activation::relu(linear(&to_queries.own, queries.clone()) + messages);
                }
            }
            let last = round + 1 == self.layers.len();
            models = if last {
                updated
            } else {
                activation::relu(updated)
            };
        }
        models
    }
}

/// A fitted GraphRouter: predicts probabilities, if it was trained by cross-entropy as its authors do.
pub type FittedGraph = FittedNetwork<GraphConfig>;

impl FittedGraph {
    /// Fits the network on an objective (cross-entropy is the authors') on queries whose edges are hidden; the models' nodes read
    /// up to `context` other training queries, drawn for every step. After training they read all. Costs are best with mean 1.
    ///
    /// # Errors
    ///
    /// Different numbers of rows, no rows, a loss that is not a number, or a mask: every query sends a message to every model.
    pub fn fit(
        examples: &Examples,
        config: &GraphConfig,
        context: usize,
        objective: &Objective,
        training: &TrainConfig,
        fit: &Fit,
    ) -> Result<Self, HeadError> {
        examples.check()?;
        if examples.measured.is_some() {
            return Err(HeadError::NoSignal {
                reason: "a graph has an edge between every query and every model",
            });
        }
        let (sizes, rows) = (examples.sizes(), examples.len());
        let on = |device: &Device| {
            let (x, targets) = examples.on(device);
            let (quality, cost) = (targets.quality.clone(), targets.cost.clone());
            (Graph { x, quality, cost }, targets)
        };
        let device = train::training_device(fit.backend);
        let (graph, targets) = on(&device);
        let network = config.network(sizes, fit.seed, &device);
        // At least half of the queries stay in the graph.
        let training = TrainConfig {
            batch_size: training.batch_size.min(rows.div_ceil(2)),
            ..*training
        };
        let (network, history) = batch::train(network, rows, &training, fit, |network, batch| {
            let mut hidden = vec![false; rows];
            batch.rows().iter().for_each(|&row| hidden[row] = true);
            let others: Vec<usize> = (0..rows).filter(|&row| !hidden[row]).collect();
            let amount = context.min(others.len());
            let seen: Vec<usize> = index::sample(batch.rng(), others.len(), amount)
                .into_iter()
                .map(|place| others[place])
                .collect();
            let seen = (!seen.is_empty()).then(|| graph.rows(&seen));
            let models = network.read(seen.as_slice());
            let scores = network.readout.score(batch.select(&graph.x), models);
            objective.loss(scores, &targets.select(batch.index()))
        })?;

        let (graph, _) = on(fit.backend.device());
        let part = (GRAPH_SIZE / (sizes[1] * config.hidden)).max(1);
        let all: Vec<usize> = (0..rows).collect();
        let parts: Vec<Graph> = all.chunks(part).map(|rows| graph.rows(rows)).collect();
        let readout = network.readout(&parts);
        let fitted = Self::new(*config, readout, sizes, fit.backend, history);
        Ok(fitted.with_output(objective.output()))
    }
}
