//! The matrix products of all networks: in half the bits where the precision is mixed.

use std::cell::Cell;

use burn::nn::Linear;
use burn::tensor::{FloatDType, Tensor};

use crate::Precision;

thread_local! {
    /// The numbers that are multiplied on this thread, where they are not those of the tensors.
    static FACTORS: Cell<Option<FloatDType>> = const { Cell::new(None) };
}

/// What a thread that takes over a part of the work has to multiply in, see [`Factors::of_this_thread`].
#[derive(Clone, Copy)]
pub(crate) struct Factors(Option<FloatDType>);

impl Factors {
    pub(crate) fn of(precision: Precision) -> Self {
        Self(precision.factors())
    }

    pub(crate) fn of_this_thread() -> Self {
        Self(FACTORS.get())
    }

    /// Does `work` with products of these numbers.
    pub(crate) fn within<T>(self, work: impl FnOnce() -> T) -> T {
        struct Restore(Option<FloatDType>);
        impl Drop for Restore {
            fn drop(&mut self) {
                FACTORS.set(self.0);
            }
        }
        let _restore = Restore(FACTORS.replace(self.0));
        work()
    }
}

/// `a · b`: `[rows, inner]`, `[inner, columns]`.
pub(crate) fn product(a: Tensor<2>, b: Tensor<2>) -> Tensor<2> {
    match FACTORS.get() {
        None => a.matmul(b),
        Some(factors) => {
            let own: FloatDType = a.dtype().into();
            a.cast(factors).matmul(b.cast(factors)).cast(own)
        }
    }
}

/// `x · W + b`: `[rows, inputs]` to `[rows, outputs]`.
pub(crate) fn linear(layer: &Linear, x: Tensor<2>) -> Tensor<2> {
    if FACTORS.get().is_none() {
        return layer.forward(x);
    }
    let sums = product(x, layer.weight.val());
    match &layer.bias {
        Some(bias) => sums + bias.val().unsqueeze(),
        None => sums,
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{DType, Device};

    use super::*;
    use crate::init::{Init, Initializer};
    use crate::reference::tensor;

    #[test]
    fn products_are_rounded_only_within() {
        let device = Device::flex();
        let layer = Initializer::new(1, &device).linear(2, 1, Init::FanIn);
        let x = tensor(&[vec![1.001, 2.003]], &device);
        let exact = linear(&layer, x.clone()).into_scalar::<f32>();
        let mixed = Factors::of(Precision::MixedBF16).within(|| {
            let inner = Factors::of_this_thread();
            let found = std::thread::scope(|scope| {
                let thread = scope.spawn(|| inner.within(|| linear(&layer, x.clone())));
                thread.join().unwrap()
            });
            assert_eq!(found.dtype(), DType::F32);
            found.into_scalar::<f32>()
        });
        assert_ne!(mixed, exact);
        assert!((mixed - exact).abs() < 2e-2);
        assert_eq!(linear(&layer, x).into_scalar::<f32>(), exact);
    }
}
