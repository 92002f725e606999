//! Neurons, and the attention after them without multiplying every stream by its weights.
//!
//! An intervention on a neuron changes the residual stream `s` at each position by a multiple `a` of the neuron's row
//! `w` of `W_out`. After the LayerNorm, whose scale follows from three inner products, queries, keys and
//! values are `(s W + a (w W)) / scale + bias`: one product `s W` that all neurons share, one product `w W`
//! that all prompts share, and two multiplications per number.

use patchlab_kernels::{Tensor, product};

use super::{Entered, Family};
use crate::error::Result;
use crate::interventions::batch::SweepBatch;
use crate::model::flops;
use crate::model::span::Span;
use crate::site::Stage;

/// Queries, keys and values.
type Heads = (Tensor<4>, Tensor<4>, Tensor<4>);

/// Streams `s + a w` of neurons, after their mean is taken away.
pub(in crate::interventions) struct Sum {
    /// `s`, `[b t, d]`.
    stream: Tensor<2>,
    /// `w`, `[c, d]`.
    weight: Tensor<2>,
    /// `a`, `[c, b t]`.
    change: Tensor<2>,
    /// The squares of `s`, `[1, b t]`.
    base_squares: Tensor<2>,
    /// The squares of the sum, `[c, b t]`.
    squares: Tensor<2>,
}

impl Sum {
    /// Of streams `[b t, d]`, multiples `[c, b t]` and weights `[c, d]`.
    fn of(stream: Tensor<2>, change: Tensor<2>, weight: Tensor<2>) -> Self {
        let stream = stream.clone() - stream.mean_dim(1); // [b t, d]
        let weight = weight.clone() - weight.mean_dim(1); // [c, d]
        let ([bt, d], [c, _]) = (stream.dims(), weight.dims());
        flops::matmul(c, d, bt);
        let w_dot_s = product(weight.clone(), stream.clone().transpose()); // [c, b t]
        let base_squares = (stream.clone() * stream.clone()).sum_dim(1).transpose(); // [1, b t]
        let w_sq = (weight.clone() * weight.clone()).sum_dim(1); // [c, 1]
        let squares = base_squares.clone() + change.clone() * (w_dot_s * 2.0 + change.clone() * w_sq); // [c, b t]
        Self { stream, weight, change, base_squares, squares }
    }
}

impl Family<'_> {
    /// The base run's streams after the MLP, plus a multiple of what each neuron writes.
    pub(super) fn with_neuron(&self, batch: &SweepBatch<'_>, stage: Stage) -> Result<Entered> {
        let base = batch.stream(stage)?; // [b, t, d]
        let (change, weight) = self.neurons(batch)?; // [c, b t], [c, d]
        let ([b, t, d], c) = (base.dims(), self.count);
        let sum = Sum::of(base.clone().reshape([b * t, d]), change.clone(), weight.clone());
        flops::matmul(c * b * t, 1, d);
        let streams = change.reshape([c, b, t, 1]) * weight.reshape([c, 1, 1, d]) + base.unsqueeze();
        // Squares that rounding has made negative are small.
        let eps = (batch.config().eps * d as f64) as f32;
        let ratio = ((sum.base_squares.clone() + eps) / (sum.squares.clone() + eps)).abs(); // [c, b t]
        let shrunk = ratio.reshape([c * b, t]).max_dim(1);
        Ok(Entered { streams, shrunk: Some(shrunk), neurons: Some(sum) })
    }

    /// How much each neuron changes, `[c, b t]`, and its output weights, `[c, d]`.
    fn neurons(&self, batch: &SweepBatch<'_>) -> Result<(Tensor<2>, Tensor<2>)> {
        let base: Tensor<3> = batch.part(self.first.site)?; // [b, t, m]
        let change = batch.changed_part(self.first)? - base; // [b, t, m]
        let ([b, t, _], indices) = (change.dims(), self.indices());
        let change = change.slice([0..b, 0..t, indices.clone()]); // [b, t, c]
        let change = self.where_it_acts(batch, change.zeros(change.dims()), change);
        let change = change.reshape([b * t, self.count]).swap_dims(0, 1); // [c, b t]
        let weight = batch.model().blocks[self.layer()].mlp_out.weight.clone();
        Ok((change, weight.slice([indices, 0..batch.config().d_model]))) // [c, d]
    }

    /// Queries `[c b, n, h, e]`, keys and values `[c b, t, h, e]` of the layer after the neurons'.
    pub(in crate::interventions) fn attention_after(
        &self,
        sum: Sum,
        batch: &SweepBatch<'_>,
        span: &Span,
    ) -> Heads {
        let config = batch.config();
        let (h, e, d, c) = (config.n_heads, config.d_head, config.d_model, self.count);
        let qkv = &batch.model().blocks[self.layer() + 1].qkv;
        let ([bt, _], b) = (sum.stream.dims(), batch.prompts.len());
        let t = bt / b;
        flops::matmul(bt, d, 3 * d);
        flops::matmul(c, d, 3 * d);
        let s_w = product(sum.stream, qkv.weight.clone()); // [b t, 3 d]
        let w_w = product(sum.weight, qkv.weight.clone()); // [c, 3 d]
        let inverse = (sum.squares / d as f32 + config.eps as f32).sqrt().recip(); // [c, b t]
        let change = sum.change * inverse.clone();

        let y = patchlab_kernels::rank_one(s_w, w_w, change, inverse, qkv.bias.clone());
        let y = y.reshape([c * b, t, 3 * d]); // [c b, t, 3 d]
        let part = |part: usize| y.clone().slice([0..c * b, 0..t, part * d..(part + 1) * d]); // [c b, t, d]
        let heads = |y: Tensor<3>| {
            let [rows, n, _] = y.dims();
            y.reshape([rows, n, h, e])
        };
        (heads(span.queried(part(0))), heads(part(1)), heads(part(2)))
    }
}
