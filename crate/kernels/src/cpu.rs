//! The operations on tensors in main memory.
//!
//! Each of Burn's operations is a pass over memory: ten for the activation function, which then takes as long
//! as the matrix products around it (docs/speed.md). Here the numbers are taken out (Flex hands them over
//! without a copy), changed in place in one pass, and put back.
//!
//! Products are Flex's, but in a page's worker, where there is one thread and vectors are four numbers wide.
//! Flex uses the `gemm` crate. Compiled to wasm, its tile of 12 x 4 numbers needs more vector registers than
//! there are, and spills. The tile of [`patchlab_loops`] fits and is 50 % faster (docs/speed.md). Natively
//! `gemm` has wider vectors and more threads. Both compute the same sums in a different order.

use burn::tensor::{Device, Tensor, TensorData};
use burn_flex::{Flex, FlexTensor};
use patchlab_loops::{Side, add_product};

use crate::on_processor;

/// Fewer rows than this leave tiles mostly empty; `gemm` computes these.
const WORTH_IT: usize = 4;

/// See [`crate::layer_norm`].
pub(crate) fn layer_norm(x: Tensor<3>, eps: f64) -> (Tensor<3>, Tensor<3>) {
    let ([b, p, d], device) = (x.dims(), x.device());
    let mut scales = Vec::new();
    let normalized = in_place(x, |rows| scales = patchlab_loops::layer_norm(rows, d, eps as f32));
    (normalized, tensor(scales, [b, p, 1], &device))
}

/// See [`crate::gelu_new`].
pub(crate) fn gelu_new<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    in_place(x, patchlab_loops::gelu_new)
}

/// See [`crate::affine`].
pub(crate) fn affine(x: Tensor<2>, weight: Tensor<2>, bias: Tensor<2>) -> Tensor<2> {
    let y = product(x, weight);
    let bias = numbers(bias);
    let Ok(bias) = bias.as_slice::<f32>() else { unreachable!("the model's numbers are f32") };
    in_place(y, |y| patchlab_loops::add_bias(y, bias))
}

/// See [`crate::rank_one`].
pub(crate) fn rank_one(
    s_w: Tensor<2>,
    w_w: Tensor<2>,
    change: Tensor<2>,
    inverse: Tensor<2>,
    bias: Tensor<2>,
) -> Tensor<2> {
    let ([m, n], [c, _], device) = (s_w.dims(), w_w.dims(), s_w.device());
    let [s_w, w_w, change, inverse, bias] = [s_w, w_w, change, inverse, bias].map(numbers);
    let [Ok(s_w), Ok(w_w), Ok(change), Ok(inverse), Ok(bias)] =
        [&s_w, &w_w, &change, &inverse, &bias].map(|data| data.as_slice::<f32>())
    else {
        unreachable!("the model's numbers are f32")
    };
    tensor(patchlab_loops::rank_one(s_w, w_w, change, inverse, bias), [c * m, n], &device)
}

/// See [`crate::product`].
pub(crate) fn product(left: Tensor<2>, right: Tensor<2>) -> Tensor<2> {
    let [m, _] = left.dims();
    if cfg!(target_family = "wasm") && m >= WORTH_IT { multiplied(left, right) } else { matmul(left, right) }
}

/// The product computed by [`patchlab_loops`].
pub(crate) fn multiplied(left: Tensor<2>, right: Tensor<2>) -> Tensor<2> {
    let (device, [m, k], [_, n]) = (left.device(), left.dims(), right.dims());
    let (left, right) = (primitive(left), primitive(right));
    let mut sums = vec![0.0; m * n];
    add_product(&side(&left, 0), &side(&right, 1), k, &mut sums);
    tensor(sums, [m, n], &device)
}

/// Flex's product.
pub(crate) fn matmul<const D: usize>(left: Tensor<D>, right: Tensor<D>) -> Tensor<D> {
    Tensor::from_primitive::<Flex>(burn_flex::ops::matmul::matmul(primitive(left), primitive(right)))
}

/// The backend's own tensor, whose numbers can be read in place.
fn primitive<const D: usize>(tensor: Tensor<D>) -> FlexTensor {
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

/// Numbers, row-major, as a tensor, without a copy.
fn tensor<const D: usize>(numbers: Vec<f32>, shape: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::from_data(TensorData::new(numbers, shape), device)
}

/// Changes the numbers, row-major, of a tensor in place.
fn in_place<const D: usize>(x: Tensor<D>, change: impl FnOnce(&mut [f32])) -> Tensor<D> {
    let device = x.device();
    let mut data = numbers(x);
    match data.as_mut_slice() {
        Ok(numbers) => change(numbers),
        Err(error) => unreachable!("the model's numbers are f32: {error:?}"),
    }
    Tensor::from_data(data, &device)
}

/// The numbers of a tensor in main memory, for which nothing has to be waited for.
#[expect(clippy::disallowed_methods, reason = "only a GPU makes this wait")]
fn numbers<const D: usize>(x: Tensor<D>) -> TensorData {
    debug_assert!(on_processor(&x.device()));
    x.into_data()
}
