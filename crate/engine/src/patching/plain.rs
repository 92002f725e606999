//! The definition of a patch: one full forward pass, with nothing skipped.

use super::{Direction, Patch};
use crate::error::Result;
use crate::interventions::{self, Scene};
use crate::metrics::LogitStats;
use crate::model::Model;
use crate::model::hooks::SiteFilter;
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
    let scene = Scene { model, base, other: source, groups: &[], prompts: &[] };
    interventions::run(&scene, &[patch.into()], readout, sites).await
}
