//! What activations are in runs of their own, from which lists take values ([`Value::Run`]). Many such runs share a pass, as in a
//! sweep; the pass ends where nothing more is recorded.
//!
//! Shapes: `c` lists, `b` prompts of a batch, `t` positions of its window, `k` numbers of a place at a position.

use std::ops::Range;

use patchlab_kernels::{Indices, Tensor};

use super::batch::SweepBatch;
use super::changes::{Needed, reaches};
use super::chunks::Chunk;
use super::sweep::{SHRUNK, Sweep};
use super::values::Values;
use super::{Intervention, Positions, Value};
use crate::error::{Error, Result};
use crate::host::Work;
use crate::model::hooks::{Edit, Hooks};
use crate::model::span::at_ends;
use crate::model::{Activation, ActivationCache, Config, Model};
use crate::readback;
use crate::site::{ActivationAxis, BlockSite, Site, Stage};

/// A part of an activation that is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    site: Site,
    head: Option<usize>,
    neuron: Option<usize>,
}

impl Place {
    fn of(one: &Intervention) -> Self {
        Self { site: one.site, head: one.head, neuron: one.neuron }
    }

    fn heads(&self, config: &Config) -> Range<usize> {
        self.head.map_or(0..config.n_heads, |head| head..head + 1)
    }

    /// The place's part of an activation, `[rows, t, k]`.
    fn flat(&self, activation: &Activation, config: &Config) -> Tensor<3> {
        match activation {
            Activation::Three(x) => {
                let [rows, t, k] = x.dims();
                let part = self.neuron.map_or(0..k, |neuron| neuron..neuron + 1);
                x.clone().slice([0..rows, 0..t, part])
            }
            Activation::Four(x) => {
                let x = if self.by_source() { x.clone().swap_dims(1, 2) } else { x.clone() };
                let [rows, t, _, k] = x.dims();
                let heads = self.heads(config);
                let count = heads.len();
                x.slice([0..rows, 0..t, heads, 0..k]).reshape([rows, t, count * k])
            }
        }
    }

    /// The other way.
    fn shaped(&self, x: Tensor<3>, config: &Config) -> Activation {
        if !self.site.has(ActivationAxis::Head) {
            return Activation::Three(x);
        }
        let ([rows, t, k], count) = (x.dims(), self.heads(config).len());
        let x = x.reshape([rows, t, count, k / count]);
        Activation::Four(if self.by_source() { x.swap_dims(1, 2) } else { x })
    }

    fn by_source(&self) -> bool {
        self.site.has(ActivationAxis::Source)
    }

    /// Whether the activation at a position follows from the residual stream there, before the layer's attention or after it.
    fn reads_own_position(&self) -> bool {
        use BlockSite::{K, Ln1Normalized, Ln2Normalized, Q, V};
        matches!(self.site, Site::Block(_, Ln1Normalized | Q | K | V | Ln2Normalized))
    }
}

/// Takes down what a pass computes at some places.
#[derive(Debug)]
pub(super) struct Recorder<'p> {
    places: &'p [Place],
    config: Option<&'p Config>,
    /// By place: `[c b, t, k]` of the lists that had entered there.
    found: Vec<Option<Tensor<3>>>,
}

impl<'p> Recorder<'p> {
    /// Takes down nothing.
    pub(super) fn none() -> Self {
        Self { places: &[], config: None, found: Vec::new() }
    }

    fn new(places: &'p [Place], config: &'p Config) -> Self {
        Self { places, config: Some(config), found: vec![None; places.len()] }
    }

    /// The last stage that the pass must go through. None: it goes to the end.
    pub(super) fn end(&self) -> Option<Stage> {
        let layers = self.config?.n_layers;
        self.places.iter().map(|place| place.site.stage(layers)).max()
    }

    /// The hook points of a stage that are wanted.
    pub(super) fn sites(&self, stage: Stage) -> Vec<Site> {
        let wanted = |config: &Config| -> Vec<Site> {
            let sites = self.places.iter().map(|place| place.site);
            sites.filter(|site| site.stage(config.n_layers) == stage).collect()
        };
        self.config.map(wanted).unwrap_or_default()
    }

    /// Takes down what hooks have recorded.
    pub(super) fn take(&mut self, cache: &ActivationCache) -> Result<()> {
        let Some(config) = self.config else { return Ok(()) };
        for (place, found) in self.places.iter().zip(&mut self.found) {
            if let Ok(activation) = cache.get(place.site) {
                *found = Some(place.flat(activation, config));
            }
        }
        Ok(())
    }

    /// Takes down what is wanted of a stage that reads these streams and is not computed. False: it must be, because what is
    /// wanted is not what it reads.
    pub(super) fn reads(
        &mut self,
        stage: Stage,
        edits: &[Edit],
        streams: &Tensor<3>,
        model: &Model,
    ) -> Result<bool> {
        use BlockSite::*;
        let Some(config) = self.config else { return Ok(true) };
        let (layer, reading) = match stage {
            Stage::Attention(layer) => (layer, [Ln1Scale, Ln1Normalized]),
            Stage::Mlp(layer) => (layer, [Ln2Scale, Ln2Normalized]),
            Stage::Embed | Stage::Final => return Ok(false),
        };
        let here = |site: Site, sites: &[BlockSite]| matches!(site, Site::Block(own, site) if own == layer && sites.contains(&site));
        let mut wanted = Vec::new();
        for (index, place) in self.places.iter().enumerate() {
            if place.site.stage(config.n_layers) != stage {
                continue;
            }
            let part = [Q, K, V].iter().position(|part| here(place.site, &[*part]));
            if part.is_none() && !here(place.site, &reading[1..]) {
                return Ok(false);
            }
            wanted.push((index, part));
        }
        if wanted.is_empty() {
            return Ok(true);
        }
        let before = |edit: &&Edit| here(edit.site, &reading);
        // What is wanted may itself be intervened on.
        if edits.iter().any(|edit| here(edit.site, &[Q, K, V])) {
            return Ok(false);
        }
        let edits: Vec<Edit> = edits.iter().filter(before).cloned().collect();
        let mut hooks = Hooks::new(None, &edits);
        let read = model.read(layer, reading, streams.clone(), &mut hooks)?; // [c b, t, d]
        hooks.finish()?;
        for (index, part) in wanted {
            let heads = self.places[index].heads(config);
            self.found[index] = Some(match part {
                Some(part) => model.part_of_heads(layer, part, heads, read.clone()),
                None => read.clone(),
            });
        }
        Ok(true)
    }
}

/// By list and place, `[prompts, p, k]`. None: as in the base run.
type Found = Vec<Vec<Option<Tensor<3>>>>;

impl Sweep<'_> {
    /// The values that some lists take from runs of their own.
    ///
    /// # Errors
    /// As [`Sweep::run`].
    pub(super) async fn captured(
        &self,
        lists: Range<usize>,
        work: &Work<'_>,
    ) -> Result<Vec<(Intervention, Activation)>> {
        let (mut nested, mut places, mut taken) = (Vec::<&Vec<Intervention>>::new(), Vec::new(), Vec::new());
        for one in self.lists[lists].iter().flatten() {
            let Some(Value::Run(list)) = one.value() else { continue };
            let run = nested.iter().rposition(|known| *known == list).unwrap_or_else(|| {
                nested.push(list);
                nested.len() - 1
            });
            let index = places.iter().position(|known| *known == Place::of(one)).unwrap_or_else(|| {
                places.push(Place::of(one));
                places.len() - 1
            });
            if !taken.iter().any(|(_, known)| *known == (run, index)) {
                taken.push((one, (run, index)));
            }
        }
        if taken.is_empty() {
            return Ok(Vec::new());
        }
        let nested: Vec<Vec<Intervention>> = nested.into_iter().cloned().collect();
        let runs = Sweep { lists: &nested, ..*self };
        let last = taken.iter().all(|(one, _)| one.position == Positions::Last)
            && places.iter().all(Place::reads_own_position);
        let found = runs.record(&places, if last { Needed::Last } else { Needed::Everywhere }, work).await?;
        let config = &self.scene.model.config;
        let value = |(one, (run, index)): (&Intervention, (usize, usize))| {
            let place = &places[index];
            let own = || Ok(place.flat(self.scene.base.cache.get(one.site)?, config));
            let value = found[run][index].clone().map_or_else(own, Ok)?;
            Ok((one.clone(), place.shaped(value, config)))
        };
        taken.into_iter().map(value).collect()
    }

    /// Runs all lists and records these places.
    async fn record(&self, places: &[Place], needed: Needed, work: &Work<'_>) -> Result<Found> {
        let values = Values::prepare(&self.scene, self.lists.iter().flatten(), Vec::new()).await?;
        let reaches = reaches(&self.scene, &values, self.lists, needed).await?;
        let mut found: Found = vec![vec![None; places.len()]; self.lists.len()];
        // A shortcut skips the stage where a list acts, in which something may be wanted.
        let layers = self.scene.model.config.n_layers;
        let skips = |list: &usize| {
            let stage = reaches[*list].as_ref().map(|reach| reach.stage);
            !places.iter().any(|place| Some(place.site.stage(layers)) == stage)
        };
        let reached = (0..self.lists.len()).filter(|&list| reaches[list].is_some());
        let (mut lists, mut rest): (Vec<usize>, Vec<usize>) = reached.partition(skips);
        for shortcuts in [self.shortcuts, &[]] {
            let batches = self.batches(&values, &reaches, &lists, shortcuts);
            let record = async |chunk: Chunk<'_, '_>, work: &Work<'_>| {
                let mut recorder = Recorder::new(places, &self.scene.model.config);
                let carried = self.carry(chunk, shortcuts, &mut recorder, work).await?;
                let shrunk = match carried.shrunk() {
                    Some(shrunk) => readback::read(shrunk).await?,
                    None => Vec::new(),
                };
                Ok((recorder.found, shrunk))
            };
            let threads = self.threads();
            let chunks = self.chunks(&batches, threads);
            for chunks in chunks.chunks(threads) {
                let recorded = self.side_by_side(chunks, work, record).await?;
                for (&(batch, members), (recorded, shrunk)) in chunks.iter().zip(recorded) {
                    let b = batch.prompts.len();
                    for (row, &(list, _)) in members.iter().enumerate() {
                        // Written so that NaN is computed again.
                        let good = |&shrunk: &f32| shrunk <= SHRUNK;
                        if !shrunk.get(row * b..(row + 1) * b).unwrap_or_default().iter().all(good) {
                            rest.push(list);
                            continue;
                        }
                        for (index, part) in recorded.iter().enumerate() {
                            let Some(part) = part else { continue };
                            let [rows, t, k] = part.dims();
                            if row * b < rows {
                                let part = part.clone().slice([row * b..(row + 1) * b, 0..t, 0..k]);
                                found[list][index] = Some(self.whole(&places[index], batch, part)?);
                            }
                        }
                    }
                }
            }
            lists = std::mem::take(&mut rest);
        }
        Ok(found)
    }

    /// The recorded part of a list, `[b, t, k]`, with the base run's at the prompts and positions that were not run. Where
    /// only last positions are computed, there are no others.
    fn whole(&self, place: &Place, batch: &SweepBatch<'_>, part: Tensor<3>) -> Result<Tensor<3>> {
        let base = &self.scene.base;
        let own = place.flat(base.cache.get(place.site)?, &self.scene.model.config); // [prompts, p, k]
        let ([all, p, k], [b, t, _], window) = (own.dims(), part.dims(), &batch.window);
        let last = t < p - window.start;
        let own = if last { at_ends(own, &base.batch.ends()) } else { own };
        let start = if last { 0 } else { window.start };
        let positions = start + t;
        let chosen = || -> Vec<i32> { batch.prompts.iter().map(|&prompt| prompt as i32).collect() };
        let device = part.device();
        let part = if start == 0 {
            part
        } else {
            let own =
                if b < all { own.clone().select(&Indices::new(chosen(), [b], &device)) } else { own.clone() };
            Tensor::cat(vec![own.slice([0..b, 0..start, 0..k]), part], 1) // [b, p, k]
        };
        if b == all {
            return Ok(part);
        }
        let row = |prompt: usize| {
            let run = batch.prompts.iter().position(|&run| run == prompt);
            run.map_or(prompt, |run| all + run) as i32
        };
        let rows = Indices::new((0..all).map(row).collect(), [all], &device);
        if positions != own.dims()[1] {
            return Err(Error::NotRecorded(place.site.to_string()));
        }
        Ok(Tensor::cat(vec![own, part], 0).select(&rows))
    }
}
