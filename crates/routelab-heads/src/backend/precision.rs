//! The numbers in which a network computes.

use std::fmt;
use std::str::FromStr;

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{Device, FloatDType, Tensor};
use serde::Serialize;

/// What a network computes in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Precision {
    /// Single precision: 24 significant bits.
    #[default]
    F32,
    /// Predictions in half precision: 11 significant bits, up to 65504. Training stays in single precision.
    F16,
    /// Predictions in brain floating point: 8 significant bits, the range of single precision. Training stays in single precision.
    #[serde(rename = "bf16")]
    BF16,
    /// Matrix products in half precision, in training and prediction; weights, optimiser and all else in single precision
    /// (Micikevicius et al. 2018).
    MixedF16,
    /// The same with brain floating point.
    #[serde(rename = "mixed-bf16")]
    MixedBF16,
}

impl Precision {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::F32,
        Self::F16,
        Self::BF16,
        Self::MixedF16,
        Self::MixedBF16,
    ];

    /// The name on the command line.
    pub fn name(&self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::BF16 => "bf16",
            Self::MixedF16 => "mixed-f16",
            Self::MixedBF16 => "mixed-bf16",
        }
    }

    /// Those in which a device stores numbers and computes.
    pub(super) fn of(device: &Device) -> Vec<Self> {
        let supported = |precision: &Self| {
            device.supports_dtype(precision.factors().unwrap_or(precision.dtype()))
        };
        Self::ALL.into_iter().filter(supported).collect()
    }

    /// The numbers that predictions are stored in.
    pub(crate) fn dtype(self) -> FloatDType {
        match self {
            Self::F32 | Self::MixedF16 | Self::MixedBF16 => FloatDType::F32,
            Self::F16 => FloatDType::F16,
            Self::BF16 => FloatDType::BF16,
        }
    }

    /// The numbers that matrix products multiply, where they are others.
    pub(crate) fn factors(self) -> Option<FloatDType> {
        match self {
            Self::F32 | Self::F16 | Self::BF16 => None,
            Self::MixedF16 => Some(FloatDType::F16),
            Self::MixedBF16 => Some(FloatDType::BF16),
        }
    }

    /// What a loss is multiplied by, so that gradients of half precision do not vanish: below 6e-8 they are 0.
    pub(crate) fn loss_scale(self) -> f32 {
        match self {
            Self::MixedF16 => 1024.0,
            Self::F32 | Self::F16 | Self::BF16 | Self::MixedBF16 => 1.0,
        }
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Precision {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let precision = Self::ALL
            .into_iter()
            .find(|precision| precision.name() == name);
        precision.ok_or_else(|| {
            let names = Self::ALL.map(|precision| format!("`{precision}`"));
            format!("expected one of {}", names.join(", "))
        })
    }
}

/// The network with all its weights in `precision`.
pub(crate) fn cast<M: Module>(network: M, precision: Precision) -> M {
    network.map(&mut Cast(precision.dtype()))
}

struct Cast(FloatDType);

impl ModuleMapper for Cast {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        param.map(|values| values.cast(self.0))
    }
}
