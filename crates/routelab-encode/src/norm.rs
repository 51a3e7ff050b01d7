//! Layer normalisation.

use burn::module::Module;
use burn::nn::{LayerNorm, LayerNormConfig};
use burn::tensor::{Device, Tensor};

use crate::EncodeError;
use crate::weights::Weights;

/// `γ (x - mean) / sqrt(variance + ε) + β` of every row (Ba et al. 2016): one kernel on graphics cards, Burn's operations elsewhere.
#[derive(Module, Debug)]
pub(crate) struct Norm {
    norm: LayerNorm,
    #[module(skip)]
    epsilon: f64,
}

impl Norm {
    /// Loads from `{prefix}.weight` and `{prefix}.bias`.
    pub fn load(
        weights: &Weights,
        prefix: &str,
        config: &LayerNormConfig,
        device: &Device,
    ) -> Result<Self, EncodeError> {
        let (shape, mut norm) = ([config.d_model], config.init(device));
        norm.gamma = weights.parameter(&format!("{prefix}.weight"), shape, device)?;
        norm.beta = Some(weights.parameter(&format!("{prefix}.bias"), shape, device)?);
        Ok(Self {
            norm,
            epsilon: config.epsilon,
        })
    }

    /// [rows, width] → [rows, width]
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        #[cfg(feature = "cubecl")]
        if let Some(beta) = &self.norm.beta {
            let (gamma, beta) = (self.norm.gamma.val(), beta.val());
            if let Some(normal) = crate::card::layer_norm(&x, gamma, beta, self.epsilon) {
                return normal;
            }
        }
        self.norm.forward(x)
    }
}
