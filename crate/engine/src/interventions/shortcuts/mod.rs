//! Shortcuts: what a list that begins with one intervention on one head, one neuron or one output makes of the residual
//! stream, without computing the stage where it acts. Each gives what resuming the pass before that stage gives. Which one
//! serves a hook point is the table in [`Shortcut::of`]; `Sweep::shortcuts` says which may be taken.
//!
//! Shapes: `c` lists, `b` prompts, `p` positions, `t` of them in the window (or 1, where only each prompt's last is needed),
//! `h` heads, `e` head width, `m` neurons, `d` residual width.

mod attention;
mod heads;
mod neurons;
mod outputs;

use std::ops::Range;

use neurons::Sum;
use patchlab_kernels::Tensor;

use super::batch::SweepBatch;
use super::{Intervention, Positions};
use crate::error::Result;
use crate::site::{BlockSite, Site, Stage};

/// A way to compute a list's first stage, or the one after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, strum::VariantArray)]
pub enum Shortcut {
    /// `attn_out`, `mlp_out`: added to the base run's stream before.
    Output,
    /// z of a head: what it writes changes.
    Head,
    /// q, k, v or pattern of a head: only this head attends anew, or not even that.
    Attention,
    /// A neuron: its output weights, so many times more.
    Neuron,
    /// The attention after neurons of a layer: what they write goes through its weights once for all prompts.
    AfterNeuron,
}

impl Shortcut {
    /// All of them.
    pub const ALL: &'static [Shortcut] = <Shortcut as strum::VariantArray>::VARIANTS;

    /// The shortcut for a list whose first stage has this intervention only.
    pub(super) fn of(one: &Intervention, batch: &SweepBatch<'_>) -> Option<Self> {
        use BlockSite::*;
        let Site::Block(_, site) = one.site else { return None };
        let window = &batch.window;
        let alike = match (one.position, one.position.span()) {
            (Positions::Last, _) => window.one_end(),
            (_, None) => true,
            // Where only last positions are computed, it acts on the prompts that end there.
            (_, Some(span)) => {
                !window.last_of(one.site, batch.config()) || window.ends.iter().all(|end| span.contains(end))
            }
        };
        let shortcut = match site {
            AttnOut | MlpOut => Shortcut::Output,
            Z if one.head.is_some() => Shortcut::Head,
            Q | K | V | Pattern if one.head.is_some() && one.source.is_none() => Shortcut::Attention,
            MlpPost if one.neuron.is_some() => Shortcut::Neuron,
            _ => return None,
        };
        alike.then_some(shortcut)
    }

    /// What it computes, for people.
    pub fn describe(self) -> &'static str {
        match self {
            Shortcut::Output => "of whole outputs",
            Shortcut::Head => "of heads",
            Shortcut::Attention => "of queries, keys, values and patterns",
            Shortcut::Neuron => "of neurons",
            Shortcut::AfterNeuron => "of neurons and the attention after them",
        }
    }
}

/// Lists of a chunk, next to each other, whose residual streams come from one computation: their interventions are on
/// consecutive heads or neurons, and otherwise the same.
#[derive(Debug)]
pub(super) struct Family<'l> {
    /// The intervention with the smallest index.
    pub first: &'l Intervention,
    /// Number of lists.
    pub count: usize,
    /// How it is computed.
    pub shortcut: Shortcut,
}

/// What a family brings into a pass.
pub(super) struct Entered {
    /// The residual streams, `[c, b, t, d]`.
    pub streams: Tensor<4>,
    /// By how much the square of a stream has shrunk from the base run's, at most: `[c b, 1]`. The stream is a sum with the base
    /// run's, of whose rounding so much more is seen. None: it is no such sum.
    pub shrunk: Option<Tensor<2>>,
    /// The streams in parts, if they are neurons'.
    pub neurons: Option<Sum>,
}

impl<'l> Family<'l> {
    /// Adds a list, if it belongs to the family.
    pub(super) fn takes(&mut self, one: &Intervention, shortcut: Shortcut) -> bool {
        let Self { first, count, .. } = *self;
        let next = |index: Option<usize>| index.map(|index| index + count);
        let follows = shortcut == self.shortcut
            && (first.head.is_some() || first.neuron.is_some())
            && (one.site, one.position, one.source) == (first.site, first.position, first.source)
            && (one.head, one.neuron) == (next(first.head), next(first.neuron))
            && one.effect == first.effect;
        self.count += usize::from(follows);
        follows
    }

    /// The heads or neurons.
    fn indices(&self) -> Range<usize> {
        let first = self.first.head.or(self.first.neuron).unwrap_or(0);
        first..first + self.count
    }

    /// The layer.
    fn layer(&self) -> usize {
        match self.first.site {
            Site::Block(layer, _) => layer,
            _ => 0,
        }
    }

    fn at(&self, site: BlockSite) -> Site {
        Site::Block(self.layer(), site)
    }

    /// The residual streams that the lists make, before the stage after the one they act in.
    pub(super) fn enter(&self, batch: &SweepBatch<'_>, stage: Stage) -> Result<Entered> {
        match self.shortcut {
            Shortcut::Output => {
                Ok(Entered { streams: self.with_output(batch)?, shrunk: None, neurons: None })
            }
            Shortcut::Head => self.beside(self.with_head(batch)?, batch, stage),
            Shortcut::Attention => self.beside(self.with_attention(batch)?, batch, stage),
            Shortcut::Neuron | Shortcut::AfterNeuron => self.with_neuron(batch, stage),
        }
    }

    /// Streams, compared with the base run's.
    fn beside(&self, streams: Tensor<4>, batch: &SweepBatch<'_>, stage: Stage) -> Result<Entered> {
        let ([c, b, t, d], eps) = (streams.dims(), batch.config().eps);
        let base = patchlab_kernels::layer_norm(batch.stream(stage)?, eps).scale; // [b, t, 1]
        let own = patchlab_kernels::layer_norm(streams.clone().reshape([c * b, t, d]), eps).scale; // [c b, t, 1]
        let ratio = base.reshape([1, b, t]) / own.reshape([c, b, t]); // [c, b, t]
        let shrunk = (ratio.clone() * ratio).max_dim(2).reshape([c * b, 1]);
        Ok(Entered { streams, shrunk: Some(shrunk), neurons: None })
    }

    /// `base`, but `changed` where the intervention acts: both `[b, t, x]`, in the window.
    fn where_it_acts(&self, batch: &SweepBatch<'_>, base: Tensor<3>, changed: Tensor<3>) -> Tensor<3> {
        match self.positions(batch) {
            Some(positions) => {
                let [b, _, x] = base.dims();
                let part = [0..b, positions, 0..x];
                base.slice_assign(part.clone(), changed.slice(part))
            }
            None => changed,
        }
    }

    /// The positions in the window where the intervention acts. None: at all that there are.
    fn positions(&self, batch: &SweepBatch<'_>) -> Option<Range<usize>> {
        let window = &batch.window;
        if window.last_of(self.first.site, batch.config()) {
            return None;
        }
        let inside = |position: usize| position.saturating_sub(window.start);
        match self.first.position {
            Positions::Last => Some(inside(window.ends[0])..inside(window.ends[0]) + 1),
            position => position.span().map(|span| inside(span.start)..inside(span.end)),
        }
    }
}
