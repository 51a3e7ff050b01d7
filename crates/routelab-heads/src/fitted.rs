//! A fitted network: what predicting, storing and loading have in common.

use burn::module::Module;
use burn::tensor::{Device, FloatDType, Tensor};
use ndarray::{Array2, ArrayView2};

use crate::backend::{self, Precision};
use crate::batch::{self, Batch};
use crate::init::{Initializer, Room};
use crate::objective::{Examples, Objective, Output};
use crate::products::Factors;
use crate::train::{self, Fit, History, TrainConfig};
use crate::{Backend, HeadError, WeightsError, kernels, matrix, weights};

/// The sizes that a network is made from: every `…Config` of this crate is one.
pub trait Architecture: Clone {
    /// The network.
    type Network: Network;

    /// Checks the ranges of the sizes; the error names the setting.
    fn validate(&self) -> Result<(), String>;

    /// A new network from embeddings of `dimension` numbers to one number for each of `models` candidate models.
    fn init(&self, dimension: usize, models: usize, init: &mut Initializer) -> Self::Network;
}

/// A network that gives one number per query and candidate model.
pub trait Network: Module + Sync {
    /// What its scores are when it was trained on the loss of its authors.
    const OUTPUT: Output = Output::Scores;

    /// The function from embeddings `[queries, dimension]` to scores `[queries, models]`. What does not depend on
    /// the query is computed once, by this call.
    fn logits(&self) -> impl Fn(Tensor<2>) -> Tensor<2>;

    /// The scores `[batch, models]` of a batch of embeddings `[batch, dimension]` in training.
    fn scores(&self, x: Tensor<2>) -> Tensor<2> {
        self.logits()(x)
    }

    /// How many queries to predict at a time: bounds the memory of the widest intermediate, to some 32 MiB. Graphics cards take a multiple
    /// of them.
    fn chunk(&self) -> usize {
        4096
    }
}

/// A fitted network.
pub struct FittedNetwork<A: Architecture> {
    architecture: A,
    network: A::Network,
    dimension: usize,
    models: usize,
    device: Device,
    precision: Precision,
    output: Output,
    history: History,
}

impl<A: Architecture> FittedNetwork<A> {
    /// Trains a new network on `rows` examples; `loss` gets a batch and returns one number.
    pub(crate) fn train(
        architecture: &A,
        [dimension, models]: [usize; 2],
        rows: usize,
        training: &TrainConfig,
        fit: &Fit,
        loss: impl Fn(&A::Network, &mut Batch) -> Tensor<1>,
    ) -> Result<Self, HeadError> {
        let device = train::training_device(fit.backend);
        let network =
            architecture.init(dimension, models, &mut Initializer::new(fit.seed, &device));
        let (network, history) = batch::train(network, rows, training, fit, loss)?;
        let sizes = [dimension, models];
        Ok(Self::new(
            architecture.clone(),
            network,
            sizes,
            fit.backend,
            history,
        ))
    }

    /// Fits a new network on an objective.
    ///
    /// # Errors
    ///
    /// Different numbers of rows, no rows, a loss that is not a number, or [`HeadError::Device`].
    pub fn fit_on(
        examples: &Examples,
        architecture: &A,
        objective: &Objective,
        training: &TrainConfig,
        fit: &Fit,
    ) -> Result<Self, HeadError> {
        let scores = |network: &A::Network, x, _: &mut Batch| network.scores(x);
        Self::train_on(examples, architecture, objective, training, fit, scores)
    }

    /// [`fit_on`](Self::fit_on) with scores of its own in training; `scores` gets the network, the embeddings of a batch `[batch, dimension]` and the
    /// batch, and returns scores `[batch, models]`.
    pub(crate) fn train_on(
        examples: &Examples,
        architecture: &A,
        objective: &Objective,
        training: &TrainConfig,
        fit: &Fit,
        scores: impl Fn(&A::Network, Tensor<2>, &mut Batch) -> Tensor<2>,
    ) -> Result<Self, HeadError> {
        examples.check()?;
        let (x, targets) = examples.on(&train::training_device(fit.backend));
        let (sizes, rows) = (examples.sizes(), examples.len());
        let fitted = Self::train(
            architecture,
            sizes,
            rows,
            training,
            fit,
            |network, batch| {
                let scores = scores(network, batch.select(&x), batch);
                objective.loss(scores, &targets.select(batch.index()))
            },
        )?;
        Ok(fitted.with_output(objective.output()))
    }

    /// A network that was trained elsewhere, on the backend's device.
    pub(crate) fn new(
        architecture: A,
        network: A::Network,
        [dimension, models]: [usize; 2],
        backend: &Backend,
        history: History,
    ) -> Self {
        Self {
            architecture,
            network,
            dimension,
            models,
            device: backend.device().clone(),
            precision: backend.precision(),
            output: A::Network::OUTPUT,
            history,
        }
    }

    /// The same network with scores of another kind, as an objective other than that of its authors makes them.
    #[must_use]
    pub fn with_output(self, output: Output) -> Self {
        Self { output, ..self }
    }

    /// What its scores are, where they are other than those of its authors' loss.
    pub fn other_output(&self) -> Option<Output> {
        (self.output != A::Network::OUTPUT).then_some(self.output)
    }

    /// Predicts `[queries, models]` from embeddings `[queries, dimension]`, in the backend's precision.
    ///
    /// # Errors
    ///
    /// An embedding dimension other than the one the network was fitted on; [`HeadError::Device`].
    pub fn predict(&self, x: ArrayView2<f32>) -> Result<Array2<f32>, HeadError> {
        crate::check_dimension(self.dimension, x.ncols())?;
        let dtype = self.precision.dtype();
        let reduced =
            (dtype != FloatDType::F32).then(|| backend::cast(self.network.clone(), self.precision));
        Factors::of(self.precision).within(|| {
            let predictor = reduced.as_ref().unwrap_or(&self.network).logits();
            let predict = |rows: ArrayView2<f32>| {
                let rows = matrix::to_tensor(rows, &self.device).cast(dtype);
                matrix::to_array(self.output.of(predictor(rows)))
            };
            let rows = self.network.chunk() * kernels::piece_of(&self.device);
            crate::in_chunks(x, rows, self.models, predict)
        })
    }

    /// The network itself.
    pub(crate) fn network(&self) -> &A::Network {
        &self.network
    }

    /// The sizes of the network.
    pub fn architecture(&self) -> &A {
        &self.architecture
    }

    /// The dimension of the embeddings it was fitted on.
    pub fn dimension(&self) -> usize {
        self.dimension
    }

    /// The number of candidate models.
    pub fn models(&self) -> usize {
        self.models
    }

    /// The mean training loss of every epoch; empty after [`from_bytes`](Self::from_bytes).
    pub fn history(&self) -> &History {
        &self.history
    }

    /// The weights as the bytes of a safetensors file.
    ///
    /// # Errors
    ///
    /// [`HeadError::Weights`] if they cannot be encoded.
    pub fn to_bytes(&self) -> Result<Vec<u8>, HeadError> {
        Ok(weights::to_bytes(&self.network)?)
    }

    /// A fitted network from the weights that [`to_bytes`](Self::to_bytes) made of a network of the same sizes. Its scores are
    /// those of its authors' loss, see [`with_output`](Self::with_output).
    ///
    /// # Errors
    ///
    /// [`HeadError::Weights`] if they are damaged or of other sizes, or if there is no network of such sizes.
    pub fn from_bytes(
        bytes: &[u8],
        architecture: &A,
        dimension: usize,
        models: usize,
        backend: &Backend,
    ) -> Result<Self, HeadError> {
        let possible = if dimension > 0 && models > 0 {
            architecture.validate()
        } else {
            Err("the dimension and the number of models must be at least 1".into())
        };
        possible.map_err(WeightsError::Load)?;
        let room = Room::of(bytes.len());
        let mut init = Initializer::within(&room, backend.device());
        let network = architecture.init(dimension, models, &mut init);
        if room.is_exceeded() {
            let reason = "the description asks for more numbers than the file has";
            return Err(WeightsError::Load(reason.into()).into());
        }
        let network = weights::from_bytes(network, bytes)?;
        let sizes = [dimension, models];
        Ok(Self::new(
            architecture.clone(),
            network,
            sizes,
            backend,
            History::default(),
        ))
    }
}
