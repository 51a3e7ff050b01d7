//! Losses of single cells: a score and what it should be.

use burn::tensor::{Tensor, activation};

/// Mean squared error over all entries, or over those where `measured` is 1 and not 0; 0, with gradients 0, where there is none.
///
/// All `[queries, models]`; returns `[1]`.
pub(crate) fn squared_error(
    predicted: Tensor<2>,
    target: Tensor<2>,
    measured: Option<Tensor<2>>,
) -> Tensor<1> {
    let error = predicted - target;
    match measured {
        None => (error.clone() * error).mean(),
        Some(measured) => {
            let error = error * measured.clone();
            (error.clone() * error).sum() / measured.sum().clamp_min(1.0)
        }
    }
}

/// Mean binary cross-entropy of logits against probabilities, `-t ln σ(z) - (1 - t) ln σ(-z)`, over all entries, or over those
/// where `measured` is 1 and not 0; 0, with gradients 0, where there is none.
///
/// All `[queries, models]`; returns `[1]`.
pub(crate) fn binary_cross_entropy(
    logits: Tensor<2>,
    target: Tensor<2>,
    measured: Option<Tensor<2>>,
) -> Tensor<1> {
    // With ln σ(-z) = ln σ(z) - z; ln σ stays finite for large logits, where the logarithm of σ would not.
    let losses = logits.clone() * (target.neg() + 1.0) - activation::log_sigmoid(logits);
    match measured {
        None => losses.mean(),
        Some(measured) => (losses * measured.clone()).sum() / measured.sum().clamp_min(1.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::{assert_close, backends, check_loss, reference, tensor, values};

    #[test]
    fn binary_cross_entropy_matches_the_reference() {
        let case = reference().binary_cross_entropy;
        for backend in backends() {
            let device = backend.device().clone().autodiff();
            let target = tensor(&case.target, &device);
            let expected = (case.loss, &case.gradient);
            check_loss("cross-entropy", &case.logits, &device, expected, |logits| {
                binary_cross_entropy(logits, target.clone(), None)
            });
        }
    }

    /// Burn's own GELU has an approximate derivative on some backends; these are used as they are.
    #[test]
    fn the_activations_in_use_have_exact_derivatives() {
        let points: Vec<f32> = (-40..=40).map(|step| step as f32 / 4.0).collect();
        let sigmoid = |x: f32| 1.0 / (1.0 + (-x).exp());
        for backend in backends() {
            let device = backend.device().clone().autodiff();
            let check = |what: &str, f: fn(Tensor<2>) -> Tensor<2>, df: &dyn Fn(f32) -> f32| {
                let x = tensor(std::slice::from_ref(&points), &device).require_grad();
                let gradient = x.grad(&f(x.clone()).sum().backward()).unwrap();
                let expected: Vec<f32> = points.iter().map(|&x| df(x)).collect();
                assert_close(
                    &format!("{what} on {}", backend.name()),
                    &values(gradient),
                    &expected,
                );
            };
            check("σ", activation::sigmoid, &|x| sigmoid(x) * sigmoid(-x));
            check("ln σ", activation::log_sigmoid, &|x| sigmoid(-x));
            check("tanh", Tensor::tanh, &|x| 1.0 - x.tanh() * x.tanh());
            check("relu", activation::relu, &|x| f32::from(x > 0.0));
            // The first of two: softmax is σ of the difference.
            let first = |x: Tensor<2>| {
                let pairs = Tensor::cat(vec![x.clone(), x.zeros_like()], 0); // [2, points]
                activation::softmax(pairs, 0).narrow(0, 0, 1)
            };
            check("softmax", first, &|x| sigmoid(x) * sigmoid(-x));
            let first = |x: Tensor<2>| {
                let pairs = Tensor::cat(vec![x.clone(), x.zeros_like()], 0);
                activation::log_softmax(pairs, 0).narrow(0, 0, 1)
            };
            check("ln softmax", first, &|x| sigmoid(-x));
        }
    }
}
