//! Many lists of interventions on the same prompts, recomputing only what each changes. None of this is an approximation; the
//! definition is [`super::run`], and `tests/sweeps.rs` compares the two.
//!
//! - A list that changes no number that is read at the end ends as the base run did ([`super::changes`]).
//! - Before the first stage that a list changes, the run is the base run: the pass is resumed there, from the recorded
//!   residual stream.
//! - Attention is causal, so the pass begins at the first position that changes, with the base run's keys and values for the
//!   positions before.
//! - In the last layer only the last position has a query, and only answer and distractor are unembedded.
//! - Many lists share one pass, cut into chunks that fit the memory budget, with one read-back per chunk.
//! - A stage whose output all lists freeze is not computed: the base run's is added. Behind the last attention that is not
//!   frozen, only the last position is needed.
//! - Values that lists take from other runs come from passes of the same kind, which end where nothing more is wanted.
//! - Some first stages have a shorter way ([`Shortcut`]). Where it would lose digits, the list is run again without.

use std::collections::BTreeMap;
use std::ops::{AddAssign as _, Range};

use futures_util::FutureExt as _;
use futures_util::future::join;
use patchlab_kernels::Tensor;

use super::changes::{Needed, Reach, reaches};
use super::chunks::Chunk;
use super::pass::Left;
use super::shortcuts::Shortcut;
use super::threads;
use super::values::Values;
use super::{Intervention, Scene, Value};
use crate::error::{Error, Result};
use crate::host::{ProgressUnit, Quiet, Work};
use crate::metrics::LogitStats;
use crate::model::hooks::SiteFilter;
use crate::readback;
use crate::site::{BlockSite, Site, Stage};

/// A stream whose square has shrunk by more than this is a difference of larger numbers, and computed again without a
/// shortcut.
pub(super) const SHRUNK: f32 = 4.0;

/// Lists to run on the same prompts.
#[derive(Debug, Clone, Copy)]
pub struct Sweep<'a> {
    /// The runs, which have recorded what [`SweepSites`] selects.
    pub scene: Scene<'a>,
    /// The lists.
    pub lists: &'a [Vec<Intervention>],
    /// Which shortcuts may be taken: [`Shortcut::ALL`], or fewer in tests.
    pub shortcuts: &'a [Shortcut],
    /// For what exists at a time in the chunks that run side by side, in bytes: the model's budget, or less in tests
    /// ([`Budget::work`](crate::model::Budget::work)).
    pub work: u64,
}

/// How many lists were computed in which way.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ran {
    /// They change nothing and were not run.
    pub unchanged: usize,
    /// The pass was resumed before the first stage that they change.
    pub resumed: usize,
    /// By shortcut.
    pub shortcuts: BTreeMap<Shortcut, usize>,
}

/// Called after each chunk with all results so far and the lists that the chunk added, by index.
pub type OnChunk<'a> = &'a mut dyn FnMut(&LogitStats, &[usize]);

/// Where results go, and of which lists they are wanted.
struct Delivery<'d, 'w> {
    wanted: &'d dyn Fn(usize) -> bool,
    stats: &'d mut LogitStats,
    first_prompt: usize,
    on_chunk: OnChunk<'d>,
    ran: Ran,
    work: &'d mut Work<'w>,
}

impl Sweep<'_> {
    /// Runs every list and writes its final logits into `stats`: a row per list, in the columns from `first_prompt` on.
    ///
    /// # Errors
    /// [`crate::Error::Intervention`] for one that the model or the prompts do not have, [`crate::Error::Compute`],
    /// [`crate::Error::Cancelled`].
    pub async fn run(
        &self,
        work: &mut Work<'_>,
        stats: &mut LogitStats,
        first_prompt: usize,
        on_chunk: OnChunk<'_>,
    ) -> Result<Ran> {
        self.run_some(&|_| true, work, stats, first_prompt, on_chunk).await
    }

    /// Runs the lists that are wanted, by index, in the chunks in which they are run when all are wanted, so that not a bit of their
    /// numbers is another. Of neurons, whole layers must be wanted: those that are run again share chunks with others of their layer.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub async fn run_some(
        &self,
        wanted: &dyn Fn(usize) -> bool,
        work: &mut Work<'_>,
        stats: &mut LogitStats,
        first_prompt: usize,
        on_chunk: OnChunk<'_>,
    ) -> Result<Ran> {
        let mut delivery = Delivery { wanted, stats, first_prompt, on_chunk, ran: Ran::default(), work };
        for block in self.blocks() {
            self.block(block, &mut delivery).await?;
        }
        Ok(delivery.ran)
    }

    /// Cuts the lists into blocks whose values from other runs fit the memory budget.
    fn blocks(&self) -> Vec<Range<usize>> {
        let (config, batch) = (&self.scene.model.config, &self.scene.base.batch);
        let bytes = |list: &Vec<Intervention>| -> u64 {
            let taken = list.iter().filter(|one| matches!(one.value(), Some(Value::Run(_))));
            taken.map(|one| one.bytes(config, batch.prompts(), batch.positions())).sum()
        };
        let (mut blocks, mut start, mut used) = (Vec::new(), 0, 0);
        for (index, list) in self.lists.iter().enumerate() {
            let bytes = bytes(list);
            if used + bytes > self.work && start < index {
                blocks.push(start..index);
                (start, used) = (index, 0);
            }
            used += bytes;
        }
        blocks.push(start..self.lists.len());
        blocks
    }

    /// Runs a block of lists.
    async fn block(&self, block: Range<usize>, delivery: &mut Delivery<'_, '_>) -> Result<()> {
        let captured = self.captured(block.clone(), delivery.work).await?;
        let lists = &self.lists[block.clone()];
        let values = Values::prepare(&self.scene, lists.iter().flatten(), captured).await?;
        // By index of all lists, those of other blocks being left out.
        let mut all: Vec<Option<Reach>> = vec![None; block.start];
        all.extend(reaches(&self.scene, &values, lists, Needed::Last).await?);
        let (idle, lists): (Vec<usize>, Vec<usize>) = block.partition(|&index| all[index].is_none());
        let idle: Vec<usize> = idle.into_iter().filter(|&list| (delivery.wanted)(list)).collect();
        if !idle.is_empty() {
            for &list in &idle {
                delivery.stats.set_run(list, delivery.first_prompt, &self.scene.base.stats);
            }
            (delivery.on_chunk)(delivery.stats, &idle);
            delivery.ran.unchanged += idle.len();
            delivery.work.done(idle.len()).await?;
        }
        let again = self.pass(&values, &all, &lists, self.shortcuts, delivery).await?;
        // Neurons layer by layer, so that a layer's chunks are the same where other layers are not wanted.
        let layer =
            |list: usize| self.lists[list].first().filter(|one| one.neuron.is_some()).map(|one| one.site);
        for again in again.chunk_by(|&a, &b| layer(a) == layer(b)) {
            self.pass(&values, &all, again, &[], delivery).await?;
        }
        Ok(())
    }

    /// How many chunks run side by side.
    pub(super) fn threads(&self) -> usize {
        threads::count(self.scene.model)
    }

    /// Runs some lists. Returns those for which a shortcut was no good.
    async fn pass(
        &self,
        values: &Values<'_>,
        reaches: &[Option<Reach>],
        lists: &[usize],
        shortcuts: &[Shortcut],
        delivery: &mut Delivery<'_, '_>,
    ) -> Result<Vec<usize>> {
        let threads = self.threads();
        let batches = self.batches(values, reaches, lists, shortcuts);
        let mut chunks = self.chunks(&batches, threads);
        chunks.retain(|(_, members)| members.iter().any(|&(list, _)| (delivery.wanted)(list)));
        let mut again = Vec::new();
        if threads > 1 {
            let read = async |chunk: Chunk<'_, '_>, work: &Work<'_>| {
                let left = self.chunk(chunk, shortcuts, work).await?;
                let numbers = readback::read(left.numbers).await?;
                Ok(Left { numbers, with_shrunk: left.with_shrunk, ran: left.ran })
            };
            for chunks in chunks.chunks(threads) {
                let read = self.side_by_side(chunks, delivery.work, read).await?;
                for (&chunk, left) in chunks.iter().zip(read) {
                    again.extend(self.deliver(chunk, &left, delivery).await?);
                }
            }
            return Ok(again);
        }
        // A chunk is read back while the next one is prepared, so that a GPU is never idle.
        let mut waiting: Option<(Chunk<'_, '_>, Left<Tensor<2>>)> = None;
        for next in chunks.iter().map(Some).chain([None]) {
            let work = &*delivery.work;
            let prepare = async {
                match next {
                    Some(&chunk) => Ok(Some((chunk, self.chunk(chunk, shortcuts, work).await?))),
                    None => Ok(None),
                }
            };
            let Some((ready, left)) = waiting.take() else {
                waiting = prepare.await?;
                continue;
            };
            let (numbers, prepared) = join(readback::read(left.numbers), prepare).await;
            let left = Left { numbers: numbers?, with_shrunk: left.with_shrunk, ran: left.ran };
            again.extend(self.deliver(ready, &left, delivery).await?);
            waiting = prepared?;
        }
        Ok(again)
    }

    /// Writes a chunk's results. Returns the lists that must be run again.
    async fn deliver(
        &self,
        (batch, members): Chunk<'_, '_>,
        left: &Left<Vec<f32>>,
        delivery: &mut Delivery<'_, '_>,
    ) -> Result<Vec<usize>> {
        let width = batch.readout.width() + usize::from(left.with_shrunk);
        let rows = left.numbers.chunks_exact(batch.prompts.len() * width);
        let (mut done, mut again) = (Vec::new(), Vec::new());
        for ((&(list, _), rows), ran) in members.iter().zip(rows).zip(&left.ran) {
            if !(delivery.wanted)(list) {
                continue;
            }
            // Written so that NaN is computed again.
            let shrunk = |row: &[f32]| !row.last().is_some_and(|&shrunk| shrunk <= SHRUNK);
            if left.with_shrunk && rows.chunks_exact(width).any(shrunk) {
                again.push(list);
                continue;
            }
            delivery.stats.set_run(list, delivery.first_prompt, &self.scene.base.stats);
            for (place, (&prompt, numbers)) in batch.prompts.iter().zip(rows.chunks_exact(width)).enumerate()
            {
                let read = batch.readout.unpack(place, &numbers[..batch.readout.width()]);
                delivery.stats.set(list, delivery.first_prompt + prompt, &read);
            }
            match ran {
                Some(shortcut) => delivery.ran.shortcuts.entry(*shortcut).or_default().add_assign(1),
                None => delivery.ran.resumed += 1,
            }
            done.push(list);
        }
        (delivery.on_chunk)(delivery.stats, &done);
        delivery.work.done(done.len()).await?;
        Ok(again)
    }

    /// Computes something of each chunk, one thread per chunk. A single chunk checks for cancellation at every stage; several
    /// only at the end.
    pub(super) async fn side_by_side<T: Send>(
        &self,
        chunks: &[Chunk<'_, '_>],
        work: &Work<'_>,
        compute: impl AsyncFn(Chunk<'_, '_>, &Work<'_>) -> Result<T> + Sync,
    ) -> Result<Vec<T>> {
        if let [chunk] = *chunks {
            return Ok(vec![compute(chunk, work).await?]);
        }
        let run = |&chunk: &Chunk<'_, '_>| {
            let work = Work::new(&Quiet, "", ProgressUnit::Patches, chunk.1.len());
            // On the CPU nothing has to be waited for, so the future is ready at once.
            compute(chunk, &work).now_or_never().unwrap_or_else(|| {
                Err(Error::Compute("a read from the CPU was not ready at once".to_owned()))
            })
        };
        threads::map(chunks, run).into_iter().collect()
    }
}

/// Selects what runs must have recorded for a sweep.
#[derive(Debug, Clone)]
pub struct SweepSites {
    sites: Vec<Site>,
}

impl SweepSites {
    /// For interventions at these sites.
    pub fn new(acting: impl IntoIterator<Item = Site>, n_layers: usize) -> Self {
        use BlockSite::*;
        let mut sites: Vec<Site> = acting.into_iter().collect();
        let first = sites.iter().map(|site| site.stage(n_layers)).min().unwrap_or(Stage::Final);
        for site in sites.clone() {
            // What shortcuts read.
            match site {
                Site::Block(layer, Q | K) => sites.extend([Q, Z].map(|site| Site::Block(layer, site))),
                Site::Block(layer, V) => sites.push(Site::Block(layer, Pattern)),
                _ => {}
            }
        }
        // Where passes are resumed, and what came before them.
        for stage in Stage::all(n_layers).filter(|&stage| stage >= first) {
            sites.extend(stage.input(n_layers));
            if let Stage::Attention(layer) = stage {
                sites.extend([K, V].map(|site| Site::Block(layer, site)));
            }
        }
        sites.sort_unstable();
        sites.dedup();
        Self { sites }
    }
}

impl SiteFilter for SweepSites {
    fn includes(&self, site: Site) -> bool {
        self.sites.binary_search(&site).is_ok()
    }
}
