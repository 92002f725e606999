//! Neurons, and the attention after them without multiplying every stream by its weights.
//!
//! An intervention on a neuron changes the residual stream `s` at each position by a multiple `a` of the neuron's row
//! `w` of `W_out`. After the LayerNorm, whose scale follows from three inner products, queries, keys and
//! values are `(s W + a (w W)) / scale + bias`: one product `s W` that all neurons share, one product `w W`
//! that all prompts share, and two multiplications per number.

use patchlab_kernels::{Tensor, product};

use super::Family;
use crate::error::Result;
use crate::interventions::batch::SweepBatch;
use crate::model::flops;
use crate::model::span::Span;
use crate::site::Stage;

/// Queries, keys and values.
type Heads = (Tensor<4>, Tensor<4>, Tensor<4>);

impl Family<'_> {
    /// The stage after the neurons' layer.
    fn next(&self, batch: &SweepBatch<'_>) -> Stage {
        let next = self.layer() + 1;
        if next < batch.config().n_layers { Stage::Attention(next) } else { Stage::Final }
    }

    /// The base run's stream after the MLP, plus a multiple of what the neuron writes.
    pub(super) fn with_neuron(&self, batch: &SweepBatch<'_>) -> Result<Tensor<4>> {
        let base = batch.stream(self.next(batch))?; // [b, t, d]
        let (change, weight) = self.neurons(batch)?; // [c, b t], [c, d]
        let ([b, t, d], c) = (base.dims(), self.count);
        flops::matmul(c * b * t, 1, d);
        Ok(change.reshape([c, b, t, 1]) * weight.reshape([c, 1, 1, d]) + base.unsqueeze())
    }

    /// How much each neuron changes, `[c, b t]`, and its output weights, `[c, d]`.
    fn neurons(&self, batch: &SweepBatch<'_>) -> Result<(Tensor<2>, Tensor<2>)> {
        let base: Tensor<3> = batch.part(self.first.site)?; // [b, t, m]
        let change = batch.changed_part(self.first)? - base; // [b, t, m]
        let change = self.where_it_acts(batch, change.zeros(change.dims()), change);
        let [b, t, _] = change.dims();
        let (indices, d) = (self.indices(), batch.config().d_model);
        let change = change.slice([0..b, 0..t, indices.clone()]).reshape([b * t, self.count]).swap_dims(0, 1); // [c, b t]
        let weight = batch.model().blocks[self.layer()].mlp_out.weight.clone().slice([indices, 0..d]); // [c, d]
        Ok((change, weight))
    }

    /// Queries `[c b, n, h, e]`, keys and values `[c b, t, h, e]` of the layer after the neurons'.
    pub(in crate::interventions) fn attention_after(
        &self,
        batch: &SweepBatch<'_>,
        span: &Span,
    ) -> Result<Heads> {
        let config = batch.config();
        let (h, e, d, c) = (config.n_heads, config.d_head, config.d_model, self.count);
        let qkv = &batch.model().blocks[self.layer() + 1].qkv;

        let (change, weight) = self.neurons(batch)?; // [c, b t], [c, d]
        let stream = batch.stream(self.next(batch))?; // [b, t, d]
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
