//! What a layer does number by number, in one pass over memory where the model is on the processor.
//!
//! Burn's operations go over memory once each: ten times for the activation function, which then takes as long as the
//! matrix products around it (docs/speed.md). A GPU hides that, and so do its caches; on the processor these functions
//! take the numbers out (Flex hands them over without a copy), change them in place, and put them back. Elsewhere, and
//! where gradients are wanted, they are written in Burn's operations, and say what is meant.

use burn::tensor::activation::sigmoid;
use burn::tensor::{Device, Tensor, TensorData};

/// Numbers that are worked on at once, for the compiler to make vector instructions of.
const LANES: usize = 8;

/// `2 sqrt(2/pi)`.
const SLOPE: f32 = 1.595_769_2;
const CUBE: f32 = 0.044715 * SLOPE;
/// Where the sigmoid is 0 or 1 in f32. WGSL need not get exponentials of larger numbers right.
const SATURATED: f32 = 30.0;

/// GPT-2's activation function, `0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))`, written as
/// `x sigmoid(2 sqrt(2/pi) (x + 0.044715 x^3))`, which is the same number with one exponential.
pub fn gelu_new<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    if on_processor(&x.device()) {
        return in_place(x, |numbers| each(numbers, gelu_of));
    }
    let square = x.clone() * x.clone();
    let argument = x.clone() * (square * CUBE + SLOPE);
    x * sigmoid(argument.clamp(-SATURATED, SATURATED))
}

fn gelu_of(x: [f32; LANES]) -> [f32; LANES] {
    let minus = x.map(|x| (-x * (x * x * CUBE + SLOPE)).clamp(-SATURATED, SATURATED));
    let e = minus.map(exp);
    std::array::from_fn(|i| x[i] / (1.0 + e[i]))
}

/// `e^x` for `-87 < x < 87`, within 2 units in the last place: `2^n e^r` with a polynomial for `|r| < ln(2)/2` (the
/// method of Cephes' `expf`). No branches and no conversions, so that several are computed at once.
#[inline]
fn exp(x: f32) -> f32 {
    /// Adding it rounds to a whole number, which then stands in the last bits.
    const ROUND: f32 = 12_582_912.0;
    let rounded = x * std::f32::consts::LOG2_E + ROUND;
    let n = rounded - ROUND;
    // ln(2) in two parts, so that the difference keeps its last bits.
    let r = x - n * 0.693_359_4 - n * -2.121_944_4e-4;
    let mut sum = 1.987_569_1e-4_f32;
    for factor in [1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5] {
        sum = sum * r + factor;
    }
    let power = rounded.to_bits().wrapping_sub(ROUND.to_bits()).wrapping_add(127) << 23;
    (sum * r * r + r + 1.0) * f32::from_bits(power)
}

/// Adds `bias [1, n]` to every row of `y [m, n]`.
pub(crate) fn add_bias(y: Tensor<2>, bias: Tensor<2>) -> Tensor<2> {
    if !on_processor(&y.device()) {
        return y + bias;
    }
    let [_, n] = y.dims();
    let bias = numbers(bias);
    let Ok(bias) = bias.as_slice::<f32>() else { unreachable!("the model's numbers are f32") };
    in_place(y, |y| {
        for row in y.chunks_exact_mut(n) {
            row.iter_mut().zip(bias).for_each(|(y, bias)| *y += bias);
        }
    })
}

/// LayerNorm without weights, over the last axis: centred, divided by the root of variance plus `eps`. Only for what
/// is [`on_processor`].
pub(crate) fn layer_norm(x: Tensor<3>, eps: f64) -> Tensor<3> {
    let [_, _, d] = x.dims();
    in_place(x, |numbers| {
        for row in numbers.chunks_exact_mut(d) {
            let mean = sum(row, |x| x) / d as f32;
            row.iter_mut().for_each(|x| *x -= mean);
            let variance = sum(row, |x| x * x) / d as f32;
            let scale = (variance + eps as f32).sqrt();
            row.iter_mut().for_each(|x| *x /= scale);
        }
    })
}

/// `common [m, n] * inverse [c, m] + each [c, n] * change [c, m] + bias [1, n]`: `[c m, n]`.
pub(crate) fn rank_one(
    common: Tensor<2>,
    each: Tensor<2>,
    change: Tensor<2>,
    inverse: Tensor<2>,
    bias: Tensor<2>,
) -> Tensor<2> {
    let ([m, n], [c, _]) = (common.dims(), each.dims());
    let device = common.device();
    if !on_processor(&device) {
        let all: Tensor<3> = common.unsqueeze::<3>() * inverse.reshape([c, m, 1]); // [c, m, n]
        let all = all + each.reshape([c, 1, n]) * change.reshape([c, m, 1]) + bias.reshape([1, 1, n]);
        return all.reshape([c * m, n]);
    }
    let [common, each, change, inverse, bias] = [common, each, change, inverse, bias].map(numbers);
    let [Ok(common), Ok(each), Ok(change), Ok(inverse), Ok(bias)] =
        [&common, &each, &change, &inverse, &bias].map(|data| data.as_slice::<f32>())
    else {
        unreachable!("the model's numbers are f32")
    };
    let mut all = Vec::with_capacity(c * m * n);
    for (each, (change, inverse)) in
        each.chunks_exact(n).zip(change.chunks_exact(m).zip(inverse.chunks_exact(m)))
    {
        for (common, (change, inverse)) in common.chunks_exact(n).zip(change.iter().zip(inverse)) {
            let numbers = common.iter().zip(each).zip(bias);
            all.extend(numbers.map(|((common, each), bias)| common * inverse + each * change + bias));
        }
    }
    Tensor::from_data(TensorData::new(all, [c * m, n]), &device)
}

/// A sum in as many parts as are worked on at once, which also rounds less than one long one.
fn sum(row: &[f32], of: impl Fn(f32) -> f32) -> f32 {
    let (whole, rest) = row.as_chunks::<LANES>();
    let mut parts = [0.0; LANES];
    for lanes in whole {
        for (part, &x) in parts.iter_mut().zip(lanes) {
            *part += of(x);
        }
    }
    parts.iter().sum::<f32>() + rest.iter().map(|&x| of(x)).sum::<f32>()
}

/// Applies `of` to all numbers.
fn each(numbers: &mut [f32], of: impl Fn([f32; LANES]) -> [f32; LANES]) {
    let (whole, rest) = numbers.as_chunks_mut::<LANES>();
    for lanes in whole {
        *lanes = of(*lanes);
    }
    let mut last = [0.0; LANES];
    last[..rest.len()].copy_from_slice(rest);
    rest.copy_from_slice(&of(last)[..rest.len()]);
}

/// Whether tensors are in this program's own memory, and no gradient is wanted.
pub(crate) fn on_processor(device: &Device) -> bool {
    *device == Device::flex() && !device.is_autodiff()
}

/// Changes the numbers, row-major, of a tensor that is on the processor.
fn in_place<const D: usize>(x: Tensor<D>, change: impl FnOnce(&mut [f32])) -> Tensor<D> {
    let device = x.device();
    let mut data = numbers(x);
    match data.as_mut_slice() {
        Ok(numbers) => change(numbers),
        Err(error) => unreachable!("the model's numbers are f32: {error:?}"),
    }
    Tensor::from_data(data, &device)
}

/// The numbers of a tensor that is on the processor. Nothing has to be waited for there.
#[expect(clippy::disallowed_methods, reason = "only a GPU makes this wait")]
fn numbers<const D: usize>(x: Tensor<D>) -> TensorData {
    debug_assert!(on_processor(&x.device()));
    x.into_data()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exponential_is_right_to_the_last_places() {
        for step in -8700..=8700 {
            let x = step as f32 / 100.0;
            let exact = f64::from(x).exp();
            let error = (f64::from(exp(x)) - exact).abs() / exact;
            assert!(error < 2.0 * f64::from(f32::EPSILON), "e^{x}: {error:e}");
        }
    }

    #[test]
    fn the_activation_function_is_gelu_new() {
        let numbers: Vec<f32> = (-1003..=1003).map(|step| step as f32 / 50.0).collect();
        let n = numbers.len();
        let x = Tensor::<1>::from_data(TensorData::new(numbers.clone(), [n]), &Device::flex());
        let found: Vec<f32> = super::numbers(gelu_new(x)).try_into_vec().expect("f32");
        for (x, found) in numbers.into_iter().zip(found) {
            let x = f64::from(x);
            let root = (2.0 / std::f64::consts::PI).sqrt();
            let exact = 0.5 * x * (1.0 + (root * (x + 0.044715 * x.powi(3))).tanh());
            assert!((f64::from(found) - exact).abs() < 3e-7 * (1.0 + x.abs()), "{x}: {found} is not {exact}");
        }
    }

    #[test]
    fn one_pass_gives_what_the_operations_give() {
        // 13 numbers a row: whole lanes and a rest.
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
