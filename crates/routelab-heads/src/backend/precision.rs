//! The numbers in which a network predicts.

use std::fmt;
use std::str::FromStr;

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{Device, FloatDType, Tensor};
use serde::Serialize;

/// A type of floating-point numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// Single precision: 24 significant bits.
    #[default]
    F32,
    /// Half precision: 11 significant bits, up to 65504.
    F16,
    /// Brain floating point: 8 significant bits, the range of single precision.
    BF16,
}

impl Precision {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::F32, Self::F16, Self::BF16];

    /// The name on the command line.
    pub fn name(&self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::BF16 => "bf16",
        }
    }

    /// Those in which a device stores numbers and computes.
    pub(super) fn of(device: &Device) -> Vec<Self> {
        let supported = |precision: &Self| device.supports_dtype(precision.dtype());
        Self::ALL.into_iter().filter(supported).collect()
    }

    pub(crate) fn dtype(self) -> FloatDType {
        match self {
            Self::F32 => FloatDType::F32,
            Self::F16 => FloatDType::F16,
            Self::BF16 => FloatDType::BF16,
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
        precision.ok_or_else(|| "expected `f32`, `f16` or `bf16`".to_owned())
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
