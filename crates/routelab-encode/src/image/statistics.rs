//! An image encoder without weights: colour and gradient statistics on a grid.

use ndarray::Array2;
use rayon::prelude::*;

use super::load::{Pixels, with_pixels};
use super::missing::{MissingImage, image_rows};
use super::resample::resample;
use crate::{EncodeError, Encoder, Query, normalise};

/// Side of the square that the image is scaled to first.
const SIDE: usize = 128;
/// Cells per side.
const GRID: usize = 4;
/// Side of a cell.
const CELL: usize = SIDE / GRID;
/// Orientations of a gradient.
const BINS: usize = 8;
/// Numbers per cell: mean and standard deviation of three colour channels.
const COLOUR: usize = 6;
/// Numbers about the image as a whole.
const WHOLE: usize = 5;
const DIM: usize = GRID * GRID * (COLOUR + BINS) + WHOLE;

/// Colour and gradient-orientation statistics on a 4 × 4 grid, plus size and aspect: 229 numbers, no weights.
///
/// It sees how an image looks, not what it shows: photograph or diagram, dense or empty, light or dark, tall or wide. The image
/// is scaled to 128 × 128 (bicubic), with luma `Y = (R + G + B) / 3` and opponent colours `R - G` and `(R + G) / 2 - B`, all of
/// channels in [0, 1].
///
/// - colour, 96 numbers: mean and standard deviation of the three in each of 16 cells, the block scaled to length 1;
/// - edges, 128 numbers: in each cell a histogram of the orientations of `∇Y` (central differences) modulo 180°, 8 bins
///   centred on multiples of 22.5°, each pixel weighted by `|∇Y|`; square roots of the cells' sums, the block scaled to length 1;
/// - whole, 5 numbers: `log₂(width) / 15`, `log₂(height) / 15`, `log₂(width / height) / 5`, mean of `|∇Y|` times 8, and the share
///   of pixels with `Y > 0.95`.
///
/// The embedding is the three blocks side by side, scaled to length 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ImageStatistics {
    /// What to do about a query without an image.
    pub missing_image: MissingImage,
}

impl Encoder for ImageStatistics {
    fn id(&self) -> String {
        format!("image-statistics-1{}", self.missing_image.suffix())
    }

    fn dim(&self) -> usize {
        DIM
    }

    fn uses_images(&self) -> bool {
        true
    }

    fn encode(&self, queries: &[Query]) -> Result<Array2<f32>, EncodeError> {
        let mut embeddings = Array2::zeros((queries.len(), DIM));
        let images = image_rows(queries, self.missing_image, "image-statistics")?;
        let rows: Vec<(usize, Vec<f32>)> = images
            .into_par_iter()
            .map(|(row, path)| {
                let embedding = with_pixels(path, statistics).map_err(|e| e.at_query(row))?;
                Ok((row, embedding))
            })
            .collect::<Result<_, EncodeError>>()?;
        for (row, values) in rows {
            embeddings.row_mut(row).assign(&ndarray::aview1(&values));
        }
        Ok(embeddings)
    }
}

fn statistics(image: &Pixels) -> Vec<f32> {
    let rgb = resample(image, [SIDE, SIDE], 0..SIDE, 0..SIDE);
    let opponent: Vec<[f32; 3]> = rgb
        .chunks_exact(3)
        .map(|pixel| {
            let [r, g, b] = [0, 1, 2].map(|channel| f32::from(pixel[channel]) / 255.0);
            [(r + g + b) / 3.0, r - g, (r + g) / 2.0 - b]
        })
        .collect();
    let (edges, mean_gradient) = edges(&opponent);
    let white = opponent.iter().filter(|pixel| pixel[0] > 0.95).count();
    let [width, height] = [image.width, image.height].map(|side| (side as f32).log2());
    let mut embedding = colours(&opponent);
    embedding.extend(edges);
    embedding.extend([
        width / 15.0,
        height / 15.0,
        (width - height) / 5.0,
        mean_gradient * 8.0,
        white as f32 / opponent.len() as f32,
    ]);
    normalise(&mut embedding);
    embedding
}

/// Index of the cell of the pixel at `x`, `y`.
fn cell(x: usize, y: usize) -> usize {
    y / CELL * GRID + x / CELL
}

fn colours(pixels: &[[f32; 3]]) -> Vec<f32> {
    let mut sums = [[[0.0_f64; 2]; 3]; GRID * GRID];
    for (at, pixel) in pixels.iter().enumerate() {
        let sums = &mut sums[cell(at % SIDE, at / SIDE)];
        for (sum, &value) in sums.iter_mut().zip(pixel) {
            sum[0] += f64::from(value);
            sum[1] += f64::from(value).powi(2);
        }
    }
    let count = (CELL * CELL) as f64;
    let mut block: Vec<f32> = sums
        .iter()
        .flatten()
        .flat_map(|[sum, squares]| {
            let mean = sum / count;
            let variance = (squares / count - mean * mean).max(0.0);
            [mean as f32, variance.sqrt() as f32]
        })
        .collect();
    normalise(&mut block);
    block
}

/// The orientation histograms, and the mean magnitude of the gradient.
fn edges(pixels: &[[f32; 3]]) -> (Vec<f32>, f32) {
    let luma = |x: usize, y: usize| pixels[y * SIDE + x][0];
    let mut histograms = vec![0.0_f64; GRID * GRID * BINS];
    let mut total = 0.0_f64;
    for y in 1..SIDE - 1 {
        for x in 1..SIDE - 1 {
            let dx = (luma(x + 1, y) - luma(x - 1, y)) / 2.0;
            let dy = (luma(x, y + 1) - luma(x, y - 1)) / 2.0;
            let magnitude = f64::from(dx.hypot(dy));
            // Half turns: an edge from dark to light is the same edge as one from light to dark.
            let turn = f64::from(dy.atan2(dx)) / std::f64::consts::PI;
            let bin = (turn * BINS as f64).round().rem_euclid(BINS as f64) as usize;
            histograms[cell(x, y) * BINS + bin] += magnitude;
            total += magnitude;
        }
    }
    let mut block: Vec<f32> = histograms.iter().map(|sum| sum.sqrt() as f32).collect();
    normalise(&mut block);
    (block, (total / ((SIDE - 2) * (SIDE - 2)) as f64) as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(width: usize, height: usize, paint: impl Fn(usize, usize) -> [u8; 3]) -> Pixels {
        let rgb = (0..height)
            .flat_map(|y| (0..width).map(move |x| (x, y)))
            .flat_map(|(x, y)| paint(x, y))
            .collect();
        Pixels { width, height, rgb }
    }

    const EDGES: usize = GRID * GRID * COLOUR;

    #[test]
    fn a_plain_image_has_its_colour_and_no_edges() {
        let values = statistics(&image(50, 40, |_, _| [255, 0, 0]));
        assert_eq!(values.len(), DIM);
        let [luma, red_green] = [values[0], values[2]];
        assert!((luma * 3.0 - red_green).abs() < 1e-6, "Y = 1/3, R - G = 1");
        assert!(values[EDGES..DIM - WHOLE].iter().all(|&v| v == 0.0));
    }

    #[test]
    fn stripes_have_one_orientation() {
        let stripes = |vertical: bool| {
            statistics(&image(128, 128, |x, y| {
                let at = if vertical { x } else { y };
                [if at / 8 % 2 == 0 { 0 } else { 255 }; 3]
            }))
        };
        for (vertical, bin) in [(true, 0), (false, BINS / 2)] {
            let values = stripes(vertical);
            for cell in values[EDGES..DIM - WHOLE].chunks_exact(BINS) {
                for (at, &value) in cell.iter().enumerate() {
                    assert_eq!(value > 0.0, at == bin, "{cell:?}");
                }
            }
        }
    }

    #[test]
    fn size_and_aspect_are_seen() {
        let plain = |width, height| statistics(&image(width, height, |_, _| [90, 90, 90]));
        assert_ne!(plain(64, 64), plain(128, 128));
        let aspect = |values: Vec<f32>| values[DIM - WHOLE + 2];
        assert!(aspect(plain(100, 50)) > 0.0 && aspect(plain(50, 100)) < 0.0);
        assert_eq!(aspect(plain(64, 64)), 0.0);
    }
}
