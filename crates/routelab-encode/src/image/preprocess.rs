//! CLIP's preprocessing: shortest side to the model's size, centre crop, mean and standard deviation (Radford et al. 2021).

use std::path::Path;

use ndarray::Array3;

use super::load::{Pixels, with_pixels};
use super::resample::resample;
use crate::EncodeError;

/// Mean of CLIP's training images, per channel, in [0, 1].
const MEAN: [f32; 3] = [0.481_454_66, 0.457_827_5, 0.408_210_73];
/// Standard deviation of the same.
const STD: [f32; 3] = [0.268_629_54, 0.261_302_6, 0.275_777_1];

/// The image in `path` as CLIP's vision tower wants it: `[3, size, size]`, channels red, green, blue.
///
/// PNG, JPEG, GIF, WebP or BMP, recognised by content. The short side is scaled to `size` and the long side in proportion
/// (bicubic with antialiasing, as in Pillow), the middle is cut out, and each channel is normalised with the mean and
/// standard deviation of CLIP's training images.
///
/// # Errors
///
/// [`EncodeError::Io`] or [`EncodeError::Image`] name the file; [`EncodeError::BadSetting`] for a `size` of 0 or above 4096.
pub fn clip_pixels(path: &Path, size: usize) -> Result<Array3<f32>, EncodeError> {
    if !(1..=4096).contains(&size) {
        return Err(EncodeError::BadSetting {
            setting: "image size",
            value: size.to_string(),
            expected: "between 1 and 4096".to_owned(),
        });
    }
    let planes = with_pixels(path, |image| planes(image, size))?;
    Ok(Array3::from_shape_vec((3, size, size), planes).expect("three planes of size × size"))
}

/// The image as CLIP wants it: `3 × size × size`, channel first, about zero mean and unit variance.
///
/// The short side is scaled to `size` and the long side in proportion, rounded down (bicubic, as in Pillow); then the
/// middle is cut out.
pub(super) fn planes(image: &Pixels, size: usize) -> Vec<f32> {
    let short = image.width.min(image.height);
    let scaled = [image.width, image.height].map(|side| side * size / short);
    let [left, top] = scaled.map(|side| (side - size) / 2);
    let rgb = resample(image, scaled, left..left + size, top..top + size);
    let mut planes = vec![0.0; 3 * size * size];
    for (at, pixel) in rgb.chunks_exact(3).enumerate() {
        for channel in 0..3 {
            let value = f32::from(pixel[channel]) / 255.0;
            planes[channel * size * size + at] = (value - MEAN[channel]) / STD[channel];
        }
    }
    planes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extreme_shapes_are_cropped_without_scaling_the_whole() {
        for [width, height] in [[1, 30_000], [30_000, 1], [1, 1], [3, 500]] {
            let image = Pixels {
                width,
                height,
                rgb: vec![255; width * height * 3],
            };
            let planes = planes(&image, 224);
            assert_eq!(planes.len(), 3 * 224 * 224);
            assert!((planes[0] - (1.0 - MEAN[0]) / STD[0]).abs() < 1e-6);
        }
    }
}
