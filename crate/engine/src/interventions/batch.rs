//! Lists that can share a pass: they start at the same position, on the same prompts.

use patchlab_kernels::Tensor;

use super::frozen;
use super::values::Values;
use super::window::Window;
use super::{Intervention, Scene};
use crate::error::{Error, Result};
use crate::model::hooks::{Edit, Rank};
use crate::model::span::Span;
use crate::model::{Activation, Config, Model};
use crate::runs::Readout;
use crate::site::{ActivationAxis, BlockSite, Site, Stage};

/// What the lists of a batch have in common. Shapes: `b` the batch's prompts, `p` all positions, `t` those of its window.
#[derive(Debug)]
pub(super) struct SweepBatch<'a> {
    pub scene: &'a Scene<'a>,
    values: &'a Values<'a>,
    /// The prompts that are run, by index.
    pub prompts: Vec<usize>,
    /// Where they are in the base run.
    pub window: Window,
    /// The readout of these prompts.
    pub readout: Readout,
    /// The positions that a layer computes, and those of the last layer, whose only queries are at the ends.
    spans: [Span; 2],
}

impl<'a> SweepBatch<'a> {
    pub(super) fn new(
        scene: &'a Scene<'a>,
        values: &'a Values<'a>,
        start: usize,
        prompts: Vec<usize>,
    ) -> Self {
        let (batch, device) = (&scene.base.batch, &scene.model.device);
        let window = Window::resumed(batch, &prompts, start, device);
        let (p, ends) = (window.positions, window.ends.iter().map(|end| end - start).collect());
        Self {
            scene,
            values,
            spans: [Span::from(start, p, device), Span::ending(start, p, ends, device)],
            readout: scene.readout.only(scene.model, &prompts),
            window,
            prompts,
        }
    }

    pub(super) fn model(&self) -> &'a Model {
        self.scene.model
    }

    pub(super) fn config(&self) -> &'a Config {
        &self.scene.model.config
    }

    /// The base run's activation at all positions.
    pub(super) fn base<const D: usize>(&self, site: Site) -> Result<Tensor<D>>
    where
        Activation: Rank<D>,
    {
        self.seen(&self.window.all_positions(), self.scene.base.cache.get(site)?, site)
    }

    /// The base run's activation in the window: `t` positions, or a single one where only the last is needed.
    pub(super) fn part<const D: usize>(&self, site: Site) -> Result<Tensor<D>>
    where
        Activation: Rank<D>,
    {
        self.seen(&self.window, self.scene.base.cache.get(site)?, site)
    }

    /// The other run's, likewise.
    pub(super) fn other<const D: usize>(&self, site: Site) -> Result<Tensor<D>>
    where
        Activation: Rank<D>,
    {
        self.seen(&self.window, self.scene.other.cache.get(site)?, site)
    }

    fn seen<const D: usize>(&self, window: &Window, x: &Activation, site: Site) -> Result<Tensor<D>>
    where
        Activation: Rank<D>,
    {
        let part =
            window.view(x.clone(), window.last_of(site, self.config()), site.has(ActivationAxis::Source));
        Activation::unwrap(&part).ok_or_else(|| Error::NotRecorded(site.to_string()))
    }

    /// The base run's residual stream at the positions at which another activation is in the window.
    pub(super) fn stream_beside(&self, stream: Site, other: Site) -> Result<Tensor<3>> {
        let last = self.window.last_of(other, self.config());
        let part = self.window.view(self.scene.base.cache.get(stream)?.clone(), last, false);
        Activation::unwrap(&part).ok_or_else(|| Error::NotRecorded(stream.to_string()))
    }

    /// The base run's activation after an intervention on all of it, at all positions.
    pub(super) fn changed<const D: usize>(&self, one: &Intervention) -> Result<Tensor<D>>
    where
        Activation: Rank<D>,
    {
        self.changed_in(&self.window.all_positions(), one)
    }

    /// The same in the window.
    pub(super) fn changed_part<const D: usize>(&self, one: &Intervention) -> Result<Tensor<D>>
    where
        Activation: Rank<D>,
    {
        self.changed_in(&self.window, one)
    }

    fn changed_in<const D: usize>(&self, window: &Window, one: &Intervention) -> Result<Tensor<D>>
    where
        Activation: Rank<D>,
    {
        let base = self.seen(window, self.scene.base.cache.get(one.site)?, one.site)?;
        let value = self.values.of(one)?;
        let value = value.map(|value| self.seen(window, &value, one.site)).transpose()?;
        Ok(one.applied(base, value))
    }

    /// An intervention's value in the window.
    pub(super) fn value(&self, one: &Intervention) -> Result<Option<Activation>> {
        let (last, sources) =
            (self.window.last_of(one.site, self.config()), one.site.has(ActivationAxis::Source));
        Ok(self.values.of(one)?.map(|value| self.window.view(value, last, sources)))
    }

    /// What the hooks of a pass do for an intervention on the prompts that stand in its rows from `row` on.
    pub(super) fn edits(
        &self,
        one: &Intervention,
        value: Option<&Activation>,
        row: usize,
    ) -> Result<Vec<Edit>> {
        self.window.edits(one, value, row, self.config())
    }

    /// What an attention stage computes, with the base run's keys and values for earlier positions.
    pub(super) fn span(&self, stage: Stage) -> Result<Span> {
        let layers = self.config().n_layers;
        let Stage::Attention(layer) = stage else { return Ok(self.spans[0].clone()) };
        let span = &self.spans[usize::from(layer + 1 == layers)];
        let start = self.window.start;
        if start == 0 {
            return Ok(span.clone());
        }
        let past = |site| -> Result<Tensor<4>> {
            let all: Tensor<4> = self.base(Site::Block(layer, site))?; // [b, p, h, e]
            let [b, _, h, e] = all.dims();
            Ok(all.slice([0..b, 0..start, 0..h, 0..e])) // [b, s, h, e]
        };
        Ok(span.with_past(past(BlockSite::K)?, past(BlockSite::V)?))
    }

    /// Streams `[c b, t, d]` after a stage that only adds the base run's output to each.
    pub(super) fn passed_on(&self, streams: Tensor<3>, stage: Stage) -> Result<Tensor<3>> {
        let missing = || Error::NotRecorded(format!("what {stage:?} adds"));
        let output: Tensor<3> = self.part(frozen::output(stage).ok_or_else(missing)?)?; // [b, t or 1, d]
        let streams = match stage {
            Stage::Attention(layer) => {
                self.spans[usize::from(layer + 1 == self.config().n_layers)].queried(streams)
            }
            _ => streams,
        };
        let ([b, t, d], [rows, ..]) = (output.dims(), streams.dims());
        let streams: Tensor<4> = streams.reshape([rows / b, b, t, d]);
        let output = output.unsqueeze::<4>().expand([rows / b, b, t, d]);
        Ok((streams + output).reshape([rows, t, d]))
    }

    /// The base run's residual stream before a stage after the embeddings, in the window.
    pub(super) fn stream(&self, stage: Stage) -> Result<Tensor<3>> {
        let input = stage.input(self.config().n_layers);
        self.part(input.ok_or_else(|| Error::NotRecorded("a stream before the embeddings".to_owned()))?)
    }
}
