//! End-to-end regret minimisation (Tsiourvas, Sun & Perakis 2025, arXiv 2505.16037): RM-softmax and RM-interval.

use ndarray::{Array2, Axis};
use routelab_heads::scalar::regret::{Conditioning, FittedRegret, RegretConfig};
use routelab_heads::{Architecture, Backend, TrainConfig};
use serde::{Deserialize, Serialize};

use crate::neural::{self, FittedNeural, PredictedCost};
use crate::space::space;
use crate::{
    Archive, Context, FittedRouter, Router, RouterError, SearchSpace, TrainingSet, Values, to_f32,
};

/// Learns a policy for every price of cost, by the regret that it is expected to have; the price is an input.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RmSoftmax {
    /// Widths of the hidden layers.
    pub hidden: Vec<usize>,
    /// The largest price: how much quality the mean cost of the strongest model is worth, above 0.
    pub largest_price: f64,
    /// Into how many steps the prices are cut when the policy is read, at least 1.
    pub steps: usize,
    /// Passes over the training queries, at least 1.
    pub epochs: usize,
    /// Queries of one gradient step, at least 1.
    pub batch_size: usize,
    /// Adam's learning rate, above 0.
    pub learning_rate: f64,
}

impl Default for RmSoftmax {
    fn default() -> Self {
        Self {
            hidden: vec![256],
            largest_price: 5.0,
            steps: 50,
            epochs: 100,
            batch_size: 128,
            learning_rate: 1e-3,
        }
    }
}

/// The same with scores at the ends of intervals of the price, and linear interpolation between them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RmInterval {
    /// Number of intervals, at least 1.
    pub intervals: usize,
    /// Widths of the hidden layers.
    pub hidden: Vec<usize>,
    /// The largest price: how much quality the mean cost of the strongest model is worth, above 0.
    pub largest_price: f64,
    /// Into how many steps the prices are cut when the policy is read, at least 1.
    pub steps: usize,
    /// Passes over the training queries, at least 1.
    pub epochs: usize,
    /// Queries of one gradient step, at least 1.
    pub batch_size: usize,
    /// Adam's learning rate, above 0.
    pub learning_rate: f64,
}

impl Default for RmInterval {
    fn default() -> Self {
        let softmax = RmSoftmax::default();
        Self {
            intervals: 10,
            hidden: softmax.hidden,
            largest_price: softmax.largest_price,
            steps: softmax.steps,
            epochs: softmax.epochs,
            batch_size: softmax.batch_size,
            learning_rate: softmax.learning_rate,
        }
    }
}

/// What both kinds come down to.
struct Plan {
    network: RegretConfig,
    training: TrainConfig,
}

impl Plan {
    fn validate(&self) -> Result<(), String> {
        self.network.validate()?;
        self.training.validate()
    }

    fn fit(
        &self,
        train: &TrainingSet,
        context: &Context,
    ) -> Result<Box<dyn FittedRouter>, RouterError> {
        let cost = PredictedCost::Network(context.cost.get(train, context)?);
        let quality = FittedRegret::fit(
            train.x(),
            to_f32(train.quality()).view(),
            relative_cost(train).view(),
            &self.network,
            &self.training,
            &context.fit(),
        )?;
        Ok(Box::new(FittedNeural { quality, cost }))
    }
}

/// Costs divided by the mean cost of the strongest model, the one with the largest; without any cost they stay 0.
fn relative_cost(train: &TrainingSet) -> Array2<f32> {
    let means = train.cost().mean_axis(Axis(0));
    let means = means.expect("a training set has at least one query");
    let strongest = means.fold(0.0, |largest: f64, &mean| largest.max(mean));
    let unit = if strongest > 0.0 { strongest } else { 1.0 };
    train.cost().mapv(|cost| (cost / unit) as f32)
}

impl RmSoftmax {
    fn plan(&self) -> Plan {
        Plan {
            network: RegretConfig {
                hidden: self.hidden.clone(),
                conditioning: Conditioning::Input,
                largest_price: self.largest_price,
                steps: self.steps,
            },
            training: TrainConfig {
                epochs: self.epochs,
                batch_size: self.batch_size,
                learning_rate: self.learning_rate,
            },
        }
    }
}

impl Router for RmSoftmax {
    fn kind(&self) -> &'static str {
        "rm-softmax"
    }

    fn validate(&self) -> Result<(), String> {
        self.plan().validate()
    }

    fn search_space(&self) -> SearchSpace {
        space([
            ("largest_price", Values::numbers([1.0, 2.0, 5.0, 10.0])),
            ("epochs", Values::integers([25, 50, 100, 200])),
            ("learning_rate", Values::log(1e-4, 3e-3)),
        ])
    }

    fn fit(
        &self,
        train: &TrainingSet,
        context: &Context,
    ) -> Result<Box<dyn FittedRouter>, RouterError> {
        self.plan().fit(train, context)
    }
}

impl RmInterval {
    fn plan(&self) -> Plan {
        Plan {
            network: RegretConfig {
                hidden: self.hidden.clone(),
                conditioning: Conditioning::Interval(self.intervals),
                largest_price: self.largest_price,
                steps: self.steps,
            },
            training: TrainConfig {
                epochs: self.epochs,
                batch_size: self.batch_size,
                learning_rate: self.learning_rate,
            },
        }
    }
}

impl Router for RmInterval {
    fn kind(&self) -> &'static str {
        "rm-interval"
    }

    fn validate(&self) -> Result<(), String> {
        self.plan().validate()
    }

    fn search_space(&self) -> SearchSpace {
        space([
            ("intervals", Values::integers([1, 5, 10, 20])),
            ("largest_price", Values::numbers([1.0, 2.0, 5.0, 10.0])),
            ("epochs", Values::integers([25, 50, 100, 200])),
            ("learning_rate", Values::log(1e-4, 3e-3)),
        ])
    }

    fn fit(
        &self,
        train: &TrainingSet,
        context: &Context,
    ) -> Result<Box<dyn FittedRouter>, RouterError> {
        self.plan().fit(train, context)
    }
}

pub(crate) fn load(
    archive: &Archive,
    backend: &Backend,
) -> Result<Box<dyn FittedRouter>, RouterError> {
    neural::load::<RegretConfig>(archive, backend)
}
