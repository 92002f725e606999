//! What the layer after a patched neuron reads, without the product of every patched stream with its weights.
//!
//! A neuron changes the residual stream `s` at each position by a multiple `a` of its own row `w` of `W_out`. After
//! the LayerNorm, whose scale follows from three inner products, queries, keys and values are
//! `(s W + a (w W)) / scale + bias`: two products that all prompts, or all neurons, have in common, and two
//! multiplications per number. Exact up to rounding, like the rest of the sweep.
//!
//! Shapes: `c` neurons, `b` prompts, `t` positions, `d` residual width, `h` heads, `e` head width.

use burn::tensor::Tensor;

use super::entry::Family;
use super::lane::Lane;
use crate::error::Result;
use crate::model::product::product;
use crate::model::span::Span;
use crate::model::{cost, one_pass};
use crate::site::BlockSite;

/// Queries, keys and values.
type Heads = (Tensor<4>, Tensor<4>, Tensor<4>);

impl Family {
    /// Whether the layer after it can be read this way: it is one of neurons, and there is such a layer.
    pub(super) fn is_rank_one(&self, layers: usize) -> bool {
        self.first.site == BlockSite::MlpPost && self.first.layer + 1 < layers
    }
}

impl Lane<'_> {
    /// Queries `[c b, n, h, e]`, keys and values `[c b, t, h, e]` of the layer after a family's.
    pub(super) fn rank_one(&self, family: &Family, span: &Span) -> Result<Heads> {
        let config = &self.model.config;
        let (h, e, d, c) = (config.n_heads, config.d_head, config.d_model, family.count);
        let qkv = &self.model.blocks[family.first.layer + 1].qkv;

        let (change, weight) = self.neurons(family)?; // [c, b t], [c, d]
        let stream = self.stream(family.first.boundary())?; // [b, t, d]
        let [b, t, _] = stream.dims();
        let stream = stream.reshape([b * t, d]);
        let stream = stream.clone() - stream.mean_dim(1); // [b t, d]
        let weight = weight.clone() - weight.mean_dim(1); // [c, d]
        cost::product(b * t, d, 3 * d);
        cost::product(c, d, 3 * d);
        cost::product(c, d, b * t);
        let common = product(stream.clone(), qkv.weight.clone()); // [b t, 3 d]
        let each = product(weight.clone(), qkv.weight.clone()); // [c, 3 d]
        let crossed = product(weight.clone(), stream.clone().transpose()); // [c, b t]
        let own = (stream.clone() * stream).sum_dim(1).transpose(); // [1, b t]
        let added = (weight.clone() * weight).sum_dim(1); // [c, 1]
        let squares = own + change.clone() * (crossed * 2.0 + change.clone() * added); // [c, b t]
        let inverse = (squares / d as f32 + config.eps).sqrt().recip(); // [c, b t]

        let y = one_pass::rank_one(common, each, change * inverse.clone(), inverse, qkv.bias.clone());
        let y = y.reshape([c * b, t, 3 * d]); // [c b, t, 3 d]
        let part = |part: usize| y.clone().slice([0..c * b, 0..t, part * d..(part + 1) * d]); // [c b, t, d]
        let heads = |y: Tensor<3>| {
            let [rows, n, _] = y.dims();
            y.reshape([rows, n, h, e])
        };
        Ok((heads(span.queried(part(0))), heads(part(1)), heads(part(2))))
    }
}
