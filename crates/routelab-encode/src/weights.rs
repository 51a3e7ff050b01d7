//! Weights of a network from a safetensors file, every tensor checked against the shape that the network needs.

use std::fs;
use std::path::{Path, PathBuf};

use burn::module::Param;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Tensor, TensorData};
use half::{bf16, f16};
use safetensors::tensor::{Dtype, Metadata, SafeTensors, TensorInfo};
use sha2::{Digest, Sha256};

use crate::EncodeError;

/// The bytes of a safetensors file and the index of its tensors.
///
/// Weights are single precision on the device whatever the file holds (F32, F16, BF16 or F64).
pub(crate) struct Weights {
    path: PathBuf,
    network: String,
    bytes: Vec<u8>,
    header: usize,
    index: Metadata,
}

impl Weights {
    /// Reads `path` as the weights of `network` (a name for messages).
    pub fn read(path: &Path, network: &str) -> Result<Self, EncodeError> {
        let bytes = fs::read(path).map_err(|e| EncodeError::io(path, "read", e))?;
        let (header, index) = SafeTensors::read_metadata(&bytes).map_err(|e| {
            let reason = format!(
                "{e} (the file has {} bytes; was the download cut off?)",
                bytes.len()
            );
            EncodeError::bad_file(path, "safetensors file", reason)
        })?;
        Ok(Self {
            path: path.to_owned(),
            network: network.to_owned(),
            // The tensors begin after the header's length (eight bytes) and the header itself.
            header: 8 + header,
            bytes,
            index,
        })
    }

    /// SHA-256 of the whole file.
    pub fn sha256(&self) -> [u8; 32] {
        Sha256::digest(&self.bytes).into()
    }

    /// The values of tensor `name`, row-major, which must have exactly this shape.
    pub fn values(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, EncodeError> {
        let info = self
            .index
            .info(name)
            .ok_or_else(|| EncodeError::MissingTensor {
                path: self.path.clone(),
                tensor: name.to_owned(),
                expected: shape.to_vec(),
                network: self.network.clone(),
            })?;
        if info.shape != shape {
            return Err(EncodeError::WrongShape {
                path: self.path.clone(),
                tensor: name.to_owned(),
                expected: shape.to_vec(),
                found: info.shape.clone(),
                network: self.network.clone(),
            });
        }
        let values = self.decode(name, info)?;
        match values.iter().position(|v| !v.is_finite()) {
            None => Ok(values),
            Some(at) => Err(EncodeError::bad_file(
                &self.path,
                "safetensors file",
                format!(
                    "tensor `{name}` has the value {} at position {at}; weights must be finite",
                    values[at]
                ),
            )),
        }
    }

    fn decode(&self, name: &str, info: &TensorInfo) -> Result<Vec<f32>, EncodeError> {
        let (start, end) = info.data_offsets;
        let bytes = &self.bytes[self.header + start..self.header + end];
        Ok(match info.dtype {
            Dtype::F32 => read_as(bytes, f32::from_le_bytes),
            Dtype::F64 => read_as(bytes, |b| f64::from_le_bytes(b) as f32),
            Dtype::F16 => read_as(bytes, |b| f16::from_le_bytes(b).to_f32()),
            Dtype::BF16 => read_as(bytes, |b| bf16::from_le_bytes(b).to_f32()),
            other => {
                return Err(EncodeError::bad_file(
                    &self.path,
                    "safetensors file",
                    format!("tensor `{name}` holds {other:?}; expected F32, F16, BF16 or F64"),
                ));
            }
        })
    }

    /// A parameter of rank `D` from tensor `name`.
    pub fn parameter<const D: usize>(
        &self,
        name: &str,
        shape: [usize; D],
        device: &Device,
    ) -> Result<Param<Tensor<D>>, EncodeError> {
        Ok(to_parameter(self.values(name, &shape)?, shape, device))
    }

    /// A linear layer from `{prefix}.weight` ([d_output, d_input] in the file) and `{prefix}.bias`.
    pub fn linear(
        &self,
        prefix: &str,
        config: &LinearConfig,
        device: &Device,
    ) -> Result<Linear, EncodeError> {
        self.joined_linear(&[prefix], config, device)
    }

    /// One linear layer that computes several layers of the file side by side: the output is the
    /// concatenation of theirs, each `config.d_output / prefixes.len()` wide.
    ///
    /// One wide multiplication is faster than three narrow ones over the same input.
    pub fn joined_linear(
        &self,
        prefixes: &[&str],
        config: &LinearConfig,
        device: &Device,
    ) -> Result<Linear, EncodeError> {
        let (inputs, outputs) = (config.d_input, config.d_output);
        let part = outputs / prefixes.len();
        // Burn multiplies by [d_input, d_output]; the file holds the transpose.
        let mut weight = vec![0.0; inputs * outputs];
        let mut bias = Vec::with_capacity(outputs);
        for (p, prefix) in prefixes.iter().enumerate() {
            let values = self.values(&format!("{prefix}.weight"), &[part, inputs])?;
            for (row, values) in values.chunks_exact(inputs).enumerate() {
                for (input, &value) in values.iter().enumerate() {
                    weight[input * outputs + p * part + row] = value;
                }
            }
            if config.bias {
                bias.extend(self.values(&format!("{prefix}.bias"), &[part])?);
            }
        }
        Ok(Linear {
            weight: to_parameter(weight, [inputs, outputs], device),
            bias: config.bias.then(|| to_parameter(bias, [outputs], device)),
        })
    }
}

/// A parameter from row-major values whose number fits the shape.
pub(crate) fn to_parameter<const D: usize>(
    values: Vec<f32>,
    shape: [usize; D],
    device: &Device,
) -> Param<Tensor<D>> {
    Param::from_tensor(Tensor::from_data(TensorData::new(values, shape), device))
}

fn read_as<const N: usize>(bytes: &[u8], read: impl Fn([u8; N]) -> f32) -> Vec<f32> {
    let (chunks, _) = bytes.as_chunks::<N>();
    chunks.iter().map(|chunk| read(*chunk)).collect()
}
