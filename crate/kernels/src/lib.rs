//! The operations that the model's passes spend their time in.
//!
//! Each is a function on Burn's tensors, and what it computes is in its documentation. There are three
//! implementations: [`plain`] in Burn's own operations, which is the definition and runs on every device and
//! with gradients; one for tensors in main memory, on the loops of `patchlab-loops`; and one for a GPU, in
//! WGSL. `tests` compares them.
//!
//! Shapes: `b` prompts, `c` copies of them, `n` queries, `p` sources, `h` heads, `e` head width, `d` residual
//! width.

mod cpu;
mod gpu;
mod mask;
pub mod plain;
#[cfg(test)]
mod tests;

use burn::tensor::{Device, Int, Tensor};

pub use mask::CausalMask;

/// Where a tensor's numbers are, and who computes with them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// In main memory.
    Cpu,
    /// On a GPU.
    Gpu,
    /// Wherever Burn has them: gradients are needed, or this project's kernels are turned off.
    Plain,
}

impl Place {
    fn of(device: &Device) -> Self {
        if device.is_autodiff() {
            Place::Plain
        } else if *device == Device::flex() {
            Place::Cpu
        } else if cfg!(feature = "plain") {
            Place::Plain
        } else {
            Place::Gpu
        }
    }
}

/// Whether tensors are in main memory and no gradients are needed.
pub fn on_processor(device: &Device) -> bool {
    Place::of(device) == Place::Cpu
}

/// What a LayerNorm gives.
#[derive(Debug, Clone)]
pub struct Normalized {
    /// `(x - mean) / scale`, of the shape of `x`.
    pub normalized: Tensor<3>,
    /// `sqrt(variance + eps)`, `[b, p, 1]`.
    pub scale: Tensor<3>,
}

/// LayerNorm without weights over the last axis.
pub fn layer_norm(x: Tensor<3>, eps: f64) -> Normalized {
    match Place::of(&x.device()) {
        Place::Cpu => cpu::layer_norm(x, eps),
        Place::Gpu => gpu::layer_norm(x, eps),
        Place::Plain => plain::layer_norm(x, eps),
    }
}

/// GPT-2's activation function, `0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))`, written as
/// `x sigmoid(2 sqrt(2/pi) (x + 0.044715 x^3))`, which is the same number with one exponential.
pub fn gelu_new<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    match Place::of(&x.device()) {
        Place::Cpu => cpu::gelu_new(x),
        Place::Gpu => gpu::gelu_new(x),
        Place::Plain => plain::gelu_new(x),
    }
}

/// What follows an affine map.
#[derive(Debug, Clone)]
pub enum Then {
    /// Nothing.
    Nothing,
    /// The activation function, [`gelu_new`].
    Gelu,
    /// Something is added, `[m, n]`.
    Add(Tensor<2>),
}

/// `x [m, k] x weight [k, n] + bias [1, n]`, and what follows: `[m, n]`.
pub fn affine(x: Tensor<2>, weight: Tensor<2>, bias: Tensor<2>, then: Then) -> Tensor<2> {
    match Place::of(&x.device()) {
        Place::Cpu => cpu::affine(x, weight, bias, then),
        Place::Gpu => {
            let (gelu, add) = match then {
                Then::Nothing => (false, None),
                Then::Gelu => (true, None),
                Then::Add(other) => (false, Some(other)),
            };
            let after = gpu::After { bias: Some(bias), gelu, add, mask: None };
            flat(gpu::multiply(x.unsqueeze(), weight.unsqueeze(), after, false))
        }
        Place::Plain => plain::affine(x, weight, bias, then),
    }
}

/// `left [m, k] x right [k, n] -> [m, n]`.
pub fn product(left: Tensor<2>, right: Tensor<2>) -> Tensor<2> {
    match Place::of(&left.device()) {
        Place::Cpu => cpu::product(left, right),
        Place::Gpu => flat(gpu::multiply(left.unsqueeze(), right.unsqueeze(), gpu::After::default(), false)),
        Place::Plain => plain::matmul(left, right),
    }
}

/// One product per head, each added to the same rows:
/// `left [c, m, k] x right [c, k, n] + add [m, n] -> [c, m, n]`.
pub fn products(left: Tensor<3>, right: Tensor<3>, add: Tensor<2>) -> Tensor<3> {
    match Place::of(&left.device()) {
        Place::Gpu => {
            let after = gpu::After { add: Some(add), ..gpu::After::default() };
            let all = gpu::multiply(left.unsqueeze(), right.unsqueeze(), after, false); // [1, c, m, n]
            let [_, c, m, n] = all.dims();
            all.reshape([c, m, n])
        }
        Place::Cpu | Place::Plain => plain::matmul(left, right) + add.unsqueeze(),
    }
}

/// `s_w [m, n] * inverse [c, m] + w_w [c, n] * change [c, m] + bias [1, n]`: `[c m, n]`.
pub fn rank_one(
    s_w: Tensor<2>,
    w_w: Tensor<2>,
    change: Tensor<2>,
    inverse: Tensor<2>,
    bias: Tensor<2>,
) -> Tensor<2> {
    match Place::of(&s_w.device()) {
        Place::Cpu => cpu::rank_one(s_w, w_w, change, inverse, bias),
        Place::Gpu => gpu::rank_one(s_w, w_w, change, inverse, bias),
        Place::Plain => plain::rank_one(s_w, w_w, change, inverse, bias),
    }
}

/// Keys and values of earlier positions, which `c` copies of the prompts share: `[b, s, h, e]` each.
#[derive(Debug, Clone)]
pub struct Past {
    /// The keys.
    pub keys: Tensor<4>,
    /// The values.
    pub values: Tensor<4>,
}

/// Each head's z: `q [c b, n, h, e], k and v [c b, t, h, e] -> [c b, n, h, e]`. With a `past` of `s` positions
/// the sources are these and then the `t` computed ones.
pub fn attention(
    q: Tensor<4>,
    k: Tensor<4>,
    v: Tensor<4>,
    past: Option<Past>,
    mask: &CausalMask,
) -> Tensor<4> {
    let [.., width] = q.dims();
    if let (Some(destinations), true) = (mask.on_gpu(), gpu::fits(width)) {
        return gpu::attention(q, k, v, past, destinations);
    }
    let [rows, ..] = q.dims();
    let (k, v) = match past {
        None => (k, v),
        Some(past) => (plain::continued(past.keys, k, rows), plain::continued(past.values, v, rows)),
    };
    mix(softmax(scores(q, k, mask)), v)
}

/// Attention scores, minus infinity where a destination must not attend to a source:
/// `q [b, n, h, e], k [b, p, h, e] -> [b, h, n, p]`.
pub fn scores(q: Tensor<4>, k: Tensor<4>, mask: &CausalMask) -> Tensor<4> {
    let [.., width] = q.dims();
    match mask.on_gpu() {
        Some(destinations) => {
            let mask = Some((1.0 / (width as f32).sqrt(), destinations));
            let (q, k) = (q.swap_dims(1, 2), k.swap_dims(1, 2).swap_dims(2, 3));
            gpu::multiply(q, k, gpu::After { mask, ..gpu::After::default() }, false)
        }
        None => plain::scores(q, k, mask),
    }
}

/// Softmax over the last axis, in which some number of each row must be finite.
pub fn softmax(scores: Tensor<4>) -> Tensor<4> {
    match Place::of(&scores.device()) {
        Place::Gpu => gpu::softmax(scores),
        Place::Cpu | Place::Plain => plain::softmax(scores),
    }
}

/// Attention-weighted values, each head's z: `pattern [b, h, n, p], v [b, p, h, e] -> [b, n, h, e]`.
pub fn mix(pattern: Tensor<4>, v: Tensor<4>) -> Tensor<4> {
    match Place::of(&pattern.device()) {
        Place::Gpu => gpu::multiply(pattern, v.swap_dims(1, 2), gpu::After::default(), true).swap_dims(1, 2),
        Place::Cpu | Place::Plain => plain::mix(pattern, v),
    }
}

/// Inner products of each row with the directions of its prompt, plus a constant each:
/// `normalized [c b, d], directions [b, k, d], constants [b, k] -> [c b, k]`.
pub fn chosen_logits(normalized: Tensor<2>, directions: Tensor<3>, constants: Tensor<2>) -> Tensor<2> {
    match Place::of(&normalized.device()) {
        Place::Gpu => gpu::chosen_logits(normalized, directions, constants),
        Place::Cpu | Place::Plain => plain::chosen_logits(normalized, directions, constants),
    }
}

/// Logits of answer and distractor, log-sum-exp of all logits, and the number of tokens with a larger logit
/// than the answer: `[c b, 4]`. `h [c b, d]` times the rows of `blocks`, together `[tokens, d]`, are the logits
/// before their mean is taken away; `chosen [c b, 3]` are the logits of answer and distractor after that, and
/// the mean; `tokens [b, 2]` says which tokens these are.
pub fn vocabulary(
    h: Tensor<2>,
    blocks: &[Tensor<2>],
    chosen: Tensor<2>,
    tokens: Tensor<2, Int>,
) -> Tensor<2> {
    match Place::of(&h.device()) {
        Place::Gpu => {
            let [prompts, _] = tokens.dims();
            gpu::vocabulary(h, blocks, chosen, tokens.slice([0..prompts, 0..1]).reshape([prompts]))
        }
        Place::Cpu | Place::Plain => plain::vocabulary(h, blocks, chosen, tokens),
    }
}

fn flat(product: Tensor<4>) -> Tensor<2> {
    let [.., m, n] = product.dims();
    product.reshape([m, n])
}
