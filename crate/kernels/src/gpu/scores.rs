//! Attention in steps, for hooks that look at scores or patterns. What follows is written with the product kernel; copies
//! of a prompt meet its past in one product, so that it is not copied.

use burn::tensor::{Int, Tensor};

use super::{After, cat, combine, multiply, reshape, slice};
use crate::gpu::{Operation, Right};

/// See [`crate::scores`].
pub(crate) fn scores(q: Tensor<4>, k: Tensor<4>, destinations: Tensor<2, Int>) -> Tensor<4> {
    let mask = Some((factor(&q), destinations));
    let (q, k) = (q.swap_dims(1, 2), k.swap_dims(1, 2).swap_dims(2, 3));
    multiply(q, k, After { mask, ..After::default() }, false)
}

/// See [`crate::scores`]; destinations count from the end of the past.
pub(crate) fn continued_scores(
    q: Tensor<4>,
    k: Tensor<4>,
    keys: Tensor<4>,
    destinations: Tensor<2, Int>,
) -> Tensor<4> {
    let ([rows, n, h, e], [b, s, ..], factor) = (q.dims(), keys.dims(), factor(&q));
    let c = rows / b;
    let together = reshape(q.clone(), [c, b, n, h * e]).swap_dims(0, 1); // [b, c, n, h e]
    let together = reshape(together, [b, c * n, h, e]).swap_dims(1, 2); // [b, h, c n, e]
    let past = multiply(together, keys.swap_dims(1, 2).swap_dims(2, 3), After::default(), true); // [b, h, c n, s]
    let past = reshape(past.swap_dims(1, 2), [b, c, n, h * s]).swap_dims(0, 1); // [c, b, n, h s]
    let past = reshape(past, [rows, n, h, s]).swap_dims(1, 2); // [c b, h, n, s]
    let past = combine(past, Right::Number(factor), Operation::Multiply);
    cat(vec![past, scores(q, k, destinations)], 3)
}

/// See [`crate::mix`].
pub(crate) fn mix(pattern: Tensor<4>, v: Tensor<4>) -> Tensor<4> {
    multiply(pattern, v.swap_dims(1, 2), After::default(), true).swap_dims(1, 2)
}

/// See [`crate::mix`].
pub(crate) fn continued_mix(pattern: Tensor<4>, v: Tensor<4>, values: Tensor<4>) -> Tensor<4> {
    let ([rows, h, n, p], [b, s, _, e]) = (pattern.dims(), values.dims());
    let c = rows / b;
    let of = |sources| slice(pattern.clone(), [0..rows, 0..h, 0..n, sources]);
    let past = reshape(of(0..s).swap_dims(1, 2), [c, b, n, h * s]).swap_dims(0, 1); // [b, c, n, h s]
    let past = reshape(past, [b, c * n, h, s]).swap_dims(1, 2); // [b, h, c n, s]
    let past = mix(past, values); // [b, c n, h, e]
    let past = reshape(reshape(past, [b, c, n, h * e]).swap_dims(0, 1), [rows, n, h, e]); // [c b, n, h, e]
    combine(past, Right::Tensor(mix(of(s..p), v)), Operation::Add)
}

/// Scores are divided by the root of a head's width.
fn factor(q: &Tensor<4>) -> f32 {
    let [.., width] = q.dims();
    1.0 / (width as f32).sqrt()
}
