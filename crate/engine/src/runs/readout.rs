//! What is read from a run's final logits: those of each prompt's answer and distractor and, if wanted,
//! log-sum-exp and the answer's rank in the whole vocabulary.

use patchlab_kernels::{Indices, Tensor};

use crate::metrics::LogitStats;
use crate::model::vocabulary::ChosenTokens;
use crate::model::{Model, flops};
use crate::prompts::PreparedCase;

/// The tokens whose logits are read, on the device.
#[derive(Debug, Clone)]
pub struct Readout {
    /// The answer and the distractor of each prompt.
    pairs: Vec<[u32; 2]>,
    /// The same, `[prompts, 2]`.
    tokens: Indices<2>,
    /// The map to their logits.
    chosen: ChosenTokens,
    /// Whether log-sum-exp and rank are wanted.
    vocabulary: bool,
}

impl Readout {
    /// Reads the answers and distractors of some cases.
    pub fn new(model: &Model, cases: &[PreparedCase], vocabulary: bool) -> Self {
        let pairs: Vec<[u32; 2]> = cases.iter().map(|case| [case.answer, case.distractor]).collect();
        let chosen = model.unembedding.choose(&pairs);
        Self { tokens: on_device(&pairs, model), pairs, chosen, vocabulary }
    }

    /// Restricted to these prompts, by index.
    #[must_use]
    pub fn only(&self, model: &Model, prompts: &[usize]) -> Self {
        if prompts.len() == self.pairs.len() {
            return self.clone();
        }
        let pairs: Vec<[u32; 2]> = prompts.iter().map(|&prompt| self.pairs[prompt]).collect();
        let indices = prompts.iter().map(|&prompt| prompt as i32).collect();
        let chosen = self.chosen.only(&Indices::new(indices, [prompts.len()], &model.device));
        Self { tokens: on_device(&pairs, model), pairs, chosen, vocabulary: self.vocabulary }
    }

    /// Answer and distractor of each prompt.
    pub fn pairs(&self) -> &[[u32; 2]] {
        &self.pairs
    }

    /// Numbers per row of [`Self::of`]: the logits of answer and distractor and their mean over the vocabulary,
    /// or the logits, log-sum-exp and rank.
    pub(crate) fn width(&self) -> usize {
        if self.vocabulary { 4 } else { 3 }
    }

    /// From the final LayerNorm's output to the numbers of [`LogitStats`]:
    /// `normalized [n, d] -> [n, 3 or 4]`. With more rows than prompts the prompts are cycled.
    pub fn of(&self, model: &Model, normalized: Tensor<2>) -> Tensor<2> {
        let chosen = self.chosen.of(normalized.clone()); // [n, 3]
        if !self.vocabulary {
            return chosen;
        }
        let ([n, d], unembedding) = (normalized.dims(), &model.unembedding);
        flops::matmul(n, d, model.config.d_vocab);
        let h = unembedding.scaled(normalized); // [n, d]
        patchlab_kernels::vocabulary(h, unembedding.vocab.blocks(), chosen, &self.tokens) // [n, 4]
    }

    /// Unpacks the numbers of [`Self::of`] for one run.
    pub fn stats(&self, numbers: &[f32]) -> LogitStats {
        let mut stats = LogitStats::new(1, self.pairs.len(), self.vocabulary);
        for (prompt, numbers) in numbers.chunks_exact(self.width()).enumerate() {
            stats.set(0, prompt, numbers);
        }
        stats
    }
}

/// Pairs of tokens, `[prompts, 2]`.
fn on_device(pairs: &[[u32; 2]], model: &Model) -> Indices<2> {
    let ids = pairs.as_flattened().iter().map(|&id| id as i32).collect();
    Indices::new(ids, [pairs.len(), 2], &model.device)
}
