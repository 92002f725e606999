//! Queries, keys and values of the layer after a patched neuron, without multiplying every patched stream by
//! its weights.
//!
//! Patching a neuron changes the residual stream `s` at each position by a multiple `a` of the neuron's row
//! `w` of `W_out`. After the LayerNorm, whose scale follows from three inner products, queries, keys and
//! values are `(s W + a (w W)) / scale + bias`: one product `s W` that all neurons share, one product `w W`
//! that all prompts share, and two multiplications per number. Exact up to rounding, like the rest of the
//! sweep.
//!
//! Shapes: `c` neurons, `b` prompts, `t` positions, `d` residual width, `h` heads, `e` head width.

use patchlab_kernels::{Tensor, product};

use super::patch_batch::PatchBatch;
use super::patched_residual::PatchRange;
use crate::error::Result;
use crate::model::flops;
use crate::model::span::Span;
use crate::site::BlockSite;

/// Queries, keys and values.
type Heads = (Tensor<4>, Tensor<4>, Tensor<4>);

impl PatchRange {
    /// Whether the next layer can be computed this way: these are neurons, and there is a next layer.
    pub(super) fn is_rank_one(&self, layers: usize) -> bool {
        self.first.site == BlockSite::MlpPost && self.first.layer + 1 < layers
    }
}

impl PatchBatch<'_> {
    /// Queries `[c b, n, h, e]`, keys and values `[c b, t, h, e]` of the layer after the range's.
    pub(super) fn rank_one(&self, range: &PatchRange, span: &Span) -> Result<Heads> {
        let config = &self.model.config;
        let (h, e, d, c) = (config.n_heads, config.d_head, config.d_model, range.count);
        let qkv = &self.model.blocks[range.first.layer + 1].qkv;

        let (change, weight) = self.neurons(range)?; // [c, b t], [c, d]
        let stream = self.stream(range.first.stage())?; // [b, t, d]
        let [b, t, _] = stream.dims();
        let stream = stream.reshape([b * t, d]);
        let stream = stream.clone() - stream.mean_dim(1); // [b t, d]
        let weight = weight.clone() - weight.mean_dim(1); // [c, d]
        flops::matmul(b * t, d, 3 * d);
        flops::matmul(c, d, 3 * d);
        flops::matmul(c, d, b * t);
        let s_w = product(stream.clone(), qkv.weight.clone()); // [b t, 3 d]
        let w_w = product(weight.clone(), qkv.weight.clone()); // [c, 3 d]
        let w_dot_s = product(weight.clone(), stream.clone().transpose()); // [c, b t]
        let s_sq = (stream.clone() * stream).sum_dim(1).transpose(); // [1, b t]
        let w_sq = (weight.clone() * weight).sum_dim(1); // [c, 1]
        let squares = s_sq + change.clone() * (w_dot_s * 2.0 + change.clone() * w_sq); // [c, b t]
        let inverse = (squares / d as f32 + config.eps as f32).sqrt().recip(); // [c, b t]

        let y = patchlab_kernels::rank_one(s_w, w_w, change * inverse.clone(), inverse, qkv.bias.clone());
        let y = y.reshape([c * b, t, 3 * d]); // [c b, t, 3 d]
        let part = |part: usize| y.clone().slice([0..c * b, 0..t, part * d..(part + 1) * d]); // [c b, t, d]
        let heads = |y: Tensor<3>| {
            let [rows, n, _] = y.dims();
            y.reshape([rows, n, h, e])
        };
        Ok((heads(span.queried(part(0))), heads(part(1)), heads(part(2))))
    }
}
