//! z of heads.

use patchlab_kernels::Tensor;

use super::Family;
use crate::error::Result;
use crate::interventions::batch::SweepBatch;
use crate::model::flops;
use crate::site::{BlockSite, Stage};

impl Family<'_> {
    /// The base run's stream after attention, plus what the head's change of z writes.
    pub(super) fn with_head(&self, batch: &SweepBatch<'_>) -> Result<Tensor<4>> {
        let base: Tensor<4> = batch.part(self.at(BlockSite::Z))?; // [b, t, h, e]
        let change = batch.changed_part(self.first)? - base;
        let [b, t, h, e] = change.dims();
        let change = change.reshape([b, t, h * e]); // [b, t, h e]
        let change = self.where_it_acts(batch, change.zeros(change.dims()), change);
        self.written(batch, change)
    }

    /// The base run's stream after attention with what each head writes to it for this change of z, `[b, t, h e]`:
    /// `[c, b, t, d]`.
    pub(super) fn written(&self, batch: &SweepBatch<'_>, change: Tensor<3>) -> Result<Tensor<4>> {
        let config = batch.config();
        let (e, d) = (config.d_head, config.d_model);
        let base = batch.stream(Stage::Mlp(self.layer()))?; // [b, t, d]
        let [b, t, _] = change.dims();
        let (indices, c) = (self.indices(), self.count);
        let columns = indices.start * e..indices.end * e;
        let change = change.slice([0..b, 0..t, columns.clone()]).reshape([b * t, c, e]).swap_dims(0, 1); // [c, b t, e]
        let weight = batch.model().blocks[self.layer()].output.weight.clone();
        let weight = weight.slice([columns, 0..d]).reshape([c, e, d]); // [c, e, d]
        flops::matmul(c * b * t, e, d);
        Ok(patchlab_kernels::products(change, weight, base.reshape([b * t, d])).reshape([c, b, t, d]))
    }
}
