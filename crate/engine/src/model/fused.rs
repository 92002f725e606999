//! The elementwise work of a layer, in one pass over memory where the model is on the CPU.
//!
//! Each of Burn's operations is a pass over memory: ten for the activation function, which then takes as long
//! as the matrix products around it (docs/speed.md). A GPU and its caches hide that. On the CPU these
//! functions take the numbers out (Flex hands them over without a copy), change them in place, and put them
//! back. Elsewhere, and where gradients are needed, the generic implementations in Burn's operations run.

use burn::tensor::activation::sigmoid;
use burn::tensor::{Device, Tensor, TensorData};

/// `2 sqrt(2/pi)`.
const SLOPE: f32 = 1.595_769_2;
const CUBE: f32 = 0.044715 * SLOPE;
/// The sigmoid is 0 or 1 in f32 beyond this. WGSL does not guarantee exponentials of larger numbers.
const SATURATED: f32 = 30.0;

/// GPT-2's activation function, `0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))`, written as
/// `x sigmoid(2 sqrt(2/pi) (x + 0.044715 x^3))`, which is the same number with one exponential.
pub(crate) fn gelu_new<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    if on_processor(&x.device()) {
        return in_place(x, patchlab_kernels::gelu_new);
    }
    let square = x.clone() * x.clone();
    let argument = x.clone() * (square * CUBE + SLOPE);
    x * sigmoid(argument.clamp(-SATURATED, SATURATED))
}

/// Adds `bias [1, n]` to every row of `y [m, n]`.
pub(crate) fn add_bias(y: Tensor<2>, bias: Tensor<2>) -> Tensor<2> {
    if !on_processor(&y.device()) {
        return y + bias;
    }
    let bias = numbers(bias);
    let Ok(bias) = bias.as_slice::<f32>() else { unreachable!("the model's numbers are f32") };
    in_place(y, |y| patchlab_kernels::add_bias(y, bias))
}

/// LayerNorm without weights over the last axis, `(x - mean) / sqrt(variance + eps)`. Only for tensors that
/// are [`on_processor`].
pub(crate) fn layer_norm(x: Tensor<3>, eps: f64) -> Tensor<3> {
    let [_, _, d] = x.dims();
    in_place(x, |rows| patchlab_kernels::layer_norm(rows, d, eps as f32))
}

/// `s_w [m, n] * inverse [c, m] + w_w [c, n] * change [c, m] + bias [1, n]`: `[c m, n]`.
pub(crate) fn rank_one(
    s_w: Tensor<2>,
    w_w: Tensor<2>,
    change: Tensor<2>,
    inverse: Tensor<2>,
    bias: Tensor<2>,
) -> Tensor<2> {
    let ([m, n], [c, _]) = (s_w.dims(), w_w.dims());
    let device = s_w.device();
    if !on_processor(&device) {
        let all: Tensor<3> = s_w.unsqueeze::<3>() * inverse.reshape([c, m, 1]); // [c, m, n]
        let all = all + w_w.reshape([c, 1, n]) * change.reshape([c, m, 1]) + bias.reshape([1, 1, n]);
        return all.reshape([c * m, n]);
    }
    let [s_w, w_w, change, inverse, bias] = [s_w, w_w, change, inverse, bias].map(numbers);
    let [Ok(s_w), Ok(w_w), Ok(change), Ok(inverse), Ok(bias)] =
        [&s_w, &w_w, &change, &inverse, &bias].map(|data| data.as_slice::<f32>())
    else {
        unreachable!("the model's numbers are f32")
    };
    let all = patchlab_kernels::rank_one(s_w, w_w, change, inverse, bias);
    tensor(all, [c * m, n], &device)
}

/// Whether tensors are in main memory and no gradients are needed.
pub(crate) fn on_processor(device: &Device) -> bool {
    *device == Device::flex() && !device.is_autodiff()
}

/// Numbers, row-major, as a tensor, without a copy.
pub(crate) fn tensor<const D: usize>(numbers: Vec<f32>, shape: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::from_data(TensorData::new(numbers, shape), device)
}

/// Changes the numbers, row-major, of a CPU tensor in place.
fn in_place<const D: usize>(x: Tensor<D>, change: impl FnOnce(&mut [f32])) -> Tensor<D> {
    let device = x.device();
    let mut data = numbers(x);
    match data.as_mut_slice() {
        Ok(numbers) => change(numbers),
        Err(error) => unreachable!("the model's numbers are f32: {error:?}"),
    }
    Tensor::from_data(data, &device)
}

/// The numbers of a CPU tensor, for which nothing has to be waited for.
#[expect(clippy::disallowed_methods, reason = "only a GPU makes this wait")]
fn numbers<const D: usize>(x: Tensor<D>) -> TensorData {
    debug_assert!(on_processor(&x.device()));
    x.into_data()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layer_norm_gives_what_burns_operations_give() {
        // 13 numbers per row: full SIMD lanes and a remainder.
        let numbers: Vec<f32> = (0..2 * 3 * 13).map(|i| ((i * 37 % 101) as f32 - 50.0) / 17.0).collect();
        let x = Tensor::<3>::from_data(TensorData::new(numbers, [2, 3, 13]), &Device::flex());
        let centred = x.clone() - x.clone().mean_dim(2);
        let expected = centred.clone() / ((centred.clone() * centred).mean_dim(2) + 1e-5).sqrt();
        let found = layer_norm(x, 1e-5);
        let (found, expected): (Vec<f32>, Vec<f32>) = (
            super::numbers(found).try_into_vec().expect("f32"),
            super::numbers(expected).try_into_vec().expect("f32"),
        );
        for (found, expected) in found.into_iter().zip(expected) {
            assert!((found - expected).abs() < 2e-6, "{found} is not {expected}");
        }
    }
}
