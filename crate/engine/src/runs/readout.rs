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
    /// The map to the mean logit under each prompt's distribution, which other runs are compared with.
    expected: Option<ChosenTokens>,
}

impl Readout {
    /// Reads the answers and distractors of some cases.
    pub fn new(model: &Model, cases: &[PreparedCase], vocabulary: bool) -> Self {
        let pairs: Vec<[u32; 2]> = cases.iter().map(|case| [case.answer, case.distractor]).collect();
        Self::of_tokens(model, &pairs, vocabulary)
    }

    /// Reads two tokens of each prompt.
    pub(crate) fn of_tokens(model: &Model, pairs: &[[u32; 2]], vocabulary: bool) -> Self {
        let chosen = model.unembedding.choose(pairs);
        Self { tokens: on_device(pairs, model), pairs: pairs.to_vec(), chosen, vocabulary, expected: None }
    }

    /// The same, and the mean logit under each prompt's distribution over the next tokens, from which Kullback and Leibler's
    /// divergence from it follows ([`LogitStats::divergence`]). The vocabulary is read then.
    #[must_use]
    pub(crate) fn compared_with(&self, model: &Model, distributions: &[Vec<f64>]) -> Self {
        let expected = Some(model.unembedding.choose_mean(distributions));
        Self { vocabulary: true, expected, ..self.clone() }
    }

    /// Restricted to these prompts, by index.
    #[must_use]
    pub fn only(&self, model: &Model, prompts: &[usize]) -> Self {
        if prompts.len() == self.pairs.len() {
            return self.clone();
        }
        let pairs: Vec<[u32; 2]> = prompts.iter().map(|&prompt| self.pairs[prompt]).collect();
        let indices = prompts.iter().map(|&prompt| prompt as i32).collect();
        let indices = Indices::new(indices, [prompts.len()], &model.device);
        let expected = self.expected.as_ref().map(|expected| expected.only(&indices));
        let chosen = self.chosen.only(&indices);
        Self { tokens: on_device(&pairs, model), pairs, chosen, vocabulary: self.vocabulary, expected }
    }

    /// Answer and distractor of each prompt.
    pub fn pairs(&self) -> &[[u32; 2]] {
        &self.pairs
    }

    /// Numbers per row of [`Self::of`]: the logits of answer and distractor and their mean over the vocabulary,
    /// or the logits, log-sum-exp and rank, and then the mean logit under a distribution.
    pub(crate) fn width(&self) -> usize {
        let vocabulary = if self.vocabulary { 4 } else { 3 };
        vocabulary + usize::from(self.expected.is_some())
    }

    /// From the final LayerNorm's output to the numbers of [`LogitStats`]:
    /// `normalized [n, d] -> [n, 3 to 5]`. With more rows than prompts the prompts are cycled.
    pub fn of(&self, model: &Model, normalized: Tensor<2>) -> Tensor<2> {
        let chosen = self.chosen.of(normalized.clone()); // [n, 3]
        if !self.vocabulary {
            return chosen;
        }
        let ([n, d], unembedding) = (normalized.dims(), &model.unembedding);
        flops::matmul(n, d, model.config.d_vocab);
        let expected = self.expected.as_ref().map(|expected| expected.of(normalized.clone())); // [n, 2]
        let h = unembedding.scaled(normalized); // [n, d]
        let numbers = patchlab_kernels::vocabulary(h, unembedding.vocab.blocks(), chosen, &self.tokens); // [n, 4]
        match expected {
            Some(expected) => Tensor::cat(vec![numbers, expected.slice([0..n, 0..1])], 1), // [n, 5]
            None => numbers,
        }
    }

    /// Unpacks the numbers of [`Self::of`] for one run.
    pub fn stats(&self, numbers: &[f32]) -> LogitStats {
        let mut stats = LogitStats::new(1, self.pairs.len(), self.vocabulary);
        if self.expected.is_some() {
            stats = stats.with_expected();
        }
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
