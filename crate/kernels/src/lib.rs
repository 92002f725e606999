//! The operations that the model's passes spend their time in.
//!
//! Each is a function on [`Tensor`]s, or a method of theirs, and what it computes is in its documentation. There are three
//! implementations: `plain` in Burn's own operations, which is the definition and runs on every device and
//! with gradients; one for tensors in main memory, on the loops of `patchlab-loops`; and one for a GPU, in
//! WGSL. `tests` compares them.
//!
//! Shapes: `b` prompts, `c` copies of them, `n` queries, `p` sources, `h` heads, `e` head width, `d` residual
//! width.

mod cpu;
mod gpu;
mod mask;
mod plain;
mod tensor;
#[cfg(test)]
mod tests;

use burn::tensor::{Device, Tensor as BurnTensor};

pub use mask::CausalMask;
pub use tensor::{Indices, Tensor};

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

/// The most bytes that a tensor may have on a GPU: its limit for buffers, and for what a kernel reads of one.
pub fn largest_tensor(device: &Device) -> usize {
    gpu::largest_tensor(device)
}

/// Says that what stands for a GPU is the processor, for the rest of this process or worker. Larger tiles bring nothing
/// there, and their texts take a processor's compiler seconds each.
pub fn on_software_adapter() {
    gpu::on_software_adapter();
}

/// What a LayerNorm gives.
#[derive(Debug, Clone)]
pub struct Normalized {
    /// `(x - mean) / scale`, of the shape of `x`.
    pub normalized: Tensor<3>,
    /// `sqrt(variance + eps)`, `[b, p, 1]`.
    pub scale: Tensor<3>,
}

/// The implementation of an operation for the place of a tensor.
macro_rules! choose {
    ($tensor:expr, $operation:ident($($argument:expr),*)) => {
        match Place::of(&$tensor.device()) {
            Place::Cpu => cpu::$operation($($argument),*),
            Place::Gpu => gpu::$operation($($argument),*),
            Place::Plain => plain::$operation($($argument),*),
        }
    };
}

/// LayerNorm without weights over the last axis.
pub fn layer_norm(x: Tensor<3>, eps: f64) -> Normalized {
    let (normalized, scale) = choose!(x, layer_norm(x.0, eps));
    Normalized { normalized: Tensor(normalized), scale: Tensor(scale) }
}

/// GPT-2's activation function, `0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))`, written as
/// `x sigmoid(2 sqrt(2/pi) (x + 0.044715 x^3))`, which is the same number with one exponential.
pub fn gelu_new<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    Tensor(choose!(x, gelu_new(x.0)))
}

/// What follows an affine map.
#[derive(Debug, Clone)]
#[expect(clippy::large_enum_variant, reason = "it is moved once per operation")]
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
    let y = match Place::of(&x.device()) {
        Place::Gpu => {
            let (gelu, add) = match then {
                Then::Nothing => (false, None),
                Then::Gelu => (true, None),
                Then::Add(other) => (false, Some(other.0)),
            };
            let after = gpu::After { bias: Some(bias.0), gelu, add, mask: None };
            return flat(gpu::multiply(x.unsqueeze().0, weight.unsqueeze().0, after, false));
        }
        Place::Cpu => Tensor(cpu::affine(x.0, weight.0, bias.0)),
        Place::Plain => Tensor(plain::affine(x.0, weight.0, bias.0)),
    };
    match then {
        Then::Nothing => y,
        Then::Gelu => gelu_new(y),
        Then::Add(other) => other + y,
    }
}

/// `left [m, k] x right [k, n] -> [m, n]`.
pub fn product(left: Tensor<2>, right: Tensor<2>) -> Tensor<2> {
    match Place::of(&left.device()) {
        Place::Gpu => {
            let after = gpu::After::default();
            flat(gpu::multiply(left.unsqueeze().0, right.unsqueeze().0, after, false))
        }
        Place::Cpu | Place::Plain => Tensor(plain::product(left.0, right.0)),
    }
}

/// One product per head, each added to the same rows:
/// `left [c, m, k] x right [c, k, n] + add [m, n] -> [c, m, n]`.
pub fn products(left: Tensor<3>, right: Tensor<3>, add: Tensor<2>) -> Tensor<3> {
    match Place::of(&left.device()) {
        Place::Gpu => {
            let after = gpu::After { add: Some(add.0), ..gpu::After::default() };
            let all = gpu::multiply(left.unsqueeze().0, right.unsqueeze().0, after, false); // [1, c, m, n]
            let [_, c, m, n] = all.dims();
            Tensor(all).reshape([c, m, n])
        }
        Place::Cpu | Place::Plain => Tensor(plain::matmul(left.0, right.0) + add.0.unsqueeze()),
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
    Tensor(choose!(s_w, rank_one(s_w.0, w_w.0, change.0, inverse.0, bias.0)))
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
        let past = past.map(|past| [past.keys.0, past.values.0]);
        return Tensor(gpu::attention([q.0, k.0, v.0], past, destinations));
    }
    mix(softmax(scores(q, k, past.as_ref(), mask)), v, past.as_ref())
}

/// Attention scores, minus infinity where a destination must not attend to a source:
/// `q [c b, n, h, e], k [c b, t, h, e] -> [c b, h, n, s + t]`, with a `past` of `s` positions before the `t` computed ones.
pub fn scores(q: Tensor<4>, k: Tensor<4>, past: Option<&Past>, mask: &CausalMask) -> Tensor<4> {
    let keys = past.map(|past| past.keys.0.clone());
    Tensor(match (mask.on_gpu(), keys) {
        (Some(destinations), None) => gpu::scores(q.0, k.0, destinations),
        (Some(_), Some(keys)) => {
            let [_, before, ..] = keys.dims();
            gpu::continued_scores(q.0, k.0, keys, mask.counted_from(before))
        }
        (None, None) => plain::scores(q.0, k.0, mask),
        (None, Some(keys)) => plain::continued_scores(q.0, k.0, keys, mask),
    })
}

/// Softmax over the last axis, in which some number of each row must be finite.
pub fn softmax(scores: Tensor<4>) -> Tensor<4> {
    Tensor(match Place::of(&scores.device()) {
        Place::Gpu => gpu::softmax(scores.0),
        Place::Cpu | Place::Plain => plain::softmax(scores.0),
    })
}

/// Attention-weighted values, each head's z: `pattern [c b, h, n, s + t], v [c b, t, h, e] -> [c b, n, h, e]`, with a `past`
/// of `s` positions before the `t` computed ones.
pub fn mix(pattern: Tensor<4>, v: Tensor<4>, past: Option<&Past>) -> Tensor<4> {
    let values = past.map(|past| past.values.0.clone());
    Tensor(match (Place::of(&pattern.device()), values) {
        (Place::Gpu, None) => gpu::mix(pattern.0, v.0),
        (Place::Gpu, Some(values)) => gpu::continued_mix(pattern.0, v.0, values),
        (Place::Cpu | Place::Plain, None) => plain::mix(pattern.0, v.0),
        (Place::Cpu | Place::Plain, Some(values)) => plain::continued_mix(pattern.0, v.0, values),
    })
}

/// Inner products of each row with the directions of its prompt, plus a constant each:
/// `normalized [c b, d], directions [b, k, d], constants [b, k] -> [c b, k]`.
pub fn chosen_logits(normalized: Tensor<2>, directions: Tensor<3>, constants: Tensor<2>) -> Tensor<2> {
    Tensor(match Place::of(&normalized.device()) {
        Place::Gpu => gpu::chosen_logits(normalized.0, directions.0, constants.0),
        Place::Cpu | Place::Plain => plain::chosen_logits(normalized.0, directions.0, constants.0),
    })
}

/// Logits of answer and distractor, log-sum-exp of all logits, and the number of tokens with a larger logit
/// than the answer: `[c b, 4]`. `h [c b, d]` times the rows of `blocks`, together `[tokens, d]`, are the logits
/// before their mean is taken away; `chosen [c b, 3]` are the logits of answer and distractor after that, and
/// the mean; `tokens [b, 2]` says which tokens these are.
pub fn vocabulary(h: Tensor<2>, blocks: &[Tensor<2>], chosen: Tensor<2>, tokens: &Indices<2>) -> Tensor<2> {
    let blocks: Vec<BurnTensor<2>> = blocks.iter().map(|block| block.0.clone()).collect();
    Tensor(match Place::of(&h.device()) {
        Place::Gpu => gpu::vocabulary(h.0, &blocks, chosen.0, tokens.0.clone()),
        Place::Cpu | Place::Plain => plain::vocabulary(h.0, &blocks, chosen.0, tokens.0.clone()),
    })
}

/// Launches every GPU kernel once, on a few numbers, for a model whose residual stream and heads have these widths.
/// A browser compiles a kernel when it is launched first, in the background: weights can be fetched meanwhile. The
/// result is there when everything is compiled.
pub fn prepare(d_model: usize, d_head: usize, device: &Device) -> Option<Tensor<1>> {
    (Place::of(device) == Place::Gpu).then(|| Tensor(gpu::prepare(d_model, d_head, device)))
}

fn flat(product: BurnTensor<4>) -> Tensor<2> {
    let [.., m, n] = product.dims();
    Tensor(product).reshape([m, n])
}
