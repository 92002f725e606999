//! The logits of all tokens.

use patchlab_kernels::Tensor;

use super::{Readout, Run};
use crate::error::Result;
use crate::metrics::log_sum_exp;
use crate::model::Model;
use crate::readback::{self, Reads};

/// Reads the logits of all tokens at each row of `normalized [n, d]`, as many rows at once as the memory budget allows, and hands
/// them to `seen` with the row's index.
///
/// # Errors
/// [`crate::Error::Compute`].
pub(crate) async fn each(
    model: &Model,
    normalized: Tensor<2>,
    mut seen: impl FnMut(usize, Vec<f32>),
) -> Result<()> {
    let [n, d] = normalized.dims();
    let at_once = model.budget.logit_rows(&model.config);
    for first in (0..n).step_by(at_once) {
        let end = n.min(first + at_once);
        let blocks = model.unembedding.logits(normalized.clone().slice([first..end, 0..d])); // [rows, block] each
        let widths: Vec<usize> = blocks.iter().map(|block| block.dims()[1]).collect();
        let blocks = blocks.into_iter().fold(Reads::default(), Reads::with).fetch().await?;
        (first..end).for_each(|row| seen(row, row_of(&blocks, &widths, row - first)));
    }
    Ok(())
}

/// A row of logits over the whole vocabulary, from its blocks `[n, width]` each.
pub(crate) fn row_of(blocks: &[Vec<f32>], widths: &[usize], row: usize) -> Vec<f32> {
    let of_block = |(block, &width): (&Vec<f32>, &usize)| block[row * width..(row + 1) * width].to_vec();
    blocks.iter().zip(widths).flat_map(of_block).collect()
}

impl Run {
    /// Compares its next tokens, and those of the runs that the readout is used for, with its own: what a divergence is measured from.
    ///
    /// # Errors
    /// [`crate::Error::Compute`].
    pub(crate) async fn compared_with_itself(&mut self, model: &Model, readout: &Readout) -> Result<Readout> {
        let mut distributions = Vec::new();
        each(model, self.last.clone(), |_, logits| {
            let norm = log_sum_exp(&logits);
            let all = logits.into_iter().map(|logit| (f64::from(logit) - norm).exp());
            distributions.push(all.collect::<Vec<f64>>());
        })
        .await?;
        let readout = readout.compared_with(model, &distributions);
        self.stats = readout.stats(&readback::read(readout.of(model, self.last.clone())).await?);
        Ok(readout)
    }
}
