//! Bicubic resampling with antialiasing, as Pillow does it, of only the part of the result that is wanted.
//!
//! A library that scales the whole image first would need unbounded memory for a long thin one: scaled to 224 pixels on its
//! short side, 1 × 30,000 pixels become 224 × 6.7 million.

use std::ops::Range;

use super::load::Pixels;

/// The weights with which source samples make one result sample.
struct Taps {
    first: usize,
    weights: Vec<f32>,
}

/// The part `columns` × `rows` of the image scaled to `width` × `height`: RGB, row-major.
///
/// Each pass rounds to eight bits, horizontal first, as Pillow does. (Since version 13 it goes vertical first where that is less
/// work, but not where both sides scale alike.)
pub(super) fn resample(
    image: &Pixels,
    [width, height]: [usize; 2],
    columns: Range<usize>,
    rows: Range<usize>,
) -> Vec<u8> {
    let horizontal: Vec<Taps> = columns.map(|x| taps(image.width, width, x)).collect();
    let vertical: Vec<Taps> = rows.map(|y| taps(image.height, height, y)).collect();
    // Only the source rows that some result row looks at.
    let top = vertical.iter().map(|t| t.first).min().unwrap_or(0);
    let bottom = vertical
        .iter()
        .map(|t| t.first + t.weights.len())
        .max()
        .unwrap_or(0);
    let narrow: Vec<u8> = (top..bottom)
        .flat_map(|y| {
            let row = &image.rgb[y * image.width * 3..(y + 1) * image.width * 3];
            horizontal
                .iter()
                .flat_map(move |taps| mix(taps, |x| &row[x * 3..x * 3 + 3]))
        })
        .collect();
    let stride = horizontal.len() * 3;
    vertical
        .iter()
        .flat_map(|taps| {
            let narrow = &narrow;
            (0..horizontal.len())
                .flat_map(move |x| mix(taps, |y| &narrow[(y - top) * stride + x * 3..][..3]))
        })
        .collect()
}

fn mix<'a>(taps: &Taps, pixel: impl Fn(usize) -> &'a [u8]) -> [u8; 3] {
    let mut sum = [0.0_f32; 3];
    for (offset, weight) in taps.weights.iter().enumerate() {
        for (sum, &value) in sum.iter_mut().zip(pixel(taps.first + offset)) {
            *sum += weight * f32::from(value);
        }
    }
    sum.map(|value| value.round().clamp(0.0, 255.0) as u8)
}

/// The source samples of `at` when `source` samples become `target`: the cubic kernel (a = -1/2, support 2), stretched when
/// shrinking so that every source sample counts.
fn taps(source: usize, target: usize, at: usize) -> Taps {
    let scale = source as f64 / target as f64;
    let stretch = scale.max(1.0);
    let support = 2.0 * stretch;
    let centre = (at as f64 + 0.5) * scale;
    let first = (centre - support + 0.5).max(0.0) as usize;
    let last = ((centre + support + 0.5) as usize).min(source);
    let weights: Vec<f64> = (first..last)
        .map(|x| cubic((x as f64 + 0.5 - centre) / stretch))
        .collect();
    let sum: f64 = weights.iter().sum();
    Taps {
        first,
        weights: weights.into_iter().map(|w| (w / sum) as f32).collect(),
    }
}

fn cubic(x: f64) -> f64 {
    const A: f64 = -0.5;
    let x = x.abs();
    if x < 1.0 {
        ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        (((x - 5.0) * x + 8.0) * x - 4.0) * A
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gradient(width: usize, height: usize) -> Pixels {
        let rgb = (0..width * height)
            .flat_map(|i| [(i % width) as u8, (i / width) as u8, 200])
            .collect();
        Pixels { width, height, rgb }
    }

    #[test]
    fn the_result_is_pillows() {
        let golden: serde_json::Value =
            serde_json::from_str(include_str!("../../tests/pillow_bicubic.json")).unwrap();
        let rgb = (0..37 * 23)
            .flat_map(|i| {
                let (x, y) = (i % 37, i / 37);
                let odd = (x / 5 + y / 4) % 2 == 1;
                [7 * x + 13 * y, x * x + 3 * y, if odd { 255 } else { 10 }].map(|v| v as u8)
            })
            .collect();
        let image = Pixels {
            width: 37,
            height: 23,
            rgb,
        };
        for case in golden["cases"].as_array().unwrap() {
            let [width, height]: [usize; 2] = serde_json::from_value(case["size"].clone()).unwrap();
            let expected: Vec<u8> = serde_json::from_value(case["rgb"].clone()).unwrap();
            let found = resample(&image, [width, height], 0..width, 0..height);
            // Pillow's weights have 22 bits, so a rounding may go the other way.
            let largest = found
                .iter()
                .zip(&expected)
                .map(|(a, b)| a.abs_diff(*b))
                .max();
            assert!(largest <= Some(1), "{width} × {height}: {largest:?}");
            let different = found.iter().zip(&expected).filter(|(a, b)| a != b).count();
            assert!(
                different * 100 <= expected.len(),
                "{different} of {}",
                expected.len()
            );
        }
    }

    #[test]
    fn the_same_size_is_the_same_image() {
        let image = gradient(20, 12);
        assert_eq!(resample(&image, [20, 12], 0..20, 0..12), image.rgb);
    }

    #[test]
    fn a_part_is_the_part_of_the_whole() {
        let image = gradient(61, 47);
        for size in [[30, 23], [150, 120]] {
            let whole = resample(&image, size, 0..size[0], 0..size[1]);
            let part = resample(&image, size, 5..25, 3..20);
            for (row, part) in part.chunks_exact(60).enumerate() {
                let start = ((row + 3) * size[0] + 5) * 3;
                assert_eq!(part, &whole[start..start + 60]);
            }
        }
    }

    #[test]
    fn a_constant_stays_constant_and_a_ramp_stays_a_ramp() {
        let image = gradient(200, 200);
        let small = resample(&image, [50, 50], 10..40, 10..40);
        for (i, pixel) in small.chunks_exact(3).enumerate() {
            let (x, y) = (10 + i % 30, 10 + i / 30);
            assert_eq!(pixel[2], 200);
            // Four source samples per result sample, whose mean lies between the second and the third.
            assert!((f64::from(pixel[0]) - (4.0 * x as f64 + 1.5)).abs() <= 1.0);
            assert!((f64::from(pixel[1]) - (4.0 * y as f64 + 1.5)).abs() <= 1.0);
        }
    }
}
