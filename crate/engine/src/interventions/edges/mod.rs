//! Every edge of the model's graph, replaced alone: a reader's input is what it is in the base run, but for one node, whose output is
//! the other run's. Everything after the reader is computed again.
//!
//! The input changes by a known difference, so only the reader's own part is computed from it, once for all heads of a layer, and
//! then what follows, from the stage after the reader on. What a node writes at positions before the first at which the two runs'
//! tokens differ is the same in both, and nothing is computed there.

mod passes;

use std::collections::BTreeMap;
use std::ops::Range;

use futures_util::FutureExt as _;

use super::batch::SweepBatch;
use super::values::Values;
use super::{Scene, threads};
use crate::error::{Error, Result};
use crate::graph::{Graph, Part, Reader};
use crate::host::Work;
use crate::metrics::LogitStats;
use crate::model::Pass;
use crate::site::{BlockSite, Site, Stage};
use passes::Passes;

/// The edges of a graph on a scene's prompts.
#[derive(Debug, Clone, Copy)]
pub struct EdgeSweep<'a> {
    /// The runs, which have recorded [`EdgeSweep::sites`].
    pub scene: Scene<'a>,
    /// The graph.
    pub graph: &'a Graph,
    /// Whether each edge is wanted. None: all are.
    pub wanted: Option<&'a [bool]>,
    /// For what exists at a time in passes, in bytes.
    pub work: u64,
}

/// Called with all results so far, and the edges that were added.
pub type OnEdges<'a> = &'a mut dyn FnMut(&LogitStats, &[usize]);

/// Edges that are run together: from some nodes into the same part of some heads of a layer, or into an MLP or the logits.
#[derive(Debug, Clone)]
struct Unit {
    /// What reads.
    stage: Stage,
    /// Of heads; None for others.
    part: Option<Part>,
    /// One, where no heads read.
    heads: Range<usize>,
    sources: Vec<usize>,
}

/// The numbers read of an edge, a row for each prompt of a batch.
type Read = (usize, Vec<f32>);

impl EdgeSweep<'_> {
    /// What both runs must have recorded.
    pub fn sites(n_layers: usize) -> Vec<Site> {
        use BlockSite::*;
        let of_layer =
            |layer| [ResidPre, ResidMid, ResidPost, Q, K, V, Z, MlpOut].map(|site| Site::Block(layer, site));
        [Site::Embed].into_iter().chain((0..n_layers).flat_map(of_layer)).collect()
    }

    /// Runs every edge that is wanted and writes its final logits into `stats`: a row per edge, in the columns from `first_prompt` on.
    /// The others have those of the base run.
    ///
    /// # Errors
    /// [`Error::Compute`], [`Error::Cancelled`].
    pub async fn run(
        &self,
        work: &mut Work<'_>,
        stats: &mut LogitStats,
        first_prompt: usize,
        on_edges: OnEdges<'_>,
    ) -> Result<()> {
        // Where nothing differs, no edge changes anything.
        for edge in 0..self.graph.len() {
            stats.set_run(edge, first_prompt, &self.scene.base.stats);
        }
        let model = self.scene.model;
        let values = Values::prepare(&self.scene, [], Vec::new()).await?;
        let threads = threads::count(model);
        for (start, prompts) in self.starts() {
            let batch = SweepBatch::new(&self.scene, &values, start, prompts);
            let passes = Passes::new(&batch, self.edges_at_once(&batch, threads))?;
            for stage in Stage::all(model.config.n_layers).skip(1) {
                for units in self.units(stage, passes.at_once()).chunks(threads) {
                    let found = self.side_by_side(&passes, units).await?;
                    let mut added = Vec::new();
                    for (edge, rows) in found {
                        let rows = rows.chunks_exact(batch.readout.width());
                        for (place, (&prompt, row)) in batch.prompts.iter().zip(rows).enumerate() {
                            stats.set(edge, first_prompt + prompt, &batch.readout.unpack(place, row));
                        }
                        added.push(edge);
                    }
                    on_edges(stats, &added);
                    work.done(added.len()).await?;
                }
            }
        }
        Ok(())
    }

    /// Prompts by the first position at which the runs' tokens differ. Those in which none does are left out.
    fn starts(&self) -> BTreeMap<usize, Vec<usize>> {
        let (base, other) = (&self.scene.base.batch, &self.scene.other.batch);
        let mut starts: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for prompt in 0..base.prompts() {
            let (ours, theirs) = (base.tokens(&[prompt], 0), other.tokens(&[prompt], 0));
            if let Some(first) = ours.iter().zip(&theirs).position(|(a, b)| a != b) {
                starts.entry(first).or_default().push(prompt);
            }
        }
        starts
    }

    /// How many edges a pass takes.
    fn edges_at_once(&self, batch: &SweepBatch<'_>, threads: usize) -> usize {
        let (config, positions) = (batch.config(), batch.window.positions);
        let pass = Pass { config, computed: positions - batch.window.start, positions };
        let rows = batch.model().budget.rows(&pass, self.work / threads as u64);
        (rows / batch.prompts.len()).max(1)
    }

    /// The edges into a stage, cut into units.
    fn units(&self, stage: Stage, at_once: usize) -> Vec<Unit> {
        let n_heads = self.scene.model.config.n_heads;
        let (parts, heads) = match stage {
            Stage::Attention(_) => (Part::ALL.map(Some).to_vec(), n_heads),
            _ => (vec![None], 1),
        };
        let count = self.graph.sources(reader_of(stage, 0, Part::Q));
        let mut units = Vec::new();
        for part in parts {
            // What a node writes is read by all heads at once, if it is wanted for all.
            let mut alike: Vec<(Range<usize>, Vec<usize>)> = Vec::new();
            for head in 0..heads {
                let edges = self.graph.edges_of(reader_of(stage, head, part.unwrap_or(Part::Q)));
                let is_wanted =
                    |source: &usize| self.wanted.is_none_or(|wanted| wanted[edges.start + source]);
                let sources: Vec<usize> = (0..count).filter(is_wanted).collect();
                match alike.last_mut() {
                    Some((heads, known)) if *known == sources => heads.end += 1,
                    _ => alike.push((head..head + 1, sources)),
                }
            }
            for (heads, sources) in alike {
                let unit =
                    |sources: &[usize]| Unit { stage, part, heads: heads.clone(), sources: sources.to_vec() };
                units.extend(sources.chunks((at_once / heads.len()).max(1)).map(unit));
            }
        }
        units
    }

    /// What is read of some units' edges, each unit in a thread of its own.
    async fn side_by_side(&self, passes: &Passes<'_>, units: &[Unit]) -> Result<Vec<Read>> {
        if let [unit] = units {
            return self.unit(passes, unit).await;
        }
        let run = |unit: &Unit| {
            // On the CPU nothing has to be waited for, so the future is ready at once.
            self.unit(passes, unit).now_or_never().unwrap_or_else(|| {
                Err(Error::Compute("a read from the CPU was not ready at once".to_owned()))
            })
        };
        let all = threads::map(units, run).into_iter().collect::<Result<Vec<_>>>()?;
        Ok(all.into_iter().flatten().collect())
    }

    /// What is read of a unit's edges.
    async fn unit(&self, passes: &Passes<'_>, unit: &Unit) -> Result<Vec<Read>> {
        let mut found = Vec::new();
        for (heads, numbers) in passes.of(unit).await? {
            let rows = numbers.len() / (heads.len() * unit.sources.len());
            let mut rows = numbers.chunks_exact(rows);
            for head in heads {
                let reader = reader_of(unit.stage, head, unit.part.unwrap_or(Part::Q));
                let first = self.graph.edges_of(reader).start;
                let of_source = |(source, row): (&usize, &[f32])| (first + source, row.to_vec());
                found.extend(unit.sources.iter().zip(&mut rows).map(of_source));
            }
        }
        Ok(found)
    }
}

/// What reads in a stage.
fn reader_of(stage: Stage, head: usize, part: Part) -> Reader {
    match stage {
        Stage::Attention(layer) => Reader::Head(layer, head, part),
        Stage::Mlp(layer) => Reader::Mlp(layer),
        Stage::Embed | Stage::Final => Reader::Logits,
    }
}
