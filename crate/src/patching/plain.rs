//! The definition: one full forward pass per patch, with nothing saved.

use super::{Cell, Direction};
use crate::error::Result;
use crate::metrics::Outcome;
use crate::model::{Model, Patch, Tap};
use crate::readback;
use crate::runs::Runs;

/// What the patched run says after each prompt. `runs` must have recorded the cell's site.
///
/// # Errors
/// [`crate::Error::PatchUnfired`], [`crate::Error::Compute`].
pub async fn outcomes(
    model: &Model,
    runs: &Runs<'_>,
    direction: Direction,
    cell: Cell,
) -> Result<Vec<Outcome>> {
    let (base, source) = direction.base_and_source(runs);
    cell.check(&model.config, base.batch.positions())?;
    let value = source.recording.get(cell.at())?.clone();
    let patches = [Patch { site: cell.at(), range: cell.range(&value.shape()), value }];
    let mut tap = Tap::new(None, &patches);
    let normalized = model.forward(&base.batch, &mut tap)?; // [b, p, d]
    tap.finish()?;
    let last = model.last(normalized, &base.batch); // [b, d]
    Ok(runs.asked.outcomes(readback::read(runs.asked.of(model, last)).await?))
}
