//! The residual stream just after a patch has joined it. From there on all patches are the same work: a
//! residual stream to be carried to the end.
//!
//! Shapes: `c` patches, `b` prompts, `p` positions, `t` of them from the batch's start, `h` heads, `e` head
//! width, `m` neurons, `d` residual width.

use std::ops::Range;

use patchlab_kernels::Tensor;

use super::Patch;
use super::patch_batch::PatchBatch;
use crate::error::{Error, Result};
use crate::model::flops;
use crate::model::forward::{attention, mix};
use crate::model::span::Span;
use crate::site::{BlockSite, Site};

/// Patches with consecutive heads or neurons, and otherwise the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PatchRange {
    /// The patch with the smallest index.
    pub first: Patch,
    /// Number of patches.
    pub count: usize,
}

impl PatchRange {
    /// The heads or neurons.
    fn indices(&self) -> Range<usize> {
        let first = self.first.head_or_neuron.unwrap_or(0);
        first..first + self.count
    }

    /// Merges sorted patches into ranges.
    pub(super) fn gather(patches: impl Iterator<Item = Patch>) -> Vec<PatchRange> {
        let mut ranges: Vec<PatchRange> = Vec::new();
        for patch in patches {
            match ranges.last_mut() {
                Some(range) if range.is_followed_by(patch) => range.count += 1,
                _ => ranges.push(PatchRange { first: patch, count: 1 }),
            }
        }
        ranges
    }

    fn is_followed_by(&self, patch: Patch) -> bool {
        let next = self.first.head_or_neuron.map(|index| index + self.count);
        next.is_some() && Patch { head_or_neuron: next, ..self.first } == patch
    }
}

impl PatchBatch<'_> {
    /// The patched residual streams of a range, before the half layer where it joins: `[c, b, t, d]`, or
    /// `[c, b, 1, d]` if only the last position matters from there on.
    pub(super) fn patched_residual(&self, range: &PatchRange) -> Result<Tensor<4>> {
        use BlockSite::*;
        let patch = range.first;
        let stage = patch.stage();
        let base = self.needed(stage, self.stream(stage)?); // [b, t, d]
        match patch.site {
            ResidPre | ResidMid | ResidPost => {
                let source = self.onwards(self.source(patch.at())?); // [b, t, d]
                let patched = match patch.position {
                    None => source,
                    Some(_) => self.with_first(self.stream(stage)?, source),
                };
                Ok(self.needed(stage, patched).unsqueeze())
            }
            AttnOut | MlpOut => {
                let change = self.source::<3>(patch.at())? - self.base(patch.at())?; // [b, p, d]
                let change = self.only_patched(patch, self.onwards(change)); // [b, t, d]
                Ok((base + self.needed(stage, change)).unsqueeze())
            }
            Z | Q | K | V | Pattern => {
                let change = self.change_of_z(patch)?; // [b, t, h, e]
                let [b, t, h, e] = change.dims();
                let change = self.needed(stage, change.reshape([b, t, h * e])); // [b, t, h e]
                Ok(self.written_by_heads(range, change, base))
            }
            MlpPost => {
                let (change, weight) = self.neurons(range)?; // [c, b t], [c, d]
                let ([b, t, d], c) = (base.dims(), range.count);
                flops::matmul(c * b * t, 1, d);
                Ok(change.reshape([c, b, t, 1]) * weight.reshape([c, 1, 1, d]) + base.unsqueeze())
            }
            _ => Err(Error::PatchUnfired(patch.to_string())),
        }
    }

    /// `x` with its first position replaced by that of `other`: both `[b, t, d]`.
    fn with_first(&self, x: Tensor<3>, other: Tensor<3>) -> Tensor<3> {
        let [b, _, d] = x.dims();
        let first = [0..b, 0..1, 0..d];
        x.slice_assign(first.clone(), other.slice(first))
    }

    /// Zeroes a change everywhere but at the patched position, where the batch starts.
    fn only_patched(&self, patch: Patch, change: Tensor<3>) -> Tensor<3> {
        match patch.position {
            None => change,
            Some(_) => self.with_first(change.zeros(change.dims()), change),
        }
    }

    /// The residual stream `base [b, t, d]` with what each head of the range writes to it for this change of z,
    /// `[b, t, h e]`: `[c, b, t, d]`.
    fn written_by_heads(&self, range: &PatchRange, change: Tensor<3>, base: Tensor<3>) -> Tensor<4> {
        let config = &self.model.config;
        let (e, d) = (config.d_head, config.d_model);
        let [b, t, _] = change.dims();
        let (indices, c) = (range.indices(), range.count);
        let columns = indices.start * e..indices.end * e;
        let change = change.slice([0..b, 0..t, columns.clone()]).reshape([b * t, c, e]).swap_dims(0, 1); // [c, b t, e]
        let weight = self.model.blocks[range.first.layer].output.weight.clone();
        let weight = weight.slice([columns, 0..d]).reshape([c, e, d]); // [c, e, d]
        flops::matmul(c * b * t, e, d);
        patchlab_kernels::products(change, weight, base.reshape([b * t, d])).reshape([c, b, t, d])
    }

    /// How much each neuron of a range changes, `[c, b t]` (`[c, b]` if only the last position matters), and
    /// its output weights, `[c, d]`.
    pub(super) fn neurons(&self, range: &PatchRange) -> Result<(Tensor<2>, Tensor<2>)> {
        let patch = range.first;
        let change = self.source::<3>(patch.at())? - self.base(patch.at())?; // [b, p, m]
        let change = self.only_patched(patch, self.onwards(change)); // [b, t, m]
        let change = self.needed(patch.stage(), change);
        let [b, t, _] = change.dims();
        let (indices, d) = (range.indices(), self.model.config.d_model);
        let change =
            change.slice([0..b, 0..t, indices.clone()]).reshape([b * t, range.count]).swap_dims(0, 1); // [c, b t]
        let weight = self.model.blocks[patch.layer].mlp_out.weight.clone().slice([indices, 0..d]); // [c, d]
        Ok((change, weight))
    }

    /// How the patch changes the z of every head: `[b, t, h, e]`.
    fn change_of_z(&self, patch: Patch) -> Result<Tensor<4>> {
        use BlockSite::*;
        let at = |site| Site::Block(patch.layer, site);
        let (s, p) = (self.start, self.positions);
        // The positions where the activation is replaced.
        let patched = patch.position.map_or(s..p, |position| position..position + 1);
        // The destinations whose z a patched query or pattern changes: the patched positions themselves.
        let destinations = patched.clone();
        let change = match patch.site {
            Z => rows(self.source(at(Z))? - self.base(at(Z))?, &destinations),
            Pattern => {
                let change = self.source::<4>(at(Pattern))? - self.base(at(Pattern))?; // [b, h, p, p]
                mix(destination_rows(change, &destinations), self.base(at(V))?)
            }
            V => {
                let change = rows(self.source(at(V))? - self.base(at(V))?, &patched); // [b, patched, h, e]
                let pattern = destination_rows(self.base(at(Pattern))?, &(s..p)); // [b, h, t, p]
                let [b, h, t, _] = pattern.dims();
                return Ok(mix(pattern.slice([0..b, 0..h, 0..t, patched]), change));
            }
            Q => {
                let q = rows(self.source(at(Q))?, &destinations);
                let z = self.attended(q, self.base(at(K))?, self.base(at(V))?, &destinations);
                z - rows(self.base(at(Z))?, &destinations)
            }
            _ => {
                // A key is attended to from every position after it.
                let k = replace_rows(self.base(at(K))?, self.source(at(K))?, &patched); // [b, p, h, e]
                let z = self.attended(rows(self.base(at(Q))?, &(s..p)), k, self.base(at(V))?, &(s..p));
                return Ok(z - rows(self.base(at(Z))?, &(s..p)));
            }
        };
        // So far only the patched destinations; z does not change at the others.
        let [b, n, h, e] = change.dims();
        if n == p - s {
            return Ok(change);
        }
        let others = change.zeros([b, p - s - n, h, e]);
        Ok(Tensor::cat(vec![change, others], 1))
    }

    /// z of some destinations: `q [b, n, h, e], k and v [b, p, h, e] -> [b, n, h, e]`.
    fn attended(&self, q: Tensor<4>, k: Tensor<4>, v: Tensor<4>, destinations: &Range<usize>) -> Tensor<4> {
        let span = Span::of(destinations.clone(), self.positions, &self.model.device);
        attention(q, k, v, &span)
    }
}

/// `[b, p, h, e]` at some positions.
fn rows(x: Tensor<4>, positions: &Range<usize>) -> Tensor<4> {
    let [b, _, h, e] = x.dims();
    x.slice([0..b, positions.clone(), 0..h, 0..e])
}

/// `[b, h, p, p]` at some destinations.
fn destination_rows(pattern: Tensor<4>, destinations: &Range<usize>) -> Tensor<4> {
    let [b, h, _, p] = pattern.dims();
    pattern.slice([0..b, 0..h, destinations.clone(), 0..p])
}

/// `x` with some positions replaced by those of `other`, both `[b, p, h, e]`.
fn replace_rows(x: Tensor<4>, other: Tensor<4>, positions: &Range<usize>) -> Tensor<4> {
    let [b, _, h, e] = x.dims();
    let range = [0..b, positions.clone(), 0..h, 0..e];
    x.slice_assign(range.clone(), other.slice(range))
}
