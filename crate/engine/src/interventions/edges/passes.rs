//! The passes of edges. Shapes: `c` sources, `b` prompts, `t` positions of the window, `n` of those with queries (in the last layer
//! only the last), `h` heads, `e` their width, `d` the stream's.

use std::ops::Range;

use patchlab_kernels::{Indices, Tensor, products};

use super::Unit;
use crate::error::Result;
use crate::graph::Part;
use crate::interventions::batch::SweepBatch;
use crate::model::forward::attention;
use crate::model::hooks::Rank;
use crate::model::span::at_ends;
use crate::model::{Activation, Hooks, flops};
use crate::readback;
use crate::site::{BlockSite, Site, Stage};

/// What nodes write in the other run less what they write in the base run, and how many edges a pass takes.
pub(super) struct Passes<'a> {
    batch: &'a SweepBatch<'a>,
    /// Of the nodes before the last layer, at all positions of the window: `[nodes, b, t, d]`.
    early: Tensor<4>,
    /// Of all nodes, at the last positions: `[nodes, b, 1, d]`.
    ends: Tensor<4>,
    at_once: usize,
}

impl<'a> Passes<'a> {
    /// For a batch of runs that recorded [`super::EdgeSweep::sites`].
    pub(super) fn new(batch: &'a SweepBatch<'a>, at_once: usize) -> Result<Self> {
        let layers = batch.config().n_layers;
        let ends = batch.window.ends_inside();
        let last = |x: Tensor<3>| if x.dims()[1] == 1 { x } else { at_ends(x, &ends) };
        let one = |x: Tensor<3>| {
            let [b, t, d] = x.dims();
            x.reshape([1, b, t, d])
        };
        let input = difference::<3>(batch, Site::Embed)?; // [b, t, d]
        let (mut early, mut late) = (vec![one(input.clone())], vec![one(last(input))]);
        for layer in 0..layers {
            let heads = heads_difference(batch, layer)?; // [h, b, n, d]
            let mlp = difference::<3>(batch, Site::Block(layer, BlockSite::MlpOut))?; // [b, n, d]
            let [h, b, n, d] = heads.dims();
            // Rows cycle through the prompts.
            late.push(last(heads.clone().reshape([h * b, n, d])).reshape([h, b, 1, d]));
            late.push(one(last(mlp.clone())));
            if layer + 1 < layers {
                early.extend([heads, one(mlp)]);
            }
        }
        Ok(Self { batch, early: Tensor::cat(early, 0), ends: Tensor::cat(late, 0), at_once })
    }

    /// How many edges a pass takes.
    pub(super) fn at_once(&self) -> usize {
        self.at_once
    }

    /// The numbers read of a unit's edges, by heads: edge by edge, of each head those of all sources.
    pub(super) async fn of(&self, unit: &Unit) -> Result<Vec<(Range<usize>, Vec<f32>)>> {
        let batch = self.batch;
        let (model, c) = (batch.model(), unit.sources.len());
        let base = batch.stream(unit.stage)?; // [b, n, d]
        let change = self.change(&unit.sources, base.dims()[1]); // [c b, n, d]
        let input = repeated(base, c) + change.clone();
        let streams = match (unit.stage, unit.part) {
            (Stage::Attention(layer), Some(part)) => {
                let z = self.change_of_heads(layer, part, input)?; // [h, c b n, e]
                let mut found = Vec::new();
                let step = (self.at_once / c).clamp(1, unit.heads.len());
                for first in unit.heads.clone().step_by(step) {
                    let heads = first..unit.heads.end.min(first + step);
                    let streams = self.written(layer, heads.clone(), z.clone(), c)?;
                    found.push((heads, self.carried(Stage::Mlp(layer), streams).await?));
                }
                return Ok(found);
            }
            // What the MLP reads is changed, and the stream beside it is not.
            (stage @ Stage::Mlp(_), _) => {
                model.step(stage, input, &batch.span(stage)?, &mut Hooks::none())? - change
            }
            _ => input,
        };
        let next = match unit.stage {
            Stage::Mlp(layer) if layer + 1 < model.config.n_layers => Stage::Attention(layer + 1),
            _ => Stage::Final,
        };
        Ok(vec![(0..1, self.carried(next, streams).await?)])
    }

    /// What is added to a reader's input at its `n` positions, for some sources, ascending: `[c b, n, d]`.
    fn change(&self, sources: &[usize], n: usize) -> Tensor<3> {
        let last = sources[sources.len() - 1];
        // A window of one position is its own last.
        let all =
            if self.early.dims()[2] == n && last < self.early.dims()[0] { &self.early } else { &self.ends };
        let [_, b, n, d] = all.dims();
        let change = if last - sources[0] + 1 == sources.len() {
            all.clone().slice([sources[0]..last + 1, 0..b, 0..n, 0..d])
        } else {
            let rows = sources.iter().map(|&source| source as i32).collect();
            all.clone().select(&Indices::new(rows, [sources.len()], &all.device()))
        };
        change.reshape([sources.len() * b, n, d])
    }

    /// By how much each head's z changes when it has one part from another input: `input [c b, t, d] -> [h, c b n, e]`.
    fn change_of_heads(&self, layer: usize, part: Part, input: Tensor<3>) -> Result<Tensor<3>> {
        use BlockSite::*;
        let batch = self.batch;
        let (model, heads, e) = (batch.model(), batch.config().n_heads, batch.config().d_head);
        let span = batch.span(Stage::Attention(layer))?;
        let x = model.read(layer, [Ln1Scale, Ln1Normalized], input, &mut Hooks::none())?; // [c b, t, d]
        let x = if part == Part::Q { span.queried(x) } else { x };
        let [rows, t, _] = x.dims();
        let changed = model.part_of_heads(layer, part as usize, 0..heads, x).reshape([rows, t, heads, e]);
        let base = |site, own| -> Result<Tensor<4>> {
            if part == own {
                return Ok(changed.clone());
            }
            let base: Tensor<4> = batch.part(Site::Block(layer, site))?; // [b, n or t, h, e]
            let [b, t, h, e] = base.dims();
            Ok(repeated(base.reshape([b, t, h * e]), rows / b).reshape([rows, t, h, e]))
        };
        let z = attention(base(Q, Part::Q)?, base(K, Part::K)?, base(V, Part::V)?, &span); // [c b, n, h, e]
        let [_, n, ..] = z.dims();
        let before: Tensor<4> = batch.part(Site::Block(layer, Z))?; // [b, n, h, e]
        let [b, ..] = before.dims();
        let before = repeated(before.reshape([b, n, heads * e]), rows / b).reshape([rows, n, heads, e]);
        Ok((z - before).reshape([rows * n, heads, e]).swap_dims(0, 1).contiguous())
    }

    /// The stream after a layer's attention if one head's z has changed: `[h, c b n, e] -> [heads c b, n, d]`.
    fn written(&self, layer: usize, heads: Range<usize>, z: Tensor<3>, c: usize) -> Result<Tensor<3>> {
        let stream = self.batch.stream(Stage::Mlp(layer))?; // [b, n, d]
        let [b, n, d] = stream.dims();
        let [_, rows, e] = z.dims();
        flops::matmul(heads.len() * rows, e, d);
        let streams = repeated(stream, c).reshape([c * b * n, d]);
        let z = z.slice([heads.clone(), 0..rows, 0..e]);
        let written = products(z, self.output(layer, heads.clone()), streams); // [heads, c b n, d]
        Ok(written.reshape([heads.len() * c * b, n, d]))
    }

    /// Some heads' part of a layer's output map, `[heads, e, d]`.
    fn output(&self, layer: usize, heads: Range<usize>) -> Tensor<3> {
        output_of(self.batch, layer, heads)
    }

    /// What is read after the stages from one on: `[rows, n, d]`, rows cycling through the prompts.
    async fn carried(&self, from: Stage, mut streams: Tensor<3>) -> Result<Vec<f32>> {
        let (batch, model) = (self.batch, self.batch.model());
        for stage in Stage::all(model.config.n_layers).filter(|stage| *stage >= from) {
            streams = model.step(stage, streams, &batch.span(stage)?, &mut Hooks::none())?;
        }
        let [rows, _, d] = streams.dims(); // the last layer leaves the last positions
        readback::read(batch.readout.of(model, streams.reshape([rows, d]))).await
    }
}

/// What the other run has in the window less what the base run has.
fn difference<const D: usize>(batch: &SweepBatch<'_>, site: Site) -> Result<Tensor<D>>
where
    Activation: Rank<D>,
{
    let other: Tensor<D> = batch.other(site)?;
    Ok(other - batch.part(site)?)
}

/// What each head of a layer writes in the other run less what it writes in the base run: `[h, b, n, d]`.
fn heads_difference(batch: &SweepBatch<'_>, layer: usize) -> Result<Tensor<4>> {
    let z: Tensor<4> = difference(batch, Site::Block(layer, BlockSite::Z))?; // [b, n, h, e]
    let ([b, n, h, e], d) = (z.dims(), batch.config().d_model);
    flops::matmul(h * b * n, e, d);
    let z = z.reshape([b * n, h, e]).swap_dims(0, 1).contiguous();
    let none = z.zeros([b * n, d]);
    Ok(products(z, output_of(batch, layer, 0..h), none).reshape([h, b, n, d]))
}

fn output_of(batch: &SweepBatch<'_>, layer: usize, heads: Range<usize>) -> Tensor<3> {
    let weight = batch.model().blocks[layer].output.weight.clone(); // [h e, d]
    let ([_, d], e) = (weight.dims(), batch.config().d_head);
    weight.slice([heads.start * e..heads.end * e, 0..d]).reshape([heads.len(), e, d])
}

/// The same `b` rows, `c` times: `[b, n, d] -> [c b, n, d]`.
fn repeated(x: Tensor<3>, c: usize) -> Tensor<3> {
    let [b, n, d] = x.dims();
    x.unsqueeze::<4>().expand([c, b, n, d]).reshape([c * b, n, d])
}
