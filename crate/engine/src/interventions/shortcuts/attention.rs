//! Queries, keys, values and patterns of heads: what else the head attends with is the base run's.

use std::ops::Range;

use patchlab_kernels::Tensor;

use super::Family;
use crate::error::Result;
use crate::interventions::Positions;
use crate::interventions::batch::SweepBatch;
use crate::model::forward::{attention, mix};
use crate::model::span::{Span, at_ends};
use crate::site::{BlockSite, Site};

impl Family<'_> {
    /// The base run's stream after attention, plus what the head's change of z writes.
    pub(super) fn with_attention(&self, batch: &SweepBatch<'_>) -> Result<Tensor<4>> {
        let change = self.change_of_z(batch)?; // [b, t, h, e]
        let [b, t, h, e] = change.dims();
        let change = change.reshape([b, t, h * e]);
        let (window, z) = (&batch.window, self.at(BlockSite::Z));
        let change =
            if window.last_of(z, batch.config()) { at_ends(change, &window.ends_inside()) } else { change };
        self.written(batch, change)
    }

    /// How the intervention changes the z of every head, at every position of the window: `[b, t, h, e]`.
    fn change_of_z(&self, batch: &SweepBatch<'_>) -> Result<Tensor<4>> {
        use BlockSite::*;
        let at = |site| self.at(site);
        let (s, p) = (batch.window.start, batch.window.positions);
        // The positions where the intervention acts.
        let acts = match self.first.position {
            Positions::Last => batch.window.ends[0]..batch.window.ends[0] + 1,
            // Before the window nothing is changed.
            position => position.span().map_or(s..p, |span| span.start.max(s)..span.end),
        };
        // The destinations whose z a query or pattern changes: those positions themselves.
        let destinations = acts.clone();
        let change = match self.first.site {
            Site::Block(_, Pattern) => {
                let change = batch.changed::<4>(self.first)? - batch.base(at(Pattern))?; // [b, h, p, p]
                mix(destination_rows(change, &destinations), batch.base(at(V))?, None)
            }
            Site::Block(_, V) => {
                let change = rows(batch.changed::<4>(self.first)? - batch.base(at(V))?, &acts); // [b, n, h, e]
                let pattern = destination_rows(batch.base(at(Pattern))?, &(s..p)); // [b, h, t, p]
                let [b, h, t, _] = pattern.dims();
                return Ok(mix(pattern.slice([0..b, 0..h, 0..t, acts]), change, None));
            }
            Site::Block(_, K) => {
                // A key is attended to from every position after it.
                let k = replaced(batch.base(at(K))?, batch.changed(self.first)?, &acts); // [b, p, h, e]
                let z = attended(batch, rows(batch.base(at(Q))?, &(s..p)), k, batch.base(at(V))?, &(s..p));
                return Ok(z - rows(batch.base(at(Z))?, &(s..p)));
            }
            _ => {
                let q = rows(batch.changed(self.first)?, &destinations);
                let z = attended(batch, q, batch.base(at(K))?, batch.base(at(V))?, &destinations);
                z - rows(batch.base(at(Z))?, &destinations)
            }
        };
        // So far only these destinations; z does not change at the others.
        let [b, n, h, e] = change.dims();
        let zeros = |n: usize| (n > 0).then(|| change.zeros([b, n, h, e]));
        let (before, after) = (zeros(destinations.start - s), zeros(p - s - n - (destinations.start - s)));
        Ok(Tensor::cat(before.into_iter().chain([change.clone()]).chain(after).collect(), 1))
    }
}

/// z of some destinations: `q [b, n, h, e], k and v [b, p, h, e] -> [b, n, h, e]`.
fn attended(
    batch: &SweepBatch<'_>,
    q: Tensor<4>,
    k: Tensor<4>,
    v: Tensor<4>,
    destinations: &Range<usize>,
) -> Tensor<4> {
    let span = Span::of(destinations.clone(), batch.window.positions, &batch.model().device);
    attention(q, k, v, &span)
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
fn replaced(x: Tensor<4>, other: Tensor<4>, positions: &Range<usize>) -> Tensor<4> {
    let [b, _, h, e] = x.dims();
    let range = [0..b, positions.clone(), 0..h, 0..e];
    x.slice_assign(range.clone(), other.slice(range))
}
