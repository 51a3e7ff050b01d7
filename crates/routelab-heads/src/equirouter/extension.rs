//! EquiRouter's operations as an extension of Burn's backends on processors, each with a way back of its own.

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::{Device, FloatTensor};
use burn::backend::{Autodiff, Backend, Flex, TensorMetadata, backend_extension};
use burn::tensor::{TensorData, read_sync};

use super::arithmetic::{self, FirstLayer};
use crate::kernels::{self, Norm, Values};

/// Added to the variance by the layer norms.
pub(super) const NORM_EPSILON: f64 = 1e-5;

/// What `operations.rs` has composed of Burn's own operations as well. All tensors are in single precision.
#[backend_extension(Flex, NdArray: cfg(feature = "ndarray"), Autodiff)]
pub trait Operations: Backend {
    /// `LayerNorm(GELU(x + c))`: `x` `[rows, width]`, `c` `[1 or models, width]`, `γ` and `β` of the norm.
    fn activate(
        x: FloatTensor<Self>,
        added: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let device = x.device();
        let (mut x, norm) = (values::<Self>(x), norm::<Self>(gamma, beta));
        arithmetic::add_rows(&mut x, &values::<Self>(added));
        kernels::gelu_norm(&mut x, &norm);
        tensor::<Self>(x, &device)
    }

    /// `|γ_m ⊙ z + s_m|`, `[queries · models, d]`: `z` `[queries, d]`, `γ` and `s` `[models, d]`.
    fn gaps(
        z: FloatTensor<Self>,
        scale: FloatTensor<Self>,
        shift: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let (device, [queries, width]) = (z.device(), sizes(&z));
        let [models, _] = sizes(&scale);
        let mut out = Values::zeros([queries * models, width]);
        let [z, scale, shift] = [z, scale, shift].map(values::<Self>);
        arithmetic::gaps(&z, [&scale, &shift], width, &mut out);
        tensor::<Self>(out, &device)
    }

    /// All `G_m` side by side, `[d, models · h]`: the head's first layer `[4d or 2d, h]`, `γ` and `p` `[models, d]`.
    fn mix(
        weight: FloatTensor<Self>,
        scale: FloatTensor<Self>,
        projection: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let (device, [_, hidden]) = (weight.device(), sizes(&weight));
        let [models, width] = sizes(&scale);
        let [weight, scale, projection] = [weight, scale, projection].map(values::<Self>);
        let layer = FirstLayer {
            weight: &weight,
            width,
            hidden,
        };
        let mixed = TensorData::new(layer.mix([&scale, &projection]), [width, models * hidden]);
        Self::float_from_data(mixed, &device)
    }
}

impl Operations for Flex {}

#[cfg(feature = "ndarray")]
impl Operations for burn::backend::NdArray {}

impl<B: Operations, C: CheckpointStrategy> Operations for Autodiff<B, C> {
    fn activate(
        x: FloatTensor<Self>,
        added: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let nodes = [x.node(), added.node(), gamma.node(), beta.node()];
        let prepared = Activate.prepare::<C>(nodes).compute_bound().stateful();
        let [x, added, gamma, beta] = [x, added, gamma, beta].map(|one| one.into_primitive());
        match prepared {
            OpsKind::Tracked(prepared) => {
                let (device, [models, _]) = (x.device(), sizes(&added));
                let mut sums = values::<B>(x);
                arithmetic::add_rows(&mut sums, &values::<B>(added));
                let mut out = sums.copy();
                kernels::gelu_norm(&mut out, &norm::<B>(gamma.clone(), beta.clone()));
                let state = (tensor::<B>(sums, &device), gamma, beta, models);
                prepared.finish(state, tensor::<B>(out, &device))
            }
            OpsKind::UnTracked(prepared) => prepared.finish(B::activate(x, added, gamma, beta)),
        }
    }

    fn gaps(
        z: FloatTensor<Self>,
        scale: FloatTensor<Self>,
        shift: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let nodes = [z.node(), scale.node(), shift.node()];
        let prepared = Gaps.prepare::<C>(nodes).compute_bound().stateful();
        let inputs = [z, scale, shift].map(|one| one.into_primitive());
        let [z, scale, shift] = inputs.clone();
        let out = B::gaps(z, scale, shift);
        match prepared {
            OpsKind::Tracked(prepared) => prepared.finish(inputs, out),
            OpsKind::UnTracked(prepared) => prepared.finish(out),
        }
    }

    fn mix(
        weight: FloatTensor<Self>,
        scale: FloatTensor<Self>,
        projection: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let nodes = [weight.node(), scale.node(), projection.node()];
        let prepared = Mix.prepare::<C>(nodes).compute_bound().stateful();
        let inputs = [weight, scale, projection].map(|one| one.into_primitive());
        let [weight, scale, projection] = inputs.clone();
        let out = B::mix(weight, scale, projection);
        match prepared {
            OpsKind::Tracked(prepared) => prepared.finish(inputs, out),
            OpsKind::UnTracked(prepared) => prepared.finish(out),
        }
    }
}

/// The way back of [`Operations::activate`].
#[derive(Debug)]
struct Activate;

impl<B: Backend> Backward<B, 4> for Activate {
    /// `x + c`, `γ`, `β` and how many rows `c` has.
    type State = (FloatTensor<B>, FloatTensor<B>, FloatTensor<B>, usize);

    fn backward(self, ops: Ops<Self::State, 4>, grads: &mut Gradients, _: &mut Checkpointer) {
        let gradient = grads.consume::<B>(&ops.node);
        let (sums, gamma, beta, models) = ops.state;
        let (device, [_, width]) = (gradient.device(), sizes(&gradient));
        let mut gradient = values::<B>(gradient);
        let norm = norm::<B>(gamma, beta);
        let found = kernels::gelu_norm_backward(&mut gradient, &values::<B>(sums), &norm);
        let added = match models {
            1 => found.added.to_vec(),
            _ => arithmetic::sum_rows(&gradient, models * width),
        };
        let added = TensorData::new(added, [models, width]);
        let found = [
            tensor::<B>(gradient, &device),
            B::float_from_data(added, &device),
            tensor::<B>(found.gamma, &device),
            tensor::<B>(found.beta, &device),
        ];
        for (parent, gradient) in ops.parents.into_iter().zip(found) {
            if let Some(parent) = parent {
                grads.register::<B>(parent.id, gradient);
            }
        }
    }
}

/// The way back of [`Operations::gaps`].
#[derive(Debug)]
struct Gaps;

impl<B: Backend> Backward<B, 3> for Gaps {
    type State = [FloatTensor<B>; 3];

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let gradient = grads.consume::<B>(&ops.node);
        let (device, shapes) = (gradient.device(), ops.state.each_ref().map(sizes));
        let [z, scale, shift] = ops.state.map(values::<B>);
        let gradient = values::<B>(gradient);
        let found = arithmetic::gaps_backward(&gradient, &z, [&scale, &shift], shapes[0][1]);
        for ((parent, values), shape) in ops.parents.into_iter().zip(found).zip(shapes) {
            if let Some(parent) = parent {
                let gradient = B::float_from_data(TensorData::new(values, shape), &device);
                grads.register::<B>(parent.id, gradient);
            }
        }
    }
}

/// The way back of [`Operations::mix`].
#[derive(Debug)]
struct Mix;

impl<B: Backend> Backward<B, 3> for Mix {
    type State = [FloatTensor<B>; 3];

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let gradient = grads.consume::<B>(&ops.node);
        let (device, shapes) = (gradient.device(), ops.state.each_ref().map(sizes));
        let [weight, scale, projection] = ops.state.map(values::<B>);
        let layer = FirstLayer {
            weight: &weight,
            width: shapes[1][1],
            hidden: shapes[0][1],
        };
        let found = layer.mix_backward(&values::<B>(gradient), [&scale, &projection]);
        for ((parent, values), shape) in ops.parents.into_iter().zip(found).zip(shapes) {
            if let Some(parent) = parent {
                let gradient = B::float_from_data(TensorData::new(values, shape), &device);
                grads.register::<B>(parent.id, gradient);
            }
        }
    }
}

fn norm<B: Backend>(gamma: FloatTensor<B>, beta: FloatTensor<B>) -> Norm {
    Norm {
        gamma: values::<B>(gamma),
        beta: values::<B>(beta),
        epsilon: NORM_EPSILON as f32,
    }
}

/// The sizes of a matrix.
fn sizes<T: TensorMetadata>(matrix: &T) -> [usize; 2] {
    matrix.shape().dims()
}

/// They are not copied if nobody else holds the tensor.
fn values<B: Backend>(tensor: FloatTensor<B>) -> Values {
    let data = read_sync(B::float_into_data(tensor));
    Values::from(data.expect("a processor's memory can be read"))
}

fn tensor<B: Backend>(values: Values, device: &Device<B>) -> FloatTensor<B> {
    B::float_from_data(values.into(), device)
}
