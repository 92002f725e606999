//! Which prompts and positions of the base run a pass computes, and what interventions are there.

use std::ops::Range;

use burn::tensor::Device;
use patchlab_kernels::{Indices, Tensor};

use super::{Effect, Intervention, Positions};
use crate::error::{Error, Result};
use crate::model::hooks::{Change, Edit};
use crate::model::span::at_ends;
use crate::model::{Activation, Batch, Config};
use crate::site::{ActivationAxis, Site};

/// Some prompts of the base run, from some position on.
#[derive(Debug, Clone)]
pub(super) struct Window {
    /// Which prompts, on the device. None: all.
    chosen: Option<Indices<1>>,
    /// The first position.
    pub start: usize,
    /// Length of the longest prompt of the base run.
    pub positions: usize,
    /// Each prompt's last position, counted from 0.
    pub ends: Vec<usize>,
    /// Whether, where the last layer needs no others, only the last positions are computed.
    only_last: bool,
}

impl Window {
    /// Everything.
    pub(super) fn whole(batch: &Batch) -> Self {
        Self { chosen: None, start: 0, positions: batch.positions(), ends: batch.ends(), only_last: false }
    }

    /// Some prompts from a position on; in the end only what the logits after the last tokens need.
    pub(super) fn resumed(batch: &Batch, prompts: &[usize], start: usize, device: &Device) -> Self {
        let all = batch.ends();
        let ids = || prompts.iter().map(|&prompt| prompt as i32).collect();
        Self {
            chosen: (prompts.len() < all.len()).then(|| Indices::new(ids(), [prompts.len()], device)),
            start,
            positions: batch.positions(),
            ends: prompts.iter().map(|&prompt| all[prompt]).collect(),
            only_last: true,
        }
    }

    /// The same prompts, at all positions.
    pub(super) fn all_positions(&self) -> Self {
        Self { start: 0, only_last: false, ..self.clone() }
    }

    /// Number of prompts.
    pub(super) fn prompts(&self) -> usize {
        self.ends.len()
    }

    /// Whether all prompts end at the same position.
    pub(super) fn one_end(&self) -> bool {
        self.ends.iter().all(|end| *end == self.ends[0])
    }

    /// Each prompt's last position, counted from the window's first.
    pub(super) fn ends_inside(&self) -> Vec<usize> {
        self.ends.iter().map(|end| end - self.start).collect()
    }

    /// Whether of this activation only each prompt's last position is computed.
    pub(super) fn last_of(&self, site: Site, config: &Config) -> bool {
        self.only_last && site.only_last(config.n_layers)
    }

    /// The part of an activation of the base run, or of a value, that stands in the window. Axes of size 1 stay so. `sources`:
    /// it has an axis of source positions.
    pub(super) fn view(&self, x: Activation, last: bool, sources: bool) -> Activation {
        if self.start == 0 && self.chosen.is_none() && !last {
            return x;
        }
        match x {
            Activation::Three(x) => Activation::Three(self.part(x, last)),
            Activation::Four(x) if sources => {
                let [a, h, p, s] = x.dims();
                let x = self.part(x.swap_dims(1, 2).reshape([a, p, h * s]), last);
                let [a, p, _] = x.dims();
                Activation::Four(x.reshape([a, p, h, s]).swap_dims(1, 2))
            }
            Activation::Four(x) => {
                let [a, p, h, e] = x.dims();
                let x = self.part(x.reshape([a, p, h * e]), last);
                let [a, p, _] = x.dims();
                Activation::Four(x.reshape([a, p, h, e]))
            }
        }
    }

    /// `[b or 1, p or 1, k]` of all prompts and positions, in the window.
    fn part(&self, x: Tensor<3>, last: bool) -> Tensor<3> {
        let x = match &self.chosen {
            Some(chosen) if x.dims()[0] > 1 => x.select(chosen),
            _ => x,
        };
        let [b, p, k] = x.dims();
        if p < self.positions {
            x
        } else if last {
            let rows = if self.one_end() { b } else { self.prompts() };
            at_ends(x.expand([rows, p, k]), &self.ends)
        } else {
            x.slice([0..b, self.start..p, 0..k])
        }
    }

    /// What the hooks of a pass do for an intervention, whose value is given as it is in the window. The window's prompts
    /// are the pass's rows from `row` on.
    ///
    /// # Errors
    /// [`crate::Error::Intervention`] for one without its value.
    pub(super) fn edits(
        &self,
        one: &Intervention,
        value: Option<&Activation>,
        row: usize,
        config: &Config,
    ) -> Result<Vec<Edit>> {
        let mut edits = Vec::new();
        for (prompts, positions) in self.places(one.position, self.last_of(one.site, config)) {
            let range = |axis: &ActivationAxis| match axis {
                ActivationAxis::Batch => prompts.clone(),
                ActivationAxis::Position => positions.clone(),
                axis => one.range(*axis, config, self.positions),
            };
            let mut range: Vec<Range<usize>> = one.site.axes().iter().map(range).collect();
            let missing = || Error::Intervention(format!("{}: it has no value", one.site));
            let value = || value.map(|value| cut(value, &range)).ok_or_else(missing);
            let change = match &one.effect {
                Effect::Replace(_) => Change::Replace(value()?),
                Effect::Add(addend) => Change::Add(value()?, addend.factor as f32),
                Effect::Scale(factor) => Change::Scale(*factor as f32),
            };
            range[0] = row + prompts.start..row + prompts.end;
            edits.push(Edit { site: one.site, range, change });
        }
        Ok(edits)
    }

    /// The prompts and positions that are meant, counted from the window's first: pairs of ranges.
    fn places(&self, positions: Positions, last: bool) -> Vec<(Range<usize>, Range<usize>)> {
        let all = 0..self.prompts();
        let one_each = |wanted: &dyn Fn(usize) -> Option<usize>| {
            let mut places: Vec<(Range<usize>, Range<usize>)> = Vec::new();
            for (prompt, &end) in self.ends.iter().enumerate() {
                let Some(position) = wanted(end) else { continue };
                match places.last_mut() {
                    Some((prompts, positions)) if (prompts.end, positions.start) == (prompt, position) => {
                        prompts.end = prompt + 1;
                    }
                    _ => places.push((prompt..prompt + 1, position..position + 1)),
                }
            }
            places
        };
        match (positions, positions.span()) {
            (_, None) if last => vec![(all, 0..1)],
            (_, Some(span)) if last => one_each(&|end| span.contains(&end).then_some(0)),
            (Positions::Last, _) => one_each(&|end| end.checked_sub(self.start)),
            (_, None) => vec![(all, 0..self.positions - self.start)],
            // What stands before the window is not changed by the list.
            (_, Some(span)) if span.end <= self.start => Vec::new(),
            (_, Some(span)) => {
                vec![(all, span.start.saturating_sub(self.start)..span.end - self.start)]
            }
        }
    }
}

/// A value at a slice of the window. Axes of size 1 stay so, and so do those that have the slice's size already.
fn cut(value: &Activation, range: &[Range<usize>]) -> Activation {
    fn part<const D: usize>(x: &Tensor<D>, range: &[Range<usize>]) -> Tensor<D> {
        let dims = x.dims();
        let part = std::array::from_fn(|axis| {
            let range = &range[axis];
            if dims[axis] == 1 || dims[axis] == range.len() { 0..dims[axis] } else { range.clone() }
        });
        x.clone().slice(part)
    }
    match value {
        Activation::Three(x) => Activation::Three(part(x, range)),
        Activation::Four(x) => Activation::Four(part(x, range)),
    }
}
