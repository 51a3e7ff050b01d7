//! The operations of the network between its matrix products.
//!
//! On processors each is one pass over memory, vectorised, on graphics cards one kernel, with a way back of its own: an
//! [`extension`](super::extension) of Burn's backends, which make one pass or launch one kernel per operation. Elsewhere they are composed of
//! Burn's operations.

use burn::backend::Dispatch;
use burn::nn::LayerNorm;
use burn::tensor::{DType, Tensor};

use super::extension::Operations;
use crate::kernels;

/// Whether the operations of a tensor are those of the extension.
pub(super) fn are_fused(x: &Tensor<2>) -> bool {
    kernels::are_on(&x.device()) && x.dtype() == DType::F32
}

/// `LayerNorm(GELU(x + c))`.
///
/// `x`: `[rows, width]`; `added`: `c`, `[1, width]`, or `[models, width]` where row after row of `x` belongs to another model.
pub(super) fn activate(x: Tensor<2>, added: Tensor<2>, norm: &LayerNorm) -> Tensor<2> {
    if are_fused(&x) {
        let beta = norm.beta.as_ref().expect("the norm has a shift").val();
        return Tensor::from_dispatch(<Dispatch as Operations>::activate(
            x.into_dispatch(),
            added.into_dispatch(),
            norm.gamma.val().into_dispatch(),
            beta.into_dispatch(),
        ));
    }
    composed::activate(x, added, norm)
}

/// `|γ_m ⊙ z + s_m|` of all models of all queries, `[queries · models, d]`.
///
/// `z`: `[queries, d]`; `scale`, `shift`: `γ` and `s`, `[models, d]`.
pub(super) fn gaps(z: Tensor<2>, scale: Tensor<2>, shift: Tensor<2>) -> Tensor<2> {
    if are_fused(&z) {
        return Tensor::from_dispatch(<Dispatch as Operations>::gaps(
            z.into_dispatch(),
            scale.into_dispatch(),
            shift.into_dispatch(),
        ));
    }
    composed::gaps(z, scale, shift)
}

/// `G_m = diag(γ_m) (W1 + diag(p_m) W3)` of all models side by side, `[d, models · h]`.
///
/// `weight`: `[W1 ; W2 ; W3 ; W4]`, `[4d, h]`, or `[W1 ; W2]` without interaction; `scale`, `projection`: `γ` and `p`, `[models, d]`.
pub(super) fn mix(weight: Tensor<2>, scale: Tensor<2>, projection: Tensor<2>) -> Tensor<2> {
    if are_fused(&weight) {
        return Tensor::from_dispatch(<Dispatch as Operations>::mix(
            weight.into_dispatch(),
            scale.into_dispatch(),
            projection.into_dispatch(),
        ));
    }
    composed::mix(weight, scale, projection)
}

/// The same of Burn's operations, on any device.
pub(super) mod composed {
    use burn::nn::LayerNorm;
    use burn::tensor::Tensor;

    pub(in super::super) fn activate(
        x: Tensor<2>,
        added: Tensor<2>,
        norm: &LayerNorm,
    ) -> Tensor<2> {
        let ([rows, width], [models, _]) = (x.dims(), added.dims());
        let x = x.reshape([rows / models, models, width]) + added.unsqueeze::<3>();
        norm.forward(gelu(x.reshape([rows, width])))
    }

    pub(in super::super) fn gaps(z: Tensor<2>, scale: Tensor<2>, shift: Tensor<2>) -> Tensor<2> {
        let ([queries, width], [models, _]) = (z.dims(), scale.dims());
        let scaled = z.unsqueeze_dim::<3>(1) * scale.unsqueeze::<3>(); // [queries, models, d]
        let gaps = (scaled + shift.unsqueeze::<3>()).abs();
        gaps.reshape([queries * models, width])
    }

    pub(in super::super) fn mix(
        weight: Tensor<2>,
        scale: Tensor<2>,
        projection: Tensor<2>,
    ) -> Tensor<2> {
        let ([rows, hidden], [models, width]) = (weight.dims(), scale.dims());
        let block = |index: usize| {
            let rows = index * width..(index + 1) * width;
            let block = weight.clone().slice([rows, 0..hidden]);
            block.unsqueeze_dim::<3>(1) // [d, 1, h]
        };
        let by_model = |values: Tensor<2>| values.transpose().unsqueeze_dim::<3>(2); // [d, models, 1]
        let mut mixed = block(0);
        if rows > 2 * width {
            mixed = mixed + block(2) * by_model(projection);
        }
        (mixed * by_model(scale)).reshape([width, models * hidden])
    }

    /// Exact GELU, `x · Φ(x)`. Burn's own operation has the derivative of the tanh approximation on some backends, which
    /// is off by up to 3e-4; composed of `erf`, value and derivative are exact on all.
    fn gelu(x: Tensor<2>) -> Tensor<2> {
        x.clone() * ((x * std::f32::consts::FRAC_1_SQRT_2).erf() + 1.0) * 0.5
    }
}
