//! Matrix products in a page's worker, where there is one thread and vectors are four numbers wide.
//!
//! Flex uses the `gemm` crate. Compiled to wasm, its tile of 12 x 4 numbers needs more vector registers than
//! there are, and spills. The tile of [`patchlab_kernels`] fits and is 50 % faster (docs/speed.md). Natively
//! `gemm` has wider vectors and more threads. Both compute the same sums in a different order.

use burn::tensor::Tensor;
use burn_flex::{Flex, FlexTensor};
use patchlab_kernels::{Side, add_product};

use crate::model::fused::{on_processor, tensor};

/// Fewer rows than this leave tiles mostly empty; `gemm` computes these.
const WORTH_IT: usize = 4;

/// `left [m, k] x right [k, n] -> [m, n]`.
pub(crate) fn matmul(left: Tensor<2>, right: Tensor<2>) -> Tensor<2> {
    let [m, _] = left.dims();
    if !cfg!(target_family = "wasm") || m < WORTH_IT || !on_processor(&left.device()) {
        return left.matmul(right);
    }
    multiplied(left, right)
}

/// The product computed by [`patchlab_kernels`], for CPU tensors.
fn multiplied(left: Tensor<2>, right: Tensor<2>) -> Tensor<2> {
    let (device, [m, k], [_, n]) = (left.device(), left.dims(), right.dims());
    let (left, right) = (primitive(left), primitive(right));
    let mut sums = vec![0.0; m * n];
    add_product(&side(&left, 0), &side(&right, 1), k, &mut sums);
    tensor(sums, [m, n], &device)
}

/// The backend's own tensor, whose numbers can be read in place.
fn primitive(tensor: Tensor<2>) -> FlexTensor {
    match tensor.try_into_primitive::<Flex>() {
        Ok(tensor) => tensor,
        Err(error) => unreachable!("the tensor is on the CPU: {error:?}"),
    }
}

/// A matrix as rows (axis 0) or columns (axis 1).
fn side(matrix: &FlexTensor, axis: usize) -> Side<'_> {
    let layout = matrix.layout();
    // Only flipped tensors have negative strides, and the model has none.
    let stride = |axis: usize| usize::try_from(layout.strides()[axis]).unwrap_or_default();
    Side {
        numbers: &matrix.storage::<f32>()[layout.start_offset()..],
        count: layout.shape()[axis],
        stride: stride(axis),
        inner: stride(1 - axis),
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    /// Integers, so that sums are exact in any order.
    fn matrix(rows: usize, columns: usize) -> Tensor<2> {
        let numbers = (0..rows * columns).map(|i| (i * 37 % 23) as f32 - 11.0).collect();
        tensor(numbers, [rows, columns], &Device::flex())
    }

    fn same(left: Tensor<2>, right: Tensor<2>) {
        let (found, expected) = (multiplied(left.clone(), right.clone()), left.matmul(right));
        assert_eq!(found.dims(), expected.dims());
        let apart: f32 =
            pollster::block_on(crate::readback::read((found - expected).abs().max())).expect("numbers")[0];
        assert_eq!(apart, 0.0);
    }

    #[test]
    fn products_are_flexs() {
        for (m, k, n) in [(1, 1, 1), (3, 5, 12), (4, 384, 13), (7, 385, 24), (64, 800, 31), (5, 2, 100)] {
            same(matrix(m, k), matrix(k, n));
            // Transposed matrices, and slices of larger ones.
            same(matrix(k, m).transpose(), matrix(n, k).transpose());
            same(
                matrix(m + 2, k + 3).slice([1..m + 1, 2..k + 2]),
                matrix(k + 1, n + 5).slice([1..k + 1, 3..n + 3]),
            );
        }
    }
}
