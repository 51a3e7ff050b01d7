//! Between host matrices and tensors.

use burn::tensor::{Device, Int, Tensor, TensorData};
use ndarray::{Array2, ArrayView2};

use crate::HeadError;

/// Copies a matrix `[rows, columns]` to the device.
pub(crate) fn to_tensor(matrix: ArrayView2<f32>, device: &Device) -> Tensor<2> {
    let shape = [matrix.nrows(), matrix.ncols()];
    let values: Vec<f32> = matrix.iter().copied().collect();
    Tensor::from_data(TensorData::new(values, shape), device)
}

/// Copies a tensor `[rows, columns]` to the host.
pub(crate) fn to_array(tensor: Tensor<2>) -> Result<Array2<f32>, HeadError> {
    let [rows, columns] = tensor.dims();
    let values = tensor.try_into_vec_as::<f32>()?;
    Ok(Array2::from_shape_vec((rows, columns), values)
        .expect("a tensor has as many values as its shape says"))
}

/// Row numbers as a tensor `[rows]`.
pub(crate) fn to_index(rows: &[usize], device: &Device) -> Tensor<1, Int> {
    let rows: Vec<i32> = rows
        .iter()
        .map(|&row| i32::try_from(row).expect("a batch index fits 31 bits"))
        .collect();
    let length = rows.len();
    Tensor::from_data(TensorData::new(rows, [length]), device)
}
