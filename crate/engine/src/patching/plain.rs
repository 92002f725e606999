//! The definition: one full forward pass per patch, with nothing saved.

use super::{Cell, Direction};
use crate::error::Result;
use crate::metrics::Outcome;
use crate::model::tap::Recorder;
use crate::model::{Model, Patch, Tap};
use crate::readback;
use crate::runs::{Asked, Run, Runs};

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
    Ok(patched(model, base, source, &runs.asked, cell, &Vec::new()).await?.outcomes)
}

/// `base` run again with one activation of `source`, recording `sites`.
///
/// # Errors
/// [`crate::Error::PatchUnfired`], [`crate::Error::Compute`].
pub async fn patched(
    model: &Model,
    base: &Run,
    source: &Run,
    asked: &Asked,
    cell: Cell,
    sites: &dyn Recorder,
) -> Result<Run> {
    cell.check(&model.config, base.batch.positions())?;
    let value = source.recording.get(cell.at())?.clone();
    let patches = [Patch { site: cell.at(), range: cell.range(&value.shape()), value }];
    let mut tap = Tap::new(Some(sites), &patches);
    let normalized = model.forward(&base.batch, &mut tap)?; // [b, p, d]
    let recording = tap.finish()?;
    let last = model.last(normalized, &base.batch); // [b, d]
    let outcomes = asked.outcomes(readback::read(asked.of(model, last)).await?);
    Ok(Run { batch: base.batch.clone(), recording, outcomes })
}
