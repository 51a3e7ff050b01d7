//! EquiRouter's operations as an extension of Burn's backends, each with a way back of its own: on processors one pass over memory, on
//! graphics cards one kernel.

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::{Device, FloatTensor};
use burn::backend::{Autodiff, Backend, Flex, TensorMetadata, backend_extension};
use burn::tensor::TensorData;
#[cfg(feature = "cubecl")]
use burn_cubecl::CubeBackend;

use super::arithmetic::{self, FirstLayer};
#[cfg(feature = "cubecl")]
use crate::cube;
use crate::kernels::{self, Norm, Values};

/// Added to the variance by the layer norms.
pub(super) const NORM_EPSILON: f64 = 1e-5;

/// What `operations.rs` has composed of Burn's own operations as well. All tensors are in single precision.
#[backend_extension(
    Flex,
    NdArray: cfg(feature = "ndarray"),
    Cube: cfg(feature = "cubecl"),
    Fusion: cfg(feature = "cubecl"),
    Autodiff
)]
pub trait Operations: Backend {
    /// `LayerNorm(GELU(x + c))`: `x` `[rows, width]`, `c` `[1 or models, width]`, `γ` and `β` of the norm.
    #[fusion(dtype = x, shape = x)]
    fn activate(
        x: FloatTensor<Self>,
        added: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let device = x.device();
        let (mut x, norm) = (Values::of::<Self>(x), norm::<Self>(gamma, beta));
        arithmetic::add_rows(&mut x, &Values::of::<Self>(added));
        kernels::gelu_norm(&mut x, &norm);
        tensor::<Self>(x, &device)
    }

    /// `|γ_m ⊙ z + s_m|`, `[queries · models, d]`: `z` `[queries, d]`, `γ` and `s` `[models, d]`.
    #[fusion(dtype = z, shape = shapes::gaps(z, scale))]
    fn gaps(
        z: FloatTensor<Self>,
        scale: FloatTensor<Self>,
        shift: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let (device, [queries, width]) = (z.device(), sizes(&z));
        let [models, _] = sizes(&scale);
        let mut out = Values::zeros([queries * models, width]);
        let [z, scale, shift] = [z, scale, shift].map(Values::of::<Self>);
        arithmetic::gaps(&z, [&scale, &shift], width, &mut out);
        tensor::<Self>(out, &device)
    }

    /// All `G_m` side by side, `[d, models · h]`: the head's first layer `[4d or 2d, h]`, `γ` and `p` `[models, d]`.
    #[fusion(dtype = weight, shape = shapes::mix(weight, scale))]
    fn mix(
        weight: FloatTensor<Self>,
        scale: FloatTensor<Self>,
        projection: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let (device, [_, hidden]) = (weight.device(), sizes(&weight));
        let [models, width] = sizes(&scale);
        let [weight, scale, projection] = [weight, scale, projection].map(Values::of::<Self>);
        let layer = FirstLayer {
            weight: &weight,
            width,
            hidden,
        };
        let mixed = TensorData::new(layer.mix([&scale, &projection]), [width, models * hidden]);
        Self::float_from_data(mixed, &device)
    }
}

/// The ways back of [`Operations`].
#[backend_extension(
    Flex,
    NdArray: cfg(feature = "ndarray"),
    Cube: cfg(feature = "cubecl"),
    Fusion: cfg(feature = "cubecl")
)]
pub trait WaysBack: Backend {
    /// `x + c`, which the way back needs, and what [`Operations::activate`] gives.
    #[fusion(meta = |x, _, _, _| (x.clone(), x.clone()))]
    fn activate_with_sums(
        x: FloatTensor<Self>,
        added: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        let device = x.device();
        let mut sums = Values::of::<Self>(x);
        arithmetic::add_rows(&mut sums, &Values::of::<Self>(added));
        let mut out = sums.copy();
        kernels::gelu_norm(&mut out, &norm::<Self>(gamma, beta));
        (tensor::<Self>(sums, &device), tensor::<Self>(out, &device))
    }

    /// From the gradient of what [`Operations::activate`] gives to those of `x`, `c`, `γ` and `β`.
    #[fusion(meta = |_, sums, gamma, beta, models| shapes::activate_backward(sums, gamma, beta, *models))]
    fn activate_backward(
        gradient: FloatTensor<Self>,
        sums: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        models: usize,
    ) -> (
        FloatTensor<Self>,
        FloatTensor<Self>,
        FloatTensor<Self>,
        FloatTensor<Self>,
    ) {
        let (device, [_, width]) = (gradient.device(), sizes(&gradient));
        let mut gradient = Values::of::<Self>(gradient);
        let norm = norm::<Self>(gamma, beta);
        let found = kernels::gelu_norm_backward(&mut gradient, &Values::of::<Self>(sums), &norm);
        let added = match models {
            1 => found.added.to_vec(),
            _ => arithmetic::sum_rows(&gradient, models * width),
        };
        let added = TensorData::new(added, [models, width]);
        (
            tensor::<Self>(gradient, &device),
            Self::float_from_data(added, &device),
            tensor::<Self>(found.gamma, &device),
            tensor::<Self>(found.beta, &device),
        )
    }

    /// From the gradient of what [`Operations::gaps`] gives to those of `z`, `γ` and `s`.
    #[fusion(meta = |_, z, scale, shift| (z.clone(), scale.clone(), shift.clone()))]
    fn gaps_backward(
        gradient: FloatTensor<Self>,
        z: FloatTensor<Self>,
        scale: FloatTensor<Self>,
        shift: FloatTensor<Self>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        let (device, shapes) = (gradient.device(), [&z, &scale, &shift].map(sizes));
        let [z, scale, shift] = [z, scale, shift].map(Values::of::<Self>);
        let gradient = Values::of::<Self>(gradient);
        let found = arithmetic::gaps_backward(&gradient, &z, [&scale, &shift], shapes[0][1]);
        tensors::<Self>(found, shapes, &device)
    }

    /// From the gradient of what [`Operations::mix`] gives to those of the layer, of `γ` and of `p`.
    #[fusion(meta = |_, weight, scale, projection| (weight.clone(), scale.clone(), projection.clone()))]
    fn mix_backward(
        gradient: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        scale: FloatTensor<Self>,
        projection: FloatTensor<Self>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        let inputs = [&weight, &scale, &projection];
        let (device, shapes) = (gradient.device(), inputs.map(sizes));
        let [weight, scale, projection] = [weight, scale, projection].map(Values::of::<Self>);
        let layer = FirstLayer {
            weight: &weight,
            width: shapes[1][1],
            hidden: shapes[0][1],
        };
        let found = layer.mix_backward(&Values::of::<Self>(gradient), [&scale, &projection]);
        tensors::<Self>(found, shapes, &device)
    }
}

impl Operations for Flex {}

impl WaysBack for Flex {}

#[cfg(feature = "ndarray")]
impl Operations for burn::backend::NdArray {}

#[cfg(feature = "ndarray")]
impl WaysBack for burn::backend::NdArray {}

/// What the lazy backend has to know of results before they are computed.
#[cfg(feature = "cubecl")]
mod shapes {
    use burn::backend::fusion::custom::TensorSpec;
    use burn::tensor::Shape;

    pub(super) fn gaps(z: &Shape, scale: &Shape) -> Shape {
        [z[0] * scale[0], z[1]].into()
    }

    pub(super) fn mix(weight: &Shape, scale: &Shape) -> Shape {
        [scale[1], scale[0] * weight[1]].into()
    }

    pub(super) fn activate_backward(
        sums: &TensorSpec,
        gamma: &TensorSpec,
        beta: &TensorSpec,
        models: usize,
    ) -> (TensorSpec, TensorSpec, TensorSpec, TensorSpec) {
        let added = TensorSpec::new([models, sums.shape[1]].into(), sums.dtype);
        (sums.clone(), added, gamma.clone(), beta.clone())
    }
}

#[cfg(feature = "cubecl")]
impl Operations for CubeBackend {
    fn activate(
        x: FloatTensor<Self>,
        added: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        cube::activate(x, added, gamma, beta, NORM_EPSILON as f32, false).1
    }

    fn gaps(
        z: FloatTensor<Self>,
        scale: FloatTensor<Self>,
        shift: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        cube::gaps(z, scale, shift)
    }

    fn mix(
        weight: FloatTensor<Self>,
        scale: FloatTensor<Self>,
        projection: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        cube::mix(weight, scale, projection)
    }
}

#[cfg(feature = "cubecl")]
impl WaysBack for CubeBackend {
    fn activate_with_sums(
        x: FloatTensor<Self>,
        added: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        cube::activate(x, added, gamma, beta, NORM_EPSILON as f32, true)
    }

    fn activate_backward(
        gradient: FloatTensor<Self>,
        sums: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        _: FloatTensor<Self>,
        models: usize,
    ) -> (
        FloatTensor<Self>,
        FloatTensor<Self>,
        FloatTensor<Self>,
        FloatTensor<Self>,
    ) {
        cube::activate_backward(gradient, sums, gamma, models, NORM_EPSILON as f32).into()
    }

    fn gaps_backward(
        gradient: FloatTensor<Self>,
        z: FloatTensor<Self>,
        scale: FloatTensor<Self>,
        shift: FloatTensor<Self>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        cube::gaps_backward(gradient, z, scale, shift).into()
    }

    fn mix_backward(
        gradient: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        scale: FloatTensor<Self>,
        projection: FloatTensor<Self>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        cube::mix_backward(gradient, weight, scale, projection).into()
    }
}

impl<B: Operations + WaysBack, C: CheckpointStrategy> Operations for Autodiff<B, C> {
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
                let [models, _] = sizes(&added);
                let (sums, out) = B::activate_with_sums(x, added, gamma.clone(), beta.clone());
                prepared.finish((sums, gamma, beta, models), out)
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

/// Hands gradients to the inputs that want one.
macro_rules! register {
    ($backend:ty, $parents:expr, $found:expr, $grads:expr) => {
        for (parent, gradient) in $parents.into_iter().zip(<[_; _]>::from($found)) {
            if let Some(parent) = parent {
                $grads.register::<$backend>(parent.id, gradient);
            }
        }
    };
}

/// The way back of [`Operations::activate`].
#[derive(Debug)]
struct Activate;

impl<B: WaysBack> Backward<B, 4> for Activate {
    /// `x + c`, `γ`, `β` and how many rows `c` has.
    type State = (FloatTensor<B>, FloatTensor<B>, FloatTensor<B>, usize);

    fn backward(self, ops: Ops<Self::State, 4>, grads: &mut Gradients, _: &mut Checkpointer) {
        let gradient = grads.consume::<B>(&ops.node);
        let (sums, gamma, beta, models) = ops.state;
        let found = B::activate_backward(gradient, sums, gamma, beta, models);
        register!(B, ops.parents, found, grads);
    }
}

/// The way back of [`Operations::gaps`].
#[derive(Debug)]
struct Gaps;

impl<B: WaysBack> Backward<B, 3> for Gaps {
    type State = [FloatTensor<B>; 3];

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let gradient = grads.consume::<B>(&ops.node);
        let [z, scale, shift] = ops.state;
        let found = B::gaps_backward(gradient, z, scale, shift);
        register!(B, ops.parents, found, grads);
    }
}

/// The way back of [`Operations::mix`].
#[derive(Debug)]
struct Mix;

impl<B: WaysBack> Backward<B, 3> for Mix {
    type State = [FloatTensor<B>; 3];

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let gradient = grads.consume::<B>(&ops.node);
        let [weight, scale, projection] = ops.state;
        let found = B::mix_backward(gradient, weight, scale, projection);
        register!(B, ops.parents, found, grads);
    }
}

fn norm<B: Backend>(gamma: FloatTensor<B>, beta: FloatTensor<B>) -> Norm {
    Norm {
        gamma: Values::of::<B>(gamma),
        beta: Values::of::<B>(beta),
        epsilon: NORM_EPSILON as f32,
    }
}

/// The sizes of a matrix.
fn sizes<T: TensorMetadata>(matrix: &T) -> [usize; 2] {
    matrix.shape().dims()
}

fn tensor<B: Backend>(values: Values, device: &Device<B>) -> FloatTensor<B> {
    B::float_from_data(values.into(), device)
}

fn tensors<B: Backend>(
    values: [Vec<f32>; 3],
    shapes: [[usize; 2]; 3],
    device: &Device<B>,
) -> (FloatTensor<B>, FloatTensor<B>, FloatTensor<B>) {
    let [a, b, c] = values;
    let [a, b, c] = [(a, shapes[0]), (b, shapes[1]), (c, shapes[2])]
        .map(|(values, shape)| B::float_from_data(TensorData::new(values, shape), device));
    (a, b, c)
}
