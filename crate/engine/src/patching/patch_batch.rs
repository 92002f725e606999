//! Patches that can share a pass: they start at the same position, on the same prompts.

use std::collections::BTreeMap;

use patchlab_kernels::{Indices, Tensor};

use super::{Direction, Patch};
use crate::error::Result;
use crate::model::span::{Span, at_ends};
use crate::model::{Activation, ActivationCache, Model, hooks};
use crate::prompts::PreparedCase;
use crate::runs::{Readout, Runs};
use crate::site::{BlockSite, Site};

/// What the patches of a batch have in common. Shapes: `b` the batch's prompts, `t` its positions.
#[derive(Debug)]
pub(super) struct PatchBatch<'a> {
    pub model: &'a Model,
    base: &'a ActivationCache,
    source: &'a ActivationCache,
    /// The prompts that are run, by index.
    pub prompts: Vec<usize>,
    /// `prompts`, on the device. None if all prompts are run.
    chosen: Option<Indices<1>>,
    /// The first position that is computed.
    pub start: usize,
    /// Length of the longest prompt.
    pub positions: usize,
    /// Each prompt's last position, counted from `start`.
    pub ends: Vec<usize>,
    /// The readout of these prompts.
    pub readout: Readout,
    /// The positions that a layer computes, and those of the last layer, whose only queries are at the ends.
    spans: [Span; 2],
}

/// What identifies a batch: its first position and its prompts.
type Key = (usize, Vec<usize>);

/// Sorts patches, by index, into batches. Patches without an effect on any prompt are in none.
pub(super) fn patch_batches<'a>(
    model: &'a Model,
    runs: &'a Runs<'_>,
    direction: Direction,
    patches: &[Patch],
) -> Vec<(PatchBatch<'a>, Vec<usize>)> {
    let (base, source) = direction.base_and_source(runs);
    let ends = base.batch.ends();
    let differing: Vec<Option<usize>> = runs.cases.iter().map(PreparedCase::first_difference).collect();
    let mut sorted: BTreeMap<Key, Vec<usize>> = BTreeMap::new();
    for (index, patch) in patches.iter().enumerate() {
        let changes = |prompt: &usize| changes(patch, differing[*prompt], ends[*prompt], model);
        let prompts: Vec<usize> = (0..ends.len()).filter(changes).collect();
        // A patch at all positions starts where the first of its prompts differs.
        let first = prompts.iter().filter_map(|&prompt| differing[prompt]).min();
        if let Some(first) = first {
            sorted.entry((patch.position.unwrap_or(first), prompts)).or_default().push(index);
        }
    }
    let batch = |((start, prompts), mut members): (Key, Vec<usize>)| {
        members.sort_by_key(|&index| (patches[index].stage(), patches[index]));
        let ids = || prompts.iter().map(|&prompt| prompt as i32).collect();
        let (p, device) = (base.batch.positions(), &model.device);
        let own_ends: Vec<usize> = prompts.iter().map(|&prompt| ends[prompt] - start).collect();
        let batch = PatchBatch {
            model,
            base: &base.cache,
            source: &source.cache,
            chosen: (prompts.len() < ends.len()).then(|| Indices::new(ids(), [prompts.len()], &model.device)),
            start,
            positions: p,
            spans: [Span::from(start, p, device), Span::ending(start, p, own_ends.clone(), device)],
            ends: own_ends,
            readout: runs.readout.only(model, &prompts),
            prompts,
        };
        (batch, members)
    };
    sorted.into_iter().map(batch).collect()
}

/// Whether a patch can change a prompt's final logits. `differing` is the first position where the prompt's
/// clean and corrupted tokens differ, `end` its last position.
fn changes(patch: &Patch, differing: Option<usize>, end: usize, model: &Model) -> bool {
    let Some(differing) = differing else { return false };
    let Some(position) = patch.position else { return true };
    // After the last layer's keys and values, only the last position matters.
    let late = patch.stage() > 2 * (model.config.n_layers - 1);
    let looked_at = !late || position == end || matches!(patch.site, BlockSite::K | BlockSite::V);
    differing <= position && position <= end && looked_at
}

impl PatchBatch<'_> {
    /// The base run's activation, for the batch's prompts.
    pub(super) fn base<const D: usize>(&self, site: Site) -> Result<Tensor<D>>
    where
        Activation: hooks::Rank<D>,
    {
        Ok(self.choose(self.base.tensor(site)?))
    }

    /// The source run's activation, for the batch's prompts.
    pub(super) fn source<const D: usize>(&self, site: Site) -> Result<Tensor<D>>
    where
        Activation: hooks::Rank<D>,
    {
        Ok(self.choose(self.source.tensor(site)?))
    }

    fn choose<const D: usize>(&self, all: Tensor<D>) -> Tensor<D> {
        match &self.chosen {
            None => all,
            Some(chosen) => all.select(chosen),
        }
    }

    /// What a layer's attention computes, with the base run's keys and values for earlier positions.
    pub(super) fn span(&self, layer: usize) -> Result<Span> {
        let last = layer + 1 == self.model.config.n_layers;
        let span = &self.spans[usize::from(last)];
        if self.start == 0 {
            return Ok(span.clone());
        }
        let past = |site| -> Result<Tensor<4>> {
            let all: Tensor<4> = self.base(Site::Block(layer, site))?; // [b, p, h, e]
            let [b, _, h, e] = all.dims();
            Ok(all.slice([0..b, 0..self.start, 0..h, 0..e])) // [b, s, h, e]
        };
        Ok(span.with_past(past(BlockSite::K)?, past(BlockSite::V)?))
    }

    /// The base run's residual stream before a half layer, at the batch's positions: `[b, t, d]`.
    pub(super) fn stream(&self, stage: usize) -> Result<Tensor<3>> {
        let layers = self.model.config.n_layers;
        let site = match (stage / 2, stage % 2) {
            (layer, 1) => Site::Block(layer, BlockSite::ResidMid),
            (layer, _) if layer == layers => Site::Block(layer - 1, BlockSite::ResidPost),
            (layer, _) => Site::Block(layer, BlockSite::ResidPre),
        };
        Ok(self.onwards(self.base(site)?))
    }

    /// Restricts to the positions of the batch: `[b, p, x] -> [b, t, x]`.
    pub(super) fn onwards(&self, x: Tensor<3>) -> Tensor<3> {
        let [b, p, d] = x.dims();
        x.slice([0..b, self.start..p, 0..d])
    }

    /// Whether only the last position matters to patches that join before this half layer.
    pub(super) fn last_position_only(&self, stage: usize) -> bool {
        stage > 2 * (self.model.config.n_layers - 1)
    }

    /// Restricts to the positions that matter from this half layer on: `[b, t, x] -> [b, t, x]`, or
    /// `[b, 1, x]` if only the last one does.
    pub(super) fn needed(&self, stage: usize, x: Tensor<3>) -> Tensor<3> {
        if self.last_position_only(stage) { at_ends(x, &self.ends) } else { x }
    }
}
