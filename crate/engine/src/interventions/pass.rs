//! One pass: the residual streams of a chunk's lists, from where each enters to the end.

use patchlab_kernels::Tensor;

use super::Intervention;
use super::batch::SweepBatch;
use super::chunks::{Chunk, Member};
use super::shortcuts::{Entered, Family, Shortcut};
use super::sweep::Sweep;
use crate::error::Result;
use crate::host::Work;
use crate::model::hooks::Edit;
use crate::model::{Activation, Hooks};
use crate::site::{BlockSite, Site, Stage};

/// What a chunk leaves: a row for each list and prompt of numbers to read, and whether the last of them tells how much a
/// stream has shrunk; and what was computed in which way.
pub(super) struct Left<T> {
    pub numbers: T,
    pub with_shrunk: bool,
    pub ran: Vec<Option<Shortcut>>,
}

impl Sweep<'_> {
    /// Carries the residual streams of a chunk's lists to the end. Each enters before its stage.
    pub(super) async fn chunk(
        &self,
        (batch, members): Chunk<'_, '_>,
        shortcuts: &[Shortcut],
        work: &Work<'_>,
    ) -> Result<Left<Tensor<2>>> {
        let (model, b) = (self.scene.model, batch.prompts.len());
        let layers = model.config.n_layers;
        let mut streams: Option<Tensor<3>> = None; // [c b, t, d]
        let mut shrunk = Vec::new();
        let mut ran: Vec<Option<Shortcut>> = members.iter().map(|(_, entry)| entry.shortcut).collect();
        let mut entered = 0;
        for stage in Stage::all(layers) {
            let count = members[entered..].iter().take_while(|(_, entry)| entry.stage == stage).count();
            if entered + count == 0 {
                continue;
            }
            let (already, entering) = (entered, &members[entered..entered + count]);
            entered += count;
            let edits = self.edits(batch, &members[..entered], stage)?;
            let mut hooks = Hooks::new(None, &edits);
            if stage == Stage::Embed {
                let t = batch.window.positions - batch.window.start;
                let tokens = self.scene.base.batch.tokens(&batch.prompts, batch.window.start);
                let all =
                    model.embed(&tokens.repeat(count), [count * b, t], batch.window.start, &mut hooks)?;
                hooks.finish()?;
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
            let span = batch.span(stage)?;
            // Neurons of a layer alone, as in a sweep over it.
            let alone = match families.as_slice() {
                [(Some(family), _)] if already == 0 && goes_on(shortcuts, &edits) => {
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
            hooks.finish()?;
            work.check().await?;
        }
        let Some(normalized) = streams else { unreachable!("a chunk has lists") }; // [c b, 1, d]
        let [rows, _, d] = normalized.dims();
        let numbers = batch.readout.of(model, normalized.reshape([rows, d])); // [c b, 3 or 4]
        let with_shrunk = shrunk.iter().any(|(ratio, _)| ratio.is_some());
        let numbers = if with_shrunk {
            let column =
                |(ratio, rows): (Option<Tensor<2>>, usize)| ratio.unwrap_or_else(|| numbers.zeros([rows, 1]));
            let shrunk = Tensor::cat(shrunk.into_iter().map(column).collect(), 0); // [c b, 1]
            Tensor::cat(vec![numbers, shrunk], 1)
        } else {
            numbers
        };
        Ok(Left { numbers, with_shrunk, ran })
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
