//! What [`cube`](crate::cube) computes, as operations of Burn's backends on graphics cards.

use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Backend, Dispatch, backend_extension};
use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use burn_cubecl::CubeBackend;
use routelab_device::is_card;

use crate::cube;

/// How the sequences of a packed batch lie, as the kernels read it.
pub(crate) struct Places {
    /// Of every tile of tokens the first, and where its sequence begins and ends, `[tiles, 3]`.
    tiles: Tensor<2, Int>,
    /// Where every sequence begins, and the last ends, `[sequences + 1]`.
    starts: Tensor<1, Int>,
}

impl Places {
    /// Where sequences of these lengths lie, or `None` on a device without the kernels.
    pub(crate) fn new(lengths: impl Iterator<Item = usize>, device: &Device) -> Option<Self> {
        if !is_card(device) {
            return None;
        }
        let (mut tiles, mut starts, mut start) = (Vec::new(), vec![0], 0);
        for length in lengths {
            let end = start + length as i32;
            for first in (start..end).step_by(cube::TILE) {
                tiles.extend([first, start, end]);
            }
            starts.push(end);
            start = end;
        }
        let (count, sequences) = (tiles.len() / 3, starts.len());
        let options = || (device, DType::I32);
        Some(Self {
            tiles: Tensor::from_data(TensorData::new(tiles, [count, 3]), options()),
            starts: Tensor::from_data(TensorData::new(starts, [sequences]), options()),
        })
    }

    /// Self-attention within the sequences, `[tokens, 3 · width]` → `[tokens, width]`; `None` where the kernel cannot.
    pub(crate) fn attend(&self, qkv: &Tensor<2>, heads: usize, causal: bool) -> Option<Tensor<2>> {
        let head = qkv.dims()[1] / 3 / heads;
        if qkv.dtype() != DType::F32 || head > cube::WIDEST_HEAD {
            return None;
        }
        let (qkv, tiles) = (
            qkv.clone().into_dispatch(),
            self.tiles.clone().into_dispatch(),
        );
        Some(Tensor::from_dispatch(Dispatch::attend(
            qkv, tiles, heads, causal,
        )))
    }

    /// The mean row of every sequence, `[tokens, width]` → `[sequences, width]`; `None` where the kernel cannot.
    pub(crate) fn means(&self, x: &Tensor<2>) -> Option<Tensor<2>> {
        let (x, starts) = (x.clone(), self.starts.clone());
        (x.dtype() == DType::F32)
            .then(|| Dispatch::means(x.into_dispatch(), starts.into_dispatch()))
            .map(Tensor::from_dispatch)
    }
}

/// `γ (x - mean) / sqrt(variance + ε) + β` of every row; `None` where the kernel cannot.
pub(crate) fn layer_norm(
    x: &Tensor<2>,
    gamma: Tensor<1>,
    beta: Tensor<1>,
    epsilon: f64,
) -> Option<Tensor<2>> {
    (is_card(&x.device()) && x.dtype() == DType::F32).then(|| {
        let (x, gamma, beta) = (
            x.clone().into_dispatch(),
            gamma.into_dispatch(),
            beta.into_dispatch(),
        );
        Tensor::from_dispatch(Dispatch::layer_norm_of_rows(x, gamma, beta, epsilon as f32))
    })
}

/// Float tensors are in single precision, those of integers are `i32`.
#[backend_extension(Cube, Fusion)]
pub trait Operations: Backend {
    /// Self-attention within sequences: `qkv` `[tokens, 3 · width]` and `tiles` as in [`Places`] to `[tokens, width]`.
    #[fusion(dtype = qkv, shape = [qkv[0], qkv[1] / 3].into())]
    fn attend(
        qkv: FloatTensor<Self>,
        tiles: IntTensor<Self>,
        heads: usize,
        causal: bool,
    ) -> FloatTensor<Self>;

    /// The mean row of every sequence: `x` `[tokens, width]` and `starts` as in [`Places`] to `[sequences, width]`.
    #[fusion(dtype = x, shape = [starts[0] - 1, x[1]].into())]
    fn means(x: FloatTensor<Self>, starts: IntTensor<Self>) -> FloatTensor<Self>;

    /// A layer normalisation of the rows of `x` `[rows, width]`; `γ` and `β` are `[width]`.
    #[fusion(dtype = x, shape = x)]
    fn layer_norm_of_rows(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        epsilon: f32,
    ) -> FloatTensor<Self>;
}

impl Operations for CubeBackend {
    fn attend(
        qkv: FloatTensor<Self>,
        tiles: IntTensor<Self>,
        heads: usize,
        causal: bool,
    ) -> FloatTensor<Self> {
        cube::attend(qkv, tiles, heads, causal)
    }

    fn means(x: FloatTensor<Self>, starts: IntTensor<Self>) -> FloatTensor<Self> {
        cube::means(x, starts)
    }

    fn layer_norm_of_rows(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        epsilon: f32,
    ) -> FloatTensor<Self> {
        cube::norm_rows(x, gamma, beta, epsilon)
    }
}

#[cfg(test)]
mod tests {
    use routelab_heads::Backend;
    use routelab_heads::backend::{BACKENDS, Place};

    use super::*;

    /// The graphics cards of this machine that this build can use. With `ROUTELAB_GPU_TESTS=1` it is a failure to find none.
    fn cards() -> Vec<Device> {
        let adapters = BACKENDS
            .iter()
            .filter(|info| info.built && info.place == Place::Adapter);
        let opened = adapters.filter_map(|info| Backend::from_name(info.name).ok());
        let devices: Vec<Device> = opened
            .map(|backend| backend.device().clone())
            .filter(is_card)
            .collect();
        assert!(!devices.is_empty() || std::env::var_os("ROUTELAB_GPU_TESTS").is_none());
        devices
    }

    /// Numbers in -2 to 2 that look random.
    fn numbers(count: usize) -> Vec<f32> {
        let number = |i: usize| (i * 7919 % 1013) as f32 / 253.0 - 2.0;
        (0..count).map(number).collect()
    }

    fn matrix(values: &[f32], width: usize, device: &Device) -> Tensor<2> {
        let shape = [values.len() / width, width];
        Tensor::from_data(TensorData::new(values.to_vec(), shape), device)
    }

    fn check(found: Tensor<2>, expected: &[f64], what: &str) {
        let found = found.into_data_as::<f32>();
        let found = found.as_slice::<f32>().unwrap();
        assert_eq!(found.len(), expected.len(), "{what}");
        for (i, (found, expected)) in found.iter().zip(expected).enumerate() {
            assert!(
                (f64::from(*found) - expected).abs() < 1e-5,
                "{what}: {found} at {i}, not {expected}"
            );
        }
    }

    /// Attention by its definition, in double precision.
    fn attention(
        qkv: &[f32],
        lengths: &[usize],
        heads: usize,
        head: usize,
        causal: bool,
    ) -> Vec<f64> {
        let width = heads * head;
        let at =
            |token: usize, part: usize, d: usize| f64::from(qkv[(token * 3 + part) * width + d]);
        let mut out = Vec::new();
        let mut start = 0;
        for length in lengths {
            for token in start..start + length {
                let last = if causal { token + 1 } else { start + length };
                for h in (0..heads).map(|h| h * head) {
                    let score = |other: usize| -> f64 {
                        let product: f64 = (h..h + head)
                            .map(|d| at(token, 0, d) * at(other, 1, d))
                            .sum();
                        (product / (head as f64).sqrt()).exp()
                    };
                    let weights: Vec<f64> = (start..last).map(score).collect();
                    let total: f64 = weights.iter().sum();
                    out.extend((h..h + head).map(|d| {
                        let sum: f64 = (start..last)
                            .zip(&weights)
                            .map(|(other, w)| w * at(other, 2, d))
                            .sum();
                        sum / total
                    }));
                }
            }
            start += length;
        }
        out
    }

    /// Kernels are compiled for every width of a head, so there are few: one that is no multiple of a tile's side, one wider than it.
    #[test]
    fn attention_of_cards_is_that_of_the_definition() {
        let lengths = [1, 16, 17, 3, 3, 40, 2];
        for device in cards() {
            let places = Places::new(lengths.into_iter(), &device).unwrap();
            for (heads, head, causal) in [
                (3, 5, false),
                (3, 5, true),
                (2, 32, true),
                (1, cube::WIDEST_HEAD, false),
            ] {
                let width = 3 * heads * head;
                let qkv = numbers(lengths.iter().sum::<usize>() * width);
                let found = places
                    .attend(&matrix(&qkv, width, &device), heads, causal)
                    .unwrap();
                let expected = attention(&qkv, &lengths, heads, head, causal);
                check(
                    found,
                    &expected,
                    &format!("{heads} heads of {head}, causal {causal}, {device:?}"),
                );
            }
            let wide = matrix(&numbers(3 * 128), 3 * 128, &device);
            assert!(places.attend(&wide, 1, false).is_none());
        }
    }

    #[test]
    fn norms_and_means_of_cards_are_those_of_the_definition() {
        let lengths = [1, 5, 2];
        for device in cards() {
            for width in [3, 300] {
                let x = numbers(8 * width);
                let rows = x
                    .chunks_exact(width)
                    .map(|row| row.iter().map(|&v| f64::from(v)));
                let rows: Vec<Vec<f64>> = rows.map(Iterator::collect).collect();
                let mean = |row: &[f64]| row.iter().sum::<f64>() / width as f64;
                let normal = rows.iter().flat_map(|row| {
                    let center = mean(row);
                    let squares: Vec<f64> = row.iter().map(|v| (v - center).powi(2)).collect();
                    let scale = 1.0 / (mean(&squares) + 1e-5).sqrt();
                    row.iter()
                        .enumerate()
                        .map(move |(j, v)| (v - center) * scale * (1.0 + j as f64) + 0.5)
                });
                let normal: Vec<f64> = normal.map(|v| v / width as f64).collect();
                let (gamma, beta): (Vec<f32>, Vec<f32>) =
                    (0..width).map(|j| (1.0 + j as f32, 0.5)).unzip();
                let [gamma, beta] = [gamma, beta]
                    .map(|values| Tensor::from_data(TensorData::new(values, [width]), &device));
                let given = matrix(&x, width, &device);
                let found = layer_norm(&given, gamma, beta, 1e-5).unwrap();
                check(
                    found / width as f32,
                    &normal,
                    &format!("norm, width {width}, {device:?}"),
                );

                let places = Places::new(lengths.into_iter(), &device).unwrap();
                let mut start = 0;
                let means = lengths.iter().flat_map(|&length| {
                    let rows = &rows[start..start + length];
                    start += length;
                    (0..width)
                        .map(move |j| rows.iter().map(|row| row[j]).sum::<f64>() / length as f64)
                });
                let means: Vec<f64> = means.collect();
                check(
                    places.means(&given).unwrap(),
                    &means,
                    &format!("means, width {width}, {device:?}"),
                );
            }
        }
    }
}
