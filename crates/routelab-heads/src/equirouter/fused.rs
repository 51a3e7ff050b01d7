//! EquiRouter's training on processors: the network of `model.rs` with its gradients written out. Everything between two matrix
//! products is one pass over memory, and the head runs for one model after another, so that what a product writes is still
//! in the cache when it is read.

use burn::module::{Module, Param, ParamId};
use burn::nn::Linear;
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor};
use ndarray::s;
use rayon::prelude::*;
use routelab_kernels::{Threads, add_product, product};

use super::block::{Block, NORM_EPSILON};
use super::mixing::{self, FirstLayer, Model, ModelGradients};
use super::model::EquiRouter;
use crate::kernels::{self, Norm, Values, matrix, matrix_mut};

/// Positions of `z` whose weights get their gradients at a time: bounds the gradients of all `G_m`, which are many.
const POSITIONS: usize = 128;

/// What the gradients need of the forward pass, in its order: the trunk, then the head of every model.
#[derive(Default)]
struct Trace {
    /// Inputs of the layers but the head's first: `[batch, width]`.
    inputs: Vec<Tensor<2>>,
    /// Inputs of the activations: `[batch, width]`.
    sums: Vec<Values>,
    /// Output of the trunk, `[batch, d]`.
    query: Option<Tensor<2>>,
}

/// The loss of a batch and the gradients of all parameters.
///
/// `x`: `[batch, dimension]`, on a processor, without gradients; `loss` turns scores `[batch, models]` into one number.
pub(super) fn loss_and_gradients(
    network: &EquiRouter,
    x: Tensor<2>,
    loss: impl FnOnce(Tensor<2>) -> Tensor<1>,
) -> (Tensor<1>, GradientsParams) {
    let network = network.valid();
    let pass = Pass::new(&network);
    let mut trace = Trace::default();
    // The loss is small beside the network, and Burn finds its gradient.
    let scores = pass.scores(x, &mut trace).autodiff().require_grad();
    let value = loss(scores.clone());
    let gradient = scores
        .grad(&value.backward())
        .expect("the loss depends on the scores");
    let mut found = GradientsParams::new();
    pass.backward(gradient, trace, &mut found);
    (value.inner(), found)
}

/// The network with the values that its kernels read.
pub(super) struct Pass<'a> {
    pub(super) network: &'a EquiRouter,
    device: Device,
    pub(super) first: FirstLayer,
    /// `[β_m ; p_m ; β_m ⊙ p_m]` of all models, `[models, 3d]`; without interaction only the first two blocks.
    constant_features: Tensor<2>,
    /// `t_m` of all models, `[models, h]`.
    constants: Values,
    /// `γ`, `β` and `p` of all models: `[models, d]`.
    scale: Values,
    shift: Values,
    projection: Values,
    pub(super) width: usize,
}

impl<'a> Pass<'a> {
    pub(super) fn new(network: &'a EquiRouter) -> Self {
        let embeddings = network.model_embeddings.val();
        let projection = network.projection.forward(embeddings.clone()); // [models, d]
        let [models, width] = projection.dims();
        let (scale, shift) = match &network.film {
            Some(film) => {
                let both = film.forward(embeddings); // [models, 2d]
                let part = |from| both.clone().slice([0..models, from..from + width]);
                (part(0), part(width))
            }
            None => (projection.ones_like(), projection.zeros_like()),
        };
        let weight = network.first_layer().weight.val();
        let [rows, hidden] = weight.dims();
        let mut features = vec![shift.clone(), projection.clone()];
        if rows == 4 * width {
            features.push(shift.clone() * projection.clone());
        }
        let constant_features = Tensor::cat(features, 1);
        let read = weight
            .clone()
            .slice([0..constant_features.dims()[1], 0..hidden]);
        let constants =
            constant_features.clone().matmul(read) + bias(network.first_layer()).val().unsqueeze();
        Self {
            network,
            device: weight.device(),
            first: FirstLayer::new(weight.into(), width, hidden),
            constant_features,
            constants: constants.into(),
            scale: scale.into(),
            shift: shift.into(),
            projection: projection.into(),
            width,
        }
    }

    pub(super) fn model(&self, index: usize) -> Model<'_> {
        let part = index * self.width..(index + 1) * self.width;
        Model {
            scale: &self.scale[part.clone()],
            shift: &self.shift[part.clone()],
            projection: &self.projection[part],
        }
    }

    pub(super) fn constant(&self, index: usize) -> &[f32] {
        let hidden = self.first.hidden();
        &self.constants[index * hidden..][..hidden]
    }

    /// `x`: `[batch, dimension]`; returns `[batch, models]`, and what the gradients need in `trace`.
    fn scores(&self, x: Tensor<2>, trace: &mut Trace) -> Tensor<2> {
        let network = self.network;
        let mut z = x;
        for block in &network.trunk {
            z = block_forward(block, z, trace);
        }
        trace.query = Some(z.clone());
        let z = Values::from(z);
        let batch = z.len() / self.width;
        let (mut mixed, mut gaps) = (self.first.mixed(), Values::zeros([batch, self.width]));
        let mut scores = Vec::new();
        for index in 0..network.models() {
            let model = self.model(index);
            self.first.mix(&model, &mut mixed);
            let mut a = Values::zeros([batch, self.first.hidden()]);
            let terms = (&mixed[..], self.constant(index));
            self.first
                .forward(&model, terms, &z, &mut gaps, &mut a, Threads::All);
            let score = match network.head.split_first() {
                Some((first, rest)) => {
                    let mut h = self.tensor(activate(first, a, trace));
                    for block in rest {
                        h = block_forward(block, h, trace);
                    }
                    trace.inputs.push(h.clone());
                    network.output.forward(h)
                }
                None => self.tensor(a),
            };
            scores.push(score); // [batch, 1]
        }
        Tensor::cat(scores, 1)
    }

    /// From the gradient of the scores, `[batch, models]`, to those of all parameters.
    fn backward(&self, gradient: Tensor<2>, mut trace: Trace, found: &mut GradientsParams) {
        let network = self.network;
        let [batch, count] = gradient.dims();
        let z = trace.query.take().expect("the forward pass was traced");
        let width = self.width;
        let first = network.first_layer();
        let hidden = first.weight.dims()[1];
        let models: Vec<Model> = (0..count).map(|index| self.model(index)).collect();
        let [mut d_scale, mut d_shift, mut d_projection] =
            [(); 3].map(|()| Values::zeros([count, width]));
        let mut of_models: Vec<ModelGradients> = d_scale
            .chunks_mut(width)
            .zip(d_shift.chunks_mut(width))
            .zip(d_projection.chunks_mut(width))
            .map(|((scale, shift), projection)| ModelGradients {
                scale,
                shift,
                projection,
            })
            .collect();

        // One model after another, through the head and the linear half of its first layer.
        let mut mixed = self.first.mixed();
        let mut d_z = Values::zeros([batch, width]);
        let mut d_sums = Values::zeros([count, batch, hidden]);
        let mut d_constants = Values::zeros([count, hidden]);
        for index in (0..count).rev() {
            let of_scores = gradient.clone().slice([0..batch, index..index + 1]);
            let (da, d_constant) = self.head_backward(of_scores, &mut trace, found);
            self.first.mix(&models[index], &mut mixed);
            let d_sums = &mut d_sums[index * batch * hidden..][..batch * hidden];
            d_sums.copy_from_slice(&Values::from(da));
            let mixed = matrix(&mixed, hidden).reversed_axes();
            add_product(
                matrix(d_sums, hidden),
                mixed,
                matrix_mut(&mut d_z, width),
                Threads::All,
            );
            d_constants[index * hidden..][..hidden].copy_from_slice(&d_constant);
        }

        // The weights of the head's first layer.
        let z = Values::from(z);
        let d_constants = self.tensor::<2>(d_constants);
        let d_read = self.constant_features.clone().transpose();
        let d_read = Values::from(d_read.matmul(d_constants.clone())); // [3d or 2d, h]
        let mut d_weight = Values::zeros(first.weight.dims());
        let (of_read, of_distances) = d_weight.split_at_mut(d_read.len());
        of_read.copy_from_slice(&d_read);
        if self.first.interaction() {
            let size = batch * width;
            let mut gaps = vec![0.0; count * size];
            for (model, gaps) in models.iter().zip(gaps.chunks_mut(size)) {
                mixing::distances(model, &z, gaps);
            }
            let d_sums = matrix(&d_sums, hidden); // [models · batch, h]
            let of_distances = matrix_mut(of_distances, hidden);
            product(
                matrix(&gaps, width).reversed_axes(),
                d_sums,
                of_distances,
                Threads::All,
            );
            let mut d_gaps = gaps;
            let weight = self.first.distance_weight().reversed_axes();
            product(d_sums, weight, matrix_mut(&mut d_gaps, width), Threads::All);
            let models = models.iter().zip(&mut of_models);
            for ((model, found), d_gaps) in models.zip(d_gaps.chunks(size)) {
                mixing::distances_backward(model, &z, d_gaps, &mut d_z, found);
            }
        }
        let mut d_linear = vec![0.0; count * POSITIONS.min(width) * hidden]; // [models, positions, h]
        for start in (0..width).step_by(POSITIONS) {
            let end = (start + POSITIONS).min(width);
            let z = matrix(&z, width);
            let z = z.slice(s![.., start..end]).reversed_axes();
            let d_linear = &mut d_linear[..count * (end - start) * hidden];
            (d_linear.par_chunks_mut((end - start) * hidden))
                .zip(d_sums.par_chunks(batch * hidden))
                .for_each(|(d_linear, d_sums)| {
                    let d_linear = matrix_mut(d_linear, hidden);
                    product(z, matrix(d_sums, hidden), d_linear, Threads::One);
                });
            self.first
                .mix_backward(start, &models, d_linear, &mut d_weight, &mut of_models);
        }
        let read = self.constant_features.dims()[1];
        let weight = first.weight.val().slice([0..read, 0..hidden]);
        let d_features = Values::from(d_constants.clone().matmul(weight.transpose())); // [models, 3d or 2d]
        for ((found, model), d) in of_models
            .iter_mut()
            .zip(&models)
            .zip(d_features.chunks(read))
        {
            for i in 0..width {
                found.shift[i] += d[i];
                found.projection[i] += d[width + i];
                if self.first.interaction() {
                    found.shift[i] += d[2 * width + i] * model.projection[i];
                    found.projection[i] += d[2 * width + i] * model.shift[i];
                }
            }
        }
        found.register(first.weight.id, self.tensor::<2>(d_weight));
        found.register(bias(first).id, d_constants.sum_dim(0).squeeze_dim::<1>(0));

        let projection = self.tensor::<2>(d_projection);
        let film = network.film.as_ref().map(|film| {
            let both = vec![self.tensor::<2>(d_scale), self.tensor(d_shift)];
            (film, Tensor::cat(both, 1)) // [models, 2d]
        });
        let embeddings = network.model_embeddings.val();
        let mut d_embeddings = embeddings.zeros_like();
        for (layer, gradient) in film.into_iter().chain([(&network.projection, projection)]) {
            let sum = gradient.clone().sum_dim(0).squeeze_dim(0);
            let d_layer = layer_backward(layer, embeddings.clone(), gradient, sum, found);
            d_embeddings = d_embeddings + d_layer;
        }
        found.register(network.model_embeddings.id, d_embeddings);

        let mut d_z = self.tensor::<2>(d_z);
        for (index, block) in network.trunk.iter().enumerate().rev() {
            let (da, sum) = activate_backward(block, d_z, &mut trace, found);
            let sum = self.tensor(sum);
            let x = trace.inputs.pop().expect("one input per layer");
            if index == 0 {
                // Nobody asks for the gradient of the embeddings.
                add(found, block.linear.weight.id, x.transpose().matmul(da));
                add(found, bias(&block.linear).id, sum);
                break;
            }
            d_z = layer_backward(&block.linear, x, da, sum, found);
        }
    }

    /// From the gradient of one model's scores, `[batch, 1]`, to that of the head's first sums, `[batch, h]`, and of `t_m`.
    fn head_backward(
        &self,
        gradient: Tensor<2>,
        trace: &mut Trace,
        found: &mut GradientsParams,
    ) -> (Tensor<2>, Values) {
        let sum = gradient.clone().sum();
        let Some((first, rest)) = self.network.head.split_first() else {
            return (gradient, sum.into());
        };
        let mut input = || trace.inputs.pop().expect("one input per layer");
        let mut d_h = layer_backward(&self.network.output, input(), gradient, sum, found);
        for block in rest.iter().rev() {
            let (da, sum) = activate_backward(block, d_h, trace, found);
            let x = trace.inputs.pop().expect("one input per layer");
            d_h = layer_backward(&block.linear, x, da, self.tensor(sum), found);
        }
        activate_backward(first, d_h, trace, found)
    }

    pub(super) fn tensor<const D: usize>(&self, values: Values) -> Tensor<D> {
        values.tensor(&self.device)
    }
}

/// [`Block::forward`], `x`: `[rows, inputs]`.
fn block_forward(block: &Block, x: Tensor<2>, trace: &mut Trace) -> Tensor<2> {
    let device = x.device();
    trace.inputs.push(x.clone());
    let mut a = Values::from(x.matmul(block.linear.weight.val()));
    kernels::add_to_rows(&mut a, &Values::from(bias(&block.linear).val()));
    activate(block, a, trace).tensor(&device)
}

/// GELU and norm of the sums of a layer.
fn activate(block: &Block, mut sums: Values, trace: &mut Trace) -> Values {
    trace.sums.push(sums.copy());
    kernels::gelu_norm(&mut sums, &norm(block));
    sums
}

/// From the gradient of a block's output to that of its layer's sums, and of what is added to all rows of them.
fn activate_backward(
    block: &Block,
    gradient: Tensor<2>,
    trace: &mut Trace,
    found: &mut GradientsParams,
) -> (Tensor<2>, Values) {
    let device = gradient.device();
    let sums = trace.sums.pop().expect("one input per activation");
    let mut gradient = Values::from(gradient);
    let block_gradients = kernels::gelu_norm_backward(&mut gradient, &sums, &norm(block));
    add(
        found,
        block.norm.gamma.id,
        block_gradients.gamma.tensor::<1>(&device),
    );
    let beta = block.norm.beta.as_ref().expect("the norm has a shift");
    add(found, beta.id, block_gradients.beta.tensor::<1>(&device));
    (gradient.tensor(&device), block_gradients.added)
}

/// From the gradient of a layer's output to that of its input `x`; `sum` is the output's gradient summed over rows.
fn layer_backward(
    layer: &Linear,
    x: Tensor<2>,
    gradient: Tensor<2>,
    sum: Tensor<1>,
    found: &mut GradientsParams,
) -> Tensor<2> {
    add(
        found,
        layer.weight.id,
        x.transpose().matmul(gradient.clone()),
    );
    add(found, bias(layer).id, sum);
    gradient.matmul(layer.weight.val().transpose())
}

/// Adds to the gradient of a parameter: the head's come from one model after another.
fn add<const D: usize>(found: &mut GradientsParams, id: ParamId, gradient: Tensor<D>) {
    let total = match found.remove::<D>(id) {
        Some(sum) => sum + gradient,
        None => gradient,
    };
    found.register(id, total);
}

pub(super) fn bias(layer: &Linear) -> &Param<Tensor<1>> {
    layer.bias.as_ref().expect("every layer has a bias")
}

pub(super) fn norm(block: &Block) -> Norm {
    let beta = block.norm.beta.as_ref().expect("the norm has a shift");
    Norm {
        gamma: block.norm.gamma.val().into(),
        beta: beta.val().into(),
        epsilon: NORM_EPSILON as f32,
    }
}
