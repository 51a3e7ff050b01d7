//! Matrices of 64-bit numbers in safetensors files.

use ndarray::{Array2, ArrayView2};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

/// The bytes of a matrix as safetensors stores it: little-endian values, row by row.
pub fn matrix_bytes(matrix: ArrayView2<'_, f64>) -> Vec<u8> {
    matrix
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect()
}

/// The bytes of a safetensors file of these matrices, in double precision. Equal matrices give equal bytes, whatever their order.
///
/// # Panics
/// When two have one name: that is a mistake of the calling code.
pub fn write_matrices(matrices: &[(&str, ArrayView2<'_, f64>)]) -> Vec<u8> {
    let bytes: Vec<Vec<u8>> = matrices
        .iter()
        .map(|(_, matrix)| matrix_bytes(*matrix))
        .collect();
    let views = matrices.iter().zip(&bytes).map(|((name, matrix), bytes)| {
        let shape = matrix.shape().to_vec();
        let view = TensorView::new(Dtype::F64, shape, bytes).expect("eight bytes per value");
        (*name, view)
    });
    safetensors::serialize(views, None).expect("matrices of different names")
}

/// Reads a matrix of a safetensors file.
///
/// # Errors
/// What is wrong, in words: there is no tensor of this name, or it is not a matrix in double precision.
pub fn read_matrix(file: &SafeTensors<'_>, name: &str) -> Result<Array2<f64>, String> {
    let tensor = file.tensor(name).map_err(|error| error.to_string())?;
    let (Dtype::F64, [rows, columns]) = (tensor.dtype(), tensor.shape()) else {
        return Err("is not a matrix of 64-bit numbers".to_owned());
    };
    let (values, _) = tensor.data().as_chunks::<8>();
    let values = values.iter().copied().map(f64::from_le_bytes).collect();
    Array2::from_shape_vec((*rows, *columns), values).map_err(|error| error.to_string())
}
