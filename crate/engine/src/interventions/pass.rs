//! One pass: the residual streams of a chunk's lists, from where each enters to the end, or to where something is recorded.

use patchlab_kernels::Tensor;

use super::Intervention;
use super::batch::SweepBatch;
use super::captured::Recorder;
use super::chunks::{Chunk, Member};
use super::frozen;
use super::shortcuts::{Entered, Family, Shortcut};
use super::sweep::Sweep;
use crate::error::Result;
use crate::host::Work;
use crate::model::hooks::{Edit, SiteFilter};
use crate::model::{Activation, Hooks};
use crate::site::{BlockSite, Site, Stage};

/// What a chunk leaves: a row for each list and prompt of numbers to read, and whether the last of them tells how much a
/// stream has shrunk; and what was computed in which way.
pub(super) struct Left<T> {
    pub numbers: T,
    pub with_shrunk: bool,
    pub ran: Vec<Option<Shortcut>>,
}

/// Streams that have been carried as far as was asked, with what goes with them ([`Left`]).
pub(super) struct Carried {
    /// `[c b, t, d]`, or `[c b, 1, d]` where only the last position is needed. None: no list has entered.
    streams: Option<Tensor<3>>,
    /// By rows that entered together: how much they have shrunk ([`Entered`]), and how many they are.
    shrunk: Vec<(Option<Tensor<2>>, usize)>,
    ran: Vec<Option<Shortcut>>,
}

impl Carried {
    /// How much each row's stream has shrunk, `[c b, 1]`. None: no row is a sum that could have.
    pub(super) fn shrunk(&self) -> Option<Tensor<2>> {
        let known = self.shrunk.iter().find_map(|(ratio, _)| ratio.as_ref())?;
        let column = |(ratio, rows): &(Option<Tensor<2>>, usize)| {
            ratio.clone().unwrap_or_else(|| known.zeros([*rows, 1]))
        };
        Some(Tensor::cat(self.shrunk.iter().map(column).collect(), 0))
    }
}

impl Sweep<'_> {
    /// Carries the residual streams of a chunk's lists to the end.
    pub(super) async fn chunk(
        &self,
        chunk: Chunk<'_, '_>,
        shortcuts: &[Shortcut],
        work: &Work<'_>,
    ) -> Result<Left<Tensor<2>>> {
        let batch = chunk.0;
        let carried = self.carry(chunk, shortcuts, &mut Recorder::none(), work).await?;
        let shrunk = carried.shrunk();
        let Some(normalized) = carried.streams else { unreachable!("a chunk has lists") }; // [c b, 1, d]
        let [rows, _, d] = normalized.dims();
        let numbers = batch.readout.of(batch.model(), normalized.reshape([rows, d])); // [c b, 3 or 4]
        let with_shrunk = shrunk.is_some();
        let numbers = match shrunk {
            Some(shrunk) => Tensor::cat(vec![numbers, shrunk], 1),
            None => numbers,
        };
        Ok(Left { numbers, with_shrunk, ran: carried.ran })
    }

    /// Carries the residual streams of a chunk's lists through the stages, each from the stage before which it enters, as long
    /// as there is something to record, or to the end if nothing is.
    pub(super) async fn carry(
        &self,
        (batch, members): Chunk<'_, '_>,
        shortcuts: &[Shortcut],
        recorder: &mut Recorder<'_>,
        work: &Work<'_>,
    ) -> Result<Carried> {
        let (model, b) = (self.scene.model, batch.prompts.len());
        let layers = model.config.n_layers;
        let mut streams: Option<Tensor<3>> = None; // [c b, t, d]
        let mut shrunk = Vec::new();
        let mut ran: Vec<Option<Shortcut>> = members.iter().map(|(_, entry)| entry.shortcut).collect();
        let mut entered = 0;
        let end = recorder.end();
        for stage in Stage::all(layers).take_while(|stage| end.is_none_or(|end| *stage <= end)) {
            let count = members[entered..].iter().take_while(|(_, entry)| entry.stage == stage).count();
            if entered + count == 0 {
                continue;
            }
            let (already, entering) = (entered, &members[entered..entered + count]);
            entered += count;
            let present = &members[..entered];
            let wanted = recorder.sites(stage);
            let held = |&(list, _): &Member| frozen::passes_on(&self.lists[list], stage, layers);
            let held = stage != Stage::Embed && present.iter().all(held);
            // Where nothing is computed and nothing wanted, nothing is intervened on.
            let edits =
                if held && wanted.is_empty() { Vec::new() } else { self.edits(batch, present, stage)? };
            let mut hooks = Hooks::new((!wanted.is_empty()).then_some(&wanted as &dyn SiteFilter), &edits);
            if stage == Stage::Embed {
                let t = batch.window.positions - batch.window.start;
                let tokens = self.scene.base.batch.tokens(&batch.prompts, batch.window.start);
                let all =
                    model.embed(&tokens.repeat(count), [count * b, t], batch.window.start, &mut hooks)?;
                recorder.take(&hooks.finish()?)?;
                streams = Some(all);
                shrunk.push((None, count * b));
                continue;
            }
            let families = self.families(entering);
            let mut neurons = None;
            let mut joined: Vec<Tensor<3>> = streams.take().into_iter().collect();
            for (family, count) in &families {
                let entered = match family {
                    Some(family) => family.enter(batch, stage)?,
                    None => {
                        let stream = batch.stream(stage)?; // [b, t, d]
                        let [_, t, d] = stream.dims();
                        let streams = stream.unsqueeze::<4>().expand([*count, b, t, d]);
                        Entered { streams, shrunk: None, neurons: None }
                    }
                };
                let [c, _, t, d] = entered.streams.dims();
                joined.push(entered.streams.reshape([c * b, t, d]));
                shrunk.push((entered.shrunk, c * b));
                neurons = entered.neurons;
            }
            // Somebody has entered, so there is a stream.
            let all = if joined.len() == 1 { joined.remove(0) } else { Tensor::cat(joined, 0) };
            if held && recorder.reads(stage, &edits, &all, model)? {
                streams = Some(batch.passed_on(all, stage)?);
                work.check().await?;
                continue;
            }
            let span = batch.span(stage)?;
            // Neurons of a layer alone, as in a sweep over it.
            let alone = match families.as_slice() {
                [(Some(family), _)] if already == 0 && wanted.is_empty() && goes_on(shortcuts, &edits) => {
                    neurons.map(|sum| (family, sum))
                }
                _ => None,
            };
            streams = Some(match (alone, stage) {
                (Some((family, sum)), Stage::Attention(layer)) => {
                    ran[..count].fill(Some(Shortcut::AfterNeuron));
                    let heads = family.attention_after(sum, batch, &span);
                    model.attend_with(layer, all, heads, &span, &mut hooks)?
                }
                _ => model.step(stage, all, &span, &mut hooks)?,
            });
            recorder.take(&hooks.finish()?)?;
            work.check().await?;
        }
        Ok(Carried { streams, shrunk, ran })
    }

    /// Lists that enter before the same stage, by how their streams are computed together, with their number.
    fn families(&self, entering: &[Member]) -> Vec<(Option<Family<'_>>, usize)> {
        let mut families: Vec<(Option<Family<'_>>, usize)> = Vec::new();
        for &member in entering {
            let taken = self.taken(member).zip(member.1.shortcut);
            let belongs = match (families.last_mut(), taken) {
                (Some((None, _)), None) => true,
                (Some((Some(family), _)), Some((one, shortcut))) => family.takes(one, shortcut),
                _ => false,
            };
            match families.last_mut() {
                Some((_, count)) if belongs => *count += 1,
                _ => families.push((taken.map(|(first, shortcut)| Family { first, count: 1, shortcut }), 1)),
            }
        }
        families
    }

    /// What hooks do in a stage, for the lists whose streams are in the pass.
    fn edits(&self, batch: &SweepBatch<'_>, members: &[Member], stage: Stage) -> Result<Vec<Edit>> {
        let (layers, b) = (self.scene.model.config.n_layers, batch.prompts.len());
        let mut edits = Vec::new();
        // The same value for many lists is looked at once.
        let mut known: Vec<(&Intervention, Option<Activation>)> = Vec::new();
        for (row, &(list, _)) in members.iter().enumerate() {
            for one in self.lists[list].iter().filter(|one| one.site.stage(layers) == stage) {
                let index = match known.iter().position(|(other, _)| other.shares_value_with(one)) {
                    Some(index) => index,
                    None => {
                        known.push((one, batch.value(one)?));
                        known.len() - 1
                    }
                };
                edits.extend(batch.edits(one, known[index].1.as_ref(), row * b)?);
            }
        }
        Ok(edits)
    }
}

/// Whether neurons' streams need not be multiplied by the weights of the attention after them: nothing acts on what it reads.
fn goes_on(shortcuts: &[Shortcut], edits: &[Edit]) -> bool {
    use BlockSite::*;
    let read = |site: Site| !matches!(site, Site::Block(_, Q | K | V | AttnScores | Pattern | Z | AttnOut));
    shortcuts.contains(&Shortcut::AfterNeuron) && !edits.iter().any(|edit| read(edit.site))
}
