//! The definition of a patch: one full forward pass, with nothing skipped.

use super::{Direction, Patch};
use crate::error::Result;
use crate::metrics::LogitStats;
use crate::model::hooks::SiteFilter;
use crate::model::{Hooks, Model, Replacement};
use crate::readback;
use crate::runs::{Readout, Run, Runs};

/// The patched run's final logits. `runs` must have recorded the patch's site.
///
/// # Errors
/// [`crate::Error::PatchUnfired`], [`crate::Error::Compute`].
pub async fn stats(model: &Model, runs: &Runs<'_>, direction: Direction, patch: Patch) -> Result<LogitStats> {
    let (base, source) = direction.base_and_source(runs);
    Ok(patched(model, base, source, &runs.readout, patch, &Vec::new()).await?.stats)
}

/// Runs `base` again with one activation of `source`, recording `sites`.
///
/// # Errors
/// [`crate::Error::PatchUnfired`], [`crate::Error::Compute`].
pub async fn patched(
    model: &Model,
    base: &Run,
    source: &Run,
    readout: &Readout,
    patch: Patch,
    sites: &dyn SiteFilter,
) -> Result<Run> {
    patch.check(&model.config, base.batch.positions())?;
    let value = source.cache.get(patch.at())?.clone();
    let patches = [Replacement { site: patch.at(), range: patch.range(&value.shape()), value }];
    let mut hooks = Hooks::new(Some(sites), &patches);
    let normalized = model.forward(&base.batch, &mut hooks)?; // [b, p, d]
    let cache = hooks.finish()?;
    let last = model.last(normalized, &base.batch); // [b, d]
    let stats = readout.stats(&readback::read(readout.of(model, last)).await?);
    Ok(Run { batch: base.batch.clone(), cache, stats })
}
