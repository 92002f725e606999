//! Operations on rows and single numbers, one launch each.

use burn::tensor::Tensor;

use super::shader::{Shader, Text, file, output, spread};
use super::{contiguous, tensor};

/// Threads of a workgroup.
const THREADS: usize = 64;

fn shader(text: Text, by_four: bool) -> Shader {
    Shader { text, threads: [THREADS as u32, 1], by_four }
}

/// See [`crate::layer_norm`].
pub(crate) fn layer_norm(x: Tensor<3>, eps: f64) -> (Tensor<3>, Tensor<3>) {
    let [b, p, d] = x.dims();
    let x = contiguous(x);
    let (normalized, scale) = (output([b, p, d], &x), output([b, p, 1], &x));
    let by_four = d.is_multiple_of(4);
    let ([y, z], first) = spread(b * p);
    let width = if by_four { d / 4 } else { d };
    let info = [(b * p) as u32, width as u32, d as u32, (eps as f32).to_bits(), first as u32];
    shader(file!("layer_norm"), by_four).launch(&[&x], &[&normalized, &scale], &info, [1, y, z]);
    (tensor(normalized), tensor(scale))
}

/// See [`crate::gelu_new`].
pub(crate) fn gelu_new<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    let (shape, numbers) = (x.dims(), x.shape().num_elements());
    let x = contiguous(x);
    let activated = output(shape, &x);
    let by_four = numbers.is_multiple_of(4);
    let elements = if by_four { numbers / 4 } else { numbers };
    let ([y, z], first) = spread(elements.div_ceil(THREADS));
    let info = [elements as u32, first as u32];
    shader(file!("gelu"), by_four).launch(&[&x], &[&activated], &info, [1, y, z]);
    tensor(activated)
}

/// See [`crate::rank_one`].
pub(crate) fn rank_one(
    s_w: Tensor<2>,
    w_w: Tensor<2>,
    change: Tensor<2>,
    inverse: Tensor<2>,
    bias: Tensor<2>,
) -> Tensor<2> {
    let ([m, n], [c, _]) = (s_w.dims(), w_w.dims());
    let [s_w, w_w, change, inverse, bias] = [s_w, w_w, change, inverse, bias].map(contiguous);
    let all = output([c * m, n], &s_w);
    let by_four = n.is_multiple_of(4);
    let width = if by_four { n / 4 } else { n };
    let ([y, z], first) = spread((c * m * width).div_ceil(THREADS));
    let info = [c, m, width, first].map(|number| number as u32);
    let inputs = [&s_w, &w_w, &change, &inverse, &bias];
    shader(file!("rank_one"), by_four).launch(&inputs, &[&all], &info, [1, y, z]);
    tensor(all)
}

/// See [`crate::softmax`].
pub(crate) fn softmax(scores: Tensor<4>) -> Tensor<4> {
    let [b, h, n, p] = scores.dims();
    let scores = contiguous(scores);
    let shares = output([b, h, n, p], &scores);
    let ([y, z], first) = spread(b * h * n);
    let info = [b * h * n, p, first].map(|number| number as u32);
    shader(file!("softmax"), false).launch(&[&scores], &[&shares], &info, [1, y, z]);
    tensor(shares)
}
