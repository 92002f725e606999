//! Outputs of attention and MLP.

use patchlab_kernels::Tensor;

use super::Family;
use crate::error::Result;
use crate::interventions::batch::SweepBatch;
use crate::site::BlockSite;

impl Family<'_> {
    /// The stream before, plus the changed output: what the pass itself would add up.
    pub(super) fn with_output(&self, batch: &SweepBatch<'_>) -> Result<Tensor<4>> {
        let site = self.first.site;
        let before =
            if site == self.at(BlockSite::AttnOut) { BlockSite::ResidPre } else { BlockSite::ResidMid };
        let before = batch.stream_beside(self.at(before), site)?; // [b, t, d]
        let output = self.where_it_acts(batch, batch.part(site)?, batch.changed_part(self.first)?); // [b, t, d]
        Ok((before + output).unsqueeze())
    }
}
