//! Many patches, recomputing only what a patch changes (see [`super`]).

use futures_util::FutureExt as _;
use futures_util::future::join;
use patchlab_kernels::Tensor;

use super::patch_batch::{PatchBatch, patch_batches};
use super::patched_residual::PatchRange;
use super::threads;
use super::{Direction, Patch};
use crate::error::{Error, Result};
use crate::host::{ProgressUnit, Quiet, Work};
use crate::metrics::LogitStats;
use crate::model::hooks::SiteFilter;
use crate::model::{Config, Hooks, Model, Pass};
use crate::readback;
use crate::runs::Runs;
use crate::site::{BlockSite, Site};

/// Patches to run on the same prompts.
#[derive(Debug, Clone, Copy)]
pub struct Sweep<'a> {
    /// The model.
    pub model: &'a Model,
    /// The recorded runs; [`SweepSites`] selects what they must have recorded.
    pub runs: &'a Runs<'a>,
    /// Which of them is patched.
    pub direction: Direction,
    /// The patches.
    pub patches: &'a [Patch],
    /// For what exists at a time in the chunks that run side by side, in bytes: the model's budget, or less in tests
    /// ([`Budget::work`](crate::model::Budget::work)).
    pub work: u64,
}

/// Patches, by index, that share a pass, and the batch they belong to.
type Chunk<'l, 'c> = (&'l PatchBatch<'c>, &'l [usize]);

/// Called after each chunk with all results so far and the patches that the chunk added, by index.
pub type OnChunk<'a> = &'a mut dyn FnMut(&LogitStats, &[usize]);

impl Sweep<'_> {
    /// Runs every patch and writes its final logits into `stats`: a row per patch, in the columns from
    /// `first_prompt` on.
    ///
    /// # Errors
    /// [`crate::Error::PatchUnfired`] for a patch that the model or the prompts do not have,
    /// [`crate::Error::Compute`], [`crate::Error::Cancelled`].
    pub async fn run(
        &self,
        work: &mut Work<'_>,
        stats: &mut LogitStats,
        first_prompt: usize,
        on_chunk: OnChunk<'_>,
    ) -> Result<()> {
        let (base, _) = self.direction.base_and_source(self.runs);
        for patch in self.patches {
            patch.check(&self.model.config, base.batch.positions())?;
        }
        let threads = threads::count(&self.model.device);
        let batches = patch_batches(self.model, self.runs, self.direction, self.patches);

        // Patches without an effect end exactly as the base run did.
        let mut unchanged = vec![true; self.patches.len()];
        batches.iter().flat_map(|(_, members)| members).for_each(|&index| unchanged[index] = false);
        let idle: Vec<usize> = (0..self.patches.len()).filter(|&index| unchanged[index]).collect();
        if !idle.is_empty() {
            idle.iter().for_each(|&patch| stats.set_run(patch, first_prompt, &base.stats));
            on_chunk(stats, &idle);
            work.done(idle.len()).await?;
        }
        let chunks = self.chunks(&batches, threads);
        let mut deliver = |(batch, chunk): Chunk<'_, '_>, numbers: &[f32]| {
            let width = batch.readout.width();
            let patches = numbers.chunks_exact(batch.prompts.len() * width);
            for (&patch, numbers) in chunk.iter().zip(patches) {
                stats.set_run(patch, first_prompt, &base.stats);
                for (&prompt, numbers) in batch.prompts.iter().zip(numbers.chunks_exact(width)) {
                    stats.set(patch, first_prompt + prompt, numbers);
                }
            }
            on_chunk(stats, chunk);
        };
        if threads > 1 {
            for chunks in chunks.chunks(threads) {
                let read = self.side_by_side(chunks, work).await?;
                for (&chunk, numbers) in chunks.iter().zip(read) {
                    deliver(chunk, &numbers);
                    work.done(chunk.1.len()).await?;
                }
            }
            return Ok(());
        }
        // A chunk is read back while the next one is prepared, so that a GPU is never idle.
        let mut waiting: Option<(Chunk<'_, '_>, Tensor<2>)> = None;
        for next in chunks.iter().map(Some).chain([None]) {
            let prepare = async {
                match next {
                    Some((batch, chunk)) => {
                        Ok(Some(((*batch, *chunk), self.chunk(batch, chunk, work).await?)))
                    }
                    None => Ok(None),
                }
            };
            let Some((ready, numbers)) = waiting.take() else {
                waiting = prepare.await?;
                continue;
            };
            let (numbers, prepared) = join(readback::read(numbers), prepare).await;
            deliver(ready, &numbers?);
            waiting = prepared?;
            work.done(ready.1.len()).await?;
        }
        Ok(())
    }

    /// The numbers of each chunk, one thread per chunk. A single chunk checks for cancellation at every half
    /// layer; several only at the end.
    async fn side_by_side(&self, chunks: &[Chunk<'_, '_>], work: &Work<'_>) -> Result<Vec<Vec<f32>>> {
        if let [(batch, chunk)] = *chunks {
            return Ok(vec![readback::read(self.chunk(batch, chunk, work).await?).await?]);
        }
        let run = |&(batch, chunk): &Chunk<'_, '_>| {
            let work = Work::new(&Quiet, "", ProgressUnit::Patches, chunk.len());
            // On the CPU nothing has to be waited for, so the future is ready at once.
            let numbers = async { readback::read(self.chunk(batch, chunk, &work).await?).await };
            numbers.now_or_never().unwrap_or_else(|| {
                Err(Error::Compute("a read from the CPU was not ready at once".to_owned()))
            })
        };
        threads::map(chunks, run).into_iter().collect()
    }

    /// Cuts the batches' patches into chunks that fit the budget with this many threads.
    fn chunks<'l, 'c>(
        &self,
        batches: &'l [(PatchBatch<'c>, Vec<usize>)],
        threads: usize,
    ) -> Vec<Chunk<'l, 'c>> {
        let mut chunks = Vec::new();
        for (batch, members) in batches {
            let mut rest = members.as_slice();
            while !rest.is_empty() {
                let (chunk, later) = rest.split_at(self.chunk_size(batch, rest, threads));
                chunks.push((batch, chunk));
                rest = later;
            }
        }
        chunks
    }

    /// How many of these patches fit into one chunk with this many threads: at least one.
    fn chunk_size(&self, batch: &PatchBatch<'_>, members: &[usize], threads: usize) -> usize {
        let (config, positions) = (&self.model.config, batch.positions);
        let rows = |computed: usize| {
            let pass = Pass { config, computed, positions };
            self.model.budget.rows(&pass, self.work / threads as u64)
        };
        // In units of what all positions of one prompt take.
        let (all, last) = (rows(positions - batch.start), rows(1));
        let mut used = 0.0;
        let fits = |&&index: &&usize| {
            let late = batch.last_position_only(self.patches[index].stage());
            used += batch.prompts.len() as f64 / if late { last } else { all } as f64;
            used <= 1.0
        };
        members.iter().take_while(fits).count().max(1)
    }

    /// Carries the patched residual streams of a chunk to the end. Each stream joins at its patch's half
    /// layer. Returns the readout, patch by patch: `[c b, 2 or 4]`.
    async fn chunk(&self, batch: &PatchBatch<'_>, chunk: &[usize], work: &Work<'_>) -> Result<Tensor<2>> {
        let ranges = PatchRange::gather(chunk.iter().map(|&index| self.patches[index]));
        let mut entering = ranges.iter().peekable();
        let first = ranges.first().map_or(0, |range| range.first.stage());
        let end = 2 * self.model.config.n_layers;
        let mut streams: Option<Tensor<3>> = None; // [c b, t, d]
        for stage in first..=end {
            let mut joined: Vec<Tensor<3>> = streams.take().into_iter().collect();
            let mut entered = Vec::new();
            while let Some(range) = entering.next_if(|range| range.first.stage() == stage) {
                let stream = batch.patched_residual(range)?; // [c, b, t, d]
                let [c, b, t, d] = stream.dims();
                joined.push(stream.reshape([c * b, t, d]));
                entered.push(range);
            }
            // One range of neurons alone, as in a sweep over a layer.
            let neurons = match (entered.as_slice(), joined.len()) {
                ([range], 1) if range.is_rank_one(self.model.config.n_layers) => Some(*range),
                _ => None,
            };
            // The first range joins at the first stage, so there is always a stream.
            let all = if joined.len() == 1 { joined.remove(0) } else { Tensor::cat(joined, 0) };
            streams = Some(match (stage / 2, stage % 2) {
                _ if stage == end => all,
                (layer, 0) => self.attend(batch, layer, all, neurons)?,
                (layer, _) => self.model.mlp(layer, all, &mut Hooks::none())?,
            });
            work.check().await?;
        }
        let Some(streams) = streams else { unreachable!("a chunk has patches") };
        let normalized = self.model.normalize(streams, &mut Hooks::none())?; // [c b, 1, d]
        let [rows, _, d] = normalized.dims();
        Ok(batch.readout.of(self.model, normalized.reshape([rows, d])))
    }

    /// One layer's attention, with the base run's keys and values for earlier positions:
    /// `[c b, t, d] -> [c b, t, d]`, in the last layer `[c b, 1, d]`. `neurons`: the range that `streams`
    /// belong to, if it has just joined.
    fn attend(
        &self,
        batch: &PatchBatch<'_>,
        layer: usize,
        streams: Tensor<3>,
        neurons: Option<&PatchRange>,
    ) -> Result<Tensor<3>> {
        let span = batch.span(layer)?;
        match neurons {
            Some(range) => {
                let heads = batch.rank_one(range, &span)?;
                self.model.attend_with(layer, streams, heads, &span, &mut Hooks::none())
            }
            None => self.model.attend(layer, streams, &span, &mut Hooks::none()),
        }
    }
}

/// Selects what runs must have recorded for a sweep.
#[derive(Debug, Clone)]
pub struct SweepSites {
    sites: Vec<BlockSite>,
    last_layer: usize,
}

impl SweepSites {
    /// For patches at these sites.
    pub fn new(patched: &[BlockSite], config: &Config) -> Self {
        use BlockSite::*;
        let mut sites = vec![ResidPre, ResidMid, K, V];
        for &site in patched {
            sites.push(site);
            match site {
                Q | K => sites.extend([Q, Z]),
                V => sites.push(Pattern),
                _ => {}
            }
        }
        Self { sites, last_layer: config.n_layers - 1 }
    }
}

impl SiteFilter for SweepSites {
    fn includes(&self, site: Site) -> bool {
        match site {
            Site::Block(layer, BlockSite::ResidPost) if layer == self.last_layer => true,
            Site::Block(_, site) => self.sites.contains(&site),
            _ => false,
        }
    }
}
