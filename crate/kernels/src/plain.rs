//! The operations in Burn's own: what each of them means, on every device and with gradients. Nothing here is
//! fast.

use burn::tensor::activation::sigmoid;
use burn::tensor::{Int, Tensor};

use crate::CausalMask;
use crate::gpu::{Operation, Reduction, Right};

/// `2 sqrt(2/pi)`.
const SLOPE: f32 = 1.595_769_2;
const CUBE: f32 = 0.044715 * SLOPE;
/// The sigmoid is 0 or 1 in f32 beyond this. WGSL does not guarantee exponentials of larger numbers.
const SATURATED: f32 = 30.0;

/// Budget for logits that exist at the same time.
const LOGIT_BYTES: usize = 32 << 20;

/// See [`crate::layer_norm`]: normalized and scale.
pub(crate) fn layer_norm(x: Tensor<3>, eps: f64) -> (Tensor<3>, Tensor<3>) {
    let x = x.clone() - x.mean_dim(2); // [b, p, d]
    let variance = (x.clone() * x.clone()).mean_dim(2); // [b, p, 1]
    let scale = (variance + eps).sqrt();
    (x / scale.clone(), scale)
}

/// See [`crate::gelu_new`].
pub(crate) fn gelu_new<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    let square = x.clone() * x.clone();
    let argument = x.clone() * (square * CUBE + SLOPE);
    x * sigmoid(argument.clamp(-SATURATED, SATURATED))
}

/// See [`crate::affine`].
pub(crate) fn affine(x: Tensor<2>, weight: Tensor<2>, bias: Tensor<2>) -> Tensor<2> {
    matmul(x, weight) + bias
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
    let all: Tensor<3> = s_w.unsqueeze::<3>() * inverse.reshape([c, m, 1]); // [c, m, n]
    let all = all + w_w.reshape([c, 1, n]) * change.reshape([c, m, 1]) + bias.reshape([1, 1, n]);
    all.reshape([c * m, n])
}

/// See [`crate::scores`].
pub(crate) fn scores(q: Tensor<4>, k: Tensor<4>, mask: &CausalMask) -> Tensor<4> {
    let ([b, n, h, e], [_, p, _, _]) = (q.dims(), k.dims());
    let scores = matmul(q.swap_dims(1, 2), k.swap_dims(1, 2).transpose()) / (e as f32).sqrt(); // [b, h, n, p]
    scores.mask_fill(mask.hidden([b, h, n, p]), f32::NEG_INFINITY)
}

/// See [`crate::softmax`].
pub(crate) fn softmax(scores: Tensor<4>) -> Tensor<4> {
    burn::tensor::activation::softmax(scores, 3)
}

/// See [`crate::mix`].
pub(crate) fn mix(pattern: Tensor<4>, v: Tensor<4>) -> Tensor<4> {
    matmul(pattern, v.swap_dims(1, 2)).swap_dims(1, 2)
}

/// See [`crate::scores`]: scores of a past of `s` positions, then of the `t` computed ones. All copies of a prompt meet its
/// past in one product, so that it is not copied.
pub(crate) fn continued_scores(q: Tensor<4>, k: Tensor<4>, keys: Tensor<4>, mask: &CausalMask) -> Tensor<4> {
    let ([rows, n, h, e], [_, t, ..], [b, s, ..]) = (q.dims(), k.dims(), keys.dims());
    let c = rows / b;
    let root = (e as f32).sqrt();
    let together = q.clone().reshape([c, b, n, h, e]).permute([1, 3, 0, 2, 4]).reshape([b, h, c * n, e]);
    let past = matmul(together, keys.permute([0, 2, 3, 1])) / root; // [b, h, c n, s]
    let past = past.reshape([b, h, c, n, s]).permute([2, 0, 1, 3, 4]).reshape([rows, h, n, s]);
    let own = matmul(q.swap_dims(1, 2), k.swap_dims(1, 2).transpose()) / root; // [c b, h, n, t]
    let hidden = mask.hidden([rows, h, n, s + t]).slice([0..rows, 0..h, 0..n, s..s + t]);
    Tensor::cat(vec![past, own.mask_fill(hidden, f32::NEG_INFINITY)], 3) // [c b, h, n, s + t]
}

/// See [`crate::mix`]: values of a past of `s` positions, then of the computed ones.
pub(crate) fn continued_mix(pattern: Tensor<4>, v: Tensor<4>, values: Tensor<4>) -> Tensor<4> {
    let ([rows, h, n, p], [b, s, _, e]) = (pattern.dims(), values.dims());
    let c = rows / b;
    let past = pattern.clone().slice([0..rows, 0..h, 0..n, 0..s]);
    let past = past.reshape([c, b, h, n, s]).permute([1, 2, 0, 3, 4]).reshape([b, h, c * n, s]);
    let of_past = matmul(past, values.swap_dims(1, 2)); // [b, h, c n, e]
    let of_past = of_past.reshape([b, h, c, n, e]).permute([2, 0, 3, 1, 4]).reshape([rows, n, h, e]);
    of_past + mix(pattern.slice([0..rows, 0..h, 0..n, s..p]), v)
}

/// See [`crate::chosen_logits`].
pub(crate) fn chosen_logits(normalized: Tensor<2>, directions: Tensor<3>, constants: Tensor<2>) -> Tensor<2> {
    let ([rows, d], [prompts, count, _]) = (normalized.dims(), directions.dims());
    let copies = rows / prompts;
    let all: Tensor<4> = directions.unsqueeze::<4>() * normalized.reshape([copies, prompts, 1, d]); // [c, b, k, d]
    (all.sum_dim(3).reshape([copies, prompts, count]) + constants.unsqueeze()).reshape([rows, count])
}

/// See [`crate::vocabulary`].
pub(crate) fn vocabulary(
    h: Tensor<2>,
    blocks: &[Tensor<2>],
    chosen: Tensor<2>,
    tokens: Tensor<2, Int>,
) -> Tensor<2> {
    let ([n, d], [_, k], [prompts, _]) = (h.dims(), chosen.dims(), tokens.dims());
    let vocabulary: usize = blocks.iter().map(|block| block.dims()[0]).sum();
    // Whole cycles of the prompts, so that every piece starts with the first one.
    let rows = (LOGIT_BYTES / (4 * vocabulary) / prompts).max(1) * prompts;
    let piece = |start: usize| {
        let part = start..(start + rows).min(n);
        let (h, chosen) = (h.clone().slice([part.clone(), 0..d]), chosen.clone().slice([part, 0..k]));
        vocabulary_of_some(h, blocks, chosen, tokens.clone())
    };
    Tensor::cat((0..n).step_by(rows).map(piece).collect(), 0)
}

fn vocabulary_of_some(
    h: Tensor<2>,
    blocks: &[Tensor<2>],
    chosen: Tensor<2>,
    tokens: Tensor<2, Int>,
) -> Tensor<2> {
    let ([rows, _], [prompts, _]) = (h.dims(), tokens.dims());
    let answers = tokens.slice([0..prompts, 0..1]).unsqueeze::<3>(); // [1, b, 1]
    let answers = answers.expand([rows / prompts, prompts, 1]).reshape([rows, 1]); // [n, 1]
    let part = |index: usize| chosen.clone().slice([0..rows, index..index + 1]); // [n, 1]
    let (answer, mean) = (part(0), part(2));
    let logits: Vec<Tensor<2>> = blocks
        .iter()
        .map(|block| product(h.clone(), block.clone().transpose()) - mean.clone()) // [n, block]
        .collect();
    let tops = logits.iter().map(|block| block.clone().max_dim(1)).collect();
    let top = Tensor::<2>::cat(tops, 1).max_dim(1); // [n, 1]
    let mut sum = top.zeros_like();
    let mut above = top.zeros_like();
    let mut first = 0;
    for block in logits {
        let [_, width] = block.dims();
        let likelier = block.clone().greater(answer.clone().expand([rows, width])); // [n, block]
        above = above + likelier.float().sum_dim(1);
        // Rounding may put the answer above itself, which does not count.
        let column = answers.clone() - first as i32;
        let here =
            column.clone().greater_equal_elem(0).float() * column.clone().lower_elem(width as i32).float();
        let own = block.clone().gather(1, column.clamp(0, width as i32 - 1)); // [n, 1]
        above = above - own.greater(answer.clone()).float() * here;
        sum = sum + (block - top.clone()).exp().sum_dim(1);
        first += width;
    }
    Tensor::cat(vec![chosen.slice([0..rows, 0..2]), sum.log() + top, above], 1) // [n, 4]
}

/// See [`crate::product`].
pub(crate) fn product(left: Tensor<2>, right: Tensor<2>) -> Tensor<2> {
    if crate::on_processor(&left.device()) { crate::cpu::product(left, right) } else { matmul(left, right) }
}

/// Burn's product. In the page's module, unless the kernels are turned off, only tensors in main memory come here:
/// then it is Flex's by name, and Burn's products for GPUs, with the generator of their kernels, stay out of the
/// module.
pub(crate) fn matmul<const D: usize>(left: Tensor<D>, right: Tensor<D>) -> Tensor<D> {
    if cfg!(all(target_family = "wasm", not(feature = "plain"))) {
        crate::cpu::matmul(left, right)
    } else {
        left.matmul(right)
    }
}

/// Arithmetic, number by number.
pub(crate) fn combine<const D: usize>(left: Tensor<D>, right: Right<D>, operation: Operation) -> Tensor<D> {
    match (operation, right) {
        (Operation::Add, Right::Tensor(right)) => left + right,
        (Operation::Add, Right::Number(right)) => left + right,
        (Operation::Subtract, Right::Tensor(right)) => left - right,
        (Operation::Subtract, Right::Number(right)) => left - right,
        (Operation::Multiply, Right::Tensor(right)) => left * right,
        (Operation::Multiply, Right::Number(right)) => left * right,
        (Operation::Divide, Right::Tensor(right)) => left / right,
        (Operation::Divide, Right::Number(right)) => left / right,
        (Operation::Root, _) => left.sqrt(),
        (Operation::Reciprocal, _) => left.recip(),
        (Operation::Magnitude, _) => left.abs(),
        (Operation::Differ, Right::Tensor(right)) => left.not_equal(right).float(),
        (Operation::Differ, Right::Number(right)) => left.not_equal_elem(right).float(),
        (Operation::Copy, _) => left,
        (Operation::Fill, Right::Tensor(right)) => right,
        (Operation::Fill, Right::Number(number)) => left.full_like(number),
    }
}

/// An axis reduced to one number.
pub(crate) fn reduce<const D: usize>(x: Tensor<D>, axis: usize, reduction: Reduction) -> Tensor<D> {
    match reduction {
        Reduction::Sum => x.sum_dim(axis),
        Reduction::Mean => x.mean_dim(axis),
        Reduction::Maximum => x.max_dim(axis),
    }
}
