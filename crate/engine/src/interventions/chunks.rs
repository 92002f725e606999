//! Which lists share a pass, and how each enters it.

use std::collections::BTreeMap;

use super::Intervention;
use super::batch::SweepBatch;
use super::changes::Reach;
use super::shortcuts::Shortcut;
use super::sweep::Sweep;
use super::values::Values;
use crate::model::Pass;
use crate::site::Stage;

/// How a list enters a pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Entry {
    /// Before which stage.
    pub stage: Stage,
    /// How its stream there is computed. None: it is the base run's.
    pub shortcut: Option<Shortcut>,
}

/// A list, by index, and how it enters.
pub(super) type Member = (usize, Entry);

/// Lists that share a pass, and the batch that they belong to.
pub(super) type Chunk<'l, 'c> = (&'l SweepBatch<'c>, &'l [Member]);

/// What identifies a batch: its first position and its prompts.
type Key<'r> = (usize, &'r [usize]);

impl Sweep<'_> {
    /// Sorts lists, by index, into batches.
    pub(super) fn batches<'b>(
        &'b self,
        values: &'b Values<'b>,
        reaches: &[Option<Reach>],
        lists: &[usize],
        shortcuts: &[Shortcut],
    ) -> Vec<(SweepBatch<'b>, Vec<Member>)> {
        let mut sorted: BTreeMap<Key<'_>, Vec<(usize, Stage)>> = BTreeMap::new();
        for &list in lists {
            let Some(reach) = &reaches[list] else { continue };
            sorted.entry((reach.start, &reach.prompts)).or_default().push((list, reach.stage));
        }
        let batch = |((start, prompts), lists): (Key<'_>, Vec<(usize, Stage)>)| {
            let batch = SweepBatch::new(&self.scene, values, start, prompts.to_vec());
            let member = |(list, stage)| (list, self.entry(list, stage, &batch, shortcuts));
            let mut members: Vec<Member> = lists.into_iter().map(member).collect();
            // Heads and neurons of the same site next to each other, in order.
            let place = |list: usize| self.lists[list].first().map(|one| (one.site, one.head, one.neuron));
            members.sort_by_key(|&(list, entry)| (entry, self.acts_at(list), place(list)));
            (batch, members)
        };
        sorted.into_iter().map(batch).collect()
    }

    /// How a list enters the pass that changes it from a stage on.
    fn entry(&self, list: usize, stage: Stage, batch: &SweepBatch<'_>, shortcuts: &[Shortcut]) -> Entry {
        let layers = self.scene.model.config.n_layers;
        let mut acting = self.lists[list].iter().filter(|one| one.site.stage(layers) == stage);
        let shortcut = match (acting.next(), acting.next()) {
            (Some(one), None) => Shortcut::of(one, batch).filter(|shortcut| shortcuts.contains(shortcut)),
            _ => None,
        };
        let after = || Stage::all(layers).find(|&other| other > stage);
        match shortcut.and_then(|_| after()) {
            Some(stage) => Entry { stage, shortcut },
            None => Entry { stage, shortcut: None },
        }
    }

    /// The position where a list's first intervention acts, for the order of lists. None: all, or the last.
    fn acts_at(&self, list: usize) -> Option<usize> {
        self.lists[list].first().and_then(|one| one.position.span()).map(|span| span.start)
    }

    /// The intervention that a shortcut computes for a list.
    pub(super) fn taken(&self, (list, entry): Member) -> Option<&Intervention> {
        let layers = self.scene.model.config.n_layers;
        let before = Stage::all(layers).take_while(|&stage| stage < entry.stage).last();
        let mut acting = self.lists[list].iter().filter(|one| Some(one.site.stage(layers)) == before);
        entry.shortcut.and_then(|_| acting.next())
    }

    /// Cuts the batches' lists into chunks that fit the budget with this many threads.
    pub(super) fn chunks<'l, 'c>(
        &self,
        batches: &'l [(SweepBatch<'c>, Vec<Member>)],
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

    /// How many of these lists fit into one chunk with this many threads: at least one.
    fn chunk_size(&self, batch: &SweepBatch<'_>, members: &[Member], threads: usize) -> usize {
        let (model, positions) = (self.scene.model, batch.window.positions);
        let config = &model.config;
        let rows = |computed: usize| {
            let pass = Pass { config, computed, positions };
            model.budget.rows(&pass, self.work / threads as u64)
        };
        // In units of what all positions of one prompt take.
        let (all, last) = (rows(positions - batch.window.start), rows(1));
        let mut used = 0.0;
        let fits = |&&(_, entry): &&Member| {
            let late = entry.stage > Stage::Attention(config.n_layers - 1);
            used += batch.prompts.len() as f64 / if late { last } else { all } as f64;
            used <= 1.0
        };
        members.iter().take_while(fits).count().max(1)
    }
}
