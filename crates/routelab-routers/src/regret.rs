//! End-to-end regret minimisation (Tsiourvas, Sun & Perakis 2025, arXiv 2505.16037): RM-softmax and RM-interval.

use ndarray::{Array2, Axis};
use routelab_heads::scalar::regret::{Conditioning, FittedRegret, RegretConfig};
use routelab_heads::{Architecture, TrainConfig};
use serde::{Deserialize, Serialize};

use crate::neural;
use crate::space::space;
use crate::{
    Archive, Context, FitResult, Loader, Router, SearchSpace, TrainingSet, Values, to_f32,
};

/// Learns a policy for every price of cost, by the regret that it is expected to have; the price is an input.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RmSoftmax {
    /// Widths of the hidden layers.
    pub hidden: Vec<usize>,
    /// The largest price: how much quality the mean cost of the strongest model is worth, above 0.
    pub largest_price: f64,
    /// Into how many steps the prices are cut when the policy is read, at least 1.
    pub steps: usize,
    /// How the network is trained.
    #[serde(flatten)]
    pub training: TrainConfig,
}

impl Default for RmSoftmax {
    fn default() -> Self {
        Self {
            hidden: vec![256],
            largest_price: 5.0,
            steps: 50,
            training: TrainConfig {
                epochs: 100,
                batch_size: 128,
                learning_rate: 1e-3,
            },
        }
    }
}

/// The same with scores at the ends of intervals of the price, and linear interpolation between them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RmInterval {
    /// Number of intervals, at least 1.
    pub intervals: usize,
    /// The rest of the settings.
    #[serde(flatten)]
    pub softmax: RmSoftmax,
}

impl Default for RmInterval {
    fn default() -> Self {
        Self {
            intervals: 10,
            softmax: RmSoftmax::default(),
        }
    }
}

impl RmSoftmax {
    fn network(&self, conditioning: Conditioning) -> RegretConfig {
        RegretConfig {
            hidden: self.hidden.clone(),
            conditioning,
            largest_price: self.largest_price,
            steps: self.steps,
        }
    }

    fn validate_as(&self, conditioning: Conditioning) -> Result<(), String> {
        self.network(conditioning).validate()?;
        self.training.validate()
    }

    fn fit_as(
        &self,
        conditioning: Conditioning,
        train: &TrainingSet,
        context: &Context,
    ) -> FitResult {
        let quality = FittedRegret::fit(
            train.x(),
            to_f32(train.quality()).view(),
            relative_cost(train).view(),
            &self.network(conditioning),
            &self.training,
            &context.fit(),
        )?;
        neural::with_shared_cost(quality, train, context)
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

impl Router for RmSoftmax {
    fn kind(&self) -> &'static str {
        "rm-softmax"
    }

    fn description(&self) -> &'static str {
        "a policy of least expected regret, with the price of cost as an input"
    }

    fn validate(&self) -> Result<(), String> {
        self.validate_as(Conditioning::Input)
    }

    fn search_space(&self) -> SearchSpace {
        space([
            ("largest_price", Values::numbers([1.0, 2.0, 5.0, 10.0])),
            ("epochs", Values::integers([25, 50, 100, 200])),
            ("learning_rate", Values::log(1e-4, 3e-3)),
        ])
    }

    fn fit_checked(&self, train: &TrainingSet, context: &Context) -> FitResult {
        self.fit_as(Conditioning::Input, train, context)
    }

    fn load(archive: &Archive, loader: &Loader) -> FitResult {
        neural::load::<RegretConfig>(archive, loader)
    }
}

impl Router for RmInterval {
    fn kind(&self) -> &'static str {
        "rm-interval"
    }

    fn description(&self) -> &'static str {
        "the same, interpolated between the ends of price intervals"
    }

    fn validate(&self) -> Result<(), String> {
        self.softmax
            .validate_as(Conditioning::Interval(self.intervals))
    }

    fn search_space(&self) -> SearchSpace {
        let mut space = self.softmax.search_space();
        let intervals = Values::integers([1, 5, 10, 20]);
        space.insert("intervals".to_owned(), intervals);
        space
    }

    fn fit_checked(&self, train: &TrainingSet, context: &Context) -> FitResult {
        let conditioning = Conditioning::Interval(self.intervals);
        self.softmax.fit_as(conditioning, train, context)
    }

    fn load(archive: &Archive, loader: &Loader) -> FitResult {
        neural::load::<RegretConfig>(archive, loader)
    }
}
