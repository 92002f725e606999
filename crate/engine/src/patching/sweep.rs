//! Many patches, with nothing computed that a patch leaves as it was (see [`super`]).

use burn::tensor::Tensor;
use futures_util::future::join;

use super::entry::Family;
use super::lane::{Lane, lanes};
use super::threads::{self, together};
use super::{Cell, Direction};
use crate::error::Result;
use crate::host::Work;
use crate::metrics::Outcome;
use crate::model::span::Span;
use crate::model::tap::Recorder;
use crate::model::{Config, Model, Tap};
use crate::readback;
use crate::runs::Runs;
use crate::site::{BlockSite, Site};

/// The most bytes of the largest activation of the chunks that run at the same time. Small enough that a chunk's layer takes well below a
/// second on a processor, large enough that a GPU has something to do.
pub const CHUNK_BYTES: usize = 16 << 20;

/// Patches to be run on the same prompts.
#[derive(Debug, Clone, Copy)]
pub struct Sweep<'a> {
    /// The model.
    pub model: &'a Model,
    /// The recorded runs; [`Sites`] says what they must have recorded.
    pub runs: &'a Runs<'a>,
    /// Which of them is patched.
    pub direction: Direction,
    /// The patches.
    pub cells: &'a [Cell],
    /// The most bytes of the largest activation of a chunk: [`CHUNK_BYTES`], or less in tests.
    pub chunk_bytes: usize,
}

/// Cells, by index, that share a pass, and their lane.
pub(super) type Chunk<'l, 'c> = (&'l Lane<'c>, &'l [usize]);

/// Hears of each chunk: the cells that are done, by index, and for each what its run says after each prompt.
pub type OnChunk<'a> = &'a mut dyn FnMut(&[usize], Vec<Vec<Outcome>>);

impl Sweep<'_> {
    /// Runs every patch.
    ///
    /// # Errors
    /// [`crate::Error::PatchUnfired`] for a cell that the model or the prompts do not have,
    /// [`crate::Error::Compute`], [`crate::Error::Cancelled`].
    pub async fn run(&self, work: &mut Work<'_>, on_chunk: OnChunk<'_>) -> Result<()> {
        let (base, _) = self.direction.base_and_source(self.runs);
        for cell in self.cells {
            cell.check(&self.model.config, base.batch.positions())?;
        }
        let threads = threads::count(&self.model.device);
        let lanes = lanes(self.model, self.runs, self.direction, self.cells);

        // What changes nothing ends as the base run did, exactly.
        let mut unchanged = vec![true; self.cells.len()];
        lanes.iter().flat_map(|(_, members)| members).for_each(|&index| unchanged[index] = false);
        let idle: Vec<usize> = (0..self.cells.len()).filter(|&index| unchanged[index]).collect();
        if !idle.is_empty() {
            on_chunk(&idle, vec![base.outcomes.clone(); idle.len()]);
            work.done(idle.len()).await?;
        }
        let chunks = self.chunks(&lanes, threads);
        let mut deliver = |(lane, chunk): Chunk<'_, '_>, ran: &[Outcome]| {
            let all = ran.chunks(lane.prompts.len()).map(|ran| {
                let mut outcomes = base.outcomes.clone();
                lane.prompts.iter().zip(ran).for_each(|(&prompt, outcome)| outcomes[prompt] = *outcome);
                outcomes
            });
            on_chunk(chunk, all.collect());
        };
        if threads > 1 {
            for chunks in chunks.chunks(threads) {
                let ran = together(self, chunks, work).await?;
                for (&chunk, ran) in chunks.iter().zip(ran) {
                    deliver(chunk, &ran);
                    work.done(chunk.1.len()).await?;
                }
            }
            return Ok(());
        }
        // What a chunk says is read back while the next is prepared, so that a GPU always has something to do.
        let mut waiting: Option<(Chunk<'_, '_>, Tensor<2>)> = None;
        for next in chunks.iter().map(Some).chain([None]) {
            let prepare = async {
                match next {
                    Some((lane, chunk)) => Ok(Some(((*lane, *chunk), self.chunk(lane, chunk, work).await?))),
                    None => Ok(None),
                }
            };
            let Some((ready, numbers)) = waiting.take() else {
                waiting = prepare.await?;
                continue;
            };
            let (numbers, prepared) = join(readback::read(numbers), prepare).await;
            deliver(ready, &ready.0.asked.outcomes(numbers?));
            waiting = prepared?;
            work.done(ready.1.len()).await?;
        }
        Ok(())
    }

    /// Cuts the lanes' cells into chunks that fit, if so many are worked on at the same time.
    fn chunks<'l, 'c>(&self, lanes: &'l [(Lane<'c>, Vec<usize>)], threads: usize) -> Vec<Chunk<'l, 'c>> {
        let mut chunks = Vec::new();
        for (lane, members) in lanes {
            let mut rest = members.as_slice();
            while !rest.is_empty() {
                let (chunk, later) = rest.split_at(self.chunk_size(lane, rest, threads));
                chunks.push((lane, chunk));
                rest = later;
            }
        }
        chunks
    }

    /// How many of these cells fit into one of the chunks that so many threads run: at least one.
    fn chunk_size(&self, lane: &Lane<'_>, members: &[usize], threads: usize) -> usize {
        let config = &self.model.config;
        let widest = (3 * config.d_model).max(config.d_mlp).max(config.n_heads * lane.positions);
        let budget = self.chunk_bytes / threads / (4 * widest);
        let mut used = 0;
        let fits = |&&index: &&usize| {
            let late = lane.is_late(self.cells[index].boundary());
            used += lane.prompts.len() * if late { 1 } else { lane.positions - lane.start };
            used <= budget
        };
        members.iter().take_while(fits).count().max(1)
    }

    /// Carries the patched residual streams of a chunk to the end. Each joins the others at the half layer at
    /// which it enters. Returns what makes the outcomes, patch by patch: `[c b, 2 or 4]`.
    pub(super) async fn chunk(&self, lane: &Lane<'_>, chunk: &[usize], work: &Work<'_>) -> Result<Tensor<2>> {
        let families = Family::gather(chunk.iter().map(|&index| self.cells[index]));
        let mut entering = families.iter().peekable();
        let first = families.first().map_or(0, |family| family.first.boundary());
        let end = 2 * self.model.config.n_layers;
        let mut streams: Option<Tensor<3>> = None; // [c b, t, d]
        for boundary in first..=end {
            let mut joined: Vec<Tensor<3>> = streams.take().into_iter().collect();
            let mut entered = Vec::new();
            while let Some(family) = entering.next_if(|family| family.first.boundary() == boundary) {
                let stream = lane.enter(family)?; // [c, b, t, d]
                let [c, b, t, d] = stream.dims();
                joined.push(stream.reshape([c * b, t, d]));
                entered.push(family);
            }
            // Neurons that travel alone, as they do in a sweep over a layer.
            let neurons = match (entered.as_slice(), joined.len()) {
                ([family], 1) if family.is_rank_one(self.model.config.n_layers) => Some(*family),
                _ => None,
            };
            // The first family enters at the first boundary, so there is always something to carry on.
            let all = if joined.len() == 1 { joined.remove(0) } else { Tensor::cat(joined, 0) };
            streams = Some(match (boundary / 2, boundary % 2) {
                _ if boundary == end => all,
                (layer, 0) => self.attend(lane, layer, all, neurons)?,
                (layer, _) => self.model.mlp(layer, all, &mut Tap::none())?,
            });
            work.check().await?;
        }
        let Some(streams) = streams else { unreachable!("a chunk has cells") };
        let normalized = self.model.normalize(streams, &mut Tap::none())?; // [c b, 1, d]
        let [rows, _, d] = normalized.dims();
        Ok(lane.asked.of(self.model, normalized.reshape([rows, d])))
    }

    /// One layer's attention, with the base run's keys and values to the left: `[c b, t, d] -> [c b, t, d]`, in
    /// the last layer `[c b, 1, d]`. `neurons`: the family that the streams are, if they have just entered.
    fn attend(
        &self,
        lane: &Lane<'_>,
        layer: usize,
        streams: Tensor<3>,
        neurons: Option<&Family>,
    ) -> Result<Tensor<3>> {
        let [rows, _, _] = streams.dims();
        let (s, p, device) = (lane.start, lane.positions, &self.model.device);
        let copies = rows / lane.prompts.len();
        let mut span = if layer + 1 == self.model.config.n_layers {
            Span::ending(s, p, lane.ends.repeat(copies), device)
        } else {
            Span::from(s, p, device)
        };
        if s > 0 {
            let past = |site| -> Result<Tensor<4>> {
                let all: Tensor<4> = lane.base(Site::Block(layer, site))?; // [b, p, h, e]
                let [b, _, h, e] = all.dims();
                let left = all.slice([0..b, 0..s, 0..h, 0..e]); // [b, s, h, e]
                Ok(left.unsqueeze::<5>().expand([copies, b, s, h, e]).reshape([rows, s, h, e]))
            };
            span = span.with_past(past(BlockSite::K)?, past(BlockSite::V)?);
        }
        match neurons {
            Some(family) => {
                let heads = lane.rank_one(family, &span)?;
                self.model.attend_with(layer, streams, heads, &span, &mut Tap::none())
            }
            None => self.model.attend(layer, streams, &span, &mut Tap::none()),
        }
    }
}

/// What runs must have recorded for a sweep over these sites.
#[derive(Debug, Clone)]
pub struct Sites {
    sites: Vec<BlockSite>,
    last_layer: usize,
}

impl Sites {
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

impl Recorder for Sites {
    fn wants(&self, site: Site) -> bool {
        match site {
            Site::Block(layer, BlockSite::ResidPost) if layer == self.last_layer => true,
            Site::Block(_, site) => self.sites.contains(&site),
            _ => false,
        }
    }
}
