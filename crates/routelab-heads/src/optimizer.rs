//! Adam, in one pass over memory where the processor computes, in one kernel on graphics cards.

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, Flex, TensorMetadata, backend_extension};
use burn::optim::{
    Adam, AdamConfig, AdamState, AdaptiveMomentumState, LearningRate, ModuleOptimizer, Optimizer,
};
use burn::tensor::{Device, Tensor};
#[cfg(feature = "cubecl")]
use burn_cubecl::CubeBackend;

#[cfg(feature = "cubecl")]
use crate::cube;
use crate::kernels::{self, AdamStep, Values};

const BETA_1: f32 = 0.9;
const BETA_2: f32 = 0.999;
const EPSILON: f32 = 1e-8;

/// Adam with the settings of its authors (Kingma & Ba 2015): `β₁ = 0.9`, `β₂ = 0.999`, `ε = 1e-8`.
pub(crate) fn adam() -> ModuleOptimizer {
    let config = AdamConfig::new()
        .with_beta_1(BETA_1)
        .with_beta_2(BETA_2)
        .with_epsilon(EPSILON);
    ModuleOptimizer::from(InOnePass(config.build()))
}

/// A step of Adam as an extension of Burn's backends.
#[backend_extension(
    Flex,
    NdArray: cfg(feature = "ndarray"),
    Cube: cfg(feature = "cubecl"),
    Fusion: cfg(feature = "cubecl")
)]
pub trait OneStep: Backend {
    /// The values and both moments after a step; all of one shape, in single precision.
    #[fusion(meta = |values, moment_1, moment_2, _, _| (values.clone(), moment_1.clone(), moment_2.clone()))]
    fn adam(
        values: FloatTensor<Self>,
        moment_1: FloatTensor<Self>,
        moment_2: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        step: AdamStep,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        let device = values.device();
        let [mut values, mut moment_1, mut moment_2] =
            [values, moment_1, moment_2].map(Values::of::<Self>);
        kernels::adam(
            &mut values,
            &mut moment_1,
            &mut moment_2,
            &Values::of::<Self>(gradient),
            step,
        );
        let [values, moment_1, moment_2] = [values, moment_1, moment_2]
            .map(|values| Self::float_from_data(values.into(), &device));
        (values, moment_1, moment_2)
    }
}

impl OneStep for Flex {}

#[cfg(feature = "ndarray")]
impl OneStep for burn::backend::NdArray {}

#[cfg(feature = "cubecl")]
impl OneStep for CubeBackend {
    fn adam(
        values: FloatTensor<Self>,
        moment_1: FloatTensor<Self>,
        moment_2: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        step: AdamStep,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        cube::adam(values, moment_1, moment_2, gradient, step).into()
    }
}

/// Burn's Adam, but all operations on a parameter in one step where there are kernels for that, with the same numbers.
#[derive(Clone)]
struct InOnePass(Adam);

impl Optimizer for InOnePass {
    type State<const D: usize> = AdamState<D>;

    fn step<const D: usize>(
        &self,
        learning_rate: LearningRate,
        tensor: Tensor<D>,
        gradient: Tensor<D>,
        state: Option<AdamState<D>>,
    ) -> (Tensor<D>, Option<AdamState<D>>) {
        if !kernels::are_on(&tensor.device()) || tensor.device().is_autodiff() {
            return self.0.step(learning_rate, tensor, gradient, state);
        }
        let (time, moment_1, moment_2) = match state {
            Some(AdamState { momentum }) => {
                (momentum.time + 1, momentum.moment_1, momentum.moment_2)
            }
            None => (1, tensor.zeros_like(), tensor.zeros_like()),
        };
        let root = (1.0 - BETA_2.powi(time as i32)).sqrt();
        let step = AdamStep {
            beta_1: BETA_1,
            beta_2: BETA_2,
            correction: root / (1.0 - BETA_1.powi(time as i32)),
            epsilon: EPSILON * root,
            learning_rate: learning_rate as f32,
        };
        let (tensor, moment_1, moment_2) = <Dispatch as OneStep>::adam(
            tensor.into_dispatch(),
            moment_1.into_dispatch(),
            moment_2.into_dispatch(),
            gradient.into_dispatch(),
            step,
        );
        let [tensor, moment_1, moment_2] = [tensor, moment_1, moment_2].map(Tensor::from_dispatch);
        let momentum = AdaptiveMomentumState::new(time, moment_1, moment_2);
        (tensor, Some(AdamState::new(momentum)))
    }

    fn to_device<const D: usize>(state: AdamState<D>, device: &Device) -> AdamState<D> {
        Adam::to_device(state, device)
    }
}

#[cfg(test)]
mod tests {
    use burn::module::Module;
    use burn::nn::Linear;
    use burn::optim::GradientsParams;
    use burn::tensor::TensorData;

    use super::*;
    use crate::Backend as Chosen;
    use crate::init::{Init, Initializer};
    use crate::reference::{card_backends, cpu_backends};

    /// A layer after five steps.
    fn trained(device: &Device, mut optimizer: ModuleOptimizer) -> Vec<f32> {
        let mut layer: Linear = Initializer::new(5, device).linear(301, 7, Init::FanIn);
        for step in 0..5 {
            let x: Vec<f32> = (0..4 * 301)
                .map(|i| ((i * 7 + step) % 11) as f32 - 5.0)
                .collect();
            let x = Tensor::<2>::from_data(TensorData::new(x, [4, 301]), device);
            let loss = (layer.forward(x) - 0.5).square().mean();
            let gradients = GradientsParams::from_grads(loss.backward(), &layer);
            layer = optimizer.step(1e-2, layer, gradients);
        }
        let weight = layer.valid().weight.val().into_data();
        weight.try_into_vec::<f32>().unwrap()
    }

    fn check_steps(backend: &Chosen) {
        let plain = AdamConfig::new().with_epsilon(EPSILON).init();
        let expected = trained(&Device::flex().autodiff(), plain);
        let found = trained(&backend.device().clone().autodiff(), adam());
        for (found, expected) in found.iter().zip(&expected) {
            assert!(
                (found - expected).abs() <= 1e-6,
                "{found} instead of {expected} on {backend}"
            );
        }
    }

    #[test]
    fn a_step_in_one_pass_has_the_numbers_of_burns_adam() {
        cpu_backends().iter().for_each(check_steps);
    }

    #[test]
    fn a_step_in_one_kernel_of_cards_has_the_numbers_of_burns_adam() {
        card_backends().iter().for_each(check_steps);
    }
}
