//! CLIP's vision tower, a vision transformer.

use std::path::Path;

use burn::module::{Module, Param};
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Tensor, TensorData};
use ndarray::{Array2, ArrayView4, aview1};
use rayon::prelude::*;
use routelab_data::hex;
use sha2::{Digest, Sha256};

use super::load::with_pixels;
use super::missing::{MissingImage, image_rows};
use super::preprocess::planes;
use crate::clip::{ClipConfig, ClipLayer};
use crate::device::{backend_name, for_each_batch, tokens_per_pass};
use crate::norm::Norm;
use crate::sequences::{Run, Sequences};
use crate::weights::{Weights, to_parameter};
use crate::{EncodeError, Encoder, Query, normalise};

/// Images that are read at a time: bounds the memory for their pixels (0.6 MB each at 224 × 224).
const READ: usize = 64;

/// CLIP's vision network without the reading of files: preprocessed pixels to features of `projection_dim` numbers.
pub struct ClipVision {
    network: Network,
    size: usize,
    patch: usize,
    dim: usize,
    /// Tokens that go through the network at once.
    pass: usize,
    device: Device,
    hash: Sha256,
}

#[derive(Module, Debug)]
struct Network {
    /// The convolution whose stride is its size is a linear layer on flattened patches, [3 · patch², width].
    patches: Linear,
    /// [1, width]
    class: Param<Tensor<2>>,
    /// [1 + patches, width]
    places: Param<Tensor<2>>,
    first_norm: Norm,
    layers: Vec<ClipLayer>,
    last_norm: Norm,
    projection: Linear,
}

impl ClipVision {
    /// Loads the vision tower from `model.safetensors` and `config.json` in `folder`, as Hugging Face publishes CLIP
    /// models of any size.
    ///
    /// # Errors
    ///
    /// A file that is missing, cut off or damaged; a tensor that is missing or of another shape.
    pub fn load(folder: &Path, device: &Device) -> Result<Self, EncodeError> {
        let path = folder.join("config.json");
        let config = ClipConfig::read(&path)?;
        let sizes = config.vision_sizes(&path)?;
        let [size, patch] = [
            config.vision_config.image_size,
            config.vision_config.patch_size,
        ];
        let weights = Weights::read(&folder.join("model.safetensors"), "CLIP's vision tower")?;
        let width = sizes.width;
        let project = LinearConfig::new(width, config.projection_dim).with_bias(false);
        let name = |part: &str| format!("vision_model.{part}");
        let network = Network {
            patches: patches(&weights, width, patch, device)?,
            class: to_parameter(
                weights.values(&name("embeddings.class_embedding"), &[width])?,
                [1, width],
                device,
            ),
            places: weights.parameter(
                &name("embeddings.position_embedding.weight"),
                [1 + (size / patch).pow(2), width],
                device,
            )?,
            // The published files spell it so.
            first_norm: Norm::load(&weights, &name("pre_layrnorm"), &sizes.norm(), device)?,
            layers: sizes.load(&name("encoder"), &weights, device)?,
            last_norm: Norm::load(&weights, &name("post_layernorm"), &sizes.norm(), device)?,
            projection: weights.linear("visual_projection", &project, device)?,
        };
        let mut hash = Sha256::new();
        hash.update(weights.sha256());
        hash.update(format!("{config:?}"));
        Ok(Self {
            network,
            size,
            patch,
            dim: config.projection_dim,
            pass: tokens_per_pass(device, sizes.hidden.max(3 * patch * patch)),
            device: device.clone(),
            hash,
        })
    }

    /// Side of the square images, in pixels.
    pub fn image_size(&self) -> usize {
        self.size
    }

    /// Features of preprocessed images, `[images, 3, size, size]` → `[images, projection_dim]`, before they are scaled to
    /// length 1.
    ///
    /// # Errors
    ///
    /// [`EncodeError::BadSetting`] for images of another shape; [`EncodeError::Backend`].
    pub fn features(&self, pixels: ArrayView4<f32>) -> Result<Array2<f32>, EncodeError> {
        let (images, channels, height, width) = pixels.dim();
        if [channels, height, width] != [3, self.size, self.size] {
            return Err(EncodeError::BadSetting {
                setting: "shape of the pixels",
                value: format!("{:?}", pixels.shape()),
                expected: format!("[images, 3, {0}, {0}]", self.size),
            });
        }
        let (image, tokens) = (3 * self.size * self.size, self.network.places.dims()[0]);
        let batch = (self.pass / tokens).max(1);
        let pixels = pixels.as_standard_layout();
        let pixels = pixels.as_slice().expect("it is in the standard layout");
        let batches = pixels.chunks(batch * image).collect();
        let features = for_each_batch(batches, &self.device, |batch| {
            let features = self
                .network
                .forward(self.flatten(batch), batch.len() / image);
            (features.try_into_vec_as()).map_err(|e| EncodeError::Backend(e.to_string()))
        })?;
        let features = features
            .into_iter()
            .flat_map(|(_, features)| features)
            .collect();
        // The network gives one row of `dim` numbers per image.
        Ok(Array2::from_shape_vec((images, self.dim), features).expect("one row per image"))
    }

    /// Patches as rows: [images · patches, 3 · patch²], channel first in each.
    fn flatten(&self, pixels: &[f32]) -> Tensor<2> {
        let (size, patch) = (self.size, self.patch);
        let row = 3 * patch * patch;
        let mut rows: Vec<f32> = Vec::with_capacity(pixels.len());
        for image in pixels.chunks_exact(3 * size * size) {
            for top in (0..size).step_by(patch) {
                for left in (0..size).step_by(patch) {
                    for plane in image.chunks_exact(size * size) {
                        for y in top..top + patch {
                            rows.extend(&plane[y * size + left..][..patch]);
                        }
                    }
                }
            }
        }
        let shape = [rows.len() / row, row];
        Tensor::from_data(TensorData::new(rows, shape), &self.device)
    }
}

/// The patch convolution [width, 3, patch, patch] as a linear layer.
fn patches(
    weights: &Weights,
    width: usize,
    patch: usize,
    device: &Device,
) -> Result<Linear, EncodeError> {
    let inputs = 3 * patch * patch;
    let kernel = weights.values(
        "vision_model.embeddings.patch_embedding.weight",
        &[width, 3, patch, patch],
    )?;
    let kernel = Array2::from_shape_vec((width, inputs), kernel).expect("as many values");
    let transposed = kernel.t().iter().copied().collect();
    Ok(Linear {
        weight: to_parameter(transposed, [inputs, width], device),
        bias: None,
    })
}

impl Network {
    /// [images · patches, 3 · patch²] → [images, projection].
    fn forward(&self, patches: Tensor<2>, images: usize) -> Tensor<2> {
        let [length, width] = self.places.val().dims();
        let x = self
            .patches
            .forward(patches)
            .reshape([images, length - 1, width]);
        let class = self
            .class
            .val()
            .reshape([1, 1, width])
            .repeat_dim(0, images);
        let x = Tensor::cat(vec![class, x], 1) + self.places.val().unsqueeze(); // [images, length, width]
        let mut x = self.first_norm.forward(x.reshape([images * length, width]));
        let run = Run {
            count: images,
            length,
        };
        let (runs, device) = ([run], x.device());
        let sequences = Sequences::new(&runs, &device);
        for layer in &self.layers {
            x = layer.forward(x, &sequences, false);
        }
        let class = x
            .reshape([images, length, width])
            .slice([0..images, 0..1])
            .reshape([images, width]);
        self.projection.forward(self.last_norm.forward(class))
    }
}

/// CLIP's image encoder: preprocessing and the [vision tower](ClipVision).
///
/// Images are scaled, cut to a square in the middle and normalised as in CLIP's reference preprocessing; the embedding is
/// the projected class token, scaled to length 1.
pub struct ClipImage {
    tower: ClipVision,
    missing: MissingImage,
    id: String,
}

impl ClipImage {
    /// Loads `model.safetensors` and `config.json` from `folder`.
    ///
    /// # Errors
    ///
    /// As [`ClipVision::load`].
    pub fn load(
        folder: &Path,
        missing: MissingImage,
        device: &Device,
    ) -> Result<Self, EncodeError> {
        let tower = ClipVision::load(folder, device)?;
        let id = format!(
            "clip-image-{}-{}{}",
            &hex(&tower.hash.clone().finalize())[..16],
            backend_name(device),
            missing.suffix()
        );
        Ok(Self { tower, missing, id })
    }
}

impl Encoder for ClipImage {
    fn id(&self) -> String {
        self.id.clone()
    }

    fn dim(&self) -> usize {
        self.tower.dim
    }

    fn uses_images(&self) -> bool {
        true
    }

    fn encode(&self, queries: &[Query]) -> Result<Array2<f32>, EncodeError> {
        let size = self.tower.size;
        let mut embeddings = Array2::zeros((queries.len(), self.dim()));
        for batch in image_rows(queries, self.missing, "clip-image")?.chunks(READ) {
            let pixels: Vec<Vec<f32>> = batch
                .par_iter()
                .map(|&(row, path)| {
                    with_pixels(path, |image| planes(image, size)).map_err(|e| e.at_query(row))
                })
                .collect::<Result<_, _>>()?;
            let pixels = pixels.concat();
            let view = ArrayView4::from_shape((batch.len(), 3, size, size), &pixels)
                .expect("every image has this shape");
            let features = self.tower.features(view)?;
            for (&(row, _), values) in batch.iter().zip(features.rows()) {
                let mut values = values.to_vec();
                normalise(&mut values);
                embeddings.row_mut(row).assign(&aview1(&values));
            }
        }
        Ok(embeddings)
    }
}
