//! The definition of a list of interventions: one full forward pass in which all of them act.

use super::Intervention;
use super::values::Values;
use super::window::Window;
use crate::error::Result;
use crate::model::hooks::SiteFilter;
use crate::model::{Hooks, Model};
use crate::prompts::PreparedGroup;
use crate::readback;
use crate::runs::{Direction, Readout, Run, Runs};

/// What lists act on.
#[derive(Debug, Clone, Copy)]
pub struct Scene<'a> {
    /// The model.
    pub model: &'a Model,
    /// The run that is intervened on, which recorded the sites of the lists.
    pub base: &'a Run,
    /// The other run, which recorded them, too.
    pub other: &'a Run,
    /// What is read at the end of a run.
    pub readout: &'a Readout,
    /// The groups, for means; the first is the one that the runs are of.
    pub groups: &'a [PreparedGroup],
    /// The tokens of the prompts that interventions name, by text.
    pub prompts: &'a [(String, Vec<u32>)],
}

impl<'a> Scene<'a> {
    /// For values of these runs only.
    pub fn of(model: &'a Model, runs: &'a Runs<'_>, direction: Direction) -> Self {
        let (base, other) = direction.base_and_other(runs);
        Self { model, base, other, readout: &runs.readout, groups: &[], prompts: &[] }
    }
}

/// Runs the base run's prompts again with every intervention of the list, recording `sites`. In a recording, an activation
/// is what it is after the interventions on it. Those on the same activation act in the order of the list.
///
/// # Errors
/// [`crate::Error::Intervention`], [`crate::Error::Compute`].
pub async fn run(scene: &Scene<'_>, list: &[Intervention], sites: &dyn SiteFilter) -> Result<Run> {
    let (model, batch, readout) = (scene.model, &scene.base.batch, scene.readout);
    let values = Values::prepare(scene, list, Vec::new()).await?;
    let window = Window::whole(batch);
    let mut edits = Vec::new();
    for one in list {
        edits.extend(window.edits(one, values.of(one)?.as_ref(), 0, &model.config)?);
    }
    let mut hooks = Hooks::new(Some(sites), &edits);
    let normalized = model.forward(batch, &mut hooks)?; // [b, p, d]
    let cache = hooks.finish()?;
    let last = model.last(normalized, batch); // [b, d]
    let stats = readout.stats(&readback::read(readout.of(model, last.clone())).await?);
    Ok(Run { batch: batch.clone(), cache, last, stats })
}
