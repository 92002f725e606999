//! Attention on random tokens given twice: to the previous token, to the same token before, and to what followed it
//! (TransformerLens's `detect_head` and demos, ARENA 1.2, figure 18 of Wang et al. 2022; they differ in the tokens, in
//! <|endoftext|> and in which destinations count, which are settings here).

use super::{Destinations, Score, Scores, Settings};
use crate::analyses::Job;
use crate::analyses::token_loss::loss;
use crate::bootstrap;
use crate::error::Result;
use crate::host::Work;
use crate::metrics::PerPrompt;
use crate::model::{Batch, Config, Hooks};
use crate::readback::Reads;
use crate::site::{BlockSite, Site};

/// Tokens are drawn from these ids, as in TransformerLens's main demo, if the vocabulary has them.
const DRAWN: std::ops::Range<u64> = 1000..10_000;

/// Random sequences, each to be given twice.
pub(super) struct Sequences {
    /// One copy of each.
    tokens: Vec<Vec<u32>>,
    length: usize,
    bos: bool,
    destinations: Destinations,
}

impl Sequences {
    /// The same on every machine: numbers of SplitMix64 from 0 on.
    pub(super) fn new(settings: &Settings, config: &Config) -> Self {
        let length = settings.length.min((config.n_ctx - 1) / 2).max(1);
        let (first, end) = (DRAWN.start, DRAWN.end.min(config.d_vocab as u64 - 1));
        let (first, count) = if end > first { (first, end - first) } else { (0, end) };
        let mut state = 0;
        let mut token = || (first + bootstrap::next(&mut state) % count) as u32;
        let tokens = (0..settings.sequences).map(|_| (0..length).map(|_| token()).collect()).collect();
        Self { tokens, length, bos: settings.bos, destinations: settings.destinations }
    }

    pub(super) fn note(&self) -> String {
        let before = if self.bos { "after <|endoftext|>" } else { "without <|endoftext|>" };
        let which = match self.destinations {
            Destinations::Whole => "at all positions that have such a source",
            Destinations::Second => "from the second copy",
        };
        format!(
            "{} sequences of {} random tokens, each given twice, {before}; means {which}.",
            self.tokens.len(),
            self.length
        )
    }

    fn whole(&self, job: &Job<'_>, sequence: usize) -> Vec<u32> {
        let tokens = &self.tokens[sequence];
        let bos = self.bos.then(|| job.tokenizer.bos());
        bos.into_iter().chain(tokens.iter().copied()).chain(tokens.iter().copied()).collect()
    }

    /// The scores, and the loss of each token but the first, `[positions, sequences]`.
    pub(super) async fn run(&self, job: &Job<'_>, work: &mut Work<'_>) -> Result<(Scores, PerPrompt)> {
        let config = &job.model.config;
        let (heads, sequences) = (config.n_layers * config.n_heads, self.tokens.len());
        let positions = 2 * self.length + usize::from(self.bos);
        let kinds =
            [(Score::Previous, 1), (Score::Duplicate, self.length), (Score::Induction, self.length - 1)];
        let mut scores: Scores =
            kinds.iter().map(|(score, _)| (*score, PerPrompt::new(heads, sequences))).collect();
        let mut losses = PerPrompt::new(positions - 1, sequences);
        let sites: Vec<Site> =
            (0..config.n_layers).map(|layer| Site::Block(layer, BlockSite::Pattern)).collect();
        for sequence in 0..sequences {
            let ids = self.whole(job, sequence);
            let batch = Batch::new(std::slice::from_ref(&ids))?;
            let mut normalized = None;
            for part in job.model.budget.parts(config, positions, &sites) {
                let mut hooks = Hooks::new(Some(&part), &[]);
                normalized = Some(job.model.forward(&batch, &mut hooks)?); // [1, p, d]
                let cache = hooks.finish()?;
                let mut reads = Reads::default();
                for site in &part {
                    reads = reads.with(cache.tensor::<4>(*site)?); // [1, h, p, p]
                }
                for (site, patterns) in part.iter().zip(reads.fetch().await?) {
                    let Site::Block(layer, _) = *site else { continue };
                    for (head, pattern) in patterns.chunks_exact(positions * positions).enumerate() {
                        for ((_, numbers), (_, offset)) in scores.iter_mut().zip(kinds) {
                            let number = self.diagonal(pattern, positions, offset);
                            numbers.row_mut(layer * config.n_heads + head)[sequence] = number;
                        }
                    }
                }
            }
            if let Some(normalized) = normalized {
                let [_, _, d] = normalized.dims();
                let rows = normalized.slice([0..1, 0..positions - 1, 0..d]).reshape([positions - 1, d]);
                for (position, loss) in loss(job, rows, &ids[1..]).await?.into_iter().enumerate() {
                    losses.row_mut(position)[sequence] = loss;
                }
            }
            work.done(1).await?;
        }
        Ok((scores, losses))
    }

    /// The mean attention from each destination to the source `offset` before it.
    fn diagonal(&self, pattern: &[f32], positions: usize, offset: usize) -> f64 {
        let first = match self.destinations {
            Destinations::Whole => offset,
            Destinations::Second => offset.max(self.length + usize::from(self.bos)),
        };
        let weights = (first..positions).map(|place| f64::from(pattern[place * positions + place - offset]));
        weights.sum::<f64>() / (positions - first).max(1) as f64
    }
}
